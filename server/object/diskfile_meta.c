/* SPDX-License-Identifier: Apache-2.0 */
#include "object/diskfile_meta.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>
#include "common/digest.h"
#include "common/pickle.h"
#include "common/utf8.h"

#define KEY          "user.swift.metadata"
#define KEY_CHECKSUM "user.swift.metadata_checksum"
#define KEY_SIZE     40
#define PIECE        65536

static const struct str name_key = STR_INIT("name");

void diskfile_meta_init(struct diskfile_meta *m, struct arena *a)
{
    m->name = STR_NONE;
    header_init(&m->fields, a);
}

struct str diskfile_meta_get(const struct diskfile_meta *m, const char *field)
{
    return header_get(&m->fields, str_from(field));
}

/* --- the pickle ------------------------------------------------------------------------------------------------- */

void diskfile_meta_encode(const struct diskfile_meta *m, struct buf *out)
{
    struct arena *a = m->fields.arena;
    pickle_begin(out);
    pickle_dict_begin(out);
    for (size_t i = 0; i < m->fields.n; i++) {
        const struct header *f = &m->fields.v[i];
        pickle_bytes(out, utf8_from_latin1(a, f->name));
        pickle_bytes(out, utf8_from_latin1(a, f->value));
    }
    if (m->name.p) {
        pickle_bytes(out, name_key);
        pickle_bytes(out, m->name);
    }
    pickle_dict_end(out);
    pickle_end(out);
}

/* Python 3 pickles bytes as calls of _codecs.encode; the first one shows up right at the start. */
static bool written_by_python3(struct str pickle)
{
    struct str head = str_slice(pickle, 0, pickle.n < 32 ? pickle.n : 32);
    return str_find_str(head, STR("_codecs\nencode"), 0) >= 0;
}

/* Text of a pickled string as bytes of the wire. What cannot be undone stays as it is. */
static int wire_text(struct arena *a, const struct pickle_value *v, bool python3, struct str *ret)
{
    if (v->type == PICKLE_INT) {
        *ret = arena_printf(a, "%lld", (long long)v->integer);
        return 0;
    }
    if (v->type != PICKLE_BYTES && v->type != PICKLE_TEXT)
        return -EBADMSG;
    *ret = v->text;
    if (v->type == PICKLE_TEXT || python3)
        utf8_to_latin1(a, v->text, ret);
    if (!ret->p)
        *ret = STR("");
    return 0;
}

int diskfile_meta_decode(struct arena *a, struct str pickle, struct diskfile_meta *ret)
{
    struct pickle_value *dict;
    if (pickle_parse(a, pickle.p, pickle.n, &dict, NULL) != 0 || dict->type != PICKLE_DICT)
        return -EBADMSG;
    bool python3 = written_by_python3(pickle);
    diskfile_meta_init(ret, a);
    for (size_t i = 0; i < dict->dict.n; i++) {
        struct str key, value;
        const struct pickle_value *v = dict->dict.pairs[i].value;
        if (wire_text(a, dict->dict.pairs[i].key, python3, &key) != 0 ||
            wire_text(a, v, python3, &value) != 0)
            return -EBADMSG;
        if (!str_eq(key, name_key))
            header_add_ref(&ret->fields, key, value);
        else if (v->type == PICKLE_BYTES || v->type == PICKLE_TEXT)
            ret->name = v->text.p ? v->text : STR("");
        else
            return -EBADMSG;
    }
    return 0;
}

/* --- the attributes --------------------------------------------------------------------------------------------- */

static const char *piece_key(size_t i, char out[KEY_SIZE])
{
    if (i == 0)
        snprintf(out, KEY_SIZE, "%s", KEY);
    else
        snprintf(out, KEY_SIZE, "%s%zu", KEY, i);
    return out;
}

/* One attribute appended to b: its size, or -errno. */
static ssize_t read_attribute(int fd, const char *key, struct buf *b)
{
    size_t room = 2048;
    for (;;) {
        char *p = buf_reserve(b, room);
        if (!p)
            return -E2BIG;
        ssize_t n = fgetxattr(fd, key, p, room);
        if (n >= 0) {
            b->n += (size_t)n;
            return n;
        }
        if (errno != ERANGE || room == PIECE)
            return -errno;
        room = PIECE;
    }
}

static int read_pickle(int fd, struct buf *b)
{
    for (size_t i = 0;; i++) {
        char key[KEY_SIZE];
        ssize_t n = read_attribute(fd, piece_key(i, key), b);
        if (n == -ENODATA || n == 0)
            return 0;
        if (n < 0)
            return (int)n;
    }
}

/* 1: present and right, 0: absent, -EBADMSG: wrong. */
static int check_sum(int fd, struct str pickle)
{
    char stored[MD5_HEX_SIZE], actual[MD5_HEX_SIZE];
    ssize_t n = fgetxattr(fd, KEY_CHECKSUM, stored, sizeof stored);
    if (n < 0)
        return errno == ERANGE ? -EBADMSG : 0;
    if (n == 0)
        return 0;
    return str_eq(str_of(stored, (size_t)n), str_from(md5_hex(pickle, actual))) ? 1 : -EBADMSG;
}

int diskfile_meta_read(struct arena *a, int fd, struct diskfile_meta *ret, bool *ret_unsigned,
                       const char **ret_why)
{
    struct buf b;
    buf_init(&b, DISKFILE_META_MAX + PIECE);
    int err = read_pickle(fd, &b);
    struct str pickle = arena_str(a, str_of(b.n ? b.p : "", b.n));
    buf_release(&b);
    if (err == -ENOTSUP || err == -ENOMEM || err == -EACCES || err == -EPERM)
        return err; /* says nothing about the object */
    if (err || pickle.n == 0) {
        *ret_why = err ? "metadata cannot be read" : "no metadata";
        return -EBADMSG;
    }
    int signature = check_sum(fd, pickle);
    if (signature < 0) {
        *ret_why = "metadata checksum mismatch";
        return -EBADMSG;
    }
    if (ret_unsigned)
        *ret_unsigned = signature == 0;
    err = diskfile_meta_decode(a, pickle, ret);
    if (err)
        *ret_why = "metadata is not a pickled dict of strings";
    return err;
}

static int set_attribute(int fd, const char *key, const void *p, size_t n)
{
    return fsetxattr(fd, key, p, n, 0) == 0 ? 0 : -errno;
}

int diskfile_meta_write(int fd, const struct diskfile_meta *m)
{
    struct buf b;
    char key[KEY_SIZE], sum[MD5_HEX_SIZE];
    buf_init(&b, DISKFILE_META_MAX);
    diskfile_meta_encode(m, &b);
    int err = buf_error(&b);
    for (size_t i = 0, at = 0; !err && at < b.n; i++, at += PIECE)
        err = set_attribute(fd, piece_key(i, key), b.p + at, b.n - at < PIECE ? b.n - at : PIECE);
    if (!err)
        err = set_attribute(fd, KEY_CHECKSUM, md5_hex(buf_view(&b), sum), MD5_HEX_SIZE - 1);
    buf_release(&b);
    return err;
}
