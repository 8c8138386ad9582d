/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_pool.c: threads for what blocks, each pool with a bounded queue.
 *
 * A job lives on the stack of the task that waits for it; nobody touches it after rt_unpark(). Threads start
 * when a job arrives and no thread is idle, up to the pool's number, and stay. The thread that became idle last
 * is woken first: its caches are warm, and the others sleep on.
 *
 * Waking a thread costs more than most jobs that find their file in the cache, so a wake-up is not repeated while
 * one is on its way: the thread that arrives wakes the next before its own job, if the queue is not empty.
 * Measured on two cores (tests/bench/bench_rt.c): 64 tasks with empty jobs 0.7 to 1.4 us a job, 8 to 11 us with a
 * wake-up per job; one task alone 8 to 50 us either way, by whether a core has to leave its idle state. Letting
 * threads or loops spin for 5 to 50 us before they sleep gained nothing that could be told from noise, and cost
 * up to twice the CPU time.
 *
 * States of a thread: running (not in the idle list), idle (in the list, asleep on its word `wake`), called (off
 * the list, wake = 1, p->called is true until it has taken the lock).
 * Invariant when the lock is free: a queued job means that a thread is called, or that none is idle.
 */
#include "rt/rt_internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/alloc.h"

/* Jobs waiting in the default pool; more than that is overload, and the request is better refused. */
#define DEFAULT_QUEUE   4096
#define DEFAULT_THREADS 32

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
    struct rt_task *task;
};

struct worker {
    struct rt_pool *pool;
    struct worker *next_idle;
    _Atomic(uint32_t) wake; /* 1: called; a futex */
    pthread_t thread;
};

struct rt_pool {
    pthread_mutex_t lock; /* guards the rest */
    struct job *first, **last;
    unsigned inside, inside_max; /* jobs queued or running */
    struct worker *idle;
    bool called; /* a thread is on its way to the queue */
    bool stop;
    unsigned threads, threads_max;
    char name[16];
    struct worker worker[];
};

static struct rt_pool *default_pool;
static _Atomic(uint64_t) jobs_run;

/* --- threads ---------------------------------------------------------------------------------------------- */

unsigned rt_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) < 1) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&set);
}

int rt_thread_start(pthread_t *ret, const char *name, void *(*fn)(void *arg), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = -pthread_create(ret, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r == 0) {
        pthread_setname_np(*ret, name);
    }
    return r;
}

static void worker_sleep(struct worker *w)
{
    while (atomic_load_explicit(&w->wake, memory_order_acquire) == 0) {
        syscall(SYS_futex, &w->wake, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
}

/* Only after the word is 1 may the thread be gone, so this may wake a stranger's futex: harmless, as every wait
 * on a futex tests its word again. */
static void worker_wake(struct worker *w)
{
    atomic_store_explicit(&w->wake, 1, memory_order_release);
    syscall(SYS_futex, &w->wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* With the lock: the thread that has to be woken (without the lock) for the queue, if any. */
static struct worker *pool_call(struct rt_pool *p)
{
    struct worker *w = p->idle;
    if (w == NULL || p->called || p->first == NULL) {
        return NULL;
    }
    p->idle = w->next_idle;
    p->called = true;
    return w;
}

static struct job *pool_take(struct rt_pool *p)
{
    struct job *j = p->first;
    if (j != NULL) {
        p->first = j->next;
        if (p->first == NULL) {
            p->last = &p->first;
        }
    }
    return j;
}

/* Called and returns with the lock held. NULL: stop. */
static struct job *worker_next(struct worker *w)
{
    struct rt_pool *p = w->pool;
    struct job *j;
    while ((j = pool_take(p)) == NULL) {
        if (p->stop) {
            return NULL;
        }
        atomic_store_explicit(&w->wake, 0, memory_order_relaxed);
        w->next_idle = p->idle;
        p->idle = w;
        pthread_mutex_unlock(&p->lock);
        worker_sleep(w);
        pthread_mutex_lock(&p->lock);
        p->called = false;
    }
    return j;
}

static void job_run(struct job *j)
{
    struct rt_task *t = j->task;
    j->fn(j->arg);
    atomic_fetch_add_explicit(&jobs_run, 1, memory_order_relaxed);
    rt_unpark(t);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct rt_pool *p = w->pool;
    struct job *j;
    pthread_mutex_lock(&p->lock);
    while ((j = worker_next(w)) != NULL) {
        struct worker *other = pool_call(p);
        pthread_mutex_unlock(&p->lock);
        if (other != NULL) {
            worker_wake(other);
        }
        job_run(j);
        pthread_mutex_lock(&p->lock);
        p->inside--;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- pools ------------------------------------------------------------------------------------------------ */

struct rt_pool *rt_pool_new(const char *name, unsigned threads, unsigned queue_max)
{
    if (threads == 0) {
        threads = 1;
    }
    struct rt_pool *p = xcalloc(1, sizeof *p + threads * sizeof p->worker[0]);
    pthread_mutex_init(&p->lock, NULL);
    p->last = &p->first;
    p->inside_max = threads + queue_max;
    p->threads_max = threads;
    snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

void rt_pool_free(struct rt_pool *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    while (p->idle != NULL) {
        struct worker *w = p->idle;
        p->idle = w->next_idle;
        worker_wake(w);
    }
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++) {
        pthread_join(p->worker[i].thread, NULL);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* With the lock. A thread that cannot be started is no error as long as there is another. */
static int pool_grow(struct rt_pool *p)
{
    struct worker *w = &p->worker[p->threads];
    w->pool = p;
    int r = rt_thread_start(&w->thread, p->name, worker_main, w);
    if (r == 0) {
        p->threads++;
    }
    return p->threads > 0 ? 0 : -EAGAIN;
}

static int pool_submit(struct rt_pool *p, struct job *j)
{
    struct worker *w = NULL;
    int r = 0;
    pthread_mutex_lock(&p->lock);
    if (p->inside >= p->inside_max) {
        r = -EAGAIN;
    } else if (p->idle == NULL && p->threads < p->threads_max) {
        r = pool_grow(p);
    }
    if (r == 0) {
        *p->last = j;
        p->last = &j->next;
        p->inside++;
        w = pool_call(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (w != NULL) {
        worker_wake(w);
    }
    return r;
}

int rt_offload(struct rt_pool *p, void (*fn)(void *arg), void *arg)
{
    struct job j = {.fn = fn, .arg = arg, .task = rt_self()};
    if (j.task == NULL) {
        fn(arg);
        return 0;
    }
    int r = pool_submit(p != NULL ? p : default_pool, &j);
    if (r == 0) {
        rt_park(RT_FOREVER, false);
    }
    return r;
}

void rt_pool_start_default(unsigned threads)
{
    default_pool = rt_pool_new("rt-offload", threads != 0 ? threads : DEFAULT_THREADS, DEFAULT_QUEUE);
}

void rt_pool_stop_default(void)
{
    rt_pool_free(default_pool);
    default_pool = NULL;
}

uint64_t rt_pool_jobs(void)
{
    return atomic_load_explicit(&jobs_run, memory_order_relaxed);
}
