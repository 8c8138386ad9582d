/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_client.c: the client against the real server and against a scripted one that answers what it is told.
 */
#include "http_test.h"

#include "http/http_client.h"

/* --- a scripted server ------------------------------------------------------------------------------------- */

enum { HANG_UP = 1, STAY = 0 };

struct step {
    const char *until; /* read until the bytes since the last step end so; NULL: read nothing */
    const char *send;  /* then send this; NULL: nothing */
    int then;          /* HANG_UP: close, and the next step waits for another connection */
};

struct script {
    const struct step *steps;
    size_t n;
    int fd, port;
    struct buf got; /* all that was received */
    struct rt_task *task;
};

static void script_step(struct script *s, const struct step *step, int *fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    struct buf got;
    buf_init(&got, 1 << 20);
    if (*fd < 0)
        *fd = rt_accept(s->fd, &addr, &len, rt_deadline(5000));
    CHECK(*fd >= 0);
    if (step->until)
        CHECK_INT(raw_receive(*fd, &got, step->until), 0);
    buf_str(&s->got, buf_view(&got));
    buf_release(&got);
    if (step->send)
        raw_send(*fd, str_from(step->send));
    if (step->then == HANG_UP) {
        rt_close(*fd);
        *fd = -1;
    }
}

static void script_task(void *arg)
{
    struct script *s = arg;
    int fd = -1;
    for (size_t i = 0; i < s->n; i++)
        script_step(s, &s->steps[i], &fd);
    if (fd >= 0) {
        char c;
        while (rt_read(fd, &c, 1, rt_deadline(2000)) > 0)
            continue;
        rt_close(fd);
    }
}

static void script_start(struct script *s, const struct step *steps, size_t n)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    *s = (struct script){steps, n, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0, {0}, NULL};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(s->fd, 5) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    rt_attach(s->fd);
    s->port = ntohs(a.sin_port);
    buf_init(&s->got, 1 << 20);
    s->task = rt_spawn(script_task, s);
}
#define SCRIPT(s, steps) script_start(&(s), steps, sizeof(steps) / sizeof *(steps))

static void script_end(struct script *s)
{
    rt_join(s->task);
    rt_close(s->fd);
    buf_release(&s->got);
}

/* --- calls ------------------------------------------------------------------------------------------------- */

static struct http_client *client;

static struct http_call_options options(struct arena *a, const char *method, const char *target,
                                        int64_t length)
{
    return (struct http_call_options){
        .host = STR("127.0.0.1"),
        .port = port,
        .method = str_from(method),
        .target = str_from(target),
        .body_length = length,
        .connect_timeout_ms = 2000,
        .timeout_ms = 5000,
        .arena = a,
        .keep = true,
    };
}

static struct http_call *open_call(const struct http_call_options *o)
{
    struct http_call *call = NULL;
    int r = http_call_open(client, o, &call);
    if (r < 0)
        failed(__FILE__, __LINE__, "open: %d", r);
    return call;
}

static struct str body_of(struct arena *a, struct http_call *call)
{
    struct buf out;
    char p[5000];
    ssize_t got;
    buf_init(&out, 16 << 20);
    while ((got = http_call_read(call, p, sizeof p)) > 0)
        buf_append(&out, p, (size_t)got);
    CHECK_INT(got, 0);
    struct str s = arena_str(a, buf_view(&out));
    buf_release(&out);
    return s.p ? s : STR("");
}

/* A whole call without a body; status, or -errno. */
static int simple(struct arena *a, const char *method, const char *target, struct str *ret_body)
{
    struct http_call_options o = options(a, method, target, 0);
    struct http_call *call = open_call(&o);
    int r = http_call_response(call, RT_FOREVER);
    if (r == 0)
        *ret_body = body_of(a, call);
    int status = http_call_status(call);
    http_call_close(call);
    return r < 0 ? r : status;
}

static void (*client_scenario)(struct arena *a);
static unsigned max_idle = 4;
static int64_t idle_ms = 60000;

static void with_client(struct arena *a)
{
    client = http_client_new(max_idle, idle_ms);
    client_scenario(a);
    http_client_free(client);
}

static void run_client(void (*fn)(struct arena *a))
{
    client_scenario = fn;
    run(with_client);
}

/* --- against the real server ------------------------------------------------------------------------------- */

