/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_threads.c: rt.h with a plain thread per task.
 *
 * For the thread sanitizer, debuggers and comparison; the number of a loop is only carried along. A task waits in
 * its own condition variable (rt_park) or in poll() on the descriptor and on an eventfd of its own, through
 * which rt_cancel() and rt_close() reach it; the eventfd exists from the first such wait on.
 * Ended detached tasks wait in a list to be joined by the next rt_go() or by the end of rt_run(), so that no
 * thread outlives rt_run().
 * Lock order: descriptor table, then a task.
 */
#include "rt/rt_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/clock.h"

/* Frames grow under a sanitizer, and the thread library takes its own share of a stack. */
#define STACK_DEFAULT ((size_t)128 << 10)
#define STACK_EXTRA   ((size_t)384 << 10)

struct rt_task {
    void (*fn)(void *arg);
    void *arg;
    unsigned loop;
    pthread_t thread;
    struct rt_task *next_ended; /* detached tasks that wait to be joined */
    bool detached;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool token; /* an rt_unpark() not yet consumed */
    bool canceled, ended;
    int wake_fd; /* -1 until needed */
};

static struct {
    unsigned loops;
    pthread_attr_t attr;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t done;
    uint64_t alive;
    struct rt_task *ended;
} rt = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static _Thread_local struct rt_task *self;

/* --- tasks ------------------------------------------------------------------------------------------------ */

static struct rt_task *task_new(void (*fn)(void *arg), void *arg, unsigned loop, bool detached)
{
    struct rt_task *t = xcalloc(1, sizeof *t);
    t->fn = fn;
    t->arg = arg;
    t->loop = loop;
    t->detached = detached;
    t->wake_fd = -1;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&rt.lock);
    rt.alive++;
    pthread_mutex_unlock(&rt.lock);
    return t;
}

