/* SPDX-License-Identifier: Apache-2.0 */
#include "object/suffix_hashes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/pickle.h"
#include "object/hash_dir.h"
#include "object/quarantine.h"

#define MAX_FRAGS    256
#define MAX_ATTEMPTS 20 /* at writing hashes.pkl against others doing the same */

/* --- the table and its pickle ------------------------------------------------------------------------------------ */

void suffix_hashes_init(struct suffix_hashes *h, struct arena *a)
{
    *h = (struct suffix_hashes){.updated = -1, .arena = a};
}

struct suffix_hash *suffix_hashes_at(struct suffix_hashes *h, struct str suffix)
{
    size_t low = 0, high = h->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = memcmp(h->v[middle].suffix, suffix.p, 3);
        if (c == 0)
            return &h->v[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        struct suffix_hash *more = arena_alloc(h->arena, h->cap * sizeof *more);
        if (h->n)
            memcpy(more, h->v, h->n * sizeof *more);
        h->v = more;
    }
    memmove(h->v + low + 1, h->v + low, (h->n - low) * sizeof *h->v);
    h->n++;
    h->v[low] = (struct suffix_hash){0};
    memcpy(h->v[low].suffix, suffix.p, 3);
    return &h->v[low];
}

static void drop_at(struct suffix_hashes *h, size_t i)
{
    memmove(h->v + i, h->v + i + 1, (h->n - i - 1) * sizeof *h->v);
    h->n--;
}

static bool is_digest(const struct pickle_value *v)
{
    if (v->type != PICKLE_TEXT && v->type != PICKLE_BYTES)
        return false;
    for (size_t i = 0; i < v->text.n; i++)
        if (!((v->text.p[i] >= '0' && v->text.p[i] <= '9') || (v->text.p[i] >= 'a' && v->text.p[i] <= 'f')))
            return false;
    return v->text.n == 32;
}

static void set_digest(char hex[33], struct str digest)
{
    memcpy(hex, digest.p, 32);
    hex[32] = '\0';
}

/* A value that is no digest counts as unknown: it is computed anew. */
static void parse_frags(struct arena *a, const struct pickle_value *dict, struct suffix_hash *hash)
{
    size_t n = dict->dict.n;
    hash->frags = arena_alloc(a, (n ? n : 1) * sizeof *hash->frags);
    hash->n_frags = 0;
    hash->known = false;
    for (size_t i = 0; i < n; i++) {
        const struct pickle_value *key = dict->dict.pairs[i].key, *value = dict->dict.pairs[i].value;
        bool index = key->type == PICKLE_INT && key->integer >= 0 && key->integer < MAX_FRAGS;
        if ((!index && key->type != PICKLE_NONE) || !is_digest(value))
            return;
        struct frag_hash *f = &hash->frags[hash->n_frags++];
        f->frag_index = index ? (int)key->integer : -1;
        set_digest(f->hex, value->text);
    }
    hash->known = n > 0; /* an empty dict is as good as None to Python too */
}

static void parse_value(struct arena *a, const struct pickle_value *v, struct suffix_hash *hash)
{
    if (v->type == PICKLE_DICT) {
        parse_frags(a, v, hash);
    } else if (is_digest(v)) {
        set_digest(hash->hex, v->text);
        hash->known = true;
    }
}

static int parse_table(struct arena *a, const struct pickle_value *dict, struct suffix_hashes *h)
{
    h->valid = true;
    for (size_t i = 0; i < dict->dict.n; i++) {
        const struct pickle_value *key = dict->dict.pairs[i].key, *value = dict->dict.pairs[i].value;
        if (key->type != PICKLE_TEXT && key->type != PICKLE_BYTES)
            return -EINVAL;
        if (str_eq(key->text, STR("valid")))
            h->valid = (value->type == PICKLE_BOOL && value->boolean) ||
                       (value->type == PICKLE_INT && value->integer);
        else if (str_eq(key->text, STR("updated")))
            h->updated = value->type == PICKLE_FLOAT ? value->real
                         : value->type == PICKLE_INT ? (double)value->integer
                                                     : -1;
        else if (objects_dir_is_suffix(key->text))
            parse_value(a, value, suffix_hashes_at(h, key->text));
        else
            return -EINVAL;
    }
    return 0;
}

int suffix_hashes_parse(struct arena *a, struct str pickle, struct suffix_hashes *ret)
{
    struct pickle_value *dict;
    suffix_hashes_init(ret, a);
    int err = pickle_parse(a, pickle.p, pickle.n, &dict, NULL);
    if (err || dict->type != PICKLE_DICT)
        return -EINVAL;
    err = parse_table(a, dict, ret);
    if (err)
        suffix_hashes_init(ret, a);
    return err;
}

