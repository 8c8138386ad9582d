/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro_fd.c: which task waits for which descriptor.
 *
 * Each loop has its own table, so that a record is only touched by one thread; the exception, a listening
 * descriptor on which several loops accept, has a record in each. A descriptor is registered once, for both
 * directions, edge-triggered, and leaves epoll by being closed. Its number comes back: the serial number in the
 * event tells the registrations apart.
 *
 * Accepting. A loop registers the listening descriptor (level-triggered, EPOLLEXCLUSIVE) only while a task waits
 * in rt_accept(), and takes it out when the task wakes:
 *   - Nothing is lost: registering with connections in the backlog is an event at once.
 *   - A loop that accepts nothing at the moment is not woken again and again.
 *   - The kernel wakes the exclusive waiter registered first, so the loop that has just accepted is the last in
 *     the line: two idle loops take turns.
 * A wake-up that went to one loop only must be used: a task that stops waiting (cancelled, too late) with a
 * connection in the backlog hands it on to the other loops.
 * That is fair between idle loops. When many connections come at once, the loop that happens to have a core would
 * take them all, and keep them. So a loop with more connections than one that waits for the same descriptor
 * first tells that loop, and gives it GIVE_WAY_MS.
 * The list `listeners` says which descriptors are in use that way, under a number that never comes back; whoever
 * closes one takes it out, and sends the others a message.
 */
#include "rt/rt_coro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/clock.h"

#define BLOCK        256
#define BLOCKS       4096
#define FD_MAX       (BLOCK * BLOCKS)
#define IDLE_TRIM_MS 1000

struct rt_fd {
    struct rt_task *reader, *writer; /* parked there */
    uint32_t serial;                 /* of the registration */
    uint32_t listener;               /* 0, or its number in `listeners` */
    bool attached, accepted;
};

/* --- records ---------------------------------------------------------------------------------------------- */

static struct rt_fd *fd_find(struct rt_loop *l, int fd)
{
    if (fd < 0 || fd >= FD_MAX || l->fds == NULL || l->fds[fd / BLOCK] == NULL) {
        return NULL;
    }
    return &l->fds[fd / BLOCK][fd % BLOCK];
}

static struct rt_fd *fd_make(struct rt_loop *l, int fd)
{
    if (fd < 0 || fd >= FD_MAX) {
        return NULL;
    }
    if (l->fds == NULL) {
        l->fds = xcalloc(BLOCKS, sizeof l->fds[0]);
    }
    if (l->fds[fd / BLOCK] == NULL) {
        l->fds[fd / BLOCK] = xcalloc(BLOCK, sizeof l->fds[0][0]);
    }
    return &l->fds[fd / BLOCK][fd % BLOCK];
}

void rt_fds_release(struct rt_loop *l)
{
    for (size_t i = 0; l->fds != NULL && i < BLOCKS; i++) {
        free(l->fds[i]);
    }
    free(l->fds);
    l->fds = NULL;
}

static void wake(struct rt_task **waiting, bool closed)
{
    struct rt_task *t = *waiting;
    if (t != NULL) {
        *waiting = NULL;
        t->closed = closed;
        rt_task_token(t);
    }
}

static void fd_forget(struct rt_loop *l, struct rt_fd *f)
{
    if (f->accepted) {
        atomic_fetch_sub_explicit(&l->connections, 1, memory_order_relaxed);
    }
    f->attached = f->accepted = false;
    f->listener = 0;
    wake(&f->reader, true);
    wake(&f->writer, true);
}

void rt_fd_event(struct rt_loop *l, uint64_t data, uint32_t events)
{
    struct rt_fd *f = fd_find(l, (int)(uint32_t)data);
    if (f == NULL || f->serial != data >> 32) {
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        wake(&f->reader, false);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        wake(&f->writer, false);
    }
}

/* --- attaching -------------------------------------------------------------------------------------------- */

static int fd_register(struct rt_loop *l, int fd, uint32_t serial, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u64 = (uint64_t)serial << 32 | (uint32_t)fd};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int rt_adopt(int fd, bool accepted)
{
    struct rt_loop *l = rt_this_loop;
    struct rt_fd *f = fd_make(l, fd);
    if (f == NULL) {
        return -EMFILE;
    }
    int r = fd_register(l, fd, f->serial + 1, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    if (r == -EEXIST) {
        return 0;
    }
    if (r < 0) {
        return r;
    }
    /* The number may have belonged to a listening descriptor that another loop has closed. */
    fd_forget(l, f);
    f->serial++;
    f->attached = true;
    f->accepted = accepted;
    atomic_fetch_add_explicit(&l->connections, accepted, memory_order_relaxed);
    return 0;
}

int rt_attach(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)) {
        return -errno;
    }
    return rt_adopt(fd, false);
}

