/* SPDX-License-Identifier: Apache-2.0
 *
 * rt.h: blocking-style code that scales. A task looks like a thread: it reads, writes, sleeps and waits in
 * straight lines. Two implementations of this header:
 *
 *   rt_coro.c     stackful coroutines, one epoll loop per core; a task stays on the loop it was started on
 *   rt_threads.c  one plain thread per task, for the thread sanitizer, debuggers and comparison
 *
 * Rules that make the same code right on both:
 *   - Shared data needs an rt_mutex, a channel or a join, as between threads.
 *   - A call marked [waits] may switch to other tasks. Never hold a pthread mutex across one; an rt_mutex may
 *     be held.
 *   - Nothing else may block: what can wait for a disk, a lock file, SQLite or DNS goes through rt_offload().
 *   - Deadlines are absolute: milliseconds of clock_monotonic_ms(), RT_FOREVER for none. A deadline that has
 *     passed gives -ETIMEDOUT once the call would have to wait.
 *   - rt_cancel() makes the waiting calls of a task, current and later, return -ECANCELED; later ones also if they
 *     would not have to wait. Calls that return nothing, rt_offload() and rt_close() go on as ever.
 *
 * Knows nothing of HTTP. Uses common/.
 */
#ifndef RT_RT_H
#define RT_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define RT_FOREVER INT64_MAX

/* --- the runtime --------------------------------------------------------------------------------------- */

struct rt_options {
    unsigned loops;           /* 0: one per core this process may use */
    unsigned offload_threads; /* of the default pool; 0: 32 */
    size_t stack_bytes;       /* of a task; 0: 128 KiB (address space: pages are used as touched) */
    unsigned watchdog_ms;     /* a loop turn longer than this is logged with its task's label; 0: 50 */
};

/* Runs fn(arg) as the first task (on loop 0, the calling thread) and returns when all tasks have ended.
 * Ignores SIGPIPE. 0, or -errno if the runtime could not start. Once at a time in a process; may be called
 * again afterwards (tests). */
int rt_run(const struct rt_options *options, void (*fn)(void *arg), void *arg);
unsigned rt_loop_count(void);
unsigned rt_loop_index(void); /* of the calling task; with threads always 0 .. count-1 too */
/* Deadline ms from now; RT_FOREVER if ms < 0. */
int64_t rt_deadline(int64_t ms);

/* --- tasks --------------------------------------------------------------------------------------------- */

struct rt_task;

/* A task on the caller's loop; must be joined. Never NULL (out of memory ends the process). */
struct rt_task *rt_spawn(void (*fn)(void *arg), void *arg);
void rt_join(struct rt_task *t);   /* [waits] until it has ended, then frees it */
bool rt_ended(struct rt_task *t);  /* true once rt_join() would not wait */
void rt_cancel(struct rt_task *t); /* not yet joined, same loop as the caller */
/* Detached tasks: on the caller's loop, or on loop i. */
void rt_go(void (*fn)(void *arg), void *arg);
void rt_go_on(unsigned loop, void (*fn)(void *arg), void *arg);
void rt_yield(void);                  /* [waits] lets others of this loop run */
int rt_sleep_until(int64_t deadline); /* [waits] 0 or -ECANCELED */
static inline int rt_sleep(int64_t ms)
{
    return rt_sleep_until(rt_deadline(ms));
}
/* What the watchdog and debuggers call the running task; the text must outlive the task or be reset. */
void rt_label(const char *text);

/* --- descriptors ---------------------------------------------------------------------------------------- */

/* Makes fd known to the runtime (non-blocking, on this loop). Needed before the calls below, except for
 * descriptors these calls return. A descriptor is used by tasks of one loop, by at most one reader and one
 * writer at a time. */
int rt_attach(int fd);
void rt_close(int fd); /* also of descriptors never attached; other tasks waiting on it get -ECANCELED */

