/* SPDX-License-Identifier: Apache-2.0 */
#include "base/listing_type.h"

#include "base/error_page.h"
#include "base/request_helpers.h"

#define MAX_RANGES 64

/* What can be had, in the order of preference among equals. */
static const struct {
    struct str type, subtype;
    const char *content_type;
} options[] = {
    [LISTING_TEXT] = {STR_INIT("text"), STR_INIT("plain"), "text/plain; charset=utf-8"},
    [LISTING_JSON] = {STR_INIT("application"), STR_INIT("json"), "application/json; charset=utf-8"},
    [LISTING_XML] = {STR_INIT("application"), STR_INIT("xml"), "application/xml; charset=utf-8"},
    [LISTING_TEXT_XML] = {STR_INIT("text"), STR_INIT("xml"), "text/xml; charset=utf-8"},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

const char *listing_content_type(enum listing_type type)
{
    return options[type].content_type;
}

struct media_range {
    struct str type, subtype;
    double quality;
    bool exact;
};

static bool is_token_byte(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7f && !memchr("()<>@,;:\"/[]?={}", c, 16);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_byte(s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_quoted(struct str s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
}

/* ";name=value" parameters; only q matters, and only once. */
static bool parse_parameters(struct str text, double *quality)
{
    struct str item, name, value;
    bool seen = false;

    while (str_next(&text, ';', &item)) {
        item = str_trim(item);
        if (!str_cut(item, '=', &name, &value))
            return false;
        name = str_trim(name);
        value = str_trim(value);
        if (!is_token(name) || (!is_token(value) && !is_quoted(value)))
            return false;
        if (!str_eq(name, STR("q")))
            continue;
        if (seen || str_to_double(value, quality) < 0)
            return false;
        seen = true;
    }
    return true;
}

static bool parse_range(struct str text, struct media_range *ret)
{
    struct str media, parameters, type, subtype;

    str_cut(text, ';', &media, &parameters);
    if (!str_cut(str_trim(media), '/', &type, &subtype) || !is_token(type) || !is_token(subtype))
        return false;
    *ret = (struct media_range){type, subtype, 1.0, !str_eq(type, STR("*")) && !str_eq(subtype, STR("*"))};
    return parse_parameters(parameters, &ret->quality);
}

/* Keeps the ranges sorted: quality, then exact before wildcards, then as sent. */
static void insert_range(struct media_range *v, size_t n, struct media_range r)
{
    size_t at = n;

    for (; at > 0 &&
           (v[at - 1].quality < r.quality || (v[at - 1].quality == r.quality && !v[at - 1].exact && r.exact));
         at--)
        v[at] = v[at - 1];
    v[at] = r;
}

static bool matches(const struct media_range *r, size_t option)
{
    return (str_eq(r->type, STR("*")) || str_eq(r->type, options[option].type)) &&
           (str_eq(r->subtype, STR("*")) || str_eq(r->subtype, options[option].subtype));
}

static bool from_accept(struct str accept, enum listing_type *ret, struct http_response *rsp)
{
    struct media_range v[MAX_RANGES];
    struct str item;
    size_t n = 0;

    while (str_next(&accept, ',', &item)) {
        struct media_range r;
        if (n == MAX_RANGES || !parse_range(item, &r)) {
            error_text(rsp, 400, NULL, "Invalid Accept header");
            return false;
        }
        insert_range(v, n++, r);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t option = 0; option < N_OPTIONS; option++)
            if (matches(&v[i], option)) {
                *ret = (enum listing_type)option;
                return true;
            }
    error_page(rsp, 406);
    return false;
}

bool request_listing_type(const struct http_request *req, enum listing_type *ret, struct http_response *rsp)
{
    struct str format;

    if (!request_param(req, STR("format"), &format, rsp))
        return false;
    *ret = LISTING_TEXT;
    if (format.n) {
        if (str_ieq(format, STR("json")))
            *ret = LISTING_JSON;
        else if (str_ieq(format, STR("xml")))
            *ret = LISTING_XML;
        return true;
    }
    struct str accept = header_get_joined(&req->headers, STR("Accept"));
    return accept.n == 0 || from_accept(accept, ret, rsp);
}