static void answers(struct arena *a)
{
    struct str body = STR_NONE;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(simple(a, "GET", "/hello", &body), 200);
        CHECK(str_eq(body, STR("hello")));
    }
    CHECK_INT(http_server_connections(server), 1); /* one, kept */
    CHECK_INT(simple(a, "GET", "/stream", &body), 200);
    CHECK_INT(body.n, 25);
    CHECK_INT(simple(a, "HEAD", "/big", &body), 200);
    CHECK_INT(body.n, 0);
    CHECK_INT(simple(a, "GET", "/204", &body), 204);
    CHECK_INT(simple(a, "GET", "/304", &body), 304);
    CHECK_INT(simple(a, "GET", "/big", &body), 200);
    CHECK_INT(body.n, BIG_SIZE);
    CHECK_INT(http_server_connections(server), 1);
    CHECK_INT(simple(a, "GET", "/close", &body), 200);
    CHECK(str_eq(body, STR("bye")));
    rt_sleep(50);
    CHECK_INT(http_server_connections(server), 0);

    struct http_call_options o = options(a, "GET", "/hello", 0);
    o.keep = false;
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_length(call), -1);
    char p[8];
    CHECK_INT(http_call_read(call, p, sizeof p), -EINVAL);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), -EINVAL);
    CHECK_INT(http_call_length(call), 5);
    CHECK(str_eq(http_call_reason(call), STR("OK")));
    CHECK(str_eq(header_get(http_call_headers(call), STR("connection")), STR("close")));
    CHECK(str_eq(body_of(a, call), STR("hello")));
    http_call_close(call);
}

static void test_answers(void **state)
{
    run_client(answers);
}

static void sends_bodies(struct arena *a)
{
    struct http_call_options o = options(a, "PUT", "/echo", 10);
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_write(call, "01234", 5), 0);
    CHECK_INT(http_call_end(call), -EINVAL);                /* not all */
    CHECK_INT(http_call_write(call, "567890", 6), -EINVAL); /* too much */
    CHECK_INT(http_call_write(call, "56789", 5), 0);
    CHECK_INT(http_call_end(call), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK(str_eq(body_of(a, call), STR("0123456789")));
    http_call_close(call);

    char *big = xmalloc((size_t)BIG_SIZE);
    for (int64_t i = 0; i < BIG_SIZE; i++)
        big[i] = big_byte(i);
    for (int chunked = 0; chunked < 2; chunked++) {
        o.body_length = chunked ? -1 : BIG_SIZE;
        call = open_call(&o);
        for (int64_t i = 0; i < BIG_SIZE; i += 65536) {
            size_t n = BIG_SIZE - i < 65536 ? (size_t)(BIG_SIZE - i) : 65536;
            CHECK_INT(http_call_write(call, big + i, n), 0);
            CHECK_INT(http_call_write(call, big, 0), 0); /* no end of the body */
        }
        CHECK_INT(http_call_end(call), 0);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        struct str body = body_of(a, call);
        CHECK(str_eq(body, str_of(big, (size_t)BIG_SIZE)));
        http_call_close(call);
    }
    free(big);
    CHECK_INT(http_server_connections(server), 1);
}

static void test_sends_bodies(void **state)
{
    run_client(sends_bodies);
}

static void continues(struct arena *a)
{
    struct header_table h;
    header_init(&h, a);
    header_add(&h, STR("Expect"), STR("100-continue"));
    struct http_call_options o = options(a, "PUT", "/echo", 3);
    o.headers = &h;
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 100);
    CHECK(!http_call_answer_waiting(call));
    CHECK_INT(http_call_write(call, "abc", 3), 0);
    CHECK_INT(http_call_end(call), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 200);
    CHECK(str_eq(body_of(a, call), STR("abc")));
    http_call_close(call);
    CHECK_INT(http_server_connections(server), 1);

    /* Refused at once. */
    o.target = STR("/refuse");
    call = open_call(&o);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 409);
    CHECK_INT(http_call_write(call, "abc", 3), -EPIPE);
    CHECK(str_eq(body_of(a, call), STR("no")));
    http_call_close(call);

    /* Two phases; the connection is kept after them. */
    for (int i = 0; i < 2; i++) {
        o.target = STR("/two-phase");
        o.body_length = -1;
        call = open_call(&o);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        CHECK_INT(http_call_status(call), 100);
        CHECK(str_eq(header_get(http_call_headers(call), STR("X-Obj-Multiphase-Commit")), STR("yes")));
        CHECK_INT(http_call_write(call, "body", 4), 0);
        CHECK_INT(http_call_end(call), 0);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        CHECK_INT(http_call_status(call), 100);
        CHECK_INT(http_call_write(call, "commit", 6), 0);
        CHECK_INT(http_call_end(call), 0);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        CHECK_INT(http_call_status(call), 201);
        CHECK(str_eq(body_of(a, call), STR("body+commit")));
        http_call_close(call);
    }
    rt_sleep(50);
    CHECK_INT(http_server_connections(server), 1);
}

