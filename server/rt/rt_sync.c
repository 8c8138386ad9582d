/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_sync.c: mutex, condition and channel between tasks of any loops, on rt_park() and rt_unpark().
 *
 * Who waits stands in a list of waiters, each on the stack of its task, guarded by the spin lock of the object.
 * Whoever wakes takes the waiter off the list under that lock; who has taken it off owes it one rt_unpark().
 * So a task whose wait ended for another reason (deadline, cancel) looks under the lock: still on the list,
 * nobody will wake it; off the list, the wake-up is coming and it waits for that. Nothing is lost, and nobody
 * is woken who has gone on to something else.
 */
#include "rt/rt_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/clock.h"

struct rt_waiter {
    struct rt_waiter *next, *prev;
    struct rt_task *task;
    bool listed;
    bool handed;      /* of a mutex: the task that woke this one has given it the mutex */
    int64_t since_ms; /* of a mutex */
};

#define HAND_OVER_MS 2

/* --- lists of waiters ------------------------------------------------------------------------------------- */

struct waiters {
    struct rt_waiter **first, **last;
};
#define WAITERS(object) ((struct waiters){&(object)->first, &(object)->last})

static void waiters_append(struct waiters l, struct rt_waiter *w)
{
    w->next = NULL;
    w->prev = *l.last;
    *(w->prev != NULL ? &w->prev->next : l.first) = w;
    *l.last = w;
    w->listed = true;
}

static void waiters_prepend(struct waiters l, struct rt_waiter *w)
{
    w->prev = NULL;
    w->next = *l.first;
    *(w->next != NULL ? &w->next->prev : l.last) = w;
    *l.first = w;
    w->listed = true;
}

static void waiters_remove(struct waiters l, struct rt_waiter *w)
{
    *(w->prev != NULL ? &w->prev->next : l.first) = w->next;
    *(w->next != NULL ? &w->next->prev : l.last) = w->prev;
    w->listed = false;
}

/* The task to wake, NULL if nobody waits. */
static struct rt_task *waiters_take(struct waiters l)
{
    struct rt_waiter *w = *l.first;
    if (w == NULL) {
        return NULL;
    }
    waiters_remove(l, w);
    return w->task;
}

static void wake(struct rt_task *t)
{
    if (t != NULL) {
        rt_unpark(t);
    }
}

/* The wait of a listed waiter, without the lock. 0 if it was taken off the list, else it has left the list. */
static int waiters_wait(struct waiters l, _Atomic(int) *lock, struct rt_waiter *w, int64_t deadline)
{
    int r = rt_park(deadline, true);
    if (r == 0) {
        return 0;
    }
    rt_spin_lock(lock);
    bool listed = w->listed;
    if (listed) {
        waiters_remove(l, w);
    }
    rt_spin_unlock(lock);
    if (!listed) {
        r = rt_park(RT_FOREVER, false);
    }
    return r;
}

/* --- mutex ------------------------------------------------------------------------------------------------ */

void rt_mutex_init(struct rt_mutex *m)
{
    *m = (struct rt_mutex){0};
}

void rt_mutex_destroy(struct rt_mutex *m)
{
    assert(!m->held && m->first == NULL);
}

/* The other side of a call: a woken waiter takes the lock if it is free, or is the first to wait again. */
static bool mutex_take(struct rt_mutex *m, struct rt_waiter *w)
{
    rt_spin_lock(&m->lock);
    m->called = false;
    bool taken = !m->held;
    if (taken) {
        m->held = true;
    } else {
        waiters_prepend(WAITERS(m), w);
    }
    rt_spin_unlock(&m->lock);
    return taken;
}

void rt_lock(struct rt_mutex *m)
{
    rt_spin_lock(&m->lock);
    if (!m->held) {
        m->held = true;
        rt_spin_unlock(&m->lock);
        return;
    }
    struct rt_waiter w = {.task = rt_self(), .since_ms = clock_monotonic_ms()};
    assert(w.task != NULL);
    waiters_append(WAITERS(m), &w);
    rt_spin_unlock(&m->lock);
    do {
        rt_park(RT_FOREVER, false);
    } while (!w.handed && !mutex_take(m, &w));
}

/* Whom to wake, with the spin lock. The mutex is handed to a waiter on this loop. One on another loop needs its
 * time to wake, in which nobody could have the mutex: it is only called, and whoever comes first has it; but
 * after HAND_OVER_MS it is handed over, so that nobody starves.
 * While the mutex is free, a waiter in the list means that one is called. */
static struct rt_task *mutex_next(struct rt_mutex *m)
{
    struct rt_waiter *w = m->first;
    m->held = false;
    if (w == NULL) {
        return NULL;
    }
    w->handed = m->held = rt_near(w->task) || clock_monotonic_ms() - w->since_ms >= HAND_OVER_MS;
    if (!w->handed) {
        if (m->called) {
            return NULL;
        }
        m->called = true;
    }
    return waiters_take(WAITERS(m));
}

