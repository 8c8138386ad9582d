/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring that follows its file (ring.h). The mutex is held only to copy a pointer and to decide who looks at the
 * file; stat and load run without it, in one thread at a time (`loading`).
 *
 * What was tried last is remembered by mtime, size and inode: a file that was read, good or bad, is not read again
 * until it changes. A file that could not be read (missing, no permission, no memory) is tried at each look.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "ring/ring.h"

struct stamp {
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

struct ring_holder {
    char *path;
    ring_check_fn *check;
    void *check_arg;
    int64_t reload_ms;
    pthread_mutex_t mutex; /* for all below but `tried`, which belongs to the thread that set `loading` */
    const struct ring *ring;
    int64_t next_look_ms;
    bool loading;
    char *error;      /* of the last failed reload, not yet taken; or NULL */
    char *last_error; /* so that a lasting failure is told once */
    struct stamp tried;
};

static int take_stamp(const char *path, struct stamp *ret)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    ret->mtime = st.st_mtim;
    ret->size = st.st_size;
    ret->inode = st.st_ino;
    return 0;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec && a->size == b->size &&
           a->inode == b->inode;
}

static int load_checked(struct ring_holder *h, struct ring **ret, struct buf *error)
{
    struct ring *ring;
    int err = ring_load(h->path, &ring, error);
    if (err == 0 && h->check) {
        err = h->check(ring, h->check_arg, error);
        if (err < 0)
            ring_unref(ring);
    }
    if (err == 0)
        *ret = ring;
    return err;
}

int ring_holder_open_checked(const char *path, ring_check_fn *check, void *arg, int64_t reload_ms,
                             struct ring_holder **ret, struct buf *error)
{
    struct ring_holder *h = xcalloc(1, sizeof(*h));
    struct ring *ring = NULL;
    h->path = xstrdup(path);
    h->check = check;
    h->check_arg = arg;
    h->reload_ms = reload_ms > 0 ? reload_ms : RING_RELOAD_MS;
    pthread_mutex_init(&h->mutex, NULL);
    /* The stamp first: if the file is replaced in between, the next look sees another one. */
    (void)take_stamp(path, &h->tried);
    int err = load_checked(h, &ring, error);
    h->ring = ring;
    h->next_look_ms = clock_monotonic_ms() + h->reload_ms;
    if (err < 0)
        ring_holder_free(h);
    else
        *ret = h;
    return err;
}

int ring_holder_open(const char *path, struct ring_holder **ret, struct buf *error)
{
    return ring_holder_open_checked(path, NULL, NULL, 0, ret, error);
}

void ring_holder_free(struct ring_holder *h)
{
    if (!h)
        return;
    ring_unref(h->ring);
    pthread_mutex_destroy(&h->mutex);
    free(h->error);
    free(h->last_error);
    free(h->path);
    free(h);
}

/* Under the mutex: keeps the sentence for ring_holder_take_error(), unless the last failure was the same. */
static void note_error(struct ring_holder *h, const char *text)
{
    if (h->last_error && strcmp(h->last_error, text) == 0)
        return;
    free(h->error);
    free(h->last_error);
    h->error = xstrdup(text);
    h->last_error = xstrdup(text);
}

static void forget_error(struct ring_holder *h)
{
    free(h->error);
    free(h->last_error);
    h->error = h->last_error = NULL;
}

/* Was the content at fault (true), or could it not be read? */
static bool is_bad_content(int err)
{
    return err == -EBADMSG || err == -EINVAL || err == -ENOTSUP;
}

/* Without the mutex, by the one thread that set `loading`. */
static int look(struct ring_holder *h, struct ring **ret_new, struct buf *error)
{
    struct stamp now;
    char text[128];
    int err = take_stamp(h->path, &now);
    if (err < 0) {
        buf_printf(error, "%s: %s: going on with the ring as it was", h->path,
                   strerror_r(-err, text, sizeof(text)));
        return err;
    }
    if (same_stamp(&now, &h->tried))
        return 0;
    err = load_checked(h, ret_new, error);
    if (err == 0 || is_bad_content(err))
        h->tried = now;
    if (err < 0)
        buf_puts(error, ": going on with the ring as it was");
    return err;
}

static void reload(struct ring_holder *h)
{
    struct ring *new_ring = NULL;
    const struct ring *old = NULL;
    struct buf error;
    buf_init(&error, 4096);
    int err = look(h, &new_ring, &error);
    pthread_mutex_lock(&h->mutex);
    if (new_ring) {
        old = h->ring;
        h->ring = new_ring;
        forget_error(h);
    } else if (err < 0) {
        note_error(h, error.p ? error.p : "");
    } else {
        free(h->last_error);
        h->last_error = NULL;
    }
    h->next_look_ms = clock_monotonic_ms() + h->reload_ms;
    h->loading = false;
    pthread_mutex_unlock(&h->mutex);
    ring_unref(old);
    buf_release(&error);
}

const struct ring *ring_holder_get(struct ring_holder *h)
{
    pthread_mutex_lock(&h->mutex);
    bool mine = !h->loading && clock_monotonic_ms() >= h->next_look_ms;
    if (mine)
        h->loading = true;
    pthread_mutex_unlock(&h->mutex);
    if (mine)
        reload(h);
    return ring_holder_peek(h);
}

const struct ring *ring_holder_peek(struct ring_holder *h)
{
    pthread_mutex_lock(&h->mutex);
    const struct ring *ring = ring_ref(h->ring);
    pthread_mutex_unlock(&h->mutex);
    return ring;
}

bool ring_holder_due(struct ring_holder *h)
{
    pthread_mutex_lock(&h->mutex);
    bool due = !h->loading && clock_monotonic_ms() >= h->next_look_ms;
    pthread_mutex_unlock(&h->mutex);
    return due;
}

bool ring_holder_take_error(struct ring_holder *h, struct buf *error)
{
    pthread_mutex_lock(&h->mutex);
    char *text = h->error;
    h->error = NULL;
    pthread_mutex_unlock(&h->mutex);
    if (text)
        buf_puts(error, text);
    free(text);
    return text != NULL;
}