static void test_continues(void **state)
{
    run_client(continues);
}

static void unread_answers(struct arena *a)
{
    /* A short rest that is here already does not cost the connection, a long one does. */
    struct http_call_options o = options(a, "GET", "/hello", 0);
    int handled = atomic_load(&test_app.handled);
    for (int i = 0; i < 3; i++) {
        struct http_call *call = open_call(&o);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        http_call_close(call);
    }
    CHECK_INT(atomic_load(&test_app.handled) - handled, 3);
    CHECK_INT(http_server_connections(server), 1);
    o.target = STR("/big");
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    http_call_close(call);
    rt_sleep(100);
    CHECK_INT(http_server_connections(server), 0);
    /* Not asked for at all. */
    call = open_call(&o);
    http_call_close(call);
    http_call_close(NULL);
}

static void test_unread_answers(void **state)
{
    run_client(unread_answers);
}

static void as_stage(struct arena *a)
{
    struct http_call_options o = options(a, "GET", "/stream", 0);
    struct buf out;
    buf_init(&out, 1 << 20);
    for (int i = 0; i < 2; i++) {
        struct http_call *call = open_call(&o);
        CHECK_INT(http_call_response(call, RT_FOREVER), 0);
        struct http_body *b = http_call_body(call, a);
        CHECK_INT(b->length, -1);
        buf_reset(&out);
        CHECK_INT(http_body_read_all(b, &out), 0);
        CHECK_INT(out.n, 25);
        http_body_close(b);
    }
    buf_release(&out);
    CHECK_INT(http_server_connections(server), 1);
}

static void test_as_stage(void **state)
{
    run_client(as_stage);
}

struct worker {
    struct rt_task *task;
    int done;
};

static void worker_task(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < 25; i++) {
        struct arena *a = arena_new();
        struct str body = STR_NONE;
        CHECK_INT(simple(a, "GET", i % 2 ? "/hello" : "/stream", &body), 200);
        CHECK_INT(body.n, i % 2 ? 5 : 25);
        w->done++;
        arena_free(a);
    }
}

static void many_tasks(struct arena *a)
{
    struct worker w[12] = {0};
    for (int i = 0; i < 12; i++)
        w[i].task = rt_spawn(worker_task, &w[i]);
    for (int i = 0; i < 12; i++) {
        rt_join(w[i].task);
        CHECK_INT(w[i].done, 25);
    }
    rt_sleep(100);
    CHECK(http_server_connections(server) <= 4 * rt_loop_count()); /* max_idle, per loop */
    CHECK(http_server_connections(server) >= 1);
}

static void test_many_tasks(void **state)
{
    run_client(many_tasks);
}

static void too_old(struct arena *a)
{
    struct str body = STR_NONE;
    CHECK_INT(simple(a, "GET", "/hello", &body), 200);
    CHECK_INT(http_server_connections(server), 1);
    int fd = raw_connect(); /* so that the next number is another one */
    rt_sleep(150);
    CHECK_INT(simple(a, "GET", "/hello", &body), 200);
    rt_sleep(50);
    CHECK_INT(http_server_connections(server), 2); /* the raw one and the new one */
    rt_close(fd);
}

static void test_too_old(void **state)
{
    idle_ms = 100;
    run_client(too_old);
    idle_ms = 60000;
}

static void keeps_nothing(struct arena *a)
{
    struct str body = STR_NONE;
    CHECK_INT(simple(a, "GET", "/hello", &body), 200);
    rt_sleep(50);
    CHECK_INT(http_server_connections(server), 0);
}

static void test_keeps_nothing(void **state)
{
    max_idle = 0;
    run_client(keeps_nothing);
    max_idle = 4;
}

/* --- against the scripted one ------------------------------------------------------------------------------ */

