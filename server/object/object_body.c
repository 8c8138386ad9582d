/* SPDX-License-Identifier: Apache-2.0 */
#include "object/object_body.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "common/log.h"

#define STRETCH   ((uint64_t)1 << 20) /* looked up or fetched at once */
#define AHEAD     ((uint64_t)2 << 20) /* asked of the disk beyond a stretch that had to be fetched */
#define PROBE_GAP ((uint64_t)65536)

struct object_body {
    struct http_body body;
    struct object_source *source;
    uint64_t at, end;   /* next byte, one past the last */
    uint64_t ready;     /* bytes before this are in the page cache, as far as we know */
    uint64_t drop_from; /* fetched by us and to be dropped */
    uint64_t drop_to;
    bool failed;
};

/* --- what is in the page cache ------------------------------------------------------------------------------------------ */

bool object_body_read_now(int fd, void *p, size_t n)
{
    struct iovec iov = {p, n};
    return n == 0 || preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == (ssize_t)n;
}

static bool byte_ready(int fd, uint64_t at)
{
    char byte;
    struct iovec iov = {&byte, 1};
    return preadv2(fd, &iov, 1, (off_t)at, RWF_NOWAIT) == 1;
}

/* cachestat(2), Linux 6.5: how many of the pages are in the page cache. Older headers do not have it. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
struct page_range {
    uint64_t offset, length;
};
struct page_counts {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

/* 1 all there, 0 some missing, -1 cannot tell. */
static int pages_ready(int fd, uint64_t from, uint64_t to)
{
    static atomic_bool unsupported;
    struct page_range range = {from, to - from};
    struct page_counts counts = {0};
    if (atomic_load(&unsupported))
        return -1;
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) != 0) {
        atomic_store(&unsupported, true);
        return -1;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return counts.cached >= (to - 1) / page - from / page + 1;
}

/* A page that is there may still be on its way from the disk: those come in order, so the last one tells. */
static bool stretch_ready(int fd, uint64_t from, uint64_t to)
{
    int pages = pages_ready(fd, from, to);
    if (pages == 0 || !byte_ready(fd, to - 1))
        return false;
    for (uint64_t at = from; pages < 0 && at < to; at += PROBE_GAP)
        if (!byte_ready(fd, at))
            return false;
    return true;
}

/* --- fetching ---------------------------------------------------------------------------------------------------------- */

struct fetch {
    int fd;
    uint64_t from, to, drop_from, drop_to;
    int err;
};

static void fetch_job(void *arg)
{
    struct fetch *f = arg;
    char block[65536];
    if (f->drop_to > f->drop_from)
        posix_fadvise(f->fd, (off_t)f->drop_from, (off_t)(f->drop_to - f->drop_from), POSIX_FADV_DONTNEED);
    readahead(f->fd, (off_t)f->from, f->to - f->from + AHEAD);
    for (uint64_t at = f->from; at < f->to;) {
        size_t n = f->to - at < sizeof block ? (size_t)(f->to - at) : sizeof block;
        ssize_t got = pread(f->fd, block, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            f->err = got < 0 ? -errno : -EIO; /* shorter than when it was opened */
            return;
        }
        at += (uint64_t)got;
    }
}

static void quarantine_job(void *arg)
{
    diskfile_quarantine(arg);
}

static int fail(struct object_body *b, int err)
{
    b->failed = true;
    log_txn(LOG_LEVEL_ERROR, b->source->txn, "reading %s: error %d", b->source->file->path, -err);
    if (err == -EIO) {
        struct diskfile f = *b->source->file;
        if (rt_offload(b->source->pool, quarantine_job, &f) == 0)
            log_txn(LOG_LEVEL_WARNING, b->source->txn, "Quarantined object %s: cannot be read", f.path);
    }
    return err;
}

/* Makes b->ready > b->at. */
static int make_ready(struct object_body *b)
{
    uint64_t to = b->end - b->at < STRETCH ? b->end : b->at + STRETCH;
    if (b->failed)
        return -EIO;
    if (b->at < b->ready)
        return 0;
    if (!stretch_ready(b->source->fd, b->at, to)) {
        struct fetch f = {
            .fd = b->source->fd, .from = b->at, .to = to, .drop_from = b->drop_from, .drop_to = b->drop_to};
        int err = rt_offload(b->source->pool, fetch_job, &f);
        if (err || f.err)
            return fail(b, err ? err : f.err);
        b->drop_from = b->source->drop_cache ? b->at : 0;
        b->drop_to = b->source->drop_cache ? to : 0;
    }
    b->ready = to;
    return 0;
}

/* --- the body ---------------------------------------------------------------------------------------------------------- */

static int body_file_range(struct http_body *body, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct object_body *b = (struct object_body *)body;
    if (b->at == b->end)
        return 0;
    int err = make_ready(b);
    if (err)
        return err;
    *ret_fd = b->source->fd;
    *ret_offset = (off_t)b->at;
    *ret_n = b->ready - b->at < max ? (size_t)(b->ready - b->at) : max;
    b->at += *ret_n;
    return 1;
}

static ssize_t body_read(struct http_body *body, void *p, size_t n)
{
    struct object_body *b = (struct object_body *)body;
    if (b->at == b->end)
        return 0;
    int err = make_ready(b);
    if (err)
        return err;
    if (n > b->ready - b->at)
        n = (size_t)(b->ready - b->at);
    ssize_t got = pread(b->source->fd, p, n, (off_t)b->at);
    if (got <= 0)
        return fail(b, got < 0 ? -errno : -EIO);
    b->at += (uint64_t)got;
    return got;
}

static void drop_job(void *arg)
{
    struct fetch *f = arg;
    posix_fadvise(f->fd, (off_t)f->drop_from, (off_t)(f->drop_to - f->drop_from), POSIX_FADV_DONTNEED);
}

static void body_close(struct http_body *body)
{
    struct object_body *b = (struct object_body *)body;
    struct fetch f = {.fd = b->source->fd, .drop_from = b->drop_from, .drop_to = b->drop_to};
    if (b->drop_to > b->drop_from && rt_offload(b->source->pool, drop_job, &f) != 0)
        b->drop_to = 0; /* too busy: the pages stay a little longer */
}

static const struct http_body_ops body_ops = {
    .read = body_read,
    .file_range = body_file_range,
    .close = body_close,
};

struct http_body *object_body_new(struct arena *a, struct object_source *source, uint64_t start, uint64_t end)
{
    struct object_body *b = arena_zalloc(a, sizeof *b);
    b->body.ops = &body_ops;
    b->body.length = (int64_t)(end - start + 1);
    b->source = source;
    b->at = b->ready = start;
    b->end = end + 1;
    return &b->body;
}