static void encode_entries(const struct suffix_hashes *h, struct buf *out)
{
    for (size_t i = 0; i < h->n; i++) {
        const struct suffix_hash *hash = &h->v[i];
        pickle_text(out, str_from(hash->suffix));
        if (!hash->known) {
            pickle_none(out);
        } else if (!hash->frags) {
            pickle_text(out, str_from(hash->hex));
        } else {
            pickle_dict_begin(out);
            for (size_t k = 0; k < hash->n_frags; k++) {
                if (hash->frags[k].frag_index < 0)
                    pickle_none(out);
                else
                    pickle_int(out, hash->frags[k].frag_index);
                pickle_text(out, str_from(hash->frags[k].hex));
            }
            pickle_dict_end(out);
        }
    }
}

void suffix_hashes_encode(const struct suffix_hashes *h, struct buf *out)
{
    pickle_begin(out);
    pickle_dict_begin(out);
    pickle_text(out, STR("valid"));
    pickle_bool(out, h->valid);
    encode_entries(h, out);
    pickle_text(out, STR("updated"));
    pickle_float(out, h->updated);
    pickle_dict_end(out);
    pickle_end(out);
}

void suffix_hashes_answer(const struct suffix_hashes *h, struct buf *out)
{
    pickle_begin(out);
    pickle_dict_begin(out);
    encode_entries(h, out);
    pickle_dict_end(out);
    pickle_end(out);
}

/* --- the files --------------------------------------------------------------------------------------------------- */

static const char *in_partition(const struct objects_dir *d, struct arena *a, uint32_t part, const char *name)
{
    return arena_printf(a, "%s/%u/%s", d->path, part, name).p;
}

/* The lock's descriptor, or -errno. Makes the partition folder if it is missing. */
static int lock_partition(const struct objects_dir *d, struct arena *a, uint32_t part)
{
    const char *path = in_partition(d, a, part, SUFFIX_HASHES_LOCK);
    int fd = file_lock(path, SUFFIX_HASHES_LOCK_TIMEOUT_MS);
    if (fd != -ENOENT)
        return fd;
    unsigned created;
    int err = objects_dir_make(d->device_path, objects_dir_partition(d, a, part).p, &created);
    return err ? err : file_lock(path, SUFFIX_HASHES_LOCK_TIMEOUT_MS);
}

static int append_line(const char *path, struct str suffix)
{
    char line[8];
    if (suffix.n > sizeof line - 1)
        return -EINVAL;
    memcpy(line, suffix.p, suffix.n);
    line[suffix.n] = '\n';
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int err = file_write_all(fd, line, suffix.n + 1);
    if (close(fd) != 0 && !err)
        err = -errno;
    return err;
}

int suffix_hashes_invalidate(const struct objects_dir *d, uint32_t part, struct str suffix)
{
    struct arena *a = arena_new();
    int lock = lock_partition(d, a, part);
    int err = lock < 0 ? lock : append_line(in_partition(d, a, part, SUFFIX_HASHES_INVALID), suffix);
    if (lock >= 0)
        close(lock);
    arena_free(a);
    return err;
}

/* The bytes of a file of the partition in the arena; STR_NONE if it does not exist. */
static int read_bytes(const struct objects_dir *d, struct arena *a, uint32_t part, const char *name,
                      struct str *ret)
{
    struct buf b;
    buf_init(&b, SUFFIX_HASHES_MAX_BYTES);
    int err = file_read(in_partition(d, a, part, name), &b);
    *ret = err ? STR_NONE : arena_str(a, str_of(b.n ? b.p : "", b.n));
    buf_release(&b);
    return err == -ENOENT ? 0 : err;
}

static int write_table(const struct objects_dir *d, struct arena *a, uint32_t part, struct suffix_hashes *h)
{
    struct buf b;
    buf_init(&b, SUFFIX_HASHES_MAX_BYTES);
    h->updated = (double)clock_real_ns() / 1e9;
    suffix_hashes_encode(h, &b);
    int err = buf_error(&b);
    if (!err)
        err = file_replace(in_partition(d, a, part, SUFFIX_HASHES_FILE), b.p, b.n, 0600);
    buf_release(&b);
    return err;
}

