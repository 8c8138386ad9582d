/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/hash_path.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/conf.h"
#include "common/digest.h"

/* Upstream reads the file as Latin-1 and strips values as text, so these bytes go from the ends as well as
 * the ASCII blanks: a value that ends in a UTF-8 character whose last byte is A0 or 85 loses that byte there,
 * and must lose it here. */
static bool is_latin1_space(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x09 && u <= 0x0d) || (u >= 0x1c && u <= 0x20) || u == 0x85 || u == 0xa0;
}

static struct str latin1_strip(struct str s)
{
    while (s.n > 0 && is_latin1_space(s.p[0]))
        s = str_slice(s, 1, s.n);
    while (s.n > 0 && is_latin1_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

int hash_path_set(struct str prefix, struct str suffix, struct hash_path_conf *ret)
{
    if (prefix.n == 0 && suffix.n == 0)
        return -EINVAL;
    ret->prefix = str_of(str_dup(prefix), prefix.n);
    ret->suffix = str_of(str_dup(suffix), suffix.n);
    return 0;
}

int hash_path_load(const char *swift_conf_path, struct hash_path_conf *ret, struct buf *error)
{
    struct conf *conf;
    struct buf unused;
    buf_init(&unused, 4096);
    int r = conf_load(swift_conf_path, &conf, error ? error : &unused);
    buf_release(&unused);
    if (r < 0)
        return r;
    struct str prefix = latin1_strip(str_from(conf_get(conf, "swift-hash", "swift_hash_path_prefix")));
    struct str suffix = latin1_strip(str_from(conf_get(conf, "swift-hash", "swift_hash_path_suffix")));
    r = hash_path_set(prefix, suffix, ret);
    if (r < 0 && error)
        buf_printf(
            error,
            "%s: neither swift_hash_path_suffix nor swift_hash_path_prefix is set in section [swift-hash]: "
            "set one of them to a secret value, the same on all nodes, and never change it",
            swift_conf_path);
    conf_free(conf);
    return r;
}

void hash_path_release(struct hash_path_conf *conf)
{
    free((char *)conf->prefix.p);
    free((char *)conf->suffix.p);
    conf->prefix = conf->suffix = STR_NONE;
}

static size_t put(uint8_t *to, struct str s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return s.n;
}

static size_t put_part(uint8_t *to, struct str s)
{
    to[0] = '/';
    return 1 + put(to + 1, s);
}

void hash_path(const struct hash_path_conf *conf, struct str account, struct str container, struct str object,
               uint8_t out[HASH_PATH_BYTES])
{
    assert(container.n > 0 || object.n == 0);
    uint8_t local[2048];
    size_t most = conf->prefix.n + account.n + container.n + object.n + conf->suffix.n + 3;
    uint8_t *text = most <= sizeof(local) ? local : xmalloc(most);
    size_t n = put(text, conf->prefix);
    n += put_part(text + n, account);
    if (container.n > 0)
        n += put_part(text + n, container);
    if (object.n > 0)
        n += put_part(text + n, object);
    n += put(text + n, conf->suffix);
    md5_of(str_of(text, n), out);
    if (text != local)
        free(text);
}

const char *hash_path_hex(const struct hash_path_conf *conf, struct str account, struct str container,
                          struct str object, char out[HASH_PATH_HEX_SIZE])
{
    uint8_t digest[HASH_PATH_BYTES];
    hash_path(conf, account, container, object, digest);
    str_hex(digest, sizeof(digest), out);
    return out;
}
