/* SPDX-License-Identifier: Apache-2.0
 *
 * listing_formats.c: listings of accounts and containers come as JSON from the storage servers and go to the client as text,
 * JSON or XML, as ?format= or Accept asks (facts: proxy 12). Entries with a NUL in their names stay hidden.
 */
#include "middleware/middleware.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/log.h"
#include "common/xml.h"
#include "rt/rt.h"

#define LISTING_MAX   (1024 * 10000 * 2) /* bytes; a longer body is no listing */
#define OUTPUT_MAX    (8 * (size_t)LISTING_MAX)
#define OFFLOAD_BYTES 65536 /* converting more than this would hold up the loop */

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_XML, FORMAT_TEXT_XML, FORMAT_NONE };
static const char *const format_types[] = {"text/plain", "application/json", "application/xml", "text/xml"};

/* --- what the client wants --------------------------------------------------------------------------------------------------- */

/* A media range of Accept. */
struct media_range {
    struct str type, subtype;
    double quality;
};

static bool is_token_char(char c)
{
    return (unsigned char)c > ' ' && c != 127 && !strchr("()<>@,;:\"/[]?={}", c);
}

static struct str take_token(struct str *rest)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] && is_token_char(rest->p[n]))
        n++;
    struct str token = str_slice(*rest, 0, n);
    *rest = str_slice(*rest, n, rest->n);
    return token;
}

static void skip_blanks(struct str *rest)
{
    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_slice(*rest, 1, rest->n);
}

static bool take_char(struct str *rest, char c)
{
    if (!rest->n || rest->p[0] != c)
        return false;
    *rest = str_slice(*rest, 1, rest->n);
    return true;
}

/* A token or a quoted string; an empty one is an error. */
static struct str take_value(struct str *rest)
{
    if (!rest->n || rest->p[0] != '"')
        return take_token(rest);
    size_t n = 1;
    while (n < rest->n && rest->p[n] != '"')
        n += rest->p[n] == '\\' ? 2 : 1;
    if (n >= rest->n)
        return STR("");
    struct str value = str_slice(*rest, 0, n + 1);
    *rest = str_slice(*rest, n + 1, rest->n);
    return value;
}

/* type/subtype *( ; name = value ). False: malformed. */
static bool parse_range(struct str item, struct media_range *ret)
{
    bool seen_quality = false;
    skip_blanks(&item);
    *ret = (struct media_range){.quality = 1.0};
    ret->type = take_token(&item);
    if (!ret->type.n || !take_char(&item, '/'))
        return false;
    ret->subtype = take_token(&item);
    skip_blanks(&item);
    while (ret->subtype.n && take_char(&item, ';')) {
        skip_blanks(&item);
        struct str name = take_token(&item);
        skip_blanks(&item);
        if (!name.n || !take_char(&item, '='))
            return false;
        skip_blanks(&item);
        struct str value = take_value(&item);
        if (!value.n || str_find(value, '=') >= 0 || str_find(value, ';') >= 0)
            return false;
        if (str_eq(name, STR("q")) && (seen_quality || str_to_double(value, &ret->quality)))
            return false;
        seen_quality |= str_eq(name, STR("q"));
        skip_blanks(&item);
    }
    return ret->subtype.n && !item.n;
}

static bool range_covers(const struct media_range *r, const char *type)
{
    struct str main, sub;
    str_cut(str_from(type), '/', &main, &sub);
    return (str_eq(r->type, STR("*")) || str_eq(r->type, main)) &&
           (str_eq(r->subtype, STR("*")) || str_eq(r->subtype, sub));
}

static bool range_is_exact(const struct media_range *r)
{
    return !str_eq(r->type, STR("*")) && !str_eq(r->subtype, STR("*"));
}

/* Higher quality first, then those without a star. */
static bool comes_before(const struct media_range *a, const struct media_range *b)
{
    if (a->quality != b->quality)
        return a->quality > b->quality;
    return range_is_exact(a) && !range_is_exact(b);
}

