/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_broker.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "db/db_chexor.h"

#define HASH_HEX 32

/* --- where it lies ------------------------------------------------------------------------------------------------ */

static void set_paths(struct db_broker *b, struct str device_path, struct str partition, struct str hash)
{
    struct str suffix = str_slice(hash, hash.n - 3, hash.n);

    b->device_path = arena_str(b->arena, device_path).p;
    b->dir = arena_printf(b->arena, "%.*s/%s/%.*s/%.*s/%.*s", STR_ARG(device_path), b->kind->datadir,
                          STR_ARG(partition), STR_ARG(suffix), STR_ARG(hash))
                 .p;
    b->base = arena_printf(b->arena, "%s/%.*s.db", b->dir, STR_ARG(hash)).p;
    b->path = b->base;
    b->entry = db_cache_entry(b->cache, b->base);
}

void db_broker_init(struct db_broker *b, struct db_cache *cache, const struct db_kind *kind,
                    struct arena *arena, const char *device_path, struct str partition, const char *hash,
                    struct str account, struct str container)
{
    *b = (struct db_broker){.cache = cache,
                            .kind = kind,
                            .arena = arena,
                            .account = account,
                            .container = container,
                            .lock_timeout_ms = DB_LOCK_TIMEOUT_MS};
    set_paths(b, str_from(device_path), partition, str_from(hash));
}

/* Takes the last segment off. */
static struct str pop_segment(struct str *path)
{
    ssize_t slash = str_rfind(*path, '/');
    if (slash < 0)
        return STR_NONE;
    struct str last = str_slice(*path, (size_t)slash + 1, path->n);
    path->n = (size_t)slash;
    return last;
}

int db_broker_init_file(struct db_broker *b, struct db_cache *cache, const struct db_kind *kind,
                        struct arena *arena, const char *file)
{
    struct str path = str_from(file);
    struct str name = pop_segment(&path), hash = pop_segment(&path), suffix = pop_segment(&path);
    struct str partition = pop_segment(&path), datadir = pop_segment(&path);

    if (hash.n != HASH_HEX || !str_starts(name, hash) || !str_ends(hash, suffix) || suffix.n != 3 ||
        partition.n == 0 || !str_eq(datadir, str_from(kind->datadir)))
        return -EINVAL;
    *b = (struct db_broker){
        .cache = cache, .kind = kind, .arena = arena, .lock_timeout_ms = DB_LOCK_TIMEOUT_MS};
    set_paths(b, path, partition, hash);
    return 0;
}

static void init_like(struct db_broker *b, const struct db_broker *of, const char *base, const char *path)
{
    *b = *of;
    b->base = base;
    b->entry = db_cache_entry(b->cache, base);
    b->handle = NULL;
    b->in_transaction = false;
    b->damaged = false;
    b->error[0] = '\0';
    b->path = path;
    b->retiring = NULL;
    b->skip_pending = true;
}

void db_broker_init_retiring(struct db_broker *b, const struct db_broker *of)
{
    init_like(b, of, of->base, of->retiring);
}

void db_broker_init_at(struct db_broker *b, const struct db_broker *like, const char *path)
{
    init_like(b, like, path, path);
}

/* "<hash>.db" or "<hash>_<epoch>.db". */
static bool is_database_name(const char *name, const char *base_name)
{
    struct str s = str_from(name);

    return str_ends(s, STR(".db")) && strncmp(name, base_name, HASH_HEX) == 0 &&
           (name[HASH_HEX] == '.' ? s.n == HASH_HEX + 3 : name[HASH_HEX] == '_');
}

