/* SPDX-License-Identifier: Apache-2.0
 *
 * gatekeeper.c: what servers tell one another in header fields never comes from a client nor goes to one.
 *
 *   shunt_inbound_x_timestamp     a client's X-Timestamp becomes X-Backend-Inbound-X-Timestamp (true)
 *   allow_reserved_names_header   X-Allow-Reserved-Names of clients counts; for tests (false)
 */
#include "middleware/middleware.h"

#include "base/request_helpers.h"

struct gatekeeper {
    struct middleware base;
    bool shunt_timestamp, allow_reserved_names;
};

/* Names hidden altogether: "X-" what they are of "-" what they say, as the storage servers use them. */
static bool is_private_name(struct str name)
{
    static const struct {
        struct str prefix;
        struct str endings[5];
    } families[] = {
        {STR_INIT("X-Account-"), {STR_INIT("Host"), STR_INIT("Device"), STR_INIT("Partition")}},
        {STR_INIT("X-Container-"),
         {STR_INIT("Host"), STR_INIT("Device"), STR_INIT("Partition"), STR_INIT("Root-Db-State")}},
        {STR_INIT("X-Delete-At-"),
         {STR_INIT("Host"), STR_INIT("Device"), STR_INIT("Partition"), STR_INIT("Container")}},
    };
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct str prefix = families[i].prefix;
        if (!str_istarts(name, prefix))
            continue;
        for (const struct str *e = families[i].endings; e->p; e++)
            if (str_ieq(str_slice(name, prefix.n, name.n), *e))
                return true;
    }
    return false;
}

static bool is_hidden(struct str name)
{
    if (name.n < 9 || (name.p[0] | 32) != 'x' || name.p[1] != '-')
        return false;
    return str_istarts(name, STR("X-Backend")) || str_istarts(name, STR("X-Account-Sysmeta-")) ||
           str_istarts(name, STR("X-Container-Sysmeta-")) || str_istarts(name, STR("X-Object-Sysmeta-")) ||
           str_istarts(name, STR("X-Object-Transient-Sysmeta-")) || is_private_name(name);
}

static void remove_hidden(struct header_table *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!is_hidden(t->v[i].name))
            t->v[kept++] = t->v[i];
    t->n = kept;
}

static void rename_field(struct header_table *t, struct str from, struct str to)
{
    struct str value = header_get(t, from);
    if (!value.p)
        return;
    header_remove(t, from);
    header_add_ref(t, to, value);
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct gatekeeper *g = (struct gatekeeper *)app;
    remove_hidden(&req->headers);
    if (g->shunt_timestamp)
        rename_field(&req->headers, STR("X-Timestamp"), STR("X-Backend-Inbound-X-Timestamp"));
    if (g->allow_reserved_names)
        rename_field(&req->headers, STR("X-Allow-Reserved-Names"), STR("X-Backend-Allow-Reserved-Names"));
    http_app_call(g->base.next, req, rsp);
    remove_hidden(&rsp->headers);
}

int gatekeeper_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"shunt_inbound_x_timestamp", CONF_BOOL, offsetof(struct gatekeeper, shunt_timestamp), "true", 0, 0,
         NULL},
        {"allow_reserved_names_header", CONF_BOOL, offsetof(struct gatekeeper, allow_reserved_names), "false",
         0, 0, NULL},
        {NULL},
    };
    struct gatekeeper *g = middleware_alloc(sizeof(*g), filter, handle);
    int err = conf_read(filter->conf, filter->section, options, g, error);
    if (err) {
        g->base.app.free(&g->base.app);
        return err;
    }
    *ret = &g->base.app;
    return 0;
}
