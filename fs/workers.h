/* SPDX-License-Identifier: Apache-2.0
 *
 * workers.h: threads of the mount beside libfuse's: a pool for many small requests at once, and threads of
 * their own for transfers that last. None of them takes signals.
 */
#ifndef FS_WORKERS_H
#define FS_WORKERS_H

#include <stddef.h>

struct workers;
/* A pool of up to n threads, started when first needed. */
struct workers *workers_new(unsigned n);
/* Waits until every thread has ended. */
void workers_free(struct workers *w);

/* Runs fn(arg, 0) .. fn(arg, count - 1), several at once, the caller helping; returns when all are done. */
void workers_each(struct workers *w, size_t count, void (*fn)(void *arg, size_t i), void *arg);
/* Runs fn(arg) in a thread of its own. 0, or -EAGAIN: no thread to be had. */
int workers_start(struct workers *w, void (*fn)(void *arg), void *arg);

#endif
