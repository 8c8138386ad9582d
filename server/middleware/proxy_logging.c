/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_logging.c: one access log line for each request, written when its answer has been sent (facts: proxy 33). It stands
 * twice in a pipeline: the left one logs what clients send, the right one only what middlewares send on their own.
 *
 *   access_log_headers         log the request's header fields (no)
 *   access_log_headers_only    comma list: only these ("")
 *   reveal_sensitive_prefix    characters of a token that show (16)
 *   log_msg_template           fields in braces, as in the default below
 */
#include "middleware/middleware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/request_helpers.h"
#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/url.h"

#define DEFAULT_TEMPLATE                                                                               \
    "{client_ip} {remote_addr} {end_time.datetime} {method} {path} {protocol} {status_int} {referer} " \
    "{user_agent} {auth_token} {bytes_recvd} {bytes_sent} {client_etag} {transaction_id} {headers} "   \
    "{request_time} {source} {log_info} {start_time} {end_time} {policy_index} {access_user_id}"
#define MAX_PARTS 64
#define SAFE      ":/{}" /* characters of a value that stay as they are */

struct logging;
struct log_entry;
typedef struct str value_fn(const struct logging *l, struct log_entry *e);

/* A stretch of the template: literal text, then a value. */
struct part {
    struct str text;
    value_fn *value; /* NULL at the end */
};

struct logging {
    struct middleware base;
    bool headers;
    const char *headers_only;
    int64_t reveal;
    const char *template;
    struct part parts[MAX_PARTS];
    size_t n_parts;
};

/* One request on its way; lives in the request's arena. */
struct log_entry {
    const struct logging *logging;
    struct http_request *req;
    int64_t start_ns, end_ns, first_byte_ns;
    uint64_t received, sent;
    bool client_gone; /* its body broke off */
    int status, wire_status;
    struct str policy; /* of the answer: its fields are gone when the line is written */
};

/* --- values ------------------------------------------------------------------------------------------------------------- */

static struct str field(struct log_entry *e, struct str name)
{
    return header_get(&e->req->headers, name);
}

static struct str obscured(const struct logging *l, struct log_entry *e, struct str v)
{
    if (v.n <= (size_t)l->reveal)
        return v;
    return arena_join(e->req->arena, str_slice(v, 0, (size_t)l->reveal), STR("..."), STR_END);
}

/* Zero counts as nothing. */
static struct str number(struct log_entry *e, uint64_t v)
{
    return v ? arena_printf(e->req->arena, "%llu", (unsigned long long)v) : STR_NONE;
}

static struct str seconds(struct log_entry *e, int64_t ns)
{
    return arena_printf(e->req->arena, "%lld.%09lld", (long long)(ns / 1000000000),
                        (long long)(ns % 1000000000));
}

static struct str strftime_of(struct log_entry *e, int64_t ns, const char *format)
{
    char text[64];
    struct tm tm;
    time_t t = (time_t)(ns / 1000000000);
    gmtime_r(&t, &tm);
    size_t n = strftime(text, sizeof(text), format, &tm);
    return arena_str(e->req->arena, str_of(text, n));
}

