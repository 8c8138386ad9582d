/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro_timer.c: one timer per task in a heap.
 *
 * Most waits end before their deadline, and the next wait of the task has a later one. So a timer is left where
 * it is when its wait ends, and only moved forward, never back: when it comes too early, it is set again for
 * what the task then waits for. A busy connection so touches the heap about once per time limit.
 */
#include "rt/rt_coro.h"

#include <assert.h>
#include <string.h>
#include "common/alloc.h"

static void place(struct rt_timers *timers, size_t i, struct rt_timer timer)
{
    timers->heap[i] = timer;
    timer.task->timer_place = i + 1;
}

static void sift_up(struct rt_timers *timers, size_t i, struct rt_timer timer)
{
    while (i > 0 && timers->heap[(i - 1) / 4].key_ms > timer.key_ms) {
        place(timers, i, timers->heap[(i - 1) / 4]);
        i = (i - 1) / 4;
    }
    place(timers, i, timer);
}

static void sift_down(struct rt_timers *timers, size_t i, struct rt_timer timer)
{
    for (;;) {
        size_t first = 4 * i + 1, least = first;
        if (first >= timers->count) {
            break;
        }
        for (size_t c = first + 1; c < first + 4 && c < timers->count; c++) {
            if (timers->heap[c].key_ms < timers->heap[least].key_ms) {
                least = c;
            }
        }
        if (timers->heap[least].key_ms >= timer.key_ms) {
            break;
        }
        place(timers, i, timers->heap[least]);
        i = least;
    }
    place(timers, i, timer);
}

void rt_timer_arm(struct rt_timers *timers, struct rt_task *t, int64_t ms)
{
    struct rt_timer timer = {.key_ms = ms, .task = t};
    if (t->timer_place == 0) {
        timers->heap = xgrow(timers->heap, &timers->cap, timers->count + 1, sizeof timers->heap[0]);
        sift_up(timers, timers->count++, timer);
    } else if (ms < timers->heap[t->timer_place - 1].key_ms) {
        sift_up(timers, t->timer_place - 1, timer);
    }
}

void rt_timer_disarm(struct rt_timers *timers, struct rt_task *t)
{
    if (t->timer_place == 0) {
        return;
    }
    size_t i = t->timer_place - 1;
    assert(timers->heap[i].task == t);
    t->timer_place = 0;
    struct rt_timer last = timers->heap[--timers->count];
    if (i == timers->count) {
        return;
    }
    if (i > 0 && timers->heap[(i - 1) / 4].key_ms > last.key_ms) {
        sift_up(timers, i, last);
    } else {
        sift_down(timers, i, last);
    }
}

void rt_timers_expire(struct rt_timers *timers, int64_t now_ms,
                      int64_t (*due)(struct rt_task *t, int64_t now_ms))
{
    while (timers->count > 0 && timers->heap[0].key_ms <= now_ms) {
        struct rt_task *t = timers->heap[0].task;
        int64_t next = due(t, now_ms);
        assert(next > now_ms);
        if (next == RT_FOREVER) {
            rt_timer_disarm(timers, t);
        } else {
            sift_down(timers, 0, (struct rt_timer){.key_ms = next, .task = t});
        }
    }
}

int64_t rt_timers_next(const struct rt_timers *timers)
{
    return timers->count > 0 ? timers->heap[0].key_ms : RT_FOREVER;
}
