/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_io.c: the I/O calls of rt.h: the system call first, waiting only when it says EAGAIN.
 *
 * Registration is edge-triggered, so the order matters: a call that answered EAGAIN is followed by the wait with
 * nothing between, and what arrives after the EAGAIN is a new edge. rt_wait_readable() without a call before it
 * asks poll() first, because the edge of what is already there may be long past.
 */
#include "rt/rt_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "common/clock.h"

/* At most so much in one system call of sendfile: a millisecond or so, then others may have a turn. */
#define SENDFILE_MAX ((size_t)1 << 20)

int64_t rt_deadline(int64_t ms)
{
    int64_t now = clock_monotonic_ms();
    return ms < 0 || ms >= RT_FOREVER - now ? RT_FOREVER : now + ms;
}

/* What comes after a system call that failed: 0 to try again, or the error. */
static int after_error(int fd, enum rt_direction direction, int64_t deadline)
{
    if (errno == EINTR) {
        return 0;
    }
    if (errno == EAGAIN) {
        return rt_wait_fd(fd, direction, deadline, false);
    }
    return -errno;
}

ssize_t rt_read(int fd, void *p, size_t n, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    for (;;) {
        ssize_t got = read(fd, p, n);
        if (got >= 0) {
            rt_progress((size_t)got);
            return got;
        }
        int r = after_error(fd, RT_READ, deadline);
        if (r < 0) {
            return r;
        }
    }
}

/* Takes n bytes off the front of *iov, and empty parts. */
static void iov_advance(struct iovec **iov, int *count, size_t n)
{
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (*count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static ssize_t send_some(int fd, struct iovec *iov, int count, int flags)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX)};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | flags);
    if (sent < 0 && errno == ENOTSOCK) {
        sent = writev(fd, iov, (int)message.msg_iovlen);
    }
    return sent;
}

static int send_all(int fd, struct iovec *iov, int count, int flags, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    iov_advance(&iov, &count, 0);
    while (count > 0) {
        ssize_t sent = send_some(fd, iov, count, flags);
        if (sent >= 0) {
            iov_advance(&iov, &count, (size_t)sent);
            rt_progress((size_t)sent);
            continue;
        }
        int r = after_error(fd, RT_WRITE, deadline);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int rt_write_all(int fd, const void *p, size_t n, int64_t deadline)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    return send_all(fd, &iov, 1, 0, deadline);
}

int rt_writev_all(int fd, struct iovec *iov, int n, int64_t deadline)
{
    return send_all(fd, iov, n, 0, deadline);
}

int rt_send_more(int fd, struct iovec *iov, int n, int64_t deadline)
{
    return send_all(fd, iov, n, MSG_MORE, deadline);
}

int rt_sendfile_all(int out_fd, int in_fd, off_t offset, size_t n, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    while (n > 0) {
        ssize_t sent = sendfile(out_fd, in_fd, &offset, n < SENDFILE_MAX ? n : SENDFILE_MAX);
        if (sent == 0) {
            return -ENODATA;
        }
        if (sent > 0) {
            n -= (size_t)sent;
            rt_progress((size_t)sent);
            continue;
        }
        int r = after_error(out_fd, RT_WRITE, deadline);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

bool rt_readable_now(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

static int wait_readable(int fd, int64_t deadline, bool idle)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    if (rt_readable_now(fd)) {
        rt_progress(0);
        return 0;
    }
    return rt_wait_fd(fd, RT_READ, deadline, idle);
}

int rt_wait_readable(int fd, int64_t deadline)
{
    return wait_readable(fd, deadline, false);
}

int rt_wait_readable_idle(int fd, int64_t deadline)
{
    return wait_readable(fd, deadline, true);
}

/* --- connections ------------------------------------------------------------------------------------------ */

/* The descriptor is known to the runtime only once connect() has been called: before that the kernel reports
 * an unconnected socket as hung up. Asking connect() again is how the outcome is learned: EALREADY while it is
 * under way. */
static int connect_wait(int fd, const struct sockaddr *addr, socklen_t addr_len, int64_t deadline)
{
    int r = connect(fd, addr, addr_len) == 0 ? 0 : -errno;
    int attached = rt_adopt(fd, false);
    if (attached < 0) {
        return attached;
    }
    while (r == -EINPROGRESS || r == -EALREADY || r == -EINTR) {
        r = rt_wait_fd(fd, RT_WRITE, deadline, false);
        if (r < 0) {
            return r;
        }
        r = connect(fd, addr, addr_len) == 0 || errno == EISCONN ? 0 : -errno;
    }
    return r;
}

int rt_connect(const struct sockaddr *addr, socklen_t addr_len, int64_t deadline)
{
    if (rt_self_canceled()) {
        return -ECANCELED;
    }
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    if (addr->sa_family == AF_INET || addr->sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    int r = connect_wait(fd, addr, addr_len, deadline);
    if (r < 0) {
        rt_close(fd);
        return r;
    }
    return fd;
}

/* What to do when accept4() has failed: 0 to try again. What it reports of the one connection that failed, not
 * of the listening socket (accept(2)), is the client's affair. EBADF: another loop has closed it just now. */
static int after_accept_error(int fd, int64_t deadline)
{
    switch (errno) {
    case EAGAIN:
        return rt_wait_accept(fd, deadline);
    case EBADF:
        return -ECANCELED;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return 0;
    default:
        return -errno;
    }
}

int rt_accept(int listen_fd, struct sockaddr_storage *ret_addr, socklen_t *ret_len, int64_t deadline)
{
    int r = rt_self_canceled() ? -ECANCELED : 0;
    while (r == 0 && (r = rt_accept_turn(listen_fd)) == 0) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof addr;
        int fd = accept4(listen_fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            r = after_accept_error(listen_fd, deadline);
            continue;
        }
        r = rt_adopt(fd, true);
        if (r < 0) {
            close(fd);
            return r;
        }
        *ret_addr = addr;
        *ret_len = len;
        rt_progress(0);
        return fd;
    }
    return r;
}
