/* SPDX-License-Identifier: Apache-2.0
 *
 * healthcheck.c: GET /healthcheck says that this process serves.
 *
 *   disable_path   while a file of that name exists the answer is 503 "DISABLED BY FILE" ("")
 */
#include "middleware/middleware.h"

#include <unistd.h>

#include "base/error_page.h"
#include "rt/rt.h"

struct healthcheck {
    struct middleware base;
    const char *disable_path;
};

struct look {
    const char *path;
    bool exists;
};

static void look_for_file(void *arg)
{
    struct look *look = arg;
    look->exists = access(look->path, F_OK) == 0;
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct healthcheck *h = (struct healthcheck *)app;
    struct look look = {h->disable_path, false};
    if (!str_eq(req->path, STR("/healthcheck"))) {
        http_app_call(h->base.next, req, rsp);
        return;
    }
    if (look.path[0])
        rt_offload(NULL, look_for_file, &look);
    if (look.exists)
        error_text(rsp, 503, "text/plain", "DISABLED BY FILE");
    else
        error_text(rsp, 200, "text/plain", "OK");
}

int healthcheck_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"disable_path", CONF_STRING, offsetof(struct healthcheck, disable_path), "", 0, 0, NULL},
        {NULL},
    };
    struct healthcheck *h = middleware_alloc(sizeof(*h), filter, handle);
    int err = conf_read(filter->conf, filter->section, options, h, error);
    if (err) {
        h->base.app.free(&h->base.app);
        return err;
    }
    *ret = &h->base.app;
    return 0;
}
