/* SPDX-License-Identifier: Apache-2.0
 *
 * http_listen.c: see http_listen.h.
 *
 * On each loop a keeper task starts an acceptor task and waits for the stop; the acceptor starts a task for each
 * connection, which stays on its loop. The socket itself is never shut down, for a new process may have inherited it.
 *
 * Locks: server->mutex guards the list of connections, the counts and `stop`; connections are told of a stop with
 * shutdown() while it is held, so that their descriptors are not closed meanwhile. Whoever uses the server holds a
 * reference: the caller, each keeper, each connection. The last one frees it.
 */
#include "http/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/clock.h"
#include "http/http_conn.h"
#include "rt/rt.h"

#define ENV_NAME         "MARTLET_LISTEN_FDS"
#define ENV_MAX          65536
#define ACCEPT_RETRY_MS  50   /* out of descriptors or memory */
#define FIRST_REQUEST_MS 1000 /* for the first request of a connection just made, when stopping */
#define CUT_WAIT_MS      1000 /* for tasks of connections that were cut */

struct member {
    struct http_conn conn;
    struct http_server *server;
    struct member *next, *prev;
};

struct http_server {
    struct http_conn_config config;
    char *server_name, *address; /* "ip:port" */
    int fd, port;
    unsigned max_connections;
    atomic_bool stopping;

    struct rt_mutex mutex;
    struct rt_cond stopped; /* stop was set: keepers wait for it */
    struct rt_cond ended;   /* a connection or a keeper has ended, while somebody may wait for that */
    struct member *members;
    unsigned connections; /* members, and places that acceptors hold */
    unsigned keepers;
    unsigned references;
    bool stop;
};

/* --- references -------------------------------------------------------------------------------------------- */

static void server_unref(struct http_server *s)
{
    rt_lock(&s->mutex);
    unsigned left = --s->references;
    rt_unlock(&s->mutex);
    if (left > 0)
        return;
    if (s->fd >= 0)
        rt_close(s->fd);
    rt_cond_destroy(&s->stopped);
    rt_cond_destroy(&s->ended);
    rt_mutex_destroy(&s->mutex);
    free(s->server_name);
    free(s->address);
    free(s);
}

/* --- connections ------------------------------------------------------------------------------------------- */

static void list_add(struct http_server *s, struct member *m)
{
    m->prev = NULL;
    m->next = s->members;
    if (m->next)
        m->next->prev = m;
    s->members = m;
}

static void list_remove(struct http_server *s, struct member *m)
{
    if (m->prev)
        m->prev->next = m->next;
    else
        s->members = m->next;
    if (m->next)
        m->next->prev = m->prev;
}

static void give_place_back(struct http_server *s)
{
    rt_lock(&s->mutex);
    bool wanted = s->stop || s->connections >= s->max_connections;
    s->connections--;
    if (wanted)
        rt_cond_broadcast(&s->ended);
    rt_unlock(&s->mutex);
}

static void connection_task(void *arg)
{
    struct member *m = arg;
    struct http_server *s = m->server;
    http_conn_serve(&m->conn);
    rt_lock(&s->mutex);
    list_remove(s, m);
    rt_unlock(&s->mutex);
    rt_close(m->conn.fd);
    http_conn_release(&m->conn);
    free(m);
    give_place_back(s);
    server_unref(s);
}

/* Takes over fd and the place that the acceptor holds. */
static void start_connection(struct http_server *s, int fd, const struct sockaddr_storage *peer)
{
    struct member *m = xmalloc(sizeof *m);
    m->server = s;
    http_conn_init(&m->conn, &s->config, fd, peer);
    rt_lock(&s->mutex);
    list_add(s, m);
    s->references++;
    rt_unlock(&s->mutex);
    rt_go(connection_task, m);
}

/* --- accepting --------------------------------------------------------------------------------------------- */

/* Waits for a free place and takes it: 0 or -ECANCELED. */
static int take_place(struct http_server *s)
{
    int r = 0;
    rt_lock(&s->mutex);
    while (s->connections >= s->max_connections && r == 0)
        r = rt_cond_wait(&s->ended, &s->mutex, RT_FOREVER);
    if (r == 0)
        s->connections++;
    rt_unlock(&s->mutex);
    return r;
}

static void acceptor_task(void *arg)
{
    struct http_server *s = arg;
    rt_label("http acceptor");
    while (take_place(s) == 0) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int fd = rt_accept(s->fd, &addr, &len, RT_FOREVER);
        if (fd >= 0) {
            start_connection(s, fd, &addr);
            continue;
        }
        give_place_back(s);
        /* Nothing but passing shortages is left here: what concerns one connection only, rt_accept() deals with. */
        if (fd == -ECANCELED || rt_sleep(ACCEPT_RETRY_MS) == -ECANCELED)
            return;
    }
}

