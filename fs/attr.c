/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/attr.h"

#include <errno.h>
#include <stdio.h>

#define NS_PER_S INT64_C(1000000000)
#define TIME_MAX (INT64_MAX / NS_PER_S - 1) /* seconds that fit into nanoseconds: the year 2262 */

static const struct str meta_mtime = STR_INIT("X-Object-Meta-Mtime");
static const struct str meta_mode = STR_INIT("X-Object-Meta-Mode");
static const struct str meta_uid = STR_INIT("X-Object-Meta-Uid");
static const struct str meta_gid = STR_INIT("X-Object-Meta-Gid");
static const struct str meta_prefix_object = STR_INIT("X-Object-Meta-");

const char *attr_format_time(int64_t ns, char out[ATTR_TIME_SIZE])
{
    uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    snprintf(out, ATTR_TIME_SIZE, "%s%llu.%09llu", ns < 0 ? "-" : "", (unsigned long long)(n / NS_PER_S),
             (unsigned long long)(n % NS_PER_S));
    return out;
}

int attr_parse_time(struct str s, int64_t *ret_ns)
{
    struct str whole, decimals;
    uint64_t seconds;
    int64_t ns = 0, scale = NS_PER_S / 10;
    bool negative = s.n && s.p[0] == '-';

    str_cut(negative ? str_slice(s, 1, s.n) : s, '.', &whole, &decimals);
    if (str_to_u64(whole, &seconds) < 0 || seconds > TIME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < decimals.n; i++, scale /= 10) {
        if (decimals.p[i] < '0' || decimals.p[i] > '9')
            return -EINVAL;
        ns += (decimals.p[i] - '0') * scale;
    }
    ns += (int64_t)seconds * NS_PER_S;
    *ret_ns = negative ? -ns : ns;
    return 0;
}

static bool parse_octal(struct str s, uint32_t *ret)
{
    uint32_t v = 0;

    if (s.n == 0 || s.n > 10)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '7')
            return false;
        v = v * 8 + (uint32_t)(s.p[i] - '0');
    }
    *ret = v;
    return true;
}

static void parse_id(struct str s, uint32_t *ret)
{
    uint64_t v;

    if (str_to_u64(s, &v) == 0 && v < UINT32_MAX)
        *ret = (uint32_t)v;
}

static bool is_ours(struct str name)
{
    return str_ieq(name, meta_mtime) || str_ieq(name, meta_mode) || str_ieq(name, meta_uid) ||
           str_ieq(name, meta_gid);
}

/* Stored by Swift with an object and lost by a POST that does not repeat them (facts: proxy 13). */
static bool is_kept(struct str name)
{
    static const struct str names[] = {
        STR_INIT("Content-Encoding"), STR_INIT("Content-Disposition"),
        STR_INIT("Content-Language"), STR_INIT("Cache-Control"),
        STR_INIT("Expires"),          STR_INIT("X-Robots-Tag"),
        STR_INIT("X-Delete-At"),      STR_INIT("X-Object-Manifest"),
    };

    if (str_istarts(name, meta_prefix_object))
        return !is_ours(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_ieq(name, names[i]))
            return true;
    return false;
}

void attr_take_version(struct attr *at, const struct store_reply *r)
{
    if (r->etag[0]) {
        memcpy(at->etag, r->etag, sizeof at->etag);
        at->large = r->large;
    }
    at->changed_us = r->changed_us;
    at->changed_limit_s = r->changed_limit_s;
    if (r->changed_limit_s)
        at->ctime_ns = r->changed_limit_s * NS_PER_S;
}

static void take_metadata(struct attr *at, const struct store_reply *r)
{
    uint32_t mode;

    if (parse_octal(header_get(&r->headers, meta_mode), &mode))
        at->mode = (at->mode & S_IFMT) | (mode & 07777);
    parse_id(header_get(&r->headers, meta_uid), &at->uid);
    parse_id(header_get(&r->headers, meta_gid), &at->gid);
    at->mtime_ns = at->ctime_ns;
    attr_parse_time(header_get(&r->headers, meta_mtime), &at->mtime_ns);
    for (size_t i = 0; i < r->headers.n; i++)
        if (is_kept(r->headers.v[i].name))
            at->foreign = true;
}

