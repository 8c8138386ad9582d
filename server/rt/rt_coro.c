/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro.c: tasks as stackful coroutines.
 *
 *   state     in                        leaves it by
 *   new       ready queue or inbox      its first turn
 *   ready     ready queue of its loop   its turn
 *   running   loop->current             rt_park() without token, rt_yield(), its end
 *   parked    nowhere; who will wake    token, deadline, rt_cancel()  -> ready
 *             it has its address
 *   ended     the joiner's hands        rt_join() frees it; a detached task is freed at once
 *
 * All of it happens on the thread of the task's loop. Another thread that wakes a task sends the task itself as a
 * message, of which there is at most one (rt_internal.h: one rt_unpark() per rt_park()).
 */
#include "rt/rt_coro.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"

/* What a task may do by I/O that never has to wait before others have their turn: calls, and 64 KiB each count
 * as one more. */
#define BUDGET       64
#define BUDGET_SHIFT 16
#define WATCHDOG_MS  50

struct rt_runtime rt_runtime;

#define TASK_OF(message_) ((struct rt_task *)((char *)(message_)-offsetof(struct rt_task, message)))

/* --- ready ------------------------------------------------------------------------------------------------ */

void rt_task_ready(struct rt_task *t)
{
    struct rt_loop *l = t->loop;
    t->parked = false;
    t->next = NULL;
    *l->ready_last = t;
    l->ready_last = &t->next;
}

void rt_task_token(struct rt_task *t)
{
    assert(!t->token);
    t->token = true;
    if (t->parked) {
        rt_task_ready(t);
    }
}

static void message_token(struct rt_message *m)
{
    rt_task_token(TASK_OF(m));
}

static void message_start(struct rt_message *m)
{
    rt_task_ready(TASK_OF(m));
}

/* --- waiting ---------------------------------------------------------------------------------------------- */

struct rt_task *rt_self(void)
{
    return rt_current();
}

bool rt_self_canceled(void)
{
    struct rt_task *t = rt_current();
    return t != NULL && t->canceled;
}

static void to_loop(struct rt_task *t)
{
    rt_context_switch(&t->context, &t->loop->context, false);
}

int rt_park(int64_t deadline, bool cancellable)
{
    struct rt_task *t = rt_current();
    if (!t->token) {
        if (cancellable && t->canceled) {
            return -ECANCELED;
        }
        if (deadline <= t->loop->now_ns / 1000000) {
            return -ETIMEDOUT;
        }
        t->deadline = deadline;
        int64_t due = deadline < t->trim_ms ? deadline : t->trim_ms;
        if (due != RT_FOREVER) {
            rt_timer_arm(&t->loop->timers, t, due);
        }
        t->budget = BUDGET;
        t->result = 0;
        t->cancellable = cancellable;
        t->parked = true;
        to_loop(t);
    }
    /* The token counts even if the deadline came before the task's turn: somebody has given it. */
    if (t->token) {
        t->token = false;
        return 0;
    }
    return t->result;
}

void rt_unpark(struct rt_task *t)
{
    if (t->loop == rt_this_loop) {
        rt_task_token(t);
    } else {
        t->message.fn = message_token;
        rt_loop_post(t->loop, &t->message);
    }
}

bool rt_near(const struct rt_task *t)
{
    return t->loop == rt_this_loop;
}

int64_t rt_task_due(struct rt_task *t, int64_t now_ms)
{
    if (!t->parked) {
        return RT_FOREVER;
    }
    if (t->deadline <= now_ms) {
        t->result = -ETIMEDOUT;
        rt_task_ready(t);
        return RT_FOREVER;
    }
    if (t->trim_ms <= now_ms) {
        t->trim_ms = RT_FOREVER;
        rt_stack_trim(t->stack, &t->context);
    }
    return t->deadline < t->trim_ms ? t->deadline : t->trim_ms;
}

void rt_yield(void)
{
    struct rt_task *t = rt_current();
    t->budget = BUDGET;
    rt_task_ready(t);
    to_loop(t);
}

void rt_progress(size_t n)
{
    struct rt_task *t = rt_current();
    t->budget -= 1 + (int)(n >> BUDGET_SHIFT);
    if (t->budget <= 0) {
        rt_yield();
    }
}

int rt_sleep_until(int64_t deadline)
{
    int r = rt_park(deadline, true);
    if (r == -ETIMEDOUT && deadline <= rt_current()->loop->now_ns / 1000000) {
        rt_progress((size_t)1 << BUDGET_SHIFT);
    }
    return r == -ETIMEDOUT ? 0 : r;
}

/* --- tasks ------------------------------------------------------------------------------------------------ */

static struct rt_task *task_new(struct rt_loop *l, void (*fn)(void *arg), void *arg, bool detached)
{
    struct rt_task *t = xcalloc(1, sizeof *t);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    t->detached = detached;
    t->deadline = t->trim_ms = RT_FOREVER;
    t->budget = BUDGET;
    atomic_fetch_add(&rt_runtime.alive, 1);
    return t;
}

/* Where every stack begins. */
void rt_task_main(void)
{
    struct rt_task *t = rt_current();
    rt_context_entered(&t->loop->context);
    t->fn(t->arg);
    t->ending = true;
    rt_context_switch(&t->context, &t->loop->context, true);
    abort(); /* an ended task has no turn */
}

/* On the loop's own stack. The task is published as ended only now, when nothing of it runs: its joiner may be
 * on another loop. */
