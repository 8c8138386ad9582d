/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"

struct read_ahead {
    pthread_mutex_t lock;
    pthread_cond_t more; /* bytes came, or the end */
    pthread_cond_t room; /* the reader went on, or stop */
    unsigned refs;       /* the handle's, readers', and the thread's */
    struct store *store;
    char *path; /* container and object, one after the other */
    struct store_name name;
    char etag[STORE_ETAG_SIZE];
    uint64_t size;
    char *window;        /* byte x of the object is at x % READ_AHEAD_WINDOW */
    uint64_t start, end; /* what is there */
    uint64_t high;       /* end of the furthest read so far */
    uint64_t ahead;
    bool ended;
    int error;
    atomic_bool stop;
};

static atomic_uint windows; /* that exist */

static void free_read_ahead(struct read_ahead *ra)
{
    atomic_fetch_sub(&windows, 1);
    pthread_cond_destroy(&ra->more);
    pthread_cond_destroy(&ra->room);
    pthread_mutex_destroy(&ra->lock);
    free(ra->path);
    free(ra->window);
    free(ra);
}

struct read_ahead *read_ahead_ref(struct read_ahead *ra)
{
    pthread_mutex_lock(&ra->lock);
    ra->refs++;
    pthread_mutex_unlock(&ra->lock);
    return ra;
}

void read_ahead_unref(struct read_ahead *ra)
{
    bool last;

    if (!ra)
        return;
    pthread_mutex_lock(&ra->lock);
    last = --ra->refs == 0;
    pthread_mutex_unlock(&ra->lock);
    if (last)
        free_read_ahead(ra);
}

/* Bytes after `end`; the oldest give way. */
static void put_bytes(struct read_ahead *ra, const char *p, size_t n)
{
    size_t at = ra->end % READ_AHEAD_WINDOW, first = READ_AHEAD_WINDOW - at;

    first = first < n ? first : n;
    memcpy(ra->window + at, p, first);
    memcpy(ra->window, p + first, n - first);
    ra->end += n;
    if (ra->end - ra->start > READ_AHEAD_WINDOW)
        ra->start = ra->end - READ_AHEAD_WINDOW;
}

static int take_bytes(void *arg, const void *p, size_t n)
{
    struct read_ahead *ra = arg;
    int rc = 0;

    pthread_mutex_lock(&ra->lock);
    while (ra->end >= ra->high + ra->ahead && !atomic_load(&ra->stop))
        pthread_cond_wait(&ra->room, &ra->lock);
    if (atomic_load(&ra->stop))
        rc = -ECANCELED;
    else
        put_bytes(ra, p, n);
    pthread_cond_broadcast(&ra->more);
    pthread_mutex_unlock(&ra->lock);
    return rc;
}

/* A broken connection is taken up where it broke, as long as each attempt brings something. */
static void read_thread(void *arg)
{
    struct read_ahead *ra = arg;
    struct store_sink sink = {.write = take_bytes, .arg = ra, .cancel = &ra->stop};
    uint64_t before;
    int rc;

    do {
        before = ra->end; /* only this thread changes it */
        rc = ra->store->get(ra->store, ra->name, ra->etag, ra->end, ra->size - ra->end, &sink);
    } while (rc == -EAGAIN && ra->end > before && ra->end < ra->size && !atomic_load(&ra->stop));
    pthread_mutex_lock(&ra->lock);
    ra->ended = true;
    ra->error = ra->end == ra->size ? 0 : rc;
    pthread_cond_broadcast(&ra->more);
    pthread_mutex_unlock(&ra->lock);
    read_ahead_unref(ra);
}

struct read_ahead *read_ahead_new(struct workers *w, struct store *store, struct store_name name,
                                  const char *etag, uint64_t size, uint64_t from)
{
    struct read_ahead *ra;

    if (atomic_fetch_add(&windows, 1) >= READ_AHEAD_MAX) {
        atomic_fetch_sub(&windows, 1);
        return NULL;
    }
    ra = xcalloc(1, sizeof *ra);
    pthread_mutex_init(&ra->lock, NULL);
    pthread_cond_init(&ra->more, NULL);
    pthread_cond_init(&ra->room, NULL);
    ra->refs = 2;
    ra->store = store;
    ra->path = xmalloc(name.container.n + name.object.n + 1);
    memcpy(ra->path, name.container.p, name.container.n);
    memcpy(ra->path + name.container.n, name.object.p, name.object.n);
    ra->name.container = str_of(ra->path, name.container.n);
    ra->name.object = str_of(ra->path + name.container.n, name.object.n);
    memcpy(ra->etag, etag, strlen(etag) + 1);
    ra->size = size;
    ra->window = xmalloc(READ_AHEAD_WINDOW);
    ra->start = ra->end = ra->high = from;
    ra->ahead = READ_AHEAD_FIRST;
    atomic_init(&ra->stop, false);
    if (workers_start(w, read_thread, ra) < 0) {
        free_read_ahead(ra);
        return NULL;
    }
    return ra;
}

void read_ahead_stop(struct read_ahead *ra)
{
    pthread_mutex_lock(&ra->lock);
    atomic_store(&ra->stop, true);
    pthread_cond_broadcast(&ra->room);
    pthread_cond_broadcast(&ra->more);
    pthread_mutex_unlock(&ra->lock);
}

bool read_ahead_covers(struct read_ahead *ra, uint64_t offset)
{
    bool covers;

    pthread_mutex_lock(&ra->lock);
    covers = offset >= ra->start && !atomic_load(&ra->stop) &&
             (offset < ra->end || (!ra->ended && offset <= ra->end + READ_AHEAD_REACH));
    pthread_mutex_unlock(&ra->lock);
    return covers;
}

/* The lock is held. */
static void ask_for(struct read_ahead *ra, uint64_t end)
{
    if (end <= ra->high)
        return;
    ra->high = end;
    if (ra->ahead < READ_AHEAD_MOST)
        ra->ahead = ra->ahead * 2 < READ_AHEAD_MOST ? ra->ahead * 2 : READ_AHEAD_MOST;
    pthread_cond_signal(&ra->room);
}

static void get_bytes(const struct read_ahead *ra, char *p, size_t n, uint64_t offset)
{
    size_t at = offset % READ_AHEAD_WINDOW, first = READ_AHEAD_WINDOW - at;

    first = first < n ? first : n;
    memcpy(p, ra->window + at, first);
    memcpy(p + first, ra->window, n - first);
}

ssize_t read_ahead_read(struct read_ahead *ra, void *p, size_t n, uint64_t offset)
{
    ssize_t rc = (ssize_t)n;

    pthread_mutex_lock(&ra->lock);
    if (offset < ra->start || offset > ra->end + READ_AHEAD_REACH) {
        rc = -ENODATA;
    } else {
        ask_for(ra, offset + n);
        while (ra->end < offset + n && !ra->ended && !atomic_load(&ra->stop))
            pthread_cond_wait(&ra->more, &ra->lock);
        if (offset < ra->start || atomic_load(&ra->stop))
            rc = -ENODATA;
        else if (ra->end >= offset + n)
            get_bytes(ra, p, n, offset);
        else
            rc = ra->error ? ra->error : -ENODATA;
    }
    pthread_mutex_unlock(&ra->lock);
    return rc;
}
