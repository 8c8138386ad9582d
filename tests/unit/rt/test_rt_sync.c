/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutex, condition and channel, on one loop and between loops.
 */
#include "rt_test.h"

static struct rt_mutex mutex;
static struct rt_cond cond;
static struct rt_channel *channel;
static atomic_int ended;
static long plain; /* guarded by mutex, or by the order of a channel */

/* Starts n tasks over all loops and waits for them. */
static void on_all_loops(int n, void (*fn)(void *arg))
{
    atomic_store(&ended, 0);
    for (int i = 0; i < n; i++) {
        rt_go_on((unsigned)i % rt_loop_count(), fn, (void *)(intptr_t)i);
    }
    wait_for(&ended, n);
}

/* --- mutex ------------------------------------------------------------------------------------------------ */

static int rounds;

static void add_under_lock(void *arg)
{
    for (int i = 0; i < rounds; i++) {
        rt_lock(&mutex);
        long seen = plain;
        if (i % 16 == 0) {
            rt_yield();
        } else if (i % 77 == 1) {
            rt_sleep(1);
        }
        plain = seen + 1;
        rt_unlock(&mutex);
    }
    atomic_fetch_add(&ended, 1);
}

static void mutex_excludes(void *arg)
{
    int tasks = many(100, 20);
    rounds = 200;
    plain = 0;
    rt_mutex_init(&mutex);
    on_all_loops(tasks, add_under_lock);
    CHECK_EQ(plain, tasks * rounds);
    rt_mutex_destroy(&mutex);
}

static atomic_int greedy_rounds;
static atomic_bool patient_done;

static void greedy(void *arg)
{
    while (!atomic_load(&patient_done)) {
        rt_lock(&mutex);
        atomic_fetch_add(&greedy_rounds, 1);
        rt_yield();
        rt_unlock(&mutex);
    }
    atomic_fetch_add(&ended, 1);
}

static void patient(void *arg)
{
    for (int i = 0; i < 100; i++) {
        rt_lock(&mutex);
        rt_unlock(&mutex);
    }
    atomic_store(&patient_done, true);
    atomic_fetch_add(&ended, 1);
}

/* A task that gives the lock up and takes it again at once does not keep it from one that waits. */
static void mutex_is_fair(void *arg)
{
    atomic_store(&patient_done, false);
    atomic_store(&greedy_rounds, 0);
    atomic_store(&ended, 0);
    rt_mutex_init(&mutex);
    rt_go(greedy, NULL);
    rt_go_on(rt_loop_count() - 1, greedy, NULL);
    rt_go(patient, NULL);
    int64_t start = clock_monotonic_ms();
    wait_for(&ended, 3);
    CHECK(clock_monotonic_ms() - start < 10000); /* 100 times a few milliseconds, on a busy machine */
    CHECK(atomic_load(&greedy_rounds) > 0);
    rt_mutex_destroy(&mutex);
}

static void test_mutex(void **state)
{
    for (unsigned loops = 1; loops <= 3; loops++) {
        run(loops, mutex_excludes);
        run(loops, mutex_is_fair);
    }
}

/* --- condition -------------------------------------------------------------------------------------------- */

static long stock, made, used, to_make;

static void producer(void *arg)
{
    rt_lock(&mutex);
    while (made < to_make) {
        while (stock >= 5 && made < to_make) {
            CHECK_EQ(rt_cond_wait(&cond, &mutex, rt_deadline(20000)), 0);
        }
        if (made < to_make) {
            made++;
            stock++;
        }
        rt_cond_broadcast(&cond);
    }
    rt_unlock(&mutex);
    atomic_fetch_add(&ended, 1);
}

static void consumer(void *arg)
{
    rt_lock(&mutex);
    while (used < to_make) {
        while (stock == 0 && used < to_make) {
            CHECK_EQ(rt_cond_wait(&cond, &mutex, rt_deadline(20000)), 0);
        }
        if (stock > 0) {
            stock--;
            used++;
        }
        rt_cond_broadcast(&cond);
    }
    rt_unlock(&mutex);
    atomic_fetch_add(&ended, 1);
}

static void produce_or_consume(void *arg)
{
    ((intptr_t)arg % 4 < 2 ? producer : consumer)(arg);
}

static void cond_stress(void *arg)
{
    stock = made = used = 0;
    to_make = many(5000, 1000);
    rt_mutex_init(&mutex);
    rt_cond_init(&cond);
    on_all_loops(16, produce_or_consume);
    CHECK_EQ(made, to_make);
    CHECK_EQ(used, to_make);
    CHECK_EQ(stock, 0);
    rt_cond_destroy(&cond);
    rt_mutex_destroy(&mutex);
}

/* The signal comes about when the deadline does: whoever takes a signal must have been told, and each permit
 * is used once. */
static long permits, granted, late;

