/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks: starting, ending, joining, sleeping, cancelling; the runtime as a whole.
 */
#include "rt_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static atomic_int counter;

static void count(void *arg)
{
    atomic_fetch_add(&counter, 1);
}

static void sleep_and_count(void *arg)
{
    CHECK_EQ(rt_sleep((intptr_t)arg), 0);
    count(NULL);
}

/* --- spawn, join, go -------------------------------------------------------------------------------------- */

static void thousands(void *arg)
{
    int n = many(5000, 100);
    struct rt_task **tasks = calloc((size_t)n, sizeof tasks[0]);
    for (int i = 0; i < n; i++) {
        tasks[i] = rt_spawn(sleep_and_count, (void *)(intptr_t)(i % 20));
    }
    struct rt_stats stats;
    rt_stats(&stats);
    CHECK(stats.tasks > 1 && stats.tasks <= (uint64_t)n + 1);
    for (int i = 0; i < n; i++) {
        rt_join(tasks[i]);
    }
    CHECK_EQ(atomic_load(&counter), n);
    rt_stats(&stats);
    CHECK_EQ(stats.tasks, 1);
    free(tasks);
}

static void spawn_tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    count(NULL);
    if (depth > 0) {
        struct rt_task *a = rt_spawn(spawn_tree, (void *)(depth - 1));
        struct rt_task *b = rt_spawn(spawn_tree, (void *)(depth - 1));
        rt_join(a);
        rt_join(b);
    }
}

static void tree(void *arg)
{
    int depth = many(10, 5);
    spawn_tree((void *)(intptr_t)depth);
    CHECK_EQ(atomic_load(&counter), (2 << depth) - 1);
}

static void ends(void *arg)
{
    struct rt_task *t = rt_spawn(sleep_and_count, (void *)30);
    CHECK(!rt_ended(t));
    int64_t end = rt_deadline(5000);
    while (!rt_ended(t) && clock_monotonic_ms() < end) {
        rt_sleep(1);
    }
    CHECK(rt_ended(t));
    CHECK_EQ(atomic_load(&counter), 1);
    rt_join(t);
}

/* rt_run() waits for tasks that outlive the first one. */
static void detached(void *arg)
{
    for (int i = 0; i < 50; i++) {
        rt_go(sleep_and_count, (void *)(intptr_t)(i % 30));
    }
}

static void note_loop(void *arg)
{
    CHECK_EQ(rt_loop_index(), (intptr_t)arg);
    rt_yield();
    CHECK_EQ(rt_loop_index(), (intptr_t)arg);
    struct rt_task *t = rt_spawn(count, NULL);
    rt_join(t);
}

static void on_loops(void *arg)
{
    CHECK_EQ(rt_loop_count(), 3);
    CHECK_EQ(rt_loop_index(), 0);
    for (int i = 0; i < 300; i++) {
        rt_go_on((unsigned)i % 3, note_loop, (void *)(intptr_t)(i % 3));
    }
}

static void hop(void *arg)
{
    intptr_t left = (intptr_t)arg;
    count(NULL);
    if (left > 0) {
        rt_go_on((unsigned)left % rt_loop_count(), hop, (void *)(left - 1));
    }
}

static void hops(void *arg)
{
    for (int i = 0; i < 10; i++) {
        rt_go_on(1, hop, (void *)(intptr_t)199);
    }
}

struct deep {
    struct deep *below;
    unsigned char bytes[1000];
};

static int recurse(struct deep *below, int depth)
{
    struct deep here = {.below = below};
    memset(here.bytes, depth & 0xff, sizeof here.bytes);
    if (depth == 0) {
        rt_yield();
    } else {
        recurse(&here, depth - 1);
    }
    for (size_t i = 0; i < sizeof here.bytes; i++) {
        CHECK_EQ(here.bytes[i], depth & 0xff);
    }
    return here.below == below;
}

static void use_stack(void *arg)
{
    CHECK(recurse(NULL, 60));
    count(NULL);
}

