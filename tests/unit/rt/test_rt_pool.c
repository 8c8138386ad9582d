/* SPDX-License-Identifier: Apache-2.0
 *
 * Offloading to pools: everything runs exactly once, the queue is bounded, a slow pool does not hold up another.
 */
#include "rt_test.h"

#include <pthread.h>

static struct rt_pool *pool;
static atomic_int ran, running, running_max, refused, ended;
static int rounds;

static void job_count(void *arg)
{
    int now = atomic_fetch_add(&running, 1) + 1, max = atomic_load(&running_max);
    while (now > max && !atomic_compare_exchange_weak(&running_max, &max, now)) {
    }
    *(long *)arg += 1;
    atomic_fetch_add(&ran, 1);
    atomic_fetch_sub(&running, 1);
}

static void reset(void)
{
    atomic_store(&ran, 0);
    atomic_store(&running, 0);
    atomic_store(&running_max, 0);
    atomic_store(&refused, 0);
    atomic_store(&ended, 0);
}

/* --- stress ----------------------------------------------------------------------------------------------- */

static void offload_often(void *arg)
{
    long mine = 0; /* on this stack, written by the pool's threads */
    for (int i = 0; i < rounds; i++) {
        CHECK_EQ(rt_offload(pool, job_count, &mine), 0);
        CHECK_EQ(mine, i + 1);
    }
    atomic_fetch_add(&ended, 1);
}

static void stress(void *arg)
{
    int tasks = many(200, 40);
    rounds = 50;
    struct rt_stats before, after;
    for (int own = 0; own < 2; own++) {
        reset();
        pool = own ? rt_pool_new("test", 3, 1000) : NULL;
        rt_stats(&before);
        for (int i = 0; i < tasks; i++) {
            rt_go_on((unsigned)i % rt_loop_count(), offload_often, NULL);
        }
        wait_for(&ended, tasks);
        rt_stats(&after);
        CHECK_EQ(atomic_load(&ran), tasks * rounds);
        CHECK_EQ(after.offloaded - before.offloaded, tasks * rounds);
        CHECK(atomic_load(&running_max) <= (own ? 3 : 32));
        rt_pool_free(pool);
    }
}

static void test_stress(void **state)
{
    for (unsigned loops = 1; loops <= 3; loops++) {
        run(loops, stress);
    }
}

/* --- bounds ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void job_gate(void *arg)
{
    atomic_fetch_add(&running, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    atomic_fetch_add(&ran, 1);
}

static void offload_gate(void *arg)
{
    int r = rt_offload(pool, job_gate, NULL);
    CHECK(r == 0 || r == -EAGAIN);
    atomic_fetch_add(r == 0 ? &ended : &refused, 1);
}

/* Two run, three wait, the rest is refused; the pool is as good as before once they are through. */
static void queue_full(void *arg)
{
    reset();
    pool = rt_pool_new("test", 2, 3);
    for (int round = 1; round <= 3; round++) {
        pthread_mutex_lock(&gate);
        for (int i = 0; i < 9; i++) {
            rt_go(offload_gate, NULL);
        }
        wait_for(&refused, 4 * round);
        wait_for(&running, 5 * round - 3);
        CHECK_EQ(atomic_load(&ended), 5 * (round - 1));
        pthread_mutex_unlock(&gate);
        wait_for(&ended, 5 * round);
        CHECK_EQ(atomic_load(&ran), 5 * round);
    }
    rt_pool_free(pool);
}

/* A pool whose threads are all held up delays neither another pool nor its loop. */
static void slow_disk(void *arg)
{
    reset();
    struct rt_pool *slow = rt_pool_new("slow", 2, 10);
    struct rt_pool *fast = rt_pool_new("fast", 2, 10);
    pthread_mutex_lock(&gate);
    pool = slow;
    for (int i = 0; i < 4; i++) {
        rt_go(offload_gate, NULL);
    }
    wait_for(&running, 2);
    long n = 0;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(rt_offload(fast, job_count, &n), 0);
    }
    CHECK_EQ(n, 100);
    CHECK_EQ(atomic_load(&ended), 0);
    pthread_mutex_unlock(&gate);
    wait_for(&ended, 4);
    rt_pool_free(slow);
    rt_pool_free(fast);
}

/* Jobs that block run side by side, although one thread calls the next; with new threads and with idle ones. */
static void side_by_side(void *arg)
{
    pool = rt_pool_new("test", 16, 16);
    for (int round = 1; round <= 3; round++) {
        reset();
        pthread_mutex_lock(&gate);
        for (int i = 0; i < 16; i++) {
            rt_go_on((unsigned)i % rt_loop_count(), offload_gate, NULL);
        }
        wait_for(&running, 16);
        pthread_mutex_unlock(&gate);
        wait_for(&ended, 16);
        rt_sleep(20);
    }
    rt_pool_free(pool);
}

static void test_bounds(void **state)
{
    run(1, queue_full);
    run(2, queue_full);
    run(1, slow_disk);
    run(2, side_by_side);
}

/* --- without a task --------------------------------------------------------------------------------------- */

static void test_outside(void **state)
{
    long n = 0;
    reset();
    assert_int_equal(rt_offload(NULL, job_count, &n), 0);
    assert_int_equal(n, 1);
    struct rt_pool *p = rt_pool_new("test", 2, 2);
    assert_int_equal(rt_offload(p, job_count, &n), 0);
    assert_int_equal(n, 2);
    rt_pool_free(p);
    rt_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
