/* SPDX-License-Identifier: Apache-2.0 */
#include "base/registry.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/json.h"

#ifndef MARTLET_VERSION
#define MARTLET_VERSION "unknown"
#endif

struct entry {
    char *key, *json;
};

struct section {
    char *name;
    bool admin;
    struct entry *v;
    size_t n, cap;
};

struct registry {
    struct section *v;
    size_t n, cap;
};

struct registry *registry_new(void)
{
    return xcalloc(1, sizeof(struct registry));
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->v[i].n; k++) {
            free(r->v[i].v[k].key);
            free(r->v[i].v[k].json);
        }
        free(r->v[i].v);
        free(r->v[i].name);
    }
    free(r->v);
    free(r);
}

static struct section *find_section(const struct registry *r, struct str name, bool admin)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].admin == admin && str_eq(name, str_from(r->v[i].name)))
            return &r->v[i];
    return NULL;
}

static struct section *need_section(struct registry *r, const char *name, bool admin)
{
    struct section *s = find_section(r, str_from(name), admin);
    if (s)
        return s;
    r->v = xgrow(r->v, &r->cap, r->n + 1, sizeof(*r->v));
    s = &r->v[r->n++];
    *s = (struct section){.name = xstrdup(name), .admin = admin};
    return s;
}

void registry_section(struct registry *r, const char *section)
{
    need_section(r, section, false);
}

static void set(struct registry *r, const char *section, bool admin, const char *key, const char *json)
{
    struct section *s = need_section(r, section, admin);
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].key, key) != 0)
            continue;
        free(s->v[i].json);
        s->v[i].json = xstrdup(json);
        return;
    }
    s->v = xgrow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
    s->v[s->n++] = (struct entry){xstrdup(key), xstrdup(json)};
}

void registry_set(struct registry *r, const char *section, const char *key, const char *json)
{
    set(r, section, false, key, json);
}

void registry_set_admin(struct registry *r, const char *section, const char *key, const char *json)
{
    set(r, section, true, key, json);
}

const char *registry_version(void)
{
    return MARTLET_VERSION;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool disallowed(struct str list, struct str section, const char *key)
{
    struct str item, first, second;
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        bool has_key = str_cut(item, '.', &first, &second);
        if (!str_eq(first, section))
            continue;
        if (key ? has_key && str_eq(second, str_from(key)) : !has_key)
            return true;
    }
    return false;
}

static void write_entries(const struct section *s, struct str hidden, bool *first, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (disallowed(hidden, str_from(s->name), s->v[i].key))
            continue;
        buf_puts(out, *first ? "" : ", ");
        json_put_string(out, str_from(s->v[i].key));
        buf_printf(out, ": %s", s->v[i].json);
        *first = false;
    }
}

/* True if an earlier registry of the view has the section, which is then written already. */
static bool written_before(const struct registry_view *view, size_t at, const struct section *s)
{
    for (size_t i = 0; i < at; i++)
        if (find_section(view->v[i], str_from(s->name), s->admin))
            return true;
    return false;
}

static void write_section(const struct registry_view *view, size_t at, const struct section *s,
                          struct str hidden, struct buf *out)
{
    bool first = true;
    json_put_string(out, str_from(s->name));
    buf_puts(out, ": {");
    for (size_t i = at; i < view->n; i++) {
        const struct section *part = find_section(view->v[i], str_from(s->name), s->admin);
        if (part)
            write_entries(part, hidden, &first, out);
    }
    buf_putc(out, '}');
}

static void write_sections(const struct registry_view *view, bool admin, bool *first, struct buf *out)
{
    struct str hidden = admin ? STR_NONE : view->disallowed;
    for (size_t i = 0; i < view->n; i++) {
        for (size_t k = 0; k < view->v[i]->n; k++) {
            const struct section *s = &view->v[i]->v[k];
            if (s->admin != admin || written_before(view, i, s) ||
                disallowed(hidden, str_from(s->name), NULL))
                continue;
            buf_puts(out, *first ? "" : ", ");
            write_section(view, i, s, hidden, out);
            *first = false;
        }
    }
}

static void write_admin(const struct registry_view *view, struct buf *out)
{
    bool first = true, first_item = true;
    struct str list = view->disallowed, item;
    buf_puts(out, "\"admin\": {");
    write_sections(view, true, &first, out);
    buf_puts(out, first ? "\"disallowed_sections\": [" : ", \"disallowed_sections\": [");
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        if (!item.n)
            continue;
        buf_puts(out, first_item ? "" : ", ");
        json_put_string(out, item);
        first_item = false;
    }
    buf_puts(out, "]}");
}

void registry_write(const struct registry_view *view, struct buf *out)
{
    bool first = true;
    buf_putc(out, '{');
    write_sections(view, false, &first, out);
    if (view->admin) {
        buf_puts(out, first ? "" : ", ");
        write_admin(view, out);
    }
    buf_putc(out, '}');
}