/* Under the lock. *ret_bytes: hashes.pkl as it is now. */
static int consolidate_locked(const struct objects_dir *d, uint32_t part, struct arena *a,
                              struct suffix_hashes *ret, struct str *ret_bytes)
{
    struct str lines, line;
    int err = read_bytes(d, a, part, SUFFIX_HASHES_FILE, ret_bytes);
    if (err && err != -E2BIG)
        return err;
    suffix_hashes_parse(a, *ret_bytes, ret);
    err = read_bytes(d, a, part, SUFFIX_HASHES_INVALID, &lines);
    if (err || lines.n == 0)
        return err;
    while (str_next(&lines, '\n', &line)) {
        line = str_trim(line);
        if (objects_dir_is_suffix(line))
            suffix_hashes_at(ret, line)->known = false;
    }
    err = write_table(d, a, part, ret);
    /* Only now that hashes.pkl shows them may the lines go. */
    if (!err && truncate(in_partition(d, a, part, SUFFIX_HASHES_INVALID), 0) != 0 && errno != ENOENT)
        err = -errno;
    return err ? err : read_bytes(d, a, part, SUFFIX_HASHES_FILE, ret_bytes);
}

static int consolidate(const struct objects_dir *d, uint32_t part, struct arena *a, struct suffix_hashes *ret,
                       struct str *ret_bytes)
{
    suffix_hashes_init(ret, a);
    int lock = lock_partition(d, a, part);
    if (lock < 0)
        return lock;
    int err = consolidate_locked(d, part, a, ret, ret_bytes);
    close(lock);
    return err;
}

int suffix_hashes_consolidate(const struct objects_dir *d, uint32_t part, struct arena *a,
                              struct suffix_hashes *ret)
{
    struct str bytes;
    return consolidate(d, part, a, ret, &bytes);
}

/* --- hashing ----------------------------------------------------------------------------------------------------- */

/* One digest per fragment index, made when first needed; slot 0 is None's. */
struct hashers {
    struct digest *v[MAX_FRAGS + 1];
};

static void feed(struct hashers *h, int frag_index, struct timestamp time, const char *ending)
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    struct digest **d = &h->v[frag_index + 1];
    if (!*d)
        *d = digest_new(DIGEST_MD5);
    timestamp_internal(time, text);
    digest_update(*d, text, strlen(text));
    digest_update(*d, ending, strlen(ending));
}

/* Feeds what defines the object's state, in the order that every node uses. */
static void feed_object(struct hashers *h, const struct objects_dir *d, const struct ondisk_choice *c)
{
    if (c->meta)
        feed(h, -1, c->meta->time, ".meta");
    if (c->ts)
        feed(h, -1, c->ts->time, ".ts");
    if (d->frag_count == 0 && c->data)
        feed(h, -1, c->data->time, ".data");
    for (size_t s = 0; s < c->n_sets; s++)
        for (size_t i = 0; i < c->sets[s].n; i++)
            if (c->sets[s].files[i]->frag_index < MAX_FRAGS)
                feed(h, c->sets[s].files[i]->frag_index, c->sets[s].files[i]->time, "");
    if (c->data && c->durable_set)
        feed(h, -1, c->durable_set->files[0]->time, ".durable");
    if (c->ctype)
        feed(h, -1, c->ctype->ctype, "_ctype");
}

struct names {
    struct arena *arena;
    const char **v;
    size_t n, cap;
};

static int add_name(const char *name, void *arg)
{
    struct names *l = arg;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        const char **more = arena_alloc(l->arena, l->cap * sizeof *more);
        if (l->n)
            memcpy(more, l->v, l->n * sizeof *more);
        l->v = more;
    }
    l->v[l->n++] = arena_str(l->arena, str_from(name)).p;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_names(const char *path, struct arena *a, struct names *ret)
{
    *ret = (struct names){.arena = a};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = hash_dir_each(fd, add_name, ret);
    close(fd);
    if (!err && ret->n)
        qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    return err;
}

static int hash_objects(const struct objects_dir *d, uint32_t part, const char *suffix, const char *path,
                        struct hashers *hashers)
{
    struct arena *a = arena_new(), *each = arena_new();
    struct names names;
    int err = list_names(path, a, &names);
    for (size_t i = 0; !err && i < names.n; i++) {
        struct hash_dir dir;
        size_t left;
        arena_reset(each);
        err = hash_dir_clean(each, d, arena_printf(each, "%s/%s", path, names.v[i]).p, &dir, &left);
        if (err == -ENOTDIR || err == -ENODATA || err == -EUCLEAN) {
            int failed = quarantine_hash(d, part, names.v[i]);
            err = failed && err != -ENOTDIR ? quarantine_suffix(d, part, suffix) : failed;
            continue;
        }
        if (!err && left)
            feed_object(hashers, d, &dir.choice);
    }
    arena_free(each);
    arena_free(a);
    return err == -ENOTDIR ? -ENOENT : err;
}

