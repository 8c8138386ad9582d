/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_info.c: /info: what this cluster can do (facts: proxy 5).
 */
#include "base/error_page.h"
#include "base/registry.h"
#include "base/request_helpers.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/url.h"
#include "proxy/proxy.h"

#define INFO_MAX (1024 * 1024)

enum signature { UNSIGNED, SIGNED, REFUSED };

static bool signature_fits(const struct proxy_server *s, const char *method, int64_t expires,
                           struct str given)
{
    char message[96], hex[DIGEST_HEX_SIZE];
    int n = snprintf(message, sizeof(message), "%s\n%lld\n/info", method, (long long)expires);
    hmac_hex(DIGEST_SHA1, str_from(s->options.admin_key), str_of(message, (size_t)n), hex);
    return digest_equal(str_from(hex), given);
}

/* ?swiftinfo_sig=...&swiftinfo_expires=...: REFUSED with the answer in rsp. */
static enum signature check_signature(const struct proxy_server *s, struct http_request *req,
                                      struct http_response *rsp)
{
    struct url_query q = {0};
    int64_t expires;
    if (req->query.n)
        url_query_parse(req->arena, req->query, &q);
    struct str signature = url_query_get(&q, STR("swiftinfo_sig"));
    struct str until = url_query_get(&q, STR("swiftinfo_expires"));
    if (!signature.n && !until.n)
        return UNSIGNED;
    if (!s->options.admin_key || !s->options.admin_key[0]) {
        error_page(rsp, 403);
        return REFUSED;
    }
    bool fits = !str_to_i64(until, &expires) && expires >= clock_real_ns() / 1000000000 &&
                (signature_fits(s, "GET", expires, signature) ||
                 (str_eq(req->method, STR("HEAD")) && signature_fits(s, "HEAD", expires, signature)));
    if (!fits)
        answer_unauthorized(req, STR("unknown"), rsp);
    return fits ? SIGNED : REFUSED;
}

static void show(struct proxy_server *s, struct http_request *req, bool admin, struct http_response *rsp)
{
    const struct registry *both[] = {s->registry, env_of(req)->registry};
    struct registry_view view = {.v = both,
                                 .n = both[1] ? 2 : 1,
                                 .disallowed = str_from(s->options.disallowed_sections),
                                 .admin = admin};
    struct str origin = header_get(&req->headers, STR("Origin"));
    struct buf text;
    buf_init(&text, INFO_MAX);
    registry_write(&view, &text);
    http_response_text(rsp, 200, "application/json; charset=UTF-8", arena_str(rsp->arena, buf_view(&text)));
    buf_release(&text);
    if (origin.p) {
        header_add(&rsp->headers, STR("Access-Control-Allow-Origin"), origin);
        header_add_ref(&rsp->headers, STR("Access-Control-Expose-Headers"), STR("x-trans-id"));
    }
}

void proxy_info(struct proxy_server *s, struct http_request *req, struct http_response *rsp)
{
    bool reads = str_eq(req->method, STR("GET")) || str_eq(req->method, STR("HEAD"));
    if (!reads) {
        error_page(rsp, str_eq(req->method, STR("OPTIONS")) ? 200 : 405);
        header_add_ref(&rsp->headers, STR("Allow"), STR("HEAD, GET, OPTIONS"));
        return;
    }
    if (!s->options.expose_info) {
        error_page(rsp, 403);
        return;
    }
    enum signature signature = check_signature(s, req, rsp);
    if (signature != REFUSED)
        show(s, req, signature == SIGNED, rsp);
}
