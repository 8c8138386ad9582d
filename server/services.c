/* SPDX-License-Identifier: Apache-2.0 */
#include "services.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "account/account_server.h"
#include "base/app.h"
#include "base/daemon.h"
#include "common/alloc.h"
#include "common/log.h"
#include "container/container_server.h"
#include "container/container_updater.h"
#include "http/http_listen.h"
#include "middleware/middleware.h"
#include "object/object_server.h"
#include "proxy/proxy_server.h"
#include "rt/rt.h"

/* --- what there is --------------------------------------------------------------------------------------------- */

/* [waits] A background service: passes for ever, until its task is cancelled, or one with `once`. 0 or -errno. */
typedef int daemon_run_fn(const struct server_context *context, bool once);

struct service_type {
    const char *name;    /* as upstream's program without "swift-" */
    const char *section; /* that makes it run */
    bool needs_rings;
    daemon_run_fn *run; /* NULL: a server */
};

static const struct service_type types[] = {
    {"proxy-server", "app:proxy-server", true, NULL},
    {"account-server", "app:account-server", false, NULL},
    {"container-server", "app:container-server", false, NULL},
    {"object-server", "app:object-server", false, NULL},
    {"container-updater", "container-updater", true, container_updater_run},
    {0},
};

static const struct app_server servers[] = {
    {"proxy", proxy_server_new},
    {"account", account_server_new},
    {"container", container_server_new},
    {"object", object_server_new},
    {0},
};

const char *services_known(void)
{
    return "proxy-server account-server container-server object-server container-updater";
}

/* --- what runs ----------------------------------------------------------------------------------------------- */

struct listen_options {
    const char *bind_ip;
    int64_t bind_port, backlog, max_clients, client_timeout_ms, keepalive_timeout_ms;
};

/* A swift_dir in use: its swift.conf and, if a service needs them, its rings. */
struct cluster {
    char *swift_dir;
    struct swift_conf *swift;
    struct rings *rings;
    struct rt_task *watch;
};

struct service {
    const struct service_type *type;
    struct conf *conf;
    struct daemon_options options;
    struct server_context context;
    struct listen_options listen;
    struct http_app *app;
    struct http_server *server;
    struct rt_task *task; /* of a background service */
    bool once;
    int result;
};

struct services {
    struct services_options options;
    struct conf **confs;
    size_t n_confs, confs_cap;
    struct service *v;
    size_t n, cap;
    struct cluster *clusters;
    size_t n_clusters;
    unsigned loops;
};

static bool wanted(const struct services *s, const struct service_type *type)
{
    struct str rest = str_from(s->options.only), item;
    if (!s->options.only)
        return true;
    while (str_next(&rest, ',', &item))
        if (str_eq(str_trim(item), str_from(type->name)))
            return true;
    return false;
}

static int check_only(const struct services *s, struct buf *error)
{
    struct str rest = str_from(s->options.only), item;
    while (s->options.only && str_next(&rest, ',', &item)) {
        bool known = false;
        for (const struct service_type *t = types; t->name; t++)
            known |= str_eq(str_trim(item), str_from(t->name));
        if (known)
            continue;
        buf_printf(error, "--only %.*s: no such service; there are: %s", STR_ARG(item), services_known());
        return -EINVAL;
    }
    return 0;
}

/* --- reading the files ----------------------------------------------------------------------------------------- */

static void warn_section(const char *section, void *arg)
{
    const struct conf *conf = arg;
    struct str name = str_from(section);
    if (str_starts(name, STR("filter:")) || str_starts(name, STR("pipeline:")) ||
        str_starts(name, STR("storage-policy:")) || str_starts(name, STR("proxy-server:policy:")))
        return;
    for (const struct service_type *t = types; t->name; t++)
        if (str_eq(name, str_from(t->section)))
            return;
    log_warning("%s: [%s]: there is no service for this section here; it is ignored", conf_path(conf),
                section);
}

static int add_services_of(struct services *s, struct conf *conf, struct buf *error)
{
    size_t before = s->n, configured = 0;
    for (const struct service_type *t = types; t->name; t++) {
        if (!conf_has_section(conf, t->section))
            continue;
        configured++;
        if (!wanted(s, t) || (s->options.once && !t->run))
            continue;
        s->v = xgrow(s->v, &s->cap, s->n + 1, sizeof(*s->v));
        struct service *service = &s->v[s->n];
        *service = (struct service){.type = t, .conf = conf, .once = s->options.once};
        int err = daemon_read_options(conf, t->section, &service->options, error);
        if (err)
            return err;
        s->n++;
    }
    if (configured == 0) {
        buf_printf(error, "%s: no section of a service in it, such as [app:object-server]", conf_path(conf));
        return -EINVAL;
    }
    if (s->n > before) {
        unsigned loops;
        int err = daemon_loops(&s->v[before].options, conf, &loops, error);
        if (err)
            return err;
        if (before == 0 || (s->loops && (loops == 0 || loops > s->loops)))
            s->loops = loops;
    }
    return 0;
}