#define END  "\r\n\r\n"
#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void heads(struct arena *a)
{
    static const struct step steps[] = {{END, OK_2, STAY}, {END, OK_2, STAY}, {END, OK_2, STAY}};
    struct script s;
    struct str body = STR_NONE;
    struct header_table h;
    int real = port;
    SCRIPT(s, steps);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/a%20b?c", &body), 200);
    CHECK_INT(simple(a, "POST", "/", &body), 200);
    header_init(&h, a);
    header_add(&h, STR("Host"), STR("else"));
    header_add(&h, STR("X-A"), STR("1\r\nX-Evil: 2"));
    header_add(&h, STR("X B"), STR("3"));
    header_add(&h, STR("content-length"), STR("99"));
    header_add(&h, STR("Transfer-Encoding"), STR("gzip"));
    header_add(&h, STR("Connection"), STR("upgrade"));
    struct http_call_options o = options(a, "DELETE", "/x", 0);
    o.headers = &h;
    o.keep = false;
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    http_call_close(call);
    struct str want =
        arena_printf(a,
                     "GET /a%%20b?c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
                     "POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 0\r\n\r\n"
                     "DELETE /x HTTP/1.1\r\nHost: else\r\nX-A: 1  X-Evil: 2\r\nConnection: close\r\n\r\n",
                     port, port);
    if (!str_eq(buf_view(&s.got), want))
        failed(__FILE__, __LINE__, "got \"%.*s\"", STR_ARG(buf_view(&s.got)));
    script_end(&s);
    port = real;
}

static void test_heads(void **state)
{
    run_client(heads);
}

struct oddity {
    const char *answer;
    int response; /* what http_call_response says */
    int status;
    ssize_t read; /* what ends the body: 0 or -errno */
    const char *body;
};

static const struct oddity oddities[] = {
    {"HTTP/1.1 200 OK\r\n\r\nto the end", 0, 200, 0, "to the end"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0, 200, 0, "abc"},
    {"HTTP/1.1 102 Wait\r\n\r\n", 0, 102, -EINVAL, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 0, 200, -ECONNRESET, "abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0, 200, -ECONNRESET, "abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 0, 200, -EBADMSG, "abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 200, -EBADMSG, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EBADMSG, 0, 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", -EBADMSG, 0, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", -EBADMSG, 0, 0, ""},
    {"HTTP/1.1 101 Switching\r\n\r\n", -EBADMSG, 0, 0, ""},
    {"SSH-2.0-OpenSSH\r\n", -EBADMSG, 0, 0, ""},
    {"HTTP/1.1 200 OK\r\nA: b", -ECONNRESET, 0, 0, ""},
    {"HTTP/1.1 200 OK\nA: b\n\n", -EBADMSG, 0, 0, ""},
    {"", -ECONNRESET, 0, 0, ""},
};

static void odd_answers(struct arena *a)
{
    int real = port;
    for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
        const struct oddity *t = &oddities[i];
        struct step steps[] = {{END, t->answer, HANG_UP}};
        struct script s;
        struct buf out;
        char p[4];
        ssize_t got = 0;
        SCRIPT(s, steps);
        port = s.port;
        struct http_call_options o = options(a, "GET", "/", 0);
        struct http_call *call = open_call(&o);
        int r = http_call_response(call, RT_FOREVER);
        if (r != t->response || http_call_status(call) != t->status)
            failed(__FILE__, __LINE__, "%d, status %d for: %s", r, http_call_status(call), t->answer);
        buf_init(&out, 1000);
        while (r == 0 && (got = http_call_read(call, p, sizeof p)) > 0)
            buf_append(&out, p, (size_t)got);
        if (r == 0 && got != t->read)
            failed(__FILE__, __LINE__, "read says %zd for: %s", got, t->answer);
        CHECK(str_eq(buf_view(&out), str_from(t->body)));
        buf_release(&out);
        http_call_close(call);
        script_end(&s);
    }
    port = real;
}

static void test_odd_answers(void **state)
{
    run_client(odd_answers);
}

/* A kept connection that died is not used, or replaced when it turns out dead. */
static void dead_kept(struct arena *a)
{
    static const struct step seen_dead[] = {{END, OK_2, HANG_UP}, {END, OK_2, HANG_UP}};
    static const struct step dies_on_use[] = {{END, OK_2, STAY}, {END, NULL, HANG_UP}, {END, OK_2, HANG_UP}};
    static const struct step dies_always[] = {{END, OK_2, STAY}, {END, NULL, HANG_UP}, {END, NULL, HANG_UP}};
    struct script s;
    struct str body = STR_NONE;
    int real = port;

    SCRIPT(s, seen_dead);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    rt_sleep(50);
    CHECK_INT(simple(a, "GET", "/2", &body), 200);
    script_end(&s);

    SCRIPT(s, dies_on_use);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    CHECK_INT(simple(a, "GET", "/2", &body), 200);
    script_end(&s);

    SCRIPT(s, dies_always); /* once only */
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    CHECK_INT(simple(a, "GET", "/2", &body), -ECONNRESET);
    script_end(&s);
    port = real;
}

