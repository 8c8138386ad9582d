/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "common/alloc.h"
#include "common/hash.h"
#include "db/db_chexor.h"

struct db_cache {
    pthread_mutex_t
        lock; /* all below, and the lists and counts of every entry; never held while SQLite works */
    struct hash *entries;
    struct db_handle *first, *last; /* idle handles, most recently used first */
    unsigned n_idle, max_idle;
    uint64_t opened;
};

struct db_cache *db_cache_new(unsigned max_idle)
{
    struct db_cache *c = xcalloc(1, sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
    c->entries = hash_new(NULL);
    c->max_idle = max_idle;
    return c;
}

static void handle_close(struct db_handle *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->n_statements; i++)
        sqlite3_finalize(h->statements[i]);
    sqlite3_close_v2(h->conn);
    free(h->path);
    free(h);
}

/* --- lists, under the lock -------------------------------------------------------------------------------- */

static void idle_remove(struct db_cache *c, struct db_handle *h)
{
    *h->entry_link = h->entry_next;
    if (h->entry_next)
        h->entry_next->entry_link = h->entry_link;
    if (h->lru_prev)
        h->lru_prev->lru_next = h->lru_next;
    else
        c->first = h->lru_next;
    if (h->lru_next)
        h->lru_next->lru_prev = h->lru_prev;
    else
        c->last = h->lru_prev;
    c->n_idle--;
}

static void idle_add(struct db_cache *c, struct db_handle *h)
{
    struct db_entry *e = h->entry;

    h->entry_next = e->idle;
    h->entry_link = &e->idle;
    if (e->idle)
        e->idle->entry_link = &h->entry_next;
    e->idle = h;
    h->lru_prev = NULL;
    h->lru_next = c->first;
    if (c->first)
        c->first->lru_prev = h;
    else
        c->last = h;
    c->first = h;
    c->n_idle++;
}

static void entry_free_if_unused(struct db_cache *c, struct db_entry *e)
{
    if (e->refs || e->idle)
        return;
    hash_take(c->entries, str_from(e->key));
    pthread_mutex_destroy(&e->pending);
    pthread_mutex_destroy(&e->write);
    free(e->key);
    free(e);
}

/* --- entries ------------------------------------------------------------------------------------------------ */

int db_entry_lock(pthread_mutex_t *m, int timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME,
                  &until); /* the clock of pthread_mutex_timedlock, whatever a test says the time is */
    int64_t ns = until.tv_nsec + (int64_t)timeout_ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_mutex_timedlock(m, &until) ? -EBUSY : 0;
}

struct db_entry *db_cache_entry(struct db_cache *c, const char *base_path)
{
    pthread_mutex_lock(&c->lock);
    struct db_entry *e = hash_get(c->entries, str_from(base_path));
    if (!e) {
        e = xcalloc(1, sizeof(*e));
        pthread_mutex_init(&e->pending, NULL);
        pthread_mutex_init(&e->write, NULL);
        e->key = xstrdup(base_path);
        hash_put(c->entries, str_from(base_path), e);
    }
    e->refs++;
    pthread_mutex_unlock(&c->lock);
    return e;
}

void db_cache_entry_put(struct db_cache *c, struct db_entry *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&c->lock);
    e->refs--;
    entry_free_if_unused(c, e);
    pthread_mutex_unlock(&c->lock);
}

void db_cache_drop(struct db_cache *c, struct db_entry *e)
{
    for (;;) {
        pthread_mutex_lock(&c->lock);
        struct db_handle *h = e->idle;
        if (h)
            idle_remove(c, h);
        pthread_mutex_unlock(&c->lock);
        if (!h)
            return;
        handle_close(h);
    }
}

