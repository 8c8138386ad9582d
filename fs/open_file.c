/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/open_file.h"

#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"

/* A file written in order is uploaded while it grows once it has this size. */
#define EARLY_UPLOAD_FROM (8u << 20)
#define FILL_PIECE        (1u << 20)

struct open_file *open_file_new(const struct open_file_env *env, const struct attr *at, bool exists,
                                bool exclusive)
{
    struct open_file *f = xcalloc(1, sizeof *f);

    f->env = env;
    pthread_mutex_init(&f->io, NULL);
    pthread_mutex_init(&f->lock, NULL);
    f->at = *at;
    f->exists = exists;
    f->exclusive = exclusive;
    f->dirty = !exists;
    return f;
}

static void cancel_early(struct open_file *f)
{
    if (f->early)
        upload_stream_cancel(f->early);
    f->early = NULL;
    f->in_order = 0;
}

void open_file_free(struct open_file *f)
{
    if (!f)
        return;
    cancel_early(f);
    if (f->staged)
        stage_close(&f->stage);
    pthread_mutex_destroy(&f->io);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

bool open_file_attr(struct open_file *f, struct attr *ret)
{
    bool ahead;

    pthread_mutex_lock(&f->lock);
    *ret = f->at;
    ahead = f->dirty || f->attr_dirty || f->kept;
    pthread_mutex_unlock(&f->lock);
    return ahead;
}

bool open_file_set_attr(struct open_file *f, const struct attr *at)
{
    bool taken;

    pthread_mutex_lock(&f->lock);
    taken = f->dirty || f->kept;
    f->at.mode = at->mode;
    f->at.uid = at->uid;
    f->at.gid = at->gid;
    f->at.mtime_ns = at->mtime_ns;
    f->at.ctime_ns = clock_real_ns();
    f->attr_dirty = f->attr_dirty || (taken && !f->kept);
    pthread_mutex_unlock(&f->lock);
    return taken;
}

void open_file_set_version(struct open_file *f, const struct attr *at)
{
    bool same;

    pthread_mutex_lock(&f->lock);
    same = strcmp(f->at.etag, at->etag) == 0;
    pthread_mutex_unlock(&f->lock);
    if (same) /* as nearly always: no need to wait for an upload */
        return;
    pthread_mutex_lock(&f->io);
    pthread_mutex_lock(&f->lock);
    if (!f->dirty && !f->attr_dirty && !f->kept && strcmp(f->at.etag, at->etag) != 0) {
        f->at = *at;
        if (f->staged)
            stage_close(&f->stage);
        f->staged = false;
        f->in_order = 0;
    }
    pthread_mutex_unlock(&f->lock);
    pthread_mutex_unlock(&f->io);
}

bool open_file_exists(struct open_file *f)
{
    bool exists;

    pthread_mutex_lock(&f->lock);
    exists = f->exists;
    pthread_mutex_unlock(&f->lock);
    return exists;
}

/* --- the stage: io is held -------------------------------------------------------------------------------------- */

static int need_stage(struct open_file *f)
{
    struct stage stage;
    int rc;

    if (f->staged)
        return 0;
    rc = stage_open(&stage, f->env->cache_dir, f->exists ? f->at.size : 0);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&f->lock);
    f->stage = stage;
    f->staged = true;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int fill_stage(struct open_file *f, struct store_name name, uint64_t from, uint64_t to)
{
    return stage_fetch(&f->stage, f->env->store, name, f->at.etag, from, to);
}

static ssize_t read_stage(struct open_file *f, struct store_name name, void *p, size_t n, uint64_t offset)
{
    uint64_t to = offset + n;
    ssize_t rc;

    pthread_mutex_lock(&f->io);
    rc = need_stage(f); /* it may have been dropped since the caller looked */
    /* Some more than asked for, lest each read be a request. */
    if (rc == 0 && stage_missing(&f->stage, offset, to, &(struct stage_extent){0}))
        to = offset + (n > FILL_PIECE ? n : FILL_PIECE);
    if (rc == 0)
        rc = fill_stage(f, name, offset, to);
    if (rc == 0)
        rc = stage_read(&f->stage, p, n, offset);
    pthread_mutex_unlock(&f->io);
    return rc;
}

int open_file_keep(struct open_file *f, struct store_name name)
{
    int rc;

    pthread_mutex_lock(&f->io);
    cancel_early(f);
    rc = need_stage(f);
    if (rc == 0)
        rc = fill_stage(f, name, 0, f->stage.size);
    if (rc == 0) {
        pthread_mutex_lock(&f->lock);
        f->kept = true;
        pthread_mutex_unlock(&f->lock);
    }
    pthread_mutex_unlock(&f->io);
    return rc;
}

void open_file_unkeep(struct open_file *f)
{
    pthread_mutex_lock(&f->io);
    pthread_mutex_lock(&f->lock);
    f->kept = false;
    pthread_mutex_unlock(&f->lock);
    pthread_mutex_unlock(&f->io);
}

/* --- writing: io is held ------------------------------------------------------------------------------------------ */

static void start_early(struct open_file *f, struct store_name name)
{
    struct arena *a;
    struct header_table h;

    open_file_attr(f, &f->early_at);
    if (f->no_early || f->kept || f->early_at.foreign)
        return;
    a = arena_new();
    header_init(&h, a);
    attr_to_headers(&f->early_at, &h);
    f->early = upload_stream_start(f->env->workers, f->env->store, name, &h, f->exclusive, f->stage.fd);
    f->no_early = !f->early;
    arena_free(a);
}

static void after_write(struct open_file *f)
{
    pthread_mutex_lock(&f->lock);
    f->at.size = f->stage.size;
    f->at.mtime_ns = f->at.ctime_ns = clock_real_ns();
    f->dirty = f->used = true;
    pthread_mutex_unlock(&f->lock);
}

static int write_locked(struct open_file *f, struct store_name name, const void *p, size_t n, int64_t offset)
{
    uint64_t at;
    bool in_order;
    int rc = need_stage(f);

    if (rc < 0)
        return rc;
    at = offset < 0 ? f->stage.size : (uint64_t)offset;
    if (!f->kept &&
        (at > f->env->store->limits.max_file_size || n > f->env->store->limits.max_file_size - at))
        return -EFBIG;
    in_order = at == f->in_order && at == f->stage.size;
    if (!in_order)
        cancel_early(f);
    rc = stage_write(&f->stage, p, n, at);
    if (rc < 0)
        return rc;
    f->in_order = in_order ? at + n : 0;
    after_write(f);
    if (!f->early && f->in_order >= EARLY_UPLOAD_FROM)
        start_early(f, name);
    if (f->early)
        upload_stream_extend(f->early, f->in_order);
    return 0;
}

ssize_t open_file_write(struct open_file *f, struct store_name name, const void *p, size_t n, int64_t offset)
{
    int rc;

    pthread_mutex_lock(&f->io);
    rc = write_locked(f, name, p, n, offset);
    pthread_mutex_unlock(&f->io);
    return rc < 0 ? rc : (ssize_t)n;
}

static int truncate_locked(struct open_file *f, uint64_t size)
{
    int rc;

    if (!f->kept && size > f->env->store->limits.max_file_size)
        return -EFBIG;
    rc = need_stage(f);
    if (rc < 0)
        return rc;
    cancel_early(f);
    rc = stage_truncate(&f->stage, size);
    if (rc == 0)
        after_write(f);
    return rc;
}

int open_file_truncate(struct open_file *f, struct store_name name, uint64_t size)
{
    int rc;

    pthread_mutex_lock(&f->io);
    rc = truncate_locked(f, size);
    pthread_mutex_unlock(&f->io);
    return rc;
}

/* --- flush: io is held ---------------------------------------------------------------------------------------------- */

/* The object's metadata as they shall be: ours, and those of others that the object has now. */
static int build_headers(struct open_file *f, struct store_name name, const struct attr *at, bool new_content,
                         struct arena *a, struct header_table *h)
{
    struct store_reply old;
    int rc = 0;

    header_init(h, a);
    if (at->foreign) {
        rc = f->env->store->head(f->env->store, name, a, &old);
        if (rc == 0)
            attr_keep_foreign(h, &old, new_content);
    }
    attr_to_headers(at, h);
    return rc == -ENOENT ? 0 : rc;
}

/* The early upload's content with the attributes of now. */
static int finish_early(struct open_file *f, struct store_name name, const struct attr *at, struct arena *a,
                        struct store_reply *ret)
{
    struct upload_stream *early = f->early;
    struct header_table h;
    struct store_reply posted;
    int rc;

    f->early = NULL;
    f->in_order = 0;
    rc = upload_stream_finish(early, f->stage.size, a, ret);
    if (rc < 0) {
        f->no_early = true;
        return rc;
    }
    if (attr_same_metadata(at, &f->early_at))
        return 0;
    header_init(&h, a);
    attr_to_headers(at, &h);
    rc = f->env->store->post(f->env->store, name, &h, a, &posted);
    if (rc == 0) {
        ret->changed_us = 0;
        ret->changed_limit_s = posted.changed_limit_s;
    }
    return rc;
}

static int upload(struct open_file *f, struct store_name name, const struct attr *at, struct arena *a,
                  struct store_reply *ret)
{
    struct header_table h;
    int rc;

    if (f->early && finish_early(f, name, at, a, ret) == 0)
        return 0;
    rc = need_stage(f);
    if (rc == 0)
        rc = fill_stage(f, name, 0, f->stage.size);
    if (rc == 0)
        rc = build_headers(f, name, at, true, a, &h);
    if (rc == 0)
        rc = upload_stage(f->env->store, name, &h, f->exclusive, &f->stage, a, ret);
    return rc;
}

static int post_attributes(struct open_file *f, struct store_name name, const struct attr *at,
                           struct arena *a, struct store_reply *ret)
{
    struct header_table h;
    int rc = build_headers(f, name, at, false, a, &h);

    return rc < 0 ? rc : f->env->store->post(f->env->store, name, &h, a, ret);
}

/* `sent` are the attributes that went along; others set meanwhile remain for the next time. */
static void after_upload(struct open_file *f, const struct attr *sent, const struct store_reply *r)
{
    pthread_mutex_lock(&f->lock);
    f->dirty = false;
    f->attr_dirty = !attr_same_metadata(&f->at, sent);
    f->exists = true;
    f->exclusive = false;
    attr_take_version(&f->at, r);
    pthread_mutex_unlock(&f->lock);
}

int open_file_flush(struct open_file *f, struct store_name name, bool *ret_changed)
{
    struct arena *a = arena_new();
    struct store_reply reply = {0};
    struct attr at;
    int rc = 0;

    pthread_mutex_lock(&f->io);
    *ret_changed = open_file_attr(f, &at) && !f->kept;
    if (*ret_changed) {
        rc = f->dirty ? upload(f, name, &at, a, &reply) : post_attributes(f, name, &at, a, &reply);
        if (rc == 0)
            after_upload(f, &at, &reply);
    }
    pthread_mutex_unlock(&f->io);
    arena_free(a);
    return rc;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* Up to this size a file is read with one request and kept by its handle. */
#define SMALL_FILE (256u << 10)
/* Reads that lie no further apart are one run; a run of this many is read ahead. */
#define RUN_DISTANCE (1u << 20)
#define RUN_LENGTH   3
#define READ_PIECE   (1u << 20)

struct open_handle {
    pthread_mutex_t lock; /* never held while waiting for the store but for `small` */
    struct read_ahead *ahead;
    char *small;
    size_t small_size;
    char etag[STORE_ETAG_SIZE]; /* the version opened */
    uint64_t next;
    unsigned run;
};

struct open_handle *open_handle_new(const char *etag)
{
    struct open_handle *h = xcalloc(1, sizeof *h);

    pthread_mutex_init(&h->lock, NULL);
    memcpy(h->etag, etag, strlen(etag) + 1);
    return h;
}

static void drop_read_ahead(struct open_handle *h)
{
    if (h->ahead)
        read_ahead_stop(h->ahead);
    read_ahead_unref(h->ahead);
    h->ahead = NULL;
}

void open_handle_free(struct open_handle *h)
{
    if (!h)
        return;
    drop_read_ahead(h);
    pthread_mutex_destroy(&h->lock);
    free(h->small);
    free(h);
}

void open_file_mark_used(struct open_file *f)
{
    pthread_mutex_lock(&f->lock);
    f->used = true;
    pthread_mutex_unlock(&f->lock);
}

bool open_file_renew(struct open_file *f, struct open_handle *h, const struct attr *at)
{
    bool used;

    pthread_mutex_lock(&f->lock);
    used = f->used;
    pthread_mutex_unlock(&f->lock);
    if (used)
        return false;
    open_file_set_version(f, at);
    pthread_mutex_lock(&h->lock);
    memcpy(h->etag, at->etag, sizeof h->etag);
    pthread_mutex_unlock(&h->lock);
    return true;
}

struct memory {
    char *p;
    size_t n, size;
};

static int memory_write(void *arg, const void *p, size_t n)
{
    struct memory *m = arg;

    if (n > m->size - m->n)
        return -EBADMSG;
    memcpy(m->p + m->n, p, n);
    m->n += n;
    return 0;
}

/* One request, taken up again where the connection broke. */
static ssize_t read_range(struct store *store, struct store_name name, const struct attr *at, void *p,
                          size_t n, uint64_t offset)
{
    struct memory m = {.p = p, .size = n};
    struct store_sink sink = {.write = memory_write, .arg = &m};
    size_t before;
    int rc;

    do {
        before = m.n;
        rc = store->get(store, name, at->etag, offset + m.n, n - m.n, &sink);
    } while (rc == -EAGAIN && m.n > before && m.n < n);
    return rc < 0 && m.n < n ? rc : (ssize_t)n;
}

static ssize_t read_small(struct open_handle *h, struct store *store, struct store_name name,
                          const struct attr *at, void *p, size_t n, uint64_t offset)
{
    ssize_t rc = (ssize_t)n;

    pthread_mutex_lock(&h->lock);
    if (!h->small) {
        h->small_size = (size_t)at->size;
        h->small = xmalloc(h->small_size);
        rc = read_range(store, name, at, h->small, h->small_size, 0);
    }
    if (rc < 0) {
        free(h->small);
        h->small = NULL;
    } else {
        memcpy(p, h->small + offset, n);
        rc = (ssize_t)n;
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static bool in_run(struct open_handle *h, uint64_t offset, size_t n)
{
    bool near = offset <= h->next + RUN_DISTANCE && offset + RUN_DISTANCE >= h->next;

    h->run = near ? h->run + 1 : 1;
    if (!near || offset + n > h->next)
        h->next = offset + n;
    return h->run >= RUN_LENGTH || (offset == 0 && h->run == 1);
}

/* The read-ahead that serves this read, started if reads come in order; with a reference, or NULL. */
static struct read_ahead *read_ahead_for(struct open_handle *h, struct open_file *f, struct store_name name,
                                         const struct attr *at, uint64_t offset, size_t n)
{
    struct read_ahead *ra = NULL;
    bool run;

    pthread_mutex_lock(&h->lock);
    run = in_run(h, offset, n);
    if (h->ahead && !read_ahead_covers(h->ahead, offset) && run)
        drop_read_ahead(h);
    if (!h->ahead && run)
        h->ahead = read_ahead_new(f->env->workers, f->env->store, name, at->etag, at->size, offset);
    if (h->ahead && read_ahead_covers(h->ahead, offset))
        ra = read_ahead_ref(h->ahead);
    pthread_mutex_unlock(&h->lock);
    return ra;
}

static ssize_t read_large(struct open_handle *h, struct open_file *f, struct store_name name,
                          const struct attr *at, void *p, size_t n, uint64_t offset)
{
    struct read_ahead *ra = read_ahead_for(h, f, name, at, offset, n);
    ssize_t rc = -ENODATA;

    if (ra) {
        rc = read_ahead_read(ra, p, n, offset);
        read_ahead_unref(ra);
    }
    return rc == -ENODATA || rc == -EAGAIN ? read_range(f->env->store, name, at, p, n, offset) : rc;
}

static int check_version(struct open_handle *h, const struct attr *at)
{
    int rc;

    pthread_mutex_lock(&h->lock);
    rc = strcmp(h->etag, at->etag) == 0 ? 0 : -ESTALE;
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static ssize_t read_object(struct open_file *f, struct open_handle *h, struct store_name name,
                           const struct attr *at, void *p, size_t n, uint64_t offset)
{
    size_t done = 0;
    ssize_t rc = check_version(h, at);

    if (offset >= at->size)
        return 0;
    if (n > at->size - offset)
        n = (size_t)(at->size - offset);
    while (rc >= 0 && done < n) {
        size_t piece = n - done < READ_PIECE ? n - done : READ_PIECE;

        rc = at->size <= SMALL_FILE
                 ? read_small(h, f->env->store, name, at, (char *)p + done, piece, offset + done)
                 : read_large(h, f, name, at, (char *)p + done, piece, offset + done);
        done += piece;
    }
    return rc < 0 ? rc : (ssize_t)n;
}

ssize_t open_file_read(struct open_file *f, struct open_handle *h, struct store_name name, void *p, size_t n,
                       uint64_t offset)
{
    struct attr at;
    bool staged;
    ssize_t rc;

    pthread_mutex_lock(&f->lock);
    staged = f->staged;
    at = f->at;
    pthread_mutex_unlock(&f->lock);
    if (n == 0)
        return 0;
    rc = staged ? read_stage(f, name, p, n, offset) : read_object(f, h, name, &at, p, n, offset);
    if (rc > 0)
        open_file_mark_used(f);
    return rc;
}
