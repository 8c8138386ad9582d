/* SPDX-License-Identifier: Apache-2.0
 *
 * http_range.c: see http_range.h. Follows swift.common.swob: Range, Range.ranges_for_length, Match and
 * Response._get_conditional_response_status, whose half-open ends are kept where overlaps are counted.
 */
#include "http/http_range.h"

#include <errno.h>
#include <inttypes.h>
#include "common/clock.h"
#include "common/timestamp.h"

#define RANGES_MAX     50
#define OVERLAPS_MAX   2
#define UNORDERED_MAX  8 /* so many ranges must ascend */
#define BOUNDARY_BYTES 16
#define BOUNDARY_SIZE  (2 * BOUNDARY_BYTES + 1)
#define ABSENT         UINT64_MAX
#define LARGEST        (UINT64_MAX - 1) /* what is larger counts as this: past any size */

/* --- the field --------------------------------------------------------------------------------------------- */

/* Decimal digits only; -EINVAL for anything else, none at all included. */
static int number(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        v = v > (LARGEST - digit) / 10 ? LARGEST : v * 10 + digit;
    }
    *ret = v;
    return s.n ? 0 : -EINVAL;
}

/* A start goes through Python's int(), which takes a sign and white space. */
static int start_number(struct str s, uint64_t *ret)
{
    s = str_trim(s);
    if (s.n > 1 && s.p[0] == '+')
        s = str_slice(s, 1, s.n);
    return number(s, ret);
}

/* "a-b", "a-" or "-b", with ABSENT for the missing number. */
static int parse_spec(struct str spec, uint64_t *ret_start, uint64_t *ret_end)
{
    struct str first, last;
    *ret_start = *ret_end = ABSENT;
    if (!str_cut(spec, '-', &first, &last) || (first.n == 0 && last.n == 0))
        return -EINVAL;
    if ((first.n && start_number(first, ret_start) < 0) || (last.n && number(last, ret_end) < 0))
        return -EINVAL;
    return first.n && last.n && *ret_end < *ret_start ? -EINVAL : 0;
}

/* False if nothing of size bytes is meant. end is one past the last byte here; a suffix of nothing gives 0, 0. */
static bool apply_spec(uint64_t start, uint64_t end, uint64_t size, struct http_range *ret)
{
    if (start == ABSENT) {
        *ret = (struct http_range){end > size ? 0 : size - end, size};
        return end > 0;
    }
    *ret = (struct http_range){start, end < size ? end + 1 : size};
    return start < size;
}

static bool overlap(const struct http_range *a, const struct http_range *b)
{
    return (a->start < b->start && b->start < a->end) || (a->start < b->end && b->end < a->end) ||
           (b->start < a->start && a->start < b->end) || (b->start < a->end && a->end < b->end);
}

/* RFC 9110 14.2 lets a server refuse sets that cost it more than they can be worth; these are Swift's bounds. */
static bool excessive(const struct http_range *v, size_t n)
{
    unsigned overlaps = 0;
    bool ascending = true;
    if (n > RANGES_MAX)
        return true;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            overlaps += overlap(&v[i], &v[k]);
    for (size_t i = 1; i < n; i++)
        ascending &= v[i - 1].start <= v[i].start;
    return overlaps > OVERLAPS_MAX || (!ascending && n >= UNORDERED_MAX);
}

/* Without blanks, and without the unit; STR_NONE if it is another. */
static struct str specs_of(struct arena *a, struct str value)
{
    char *p = arena_alloc(a, value.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != ' ')
            p[n++] = value.p[i];
    struct str s = str_of(p, n);
    return str_istarts(s, STR("bytes=")) ? str_slice(s, 6, n) : STR_NONE;
}

/* At most RANGES_MAX + 1 go into v, so that a long field costs nothing. -EINVAL: malformed. */
static int collect(struct str specs, uint64_t size, struct http_range v[RANGES_MAX + 1], size_t *ret_n)
{
    size_t n = 0;
    struct str rest = specs, spec;
    while (str_next(&rest, ',', &spec)) {
        uint64_t start, end;
        struct http_range range;
        if (parse_spec(spec, &start, &end) < 0)
            return -EINVAL;
        if (apply_spec(start, end, size, &range) && n <= RANGES_MAX)
            v[n++] = range;
    }
    *ret_n = n;
    return 0;
}

