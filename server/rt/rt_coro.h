/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro.h: between the files rt_coro*.c; nobody else includes it. README tells who may touch what.
 */
#ifndef RT_RT_CORO_H
#define RT_RT_CORO_H

#include "rt/rt_internal.h"

#if defined(RT_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))
#define RT_USE_UCONTEXT 1
#include <ucontext.h>
#endif

/* --- contexts and stacks: rt_coro_stack.c ----------------------------------------------------------------- */

/* What is left of a flow of control that does not run. */
struct rt_context {
    void *sp; /* everything below it on its stack is unused */
#ifdef RT_USE_UCONTEXT
    ucontext_t ucontext;
#endif
    const void *low; /* of its stack, for the address sanitizer */
    size_t size;
    void *fake_stack;
};

/* Lives at the upper end of its own mapping: guard page, free space, frames, this. */
struct rt_stack {
    struct rt_stack *next; /* in the cache of its loop */
    char *map;
    size_t map_size;
    unsigned valgrind_id;
};

struct rt_stack_cache {
    struct rt_stack *first;
    unsigned count;
    size_t stack_bytes;
};

/* The stack grows to stack_bytes. NULL if there is no memory. */
struct rt_stack *rt_stack_get(struct rt_stack_cache *cache);
void rt_stack_put(struct rt_stack_cache *cache, struct rt_stack *s);
void rt_stack_cache_release(struct rt_stack_cache *cache);
/* Gives the pages below the frames of a context that does not run back to the kernel. */
void rt_stack_trim(struct rt_stack *s, const struct rt_context *c);

/* A context that begins in rt_task_main() when switched to for the first time. */
void rt_context_make(struct rt_context *c, struct rt_stack *s);
/* `from` is where the caller goes on later; ends: never. */
void rt_context_switch(struct rt_context *from, struct rt_context *to, bool ends);
/* First thing in rt_task_main(): `from` is the context that switched to this one. */
void rt_context_entered(struct rt_context *from);
void rt_task_main(void); /* rt_coro.c */

/* --- timers: rt_coro_timer.c ------------------------------------------------------------------------------ */

/* Four children a node: {key, task}; the task knows its place. */
struct rt_timer {
    int64_t key_ms;
    struct rt_task *task;
};
struct rt_timers {
    struct rt_timer *heap;
    size_t count, cap;
};

/* The task gets a turn of its timer at `ms` at the latest; an earlier one stays (see rt_timers_expire()). */
void rt_timer_arm(struct rt_timers *timers, struct rt_task *t, int64_t ms);
void rt_timer_disarm(struct rt_timers *timers, struct rt_task *t);
/* Calls due(task, now_ms) for what has come; that returns when it wants to be called again, RT_FOREVER for
 * never. */
void rt_timers_expire(struct rt_timers *timers, int64_t now_ms,
                      int64_t (*due)(struct rt_task *t, int64_t now_ms));
/* RT_FOREVER if there is none. */
int64_t rt_timers_next(const struct rt_timers *timers);

/* --- tasks and loops -------------------------------------------------------------------------------------- */

/* Something another thread wants done on the loop's thread. */
struct rt_message {
    struct rt_message *next;
    void (*fn)(struct rt_message *m);
};

struct rt_task {
    struct rt_task *next; /* in the queue of those ready to run */
    struct rt_loop *loop;
    void (*fn)(void *arg);
    void *arg;
    struct rt_message message; /* rt_unpark() or rt_go_on() from another thread: at most one at a time */
    struct rt_context context;
    struct rt_stack *stack; /* NULL before the first turn */
    const char *label;
    int64_t deadline;   /* of the wait, while parked */
    int64_t trim_ms;    /* when to trim the stack, while parked; RT_FOREVER: not */
    size_t timer_place; /* + 1; 0: no timer */
    int budget;         /* of I/O that succeeds at once, until the next yield */
    int result;         /* of a wait that ended without token */
    bool parked, cancellable;
    bool token;    /* an rt_unpark() not yet consumed */
    bool canceled; /* by rt_cancel() */
    bool closed;   /* the token comes from rt_close() */
    bool detached, ending;
    _Atomic(int) lock; /* guards the rest */
    bool ended;
    struct rt_task *joiner;
};

struct rt_fd;

struct rt_loop {
    unsigned index;
    int epoll_fd, event_fd;
    struct rt_task *ready, **ready_last;
    struct rt_timers timers;
    struct rt_stack_cache stacks;
    struct rt_context context; /* of the loop itself */
    int64_t now_ns;            /* when the running turn began, or the last one ended */
    int64_t polled_ns;         /* when epoll_wait() was last asked */
    struct rt_fd **fds;        /* by number, in blocks */
    pthread_t thread;

    /* read or written by other threads */
    _Atomic(struct rt_task *) current;  /* NULL while the loop itself runs */
    _Atomic(struct rt_message *) inbox; /* last in first */
    _Atomic(int) asleep;                /* 1: who adds to the inbox must write to event_fd */
    _Atomic(uint64_t) switches, slow_turns;
    _Atomic(int) connections;       /* accepted here and still open */
    _Atomic(int64_t) turn_start_ns; /* 0: no turn */
    _Atomic(int) watch_lock;        /* held while the watchdog looks at a label */
    int64_t watch_logged_ns;        /* the turn the watchdog has reported; guarded by watch_lock */
};

struct rt_runtime {
    struct rt_loop *loops;
    unsigned count;
    size_t stack_bytes;
    int64_t watchdog_ns;
    _Atomic(uint64_t) alive; /* tasks */
    _Atomic(bool) stop;
    uint64_t past_switches, past_slow_turns; /* of earlier runs */
};

extern struct rt_runtime rt_runtime;
extern _Thread_local struct rt_loop *rt_this_loop;

static inline struct rt_task *rt_current(void)
{
    struct rt_loop *l = rt_this_loop;
    return l == NULL ? NULL : atomic_load_explicit(&l->current, memory_order_relaxed);
}

/* rt_coro_loop.c */
int rt_loop_init(struct rt_loop *l, unsigned index);
void rt_loop_release(struct rt_loop *l);
void rt_loop_run(struct rt_loop *l); /* until rt_runtime.stop */
void rt_loop_drain(struct rt_loop *l);
void rt_loop_post(struct rt_loop *l, struct rt_message *m); /* from any thread */
void rt_loop_stop_all(void);

/* rt_coro.c, on the task's loop */
void rt_task_ready(struct rt_task *t);
void rt_task_token(struct rt_task *t);  /* what rt_unpark() comes down to */
void rt_task_finish(struct rt_task *t); /* after its last turn */
int64_t rt_task_due(struct rt_task *t, int64_t now_ms);

/* rt_coro_fd.c */
void rt_fd_event(struct rt_loop *l, uint64_t data, uint32_t events);
void rt_fds_release(struct rt_loop *l);

/* rt_coro_watch.c */
int rt_watch_start(void);
void rt_watch_stop(void);
/* A turn has ended after ns, more than the limit. */
void rt_watch_slow(struct rt_loop *l, const struct rt_task *t, int64_t ns);

#endif