/* Stacks that were used deeply, kept and used again. */
static void stacks(void *arg)
{
    for (int round = 0; round < 5; round++) {
        struct rt_task *tasks[20];
        for (int i = 0; i < 20; i++) {
            tasks[i] = rt_spawn(use_stack, NULL);
        }
        for (int i = 0; i < 20; i++) {
            rt_join(tasks[i]);
        }
    }
    CHECK_EQ(atomic_load(&counter), 100);
}

static void test_tasks(void **state)
{
    struct {
        void (*fn)(void *arg);
        unsigned loops;
        int count;
    } cases[] = {{thousands, 1, -1}, {thousands, 2, -1}, {tree, 2, -1},   {ends, 1, 1},
                 {detached, 2, 50},  {on_loops, 3, 300}, {hops, 2, 2000}, {stacks, 1, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        atomic_store(&counter, 0);
        run(cases[i].loops, cases[i].fn);
        if (cases[i].count >= 0) {
            assert_int_equal(atomic_load(&counter), cases[i].count);
        }
    }
    struct rt_stats stats;
    rt_stats(&stats);
    assert_int_equal(stats.tasks, 0);
}

static void test_run_twice(void **state)
{
    atomic_store(&counter, 0);
    for (int i = 0; i < 20; i++) {
        run(2, detached);
    }
    assert_int_equal(atomic_load(&counter), 20 * 50);
    assert_int_equal(rt_run(NULL, count, NULL), 0);
    assert_int_equal(atomic_load(&counter), 20 * 50 + 1);
}

/* --- time ------------------------------------------------------------------------------------------------- */

static void deadlines(void *arg)
{
    CHECK_EQ(rt_deadline(-1), RT_FOREVER);
    CHECK_EQ(rt_deadline(INT64_MAX), RT_FOREVER);
    int64_t start = clock_monotonic_ms();
    CHECK(rt_deadline(1000) >= start + 1000 && rt_deadline(1000) < start + 2000);
    CHECK_EQ(rt_sleep(50), 0);
    int64_t slept = clock_monotonic_ms() - start;
    CHECK(slept >= 50 && slept < 1000);
    start = clock_monotonic_ms();
    CHECK_EQ(rt_sleep_until(start - 1000), 0);
    CHECK_EQ(rt_sleep(0), 0);
    CHECK(clock_monotonic_ms() - start < 500);
}

static int order[100];
static atomic_int order_count;
static int64_t order_start;

static void sleep_in_order(void *arg)
{
    intptr_t ms = (intptr_t)arg;
    CHECK_EQ(rt_sleep_until(order_start + ms), 0);
    order[atomic_fetch_add(&order_count, 1)] = (int)ms;
}

/* On one loop those that sleep longer wake later, in whatever order they began. */
static void sleep_order(void *arg)
{
    atomic_store(&order_count, 0);
    order_start = rt_deadline(500); /* all sleep by then, also on a busy machine */
    for (int i = 0; i < 100; i++) {
        rt_go(sleep_in_order, (void *)(intptr_t)(3 * (i * 37 % 100)));
    }
    wait_for(&order_count, 100);
    for (int i = 0; i < 100 && !on_threads(); i++) {
        CHECK_EQ(order[i], 3 * i);
    }
}

/* The same task with ever different deadlines, longer and shorter: no timer of an earlier wait may end a later
 * one. */
static void sleep_varied(void *arg)
{
    static const int ms[] = {30, 1, 20, 2, 2, 15, 1};
    int fds[2];
    socket_pair(fds);
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        int64_t start = clock_monotonic_ms();
        CHECK_EQ(rt_wait_readable(fds[0], rt_deadline(ms[i])), -ETIMEDOUT);
        CHECK(clock_monotonic_ms() - start >= ms[i]);
        CHECK_EQ(rt_write_all(fds[1], "x", 1, rt_deadline(10000)), 0);
        CHECK_EQ(rt_wait_readable(fds[0], rt_deadline(10)), 0);
        char c;
        CHECK_EQ(rt_read(fds[0], &c, 1, RT_FOREVER), 1);
    }
    rt_close(fds[0]);
    rt_close(fds[1]);
}