static int load_file(struct services *s, const char *path, struct buf *error)
{
    struct conf *conf;
    int err = conf_load(path, &conf, error);
    if (err)
        return err;
    s->confs = xgrow(s->confs, &s->confs_cap, s->n_confs + 1, sizeof(*s->confs));
    s->confs[s->n_confs++] = conf;
    return add_services_of(s, conf, error);
}

static int is_conf(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return name.p[0] != '.' && (str_ends(name, STR(".conf")) || str_ends(name, STR(".conf.d")));
}

/* As upstream: object-server.conf.d is one configuration in pieces; any other folder holds one file a server. */
static int load_path(struct services *s, const char *path, struct buf *error)
{
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || str_ends(str_from(path), STR(".d")))
        return load_file(s, path, error);
    int n = scandir(path, &names, is_conf, alphasort);
    if (n <= 0) {
        buf_printf(error, "%s: no *.conf file in this folder", path);
        if (n == 0)
            free(names);
        return -ENOENT;
    }
    int err = 0;
    for (int i = 0; i < n; i++) {
        char *file = xasprintf("%s/%s", path, names[i]->d_name);
        if (!err)
            err = load_file(s, file, error);
        free(file);
        free(names[i]);
    }
    free(names);
    return err;
}

int services_load(const struct services_options *options, struct services **ret, struct buf *error)
{
    struct services *s = xcalloc(1, sizeof(*s));
    s->options = *options;
    s->loops = 1;
    int err = check_only(s, error);
    for (size_t i = 0; i < options->n_conf_paths && !err; i++)
        err = load_path(s, options->conf_paths[i], error);
    if (!err && s->n == 0) {
        buf_printf(error, "%s: none of the services asked for is configured there", options->conf_paths[0]);
        err = -EINVAL;
    }
    if (!err) {
        struct buf why;
        buf_init(&why, 4096);
        err = daemon_open_log(&s->v[0].options, s->v[0].type->name, options->verbose, &why);
        if (err)
            buf_printf(error, "%s: [DEFAULT] %.*s", conf_path(s->v[0].conf), STR_ARG(buf_view(&why)));
        buf_release(&why);
    }
    if (err) {
        services_free(s);
        return err;
    }
    for (size_t i = 0; i < s->n_confs; i++)
        conf_each_section(s->confs[i], warn_section, s->confs[i]);
    *ret = s;
    return 0;
}

unsigned services_loops(const struct services *s)
{
    return s->loops;
}

/* --- starting -------------------------------------------------------------------------------------------------- */

static int find_cluster(struct services *s, const char *swift_dir, struct cluster **ret, struct buf *error)
{
    for (size_t i = 0; i < s->n_clusters; i++)
        if (strcmp(s->clusters[i].swift_dir, swift_dir) == 0) {
            *ret = &s->clusters[i];
            return 0;
        }
    struct swift_conf *swift;
    int err = swift_conf_load(swift_dir, &swift, error);
    if (err)
        return err;
    s->clusters = xrealloc(s->clusters, (s->n_clusters + 1) * sizeof(*s->clusters));
    struct cluster *c = &s->clusters[s->n_clusters++];
    *c = (struct cluster){.swift_dir = xstrdup(swift_dir), .swift = swift};
    *ret = c;
    return 0;
}

static int read_listen_options(struct service *service, struct buf *error)
{
#define OPTION(name, type, field, fallback, min, max)                                \
    {                                                                                \
        name, type, offsetof(struct listen_options, field), fallback, min, max, NULL \
    }
    static const struct conf_option table[] = {
        OPTION("bind_ip", CONF_STRING, bind_ip, "0.0.0.0", 0, 0),
        OPTION("bind_port", CONF_INT, bind_port, "-1", -1, 65535),
        OPTION("backlog", CONF_INT, backlog, "4096", 1, 65535),
        OPTION("max_clients", CONF_INT, max_clients, "65536", 1, 10000000),
        OPTION("client_timeout", CONF_SECONDS, client_timeout_ms, "60", 1, 86400000),
        OPTION("keepalive_timeout", CONF_SECONDS, keepalive_timeout_ms, "75", 1, 86400000),
        {0},
    };
#undef OPTION
    int err = conf_read(service->conf, service->type->section, table, &service->listen, error);
    if (!err && service->listen.bind_port < 0) {
        buf_printf(error, "%s: [DEFAULT] bind_port: missing; give the port to listen on",
                   conf_path(service->conf));
        err = -EINVAL;
    }
    return err;
}

static int make_app(struct service *service, struct cluster *c, struct buf *error)
{
    struct app_pipeline pipeline = {.conf = service->conf,
                                    .swift = c->swift,
                                    .rings = c->rings,
                                    .middlewares = middleware_table,
                                    .servers = servers};
    int err = read_listen_options(service, error);
    return err ? err : app_pipeline_new(&pipeline, &service->app, error);
}