static void keeper_task(void *arg)
{
    struct http_server *s = arg;
    struct rt_task *acceptor = NULL;
    rt_label("http keeper");
    if (rt_attach(s->fd) == 0)
        acceptor = rt_spawn(acceptor_task, s);
    rt_lock(&s->mutex);
    while (!s->stop)
        rt_cond_wait(&s->stopped, &s->mutex, RT_FOREVER);
    rt_unlock(&s->mutex);
    if (acceptor) {
        rt_cancel(acceptor);
        rt_join(acceptor);
    }
    rt_lock(&s->mutex);
    s->keepers--;
    rt_cond_broadcast(&s->ended);
    rt_unlock(&s->mutex);
    server_unref(s);
}

static void start_keepers(struct http_server *s)
{
    s->references += rt_loop_count();
    s->keepers = rt_loop_count();
    for (unsigned i = 0, n = s->keepers; i < n; i++)
        rt_go_on(i, keeper_task, s);
}

/* --- the listening socket ---------------------------------------------------------------------------------- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

static int parse_address(const char *ip, int port, struct address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (port < 0 || port > 65535)
        return -EINVAL;
    if (inet_pton(AF_INET, ip, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        ret->len = sizeof ret->v4;
        return 0;
    }
    if (inet_pton(AF_INET6, ip, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        ret->len = sizeof ret->v6;
        return 0;
    }
    return -EINVAL;
}

static int address_port(const struct address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static char *address_name(const char *ip, int port)
{
    return xasprintf(strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
}

/* A descriptor that came from the parent has no close-on-exec flag yet; one already taken over has. */
static bool inherited(int fd, const struct address *want)
{
    struct address have = {0};
    int listening = 0, flags = fcntl(fd, F_GETFD);
    socklen_t len = sizeof listening;
    have.len = sizeof have.v6;
    if (flags < 0 || (flags & FD_CLOEXEC) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening ||
        getsockname(fd, &have.any, &have.len) < 0)
        return false;
    if (have.any.sa_family != want->any.sa_family || address_port(&have) != address_port(want))
        return false;
    if (have.any.sa_family == AF_INET)
        return have.v4.sin_addr.s_addr == want->v4.sin_addr.s_addr;
    return memcmp(&have.v6.sin6_addr, &want->v6.sin6_addr, sizeof have.v6.sin6_addr) == 0;
}

/* The descriptor that the environment holds for this address, or -1. */
static int find_inherited(const char *name, const struct address *want)
{
    struct str rest = str_from(getenv(ENV_NAME)), item, key, value;
    while (str_next(&rest, ',', &item)) {
        uint64_t fd;
        if (!str_cut(item, '=', &key, &value) || !str_eq(key, str_from(name)) || str_to_u64(value, &fd) < 0 ||
            fd > INT32_MAX || !inherited((int)fd, want))
            continue;
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        fcntl((int)fd, F_SETFL, O_NONBLOCK);
        return (int)fd;
    }
    return -1;
}

static int bind_socket(const struct address *a, int backlog)
{
    int on = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &a->any, a->len) < 0 || listen(fd, backlog) < 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    return fd;
}

static int open_listener(struct http_server *s, const char *ip, int port, int backlog)
{
    struct address a;
    int on = 1, r = parse_address(ip, port, &a);
    if (r < 0)
        return r;
    char *name = address_name(ip, port);
    s->fd = find_inherited(name, &a);
    free(name);
    if (s->fd < 0)
        s->fd = bind_socket(&a, backlog);
    if (s->fd < 0)
        return s->fd;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets have it from here */
    a.len = sizeof a.v6;
    if (getsockname(s->fd, &a.any, &a.len) < 0)
        return -errno;
    s->port = address_port(&a);
    s->address = address_name(ip, s->port);
    return 0;
}

/* --- start ------------------------------------------------------------------------------------------------- */

static size_t size_or(size_t value, size_t fallback)
{
    return value ? value : fallback;
}

static int64_t ms_or(int64_t value, int64_t fallback)
{
    return value ? value : fallback;
}

