/* SPDX-License-Identifier: Apache-2.0
 *
 * catch_errors.c: gives the request its transaction id, "tx" 21 hex digits "-" 10 hex digits of time, the configured
 * suffix, and "-" with the client's X-Trans-Id-Extra; answers 500 where nobody else answered. Comes first.
 *
 *   trans_id_suffix   added to each transaction id ("")
 */
#include "middleware/middleware.h"

#include "base/error_page.h"
#include "base/request_helpers.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/url.h"

#define EXTRA_MAX 32

struct catch_errors {
    struct middleware base;
    const char *suffix;
};

static struct str new_txn(const struct catch_errors *c, struct http_request *req)
{
    uint8_t bytes[11];
    char hex[23];
    struct str suffix = str_from(c->suffix);
    struct str extra = header_get(&req->headers, STR("X-Trans-Id-Extra"));
    if (extra.n)
        suffix = arena_join(req->arena, suffix, STR("-"),
                            str_slice(extra, 0, extra.n < EXTRA_MAX ? extra.n : EXTRA_MAX), STR_END);
    random_bytes(bytes, sizeof(bytes));
    str_hex(bytes, sizeof(bytes), hex);
    struct str quoted = suffix.n ? url_quote(req->arena, suffix, "/") : STR("");
    return arena_printf(req->arena, "tx%.21s-%010llx%.*s", hex,
                        (unsigned long long)(clock_real_ns() / 1000000000), STR_ARG(quoted));
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct catch_errors *c = (struct catch_errors *)app;
    req->txn = new_txn(c, req);
    http_app_call(c->base.next, req, rsp);
    if (rsp->status == 0) {
        struct str path = request_path_qs(req);
        log_txn(LOG_LEVEL_ERROR, req->txn, "%.*s %.*s: no answer", STR_ARG(req->method), STR_ARG(path));
        http_response_clear(rsp);
        error_text(rsp, 500, "text/plain", "An error occurred");
    }
    header_add_ref(&rsp->headers, STR("X-Trans-Id"), req->txn);
    header_add_ref(&rsp->headers, STR("X-Openstack-Request-Id"), req->txn);
}

int catch_errors_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"trans_id_suffix", CONF_STRING, offsetof(struct catch_errors, suffix), "", 0, 0, NULL},
        {NULL},
    };
    struct catch_errors *c = middleware_alloc(sizeof(*c), filter, handle);
    int err = conf_read(filter->conf, filter->section, options, c, error);
    if (err) {
        c->base.app.free(&c->base.app);
        return err;
    }
    *ret = &c->base.app;
    return 0;
}
