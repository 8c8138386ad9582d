/* SPDX-License-Identifier: Apache-2.0
 *
 * conf.c: see conf.h. Loading goes in two steps: the files' lines become sections with their own options as
 * written; then each section gets, in `seen`, every option it shows, DEFAULT's included, with %(name)s
 * replaced. Reading only looks there.
 */
#include "common/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/arena.h"
#include "common/conf_file.h"
#include "common/log.h"

#define DEFAULT_SECTION "DEFAULT"
#define DEPTH_MAX       10 /* of %(name)s within %(name)s, as in Python */
#define EXPANDED_MAX    65536

struct option {
    const char *name, *raw;
    unsigned file; /* where it was set last */
    bool used;
};

struct seen {
    const char *name, *value;
    struct option *origin;
    bool own; /* not from DEFAULT */
};

struct section {
    const char *name;
    struct option *v;
    size_t n, cap;
    unsigned file; /* where it was opened last */
    bool asked;    /* somebody read from it */
    struct seen *seen;
    size_t seen_n;
};

struct conf {
    struct arena *arena;
    const char *path, *here, *file_path;
    bool strict;
    struct section **v; /* v[0] is DEFAULT */
    size_t n, cap;
    struct section *current; /* while loading */
    unsigned file;
};

/* ---- the files' lines ---- */

static const char *keep(struct conf *c, const char *s)
{
    return arena_str(c->arena, str_from(s)).p;
}

static struct section *find_section(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->v[i]->name, name))
            return c->v[i];
    return NULL;
}

static struct section *add_section(struct conf *c, const char *name)
{
    struct section *s = arena_zalloc(c->arena, sizeof(*s));
    s->name = keep(c, name);
    c->v = xgrow(c->v, &c->cap, c->n + 1, sizeof(struct section *));
    c->v[c->n++] = s;
    return s;
}

static bool has_prefix(const char *s, const char *prefix)
{
    return str_starts(str_from(s), str_from(prefix));
}

/* PasteDeploy's sections, where only "set NAME" overrides a DEFAULT. */
static bool is_paste(const struct section *s)
{
    static const char *const prefixes[] = {
        "app:", "application:", "filter:", "filter-app:", "pipeline:", "composite:", "composit:", "server:"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (has_prefix(s->name, prefixes[i]))
            return true;
    return false;
}

static void lower_case(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s + ('a' - 'A'));
}

static int on_section(void *arg, const char *name, struct buf *error)
{
    struct conf *c = arg;
    struct section *s = find_section(c, name);
    if (!s) {
        s = add_section(c, name);
    } else if (s->file == c->file && s != c->v[0]) {
        buf_printf(error, "a second [%s]", name);
        return -EINVAL;
    }
    s->file = c->file;
    c->current = s;
    return 0;
}

static int on_option(void *arg, const char *written, const char *value, struct buf *error)
{
    struct conf *c = arg;
    struct section *s = c->current;
    struct option *o = NULL;
    char *name = arena_alloc(c->arena, strlen(written) + 1);
    memcpy(name, written, strlen(written) + 1);
    if (!is_paste(s))
        lower_case(name);
    for (size_t i = 0; i < s->n && !o; i++)
        if (!strcmp(s->v[i].name, name))
            o = &s->v[i];
    if (o && o->file == c->file) {
        buf_printf(error, "[%s] %s: set twice", s->name, name);
        return -EINVAL;
    }
    if (!o) {
        s->v = xgrow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
        o = &s->v[s->n++];
    }
    *o = (struct option){.name = name, .raw = keep(c, value), .file = c->file};
    return 0;
}

static int load_file(struct conf *c, const char *path, struct buf *error)
{
    const struct conf_file_events events = {on_section, on_option, c};
    c->file++;
    return conf_file_read(path, &events, error);
}

