/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/upload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/digest.h"

/* Below this the MD5 is computed before and sent along, so that the server refuses what arrives damaged. */
#define UPLOAD_DIGEST_FIRST (1u << 20)

static ssize_t pread_some(int fd, void *p, size_t n, uint64_t offset)
{
    ssize_t got;

    do
        got = pread(fd, p, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* --- a whole stage ------------------------------------------------------------------------------------------- */

struct whole {
    int fd;
    uint64_t sent, size;
    struct digest *md5;
};

static ssize_t whole_read(void *arg, void *p, size_t n)
{
    struct whole *w = arg;
    ssize_t got;

    if (n > w->size - w->sent)
        n = (size_t)(w->size - w->sent);
    if (n == 0)
        return 0;
    got = pread_some(w->fd, p, n, w->sent);
    if (got <= 0)
        return got < 0 ? got : -EIO;
    digest_update(w->md5, p, (size_t)got);
    w->sent += (uint64_t)got;
    return got;
}

static int whole_rewind(void *arg)
{
    struct whole *w = arg;

    w->sent = 0;
    digest_reset(w->md5);
    return 0;
}

static int add_digest(struct whole *w, struct header_table *h)
{
    char buf[65536], hex[DIGEST_HEX_SIZE];
    ssize_t got;

    while ((got = whole_read(w, buf, sizeof buf)) > 0)
        ;
    if (got < 0)
        return (int)got;
    header_set(h, STR("Etag"), str_from(digest_final_hex(w->md5, hex)));
    return whole_rewind(w);
}

/* An exclusive PUT that had to be repeated may have met its own first attempt. */
static int check_own(struct store *store, struct store_name name, const char *md5, struct arena *a,
                     struct store_reply *ret)
{
    struct store_reply there;
    int rc = store->head(store, name, a, &there);

    if (rc == 0 && strcmp(there.etag, md5) != 0)
        rc = -EEXIST;
    if (rc == 0)
        *ret = there;
    return rc;
}

static int put_whole(struct store *store, struct store_name name, const struct header_table *headers,
                     bool exclusive, struct whole *w, struct arena *a, struct store_reply *ret)
{
    struct store_source source = {
        .length = (int64_t)w->size, .read = whole_read, .rewind = whole_rewind, .arg = w};
    char hex[DIGEST_HEX_SIZE];
    struct header_table h;
    int rc = 0;

    header_init(&h, a);
    header_copy(&h, headers);
    if (w->size <= UPLOAD_DIGEST_FIRST)
        rc = add_digest(w, &h);
    if (rc == 0) {
        *ret = (struct store_reply){0};
        rc = store->put(store, name, &h, exclusive, &source, a, ret);
    }
    if (rc == -EEXIST && ret->repeated) {
        struct str etag = header_get(&h, STR("Etag"));

        rc = check_own(store, name, etag.n ? etag.p : digest_final_hex(w->md5, hex), a, ret);
    } else if (rc == 0 && strcmp(ret->etag, digest_final_hex(w->md5, hex)) != 0) {
        rc = -EBADMSG;
    }
    return rc;
}

int upload_stage(struct store *store, struct store_name name, const struct header_table *headers,
                 bool exclusive, const struct stage *stage, struct arena *a, struct store_reply *ret)
{
    struct whole w = {.fd = stage->fd, .size = stage->size, .md5 = digest_new(DIGEST_MD5)};
    int rc = put_whole(store, name, headers, exclusive, &w, a, ret);

    if (rc == -EBADMSG) {
        whole_rewind(&w);
        rc = put_whole(store, name, headers, false, &w, a, ret);
    }
    digest_free(w.md5);
    return rc == -EBADMSG ? -EIO : rc;
}

/* --- while it grows -------------------------------------------------------------------------------------------- */

struct upload_stream {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct store *store;
    struct arena *arena; /* name, headers, reply: the thread's until `ended` */
    struct store_name name;
    struct header_table headers;
    bool exclusive;
    int fd;
    uint64_t sent, end;
    bool finish; /* end is the end */
    bool ended;
    atomic_bool cancel;
    struct digest *md5;
    struct store_reply reply;
    int rc;
};

static ssize_t stream_read(void *arg, void *p, size_t n)
{
    struct upload_stream *u = arg;
    ssize_t got;
    uint64_t left;

    pthread_mutex_lock(&u->lock);
    while (u->sent == u->end && !u->finish && !atomic_load(&u->cancel))
        pthread_cond_wait(&u->changed, &u->lock);
    left = u->end - u->sent;
    pthread_mutex_unlock(&u->lock);
    if (atomic_load(&u->cancel))
        return -ECANCELED;
    if (left == 0)
        return 0;
    got = pread_some(u->fd, p, left < n ? (size_t)left : n, u->sent);
    if (got <= 0)
        return got < 0 ? got : -EIO;
    digest_update(u->md5, p, (size_t)got);
    u->sent += (uint64_t)got; /* only this thread's */
    return got;
}

static int stream_rewind(void *arg)
{
    struct upload_stream *u = arg;

    u->sent = 0;
    digest_reset(u->md5);
    return 0;
}

static void stream_thread(void *arg)
{
    struct upload_stream *u = arg;
    struct store_source source = {
        .length = -1, .read = stream_read, .rewind = stream_rewind, .arg = u, .cancel = &u->cancel};
    char hex[DIGEST_HEX_SIZE];
    int rc = u->store->put(u->store, u->name, &u->headers, u->exclusive, &source, u->arena, &u->reply);

    if (rc == 0 && strcmp(u->reply.etag, digest_final_hex(u->md5, hex)) != 0)
        rc = -EBADMSG;
    pthread_mutex_lock(&u->lock);
    u->rc = rc;
    u->ended = true;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
}

static void stream_free(struct upload_stream *u)
{
    digest_free(u->md5);
    pthread_cond_destroy(&u->changed);
    pthread_mutex_destroy(&u->lock);
    arena_free(u->arena);
    free(u);
}

struct upload_stream *upload_stream_start(struct workers *w, struct store *store, struct store_name name,
                                          const struct header_table *headers, bool exclusive, int fd)
{
    struct upload_stream *u = xcalloc(1, sizeof *u);

    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->changed, NULL);
    u->store = store;
    u->arena = arena_new();
    u->name.container = arena_str(u->arena, name.container);
    u->name.object = arena_str(u->arena, name.object);
    header_init(&u->headers, u->arena);
    header_copy(&u->headers, headers);
    u->exclusive = exclusive;
    u->fd = fd;
    u->md5 = digest_new(DIGEST_MD5);
    atomic_init(&u->cancel, false);
    if (workers_start(w, stream_thread, u) < 0) {
        stream_free(u);
        return NULL;
    }
    return u;
}

void upload_stream_extend(struct upload_stream *u, uint64_t end)
{
    pthread_mutex_lock(&u->lock);
    u->end = end;
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
}

static void wait_for_end(struct upload_stream *u)
{
    pthread_cond_broadcast(&u->changed);
    while (!u->ended)
        pthread_cond_wait(&u->changed, &u->lock);
    pthread_mutex_unlock(&u->lock);
}

int upload_stream_finish(struct upload_stream *u, uint64_t size, struct arena *a, struct store_reply *ret)
{
    int rc;

    pthread_mutex_lock(&u->lock);
    u->end = size;
    u->finish = true;
    wait_for_end(u);
    rc = u->rc;
    if (rc == 0) {
        *ret = u->reply;
        header_init(&ret->headers, a);
        header_copy(&ret->headers, &u->reply.headers);
    }
    stream_free(u);
    return rc;
}

void upload_stream_cancel(struct upload_stream *u)
{
    pthread_mutex_lock(&u->lock);
    atomic_store(&u->cancel, true);
    wait_for_end(u);
    stream_free(u);
}