static void write_later(void *arg)
{
    rt_sleep(3);
    CHECK_EQ(rt_write_all((int)(intptr_t)arg, "x", 1, rt_deadline(10000)), 0);
}

/* A wait that ended before its deadline leaves nothing behind that could end the next one. */
static void sleep_after_wait(void *arg)
{
    int fds[2];
    char c;
    socket_pair(fds);
    for (int i = 0; i < 5; i++) {
        int64_t start = clock_monotonic_ms();
        rt_go(write_later, (void *)(intptr_t)fds[1]);
        ssize_t r = rt_read(fds[0], &c, 1, start + 20);
        if (r != 1) { /* a busy machine */
            CHECK_EQ(r, -ETIMEDOUT);
            CHECK_EQ(rt_read(fds[0], &c, 1, rt_deadline(10000)), 1);
        }
        start = clock_monotonic_ms();
        CHECK_EQ(rt_sleep(50), 0);
        CHECK(clock_monotonic_ms() - start >= 50);
    }
    rt_close(fds[0]);
    rt_close(fds[1]);
}

static void test_time(void **state)
{
    run(1, sleep_after_wait);
    run(1, deadlines);
    run(1, sleep_order);
    run(2, sleep_varied);
}

/* --- cancelling ------------------------------------------------------------------------------------------- */

struct waiting {
    int fds[2]; /* nothing to read, no room to write */
    int listen_fd;
    struct sockaddr_in unreachable; /* a listener that accepts no more */
    struct rt_channel *empty, *full;
    struct rt_mutex mutex;
    struct rt_cond cond;
    int result, later;
};

static char one_byte[] = "x";

static int wait_sleep(struct waiting *w)
{
    return rt_sleep(20000);
}
static int wait_read(struct waiting *w)
{
    char c;
    return (int)rt_read(w->fds[0], &c, 1, RT_FOREVER);
}
static int wait_write(struct waiting *w)
{
    return rt_write_all(w->fds[0], "x", 1, RT_FOREVER);
}
static int wait_writev(struct waiting *w)
{
    struct iovec iov = {.iov_base = one_byte, .iov_len = 1};
    return rt_writev_all(w->fds[0], &iov, 1, RT_FOREVER);
}
static int wait_send_more(struct waiting *w)
{
    struct iovec iov = {.iov_base = one_byte, .iov_len = 1};
    return rt_send_more(w->fds[0], &iov, 1, RT_FOREVER);
}
static int wait_sendfile(struct waiting *w)
{
    FILE *f = tmpfile();
    CHECK(f != NULL && fputs("some bytes", f) >= 0 && fflush(f) == 0);
    int r = rt_sendfile_all(w->fds[0], fileno(f), 0, 10, RT_FOREVER);
    fclose(f);
    return r;
}
static int wait_readable(struct waiting *w)
{
    return rt_wait_readable(w->fds[0], RT_FOREVER);
}
static int wait_idle(struct waiting *w)
{
    return rt_wait_readable_idle(w->fds[0], RT_FOREVER);
}
static int wait_accept(struct waiting *w)
{
    struct sockaddr_storage addr;
    socklen_t len;
    return rt_accept(w->listen_fd, &addr, &len, RT_FOREVER);
}
static int wait_connect(struct waiting *w)
{
    return rt_connect((struct sockaddr *)&w->unreachable, sizeof w->unreachable, RT_FOREVER);
}
static int wait_send(struct waiting *w)
{
    return rt_channel_send(w->full, w, RT_FOREVER);
}
static int wait_receive(struct waiting *w)
{
    void *item;
    return rt_channel_receive(w->empty, &item, RT_FOREVER);
}
static int wait_cond(struct waiting *w)
{
    rt_lock(&w->mutex);
    int r = rt_cond_wait(&w->cond, &w->mutex, RT_FOREVER);
    CHECK(w->mutex.held);
    rt_unlock(&w->mutex);
    return r;
}