static void test_dead_kept(void **state)
{
    run_client(dead_kept);
}

/* With bytes of a body sent there is no second try; without, the whole request goes again. */
static void dead_kept_with_body(struct arena *a)
{
    static const struct step after_body[] = {{END, OK_2, STAY}, {"abc", NULL, HANG_UP}};
    static const struct step before_body[] = {{END, OK_2, STAY},
                                              {END, NULL, HANG_UP},
                                              {"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", OK_2, HANG_UP}};
    struct script s;
    struct str body = STR_NONE;
    int real = port;

    SCRIPT(s, after_body);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    struct http_call_options o = options(a, "PUT", "/2", 3);
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_write(call, "abc", 3), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), -ECONNRESET);
    http_call_close(call);
    script_end(&s);

    SCRIPT(s, before_body);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    o = options(a, "PUT", "/2", -1);
    struct header_table h;
    header_init(&h, a);
    header_add(&h, STR("Expect"), STR("100-continue")); /* so that the head is not held back */
    o.headers = &h;
    call = open_call(&o);
    rt_sleep(100);
    CHECK_INT(http_call_end(call), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 200);
    http_call_close(call);
    script_end(&s);
    port = real;
}

/* The first write finds the kept connection reset: replaced, unless an answer lies there. */
static void reset_kept(struct arena *a)
{
    static const struct step silent[] = {{END, OK_2, STAY}, {"PUT", NULL, HANG_UP}, {"abc", OK_2, HANG_UP}};
    static const struct step answered[] = {
        {END, OK_2, STAY}, {"PUT", "HTTP/1.1 507 Full\r\nContent-Length: 2\r\n\r\nno", HANG_UP}};
    struct script s;
    struct header_table h;
    struct str body = STR_NONE;
    int real = port;
    header_init(&h, a);
    header_add(&h, STR("Expect"), STR("100-continue"));

    SCRIPT(s, silent); /* hangs up with bytes unread: a reset */
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    struct http_call_options o = options(a, "PUT", "/2", 3);
    o.headers = &h;
    struct http_call *call = open_call(&o);
    rt_sleep(100);
    CHECK_INT(http_call_write(call, "abc", 3), 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 200);
    http_call_close(call);
    script_end(&s);

    SCRIPT(s, answered);
    port = s.port;
    CHECK_INT(simple(a, "GET", "/1", &body), 200);
    o.port = port;
    call = open_call(&o);
    rt_sleep(100);
    CHECK(http_call_write(call, "abc", 3) < 0);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 507);
    CHECK(str_eq(body_of(a, call), STR("no")));
    http_call_close(call);
    script_end(&s);
    port = real;
}

static void test_reset_kept(void **state)
{
    run_client(reset_kept);
}

/* Two addresses at the same time do not get one another's connections; IPv6 where there is any. */
static void addresses(struct arena *a)
{
    struct http_server_options so = {.bind_ip = "::1", .app = &test_app.app};
    struct http_server *v6 = NULL;
    struct buf error;
    buf_init(&error, 1000);
    struct str body = STR_NONE;
    if (http_server_start(&so, &v6, &error) == 0) {
        for (int i = 0; i < 3; i++) {
            struct http_call_options o = options(a, "GET", "/about", 0);
            o.host = STR("::1");
            o.port = http_server_port(v6);
            struct http_call *call = open_call(&o);
            CHECK_INT(http_call_response(call, RT_FOREVER), 0);
            CHECK(str_ends(body_of(a, call), STR("|::1")));
            http_call_close(call);
            CHECK_INT(simple(a, "GET", "/about", &body), 200);
            CHECK(str_ends(body, STR("|127.0.0.1")));
        }
        CHECK_INT(http_server_connections(server), 1);
        CHECK_INT(http_server_connections(v6), 1);
        CHECK_INT(http_server_stop(v6, 1000), 0);
        http_server_free(v6);
    }
    buf_release(&error);
}

static void test_addresses(void **state)
{
    run_client(addresses);
}

static void test_dead_kept_with_body(void **state)
{
    run_client(dead_kept_with_body);
}

