/* SPDX-License-Identifier: Apache-2.0 */
#include "object/object_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/hash.h"

#define SETTLED_NS \
    ((int64_t)1000000000) /* since its last change, before a folder is believed to have a time of its own */

/* One allocation: the struct, its fields, their text. Immutable once published; counted. */
struct entry {
    atomic_int references;
    struct entry *newer, *older; /* by last use; under the mutex */
    struct str path;             /* of the hash folder; NUL-terminated */
    size_t bytes;
    const char *data_path, *data_name; /* data_path ends in data_name */
    struct diskfile_stamp stamp;
    struct timestamp timestamp, data_timestamp, ctype_timestamp;
    int64_t size;
    struct str name;
    size_t n_fields;
    struct header fields[];
};

struct object_cache {
    pthread_mutex_t mutex; /* guards the rest; nothing waits under it */
    struct hash *entries;
    struct entry *newest, *oldest;
    size_t bytes, max_bytes;
    atomic_bool unsupported; /* the kernel does not know RESOLVE_CACHED */
};

struct object_cache *object_cache_new(size_t bytes)
{
    struct object_cache *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->mutex, NULL);
    c->entries = hash_new(NULL);
    c->max_bytes = bytes;
    return c;
}

static void unref(void *arg)
{
    struct entry *e = arg;
    if (atomic_fetch_sub(&e->references, 1) == 1)
        free(e);
}

/* --- under the mutex ------------------------------------------------------------------------------------------------ */