static int (*const wait_calls[])(struct waiting *w) = {
    wait_sleep, wait_read,   wait_write,   wait_writev, wait_send_more, wait_sendfile, wait_readable,
    wait_idle,  wait_accept, wait_connect, wait_send,   wait_receive,   wait_cond};
#define WAIT_CALLS (sizeof wait_calls / sizeof wait_calls[0])
static size_t wait_call;

static void wait_twice(void *arg)
{
    struct waiting *w = arg;
    w->result = wait_calls[wait_call](w);
    w->later = wait_calls[wait_call](w);
}

/* A listener with a full backlog: further connections stay half open. */
static int fill_backlog(struct sockaddr_in *addr, int clients[4])
{
    int fd = listen_any(addr, 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(clients[i] >= 0);
        CHECK(connect(clients[i], (struct sockaddr *)addr, sizeof *addr) == 0 || errno == EINPROGRESS);
    }
    return fd;
}

static void waiting_init(struct waiting *w)
{
    struct sockaddr_in addr;
    socket_pair(w->fds);
    fill(w->fds[0]);
    w->listen_fd = listen_any(&addr, 10);
    CHECK_EQ(rt_attach(w->listen_fd), 0);
    w->empty = rt_channel_new(1);
    w->full = rt_channel_new(1);
    CHECK_EQ(rt_channel_send(w->full, w, RT_FOREVER), 0);
    rt_mutex_init(&w->mutex);
    rt_cond_init(&w->cond);
}

static void waiting_release(struct waiting *w)
{
    rt_close(w->fds[0]);
    rt_close(w->fds[1]);
    rt_close(w->listen_fd);
    rt_channel_free(w->empty);
    rt_channel_free(w->full);
    rt_cond_destroy(&w->cond);
    rt_mutex_destroy(&w->mutex);
}

static void cancel_each(void *arg)
{
    struct waiting w = {.result = 1};
    int clients[4];
    waiting_init(&w);
    int busy = fill_backlog(&w.unreachable, clients);
    for (wait_call = 0; wait_call < WAIT_CALLS; wait_call++) {
        for (int before = 0; before < 2; before++) { /* before it runs at all, and while it waits */
            w.result = w.later = 1;
            struct rt_task *t = rt_spawn(wait_twice, &w);
            if (before == 0) {
                rt_sleep(5);
                CHECK(!rt_ended(t));
            }
            rt_cancel(t);
            rt_join(t);
            CHECK_EQ(w.result, -ECANCELED);
            CHECK_EQ(w.later, -ECANCELED);
        }
    }
    for (int i = 0; i < 4; i++) {
        close(clients[i]);
    }
    close(busy);
    waiting_release(&w);
}

static int (*const close_calls[])(struct waiting *w) = {
    wait_read, wait_write, wait_writev, wait_send_more, wait_readable, wait_idle, wait_accept};

static void wait_once(void *arg)
{
    struct waiting *w = arg;
    w->result = close_calls[wait_call](w);
}

/* rt_close() ends the wait of another task with -ECANCELED; the task itself is not cancelled. */
static void close_each(void *arg)
{
    for (wait_call = 0; wait_call < sizeof close_calls / sizeof close_calls[0]; wait_call++) {
        struct waiting w = {.result = 1};
        waiting_init(&w);
        struct rt_task *t = rt_spawn(wait_once, &w);
        rt_sleep(5);
        CHECK(!rt_ended(t));
        waiting_release(&w);
        rt_join(t);
        CHECK_EQ(w.result, -ECANCELED);
    }
}

/* What cannot be cancelled runs to its end, and only then does the task see that it was. */
static struct rt_mutex held;
static atomic_int stage;

