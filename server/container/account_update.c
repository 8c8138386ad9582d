/* SPDX-License-Identifier: Apache-2.0 */
#include "container/account_update.h"

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "common/url.h"
#include "rt/rt.h"

static void set_fields(struct header_table *t, const struct container_info *info)
{
    header_add(t, STR("X-Put-Timestamp"), info->put_timestamp);
    header_add(t, STR("X-Delete-Timestamp"), info->delete_timestamp);
    header_addf(t, STR("X-Object-Count"), "%lld", (long long)info->object_count);
    header_addf(t, STR("X-Bytes-Used"), "%lld", (long long)info->bytes_used);
    header_addf(t, STR("X-Backend-Storage-Policy-Index"), "%lld", (long long)info->policy);
}

static int drain(struct http_call *call)
{
    char waste[4096];
    ssize_t got;

    while ((got = http_call_read(call, waste, sizeof(waste))) > 0)
        ;
    return (int)got;
}

int account_update_send(struct http_client *client, const struct account_update_timeouts *timeouts,
                        struct arena *arena, struct str host, int port, struct str device,
                        struct str partition, const struct container_info *info,
                        const struct header_table *more)
{
    struct header_table fields;
    struct http_call *call = NULL;
    struct str path = arena_join(arena, STR("/"), device, STR("/"), partition, STR("/"), info->account,
                                 STR("/"), info->container, STR_END);

    header_init(&fields, arena);
    set_fields(&fields, info);
    for (size_t i = 0; more && i < more->n; i++)
        header_add_ref(&fields, more->v[i].name, more->v[i].value);
    const struct http_call_options options = {.host = host,
                                              .port = port,
                                              .method = STR("PUT"),
                                              .target = url_quote(arena, path, "/"),
                                              .headers = &fields,
                                              .connect_timeout_ms = timeouts->connect_ms,
                                              .timeout_ms = timeouts->node_ms,
                                              .arena = arena,
                                              .keep = true};
    int err = http_call_open(client, &options, &call);
    if (!err)
        err = http_call_end(call);
    do {
        if (!err)
            err = http_call_response(call, RT_FOREVER);
    } while (!err && http_call_status(call) < 200);
    int status = err ? err : http_call_status(call);
    if (!err)
        drain(call);
    http_call_close(call);
    return status;
}

/* "ip:port" or "[ip]:port". */
static bool split_host(struct str text, struct str *host, int *port)
{
    ssize_t colon = str_rfind(text, ':');
    uint64_t number;

    if (colon <= 0 || str_to_u64(str_slice(text, (size_t)colon + 1, text.n), &number) < 0 || number > 65535)
        return false;
    *host = str_slice(text, 0, (size_t)colon);
    if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
        *host = str_slice(*host, 1, host->n - 1);
    *port = (int)number;
    return true;
}

static size_t count_items(struct str list)
{
    size_t n = 1;

    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == ',';
    return n;
}

/* The next item of a comma list, trimmed; empty where there is none. */
static struct str next_item(struct str *rest)
{
    struct str item = STR("");

    str_next(rest, ',', &item);
    return str_trim(item);
}

static void request_fields(const struct http_request *req, struct header_table *t)
{
    struct str txn = req->txn.n ? req->txn : STR("-");

    header_init(t, req->arena);
    header_add(t, STR("X-Trans-Id"), txn);
    header_addf(t, STR("User-Agent"), "container-server %d", (int)getpid());
    header_addf(t, STR("Referer"), "%.*s http://%.*s%.*s", STR_ARG(req->method), STR_ARG(req->local),
                STR_ARG(req->raw_path));
    if (str_ieq(header_get(&req->headers, STR("X-Account-Override-Deleted")), STR("yes")))
        header_add(t, STR("X-Account-Override-Deleted"), STR("yes"));
}

/* True if the account server answered 404. */
static bool update_one(struct http_client *client, const struct account_update_timeouts *timeouts,
                       const struct http_request *req, const struct container_info *info, struct str node,
                       struct str device, struct str partition)
{
    struct header_table more;
    struct str host;
    int port, status = -EINVAL;

    request_fields(req, &more);
    if (split_host(node, &host, &port))
        status =
            account_update_send(client, timeouts, req->arena, host, port, device, partition, info, &more);
    if (status != 404 && (status < 200 || status > 299))
        log_txn(LOG_LEVEL_ERROR, req->txn, "Account update failed with %.*s/%.*s (will retry later): %s %d",
                STR_ARG(node), STR_ARG(device), status < 0 ? "errno" : "Response",
                status < 0 ? -status : status);
    return status == 404;
}

int account_update_from_request(struct http_client *client, const struct account_update_timeouts *timeouts,
                                const struct http_request *req, const struct container_info *info)
{
    struct str hosts = header_get(&req->headers, STR("X-Account-Host"));
    struct str devices = header_get(&req->headers, STR("X-Account-Device"));
    struct str partition = header_get(&req->headers, STR("X-Account-Partition"));
    size_t n = count_items(hosts), missing = 0;

    if (n != count_items(devices)) {
        log_txn(
            LOG_LEVEL_ERROR, req->txn,
            "Account update failed: different numbers of hosts and devices in request: \"%.*s\" vs \"%.*s\"",
            STR_ARG(hosts), STR_ARG(devices));
        return 400;
    }
    if (partition.n == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct str node = next_item(&hosts), device = next_item(&devices);
        missing += update_one(client, timeouts, req, info, node, device, partition);
    }
    return missing == n ? 404 : 0;
}