/* --- waiting ---------------------------------------------------------------------------------------------- */

static int fd_park(struct rt_task **waiting, int64_t deadline)
{
    struct rt_task *t = rt_current();
    *waiting = t;
    int r = rt_park(deadline, true);
    if (r < 0) {
        *waiting = NULL;
        return r;
    }
    r = t->closed ? -ECANCELED : 0;
    t->closed = false;
    return r;
}

int rt_wait_fd(int fd, enum rt_direction direction, int64_t deadline, bool idle)
{
    struct rt_task *t = rt_current();
    struct rt_fd *f = fd_find(t->loop, fd);
    if (f == NULL || !f->attached) {
        return -EBADF;
    }
    struct rt_task **waiting = direction == RT_READ ? &f->reader : &f->writer;
    if (*waiting != NULL) {
        return -EBUSY;
    }
    if (idle) {
        t->trim_ms = t->loop->now_ns / 1000000 + IDLE_TRIM_MS;
    }
    int r = fd_park(waiting, deadline);
    t->trim_ms = RT_FOREVER;
    return r;
}

/* --- accepting -------------------------------------------------------------------------------------------- */

/* Loops beyond the 64th do not take part in giving way. */
struct listener {
    int fd;
    uint32_t number;
    uint64_t waiting; /* loops on which a task waits to accept */
};
#define LOOP_BIT(l) ((l)->index < 64 ? (uint64_t)1 << (l)->index : 0)
#define GIVE_WAY_MS 2