static struct str v_client_ip(const struct logging *l, struct log_entry *e)
{
    return request_remote_client(e->req);
}
static struct str v_remote_addr(const struct logging *l, struct log_entry *e)
{
    return e->req->peer;
}
static struct str v_end_datetime(const struct logging *l, struct log_entry *e)
{
    return strftime_of(e, e->end_ns, "%d/%b/%Y/%H/%M/%S");
}
static struct str v_start_datetime(const struct logging *l, struct log_entry *e)
{
    return strftime_of(e, e->start_ns, "%d/%b/%Y/%H/%M/%S");
}
static struct str v_end_iso(const struct logging *l, struct log_entry *e)
{
    return strftime_of(e, e->end_ns, "%Y-%m-%dT%H:%M:%S");
}
static struct str v_start_iso(const struct logging *l, struct log_entry *e)
{
    return strftime_of(e, e->start_ns, "%Y-%m-%dT%H:%M:%S");
}
static struct str v_method(const struct logging *l, struct log_entry *e)
{
    const struct env *env = env_of(e->req);
    return env->orig_method.n ? env->orig_method : e->req->method;
}
static struct str v_path(const struct logging *l, struct log_entry *e)
{
    return request_path_qs(e->req);
}
static struct str v_protocol(const struct logging *l, struct log_entry *e)
{
    return e->req->minor_version ? STR("HTTP/1.1") : STR("HTTP/1.0");
}
static struct str v_status(const struct logging *l, struct log_entry *e)
{
    return number(e, (uint64_t)e->status);
}
static struct str v_wire_status(const struct logging *l, struct log_entry *e)
{
    return number(e, (uint64_t)e->wire_status);
}
static struct str v_referer(const struct logging *l, struct log_entry *e)
{
    return field(e, STR("Referer"));
}
static struct str v_user_agent(const struct logging *l, struct log_entry *e)
{
    return field(e, STR("User-Agent"));
}
static struct str v_auth_token(const struct logging *l, struct log_entry *e)
{
    return obscured(l, e, field(e, STR("X-Auth-Token")));
}
static struct str v_bytes_recvd(const struct logging *l, struct log_entry *e)
{
    return number(e, e->received);
}
static struct str v_bytes_sent(const struct logging *l, struct log_entry *e)
{
    return number(e, e->sent);
}
static struct str v_client_etag(const struct logging *l, struct log_entry *e)
{
    return field(e, STR("Etag"));
}
static struct str v_transaction_id(const struct logging *l, struct log_entry *e)
{
    return e->req->txn;
}

static bool is_listed(const char *list, struct str name)
{
    struct str rest = str_from(list), item;
    while (str_next(&rest, ',', &item))
        if (str_ieq(str_trim(item), name))
            return true;
    return false;
}

static struct str v_headers(const struct logging *l, struct log_entry *e)
{
    struct arena *a = e->req->arena;
    struct str all = STR("");
    if (!l->headers)
        return STR_NONE;
    for (size_t i = 0; i < e->req->headers.n; i++) {
        const struct header *h = &e->req->headers.v[i];
        if (l->headers_only[0] && !is_listed(l->headers_only, h->name))
            continue;
        bool secret = str_ieq(h->name, STR("X-Auth-Token")) || str_ieq(h->name, STR("X-Storage-Token"));
        all = arena_join(a, all, all.n ? STR("\n") : STR(""), header_title(a, h->name), STR(": "),
                         secret ? obscured(l, e, h->value) : h->value, STR_END);
    }
    return all;
}

static struct str v_request_time(const struct logging *l, struct log_entry *e)
{
    return arena_printf(e->req->arena, "%.4f", (double)(e->end_ns - e->start_ns) / 1e9);
}
static struct str v_source(const struct logging *l, struct log_entry *e)
{
    return str_from(env_of(e->req)->source);
}
static struct str v_log_info(const struct logging *l, struct log_entry *e)
{
    return env_of(e->req)->log_info;
}
static struct str v_start_time(const struct logging *l, struct log_entry *e)
{
    return seconds(e, e->start_ns);
}
static struct str v_end_time(const struct logging *l, struct log_entry *e)
{
    return seconds(e, e->end_ns);
}
static struct str v_policy_index(const struct logging *l, struct log_entry *e)
{
    return e->policy.p ? e->policy : field(e, STR("X-Backend-Storage-Policy-Index"));
}
static struct str v_access_user_id(const struct logging *l, struct log_entry *e)
{
    return env_of(e->req)->user_id;
}
static struct str v_ttfb(const struct logging *l, struct log_entry *e)
{
    return e->first_byte_ns
               ? arena_printf(e->req->arena, "%.4f", (double)(e->first_byte_ns - e->start_ns) / 1e9)
               : STR_NONE;
}
static struct str v_pid(const struct logging *l, struct log_entry *e)
{
    return number(e, (uint64_t)getpid());
}
static struct str v_domain(const struct logging *l, struct log_entry *e)
{
    struct str host = field(e, STR("Host")), name, port;
    str_cut(host, ':', &name, &port);
    return name;
}
static struct str segment(struct log_entry *e, size_t i)
{
    struct api_path p;
    if (!str_starts(e->req->path, STR("/v1/")) || !request_api_path(e->req, 1, 4, &p))
        return STR_NONE;
    return i == 0 ? p.account : i == 1 ? p.container : p.object;
}
static struct str v_account(const struct logging *l, struct log_entry *e)
{
    return segment(e, 0);
}
static struct str v_container(const struct logging *l, struct log_entry *e)
{
    return segment(e, 1);
}
static struct str v_object(const struct logging *l, struct log_entry *e)
{
    return segment(e, 2);
}

