/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/file.h"

/* Where the cache folder's file system has no O_TMPFILE. */
static int open_named(const char *cache_dir)
{
    char *path = xasprintf("%s/stage-XXXXXX", cache_dir);
    int fd = mkostemp(path, O_CLOEXEC), saved = errno;

    if (fd >= 0)
        unlink(path);
    free(path);
    return fd >= 0 ? fd : -saved;
}

int stage_open(struct stage *s, const char *cache_dir, uint64_t size)
{
    int fd = open(cache_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        fd = open_named(cache_dir);
    else if (fd < 0)
        fd = -errno;
    if (fd < 0)
        return fd;
    *s = (struct stage){.fd = fd, .size = size};
    if (size && ftruncate(fd, (off_t)size) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return 0;
}

void stage_close(struct stage *s)
{
    close(s->fd);
    free(s->present);
}

/* Adds [from, to), joining what it touches. */
static void mark_present(struct stage *s, uint64_t from, uint64_t to)
{
    size_t first = 0, last;

    if (from >= to)
        return;
    while (first < s->n && s->present[first].to < from)
        first++;
    for (last = first; last < s->n && s->present[last].from <= to; last++) {
        from = s->present[last].from < from ? s->present[last].from : from;
        to = s->present[last].to > to ? s->present[last].to : to;
    }
    if (last == first) {
        s->present = xgrow(s->present, &s->cap, s->n + 1, sizeof *s->present);
        memmove(&s->present[first + 1], &s->present[first], (s->n - first) * sizeof *s->present);
        s->n++;
    } else {
        memmove(&s->present[first + 1], &s->present[last], (s->n - last) * sizeof *s->present);
        s->n -= last - first - 1;
    }
    s->present[first] = (struct stage_extent){from, to};
}

int stage_write(struct stage *s, const void *p, size_t n, uint64_t offset)
{
    int rc = file_pwrite_all(s->fd, p, n, (off_t)offset);

    if (rc < 0)
        return rc;
    mark_present(s, offset > s->size ? s->size : offset, offset + n);
    if (offset + n > s->size)
        s->size = offset + n;
    return 0;
}

int stage_fill(struct stage *s, const void *p, size_t n, uint64_t offset)
{
    int rc = file_pwrite_all(s->fd, p, n, (off_t)offset);

    if (rc == 0)
        mark_present(s, offset, offset + n);
    return rc;
}

int stage_truncate(struct stage *s, uint64_t size)
{
    if (ftruncate(s->fd, (off_t)size) < 0)
        return -errno;
    if (size > s->size)
        mark_present(s, s->size, size);
    while (s->n && s->present[s->n - 1].from >= size)
        s->n--;
    if (s->n && s->present[s->n - 1].to > size)
        s->present[s->n - 1].to = size;
    s->size = size;
    return 0;
}

bool stage_missing(const struct stage *s, uint64_t from, uint64_t to, struct stage_extent *ret)
{
    size_t i = 0;

    to = to > s->size ? s->size : to;
    while (i < s->n && s->present[i].to <= from)
        i++;
    if (i < s->n && s->present[i].from <= from)
        from = s->present[i++].to;
    if (from >= to)
        return false;
    *ret = (struct stage_extent){from, i < s->n && s->present[i].from < to ? s->present[i].from : to};
    return true;
}

struct filling {
    struct stage *stage;
    uint64_t offset;
};

static int fill_write(void *arg, const void *p, size_t n)
{
    struct filling *fill = arg;
    int rc = stage_fill(fill->stage, p, n, fill->offset);

    fill->offset += n;
    return rc;
}

int stage_fetch(struct stage *s, struct store *store, struct store_name name, const char *etag, uint64_t from,
                uint64_t to)
{
    struct stage_extent gap;
    int rc = 0;

    while (rc == 0 && stage_missing(s, from, to, &gap)) {
        struct filling fill = {.stage = s, .offset = gap.from};
        struct store_sink sink = {.write = fill_write, .arg = &fill};

        rc = store->get(store, name, etag, gap.from, gap.to - gap.from, &sink);
        if (rc == -EAGAIN && fill.offset > gap.from) /* the connection broke, but it brought something */
            rc = 0;
    }
    return rc;
}

ssize_t stage_read(const struct stage *s, void *p, size_t n, uint64_t offset)
{
    size_t done = 0;

    if (offset >= s->size)
        return 0;
    if (n > s->size - offset)
        n = (size_t)(s->size - offset);
    while (done < n) {
        ssize_t got = pread(s->fd, (char *)p + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EIO; /* somebody else cut the file */
        done += (size_t)got;
    }
    return (ssize_t)done;
}