static void finish(struct hashers *h, const struct objects_dir *d, struct suffix_hash *hash, struct arena *a)
{
    char hex[DIGEST_HEX_SIZE];
    size_t n = 0;
    hash->known = true;
    if (d->frag_count == 0) {
        if (!h->v[0])
            h->v[0] = digest_new(DIGEST_MD5);
        set_digest(hash->hex, str_from(digest_final_hex(h->v[0], hex)));
        return;
    }
    for (size_t i = 0; i <= MAX_FRAGS; i++)
        n += h->v[i] != NULL;
    hash->frags = arena_alloc(a, (n ? n : 1) * sizeof *hash->frags);
    hash->n_frags = 0;
    for (int i = 0; i <= MAX_FRAGS; i++)
        if (h->v[i]) {
            struct frag_hash *f = &hash->frags[hash->n_frags++];
            f->frag_index = i - 1;
            set_digest(f->hex, str_from(digest_final_hex(h->v[i], hex)));
        }
}

int suffix_hashes_compute(const struct objects_dir *d, uint32_t part, struct suffix_hash *hash,
                          struct arena *a)
{
    struct hashers hashers = {0};
    const char *path = in_partition(d, a, part, hash->suffix);
    int err = hash_objects(d, part, hash->suffix, path, &hashers);
    /* An empty folder goes, and with it the key. */
    if (!err && (rmdir(path) == 0 || errno == ENOENT))
        err = -ENOENT;
    if (!err)
        finish(&hashers, d, hash, a);
    for (size_t i = 0; i <= MAX_FRAGS; i++)
        digest_free(hashers.v[i]);
    return err;
}

static int find_suffixes(const struct objects_dir *d, uint32_t part, struct arena *a, struct suffix_hashes *h)
{
    struct names names;
    int err = list_names(objects_dir_partition(d, a, part).p, a, &names);
    for (size_t i = 0; !err && i < names.n; i++)
        if (objects_dir_is_suffix(str_from(names.v[i])))
            suffix_hashes_at(h, str_from(names.v[i]));
    return err;
}

static size_t compute_unknown(const struct objects_dir *d, uint32_t part, struct arena *a,
                              struct suffix_hashes *h, bool *changed)
{
    size_t hashed = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->v[i].known)
            continue;
        *changed = true;
        int err = suffix_hashes_compute(d, part, &h->v[i], a);
        if (err == -ENOENT)
            drop_at(h, i--);
        else if (!err)
            hashed++;
    }
    return hashed;
}

/* Writes the table unless somebody else changed hashes.pkl since: -EAGAIN then. */
static int write_if_unchanged(const struct objects_dir *d, uint32_t part, struct arena *a, struct str before,
                              struct suffix_hashes *h)
{
    struct str now;
    int lock = lock_partition(d, a, part);
    if (lock < 0)
        return lock;
    int err = read_bytes(d, a, part, SUFFIX_HASHES_FILE, &now);
    if (!err || err == -E2BIG)
        err = str_eq(before, now) ? write_table(d, a, part, h) : -EAGAIN;
    close(lock);
    return err;
}

int suffix_hashes_get(const struct objects_dir *d, uint32_t part, const struct str *recalculate,
                      size_t n_recalculate, bool list, struct arena *a, struct suffix_hashes *ret,
                      size_t *ret_hashed)
{
    size_t hashed = 0;
    int err = -EAGAIN;
    if (access(objects_dir_partition(d, a, part).p, F_OK) != 0)
        return -errno;
    for (int attempt = 0; err == -EAGAIN && attempt < MAX_ATTEMPTS; attempt++) {
        struct str bytes;
        err = consolidate(d, part, a, ret, &bytes);
        if (err)
            return err;
        bool changed = list || !ret->valid;
        if (!ret->valid)
            suffix_hashes_init(ret, a);
        ret->valid = true;
        if (changed)
            err = find_suffixes(d, part, a, ret);
        if (err)
            return err;
        for (size_t i = 0; i < n_recalculate; i++)
            suffix_hashes_at(ret, recalculate[i])->known = false;
        hashed += compute_unknown(d, part, a, ret, &changed);
        err = changed ? write_if_unchanged(d, part, a, bytes, ret) : 0;
    }
    if (ret_hashed)
        *ret_hashed = hashed;
    return err;
}