static int is_conf_file(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends(str_from(e->d_name), STR(".conf"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_folder(struct conf *c, const char *path, struct buf *error)
{
    struct dirent **names;
    char text[128];
    int n = scandir(path, &names, is_conf_file, by_name), err = 0;
    if (n < 0) {
        err = -errno;
        buf_printf(error, "%s: %s", path, strerror_r(-err, text, sizeof(text)));
        return err;
    }
    if (n == 0) {
        err = -ENOENT;
        buf_printf(error, "%s: no *.conf file in this folder", path);
    }
    for (int i = 0; i < n; i++) {
        char *file = xasprintf("%s/%s", path, names[i]->d_name);
        if (!err)
            err = load_file(c, file, error);
        free(file);
        free(names[i]);
    }
    free(names);
    return err;
}

/* ---- what a section shows ---- */

static bool is_strict(const struct conf *c, const struct section *s)
{
    return c->strict || !strcmp(s->name, "swift-hash") || !strcmp(s->name, "swift-constraints") ||
           has_prefix(s->name, "storage-policy:");
}

static struct seen *find_seen(const struct section *s, struct str name)
{
    for (size_t i = 0; i < s->seen_n; i++)
        if (str_eq(str_from(s->seen[i].name), name))
            return &s->seen[i];
    return NULL;
}

static void show(struct section *s, const char *name, struct option *o, bool own)
{
    struct seen *e = find_seen(s, str_from(name));
    if (!e)
        e = &s->seen[s->seen_n++];
    *e = (struct seen){.name = name, .origin = o, .own = own};
}

/* Own options last: they override DEFAULT's. "set NAME" is NAME. */
static void list_seen(struct conf *c, struct section *s)
{
    struct section *defaults = c->v[0];
    bool paste = is_paste(s);
    s->seen = arena_zalloc(c->arena, (defaults->n + s->n) * sizeof(*s->seen));
    for (size_t i = 0; i < defaults->n; i++)
        show(s, defaults->v[i].name, &defaults->v[i], s == defaults);
    for (size_t i = 0; i < s->n && s != defaults; i++) {
        const char *name = s->v[i].name;
        bool set = paste && has_prefix(name, "set ");
        if (set)
            name = keep(c, str_trim(str_from(name + 4)).p);
        struct seen *e = find_seen(s, str_from(name));
        /* A plain line neither beats DEFAULT nor "set" of the same name. */
        if (!(paste && !set && e))
            show(s, name, &s->v[i], true);
    }
}

struct expansion {
    struct conf *c;
    struct section *s;
    struct buf out, *error;
    const char *option; /* for the error */
};

static int bad_value(struct expansion *x, const char *why)
{
    buf_printf(x->error, "%s: [%s] %s: %s", x->c->path, x->s->name, x->option, why);
    return -EINVAL;
}

static int expand(struct expansion *x, const char *raw, int depth);

/* p is behind "%(": returns what follows ")s", NULL on error. */
static const char *expand_name(struct expansion *x, const char *p, int depth)
{
    const char *end = strchr(p, ')');
    if (!end || end == p || end[1] != 's') {
        bad_value(x, "\"%(\" is not followed by \"NAME)s\"");
        return NULL;
    }
    char *name = str_dup(str_of(p, (size_t)(end - p))), why[256];
    struct seen *e = find_seen(x->s, str_from(name));
    if (!e) {
        lower_case(name);
        e = find_seen(x->s, str_from(name));
    }
    const char *raw = e                           ? e->origin->raw
                      : !strcmp(name, "here")     ? x->c->here
                      : !strcmp(name, "__file__") ? x->c->file_path
                                                  : NULL;
    int err = 0;
    if (e)
        e->origin->used = true;
    if (raw) {
        /* The two built-in names are paths, not text to be expanded. */
        err = e ? expand(x, raw, depth + 1) : buf_puts(&x->out, raw);
    } else {
        snprintf(why, sizeof(why), "there is no option \"%s\" for %%(%s)s", name, name);
        err = bad_value(x, why);
    }
    free(name);
    return err ? NULL : end + 2;
}

static int expand(struct expansion *x, const char *raw, int depth)
{
    if (depth > DEPTH_MAX)
        return bad_value(x, "%(NAME)s within %(NAME)s too deep");
    while (*raw) {
        const char *percent = strchrnul(raw, '%');
        buf_append(&x->out, raw, (size_t)(percent - raw));
        raw = percent;
        if (*raw && raw[1] == '%') {
            buf_putc(&x->out, '%');
            raw += 2;
        } else if (*raw && raw[1] == '(') {
            raw = expand_name(x, raw + 2, depth);
            if (!raw)
                return -EINVAL;
        } else if (*raw) {
            return bad_value(x, "a lone % (write %% for a percent sign)");
        }
    }
    return buf_error(&x->out) ? bad_value(x, "too long with all %(NAME)s replaced") : 0;
}

static int expand_section(struct conf *c, struct section *s, struct buf *error)
{
    struct expansion x = {.c = c, .s = s, .error = error};
    bool strict = is_strict(c, s);
    int err = 0;
    buf_init(&x.out, EXPANDED_MAX);
    for (size_t i = 0; i < s->seen_n && !err; i++) {
        struct seen *e = &s->seen[i];
        const char *raw = e->origin->raw;
        bool plain = strict ? !strchr(raw, '%') : !strstr(raw, "%(");
        if (plain) {
            e->value = raw;
            continue;
        }
        buf_reset(&x.out);
        x.option = e->name;
        err = expand(&x, raw, 0);
        if (!err)
            e->value = arena_str(c->arena, x.out.n ? buf_view(&x.out) : STR("")).p;
    }
    buf_release(&x.out);
    return err;
}

/* ---- the interface ---- */

static void set_paths(struct conf *c, const char *path, bool is_folder)
{
    char *whole = realpath(path, NULL);
    struct str full = str_from(whole ? whole : path);
    ssize_t slash = str_rfind(full, '/');
    struct str here = is_folder ? full : slash > 0 ? str_slice(full, 0, (size_t)slash) : STR("/");
    c->path = keep(c, path);
    c->file_path = arena_str(c->arena, full).p;
    c->here = arena_str(c->arena, here).p;
    free(whole);
}

static int load(const char *path, bool strict, struct conf **ret, struct buf *error)
{
    struct conf *c = xcalloc(1, sizeof(*c));
    struct stat st;
    bool is_folder = !stat(path, &st) && S_ISDIR(st.st_mode);
    c->arena = arena_new();
    c->strict = strict;
    set_paths(c, path, is_folder);
    add_section(c, DEFAULT_SECTION);
    int err = is_folder ? load_folder(c, path, error) : load_file(c, path, error);
    for (size_t i = 0; i < c->n && !err; i++)
        list_seen(c, c->v[i]);
    /* What only shows through from DEFAULT fails in the sections, where it has its meaning. */
    for (size_t i = c->n > 1; i < c->n && !err; i++)
        err = expand_section(c, c->v[i], error);
    if (err) {
        conf_free(c);
        return err;
    }
    /* DEFAULT itself may name options that only sections have. */
    if (c->n > 1) {
        struct buf ignored;
        buf_init(&ignored, 4096);
        expand_section(c, c->v[0], &ignored);
        buf_release(&ignored);
    }
    *ret = c;
    return 0;
}

int conf_load(const char *path, struct conf **ret, struct buf *error)
{
    return load(path, false, ret, error);
}

int conf_load_strict(const char *path, struct conf **ret, struct buf *error)
{
    return load(path, true, ret, error);
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        free(c->v[i]->v);
    free(c->v);
    arena_free(c->arena);
    free(c);
}

const char *conf_path(const struct conf *c)
{
    return c->path;
}

bool conf_has_section(const struct conf *c, const char *section)
{
    return find_section(c, section) != NULL;
}

void conf_each_section(const struct conf *c, void (*fn)(const char *section, void *arg), void *arg)
{
    for (size_t i = 1; i < c->n; i++)
        fn(c->v[i]->name, arg);
}

const char *conf_get(struct conf *c, const char *section, const char *option)
{
    struct section *s = find_section(c, section);
    if (s)
        s->asked = true;
    else
        s = c->v[0]; /* a section that is not there still shows the DEFAULTs */
    struct seen *e = find_seen(s, str_from(option));
    if (!e || !e->value)
        return NULL;
    e->origin->used = true;
    return e->value;
}

void conf_each_option(struct conf *c, const char *section,
                      bool (*fn)(const char *option, const char *value, void *arg), void *arg)
{
    struct section *s = find_section(c, section);
    if (!s)
        return;
    s->asked = true;
    for (size_t i = 0; i < s->seen_n; i++) {
        struct seen *e = &s->seen[i];
        if (e->own && e->value && fn(e->name, e->value, arg))
            e->origin->used = true;
    }
}

int conf_warn_unused(struct conf *c)
{
    int unused = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct section *s = c->v[i];
        for (size_t k = 0; k < s->n && (s->asked || i == 0); k++) {
            const struct option *o = &s->v[k];
            if (o->used)
                continue;
            struct seen *e = find_seen(s, str_from(o->name));
            bool hidden = e && e->origin != o;
            unused++;
            log_warning("%s: [%s] %s: %s", c->path, s->name, o->name,
                        hidden ? "no effect, as [DEFAULT] has it too: write \"set NAME = value\""
                               : "unknown option");
        }
    }
    return unused;
}