void db_cache_free(struct db_cache *c)
{
    if (!c)
        return;
    while (c->first) {
        struct db_handle *h = c->first;
        idle_remove(c, h);
        entry_free_if_unused(c, h->entry);
        handle_close(h);
    }
    hash_free(c->entries);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

unsigned db_cache_idle(struct db_cache *c)
{
    pthread_mutex_lock(&c->lock);
    unsigned n = c->n_idle;
    pthread_mutex_unlock(&c->lock);
    return n;
}

uint64_t db_cache_opened(struct db_cache *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t n = c->opened;
    pthread_mutex_unlock(&c->lock);
    return n;
}

/* --- handles ------------------------------------------------------------------------------------------------- */

/* What Python issues on every open; nothing of the schema is trusted with functions it has no need of. */
static int handle_set_up(sqlite3 *conn)
{
    sqlite3_busy_timeout(conn, DB_BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(conn, 1);
    sqlite3_db_config(conn, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(conn, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    int rc = db_chexor_register(conn);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(
            conn, "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = DELETE",
            NULL, NULL, NULL);
    return rc;
}

static int handle_open(struct db_cache *c, struct db_entry *e, const char *path, struct db_handle **ret)
{
    struct stat before, after;

    for (;;) {
        if (stat(path, &before) < 0)
            return -errno;
        struct db_handle *h = xcalloc(1, sizeof(*h));
        h->entry = e;
        h->path = xstrdup(path);
        int rc = sqlite3_open_v2(path, &h->conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc == SQLITE_OK)
            rc = handle_set_up(h->conn);
        if (rc != SQLITE_OK) {
            handle_close(h);
            return stat(path, &after) < 0 && errno == ENOENT ? -ENOENT : rc;
        }
        if (stat(path, &after) == 0 && before.st_dev == after.st_dev && before.st_ino == after.st_ino) {
            h->dev = after.st_dev;
            h->ino = after.st_ino;
            pthread_mutex_lock(&c->lock);
            c->opened++;
            pthread_mutex_unlock(&c->lock);
            *ret = h;
            return 0;
        }
        handle_close(h); /* replaced while we opened it: which of the two do we have? */
    }
}

static struct db_handle *idle_take(struct db_cache *c, struct db_entry *e, const char *path)
{
    pthread_mutex_lock(&c->lock);
    struct db_handle *h = e->idle;
    while (h && strcmp(h->path, path) != 0)
        h = h->entry_next;
    if (h)
        idle_remove(c, h);
    pthread_mutex_unlock(&c->lock);
    return h;
}

int db_cache_lease(struct db_cache *c, struct db_entry *e, const char *path, struct db_handle **ret)
{
    struct stat st;
    struct db_handle *h;

    if (stat(path, &st) < 0)
        return -errno;
    while ((h = idle_take(c, e, path))) {
        if (h->dev == st.st_dev && h->ino == st.st_ino) {
            *ret = h;
            return 0;
        }
        handle_close(h);
    }
    return handle_open(c, e, path, ret);
}

void db_cache_return(struct db_cache *c, struct db_handle *h, bool keep)
{
    struct db_handle *old = NULL;

    if (!h)
        return;
    if (!keep || c->max_idle == 0) {
        handle_close(h);
        return;
    }
    for (unsigned i = 0; i < h->n_statements; i++)
        sqlite3_reset(h->statements[i]); /* a statement in the middle of its rows would keep a read lock */
    pthread_mutex_lock(&c->lock);
    idle_add(c, h);
    if (c->n_idle > c->max_idle) {
        old = c->last;
        idle_remove(c, old);
        entry_free_if_unused(c, old->entry);
    }
    pthread_mutex_unlock(&c->lock);
    handle_close(old);
}

int db_handle_statement(struct db_handle *h, const char *sql, sqlite3_stmt **ret)
{
    for (unsigned i = 0; i < h->n_statements; i++) {
        sqlite3_stmt *known = h->statements[i];
        if (strcmp(sqlite3_sql(known), sql) == 0) {
            sqlite3_reset(known);
            sqlite3_clear_bindings(known);
            *ret = known;
            return SQLITE_OK;
        }
    }

    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v3(h->conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (h->n_statements == DB_HANDLE_STATEMENTS) {
        sqlite3_finalize(h->statements[0]);
        memmove(h->statements, h->statements + 1, sizeof(h->statements[0]) * (DB_HANDLE_STATEMENTS - 1));
        h->n_statements--;
    }
    h->statements[h->n_statements++] = stmt;
    *ret = stmt;
    return SQLITE_OK;
}