void rt_task_finish(struct rt_task *t)
{
    struct rt_task *joiner = NULL;
    bool last = atomic_fetch_sub(&rt_runtime.alive, 1) == 1;
    rt_timer_disarm(&t->loop->timers, t);
    rt_stack_put(&t->loop->stacks, t->stack);
    if (t->detached) {
        free(t);
    } else {
        rt_spin_lock(&t->lock);
        t->ended = true;
        joiner = t->joiner;
        rt_spin_unlock(&t->lock);
    }
    if (joiner != NULL) {
        rt_unpark(joiner);
    }
    if (last) {
        rt_loop_stop_all();
    }
}

struct rt_task *rt_spawn(void (*fn)(void *arg), void *arg)
{
    struct rt_task *t = task_new(rt_this_loop, fn, arg, false);
    rt_task_ready(t);
    return t;
}

void rt_join(struct rt_task *t)
{
    rt_spin_lock(&t->lock);
    bool ended = t->ended;
    t->joiner = rt_current();
    rt_spin_unlock(&t->lock);
    if (!ended) {
        rt_park(RT_FOREVER, false);
    }
    free(t);
}

bool rt_ended(struct rt_task *t)
{
    rt_spin_lock(&t->lock);
    bool ended = t->ended;
    rt_spin_unlock(&t->lock);
    return ended;
}

void rt_cancel(struct rt_task *t)
{
    t->canceled = true;
    if (t->parked && t->cancellable) {
        t->result = -ECANCELED;
        rt_task_ready(t);
    }
}

void rt_go_on(unsigned loop, void (*fn)(void *arg), void *arg)
{
    assert(loop < rt_runtime.count);
    struct rt_task *t = task_new(&rt_runtime.loops[loop], fn, arg, true);
    if (t->loop == rt_this_loop) {
        rt_task_ready(t);
    } else {
        t->message.fn = message_start;
        rt_loop_post(t->loop, &t->message);
    }
}

void rt_go(void (*fn)(void *arg), void *arg)
{
    rt_go_on(rt_this_loop->index, fn, arg);
}

void rt_label(const char *text)
{
    struct rt_task *t = rt_current();
    if (t != NULL) {
        rt_spin_lock(&t->loop->watch_lock);
        t->label = text;
        rt_spin_unlock(&t->loop->watch_lock);
    }
}

/* --- the runtime ------------------------------------------------------------------------------------------ */

unsigned rt_loop_count(void)
{
    return rt_runtime.count;
}

unsigned rt_loop_index(void)
{
    return rt_this_loop != NULL ? rt_this_loop->index : 0;
}

static void *loop_main(void *arg)
{
    rt_loop_run(arg);
    return NULL;
}

static int loops_start(void)
{
    for (unsigned i = 1; i < rt_runtime.count; i++) {
        int r = rt_thread_start(&rt_runtime.loops[i].thread, "rt-loop", loop_main, &rt_runtime.loops[i]);
        if (r < 0) {
            rt_loop_stop_all();
            while (--i > 0) {
                pthread_join(rt_runtime.loops[i].thread, NULL);
            }
            return r;
        }
    }
    return 0;
}

static void loops_release(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct rt_loop *l = &rt_runtime.loops[i];
        rt_loop_drain(l);
        rt_runtime.past_switches += atomic_load(&l->switches);
        rt_runtime.past_slow_turns += atomic_load(&l->slow_turns);
        rt_loop_release(l);
    }
    free(rt_runtime.loops);
    rt_runtime.loops = NULL;
    rt_runtime.count = 0;
}

static int loops_init(unsigned n)
{
    rt_runtime.loops = xcalloc(n, sizeof rt_runtime.loops[0]);
    for (unsigned i = 0; i < n; i++) {
        int r = rt_loop_init(&rt_runtime.loops[i], i);
        if (r < 0) {
            loops_release(i);
            return r;
        }
    }
    rt_runtime.count = n;
    return 0;
}

static int run_all(void (*fn)(void *arg), void *arg)
{
    struct rt_loop *first = &rt_runtime.loops[0];
    int r = rt_watch_start();
    if (r < 0) {
        return r;
    }
    r = loops_start();
    if (r == 0) {
        rt_task_ready(task_new(first, fn, arg, true));
        rt_loop_run(first);
        for (unsigned i = 1; i < rt_runtime.count; i++) {
            pthread_join(rt_runtime.loops[i].thread, NULL);
        }
    }
    rt_watch_stop();
    return r;
}

int rt_run(const struct rt_options *options, void (*fn)(void *arg), void *arg)
{
    struct rt_options o = options != NULL ? *options : (struct rt_options){0};
    signal(SIGPIPE, SIG_IGN);
    rt_runtime.stack_bytes = o.stack_bytes;
    rt_runtime.watchdog_ns = (int64_t)(o.watchdog_ms != 0 ? o.watchdog_ms : WATCHDOG_MS) * 1000000;
    atomic_store(&rt_runtime.stop, false);
    int r = loops_init(o.loops != 0 ? o.loops : rt_cores());
    if (r < 0) {
        return r;
    }
    rt_pool_start_default(o.offload_threads);
    r = run_all(fn, arg);
    rt_pool_stop_default();
    loops_release(rt_runtime.count);
    return r;
}

void rt_stats(struct rt_stats *ret)
{
    *ret = (struct rt_stats){.tasks = atomic_load(&rt_runtime.alive),
                             .switches = rt_runtime.past_switches,
                             .slow_turns = rt_runtime.past_slow_turns,
                             .offloaded = rt_pool_jobs()};
    for (unsigned i = 0; i < rt_runtime.count; i++) {
        ret->switches += atomic_load_explicit(&rt_runtime.loops[i].switches, memory_order_relaxed);
        ret->slow_turns += atomic_load_explicit(&rt_runtime.loops[i].slow_turns, memory_order_relaxed);
    }
}
