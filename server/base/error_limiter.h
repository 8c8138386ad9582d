/* SPDX-License-Identifier: Apache-2.0
 *
 * error_limiter.h: back-end devices that failed often lately are left alone for a while. Counted per
 * "ip:port/device"; any thread.
 *
 *   more than `limit` errors, none older than interval_ms since the last one -> limited until interval_ms after it
 *   507 (unmounted, full)                                                    -> limited at once
 */
#ifndef BASE_ERROR_LIMITER_H
#define BASE_ERROR_LIMITER_H

#include "ring/ring.h"

struct error_limiter;

struct error_limiter *error_limiter_new(int64_t interval_ms, int64_t limit);
void error_limiter_free(struct error_limiter *l);
/* Costs nothing while no device has errors. */
bool error_limiter_is_limited(struct error_limiter *l, const struct ring_device *node);
void error_limiter_count(struct error_limiter *l, const struct ring_device *node); /* one more error */
void error_limiter_limit(struct error_limiter *l, const struct ring_device *node); /* at once */

#endif