static bool is_symlink(const struct store_reply *r)
{
    uint32_t mode;

    return listing_type_is(header_get(&r->headers, STR("Content-Type")), STR(LISTING_TYPE_SYMLINK)) ||
           (parse_octal(header_get(&r->headers, meta_mode), &mode) && S_ISLNK(mode));
}

void attr_from_reply(struct attr *ret, const struct store_reply *r, const struct attr_defaults *d)
{
    *ret = (struct attr){.mode = is_symlink(r) ? S_IFLNK | 0777 : S_IFREG | (0666 & ~d->umask),
                         .uid = d->uid,
                         .gid = d->gid,
                         .size = r->size};
    attr_take_version(ret, r);
    take_metadata(ret, r);
}

void attr_of_directory(struct attr *ret, const struct store_reply *r, const struct attr_defaults *d)
{
    *ret = (struct attr){.mode = S_IFDIR | (0777 & ~d->umask),
                         .uid = d->uid,
                         .gid = d->gid,
                         .mtime_ns = d->time_ns,
                         .ctime_ns = d->time_ns};
    if (!r)
        return;
    ret->marker = ATTR_MARKER_SLASH;
    attr_take_version(ret, r);
    take_metadata(ret, r);
}

void attr_to_headers(const struct attr *at, struct header_table *h)
{
    char time[ATTR_TIME_SIZE];

    header_set(h, meta_mtime, str_from(attr_format_time(at->mtime_ns, time)));
    header_setf(h, meta_mode, "%o", at->mode);
    header_setf(h, meta_uid, "%u", at->uid);
    header_setf(h, meta_gid, "%u", at->gid);
    if (S_ISLNK(at->mode))
        header_set(h, STR("Content-Type"), STR(LISTING_TYPE_SYMLINK));
    else if (S_ISDIR(at->mode))
        header_set(h, STR("Content-Type"), STR(LISTING_TYPE_DIRECTORY));
}

void attr_keep_foreign(struct header_table *h, const struct store_reply *r, bool with_type)
{
    for (size_t i = 0; i < r->headers.n; i++) {
        struct str name = r->headers.v[i].name;

        if (with_type ? str_ieq(name, STR("Content-Type")) ||
                            (is_kept(name) && !str_ieq(name, STR("X-Object-Manifest")))
                      : is_kept(name))
            header_set(h, name, r->headers.v[i].value);
    }
}

static struct timespec timespec_of(int64_t ns)
{
    int64_t rest = ns % NS_PER_S;

    rest = rest < 0 ? rest + NS_PER_S : rest;
    return (struct timespec){.tv_sec = (ns - rest) / NS_PER_S, .tv_nsec = rest};
}

void attr_to_stat(const struct attr *at, uint64_t ino, struct stat *ret)
{
    *ret = (struct stat){.st_ino = ino,
                         .st_mode = at->mode,
                         .st_nlink = 1, /* of a directory: "unknown"; 2 would promise no subdirectories */
                         .st_uid = at->uid,
                         .st_gid = at->gid,
                         .st_size = attr_is_dir(at) ? 4096 : (off_t)at->size,
                         .st_blksize = 1 << 20,
                         .st_blocks = (blkcnt_t)((at->size + 511) / 512)};
    ret->st_mtim = ret->st_atim = timespec_of(at->mtime_ns);
    ret->st_ctim = timespec_of(at->ctime_ns);
}

bool attr_same_metadata(const struct attr *a, const struct attr *b)
{
    return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->mtime_ns == b->mtime_ns;
}

bool attr_matches(const struct attr *at, const char *hash, int64_t changed_us)
{
    int64_t ceil_s = (changed_us + 999999) / 1000000;

    if (!at->etag[0] || changed_us == 0)
        return false;
    if (at->changed_us)
        return at->changed_us == changed_us && (at->large || strcmp(at->etag, hash) == 0);
    return strcmp(at->etag, hash) == 0 && ceil_s <= at->changed_limit_s;
}
