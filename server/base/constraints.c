/* SPDX-License-Identifier: Apache-2.0 */
#include "base/constraints.h"

#include "base/error_page.h"
#include "common/timestamp.h"
#include "common/url.h"

#define TEXT "text/plain"

#define LIMIT(name, fallback)                                                             \
    {                                                                                     \
#name, CONF_INT, offsetof(struct constraints, name), fallback, 0, INT64_MAX, NULL \
    }

int constraints_read(struct conf *conf, struct constraints *ret, struct buf *error)
{
    static const struct conf_option table[] = {
        LIMIT(max_file_size, "5368709122"),
        LIMIT(max_meta_name_length, "128"),
        LIMIT(max_meta_value_length, "256"),
        LIMIT(max_meta_count, "90"),
        LIMIT(max_meta_overall_size, "4096"),
        LIMIT(max_header_size, "8192"),
        LIMIT(max_object_name_length, "1024"),
        LIMIT(container_listing_limit, "10000"),
        LIMIT(account_listing_limit, "10000"),
        LIMIT(max_account_name_length, "256"),
        LIMIT(max_container_name_length, "256"),
        LIMIT(extra_header_count, "0"),
        {"valid_api_versions", CONF_STRING, offsetof(struct constraints, valid_api_versions), "v1,v1.0", 0, 0,
         NULL},
        {"auto_create_account_prefix", CONF_STRING, offsetof(struct constraints, auto_create_account_prefix),
         ".", 0, 0, NULL},
        {0},
    };
    return conf_read(conf, "swift-constraints", table, ret, error);
}

size_t constraints_max_headers(const struct constraints *c)
{
    return (size_t)((double)(c->max_meta_count + 36 + c->extra_header_count) * 1.6);
}

/* One X-<type>-Meta-<name> field; `prefix` is "x-<type>-meta-". */
static bool check_meta_field(const struct constraints *c, const struct header *h, struct str prefix,
                             bool need_utf8, struct http_response *rsp)
{
    struct str name = str_slice(h->name, prefix.n, h->name.n);
    if (name.n == 0) {
        error_text(rsp, 400, TEXT, "Metadata name cannot be empty");
        return false;
    }
    if (need_utf8 && (!utf8_check(name) || (h->value.n && !utf8_check(h->value)))) {
        error_text(rsp, 400, TEXT, "Metadata must be valid UTF-8");
        return false;
    }
    struct str shown = header_title(rsp->arena, name);
    if (name.n > (size_t)c->max_meta_name_length) {
        error_text(rsp, 400, TEXT, "Metadata name too long: %.*s%.*s", STR_ARG(prefix), STR_ARG(shown));
        return false;
    }
    if (h->value.n > (size_t)c->max_meta_value_length) {
        error_text(rsp, 400, TEXT, "Metadata value longer than %lld: %.*s%.*s",
                   (long long)c->max_meta_value_length, STR_ARG(prefix), STR_ARG(shown));
        return false;
    }
    return true;
}

bool constraints_check_metadata(const struct constraints *c, const struct http_request *req, const char *type,
                                struct http_response *rsp)
{
    struct str prefix = arena_printf(rsp->arena, "x-%s-meta-", type);
    bool need_utf8 = strcmp(type, "object") != 0;
    size_t count = 0, size = 0;

    for (size_t i = 0; i < req->headers.n; i++) {
        const struct header *h = &req->headers.v[i];
        if (h->value.n > (size_t)c->max_header_size) {
            size_t shown =
                h->name.n < (size_t)c->max_meta_name_length ? h->name.n : (size_t)c->max_meta_name_length;
            struct str name = header_title(rsp->arena, str_slice(h->name, 0, shown));
            error_text(rsp, 400, TEXT, "Header value too long: %.*s", STR_ARG(name));
            return false;
        }
        if (!str_istarts(h->name, prefix))
            continue;
        if (!check_meta_field(c, h, prefix, need_utf8, rsp))
            return false;
        count++;
        size += h->name.n - prefix.n + h->value.n;
        if (count > (size_t)c->max_meta_count) {
            error_text(rsp, 400, TEXT, "Too many metadata items; max %lld", (long long)c->max_meta_count);
            return false;
        }
        if (size > (size_t)c->max_meta_overall_size) {
            error_text(rsp, 400, TEXT, "Total metadata too large; max %lld",
                       (long long)c->max_meta_overall_size);
            return false;
        }
    }
    return true;
}

