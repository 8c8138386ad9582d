/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_listing.h"

#include <errno.h>

#include "base/error_page.h"
#include "base/request_helpers.h"

/* Rows of one subdir that are stepped over before a new search is cheaper. */
#define STEPS_BEFORE_SEARCH 8

struct walk {
    struct db_broker *b;
    const struct db_listing *q;
    const struct db_listing_sink *sink;
    sqlite3_stmt *stmt;
    struct str prefix, delimiter;
    struct str low_marker;   /* the marker at the lower end, whichever parameter it came from */
    struct buf lower, upper; /* lower <= name < upper */
    struct buf folded;       /* the beginning whose names are being passed over; n == 0: none */
    int64_t left;
};

static void set_text(struct buf *b, struct str s, struct str more)
{
    buf_reset(b);
    buf_str(b, s);
    buf_str(b, more);
}

/* The least string greater than all that start with s; everything valid is below "\xff". */
static void set_successor(struct buf *b, struct str s)
{
    while (s.n && (unsigned char)s.p[s.n - 1] == 0xff)
        s.n--;
    set_text(b, s, s.n ? STR("") : STR("\xff"));
    if (s.n)
        b->p[s.n - 1]++;
}

static void set_bounds(struct walk *w)
{
    const struct db_listing *q = w->q;
    struct str low = q->reverse ? q->end_marker : q->marker, high = q->reverse ? q->marker : q->end_marker;
    struct str first_shown = q->allow_reserved ? STR("") : STR("\x01");

    w->low_marker = low;
    set_text(&w->lower, low, low.n ? str_of("", 1) : STR("")); /* > m is >= m + NUL */
    if (str_cmp(buf_view(&w->lower), w->prefix) < 0)
        set_text(&w->lower, w->prefix, STR(""));
    if (str_cmp(buf_view(&w->lower), first_shown) < 0)
        set_text(&w->lower, first_shown, STR(""));

    set_successor(&w->upper, w->prefix);
    if (high.n && str_cmp(high, buf_view(&w->upper)) < 0)
        set_text(&w->upper, high, STR(""));
}

static int search(struct walk *w, const char *columns, int64_t policy)
{
    int err = db_preparef(w->b, &w->stmt,
                          "SELECT name, %s FROM %s WHERE deleted = 0 AND name >= ?1 AND name < ?2%s"
                          " ORDER BY name%s",
                          columns, w->b->kind->rows, policy >= 0 ? " AND storage_policy_index = ?3" : "",
                          w->q->reverse ? " DESC" : "");
    if (err)
        return err;
    db_bind(w->stmt, 1, str_of(w->lower.n ? w->lower.p : "", w->lower.n));
    db_bind(w->stmt, 2, buf_view(&w->upper));
    if (policy >= 0)
        sqlite3_bind_int64(w->stmt, 3, policy);
    return 0;
}

static bool is_passed_over(const struct walk *w, struct str name)
{
    struct str folded = buf_view(&w->folded);

    /* Below a path the name that ends at the delimiter is an entry of its own. */
    return folded.n && str_starts(name, folded) && !(w->q->path.p && name.n == folded.n);
}

/* Moves the bound behind what was folded. */
static void jump(struct walk *w)
{
    if (!w->q->reverse)
        set_successor(&w->lower, buf_view(&w->folded));
    else
        set_text(&w->upper, buf_view(&w->folded), w->q->path.p ? str_of("", 1) : STR(""));
}

static void show(struct walk *w, struct str name)
{
    ssize_t end = w->delimiter.n ? str_find_str(name, w->delimiter, w->prefix.n) : -1;
    size_t after = (size_t)end + w->delimiter.n;

    buf_reset(&w->folded);
    if (w->q->path.p) {
        if (w->prefix.n && str_eq(name, w->prefix))
            return;
        if (end >= 0 && name.n > after) {
            set_text(&w->folded, str_slice(name, 0, after), STR(""));
            return;
        }
    } else if (end >= 0) {
        struct str subdir = str_slice(name, 0, after);
        set_text(&w->folded, subdir, STR(""));
        if (!str_eq(subdir, w->low_marker)) {
            w->sink->subdir(w->sink->arg, subdir);
            w->left--;
        }
        return;
    }
    w->sink->row(w->sink->arg, name, w->stmt);
    w->left--;
}

static int walk_rows(struct walk *w, const char *columns, int64_t policy)
{
    unsigned steps = 0;
    int err = search(w, columns, policy);

    while (!err && w->left > 0) {
        int got = db_step(w->b, w->stmt);
        if (got <= 0)
            return got;
        struct str name = db_column_ref(w->stmt, 0);
        if (!is_passed_over(w, name)) {
            steps = 0;
            show(w, name);
        } else if (++steps == STEPS_BEFORE_SEARCH) {
            steps = 0;
            jump(w);
            err = search(w, columns, policy);
        }
    }
    if (!err)
        sqlite3_reset(w->stmt);
    return err;
}

int db_list(struct db_broker *b, const char *columns, int64_t policy, const struct db_listing *q,
            const struct db_listing_sink *sink)
{
    struct walk w = {
        .b = b, .q = q, .sink = sink, .prefix = q->prefix, .delimiter = q->delimiter, .left = q->limit};

    if (q->path.p) {
        struct str path = q->path;
        while (path.n && path.p[path.n - 1] == '/')
            path.n--;
        w.prefix = q->path.n ? arena_join(b->arena, path, STR("/"), STR_END) : STR("");
        w.delimiter = STR("/");
    }
    buf_init(&w.lower, SIZE_MAX / 2);
    buf_init(&w.upper, SIZE_MAX / 2);
    buf_init(&w.folded, SIZE_MAX / 2);
    set_bounds(&w);
    int err = walk_rows(&w, columns, policy);
    buf_release(&w.lower);
    buf_release(&w.upper);
    buf_release(&w.folded);
    return err;
}

bool db_listing_from_request(const struct http_request *req, int64_t max_limit, bool with_path,
                             struct db_listing *ret, struct http_response *rsp)
{
    struct str reverse;

    *ret = (struct db_listing){0};
    if (!request_param(req, STR("marker"), &ret->marker, rsp) ||
        !request_param(req, STR("end_marker"), &ret->end_marker, rsp) ||
        !request_param(req, STR("prefix"), &ret->prefix, rsp) ||
        !request_param(req, STR("delimiter"), &ret->delimiter, rsp) ||
        (with_path && !request_param(req, STR("path"), &ret->path, rsp)) ||
        !request_param(req, STR("reverse"), &reverse, rsp) ||
        !request_limit(req, max_limit, &ret->limit, rsp))
        return false;
    ret->reverse = str_is_true(reverse);
    ret->allow_reserved = str_is_true(header_get(&req->headers, STR("X-Backend-Allow-Reserved-Names")));
    return true;
}