void rt_unlock(struct rt_mutex *m)
{
    rt_spin_lock(&m->lock);
    assert(m->held);
    struct rt_task *next = mutex_next(m);
    rt_spin_unlock(&m->lock);
    wake(next);
}

/* --- condition -------------------------------------------------------------------------------------------- */

void rt_cond_init(struct rt_cond *c)
{
    *c = (struct rt_cond){0};
}

void rt_cond_destroy(struct rt_cond *c)
{
    assert(c->first == NULL);
}

int rt_cond_wait(struct rt_cond *c, struct rt_mutex *m, int64_t deadline)
{
    struct rt_waiter w = {.task = rt_self()};
    rt_spin_lock(&c->lock);
    waiters_append(WAITERS(c), &w);
    rt_spin_unlock(&c->lock);
    rt_unlock(m);
    int r = waiters_wait(WAITERS(c), &c->lock, &w, deadline);
    rt_lock(m);
    return r;
}

void rt_cond_signal(struct rt_cond *c)
{
    rt_spin_lock(&c->lock);
    struct rt_task *t = waiters_take(WAITERS(c));
    rt_spin_unlock(&c->lock);
    wake(t);
}

/* Only those who wait now: a woken task that comes back at once is not woken again. */
void rt_cond_broadcast(struct rt_cond *c)
{
    rt_spin_lock(&c->lock);
    struct rt_waiter *w = c->first;
    for (struct rt_waiter *i = w; i != NULL; i = i->next) {
        i->listed = false;
    }
    c->first = c->last = NULL;
    rt_spin_unlock(&c->lock);
    while (w != NULL) {
        struct rt_waiter *next = w->next; /* w is gone once its task runs */
        rt_unpark(w->task);
        w = next;
    }
}

/* --- channel ---------------------------------------------------------------------------------------------- */

struct channel_side {
    struct rt_waiter *first, *last;
};

struct rt_channel {
    _Atomic(int) lock; /* guards the rest */
    bool closed;
    size_t capacity, count, head;
    struct channel_side senders,
        receivers; /* a side has waiters only while it cannot go on, or they are woken */
    void *items[];
};

struct rt_channel *rt_channel_new(size_t capacity)
{
    if (capacity == 0) {
        capacity = 1;
    }
    struct rt_channel *c = xcalloc(1, sizeof *c + capacity * sizeof c->items[0]);
    c->capacity = capacity;
    return c;
}

void rt_channel_free(struct rt_channel *c)
{
    if (c != NULL) {
        assert(c->senders.first == NULL && c->receivers.first == NULL);
        free(c);
    }
}

/* Called with the lock held, returns without. */
static int channel_wait(struct rt_channel *c, struct channel_side *side, int64_t deadline)
{
    struct rt_waiter w = {.task = rt_self()};
    waiters_append(WAITERS(side), &w);
    rt_spin_unlock(&c->lock);
    return waiters_wait(WAITERS(side), &c->lock, &w, deadline);
}

int rt_channel_send(struct rt_channel *c, void *item, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    for (;;) {
        rt_spin_lock(&c->lock);
        if (c->closed || c->count < c->capacity) {
            break;
        }
        int r = channel_wait(c, &c->senders, deadline);
        if (r < 0) {
            return r;
        }
    }
    bool closed = c->closed;
    struct rt_task *next = NULL;
    if (!closed) {
        c->items[(c->head + c->count++) % c->capacity] = item;
        next = waiters_take(WAITERS(&c->receivers));
    }
    rt_spin_unlock(&c->lock);
    wake(next);
    return closed ? -EPIPE : 0;
}

int rt_channel_receive(struct rt_channel *c, void **ret_item, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    for (;;) {
        rt_spin_lock(&c->lock);
        if (c->closed || c->count > 0) {
            break;
        }
        int r = channel_wait(c, &c->receivers, deadline);
        if (r < 0) {
            return r;
        }
    }
    bool empty = c->count == 0;
    struct rt_task *next = NULL;
    if (!empty) {
        *ret_item = c->items[c->head];
        c->head = (c->head + 1) % c->capacity;
        c->count--;
        next = waiters_take(WAITERS(&c->senders));
    }
    rt_spin_unlock(&c->lock);
    wake(next);
    return empty ? -EPIPE : 0;
}

/* One at a time, so that a woken task may free the channel only after the last was taken: the caller must not
 * free it before this returns. */
void rt_channel_close(struct rt_channel *c)
{
    struct rt_task *t;
    rt_spin_lock(&c->lock);
    c->closed = true;
    while ((t = waiters_take(WAITERS(&c->senders))) != NULL ||
           (t = waiters_take(WAITERS(&c->receivers))) != NULL) {
        rt_spin_unlock(&c->lock);
        rt_unpark(t);
        rt_spin_lock(&c->lock);
    }
    rt_spin_unlock(&c->lock);
}