enum http_range_result http_range_parse(struct arena *a, struct str value, uint64_t size,
                                        struct http_range **ret, size_t *ret_n)
{
    struct http_range v[RANGES_MAX + 1];
    size_t n;
    struct str specs = specs_of(a, value);
    if (specs.n == 0 || collect(specs, size, v, &n) < 0)
        return HTTP_RANGE_NONE;
    if (n == 0 || excessive(v, n))
        return HTTP_RANGE_UNSATISFIABLE;
    if (size == 0)
        return HTTP_RANGE_NONE; /* the last bytes of nothing: all of it */
    struct http_range *out = arena_alloc(a, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct http_range){v[i].start, v[i].end - 1};
    *ret = out;
    *ret_n = n;
    return HTTP_RANGE_OK;
}

/* --- conditions -------------------------------------------------------------------------------------------- */

static struct str without_quotes(struct str tag)
{
    bool quoted = tag.n > 1 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"';
    return quoted ? str_slice(tag, 1, tag.n - 1) : tag;
}

/* Whether the list holds the tag or "*". */
static bool tag_listed(struct str list, struct str etag)
{
    struct str item;
    while (str_next(&list, ',', &item)) {
        item = without_quotes(str_trim(item));
        if (str_eq(item, STR("*")) || (item.n && str_eq(item, etag)))
            return true;
    }
    return false;
}

static bool star_listed(struct str list)
{
    return tag_listed(list, STR_NONE);
}

/* True if the field is there and holds a date. */
static bool date_of(const struct header_table *t, struct str name, int64_t *ret)
{
    struct str value = header_get(t, name);
    return value.p && http_date_parse(value, ret) == 0;
}

int http_conditions(const struct header_table *request_headers, bool exists, struct str etag,
                    int64_t last_modified)
{
    const struct header_table *t = request_headers;
    struct str none_match = header_get_joined(t, STR("If-None-Match"));
    struct str match = header_get_joined(t, STR("If-Match"));
    int64_t date;
    if (!exists)
        return match.p && star_listed(match) ? 412 : 0;
    etag = without_quotes(etag);
    if (etag.n && none_match.p && tag_listed(none_match, etag))
        return 304;
    if (etag.n && match.p && !tag_listed(match, etag))
        return 412;
    if (date_of(t, STR("If-Modified-Since"), &date) && last_modified <= date)
        return 304;
    if (date_of(t, STR("If-Unmodified-Since"), &date) && last_modified > date)
        return 412;
    return 0;
}

/* --- a range as a body ------------------------------------------------------------------------------------- */

/* Opened with the first byte that is asked for. */
struct range_body {
    struct http_body body;
    http_open_range_fn open;
    void *arg;
    struct http_range range;
    struct http_body *inner;
    uint64_t left;
    int error;
};

static int range_open(struct range_body *r)
{
    if (r->inner || r->error)
        return r->error;
    int err = -EIO;
    r->inner = r->open(r->arg, r->range.start, r->range.end, &err);
    if (!r->inner)
        r->error = err < 0 ? err : -EIO;
    return r->error;
}

static ssize_t range_read(struct http_body *b, void *p, size_t n)
{
    struct range_body *r = (struct range_body *)b;
    if (r->left == 0 || range_open(r) < 0)
        return r->error;
    ssize_t got = http_body_read(r->inner, p, n < r->left ? n : (size_t)r->left);
    if (got == 0 && n > 0)
        got = -EPIPE; /* in the middle of a multipart body nobody else would notice */
    if (got < 0)
        r->error = (int)got;
    else
        r->left -= (uint64_t)got;
    return got;
}

static int range_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct range_body *r = (struct range_body *)b;
    if (r->left == 0 || range_open(r) < 0)
        return r->error;
    if (!r->inner->ops->file_range)
        return 0;
    int got =
        r->inner->ops->file_range(r->inner, max < r->left ? max : (size_t)r->left, ret_fd, ret_offset, ret_n);
    if (got > 0)
        r->left -= *ret_n;
    else
        r->error = got;
    return got;
}

