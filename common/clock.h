/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h: the only way to time and randomness, so that tests can fix and move both.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_real_ns(void);      /* since 1970 */
int64_t clock_monotonic_ns(void); /* since some start; never goes back */
static inline int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

void random_bytes(void *p, size_t n);  /* unpredictable (getrandom) */
uint32_t random_below(uint32_t limit); /* 0 .. limit - 1, uniform; limit > 0 */
void random_uuid(char out[37]);        /* 8-4-4-4-12, version 4 */

/* For tests: real time stands still at ns (0: runs again); random numbers follow from seed (0: real). */
void clock_fix(int64_t ns);
void random_fix(uint64_t seed);

#endif