/* FORMAT_NONE: nothing we have. False: malformed. */
static bool match_accept(struct arena *arena, struct str accept, enum format *ret)
{
    size_t most = 1, n = 0;
    struct str item;
    *ret = FORMAT_TEXT;
    if (!accept.n)
        return true;
    for (size_t i = 0; i < accept.n; i++)
        most += accept.p[i] == ',';
    struct media_range *v = arena_alloc(arena, most * sizeof(*v));
    bool more = true;
    while (more) {
        struct media_range range;
        more = str_cut(accept, ',', &item, &accept);
        if (!parse_range(item, &range))
            return false;
        size_t at = n++;
        for (; at > 0 && comes_before(&range, &v[at - 1]); at--)
            v[at] = v[at - 1];
        v[at] = range;
    }
    for (size_t i = 0; i < n; i++)
        for (int f = FORMAT_TEXT; f < FORMAT_NONE; f++)
            if (range_covers(&v[i], format_types[f])) {
                *ret = (enum format)f;
                return true;
            }
    *ret = FORMAT_NONE;
    return true;
}

/* False: rsp has the 400 or 406. *ret_vary: Accept decided. */
static bool wanted_format(const struct http_request *req, enum format *ret, bool *ret_vary,
                          struct http_response *rsp)
{
    struct str format;
    if (!request_param(req, STR("format"), &format, rsp))
        return false;
    *ret_vary = !format.p;
    if (format.n) {
        *ret = str_ieq(format, STR("json"))  ? FORMAT_JSON
               : str_ieq(format, STR("xml")) ? FORMAT_XML
                                             : FORMAT_TEXT;
        return true;
    }
    if (!match_accept(req->arena, header_get_joined(&req->headers, STR("Accept")), ret)) {
        error_text(rsp, 400, NULL, "Invalid Accept header");
        return false;
    }
    if (*ret == FORMAT_NONE) {
        error_page(rsp, 406);
        return false;
    }
    return true;
}

/* --- converting ------------------------------------------------------------------------------------------------------------------- */

struct conversion {
    struct str json;
    enum format format;
    struct str account, container; /* container STR_NONE: an account's listing */
    bool show_reserved;
    struct buf out;
    bool is_listing; /* false: no list of objects with the right keys; out is of no use */
    size_t hidden;   /* entries with a NUL in their name */
};

static struct str text_of(const json_t *v)
{
    return json_is_string(v) ? str_of(json_string_value(v), json_string_length(v)) : STR_NONE;
}

/* As ElementTree writes an attribute. */
static void put_attribute(struct buf *b, struct str s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            buf_puts(b, "&quot;");
            break;
        case '\n':
            buf_puts(b, "&#10;");
            break;
        case '\r':
            buf_puts(b, "&#13;");
            break;
        case '\t':
            buf_puts(b, "&#09;");
            break;
        default:
            xml_text(b, str_slice(s, i, i + 1));
        }
    }
    buf_putc(b, '"');
}

/* <name>text</name>, or <name /> without text. False: no such key. */
static bool put_element(struct buf *b, const json_t *entry, const char *name)
{
    const json_t *v = json_object_get(entry, name);
    if (!v)
        return false;
    struct str s = text_of(v);
    if (json_is_string(v) && !s.n) {
        buf_printf(b, "<%s />", name);
        return true;
    }
    buf_printf(b, "<%s>", name);
    if (json_is_integer(v))
        buf_printf(b, "%lld", (long long)json_integer_value(v));
    else if (json_is_string(v))
        xml_text(b, s);
    else
        return false;
    buf_printf(b, "</%s>", name);
    return true;
}

static bool put_elements(struct buf *b, const json_t *entry, const char *const *names)
{
    for (; *names; names++)
        if (!put_element(b, entry, *names))
            return false;
    return true;
}

static bool put_object(struct buf *b, const json_t *entry)
{
    static const char *const names[] = {"name", "hash", "bytes", "content_type", "last_modified", NULL};
    struct str subdir = text_of(json_object_get(entry, "subdir"));
    if (subdir.p) {
        buf_puts(b, "<subdir name=");
        put_attribute(b, subdir);
        buf_puts(b, "><name>");
        xml_text(b, subdir);
        buf_puts(b, "</name></subdir>");
        return true;
    }
    buf_puts(b, "<object>");
    bool fine = put_elements(b, entry, names);
    buf_puts(b, "</object>");
    return fine;
}