/* The two greatest names as text: the last is the current database, the one before it the retiring one. */
static int find_epochs(struct db_broker *b)
{
    char last[256] = "", before[256] = "";
    const char *base_name = b->base + strlen(b->dir) + 1;
    DIR *dir = opendir(b->dir);
    if (!dir)
        return -errno;

    const struct dirent *d;
    while ((d = readdir(dir))) {
        if (!is_database_name(d->d_name, base_name))
            continue;
        if (strcmp(d->d_name, last) > 0) {
            memcpy(before, last, sizeof(before));
            snprintf(last, sizeof(last), "%s", d->d_name);
        } else if (strcmp(d->d_name, before) > 0) {
            snprintf(before, sizeof(before), "%s", d->d_name);
        }
    }
    closedir(dir);
    if (!last[0])
        return -ENOENT;
    b->path = arena_printf(b->arena, "%s/%s", b->dir, last).p;
    b->retiring = before[0] ? arena_printf(b->arena, "%s/%s", b->dir, before).p : NULL;
    return 0;
}

int db_broker_find(struct db_broker *b)
{
    if (b->skip_pending)
        return access(b->path, F_OK) ? -errno : 0;
    if (b->kind->epochs)
        return find_epochs(b);
    return access(b->base, F_OK) ? -errno : 0;
}

int db_broker_open(struct db_broker *b)
{
    if (b->handle)
        return 0;
    int err = db_broker_find(b);
    if (err)
        return err;
    int rc = db_cache_lease(b->cache, b->entry, b->path, &b->handle);
    return rc > 0 ? db_fail(b, rc) : rc;
}

void db_broker_release(struct db_broker *b)
{
    bool keep = !b->damaged;

    if (b->in_transaction)
        db_end(b, -ECANCELED);
    bool same_file = true;
    if (b->damaged && b->handle) {
        struct stat st;
        same_file = stat(b->path, &st) == 0 && st.st_dev == b->handle->dev && st.st_ino == b->handle->ino;
    }
    db_cache_return(b->cache, b->handle, keep);
    b->handle = NULL;
    if (b->damaged && same_file)
        db_broker_quarantine(b, b->error);
    b->damaged = false;
    db_cache_entry_put(b->cache, b->entry);
    b->entry = NULL;
}

void db_broker_drop(struct db_broker *b)
{
    if (b->in_transaction)
        db_end(b, -ECANCELED);
    db_cache_return(b->cache, b->handle, false);
    b->handle = NULL;
    db_cache_entry_put(b->cache, b->entry);
    b->entry = NULL;
}

int db_broker_quarantine(struct db_broker *b, const char *reason)
{
    char uuid[37], *to, *folder;

    db_cache_drop(b->cache, b->entry);
    folder = xasprintf("%s/quarantined/%ss", b->device_path, b->kind->type);
    to = xasprintf("%s/%s", folder, strrchr(b->dir, '/') + 1);
    int err = file_make_dirs(folder, 0755, false);
    if (!err && rename(b->dir, to) < 0)
        err = -errno;
    if (err == -EEXIST || err == -ENOTEMPTY) {
        random_uuid(uuid);
        size_t n = 0;
        for (const char *p = uuid; *p; p++)
            if (*p != '-')
                uuid[n++] = *p;
        uuid[n] = '\0';
        char *other = xasprintf("%s-%s", to, uuid);
        free(to);
        to = other;
        err = rename(b->dir, to) < 0 ? -errno : 0;
    }
    if (!err)
        log_error("Quarantined %s to %s due to %s", b->dir, to, reason);
    else if (err != -ENOENT) /* already gone: somebody else's job saw the same damage */
        log_error("Cannot move %s to %s: errno %d; damage: %s", b->dir, to, -err, reason);
    free(to);
    free(folder);
    return err;
}

/* --- creating -------------------------------------------------------------------------------------------------------- */

struct str db_new_id(struct db_broker *b)
{
    char uuid[37];
    const char *slash = strrchr(b->device_path, '/');

    random_uuid(uuid);
    return arena_printf(b->arena, "%s-%s", uuid, slash ? slash + 1 : b->device_path);
}

