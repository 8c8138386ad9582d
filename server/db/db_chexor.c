/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_chexor.h"

#include <errno.h>

#include "common/digest.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int db_chexor(struct str old, struct str name, struct str text, char out[DB_HASH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[DIGEST_MAX_BYTES];
    uint8_t bytes[16];

    if (old.n != 32)
        return -EINVAL;
    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(old.p[2 * i]), low = hex_digit(old.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (!text.p)
        text = STR("None");

    struct digest *d = digest_new(DIGEST_MD5);
    digest_update(d, name.p, name.n);
    digest_update(d, "-", 1);
    digest_update(d, text.p, text.n);
    digest_final(d, sum);
    digest_free(d);
    for (size_t i = 0; i < 16; i++) {
        uint8_t x = bytes[i] ^ sum[i];
        out[2 * i] = digits[x >> 4];
        out[2 * i + 1] = digits[x & 15];
    }
    out[32] = '\0';
    return 0;
}

static struct str value_text(sqlite3_value *v)
{
    if (sqlite3_value_type(v) == SQLITE_NULL)
        return STR_NONE;
    const void *p = sqlite3_value_text(v); /* before _bytes, which measures what this converted */
    return str_of(p ? p : "", (size_t)sqlite3_value_bytes(v));
}

static void sql_chexor(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    char out[DB_HASH_SIZE];

    if (sqlite3_value_type(argv[1]) == SQLITE_NULL) {
        sqlite3_result_error(context, "chexor: the name is null", -1);
        return;
    }
    if (db_chexor(value_text(argv[0]), value_text(argv[1]), value_text(argv[2]), out) < 0) {
        sqlite3_result_error(context, "chexor: the old hash is not 32 hex digits", -1);
        return;
    }
    sqlite3_result_text(context, out, 32, SQLITE_TRANSIENT);
}

int db_chexor_register(sqlite3 *conn)
{
    return sqlite3_create_function_v2(conn, "chexor", 3,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL, sql_chexor,
                                      NULL, NULL, NULL);
}