static void wait_briefly(void *arg)
{
    for (int i = 0; i < rounds; i++) {
        rt_lock(&mutex);
        int r = rt_cond_wait(&cond, &mutex, rt_deadline(i % 3));
        CHECK(r == 0 || r == -ETIMEDOUT);
        if (permits > 0) {
            permits--;
            granted++;
        }
        late += r == -ETIMEDOUT;
        rt_unlock(&mutex);
    }
    atomic_fetch_add(&ended, 1);
}

static void signal_often(void *arg)
{
    while (atomic_load(&ended) < 8) {
        rt_lock(&mutex);
        permits++;
        rt_cond_signal(&cond);
        rt_unlock(&mutex);
        rt_sleep(1);
    }
    atomic_fetch_add(&ended, 1);
}

static void wait_or_signal(void *arg)
{
    ((intptr_t)arg < 8 ? wait_briefly : signal_often)(arg);
}

static void cond_races(void *arg)
{
    rounds = 100;
    permits = granted = late = 0;
    rt_mutex_init(&mutex);
    rt_cond_init(&cond);
    on_all_loops(10, wait_or_signal);
    CHECK(granted > 0);
    CHECK(late > 0);
    rt_cond_destroy(&cond);
    rt_mutex_destroy(&mutex);
}

/* Signal and deadline at the same moment, on different loops, again and again: whatever the wait returned, the
 * wake-up belongs to it, and none is left over for the sleep that follows. */
struct race {
    struct rt_mutex mutex;
    struct rt_cond cond;
    atomic_llong deadline;
    atomic_bool done;
};

static void race_signal(void *arg)
{
    struct race *r = arg;
    while (!atomic_load(&r->done)) {
        rt_sleep_until(atomic_load(&r->deadline));
        rt_cond_signal(&r->cond);
        if (atomic_load(&r->deadline) <= clock_monotonic_ms()) {
            rt_yield();
        }
    }
    atomic_fetch_add(&ended, 1);
}

static void race_wait(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < rounds; i++) {
        int64_t deadline = rt_deadline(2);
        rt_lock(&r->mutex);
        atomic_store(&r->deadline, deadline);
        int got = rt_cond_wait(&r->cond, &r->mutex, deadline);
        CHECK(got == 0 || got == -ETIMEDOUT);
        rt_unlock(&r->mutex);
        int64_t start = clock_monotonic_ms();
        CHECK_EQ(rt_sleep(2), 0);
        CHECK(clock_monotonic_ms() - start >= 2);
    }
    atomic_store(&r->done, true);
    atomic_fetch_add(&ended, 1);
}

/* Turns that last a little: what comes from the other loop meanwhile waits in the inbox. */
static void race_delay(void *arg)
{
    while (atomic_load(&ended) < 16) {
        int64_t end = clock_monotonic_ns() + 200000;
        while (clock_monotonic_ns() < end) {
        }
        rt_yield();
    }
}

static void cond_deadline_race(void *arg)
{
    static struct race races[8];
    rounds = 150;
    atomic_store(&ended, 0);
    for (int i = 0; i < 8; i++) {
        rt_mutex_init(&races[i].mutex);
        rt_cond_init(&races[i].cond);
        atomic_store(&races[i].deadline, rt_deadline(1));
        atomic_store(&races[i].done, false);
        rt_go_on(0, race_wait, &races[i]);
        rt_go_on(1, race_signal, &races[i]);
    }
    rt_go_on(0, race_delay, NULL);
    wait_for(&ended, 16);
}

static void count_woken(void *arg)
{
    rt_lock(&mutex);
    plain++;
    CHECK_EQ(rt_cond_wait(&cond, &mutex, rt_deadline(10000)), 0);
    rt_unlock(&mutex);
    atomic_fetch_add(&ended, 1);
}

/* One signal wakes one, broadcast all. */
static void cond_wakes(void *arg)
{
    plain = 0;
    atomic_store(&ended, 0);
    rt_mutex_init(&mutex);
    rt_cond_init(&cond);
    for (int i = 0; i < 6; i++) {
        rt_go_on((unsigned)i % rt_loop_count(), count_woken, NULL);
    }
    long waiting;
    do {
        rt_sleep(1);
        rt_lock(&mutex);
        waiting = plain;
        rt_unlock(&mutex);
    } while (waiting < 6);
    rt_cond_signal(&cond);
    wait_for(&ended, 1);
    rt_sleep(20);
    CHECK_EQ(atomic_load(&ended), 1);
    rt_cond_broadcast(&cond);
    wait_for(&ended, 6);
    rt_lock(&mutex);
    CHECK_EQ(rt_cond_wait(&cond, &mutex, rt_deadline(10)), -ETIMEDOUT);
    rt_unlock(&mutex);
    rt_cond_destroy(&cond);
    rt_mutex_destroy(&mutex);
}

static void test_cond(void **state)
{
    run(2, cond_deadline_race);
    for (unsigned loops = 1; loops <= 3; loops++) {
        run(loops, cond_stress);
        run(loops, cond_races);
        run(loops, cond_wakes);
    }
}

/* --- channel ---------------------------------------------------------------------------------------------- */

static atomic_long sum_sent, sum_received;

