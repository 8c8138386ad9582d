/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_rt: what the runtime's own operations cost. One line per result: name, time per operation, and the CPU time
 * per operation where the two differ. Run it on an idle machine:
 *     make build/bench/bench_rt && build/bench/bench_rt [LOOPS]
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "rt/rt.h"

static int64_t cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
}

struct lap {
    int64_t ns, cpu_ns;
};

static struct lap lap_start(void)
{
    return (struct lap){.ns = clock_monotonic_ns(), .cpu_ns = cpu_ns()};
}

static void lap_end(struct lap start, const char *name, long operations)
{
    double ns = (double)(clock_monotonic_ns() - start.ns) / (double)operations;
    double cpu = (double)(cpu_ns() - start.cpu_ns) / (double)operations;
    printf("%-44s %10.0f ns  cpu %8.0f ns\n", name, ns, cpu);
}

static atomic_int ended;

static void wait_for_ended(int n)
{
    while (atomic_load(&ended) < n) {
        rt_sleep(1);
    }
}

/* --- tasks ------------------------------------------------------------------------------------------------ */

static void yield_often(void *arg)
{
    for (long i = 0; i < (long)(intptr_t)arg; i++) {
        rt_yield();
    }
}

static void bench_yield(void)
{
    enum { N = 2000000 };
    struct lap start = lap_start();
    struct rt_task *t = rt_spawn(yield_often, (void *)(intptr_t)(N / 2));
    yield_often((void *)(intptr_t)(N / 2));
    rt_join(t);
    lap_end(start, "yield, two tasks (to the loop and back)", N);
}

static void nothing(void *arg)
{
}

static void bench_spawn(void)
{
    enum { N = 300000 };
    struct lap start = lap_start();
    for (int i = 0; i < N; i++) {
        rt_join(rt_spawn(nothing, NULL));
    }
    lap_end(start, "spawn and join", N);
    static struct rt_task *tasks[1000];
    start = lap_start();
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 1000; i++) {
            tasks[i] = rt_spawn(nothing, NULL);
        }
        for (int i = 0; i < 1000; i++) {
            rt_join(tasks[i]);
        }
    }
    lap_end(start, "spawn and join, 1000 alive", 100000);
}

/* --- synchronisation -------------------------------------------------------------------------------------- */

static struct rt_mutex mutex;

static void bench_mutex(void)
{
    enum { N = 5000000 };
    rt_mutex_init(&mutex);
    struct lap start = lap_start();
    for (int i = 0; i < N; i++) {
        rt_lock(&mutex);
        rt_unlock(&mutex);
    }
    lap_end(start, "lock and unlock, nobody else", N);
}

static void lock_often(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        rt_lock(&mutex);
        rt_unlock(&mutex);
    }
    atomic_fetch_add(&ended, 1);
}

static void bench_mutex_loops(void)
{
    atomic_store(&ended, 0);
    struct lap start = lap_start();
    for (unsigned i = 0; i < 8; i++) {
        rt_go_on(i % rt_loop_count(), lock_often, NULL);
    }
    wait_for_ended(8);
    lap_end(start, "lock and unlock, 8 tasks on all loops", 800000);
}

struct pair {
    struct rt_channel *there, *back;
    long rounds;
};

static void answer(void *arg)
{
    struct pair *p = arg;
    void *item;
    for (long i = 0; i < p->rounds; i++) {
        rt_channel_receive(p->there, &item, RT_FOREVER);
        rt_channel_send(p->back, item, RT_FOREVER);
    }
    atomic_fetch_add(&ended, 1);
}

static void bench_channel(unsigned loop, const char *name, long rounds)
{
    struct pair p = {rt_channel_new(1), rt_channel_new(1), rounds};
    void *item;
    atomic_store(&ended, 0);
    rt_go_on(loop, answer, &p);
    struct lap start = lap_start();
    for (long i = 0; i < rounds; i++) {
        rt_channel_send(p.there, &p, RT_FOREVER);
        rt_channel_receive(p.back, &item, RT_FOREVER);
    }
    lap_end(start, name, rounds);
    wait_for_ended(1);
    rt_channel_free(p.there);
    rt_channel_free(p.back);
}

/* --- offload ---------------------------------------------------------------------------------------------- */

static void busy_job(void *arg)
{
    int64_t end = clock_monotonic_ns() + (intptr_t)arg;
    while (clock_monotonic_ns() < end) {
    }
}

static void sleep_job(void *arg)
{
    usleep((useconds_t)(intptr_t)arg);
}

static int offload_rounds;
static void (*offload_fn)(void *arg);
static void *offload_arg;

static void offload_often(void *arg)
{
    for (int i = 0; i < offload_rounds; i++) {
        rt_offload(NULL, offload_fn, offload_arg);
    }
    atomic_fetch_add(&ended, 1);
}

static void bench_offload(const char *name, void (*fn)(void *arg), long arg, int tasks, int rounds)
{
    atomic_store(&ended, 0);
    offload_fn = fn;
    offload_arg = (void *)(intptr_t)arg;
    offload_rounds = rounds;
    struct lap start = lap_start();
    for (int i = 0; i < tasks; i++) {
        rt_go_on((unsigned)i % rt_loop_count(), offload_often, NULL);
    }
    wait_for_ended(tasks);
    lap_end(start, name, (long)tasks * rounds);
}

/* --- sockets ---------------------------------------------------------------------------------------------- */

static void echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char c;
    while (rt_read(fd, &c, 1, rt_deadline(60000)) == 1) {
        rt_write_all(fd, &c, 1, rt_deadline(60000));
    }
    rt_close(fd);
}

static void bench_socket(void)
{
    enum { N = 200000 };
    int fds[2];
    char c = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || rt_attach(fds[0]) < 0 || rt_attach(fds[1]) < 0) {
        abort();
    }
    rt_go(echo, (void *)(intptr_t)fds[1]);
    struct lap start = lap_start();
    for (int i = 0; i < N; i++) {
        rt_write_all(fds[0], &c, 1, rt_deadline(60000));
        rt_read(fds[0], &c, 1, rt_deadline(60000));
    }
    lap_end(start, "byte there and back by a socket pair", N);
    rt_close(fds[0]);
}

static void bench(void *arg)
{
    bench_yield();
    bench_spawn();
    bench_mutex();
    bench_mutex_loops();
    bench_channel(0, "channel there and back, same loop", 500000);
    if (rt_loop_count() > 1) {
        bench_channel(1, "channel there and back, other loop", 30000);
    }
    bench_socket();
    bench_offload("offload nothing, 1 task", nothing, 0, 1, 20000);
    bench_offload("offload nothing, 64 tasks", nothing, 0, 64, 2000);
    bench_offload("offload 5 us of work, 1 task", busy_job, 5000, 1, 20000);
    bench_offload("offload 5 us of work, 64 tasks", busy_job, 5000, 64, 1000);
    bench_offload("offload a wait of 1 ms, 16 tasks", sleep_job, 1000, 16, 100);
    bench_offload("offload a wait of 1 ms, 64 tasks", sleep_job, 1000, 64, 50);
}

int main(int argc, char **argv)
{
    struct rt_options options = {.loops = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0,
                                 .watchdog_ms = 1000};
    return rt_run(&options, bench, NULL) == 0 ? 0 : 1;
}