/* normalize_delete_at_timestamp: whole seconds within 0 .. 9999999999. */
static int64_t clamp_delete_at(int64_t t)
{
    return t < 0 ? 0 : t > INT64_C(9999999999) ? INT64_C(9999999999) : t;
}

/* Python's int() of a field: blanks around and a sign are fine. */
static bool parse_python_int(struct str s, int64_t *ret)
{
    s = str_trim(s);
    if (s.n > 1 && s.p[0] == '+')
        s = str_slice(s, 1, s.n);
    return str_to_i64(s, ret) == 0;
}

bool constraints_check_delete_headers(struct http_request *req, int64_t now_seconds,
                                      struct http_response *rsp)
{
    struct str after = header_get(&req->headers, STR("X-Delete-After"));
    if (after.p) {
        int64_t seconds;
        if (!parse_python_int(after, &seconds)) {
            error_text(rsp, 400, TEXT, "Non-integer X-Delete-After");
            return false;
        }
        if (seconds > INT64_C(9999999999))
            seconds = INT64_C(9999999999);
        if (seconds < -INT64_C(9999999999))
            seconds = -INT64_C(9999999999);
        int64_t at = clamp_delete_at(now_seconds + seconds);
        if (at <= now_seconds) {
            error_text(rsp, 400, TEXT, "X-Delete-After in past");
            return false;
        }
        header_setf(&req->headers, STR("X-Delete-At"), "%010lld", (long long)at);
        header_remove(&req->headers, STR("X-Delete-After"));
    }
    struct str at_text = header_get(&req->headers, STR("X-Delete-At"));
    if (at_text.p) {
        int64_t at;
        if (!parse_python_int(at_text, &at)) {
            error_text(rsp, 400, TEXT, "Non-integer X-Delete-At");
            return false;
        }
        if (clamp_delete_at(at) <= now_seconds &&
            !str_is_true(header_get(&req->headers, STR("X-Backend-Replication")))) {
            error_text(rsp, 400, TEXT, "X-Delete-At in past");
            return false;
        }
    }
    return true;
}

bool constraints_check_object_creation(const struct constraints *c, struct http_request *req,
                                       struct str object, int64_t now_seconds, struct http_response *rsp)
{
    struct str coding = header_get(&req->headers, STR("Transfer-Encoding"));
    if (coding.p && !str_ieq(coding, STR("chunked"))) {
        error_text(rsp, 501, TEXT,
                   "Unsupported Transfer-Coding header value specified in Transfer-Encoding header");
        return false;
    }
    if (req->has_length && req->content_length > c->max_file_size) {
        error_text(rsp, 413, TEXT, "Your request is too large.");
        return false;
    }
    if (!req->has_length && !req->chunked) {
        error_text(rsp, 411, TEXT, "Missing Content-Length header.");
        return false;
    }
    if (object.n > (size_t)c->max_object_name_length) {
        error_text(rsp, 400, TEXT, "Object name length of %zu longer than %lld", object.n,
                   (long long)c->max_object_name_length);
        return false;
    }
    struct str type = header_get(&req->headers, STR("Content-Type"));
    if (!type.p) {
        error_text(rsp, 400, TEXT, "No content type");
        return false;
    }
    if (!constraints_check_delete_headers(req, now_seconds, rsp))
        return false;
    if (!utf8_check(type)) {
        error_text(rsp, 400, TEXT, "Invalid Content-Type");
        return false;
    }
    return constraints_check_metadata(c, req, "object", rsp);
}