/* A server that answers in the middle of the body. */
static void early_answer(struct arena *a)
{
    static const struct step steps[] = {
        {"abc", "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 2\r\n\r\nno", STAY}};
    struct script s;
    int real = port;
    SCRIPT(s, steps);
    port = s.port;
    struct http_call_options o = options(a, "PUT", "/", 1000);
    struct http_call *call = open_call(&o);
    CHECK_INT(http_call_write(call, "abc", 3), 0);
    for (int i = 0; i < 100 && !http_call_answer_waiting(call); i++)
        rt_sleep(10);
    CHECK(http_call_answer_waiting(call));
    CHECK_INT(http_call_response(call, RT_FOREVER), 0);
    CHECK_INT(http_call_status(call), 507);
    CHECK(str_eq(body_of(a, call), STR("no")));
    http_call_close(call);
    script_end(&s); /* returns at once: the unfinished request was not kept */
    port = real;
}

static void test_early_answer(void **state)
{
    run_client(early_answer);
}

static void timeouts(struct arena *a)
{
    static const struct step steps[] = {{END, "HTTP/1.1 200 OK\r\nContent-Le", STAY},
                                        {"now", "ngth: 5\r\n\r\nab", STAY}};
    struct script s;
    int real = port;
    char p[8];
    SCRIPT(s, steps);
    port = s.port;
    struct http_call_options o = options(a, "PUT", "/", 3);
    struct header_table h;
    header_init(&h, a);
    header_add(&h, STR("Expect"), STR("100-continue"));
    o.headers = &h;
    o.timeout_ms = 100;
    struct http_call *call = open_call(&o);
    int64_t start = clock_monotonic_ms();
    CHECK_INT(http_call_response(call, RT_FOREVER), -ETIMEDOUT);
    CHECK_INT(http_call_response(call, rt_deadline(50)), -ETIMEDOUT);
    int64_t took = clock_monotonic_ms() - start;
    CHECK(took >= 140 && took < 1000);
    CHECK_INT(http_call_write(call, "now", 3), 0);
    http_call_set_timeout(call, 2000);
    CHECK_INT(http_call_response(call, RT_FOREVER), 0); /* goes on where it was */
    CHECK_INT(http_call_status(call), 200);
    CHECK_INT(http_call_read(call, p, sizeof p), 2);
    http_call_set_timeout(call, 50);
    CHECK_INT(http_call_read(call, p, sizeof p), -ETIMEDOUT);
    http_call_close(call);
    script_end(&s);
    port = real;
}

static void test_timeouts(void **state)
{
    run_client(timeouts);
}

static void refusals(struct arena *a)
{
    struct http_call *call = NULL;
    struct http_call_options o = options(a, "GET", "/", 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, (struct sockaddr *)&addr, sizeof addr); /* bound, not listening */
    getsockname(fd, (struct sockaddr *)&addr, &len);
    o.port = ntohs(addr.sin_port);
    CHECK_INT(http_call_open(client, &o, &call), -ECONNREFUSED);
    close(fd);
    o.port = 0;
    CHECK_INT(http_call_open(client, &o, &call), -EINVAL);
    o = options(a, "GET", "/a b", 0);
    CHECK_INT(http_call_open(client, &o, &call), -EINVAL);
    o = options(a, "GET", "/\r\nX: y", 0);
    CHECK_INT(http_call_open(client, &o, &call), -EINVAL);
    o = options(a, "GET /", "/", 0);
    CHECK_INT(http_call_open(client, &o, &call), -EINVAL);
    o = options(a, "GET", "/", 0);
    o.host = STR("localhost");
    CHECK_INT(http_call_open(client, &o, &call), -EINVAL);
    CHECK_INT(http_server_connections(server), 0);
}

static void test_refusals(void **state)
{
    run_client(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_sends_bodies),
        cmocka_unit_test(test_continues),    cmocka_unit_test(test_unread_answers),
        cmocka_unit_test(test_as_stage),     cmocka_unit_test(test_many_tasks),
        cmocka_unit_test(test_too_old),      cmocka_unit_test(test_keeps_nothing),
        cmocka_unit_test(test_heads),        cmocka_unit_test(test_odd_answers),
        cmocka_unit_test(test_dead_kept),    cmocka_unit_test(test_dead_kept_with_body),
        cmocka_unit_test(test_reset_kept),   cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_early_answer), cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_refusals),
    };
    test_app_init(&test_app);
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
