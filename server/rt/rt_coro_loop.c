/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro_loop.c: a loop: runs what is ready, then timers, then asks epoll.
 *
 * Everything of a loop belongs to its thread, but for the inbox. How a message is never lost: the sender adds it
 * and then reads `asleep`; the loop sets `asleep` and then reads the inbox; both in one total order, so at least
 * one of them sees the other. A sender who finds 1 takes it, so that the others need not write as well, and an
 * awake loop costs no system call.
 */
#include "rt/rt_coro.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/clock.h"

#define EVENTS_MAX 128
/* While tasks are ready, descriptors are asked about no more often than this. */
#define POLL_INTERVAL_NS 50000
#define EVENT_FD_DATA    UINT64_MAX

_Thread_local struct rt_loop *rt_this_loop;

int rt_loop_init(struct rt_loop *l, unsigned index)
{
    *l = (struct rt_loop){.index = index, .epoll_fd = -1, .event_fd = -1};
    l->ready_last = &l->ready;
    l->stacks.stack_bytes = rt_runtime.stack_bytes;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = EVENT_FD_DATA};
    if (l->epoll_fd < 0 || l->event_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->event_fd, &e) < 0) {
        int r = -errno;
        rt_loop_release(l);
        return r;
    }
    return 0;
}

void rt_loop_release(struct rt_loop *l)
{
    if (l->epoll_fd >= 0) {
        close(l->epoll_fd);
    }
    if (l->event_fd >= 0) {
        close(l->event_fd);
    }
    rt_stack_cache_release(&l->stacks);
    free(l->timers.heap);
    rt_fds_release(l);
}

/* --- messages --------------------------------------------------------------------------------------------- */

/* Edge-triggered: every write wakes, and nobody has to read the counter. */
static void loop_wake(struct rt_loop *l)
{
    eventfd_write(l->event_fd, 1);
}

void rt_loop_post(struct rt_loop *l, struct rt_message *m)
{
    m->next = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&l->inbox, &m->next, m)) {
    }
    if (l != rt_this_loop && atomic_load(&l->asleep) != 0 && atomic_exchange(&l->asleep, 0) != 0) {
        loop_wake(l);
    }
}

void rt_loop_stop_all(void)
{
    atomic_store(&rt_runtime.stop, true);
    for (unsigned i = 0; i < rt_runtime.count; i++) {
        loop_wake(&rt_runtime.loops[i]);
    }
}

/* In the order in which they were sent. */
void rt_loop_drain(struct rt_loop *l)
{
    if (atomic_load_explicit(&l->inbox, memory_order_relaxed) == NULL) {
        return;
    }
    struct rt_message *m = atomic_exchange(&l->inbox, NULL), *first = NULL;
    while (m != NULL) {
        struct rt_message *next = m->next;
        m->next = first;
        first = m;
        m = next;
    }
    while (first != NULL) {
        struct rt_message *next = first->next; /* the message is gone once its function has run */
        first->fn(first);
        first = next;
    }
}

/* --- turns ------------------------------------------------------------------------------------------------ */

static void task_prepare(struct rt_loop *l, struct rt_task *t)
{
    t->stack = rt_stack_get(&l->stacks);
    if (t->stack == NULL) {
        fprintf(stderr, "out of memory for the stack of a task\n");
        abort();
    }
    rt_context_make(&t->context, t->stack);
}

static void count_one(_Atomic(uint64_t) *counter)
{
    /* One writer: no need of a locked instruction. */
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

static void task_turn(struct rt_loop *l, struct rt_task *t)
{
    if (t->stack == NULL) {
        task_prepare(l, t);
    }
    count_one(&l->switches);
    atomic_store_explicit(&l->current, t, memory_order_relaxed);
    atomic_store_explicit(&l->turn_start_ns, l->now_ns, memory_order_release);
    rt_context_switch(&l->context, &t->context, false);
    int64_t now = clock_monotonic_ns(), ns = now - l->now_ns;
    l->now_ns = now;
    if (ns > rt_runtime.watchdog_ns) {
        count_one(&l->slow_turns);
        rt_watch_slow(l, t, ns);
    }
    atomic_store_explicit(&l->turn_start_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&l->current, NULL, memory_order_relaxed);
    if (t->ending) {
        rt_task_finish(t);
    }
}

/* Those ready now; who becomes ready meanwhile has his turn after the descriptors of others. */
static void run_ready(struct rt_loop *l)
{
    struct rt_task *t = l->ready;
    l->ready = NULL;
    l->ready_last = &l->ready;
    while (t != NULL) {
        struct rt_task *next = t->next;
        task_turn(l, t);
        t = next;
    }
}

/* For epoll_wait(): until the next timer, rounded up; 0 if there is something to do. */
static int sleep_ms(struct rt_loop *l)
{
    int64_t next = rt_timers_next(&l->timers);
    if (l->ready != NULL) {
        return 0;
    }
    if (next == RT_FOREVER) {
        return -1;
    }
    int64_t ms = next - l->now_ns / 1000000;
    return ms <= 0 ? 0 : ms < INT_MAX ? (int)ms : INT_MAX;
}

static void poll_events(struct rt_loop *l)
{
    struct epoll_event events[EVENTS_MAX];
    int ms = sleep_ms(l);
    if (ms != 0) {
        atomic_store(&l->asleep, 1);
        if (atomic_load(&l->inbox) != NULL) {
            ms = 0;
        }
    }
    int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, ms);
    atomic_store_explicit(&l->asleep, 0, memory_order_relaxed);
    l->polled_ns = l->now_ns = clock_monotonic_ns();
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 != EVENT_FD_DATA) {
            rt_fd_event(l, events[i].data.u64, events[i].events);
        }
    }
}

void rt_loop_run(struct rt_loop *l)
{
    rt_this_loop = l;
    l->polled_ns = l->now_ns = clock_monotonic_ns();
    while (!atomic_load(&rt_runtime.stop)) {
        rt_loop_drain(l);
        run_ready(l);
        rt_timers_expire(&l->timers, l->now_ns / 1000000, rt_task_due);
        if (l->ready == NULL || l->now_ns - l->polled_ns > POLL_INTERVAL_NS) {
            poll_events(l);
        }
    }
    rt_this_loop = NULL;
}