static const char sync_schema[] =
    "CREATE TABLE outgoing_sync (remote_id TEXT UNIQUE, sync_point INTEGER, updated_at TEXT DEFAULT 0);"
    "CREATE TABLE incoming_sync (remote_id TEXT UNIQUE, sync_point INTEGER, updated_at TEXT DEFAULT 0);"
    "CREATE TRIGGER outgoing_sync_insert AFTER INSERT ON outgoing_sync BEGIN"
    " UPDATE outgoing_sync SET updated_at = strftime('%s', 'now') WHERE ROWID = new.ROWID; END;"
    "CREATE TRIGGER outgoing_sync_update AFTER UPDATE ON outgoing_sync BEGIN"
    " UPDATE outgoing_sync SET updated_at = strftime('%s', 'now') WHERE ROWID = new.ROWID; END;"
    "CREATE TRIGGER incoming_sync_insert AFTER INSERT ON incoming_sync BEGIN"
    " UPDATE incoming_sync SET updated_at = strftime('%s', 'now') WHERE ROWID = new.ROWID; END;"
    "CREATE TRIGGER incoming_sync_update AFTER UPDATE ON incoming_sync BEGIN"
    " UPDATE incoming_sync SET updated_at = strftime('%s', 'now') WHERE ROWID = new.ROWID; END;";

