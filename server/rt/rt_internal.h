/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_internal.h: between the files of server/rt; nobody else includes it.
 *
 * What differs between coroutines and threads is below the first heading and is implemented by rt_coro*.c and
 * rt_threads.c. What is built on it (rt_sync.c, rt_io.c, rt_pool.c) is the same code for both.
 */
#ifndef RT_RT_INTERNAL_H
#define RT_RT_INTERNAL_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "rt/rt.h"

/* --- waiting: by the implementation ---------------------------------------------------------------------- */

/* The running task, NULL outside tasks. */
struct rt_task *rt_self(void);
bool rt_self_canceled(void);

/* The one way in which a task waits for another thread or task. Every rt_unpark() is consumed by exactly one
 * rt_park() that returns 0, whichever comes first; nobody may unpark a task twice without a park between. So
 * whoever hands out a wake-up must first make sure (under a lock) that nobody else does, and a task that
 * gives up waiting must find out (under the same lock) whether a wake-up is on its way, and then consume it.
 * 0, -ETIMEDOUT or, if cancellable, -ECANCELED. */
int rt_park(int64_t deadline, bool cancellable);
void rt_unpark(struct rt_task *t); /* from any thread */

/* True if waking the task costs next to nothing: it runs on the caller's loop. */
bool rt_near(const struct rt_task *t);

enum rt_direction { RT_READ, RT_WRITE };
/* Waits until fd is ready; may return 0 without cause. -ETIMEDOUT, -ECANCELED (also by rt_close). */
int rt_wait_fd(int fd, enum rt_direction direction, int64_t deadline, bool idle);
/* The same on a listening descriptor shared between loops. */
int rt_wait_accept(int fd, int64_t deadline);
/* Before accept4(): lets a loop with fewer connections go first, for a moment. 0, or -ECANCELED if the descriptor
 * was closed, also by another loop. */
int rt_accept_turn(int fd);
/* rt_attach() for a descriptor just made, non-blocking; accepted: it counts as a connection of this loop. */
int rt_adopt(int fd, bool accepted);
/* An I/O call has succeeded at once with n bytes: after some of them others get a turn. */
void rt_progress(size_t n);

/* --- shared ---------------------------------------------------------------------------------------------- */

/* rt_pool.c */
void rt_pool_start_default(unsigned threads);
void rt_pool_stop_default(void);
uint64_t rt_pool_jobs(void);
/* A thread with all signals blocked, so that they reach the thread that called rt_run(). 0 or -errno. */
int rt_thread_start(pthread_t *ret, const char *name, void *(*fn)(void *arg), void *arg);
/* Cores this process may use, at least 1. */
unsigned rt_cores(void);

static inline void rt_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* For a few instructions only, never across a system call that may wait or a switch. */
static inline void rt_spin_lock(_Atomic(int) *lock)
{
    for (unsigned tries = 0; atomic_exchange_explicit(lock, 1, memory_order_acquire); tries++) {
        if (tries < 64) {
            rt_pause();
        } else {
            sched_yield();
        }
    }
}
static inline void rt_spin_unlock(_Atomic(int) *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

#endif