static const struct {
    const char *name;
    value_fn *value;
} values[] = {
    {"client_ip", v_client_ip},
    {"remote_addr", v_remote_addr},
    {"end_time.datetime", v_end_datetime},
    {"start_time.datetime", v_start_datetime},
    {"end_time.iso8601", v_end_iso},
    {"start_time.iso8601", v_start_iso},
    {"method", v_method},
    {"path", v_path},
    {"protocol", v_protocol},
    {"status_int", v_status},
    {"wire_status_int", v_wire_status},
    {"referer", v_referer},
    {"user_agent", v_user_agent},
    {"auth_token", v_auth_token},
    {"bytes_recvd", v_bytes_recvd},
    {"bytes_sent", v_bytes_sent},
    {"client_etag", v_client_etag},
    {"transaction_id", v_transaction_id},
    {"headers", v_headers},
    {"request_time", v_request_time},
    {"source", v_source},
    {"log_info", v_log_info},
    {"start_time", v_start_time},
    {"end_time", v_end_time},
    {"policy_index", v_policy_index},
    {"access_user_id", v_access_user_id},
    {"ttfb", v_ttfb},
    {"pid", v_pid},
    {"domain", v_domain},
    {"account", v_account},
    {"container", v_container},
    {"object", v_object},
};

/* --- the line ------------------------------------------------------------------------------------------------------------- */

/* As url_quote() with SAFE, but most values have nothing to quote. */
static void put_value(struct buf *line, struct arena *arena, struct str v)
{
    size_t i = 0;
    while (i < v.n && ((v.p[i] >= '-' && v.p[i] <= ':') || (v.p[i] >= 'a' && v.p[i] <= 'z') ||
                       (v.p[i] >= 'A' && v.p[i] <= 'Z') || v.p[i] == '_'))
        i++; /* from '-' to ':' are "-./", digits and ':' */
    buf_str(line, i == v.n ? v : url_quote(arena, v, SAFE));
}

static void write_line(struct log_entry *e)
{
    const struct logging *l = e->logging;
    struct buf line;
    e->end_ns = clock_real_ns();
    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    buf_init(&line, 262144);
    for (size_t i = 0; i < l->n_parts; i++) {
        buf_str(&line, l->parts[i].text);
        if (!l->parts[i].value)
            continue;
        struct str v = l->parts[i].value(l, e);
        put_value(&line, e->req->arena, v.n ? v : STR("-"));
    }
    log_txn(LOG_LEVEL_INFO, STR_NONE, "%.*s", STR_ARG(buf_view(&line)));
    buf_release(&line);
}

/* --- stages that count --------------------------------------------------------------------------------------------------- */

struct received_body {
    struct http_body base;
    struct http_body *inner;
    struct log_entry *entry;
};

static ssize_t received_read(struct http_body *b, void *p, size_t n)
{
    struct received_body *r = (struct received_body *)b;
    ssize_t got = http_body_read(r->inner, p, n);
    if (got > 0)
        r->entry->received += (uint64_t)got;
    else if (got < 0)
        r->entry->client_gone = true;
    return got;
}

static void received_close(struct http_body *b)
{
    http_body_close(((struct received_body *)b)->inner);
}

struct sent_body {
    struct http_body base;
    struct http_body *inner; /* NULL: none */
    struct log_entry *entry;
    bool over; /* read to its end */
    int error;
};

static void note_first_byte(struct log_entry *e)
{
    if (!e->first_byte_ns)
        e->first_byte_ns = clock_real_ns();
}

static ssize_t sent_read(struct http_body *b, void *p, size_t n)
{
    struct sent_body *s = (struct sent_body *)b;
    ssize_t got = s->inner ? http_body_read(s->inner, p, n) : 0;
    note_first_byte(s->entry);
    if (got > 0)
        s->entry->sent += (uint64_t)got;
    else if (got == 0)
        s->over = true;
    else
        s->error = (int)got;
    return got;
}

static int sent_file_range(struct http_body *b, size_t max, int *ret_fd, off_t *ret_offset, size_t *ret_n)
{
    struct sent_body *s = (struct sent_body *)b;
    if (!s->inner || !s->inner->ops->file_range)
        return 0;
    int r = s->inner->ops->file_range(s->inner, max, ret_fd, ret_offset, ret_n);
    if (r == 1)
        s->entry->sent += *ret_n;
    return r;
}