static void set_config(struct http_server *s, const struct http_server_options *o)
{
    size_t fields = size_or(o->max_headers, 201);
    s->max_connections = o->max_connections ? o->max_connections : 65536;
    s->server_name = o->server_name ? xstrdup(o->server_name) : NULL;
    s->config = (struct http_conn_config){
        .app = o->app,
        .limits = {size_or(o->max_request_line, 8192), size_or(o->max_header_line, 8192),
                   fields < HTTP_FIELDS_MAX ? fields : HTTP_FIELDS_MAX},
        .max_head = size_or(o->max_head, (size_t)256 * 1024),
        .head_timeout_ms = ms_or(o->head_timeout_ms, 60000),
        .client_timeout_ms = ms_or(o->client_timeout_ms, 60000),
        .keepalive_timeout_ms = ms_or(o->keepalive_timeout_ms, 75000),
        .server_name = s->server_name,
        .stopping = &s->stopping,
    };
}

int http_server_start(const struct http_server_options *options, struct http_server **ret, struct buf *error)
{
    const char *ip = options->bind_ip ? options->bind_ip : "0.0.0.0";
    struct http_server *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    s->references = 1;
    atomic_init(&s->stopping, false);
    rt_mutex_init(&s->mutex);
    rt_cond_init(&s->stopped);
    rt_cond_init(&s->ended);
    set_config(s, options);
    int r = open_listener(s, ip, options->port, options->backlog ? options->backlog : 4096);
    if (r < 0) {
        char text[128];
        buf_printf(error, "cannot listen on %s port %d: %s", ip, options->port,
                   strerror_r(-r, text, sizeof text));
        server_unref(s);
        return r;
    }
    start_keepers(s);
    *ret = s;
    return 0;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

int http_server_fd(const struct http_server *s)
{
    return s->fd;
}

/* --- stop -------------------------------------------------------------------------------------------------- */

static void stop_waiting(struct http_server *s, enum http_conn_state which)
{
    for (struct member *m = s->members; m; m = m->next) {
        int waiting = (int)which;
        if (atomic_compare_exchange_strong(&m->conn.state, &waiting, HTTP_CONN_STOPPED))
            shutdown(m->conn.fd, SHUT_RD);
    }
}

static unsigned cut_all(struct http_server *s)
{
    unsigned n = 0;
    for (struct member *m = s->members; m; m = m->next, n++)
        shutdown(m->conn.fd, SHUT_RDWR);
    return n;
}

/* With the mutex held: until no keeper and no connection is left, or the deadline. */
static void wait_ended(struct http_server *s, int64_t deadline)
{
    int r = 0;
    while ((s->keepers > 0 || s->connections > 0) && r == 0)
        r = rt_cond_wait(&s->ended, &s->mutex, deadline);
}

unsigned http_server_stop(struct http_server *s, int64_t grace_ms)
{
    atomic_store(&s->stopping, true);
    rt_lock(&s->mutex);
    s->stop = true;
    rt_cond_broadcast(&s->stopped);
    /* Acceptors first: what they have accepted is to be on the list. */
    while (s->keepers > 0 && rt_cond_wait(&s->ended, &s->mutex, RT_FOREVER) == 0)
        continue;
    int64_t end = rt_deadline(grace_ms), first = rt_deadline(FIRST_REQUEST_MS);
    stop_waiting(s, HTTP_CONN_IDLE);
    wait_ended(s, first < end ? first : end);
    stop_waiting(s, HTTP_CONN_NEW);
    wait_ended(s, end);
    unsigned cut = cut_all(s);
    if (cut > 0)
        wait_ended(s, rt_deadline(CUT_WAIT_MS));
    int fd = s->fd;
    s->fd = -1;
    rt_unlock(&s->mutex);
    if (fd >= 0)
        rt_close(fd);
    return cut;
}

void http_server_free(struct http_server *s)
{
    if (s)
        server_unref(s);
}

unsigned http_server_connections(const struct http_server *s)
{
    struct http_server *locked = (struct http_server *)(uintptr_t)s;
    unsigned n = 0;
    rt_lock(&locked->mutex);
    for (const struct member *m = s->members; m; m = m->next)
        n++;
    rt_unlock(&locked->mutex);
    return n;
}

/* --- hand-over --------------------------------------------------------------------------------------------- */

int http_server_export(struct http_server *const *servers, size_t n)
{
    struct buf text;
    buf_init(&text, ENV_MAX);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        buf_printf(&text, "%s%s=%d", i ? "," : "", servers[i]->address, servers[i]->fd);
        r = fcntl(servers[i]->fd, F_SETFD, 0) < 0 ? -errno : buf_error(&text);
    }
    if (r == 0 && setenv(ENV_NAME, text.n ? text.p : "", 1) < 0)
        r = -errno;
    buf_release(&text);
    return r;
}