static void range_close(struct http_body *b)
{
    http_body_close(((struct range_body *)b)->inner);
}

static struct http_body *range_body(struct arena *a, struct http_range range, http_open_range_fn open,
                                    void *arg)
{
    static const struct http_body_ops ops = {range_read, range_file_range, range_close};
    struct range_body *r = arena_alloc(a, sizeof *r);
    uint64_t length = range.end - range.start + 1;
    *r = (struct range_body){{&ops, (int64_t)length}, open, arg, range, NULL, length, 0};
    return &r->body;
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static void answer_unsatisfiable(struct http_response *rsp, uint64_t size)
{
    /* The Content-Type stays that of the object, as with Swift. */
    rsp->status = 416;
    header_setf(&rsp->headers, STR("Content-Range"), "bytes */%" PRIu64, size);
    header_remove(&rsp->headers, STR("Content-Length"));
    rsp->body = http_body_memory(rsp->arena, STR("<html><h1>Requested Range Not Satisfiable</h1>"
                                                 "<p>The Range requested is not available.</p></html>"));
}

static void answer_one(struct http_response *rsp, uint64_t size, struct http_range range,
                       http_open_range_fn open, void *arg)
{
    rsp->status = 206;
    header_setf(&rsp->headers, STR("Content-Range"), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.start,
                range.end, size);
    header_remove(&rsp->headers, STR("Content-Length"));
    rsp->body = range_body(rsp->arena, range, open, arg);
}

/* Head, bytes, CRLF for each range, then the closing boundary without one. */
static void answer_many(struct http_response *rsp, uint64_t size, const struct http_range *v, size_t n,
                        struct str content_type, http_open_range_fn open, void *arg)
{
    struct arena *a = rsp->arena;
    struct http_body **parts = arena_alloc(a, (2 * n + 1) * sizeof *parts);
    char boundary[BOUNDARY_SIZE];
    uint8_t bytes[BOUNDARY_BYTES];
    int64_t length = 0;
    random_bytes(bytes, sizeof bytes);
    str_hex(bytes, sizeof bytes, boundary);
    for (size_t i = 0; i < n; i++) {
        struct str head =
            arena_join(a, i ? STR("\r\n--") : STR("--"), str_of(boundary, BOUNDARY_SIZE - 1),
                       STR("\r\nContent-Type: "), content_type,
                       arena_printf(a, "\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                                    v[i].start, v[i].end, size),
                       STR_END);
        parts[2 * i] = http_body_memory(a, head);
        parts[2 * i + 1] = range_body(a, v[i], open, arg);
        length += parts[2 * i]->length + parts[2 * i + 1]->length;
    }
    parts[2 * n] = http_body_memory(a, arena_printf(a, "\r\n--%s--", boundary));
    length += parts[2 * n]->length;
    rsp->status = 206;
    header_setf(&rsp->headers, STR("Content-Type"), "multipart/byteranges;boundary=%s", boundary);
    header_remove(&rsp->headers, STR("Content-Range"));
    header_remove(&rsp->headers, STR("Content-Length"));
    rsp->body = http_body_chain(a, parts, 2 * n + 1, length);
}

enum http_range_result http_response_ranges(const struct http_request *req, struct http_response *rsp,
                                            uint64_t size, struct str content_type, http_open_range_fn open,
                                            void *arg)
{
    struct http_range *v;
    size_t n;
    struct str value = header_get_joined(&req->headers, STR("Range"));
    if (!value.p || rsp->status != 200 || !str_eq(req->method, STR("GET")))
        return HTTP_RANGE_NONE;
    enum http_range_result r = http_range_parse(rsp->arena, value, size, &v, &n);
    if (r == HTTP_RANGE_UNSATISFIABLE)
        answer_unsatisfiable(rsp, size);
    else if (r == HTTP_RANGE_OK && n == 1)
        answer_one(rsp, size, v[0], open, arg);
    else if (r == HTTP_RANGE_OK)
        answer_many(rsp, size, v, n, content_type, open, arg);
    return r;
}