static int build_file(struct db_broker *b, const char *path, struct str put_timestamp, int64_t policy)
{
    sqlite3 *conn = NULL;

    /* Nobody else sees this file yet: one fsync at the end makes it durable. */
    int rc = sqlite3_open_v2(path, &conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = db_chexor_register(conn);
    if (rc == SQLITE_OK)
        rc =
            sqlite3_exec(conn,
                         "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = MEMORY;"
                         "BEGIN",
                         NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(conn, sync_schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = b->kind->create(b, conn, put_timestamp, policy);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(conn, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        snprintf(b->error, sizeof(b->error), "%s", conn ? sqlite3_errmsg(conn) : sqlite3_errstr(rc));
    sqlite3_close_v2(conn);
    return rc;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* Under .lock, the new file gets its name if there is no database yet. */
static int publish(struct db_broker *b, const char *temporary)
{
    char *lock = xasprintf("%s/.lock", b->dir);
    int fd = file_lock(lock, b->lock_timeout_ms);
    free(lock);
    if (fd < 0)
        return fd == -ETIMEDOUT ? -EBUSY : fd;
    int err = db_broker_find(b);
    if (err == 0) {
        err = -EEXIST;
    } else if (err == -ENOENT) {
        b->path = b->base;
        err = rename(temporary, b->base) < 0 ? -errno : file_sync_dir(b->dir);
    }
    close(fd);
    return err;
}

static int create_once(struct db_broker *b, struct str put_timestamp, int64_t policy)
{
    int err = file_make_dirs(b->dir, 0755, true);
    if (err)
        return err;
    char *temporary = xasprintf("%s/tmpXXXXXX.tmp", b->dir);
    int fd = mkostemps(temporary, 4, O_CLOEXEC);
    if (fd < 0) {
        err = -errno;
        free(temporary);
        return err;
    }
    close(fd);
    int rc = build_file(b, temporary, put_timestamp, policy);
    if (rc != SQLITE_OK)
        err = (rc & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;
    if (!err)
        err = sync_file(temporary);
    if (!err)
        err = publish(b, temporary);
    if (err)
        unlink(temporary);
    free(temporary);
    return err;
}

int db_broker_create(struct db_broker *b, struct str put_timestamp, int64_t policy)
{
    int err = -ENOENT;

    if (put_timestamp.n == 0)
        put_timestamp = STR("0000000000.00000");
    /* -ENOENT: the folder was reclaimed between two of our steps. */
    for (int tries = 0; tries < 3 && err == -ENOENT; tries++)
        err = create_once(b, put_timestamp, policy);
    return err;
}

/* --- deferred rows ---------------------------------------------------------------------------------------------------- */

struct pending_lock {
    int fd;
    char *path; /* of the pending file */
};

/* .lock of the folder. While it is held the database exists: a folder that was removed or moved away meanwhile is
 * noticed here. */
static int pending_lock(struct db_broker *b, struct pending_lock *l)
{
    int64_t start = clock_monotonic_ms();

    int err = db_entry_lock(&b->entry->pending, b->lock_timeout_ms);
    if (err)
        return err;
    int64_t left = b->lock_timeout_ms - (clock_monotonic_ms() - start);
    char *lock = xasprintf("%s/.lock", b->dir);
    l->fd = file_lock(lock, left > 0 ? (int)left : 0);
    free(lock);
    err = l->fd >= 0 ? 0 : l->fd == -ETIMEDOUT ? -EBUSY : l->fd;
    if (!err)
        err = db_broker_find(b);
    if (err) {
        if (l->fd >= 0)
            close(l->fd);
        pthread_mutex_unlock(&b->entry->pending);
        return err;
    }
    l->path = xasprintf("%s.pending", b->base);
    return 0;
}

static void pending_unlock(struct db_broker *b, struct pending_lock *l)
{
    close(l->fd);
    free(l->path);
    pthread_mutex_unlock(&b->entry->pending);
}

/* Under the lock. Rows already in *rows come first. */
static int pending_merge(struct db_broker *b, const char *path, struct db_pending *rows)
{
    struct buf text;
    buf_init(&text, 1u << 28);

    int err = file_read(path, &text);
    if (err == -ENOENT)
        err = 0;
    if (!err) {
        db_pending_parse(b->arena, buf_view(&text), rows);
        if (rows->bad)
            log_error("%s: %zu invalid entries dropped", path, rows->bad);
        if (rows->n)
            err = b->kind->merge_pending(b, rows);
    }
    if (!err && text.n && truncate(path, 0) < 0 && errno != ENOENT)
        err = -errno;
    buf_release(&text);
    return err;
}

/* A record that could not be written whole is taken back, so that the next one does not stand behind half a row. */
static int pending_append(const char *path, struct str pickle)
{
    struct buf line;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    off_t size = lseek(fd, 0, SEEK_END);
    buf_init(&line, SIZE_MAX / 2);
    db_pending_encode(&line, pickle);
    int err = file_write_all(fd, line.p, line.n);
    if (err && size >= 0 && ftruncate(fd, size) < 0)
        log_error("%s: half a record cannot be taken back: errno %d", path, errno);
    buf_release(&line);
    close(fd);
    return err;
}

int db_put_record(struct db_broker *b, struct str pickle)
{
    struct pending_lock lock;
    struct db_pending rows = {0};
    struct stat st;

    int err = pending_lock(b, &lock);
    if (err)
        return err;
    if (stat(lock.path, &st) < 0)
        st.st_size = 0;
    if (st.st_size > DB_PENDING_CAP) {
        err = db_pending_add(b->arena, pickle, &rows);
        if (!err)
            err = pending_merge(b, lock.path, &rows);
    } else {
        err = pending_append(lock.path, pickle);
    }
    pending_unlock(b, &lock);
    return err;
}

int db_commit_pending(struct db_broker *b)
{
    struct pending_lock lock;
    struct db_pending rows = {0};
    struct stat st;

    if (b->skip_pending)
        return 0;
    /* Rows are merged before the file is cut, so an empty file means that nothing is deferred. */
    const char *path = arena_printf(b->arena, "%s.pending", b->base).p;
    if (stat(path, &st) < 0 || st.st_size == 0)
        return 0;
    int err = pending_lock(b, &lock);
    if (!err) {
        err = pending_merge(b, lock.path, &rows);
        pending_unlock(b, &lock);
    }
    if (b->stale_reads_ok && (err == -EBUSY || err == -ENOSPC || err == -EDQUOT || err == -EROFS))
        err = 0;
    return err;
}
