/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include "fs/workers.h"

struct count {
    atomic_uint done[100];
    atomic_uint running, most;
};

static void one(void *arg, size_t i)
{
    struct count *c = arg;
    unsigned now = atomic_fetch_add(&c->running, 1) + 1, most = atomic_load(&c->most);

    while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
        ;
    usleep(1000);
    atomic_fetch_sub(&c->running, 1);
    atomic_fetch_add(&c->done[i], 1);
}

static void each_once_and_several_at_a_time(void **state)
{
    struct workers *w = workers_new(4);
    struct count c = {0};

    workers_each(w, 100, one, &c);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(atomic_load(&c.done[i]), 1);
    assert_true(atomic_load(&c.most) > 1 && atomic_load(&c.most) <= 5);
    workers_each(w, 0, one, &c);
    workers_each(w, 1, one, &c);
    assert_int_equal(atomic_load(&c.done[0]), 2);
    workers_free(w);
}

struct nest {
    struct workers *w;
    struct count c;
};

static void inner(void *arg, size_t i)
{
    struct nest *n = arg;

    workers_each(n->w, 10, one, &n->c);
}

/* More jobs than threads, started from within jobs: nobody waits for ever. */
static void jobs_within_jobs(void **state)
{
    struct nest n = {.w = workers_new(3)};

    workers_each(n.w, 8, inner, &n);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(atomic_load(&n.c.done[i]), 8);
    workers_free(n.w);
}

static void slow(void *arg)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    usleep(30000);
    atomic_store((atomic_int *)arg, sigismember(&mask, SIGTERM) ? 2 : 1);
}

static void the_end_waits_for_transfers(void **state)
{
    struct workers *w = workers_new(1);
    atomic_int ended = 0;

    assert_int_equal(workers_start(w, slow, &ended), 0);
    workers_free(w);
    assert_int_equal(atomic_load(&ended), 2); /* and signals were blocked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once_and_several_at_a_time),
        cmocka_unit_test(jobs_within_jobs),
        cmocka_unit_test(the_end_waits_for_transfers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