static void sent_close(struct http_body *b)
{
    struct sent_body *s = (struct sent_body *)b;
    struct log_entry *e = s->entry;
    bool head = str_eq(e->req->method, STR("HEAD"));
    bool whole = s->over || head || !s->inner || (s->base.length >= 0 && e->sent >= (uint64_t)s->base.length);
    if (head)
        e->sent = 0;
    http_body_close(s->inner);
    if (e->client_gone || (!whole && !s->error))
        e->status = 499;
    else if (s->error)
        e->status = 500;
    write_line(e);
}

static const struct http_body_ops received_ops = {.read = received_read, .close = received_close};
static const struct http_body_ops sent_ops = {
    .read = sent_read, .file_range = sent_file_range, .close = sent_close};

static void count_received(struct log_entry *e)
{
    struct received_body *r = arena_zalloc(e->req->arena, sizeof(*r));
    *r = (struct received_body){{&received_ops, e->req->body->length}, e->req->body, e};
    e->req->body = &r->base;
}

/* The length an answer says: of its body, or to HEAD that of its field. */
static int64_t answer_length(const struct http_response *rsp)
{
    int64_t length = 0;
    if (rsp->body)
        return rsp->body->length;
    str_to_i64(header_get(&rsp->headers, STR("Content-Length")), &length);
    return length;
}

static void count_sent(struct log_entry *e, struct http_response *rsp)
{
    struct sent_body *s = arena_zalloc(e->req->arena, sizeof(*s));
    *s = (struct sent_body){.base = {&sent_ops, answer_length(rsp)}, .inner = rsp->body, .entry = e};
    rsp->body = &s->base;
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct logging *l = (struct logging *)app;
    struct env *env = env_of(req);
    if (env->logged) {
        http_app_call(l->base.next, req, rsp);
        return;
    }
    env->logged = true;
    struct log_entry *e = arena_zalloc(req->arena, sizeof(*e));
    *e = (struct log_entry){.logging = l, .req = req, .start_ns = clock_real_ns()};
    if (req->body->length != 0)
        count_received(e);
    http_app_call(l->base.next, req, rsp);
    e->status = e->wire_status = rsp->status ? rsp->status : 500;
    e->policy = header_get(&rsp->headers, STR("X-Backend-Storage-Policy-Index"));
    count_sent(e, rsp);
}

/* --- the template --------------------------------------------------------------------------------------------------------- */

static value_fn *find_value(struct str name)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (str_eq(name, str_from(values[i].name)))
            return values[i].value;
    return NULL;
}

static int bad_template(const struct app_filter *filter, struct str part, struct buf *error)
{
    buf_printf(error,
               "%s: [%s] log_msg_template: unknown field '{%.*s}'; there are:", conf_path(filter->conf),
               filter->section, STR_ARG(part));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        buf_printf(error, " %s", values[i].name);
    return -EINVAL;
}

static int read_template(struct logging *l, const struct app_filter *filter, struct buf *error)
{
    struct str rest = str_from(l->template), text, name;
    while (rest.n && l->n_parts < MAX_PARTS) {
        struct part *part = &l->parts[l->n_parts++];
        bool more = str_cut(rest, '{', &text, &rest);
        part->text = text;
        if (!more)
            return 0;
        str_cut(rest, '}', &name, &rest);
        part->value = find_value(name);
        if (!part->value)
            return bad_template(filter, name, error);
    }
    return 0;
}

int proxy_logging_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"access_log_headers", CONF_BOOL, offsetof(struct logging, headers), "no", 0, 0, NULL},
        {"access_log_headers_only", CONF_STRING, offsetof(struct logging, headers_only), "", 0, 0, NULL},
        {"reveal_sensitive_prefix", CONF_INT, offsetof(struct logging, reveal), "16", 0, 8192, NULL},
        {"log_msg_template", CONF_STRING, offsetof(struct logging, template), DEFAULT_TEMPLATE, 0, 0, NULL},
        {NULL},
    };
    struct logging *l = middleware_alloc(sizeof(*l), filter, handle);
    int err = conf_read(filter->conf, filter->section, options, l, error);
    if (!err)
        err = read_template(l, filter, error);
    if (err) {
        l->base.app.free(&l->base.app);
        return err;
    }
    *ret = &l->base.app;
    return 0;
}
