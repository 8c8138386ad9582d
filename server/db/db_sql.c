/* SPDX-License-Identifier: Apache-2.0
 *
 * db_sql.c: statements, transactions and errors of a broker's connection.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "db/db_broker.h"

static bool is_disk_error(int rc)
{
    switch (rc) {
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
    case SQLITE_IOERR_FSTAT:
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_DATA:
        return true;
    default:
        return false;
    }
}

static int errno_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_IOERR:
        return -EIO;
    case SQLITE_READONLY:
        return rc == SQLITE_READONLY_DBMOVED ? -ESTALE : -EROFS;
    case SQLITE_CANTOPEN:
        return -EIO;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return -EINVAL;
    }
}

int db_fail(struct db_broker *b, int rc)
{
    const char *message = b->handle ? sqlite3_errmsg(b->handle->conn) : sqlite3_errstr(rc);
    int err = errno_of(rc);

    snprintf(b->error, sizeof(b->error), "%s", message);
    /* A schema that does not parse is reported as a plain error, with the damage in the words alone. */
    if (err == -EINVAL && strstr(message, "malformed database schema"))
        err = -EUCLEAN;
    if (err == -EUCLEAN || (err == -EIO && is_disk_error(rc)))
        b->damaged = true;
    return err;
}

int db_damaged(struct db_broker *b, const char *reason)
{
    snprintf(b->error, sizeof(b->error), "%s", reason);
    b->damaged = true;
    return -EUCLEAN;
}

const char *db_broker_error(const struct db_broker *b)
{
    return b->error;
}

/* --- statements ------------------------------------------------------------------------------------------------ */

int db_prepare(struct db_broker *b, sqlite3_stmt **ret, const char *sql)
{
    int err = db_broker_open(b);
    if (err)
        return err;
    int rc = db_handle_statement(b->handle, sql, ret);
    return rc == SQLITE_OK ? 0 : db_fail(b, rc);
}

int db_preparef(struct db_broker *b, sqlite3_stmt **ret, const char *format, ...)
{
    char sql[512];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(sql))
        return -EINVAL;
    return db_prepare(b, ret, sql);
}

int db_step(struct db_broker *b, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(stmt); /* gives the read lock up */
        return 0;
    }
    int err = db_fail(b, rc);
    sqlite3_reset(stmt);
    return err;
}

int db_run(struct db_broker *b, sqlite3_stmt *stmt)
{
    int err;

    do
        err = db_step(b, stmt);
    while (err == 1);
    return err;
}

void db_bind(sqlite3_stmt *stmt, int i, struct str s)
{
    if (s.p)
        sqlite3_bind_text64(stmt, i, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(stmt, i);
}

struct str db_column_ref(sqlite3_stmt *stmt, int i)
{
    const void *p = sqlite3_column_text(stmt, i); /* before _bytes, which measures what this converted */

    if (!p)
        return STR_NONE;
    return str_of(p, (size_t)sqlite3_column_bytes(stmt, i));
}

struct str db_column(struct db_broker *b, sqlite3_stmt *stmt, int i)
{
    return arena_str(b->arena, db_column_ref(stmt, i));
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

int db_begin(struct db_broker *b)
{
    sqlite3_stmt *stmt;
    int err = db_prepare(b, &stmt, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = db_entry_lock(&b->entry->write, DB_BUSY_TIMEOUT_MS);
    if (err)
        return err;
    err = db_run(b, stmt);
    if (err)
        pthread_mutex_unlock(&b->entry->write);
    else
        b->in_transaction = true;
    return err;
}

int db_end(struct db_broker *b, int err)
{
    sqlite3_stmt *stmt;

    if (!err) {
        err = db_prepare(b, &stmt, "COMMIT");
        if (!err)
            err = db_run(b, stmt);
    }
    /* Some errors have rolled it back already. */
    if (err && !sqlite3_get_autocommit(b->handle->conn))
        sqlite3_exec(b->handle->conn, "ROLLBACK", NULL, NULL, NULL);
    b->in_transaction = false;
    pthread_mutex_unlock(&b->entry->write);
    return err;
}