static void sender(void *arg)
{
    for (intptr_t i = 1; i <= rounds; i++) {
        CHECK_EQ(rt_channel_send(channel, (void *)i, rt_deadline(20000)), 0);
        atomic_fetch_add(&sum_sent, i);
    }
    atomic_fetch_add(&ended, 1);
}

static void receiver(void *arg)
{
    void *item;
    int r;
    while ((r = rt_channel_receive(channel, &item, rt_deadline(20000))) == 0) {
        atomic_fetch_add(&sum_received, (intptr_t)item);
    }
    CHECK_EQ(r, -EPIPE);
    atomic_fetch_add(&ended, 1);
}

static void channel_stress(void *arg)
{
    size_t capacity = (size_t)(intptr_t)arg;
    atomic_store(&sum_sent, 0);
    atomic_store(&sum_received, 0);
    atomic_store(&ended, 0);
    rounds = many(2000, 300);
    channel = rt_channel_new(capacity);
    for (unsigned i = 0; i < 6; i++) {
        rt_go_on(i % rt_loop_count(), sender, NULL);
        rt_go_on((i + 1) % rt_loop_count(), receiver, NULL);
    }
    wait_for(&ended, 6); /* the senders: no receiver ends before the channel is closed */
    rt_channel_close(channel);
    wait_for(&ended, 12);
    CHECK_EQ(atomic_load(&sum_sent), 6L * rounds * (rounds + 1) / 2);
    CHECK_EQ(atomic_load(&sum_received), atomic_load(&sum_sent));
    rt_channel_free(channel);
}

static void channel_stresses(void *arg)
{
    channel_stress((void *)1);
    channel_stress((void *)7);
}

static void channel_rules(void *arg)
{
    int items[4];
    void *got;
    channel = rt_channel_new(3);
    CHECK_EQ(rt_channel_receive(channel, &got, rt_deadline(10)), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rt_channel_send(channel, &items[i], 0), 0); /* a deadline in the past, but no need to wait */
    }
    CHECK_EQ(rt_channel_send(channel, &items[3], rt_deadline(10)), -ETIMEDOUT);
    rt_channel_close(channel);
    CHECK_EQ(rt_channel_send(channel, &items[3], RT_FOREVER), -EPIPE);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rt_channel_receive(channel, &got, RT_FOREVER), 0);
        CHECK(got == &items[i]);
    }
    CHECK_EQ(rt_channel_receive(channel, &got, RT_FOREVER), -EPIPE);
    rt_channel_free(channel);
}

static void expect_pipe(void *arg)
{
    void *item;
    int r = arg != NULL ? rt_channel_send(channel, arg, RT_FOREVER)
                        : rt_channel_receive(channel, &item, RT_FOREVER);
    CHECK_EQ(r, -EPIPE);
    atomic_fetch_add(&ended, 1);
}

/* Closing wakes all who wait, on whichever side and loop. */
static void channel_close_wakes(void *arg)
{
    static int item;
    for (int full = 0; full < 2; full++) {
        channel = rt_channel_new(1);
        atomic_store(&ended, 0);
        if (full) {
            CHECK_EQ(rt_channel_send(channel, &item, RT_FOREVER), 0);
        }
        for (unsigned i = 0; i < 6; i++) {
            rt_go_on(i % rt_loop_count(), expect_pipe, full ? &item : NULL);
        }
        rt_sleep(20);
        CHECK_EQ(atomic_load(&ended), 0);
        rt_channel_close(channel);
        wait_for(&ended, 6);
        rt_channel_free(channel);
    }
}

static void test_channel(void **state)
{
    for (unsigned loops = 1; loops <= 3; loops++) {
        run(loops, channel_stresses);
        run(loops, channel_rules);
        run(loops, channel_close_wakes);
    }
}

/* --- joining across loops --------------------------------------------------------------------------------- */

static atomic_int slept;

static void short_sleep(void *arg)
{
    rt_sleep((intptr_t)arg);
    atomic_fetch_add(&slept, 1);
}

static void pass_on(void *arg)
{
    for (intptr_t i = 0; i < rounds; i++) {
        CHECK_EQ(rt_channel_send(channel, rt_spawn(short_sleep, (void *)(i % 3)), RT_FOREVER), 0);
    }
    rt_channel_close(channel);
}

static void join_elsewhere(void *arg)
{
    rounds = 200;
    atomic_store(&slept, 0);
    channel = rt_channel_new(10);
    rt_go_on(1, pass_on, NULL);
    void *task;
    int joined = 0;
    while (rt_channel_receive(channel, &task, RT_FOREVER) == 0) {
        rt_join(task);
        joined++;
    }
    CHECK_EQ(joined, rounds);
    CHECK_EQ(atomic_load(&slept), rounds);
    rt_channel_free(channel);
}

static void test_join(void **state)
{
    run(2, join_elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex),
        cmocka_unit_test(test_cond),
        cmocka_unit_test(test_channel),
        cmocka_unit_test(test_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
