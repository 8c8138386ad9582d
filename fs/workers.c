/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/alloc.h"

/* Lives on the caller's stack, and in the list as long as there is a number to hand out. */
struct job {
    struct job *next_job;
    void (*fn)(void *arg, size_t i);
    void *arg;
    size_t next, count;
    unsigned running;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job came, or the end */
    pthread_cond_t done; /* a job's last part or a thread ended */
    struct job *jobs;
    unsigned max, threads, idle;
    unsigned transfers; /* threads of workers_start() */
    bool ending;
};

struct workers *workers_new(unsigned n)
{
    struct workers *w = xcalloc(1, sizeof *w);

    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->done, NULL);
    w->max = n;
    return w;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->work);
    while (w->threads || w->transfers)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static int start_thread(void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc ? -EAGAIN : 0;
}

/* Does one part of a job; the lock is held on entry and exit, not meanwhile. */
static void do_part(struct workers *w, struct job *job)
{
    struct job **link = &w->jobs;
    size_t i = job->next++;

    if (job->next == job->count) {
        while (*link != job)
            link = &(*link)->next_job;
        *link = job->next_job;
    }
    job->running++;
    pthread_mutex_unlock(&w->lock);
    job->fn(job->arg, i);
    pthread_mutex_lock(&w->lock);
    if (--job->running == 0 && job->next == job->count)
        pthread_cond_broadcast(&w->done);
}

static void *pool_thread(void *arg)
{
    struct workers *w = arg;

    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        if (w->jobs) {
            do_part(w, w->jobs);
            continue;
        }
        w->idle++;
        pthread_cond_wait(&w->work, &w->lock);
        w->idle--;
    }
    w->threads--;
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void workers_each(struct workers *w, size_t count, void (*fn)(void *arg, size_t i), void *arg)
{
    struct job job = {.fn = fn, .arg = arg, .count = count};
    unsigned wanted = count > w->max ? w->max : (unsigned)count;

    if (count == 0)
        return;
    pthread_mutex_lock(&w->lock);
    for (wanted--; w->idle < wanted && w->threads < w->max; wanted--) {
        if (start_thread(pool_thread, w) < 0)
            break;
        w->threads++;
    }
    job.next_job = w->jobs;
    w->jobs = &job;
    pthread_cond_broadcast(&w->work);
    while (job.next < job.count)
        do_part(w, &job);
    while (job.running)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

struct transfer_thread {
    struct workers *w;
    void (*fn)(void *arg);
    void *arg;
};

static void *transfer_thread(void *p)
{
    struct transfer_thread t = *(struct transfer_thread *)p;

    free(p);
    t.fn(t.arg);
    pthread_mutex_lock(&t.w->lock);
    t.w->transfers--;
    pthread_cond_broadcast(&t.w->done);
    pthread_mutex_unlock(&t.w->lock);
    return NULL;
}

int workers_start(struct workers *w, void (*fn)(void *arg), void *arg)
{
    struct transfer_thread *t = xmalloc(sizeof *t);
    int rc;

    *t = (struct transfer_thread){.w = w, .fn = fn, .arg = arg};
    pthread_mutex_lock(&w->lock);
    rc = start_thread(transfer_thread, t);
    if (rc == 0)
        w->transfers++;
    pthread_mutex_unlock(&w->lock);
    if (rc < 0)
        free(t);
    return rc;
}