static void job_slow(void *arg)
{
    usleep(20000);
    atomic_fetch_add(&stage, 1);
}

static void not_cancellable(void *arg)
{
    CHECK_EQ(rt_offload(NULL, job_slow, NULL), 0);
    CHECK_EQ(atomic_load(&stage), 1);
    rt_lock(&held);
    CHECK_EQ(atomic_load(&stage), 2);
    rt_unlock(&held);
    struct rt_task *t = rt_spawn(sleep_and_count, (void *)20);
    rt_join(t);
    CHECK_EQ(atomic_load(&counter), 1);
    CHECK_EQ(rt_sleep(1), -ECANCELED);
}

static void cancel_uncancellable(void *arg)
{
    atomic_store(&stage, 0);
    atomic_store(&counter, 0);
    rt_mutex_init(&held);
    rt_lock(&held);
    struct rt_task *t = rt_spawn(not_cancellable, NULL);
    rt_sleep(2);
    rt_cancel(t);
    wait_for(&stage, 1);
    rt_sleep(5);
    CHECK(!rt_ended(t));
    atomic_fetch_add(&stage, 1);
    rt_unlock(&held);
    rt_join(t);
    rt_mutex_destroy(&held);
}

static void test_cancel(void **state)
{
    run(1, cancel_each);
    run(2, close_each);
    run(1, cancel_uncancellable);
}

/* --- stacks ----------------------------------------------------------------------------------------------- */

static void overflow(void *arg)
{
    recurse(NULL, 100000);
}

/* Too deep a recursion ends the process at the guard page, before it damages anything. */
static void test_guard(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        run(1, overflow);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT
                                    : WEXITSTATUS(status) != 0);
}

/* --- the watchdog ----------------------------------------------------------------------------------------- */

static void stall(void *arg)
{
    rt_label("GET /slow");
    usleep((useconds_t)(intptr_t)arg * 1000);
}

static void slow_turns(void *arg)
{
    struct rt_stats before, after;
    rt_stats(&before);
    for (int i = 0; i < 2; i++) {
        rt_join(rt_spawn(stall, (void *)120));
    }
    rt_stats(&after);
    if (!on_threads()) {
        CHECK(after.slow_turns >= before.slow_turns + 2);
    }
}

/* So long that the watchdog does not wait for the end of the turn. */
static void stuck_turn(void *arg)
{
    rt_join(rt_spawn(stall, (void *)900));
}

/* The lines on stderr that name the slow task, and of these those about a turn that still lasts. */
static void watched(unsigned watchdog_ms, void (*fn)(void *arg), int *ret_lines, int *ret_lasting)
{
    FILE *log = tmpfile();
    assert_non_null(log);
    int saved = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(log), STDERR_FILENO);
    run_with((struct rt_options){.loops = 1, .watchdog_ms = watchdog_ms}, fn);
    dup2(saved, STDERR_FILENO);
    close(saved);
    *ret_lines = *ret_lasting = 0;
    char line[512];
    rewind(log);
    while (fgets(line, sizeof line, log) != NULL) {
        *ret_lines += strstr(line, "GET /slow") != NULL;
        *ret_lasting += strstr(line, "GET /slow") != NULL && strstr(line, "still") != NULL;
    }
    fclose(log);
}

/* Each slow turn is one line that names the task. */
static void test_watchdog(void **state)
{
    struct rt_stats stats;
    int lines, lasting;
    watched(100, slow_turns, &lines, &lasting);
    rt_stats(&stats);
    bool threads = stats.switches == 0;
    assert_int_equal(lines, threads ? 0 : 2);
    assert_int_equal(lasting, 0);
    watched(10, stuck_turn, &lines, &lasting);
    assert_int_equal(lines, threads ? 0 : 1);
    assert_int_equal(lasting, threads ? 0 : 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks),  cmocka_unit_test(test_run_twice), cmocka_unit_test(test_time),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_watchdog),  cmocka_unit_test(test_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
