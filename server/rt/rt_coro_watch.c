/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro_watch.c: turns that take too long are logged, each once, with the label of the task.
 *
 * A turn that has ended is reported by its loop, with its true duration. A thread of its own looks for those that do not
 * end, and reports them while they last. It may look at the task and its label only under watch_lock, and only
 * after it has found under the lock that the turn still lasts: the loop takes the lock at the end of a turn that
 * was over the limit (others the thread never looks at), and rt_label() whenever a label changes.
 */
#include "rt/rt_coro.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"

/* A turn is called stuck after so many times the limit. */
#define STUCK_FACTOR 20

static int stop_fd = -1;
static pthread_t watch_thread;

static void label_copy(char *out, size_t size, const struct rt_task *t)
{
    snprintf(out, size, "%s", t->label != NULL ? t->label : "without a label");
}

void rt_watch_slow(struct rt_loop *l, const struct rt_task *t, int64_t ns)
{
    rt_spin_lock(&l->watch_lock);
    int64_t start = atomic_load_explicit(&l->turn_start_ns, memory_order_relaxed);
    bool logged = l->watch_logged_ns == start;
    atomic_store_explicit(&l->turn_start_ns, 0, memory_order_relaxed);
    rt_spin_unlock(&l->watch_lock);
    if (!logged) {
        char label[128];
        label_copy(label, sizeof label, t);
        log_warning("loop %u: task %s kept it for %lld ms", l->index, label, (long long)(ns / 1000000));
    }
}

static void look_at(struct rt_loop *l, int64_t now)
{
    int64_t start = atomic_load_explicit(&l->turn_start_ns, memory_order_acquire);
    if (start == 0 || now - start < STUCK_FACTOR * rt_runtime.watchdog_ns) {
        return;
    }
    char label[128];
    rt_spin_lock(&l->watch_lock);
    bool stuck =
        atomic_load_explicit(&l->turn_start_ns, memory_order_relaxed) == start && l->watch_logged_ns != start;
    if (stuck) {
        label_copy(label, sizeof label, atomic_load_explicit(&l->current, memory_order_relaxed));
        l->watch_logged_ns = start;
    }
    rt_spin_unlock(&l->watch_lock);
    if (stuck) {
        log_warning("loop %u: task %s has kept it for %lld ms and still does", l->index, label,
                    (long long)((now - start) / 1000000));
    }
}

static void *watch_main(void *arg)
{
    int64_t ms = STUCK_FACTOR * rt_runtime.watchdog_ns / 1000000 / 4 + 1;
    struct pollfd p = {.fd = stop_fd, .events = POLLIN};
    while (poll(&p, 1, (int)ms) <= 0) {
        int64_t now = clock_monotonic_ns();
        for (unsigned i = 0; i < rt_runtime.count; i++) {
            look_at(&rt_runtime.loops[i], now);
        }
    }
    return NULL;
}

int rt_watch_start(void)
{
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (stop_fd < 0) {
        return -errno;
    }
    int r = rt_thread_start(&watch_thread, "rt-watch", watch_main, NULL);
    if (r < 0) {
        close(stop_fd);
    }
    return r;
}

void rt_watch_stop(void)
{
    eventfd_write(stop_fd, 1);
    pthread_join(watch_thread, NULL);
    close(stop_fd);
}
