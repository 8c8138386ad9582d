/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c: see clock.h.
 */
#include "common/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static _Atomic int64_t fixed_ns;      /* 0: the clock runs */
static _Atomic uint64_t fixed_random; /* state of the reproducible numbers */
static atomic_bool random_is_fixed;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_real_ns(void)
{
    int64_t ns = atomic_load_explicit(&fixed_ns, memory_order_relaxed);
    return ns ? ns : read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_fix(int64_t ns)
{
    atomic_store(&fixed_ns, ns);
}

void random_fix(uint64_t seed)
{
    atomic_store(&fixed_random, seed);
    atomic_store(&random_is_fixed, seed != 0);
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): its state only counts
 * up, so one atomic addition makes it safe for any number of threads. */
static uint64_t next_fixed(void)
{
    const uint64_t step = 0x9e3779b97f4a7c15u;
    uint64_t z = atomic_fetch_add(&fixed_random, step) + step;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fill_fixed(char *p, size_t n)
{
    while (n) {
        uint64_t v = next_fixed();
        size_t part = n < sizeof(v) ? n : sizeof(v);
        memcpy(p, &v, part);
        p += part;
        n -= part;
    }
}

static void fill_unpredictable(char *p, size_t n)
{
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            /* Going on with numbers that can be guessed would be worse. */
            fputs("getrandom failed\n", stderr);
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

/* A request draws a few bytes several times: each thread fetches them in bulk, and wipes what it has handed out. Where a
 * program forks (martletfs, to go to the background), only one of the two goes on drawing. */
static _Thread_local struct {
    char bytes[512];
    size_t left;
} store;

void random_bytes(void *p, size_t n)
{
    if (atomic_load_explicit(&random_is_fixed, memory_order_relaxed)) {
        fill_fixed(p, n);
    } else if (n > sizeof(store.bytes) / 4) {
        fill_unpredictable(p, n);
    } else {
        if (store.left < n) {
            fill_unpredictable(store.bytes, sizeof(store.bytes));
            store.left = sizeof(store.bytes);
        }
        store.left -= n;
        memcpy(p, store.bytes + store.left, n);
        explicit_bzero(store.bytes + store.left, n);
    }
}

uint32_t random_below(uint32_t limit)
{
    /* The 2^32 mod limit smallest values would come up once too often: draw again. */
    uint32_t too_small = (uint32_t)-limit % limit, v;
    do
        random_bytes(&v, sizeof(v));
    while (v < too_small);
    return v % limit;
}

void random_uuid(char out[37])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t b[16];
    random_bytes(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[b[i] >> 4];
        *out++ = digits[b[i] & 15];
    }
    *out = '\0';
}
