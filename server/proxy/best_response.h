/* SPDX-License-Identifier: Apache-2.0
 *
 * best_response.h: one answer out of several servers' (facts: proxy 29). Answers are counted by their hundreds, 2xx, 3xx,
 * 4xx in this order; the first class with a quorum wins, and in it the numerically highest status, of those the
 * first. No class has a quorum: 503.
 */
#ifndef PROXY_BEST_RESPONSE_H
#define PROXY_BEST_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

/* Index of the answer, or -1 for 503. */
int best_response(const int *statuses, size_t n, size_t quorum);
/* A class has a quorum already, 1xx among them: waiting for more would not change it. */
bool have_quorum(const int *statuses, size_t n, size_t quorum);
/* As best_response(), where there is no quorum with `from` read as `to` in a second try (DELETE: 404 as 204). Such an
 * answer is never chosen itself. */
int best_response_override(const int *statuses, size_t n, size_t quorum, int from, int to);

#endif
