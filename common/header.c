/* SPDX-License-Identifier: Apache-2.0
 *
 * header.c: see header.h. A request has some dozens of fields: a walk comparing lengths first beats an index.
 */
#include "common/header.h"

#define FIRST_CAP 16

void header_init(struct header_table *t, struct arena *arena)
{
    *t = (struct header_table){.arena = arena};
}

static ssize_t find(const struct header_table *t, struct str name, size_t from)
{
    for (size_t i = from; i < t->n; i++)
        if (t->v[i].name.n == name.n && str_ieq(t->v[i].name, name))
            return (ssize_t)i;
    return -1;
}

struct str header_get(const struct header_table *t, struct str name)
{
    ssize_t i = find(t, name, 0);
    return i < 0 ? STR_NONE : t->v[i].value;
}

bool header_has(const struct header_table *t, struct str name)
{
    return find(t, name, 0) >= 0;
}

struct str header_get_joined(const struct header_table *t, struct str name)
{
    ssize_t i = find(t, name, 0);
    if (i < 0)
        return STR_NONE;
    ssize_t next = find(t, name, (size_t)i + 1);
    if (next < 0)
        return t->v[i].value;
    size_t n = t->v[i].value.n;
    for (ssize_t k = next; k >= 0; k = find(t, name, (size_t)k + 1))
        n += 2 + t->v[k].value.n;
    char *p = arena_alloc(t->arena, n + 1), *at = p;
    for (ssize_t k = i; k >= 0; k = find(t, name, (size_t)k + 1)) {
        if (k != i)
            at = mempcpy(at, ", ", 2);
        if (t->v[k].value.n)
            at = mempcpy(at, t->v[k].value.p, t->v[k].value.n);
    }
    *at = '\0';
    return str_of(p, n);
}

/* A value that is there is never STR_NONE, not even when it is empty. */
static struct str present(struct str value)
{
    return value.p ? value : STR("");
}

void header_add_ref(struct header_table *t, struct str name, struct str value)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : FIRST_CAP;
        struct header *v = arena_alloc(t->arena, cap * sizeof(*v));
        if (t->n)
            memcpy(v, t->v, t->n * sizeof(*v));
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n++] = (struct header){name, present(value)};
}

void header_add(struct header_table *t, struct str name, struct str value)
{
    header_add_ref(t, arena_str(t->arena, name), arena_str(t->arena, value));
}

void header_addf(struct header_table *t, struct str name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str value = arena_vprintf(t->arena, format, args);
    va_end(args);
    header_add_ref(t, arena_str(t->arena, name), value);
}

/* Removes the fields of that name from index `from` on. */
static size_t remove_from(struct header_table *t, struct str name, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < t->n; i++)
        if (!str_ieq(t->v[i].name, name))
            t->v[kept++] = t->v[i];
    size_t gone = t->n - kept;
    t->n = kept;
    return gone;
}

static void set_ref(struct header_table *t, struct str name, struct str value)
{
    ssize_t i = find(t, name, 0);
    if (i < 0) {
        header_add_ref(t, arena_str(t->arena, name), value);
        return;
    }
    /* `name` may be the very field that goes. */
    struct str copy = arena_str(t->arena, name);
    remove_from(t, copy, (size_t)i + 1);
    t->v[i] = (struct header){copy, present(value)};
}

void header_set(struct header_table *t, struct str name, struct str value)
{
    set_ref(t, name, arena_str(t->arena, value));
}

void header_setf(struct header_table *t, struct str name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str value = arena_vprintf(t->arena, format, args);
    va_end(args);
    set_ref(t, name, value);
}

size_t header_remove(struct header_table *t, struct str name)
{
    return remove_from(t, name, 0);
}

size_t header_remove_prefix(struct header_table *t, struct str prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!str_istarts(t->v[i].name, prefix))
            t->v[kept++] = t->v[i];
    size_t gone = t->n - kept;
    t->n = kept;
    return gone;
}

void header_copy(struct header_table *to, const struct header_table *from)
{
    for (size_t i = 0; i < from->n; i++)
        header_add(to, from->v[i].name, from->v[i].value);
}

struct str header_title(struct arena *arena, struct str name)
{
    char *p = arena_alloc(arena, name.n + 1);
    bool after_letter = false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
        if (lower && !after_letter)
            c = (char)(c - 'a' + 'A');
        else if (upper && after_letter)
            c = (char)(c - 'A' + 'a');
        else if (c == '_')
            c = '-';
        p[i] = c;
        after_letter = upper || lower;
    }
    p[name.n] = '\0';
    return str_of(p, name.n);
}

bool header_name_valid(struct str name)
{
    /* RFC 9110, 5.6.2: token characters that are neither letters nor digits. */
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!word && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return name.n > 0;
}