static int prepare(struct services *s, struct service *service, struct buf *error)
{
    struct cluster *c = NULL;
    int err = find_cluster(s, service->options.swift_dir, &c, error);
    if (!err && service->type->needs_rings && !c->rings)
        err = rings_open(c->swift, &c->rings, error);
    if (err)
        return err;
    service->context = (struct server_context){
        .conf = service->conf, .section = service->type->section, .swift = c->swift, .rings = c->rings};
    return service->type->run ? 0 : make_app(service, c, error);
}

static int listen_on(struct service *service, struct buf *error)
{
    const struct listen_options *l = &service->listen;
    struct http_server_options options = {
        .bind_ip = l->bind_ip,
        .port = (int)l->bind_port,
        .backlog = (int)l->backlog,
        .max_connections = (unsigned)l->max_clients,
        .client_timeout_ms = l->client_timeout_ms,
        .head_timeout_ms = l->client_timeout_ms,
        .keepalive_timeout_ms = l->keepalive_timeout_ms,
        .max_headers = constraints_max_headers(&service->context.swift->constraints),
        .app = service->app,
    };
    return http_server_start(&options, &service->server, error);
}

static void run_background(void *arg)
{
    struct service *service = arg;
    service->result = service->type->run(&service->context, service->once);
    if (service->result && service->result != -ECANCELED)
        log_error("%s: ended with error %d", service->type->name, -service->result);
}

int services_start(struct services *s, bool check, struct buf *error)
{
    int err = 0;
    for (size_t i = 0; i < s->n && !err; i++)
        err = prepare(s, &s->v[i], error);
    for (size_t i = 0; i < s->n_confs && !err; i++)
        conf_warn_unused(s->confs[i]);
    if (check || err)
        return err;
    for (size_t i = 0; i < s->n && !err; i++)
        if (!s->v[i].type->run)
            err = listen_on(&s->v[i], error);
    if (!err)
        err = daemon_drop_privileges(s->v[0].options.user, error);
    if (err)
        return err;
    for (size_t i = 0; i < s->n_clusters; i++)
        if (s->clusters[i].rings)
            s->clusters[i].watch = rt_spawn(rings_watch, s->clusters[i].rings);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].type->run)
            s->v[i].task = rt_spawn(run_background, &s->v[i]);
    return 0;
}

int services_wait_once(struct services *s)
{
    int err = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->v[i].task)
            continue;
        rt_join(s->v[i].task);
        s->v[i].task = NULL;
        if (!err)
            err = s->v[i].result;
    }
    return err;
}

/* --- stopping -------------------------------------------------------------------------------------------------- */

struct stopping {
    struct service *service;
    int64_t grace_ms;
    struct rt_task *task;
};

static void stop_server(void *arg)
{
    struct stopping *stop = arg;
    unsigned cut = http_server_stop(stop->service->server, stop->grace_ms);
    if (cut)
        log_warning("%s: %u requests did not end in time and were cut", stop->service->type->name, cut);
}

static void stop_task(struct rt_task **task)
{
    if (!*task)
        return;
    rt_cancel(*task);
    rt_join(*task);
    *task = NULL;
}

void services_stop(struct services *s, int64_t grace_ms)
{
    struct stopping *stops = xcalloc(s->n, sizeof(*stops));
    for (size_t i = 0; i < s->n; i++) {
        stops[i] = (struct stopping){.service = &s->v[i], .grace_ms = grace_ms};
        if (s->v[i].server)
            stops[i].task = rt_spawn(stop_server, &stops[i]);
    }
    for (size_t i = 0; i < s->n; i++)
        stop_task(&s->v[i].task);
    for (size_t i = 0; i < s->n; i++) {
        if (stops[i].task)
            rt_join(stops[i].task);
        if (s->v[i].server)
            http_server_free(s->v[i].server);
        if (s->v[i].app && s->v[i].app->free)
            s->v[i].app->free(s->v[i].app);
        s->v[i].server = NULL;
        s->v[i].app = NULL;
    }
    for (size_t i = 0; i < s->n_clusters; i++)
        stop_task(&s->clusters[i].watch);
    free(stops);
}

int services_export(struct services *s)
{
    struct http_server **list = xcalloc(s->n, sizeof(struct http_server *));
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].server)
            list[n++] = s->v[i].server;
    int err = http_server_export(list, n);
    free(list);
    return err;
}

void services_describe(const struct services *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct service *v = &s->v[i];
        buf_printf(out, "%s", v->type->name);
        if (!v->type->run)
            buf_printf(out, " on %s:%d (%s)", v->listen.bind_ip,
                       v->server ? http_server_port(v->server) : (int)v->listen.bind_port,
                       app_pipeline_text(v->app));
        buf_printf(out, ", %s\n", conf_path(v->conf));
    }
}

void services_free(struct services *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_clusters; i++) {
        rings_free(s->clusters[i].rings);
        swift_conf_free(s->clusters[i].swift);
        free(s->clusters[i].swift_dir);
    }
    for (size_t i = 0; i < s->n_confs; i++)
        conf_free(s->confs[i]);
    free(s->clusters);
    free(s->confs);
    free(s->v);
    free(s);
}