static bool put_container(struct buf *b, const json_t *entry)
{
    static const char *const names[] = {"name", "count", "bytes", "last_modified", NULL};
    struct str subdir = text_of(json_object_get(entry, "subdir"));
    bool fine = true;
    if (subdir.p) {
        buf_puts(b, "<subdir name=");
        put_attribute(b, subdir);
        buf_puts(b, " />\n");
        return true;
    }
    buf_puts(b, "<container>");
    fine = put_elements(b, entry, names);
    put_element(b, entry, "storage_policy");
    buf_puts(b, "</container>\n");
    return fine;
}

static bool put_name(struct buf *b, const json_t *entry)
{
    struct str name = text_of(json_object_get(entry, "name"));
    if (!name.p)
        name = text_of(json_object_get(entry, "subdir"));
    buf_str(b, name);
    buf_putc(b, '\n');
    return name.p != NULL;
}

static bool is_reserved(const json_t *entry)
{
    return str_find(text_of(json_object_get(entry, "name")), '\0') >= 0 ||
           str_find(text_of(json_object_get(entry, "subdir")), '\0') >= 0;
}

/* ", " between entries, as Python's json.dumps does. */
static bool put_json(struct buf *b, const json_t *entry)
{
    const char *key;
    json_t *v;
    size_t n = 0;
    buf_putc(b, '{');
    json_object_foreach((json_t *)entry, key, v)
    {
        char *text = json_dumps(v, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
        buf_printf(b, "%s\"%s\": %s", n++ ? ", " : "", key, text ? text : "null");
        free(text);
    }
    buf_putc(b, '}');
    return true;
}

static void put_xml_start(struct conversion *c, bool empty)
{
    buf_puts(&c->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    buf_puts(&c->out, c->container.p ? "<container name=" : "<account name=");
    put_attribute(&c->out, c->container.p ? c->container : c->account);
    buf_puts(&c->out, !c->container.p ? ">\n" : empty ? " />" : ">");
}

static bool put_entry(struct conversion *c, const json_t *entry, bool first)
{
    switch (c->format) {
    case FORMAT_TEXT:
        return put_name(&c->out, entry);
    case FORMAT_JSON:
        buf_puts(&c->out, first ? "" : ", ");
        return put_json(&c->out, entry);
    default:
        return c->container.p ? put_object(&c->out, entry) : put_container(&c->out, entry);
    }
}

static bool put_entries(struct conversion *c, const json_t *list)
{
    bool first = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!json_is_object(entry))
            return false;
        if (!c->show_reserved && is_reserved(entry)) {
            c->hidden++;
            continue;
        }
        if (first && c->format >= FORMAT_XML)
            put_xml_start(c, false);
        if (!put_entry(c, entry, first))
            return false;
        first = false;
    }
    if (c->format >= FORMAT_XML && first)
        put_xml_start(c, true);
    if (c->format >= FORMAT_XML && !(c->container.p && first))
        buf_puts(&c->out, c->container.p ? "</container>" : "</account>");
    return true;
}

/* Only CPU: may run on a thread of the pool. */
static void convert(void *arg)
{
    struct conversion *c = arg;
    json_t *list = json_loadb(c->json.p ? c->json.p : "", c->json.n, JSON_ALLOW_NUL, NULL);
    if (json_is_array(list)) {
        if (c->format == FORMAT_JSON)
            buf_putc(&c->out, '[');
        c->is_listing = put_entries(c, list) && !buf_error(&c->out);
        if (c->format == FORMAT_JSON)
            buf_putc(&c->out, ']');
    }
    json_decref(list);
}