static void task_free(struct rt_task *t)
{
    if (t->wake_fd >= 0) {
        close(t->wake_fd);
    }
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void task_end(struct rt_task *t)
{
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_lock(&rt.lock);
    if (t->detached) {
        t->next_ended = rt.ended;
        rt.ended = t;
    }
    if (--rt.alive == 0) {
        pthread_cond_broadcast(&rt.done);
    }
    pthread_mutex_unlock(&rt.lock);
}

static void *task_main(void *arg)
{
    self = arg;
    self->fn(self->arg);
    task_end(self);
    return NULL;
}

static void tasks_reap(void)
{
    pthread_mutex_lock(&rt.lock);
    struct rt_task *t = rt.ended;
    rt.ended = NULL;
    pthread_mutex_unlock(&rt.lock);
    while (t != NULL) {
        struct rt_task *next = t->next_ended;
        pthread_join(t->thread, NULL);
        task_free(t);
        t = next;
    }
}

/* The lock keeps t->thread from being read (by who joins it) before it is written. */
static void task_start(struct rt_task *t)
{
    pthread_mutex_lock(&rt.lock);
    int r = pthread_create(&t->thread, &rt.attr, task_main, t);
    pthread_mutex_unlock(&rt.lock);
    if (r != 0) {
        fprintf(stderr, "cannot start a thread: error %d\n", r);
        abort();
    }
}

unsigned rt_loop_count(void)
{
    return rt.loops;
}

unsigned rt_loop_index(void)
{
    return self != NULL ? self->loop : 0;
}

struct rt_task *rt_spawn(void (*fn)(void *arg), void *arg)
{
    tasks_reap();
    struct rt_task *t = task_new(fn, arg, rt_loop_index(), false);
    task_start(t);
    return t;
}

void rt_join(struct rt_task *t)
{
    pthread_join(t->thread, NULL);
    task_free(t);
}

bool rt_ended(struct rt_task *t)
{
    pthread_mutex_lock(&t->lock);
    bool ended = t->ended;
    pthread_mutex_unlock(&t->lock);
    return ended;
}

static void task_interrupt(struct rt_task *t)
{
    if (t->wake_fd >= 0) {
        eventfd_write(t->wake_fd, 1);
    }
}

void rt_cancel(struct rt_task *t)
{
    pthread_mutex_lock(&t->lock);
    t->canceled = true;
    pthread_cond_signal(&t->changed);
    task_interrupt(t);
    pthread_mutex_unlock(&t->lock);
}

void rt_go_on(unsigned loop, void (*fn)(void *arg), void *arg)
{
    tasks_reap();
    task_start(task_new(fn, arg, loop, true));
}

void rt_go(void (*fn)(void *arg), void *arg)
{
    rt_go_on(rt_loop_index(), fn, arg);
}

void rt_yield(void)
{
    sched_yield();
}

int rt_sleep_until(int64_t deadline)
{
    int r = rt_park(deadline, true);
    return r == -ETIMEDOUT ? 0 : r;
}

void rt_label(const char *text)
{
}

/* --- waiting ---------------------------------------------------------------------------------------------- */

struct rt_task *rt_self(void)
{
    return self;
}

static bool task_canceled(struct rt_task *t)
{
    pthread_mutex_lock(&t->lock);
    bool canceled = t->canceled;
    pthread_mutex_unlock(&t->lock);
    return canceled;
}

bool rt_self_canceled(void)
{
    return self != NULL && task_canceled(self);
}

/* Until signalled or the deadline; false if it has passed. */
static bool task_wait(struct rt_task *t, int64_t deadline)
{
    if (deadline == RT_FOREVER) {
        pthread_cond_wait(&t->changed, &t->lock);
        return true;
    }
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    if (deadline <= clock_monotonic_ms()) {
        return false;
    }
    pthread_cond_timedwait(&t->changed, &t->lock, &until);
    return true;
}

int rt_park(int64_t deadline, bool cancellable)
{
    struct rt_task *t = self;
    int r = 0;
    pthread_mutex_lock(&t->lock);
    while (r == 0 && !t->token) {
        if (cancellable && t->canceled) {
            r = -ECANCELED;
        } else if (!task_wait(t, deadline)) {
            r = -ETIMEDOUT;
        }
    }
    if (r == 0) {
        t->token = false;
    }
    pthread_mutex_unlock(&t->lock);
    return r;
}

void rt_unpark(struct rt_task *t)
{
    pthread_mutex_lock(&t->lock);
    t->token = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool rt_near(const struct rt_task *t)
{
    return false;
}

void rt_progress(size_t n)
{
}

/* --- descriptors ------------------------------------------------------------------------------------------ */

/* Who waits in poll() for which descriptor: rt_close() takes them out before it closes, and waits until the
 * last has left. */
struct fd_waiter {
    struct fd_waiter *next;
    struct rt_task *task;
    int fd;
    bool closed;
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t left;
    struct fd_waiter *waiters[256];
} fds = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static struct fd_waiter **fd_waiters(int fd)
{
    return &fds.waiters[(unsigned)fd % (sizeof fds.waiters / sizeof fds.waiters[0])];
}

int rt_adopt(int fd, bool accepted)
{
    return 0;
}

int rt_attach(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return -errno;
    }
    return 0;
}

/* With the table's lock. The number of those waiting for fd. */
static unsigned fd_interrupt(int fd)
{
    unsigned n = 0;
    for (struct fd_waiter *w = *fd_waiters(fd); w != NULL; w = w->next) {
        if (w->fd == fd) {
            n++;
            w->closed = true;
            pthread_mutex_lock(&w->task->lock);
            task_interrupt(w->task);
            pthread_mutex_unlock(&w->task->lock);
        }
    }
    return n;
}

void rt_close(int fd)
{
    pthread_mutex_lock(&fds.lock);
    while (fd_interrupt(fd) > 0) {
        pthread_cond_wait(&fds.left, &fds.lock);
    }
    pthread_mutex_unlock(&fds.lock);
    close(fd);
}

static void fd_enter(struct fd_waiter *w)
{
    pthread_mutex_lock(&fds.lock);
    w->next = *fd_waiters(w->fd);
    *fd_waiters(w->fd) = w;
    pthread_mutex_unlock(&fds.lock);
}

/* True if the descriptor is being closed. */
static bool fd_leave(struct fd_waiter *w)
{
    pthread_mutex_lock(&fds.lock);
    struct fd_waiter **at = fd_waiters(w->fd);
    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    bool closed = w->closed;
    if (closed) {
        pthread_cond_broadcast(&fds.left);
    }
    pthread_mutex_unlock(&fds.lock);
    return closed;
}

static int task_make_wake_fd(struct rt_task *t)
{
    int r = 0;
    pthread_mutex_lock(&t->lock);
    if (t->wake_fd < 0) {
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = t->wake_fd < 0 ? -errno : 0;
    }
    if (t->canceled) {
        r = -ECANCELED;
    }
    pthread_mutex_unlock(&t->lock);
    return r;
}

/* -ETIMEDOUT, or 0 if either is ready. */
static int poll_two(struct pollfd p[2], int64_t deadline)
{
    for (;;) {
        int64_t left = deadline == RT_FOREVER ? INT_MAX : deadline - clock_monotonic_ms();
        if (left <= 0) {
            return -ETIMEDOUT;
        }
        int n = poll(p, 2, left < INT_MAX ? (int)left : INT_MAX);
        if (n > 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
    }
}

int rt_wait_fd(int fd, enum rt_direction direction, int64_t deadline, bool idle)
{
    struct rt_task *t = self;
    int r = task_make_wake_fd(t);
    if (r < 0) {
        return r;
    }
    struct pollfd p[2] = {{.fd = fd, .events = direction == RT_READ ? POLLIN | POLLRDHUP : POLLOUT},
                          {.fd = t->wake_fd, .events = POLLIN}};
    struct fd_waiter w = {.task = t, .fd = fd};
    fd_enter(&w);
    r = poll_two(p, deadline);
    bool closed = fd_leave(&w);
    eventfd_t ignored;
    eventfd_read(t->wake_fd, &ignored);
    return closed || task_canceled(t) ? -ECANCELED : r;
}

int rt_wait_accept(int fd, int64_t deadline)
{
    return rt_wait_fd(fd, RT_READ, deadline, false);
}

int rt_accept_turn(int fd)
{
    return 0;
}

/* --- the runtime ------------------------------------------------------------------------------------------ */

static void run_first(void (*fn)(void *arg), void *arg)
{
    self = task_new(fn, arg, 0, true);
    fn(arg);
    struct rt_task *t = self;
    self = NULL;
    pthread_mutex_lock(&rt.lock);
    rt.alive--;
    while (rt.alive > 0) {
        pthread_cond_wait(&rt.done, &rt.lock);
    }
    pthread_mutex_unlock(&rt.lock);
    task_free(t);
    tasks_reap();
}

int rt_run(const struct rt_options *options, void (*fn)(void *arg), void *arg)
{
    struct rt_options o = options != NULL ? *options : (struct rt_options){0};
    signal(SIGPIPE, SIG_IGN);
    rt.loops = o.loops != 0 ? o.loops : rt_cores();
    int r = -pthread_attr_init(&rt.attr);
    if (r < 0) {
        return r;
    }
    pthread_attr_setstacksize(&rt.attr, (o.stack_bytes != 0 ? o.stack_bytes : STACK_DEFAULT) + STACK_EXTRA);
    rt_pool_start_default(o.offload_threads);
    run_first(fn, arg);
    rt_pool_stop_default();
    pthread_attr_destroy(&rt.attr);
    return 0;
}

void rt_stats(struct rt_stats *ret)
{
    pthread_mutex_lock(&rt.lock);
    *ret = (struct rt_stats){.tasks = rt.alive, .offloaded = rt_pool_jobs()};
    pthread_mutex_unlock(&rt.lock);
}