static struct {
    pthread_mutex_t lock; /* guards the rest */
    struct listener *list;
    size_t cap;
    uint32_t last_number;
    _Atomic(size_t) count; /* may be read without */
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct listener_message {
    struct rt_message message;
    struct rt_loop *loop;
    struct listener listener;
    bool closed;
};

static void listener_message_run(struct rt_message *message)
{
    struct listener_message *m = (struct listener_message *)message;
    struct rt_fd *f = fd_find(m->loop, m->listener.fd);
    if (f != NULL && f->listener == m->listener.number) {
        if (m->closed) {
            fd_forget(m->loop, f);
        } else {
            wake(&f->reader, false);
        }
    }
    free(m);
}

static void listener_tell(struct rt_loop *l, struct listener listener, bool closed)
{
    struct listener_message *m = xmalloc(sizeof *m);
    *m = (struct listener_message){
        .message.fn = listener_message_run, .loop = l, .listener = listener, .closed = closed};
    rt_loop_post(l, &m->message);
}

static void listener_tell_others(struct listener listener, bool closed)
{
    for (unsigned i = 0; i < rt_runtime.count; i++) {
        if (&rt_runtime.loops[i] != rt_this_loop) {
            listener_tell(&rt_runtime.loops[i], listener, closed);
        }
    }
}

/* With the lock. */
static struct listener *listener_find(int fd)
{
    size_t n = atomic_load_explicit(&listeners.count, memory_order_relaxed);
    for (size_t i = 0; i < n; i++) {
        if (listeners.list[i].fd == fd) {
            return &listeners.list[i];
        }
    }
    return NULL;
}

/* With the lock: the listener of fd, made if this loop has not used it yet; NULL if it was closed since. */
static struct listener *listener_get(struct rt_fd *f, int fd)
{
    struct listener *found = listener_find(fd);
    if (f->listener != 0) {
        return found != NULL && found->number == f->listener ? found : NULL;
    }
    if (found != NULL) {
        return found;
    }
    size_t n = atomic_load_explicit(&listeners.count, memory_order_relaxed);
    listeners.list = xgrow(listeners.list, &listeners.cap, n + 1, sizeof listeners.list[0]);
    listeners.list[n] = (struct listener){.fd = fd, .number = ++listeners.last_number};
    atomic_store(&listeners.count, n + 1);
    return &listeners.list[n];
}

static int accept_register(struct rt_loop *l, struct rt_fd *f, int fd)
{
    int r = -ECANCELED;
    pthread_mutex_lock(&listeners.lock);
    struct listener *listener = listener_get(f, fd);
    if (listener != NULL) {
        if (f->listener == 0) { /* rt_attach() registered it like any other */
            f->listener = listener->number;
            epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
        r = fd_register(l, fd, f->serial, EPOLLIN | EPOLLEXCLUSIVE);
        listener->waiting |= LOOP_BIT(l);
    }
    pthread_mutex_unlock(&listeners.lock);
    return r;
}

/* The listener as it still is, number 0 if it was closed. */
static struct listener accept_unregister(struct rt_loop *l, struct rt_fd *f, int fd)
{
    struct listener still = {.fd = fd};
    pthread_mutex_lock(&listeners.lock);
    struct listener *listener = listener_find(fd);
    if (listener != NULL && listener->number == f->listener) {
        listener->waiting &= ~LOOP_BIT(l);
        still = *listener;
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
    pthread_mutex_unlock(&listeners.lock);
    return still;
}

int rt_wait_accept(int fd, int64_t deadline)
{
    struct rt_loop *l = rt_this_loop;
    struct rt_fd *f = fd_find(l, fd); /* rt_accept_turn() has looked at it */
    int r = accept_register(l, f, fd);
    if (r < 0) {
        return r;
    }
    r = fd_park(&f->reader, deadline);
    struct listener still = accept_unregister(l, f, fd);
    if (r < 0 && still.number != 0 && rt_readable_now(fd)) {
        listener_tell_others(still, false);
    }
    return r;
}

/* With the lock: the loop that should accept rather than l. The allowance keeps a handful of connections from
 * being counted too finely. */
static struct rt_loop *listener_rather(const struct listener *listener, const struct rt_loop *l)
{
    int mine = atomic_load_explicit(&l->connections, memory_order_relaxed);
    struct rt_loop *least = NULL;
    for (unsigned i = 0; i < rt_runtime.count && i < 64; i++) {
        struct rt_loop *other = &rt_runtime.loops[i];
        int n = atomic_load_explicit(&other->connections, memory_order_relaxed);
        if (other != l && listener->waiting & LOOP_BIT(other) && n + 1 + n / 16 < mine) {
            least = other;
            mine = n;
        }
    }
    return least;
}

/* 1 if another loop was told to accept, the caller then counts as waiting itself; -ECANCELED if the descriptor was
 * closed. */
static int give_way(struct rt_loop *l, const struct rt_fd *f, int fd)
{
    int r = -ECANCELED;
    pthread_mutex_lock(&listeners.lock);
    struct listener *listener = listener_find(fd);
    if (listener != NULL && listener->number == f->listener) {
        struct rt_loop *rather = listener_rather(listener, l);
        r = rather != NULL && rt_readable_now(fd);
        if (r) {
            listener->waiting |= LOOP_BIT(l);
            listener_tell(rather, *listener, false);
        }
    }
    pthread_mutex_unlock(&listeners.lock);
    return r;
}

int rt_accept_turn(int fd)
{
    struct rt_loop *l = rt_this_loop;
    struct rt_fd *f = fd_find(l, fd);
    if (f == NULL || !f->attached) {
        return f != NULL && f->serial != 0 ? -ECANCELED : -EBADF; /* closed, or never attached */
    }
    if (f->reader != NULL) {
        return -EBUSY;
    }
    if (f->listener == 0) {
        return 0;
    }
    int r = give_way(l, f, fd);
    if (r <= 0) {
        return r;
    }
    r = fd_park(&f->reader, rt_deadline(GIVE_WAY_MS));
    accept_unregister(l, f, fd);
    return r == -ETIMEDOUT ? 0 : r;
}

/* --- closing ---------------------------------------------------------------------------------------------- */

/* Another process may hold the socket too, which would keep it in our epolls. */
static void listener_close(int fd)
{
    pthread_mutex_lock(&listeners.lock);
    struct listener *found = listener_find(fd), closed = {0};
    if (found != NULL) {
        closed = *found;
        size_t n = atomic_load_explicit(&listeners.count, memory_order_relaxed) - 1;
        *found = listeners.list[n];
        atomic_store(&listeners.count, n);
        for (unsigned i = 0; i < rt_runtime.count; i++) {
            epoll_ctl(rt_runtime.loops[i].epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
    }
    pthread_mutex_unlock(&listeners.lock);
    if (closed.number != 0) {
        listener_tell_others(closed, true);
    }
}

void rt_close(int fd)
{
    struct rt_fd *f = rt_this_loop != NULL ? fd_find(rt_this_loop, fd) : NULL;
    if (atomic_load_explicit(&listeners.count, memory_order_relaxed) > 0) {
        listener_close(fd);
    }
    if (f != NULL && f->attached) {
        fd_forget(rt_this_loop, f);
    }
    close(fd);
}