/* JSON that hides nothing goes out as it came. */
static bool passes_unchanged(const struct conversion *c)
{
    return c->format == FORMAT_JSON && (c->show_reserved || str_find_str(c->json, STR("\\u0000"), 0) < 0);
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------ */

static void vary_by_accept(struct http_response *rsp)
{
    struct str vary = header_get(&rsp->headers, STR("Vary")), rest = vary, item;
    while (str_next(&rest, ',', &item))
        if (str_ieq(str_trim(item), STR("accept")))
            return;
    if (vary.n)
        header_setf(&rsp->headers, STR("Vary"), "%.*s, Accept", STR_ARG(vary));
    else
        header_set(&rsp->headers, STR("Vary"), STR("Accept"));
}

static bool is_json(const struct http_response *rsp)
{
    struct str type, rest;
    str_cut(header_get(&rsp->headers, STR("Content-Type")), ';', &type, &rest);
    return str_eq(type, STR("application/json"));
}

static void set_type(struct http_response *rsp, enum format format)
{
    header_setf(&rsp->headers, STR("Content-Type"), "%s; charset=utf-8", format_types[format]);
}

static void log_hidden(const struct http_request *req, const struct conversion *c)
{
    if (c->hidden)
        log_txn(LOG_LEVEL_WARNING, req->txn, "listing of %.*s/%.*s had %zu names with a reserved byte",
                STR_ARG(c->account), STR_ARG(c->container), c->hidden);
}

/* Puts the converted listing in place of the body, which was read into `body`. */
static void replace_body(struct http_request *req, struct http_response *rsp, struct conversion *c,
                         struct buf *body)
{
    c->json = buf_view(body);
    buf_init(&c->out, OUTPUT_MAX);
    if (passes_unchanged(c)) {
        set_type(rsp, c->format);
    } else {
        if (c->json.n <= OFFLOAD_BYTES || rt_offload(NULL, convert, c))
            convert(c);
        log_hidden(req, c);
        if (c->is_listing) {
            set_type(rsp, c->format);
            buf_release(body);
            *body = c->out;
            buf_init(&c->out, OUTPUT_MAX);
        }
    }
    buf_release(&c->out);
    if (!body->n)
        rsp->status = 204;
    header_remove(&rsp->headers, STR("Content-Length"));
    rsp->body = http_body_buf(rsp->arena, body);
}

static void convert_answer(struct http_request *req, struct http_response *rsp, struct conversion *c)
{
    struct buf body;
    if (!is_json(rsp))
        return;
    if (str_eq(req->method, STR("HEAD"))) {
        set_type(rsp, c->format);
        header_remove(&rsp->headers, STR("Content-Length"));
        http_body_close(rsp->body);
        rsp->body = NULL;
        return;
    }
    if (!rsp->body || rsp->body->length > LISTING_MAX || rsp->body->length < 0)
        return;
    buf_init(&body, LISTING_MAX);
    int err = http_body_read_all(rsp->body, &body);
    http_body_close(rsp->body);
    rsp->body = NULL;
    if (err) {
        buf_release(&body);
        http_response_clear(rsp);
        error_page(rsp, 503);
        return;
    }
    replace_body(req, rsp, c, &body);
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct http_app *next = middleware_next(app);
    struct api_path path;
    struct conversion c = {0};
    bool vary;
    bool reads = str_eq(req->method, STR("GET")) || str_eq(req->method, STR("HEAD"));
    if (!reads || !request_api_path(req, 2, 3, &path) ||
        (!str_eq(path.version, STR("v1")) && !str_eq(path.version, STR("v1.0")))) {
        http_app_call(next, req, rsp);
        return;
    }
    if (!wanted_format(req, &c.format, &vary, rsp))
        return;
    c.account = path.account;
    c.container = path.container.n ? path.container : STR_NONE;
    c.show_reserved = str_is_true(header_get(&req->headers, STR("X-Backend-Allow-Reserved-Names")));
    request_set_param(req, STR("format"), STR("json"));
    http_app_call(next, req, rsp);
    if (env_of(req)->keep_listing || (rsp->status != 200 && rsp->status != 204))
        return;
    if (vary)
        vary_by_accept(rsp);
    convert_answer(req, rsp, &c);
}

int listing_formats_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    struct middleware *m = middleware_alloc(sizeof(*m), filter, handle);
    *ret = &m->app;
    return 0;
}