/* Tries at once, waits only if it must. [waits] */
ssize_t rt_read(int fd, void *p, size_t n, int64_t deadline);          /* > 0, 0 at the end, -errno */
int rt_write_all(int fd, const void *p, size_t n, int64_t deadline);   /* 0 or -errno; EPIPE as error */
int rt_writev_all(int fd, struct iovec *iov, int n, int64_t deadline); /* changes iov; more: MSG_MORE */
int rt_send_more(int fd, struct iovec *iov, int n, int64_t deadline);  /* as writev_all, more will follow */
/* -ENODATA if the file ends before that. */
int rt_sendfile_all(int out_fd, int in_fd, off_t offset, size_t n, int64_t deadline);
int rt_wait_readable(int fd, int64_t deadline); /* 0 or -errno */
/* The same for a long idle wait: gives unused stack pages back to the kernel first. */
int rt_wait_readable_idle(int fd, int64_t deadline);
/* True if the peer has closed or sent something: an idle kept connection in that state is of no use. */
bool rt_readable_now(int fd);

/* [waits] A connected, attached socket with TCP_NODELAY, or -errno. */
int rt_connect(const struct sockaddr *addr, socklen_t addr_len, int64_t deadline);
/* [waits] An accepted, attached, close-on-exec socket. Several loops may accept from one listening descriptor
 * (each attaches it, one task a loop accepts); a connection stays on the loop that accepted it, and the loops get
 * about as many each. -ECANCELED too once any of them has closed it. After -EMFILE and the like the connection is
 * still there: sleep before the next call. */
int rt_accept(int listen_fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len, int64_t deadline);

/* --- synchronisation: between any tasks, on any loops ------------------------------------------------------ */

struct rt_waiter;
struct rt_mutex {
    _Atomic(int) lock; /* guards the rest */
    bool held, called;
    struct rt_waiter *first, *last;
};
void rt_mutex_init(struct rt_mutex *m);
void rt_mutex_destroy(struct rt_mutex *m);
void rt_lock(struct rt_mutex *m); /* [waits] not cancellable */
void rt_unlock(struct rt_mutex *m);

struct rt_cond {
    _Atomic(int) lock;
    struct rt_waiter *first, *last;
};
void rt_cond_init(struct rt_cond *c);
void rt_cond_destroy(struct rt_cond *c);
/* [waits] Gives m up while waiting, has it again on return. 0, -ETIMEDOUT, -ECANCELED. May wake without cause:
 * test the condition in a loop. */
int rt_cond_wait(struct rt_cond *c, struct rt_mutex *m, int64_t deadline);
void rt_cond_signal(struct rt_cond *c);
void rt_cond_broadcast(struct rt_cond *c);

/* A bounded queue of pointers. */
struct rt_channel;
struct rt_channel *rt_channel_new(size_t capacity);
void rt_channel_free(struct rt_channel *c); /* nobody may be waiting in it */
int rt_channel_send(struct rt_channel *c, void *item,
                    int64_t deadline); /* [waits] 0, -EPIPE once closed ... */
int rt_channel_receive(struct rt_channel *c, void **ret_item,
                       int64_t deadline); /* -EPIPE: closed and empty */
void rt_channel_close(struct rt_channel *c);

/* --- what blocks ------------------------------------------------------------------------------------------ */

/* A pool of real threads with a bounded queue: one per disk keeps a slow disk from holding up the others.
 * Threads start when first needed. */
struct rt_pool;
struct rt_pool *rt_pool_new(const char *name, unsigned threads, unsigned queue_max);
void rt_pool_free(struct rt_pool *p); /* waits for what is queued; outside tasks only, or after last use */

/* [waits] Runs fn(arg) on a thread of the pool (NULL: the default pool). 0 once it ran; -EAGAIN if the queue is full and fn
 * did not run. Not cancellable: arg may live on the caller's stack. fn must not call [waits] functions.
 * Outside tasks fn runs at once, on the caller's thread. */
int rt_offload(struct rt_pool *p, void (*fn)(void *arg), void *arg);

struct rt_stats {
    uint64_t tasks;      /* alive now */
    uint64_t switches;   /* since start */
    uint64_t slow_turns; /* over watchdog_ms */
    uint64_t offloaded;  /* jobs run */
};
void rt_stats(struct rt_stats *ret);

#endif