static void unlink_entry(struct object_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(struct object_cache *c, struct entry *e)
{
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct object_cache *c, struct entry *e)
{
    hash_take(c->entries, e->path);
    unlink_entry(c, e);
    c->bytes -= e->bytes;
    unref(e);
}

/* --- entries --------------------------------------------------------------------------------------------------------- */

static size_t text_size(const struct diskfile *f, const struct diskfile_info *info)
{
    size_t n = 2 * (strlen(f->path) + 1) + strlen(info->data_name) + 1 + info->meta.name.n;
    for (size_t i = 0; i < info->meta.fields.n; i++)
        n += info->meta.fields.v[i].name.n + info->meta.fields.v[i].value.n;
    return n;
}

static struct str copy_text(char **at, struct str s)
{
    char *p = *at;
    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return str_of(p, s.n);
}

static struct entry *make_entry(const struct diskfile *f, const struct diskfile_info *info)
{
    size_t n = info->meta.fields.n, head = sizeof(struct entry) + n * sizeof(struct header);
    struct entry *e = xmalloc(head + text_size(f, info));
    char *at = (char *)e + head;
    *e = (struct entry){
        .bytes = head + text_size(f, info),
        .stamp = info->stamp,
        .timestamp = info->timestamp,
        .data_timestamp = info->data_timestamp,
        .ctype_timestamp = info->ctype_timestamp,
        .size = info->size,
        .n_fields = n,
    };
    atomic_init(&e->references, 1);
    size_t path_n = strlen(f->path);
    e->path = str_of(copy_text(&at, str_of(f->path, path_n + 1)).p, path_n);
    e->data_path = copy_text(&at, str_of(f->path, path_n)).p;
    copy_text(&at, STR("/"));
    e->data_name = copy_text(&at, str_of(info->data_name, strlen(info->data_name) + 1)).p;
    e->name = copy_text(&at, info->meta.name);
    for (size_t i = 0; i < n; i++) {
        e->fields[i].name = copy_text(&at, info->meta.fields.v[i].name);
        e->fields[i].value = copy_text(&at, info->meta.fields.v[i].value);
    }
    return e;
}

static bool settled(const struct diskfile_info *info, int64_t before_ns)
{
    return info->stamp.dir_mtime_ns < before_ns - SETTLED_NS &&
           info->stamp.dir_ctime_ns < before_ns - SETTLED_NS &&
           info->stamp.file_ctime_ns < before_ns - SETTLED_NS;
}

void object_cache_put(struct object_cache *c, const struct diskfile *f, const struct diskfile_info *info,
                      int64_t before_ns)
{
    if ((info->state != DISKFILE_LIVE && info->state != DISKFILE_EXPIRED) || info->has_post_meta ||
        !c->max_bytes || atomic_load(&c->unsupported) || !settled(info, before_ns))
        return;
    struct entry *e = make_entry(f, info);
    pthread_mutex_lock(&c->mutex);
    struct entry *old = hash_get(c->entries, e->path);
    if (old)
        drop(c, old);
    hash_put(c->entries, e->path, e);
    link_newest(c, e);
    c->bytes += e->bytes;
    while (c->bytes > c->max_bytes && c->oldest)
        drop(c, c->oldest);
    pthread_mutex_unlock(&c->mutex);
}

void object_cache_free(struct object_cache *c)
{
    if (!c)
        return;
    while (c->oldest)
        drop(c, c->oldest);
    hash_free(c->entries);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

static struct entry *find(struct object_cache *c, const char *path)
{
    pthread_mutex_lock(&c->mutex);
    struct entry *e = hash_get(c->entries, str_from(path));
    if (e) {
        atomic_fetch_add(&e->references, 1);
        unlink_entry(c, e);
        link_newest(c, e);
    }
    pthread_mutex_unlock(&c->mutex);
    return e;
}

static void forget(struct object_cache *c, struct entry *e)
{
    pthread_mutex_lock(&c->mutex);
    if (hash_get(c->entries, e->path) == e)
        drop(c, e);
    pthread_mutex_unlock(&c->mutex);
}

/* --- the look at the disk ---------------------------------------------------------------------------------------------- */

/* Fails with -EAGAIN where it would have to read the disk. */
static int open_cached(int dirfd, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool same_folder(const struct stat *st, const struct diskfile_stamp *s)
{
    return st->st_dev == s->device && ns_of(st->st_mtim) == s->dir_mtime_ns &&
           ns_of(st->st_ctim) == s->dir_ctime_ns;
}

static bool same_file(const struct stat *st, const struct diskfile_stamp *s)
{
    return st->st_dev == s->device && st->st_ino == s->inode && (uint64_t)st->st_size == s->size &&
           ns_of(st->st_ctim) == s->file_ctime_ns;
}

/* The open file, or -EAGAIN (ask the disk's threads), or -ESTALE (the entry is wrong). The file comes first: while it is
 * open the kernel keeps the names above it, so that the look at the folder cannot wait for the disk either. */
static int open_entry(const struct entry *e)
{
    struct stat file, folder;
    int fd = open_cached(AT_FDCWD, e->data_path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
    if (fstat(fd, &file) == 0 && same_file(&file, &e->stamp) && stat(e->path.p, &folder) == 0 &&
        same_folder(&folder, &e->stamp))
        return fd;
    close(fd);
    return -ESTALE;
}

static void fill(const struct entry *e, const struct diskfile *f, struct diskfile_info *ret)
{
    *ret = (struct diskfile_info){
        .timestamp = e->timestamp,
        .data_timestamp = e->data_timestamp,
        .ctype_timestamp = e->ctype_timestamp,
        .size = e->size,
        .fd = -1,
        .data_name = e->data_name,
        .stamp = e->stamp,
    };
    diskfile_meta_init(&ret->meta, f->arena);
    ret->meta.name = e->name;
    for (size_t i = 0; i < e->n_fields; i++)
        header_add_ref(&ret->meta.fields, e->fields[i].name, e->fields[i].value);
    ret->data_meta = ret->meta;
    diskfile_meta_init(&ret->post_meta, f->arena);
}

bool object_cache_open(struct object_cache *c, const struct diskfile *f,
                       const struct diskfile_open_options *o, struct diskfile_info *ret)
{
    struct entry *e = c->max_bytes && !atomic_load(&c->unsupported) ? find(c, f->path) : NULL;
    if (!e)
        return false;
    int fd = str_eq(e->name, f->name) ? open_entry(e) : -EAGAIN;
    if (fd == -ESTALE)
        forget(c, e);
    if (fd == -EINVAL || fd == -ENOSYS)
        atomic_store(&c->unsupported, true);
    if (fd < 0) {
        unref(e);
        return false;
    }
    fill(e, f, ret);
    arena_on_free(f->arena, unref, e);
    ret->state = diskfile_expiry(&ret->meta, o);
    if (ret->state == DISKFILE_LIVE && o->keep_fd)
        ret->fd = fd;
    else
        close(fd);
    return true;
}
