/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_test.h: for the tests of server/rt. Inside tasks an assertion of cmocka would jump from one stack to
 * another, so CHECK() ends the process instead.
 */
#ifndef TESTS_UNIT_RT_TEST_H
#define TESTS_UNIT_RT_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "rt/rt.h"

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#define CHECK_EQ(got, expected)                                                                          \
    do {                                                                                                 \
        long long got_ = (got), expected_ = (expected);                                                  \
        if (got_ != expected_) {                                                                         \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, expected_); \
            abort();                                                                                     \
        }                                                                                                \
    } while (0)

static inline void run_with(struct rt_options options, void (*fn)(void *arg))
{
    assert_int_equal(rt_run(&options, fn, NULL), 0);
}

static inline void run(unsigned loops, void (*fn)(void *arg))
{
    run_with((struct rt_options){.loops = loops}, fn);
}

/* The runtime of plain threads switches nothing. */
static inline bool on_threads(void)
{
    struct rt_stats stats;
    rt_yield();
    rt_stats(&stats);
    return stats.switches == 0;
}

/* A thread per task is dear, above all under a sanitizer. */
static inline int many(int coroutines, int threads)
{
    return on_threads() ? threads : coroutines;
}

/* [waits] Until *counter is n. */
static inline void wait_for(atomic_int *counter, int n)
{
    int64_t end = rt_deadline(20000);
    while (atomic_load(counter) != n) {
        if (clock_monotonic_ms() > end) {
            fprintf(stderr, "waited for %d, have %d\n", n, atomic_load(counter));
            abort();
        }
        rt_sleep(1);
    }
}

/* Two connected, attached sockets. */
static inline void socket_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(rt_attach(fds[0]), 0);
    CHECK_EQ(rt_attach(fds[1]), 0);
}

/* Writes until the socket takes no more. */
static inline void fill(int fd)
{
    static const char block[4096];
    while (send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

/* A listening socket on a free port of 127.0.0.1; not attached. */
static inline int listen_any(struct sockaddr_in *ret, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof *ret;
    CHECK_EQ(bind(fd, (struct sockaddr *)ret, sizeof *ret), 0);
    CHECK_EQ(listen(fd, backlog), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)ret, &len), 0);
    return fd;
}

#endif
