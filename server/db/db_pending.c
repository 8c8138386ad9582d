/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_pending.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int base64_decode(struct arena *a, struct str text, struct str *ret)
{
    if (text.n == 0 || text.n % 4 != 0)
        return -EINVAL;
    size_t padding = text.p[text.n - 1] != '=' ? 0 : text.p[text.n - 2] != '=' ? 1 : 2;
    char *out = arena_alloc(a, text.n / 4 * 3);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i += 4) {
        uint32_t word = 0;
        for (size_t j = 0; j < 4; j++) {
            int six = i + j >= text.n - padding ? 0 : sextet(text.p[i + j]);
            if (six < 0)
                return -EINVAL;
            word = word << 6 | (uint32_t)six;
        }
        out[n++] = (char)(word >> 16);
        out[n++] = (char)(word >> 8);
        out[n++] = (char)word;
    }
    *ret = str_of(out, n - padding);
    return 0;
}

void db_pending_encode(struct buf *out, struct str pickle)
{
    buf_putc(out, ':');
    for (size_t i = 0; i < pickle.n; i += 3) {
        size_t left = pickle.n - i;
        uint32_t word = (uint32_t)(uint8_t)pickle.p[i] << 16;
        if (left > 1)
            word |= (uint32_t)(uint8_t)pickle.p[i + 1] << 8;
        if (left > 2)
            word |= (uint8_t)pickle.p[i + 2];
        char four[4] = {alphabet[word >> 18], alphabet[word >> 12 & 63],
                        left > 1 ? alphabet[word >> 6 & 63] : '=', left > 2 ? alphabet[word & 63] : '='};
        buf_append(out, four, 4);
    }
}

int db_pending_add(struct arena *a, struct str pickle, struct db_pending *p)
{
    struct pickle_value *value;
    size_t used;

    if (pickle_parse(a, pickle.p, pickle.n, &value, &used) < 0 || used != pickle.n)
        return -EINVAL;
    if (value->type != PICKLE_TUPLE)
        return -EINVAL;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct pickle_value **v = arena_alloc(a, cap * sizeof(*v));
        if (p->n)
            memcpy(v, p->v, p->n * sizeof(*v));
        p->v = v;
        p->cap = cap;
    }
    p->v[p->n++] = value;
    return 0;
}

void db_pending_parse(struct arena *a, struct str text, struct db_pending *ret)
{
    struct str rest = text, record, pickle;

    while (str_next(&rest, ':', &record)) {
        if (record.n == 0)
            continue;
        if (base64_decode(a, record, &pickle) < 0 || db_pending_add(a, pickle, ret) < 0)
            ret->bad++;
    }
}

static const struct pickle_value *field(const struct pickle_value *tuple, size_t i)
{
    if (i >= tuple->list.n || tuple->list.items[i]->type == PICKLE_NONE)
        return NULL;
    return tuple->list.items[i];
}

struct str db_pending_text(const struct pickle_value *tuple, size_t i)
{
    const struct pickle_value *v = field(tuple, i);

    return v && (v->type == PICKLE_TEXT || v->type == PICKLE_BYTES) ? v->text : STR_NONE;
}

int64_t db_pending_int(const struct pickle_value *tuple, size_t i, int64_t fallback, bool *ret_null)
{
    const struct pickle_value *v = field(tuple, i);
    int64_t n = fallback;

    if (ret_null)
        *ret_null = !v;
    if (!v)
        return fallback;
    if (v->type == PICKLE_INT)
        return v->integer;
    if (v->type == PICKLE_BOOL)
        return v->boolean;
    if (v->type == PICKLE_TEXT || v->type == PICKLE_BYTES)
        if (str_to_i64(str_trim(v->text), &n) < 0)
            n = fallback;
    return n;
}
