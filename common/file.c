/* SPDX-License-Identifier: Apache-2.0
 *
 * file.c: see file.h.
 */
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/alloc.h"
#include "common/clock.h"

static int open_retry(int dirfd, const char *name, int flags, mode_t mode)
{
    int fd;
    do
        fd = openat(dirfd, name, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int read_fd(int fd, struct buf *b)
{
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    /* One byte more than the size shows the end of the file without growing again. */
    size_t step = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
    for (;;) {
        size_t room = b->max - b->n;
        if (step > room)
            step = room;
        char probe;
        char *to = step ? buf_reserve(b, step) : &probe;
        if (!to)
            return buf_error(b);
        ssize_t got = read(fd, to, step ? step : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        if (!step)
            return b->error = -E2BIG;
        b->n += (size_t)got;
        b->p[b->n] = '\0';
        if (b->n == b->max)
            step = 0;
        else if (step < 65536)
            step *= 2;
    }
}

int file_read_at(int dirfd, const char *name, struct buf *b)
{
    if (buf_error(b))
        return buf_error(b);
    int fd = open_retry(dirfd, name, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int err = read_fd(fd, b);
    close(fd);
    return err;
}

int file_read(const char *path, struct buf *b)
{
    return file_read_at(AT_FDCWD, path, b);
}

int file_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int file_pwrite_all(int fd, const void *p, size_t n, off_t offset)
{
    const char *at = p;
    while (n) {
        ssize_t done = pwrite(fd, at, n, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        at += done;
        n -= (size_t)done;
        offset += done;
    }
    return 0;
}

/* The folder of path: "." or "/" where there is none. The caller frees it. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    while (slash > path && slash[-1] == '/')
        slash--;
    return slash == path ? xstrdup("/") : str_dup(str_of(path, (size_t)(slash - path)));
}

static int sync_parent(const char *path)
{
    char *parent = parent_of(path);
    int err = file_sync_dir(parent);
    free(parent);
    return err;
}

static int write_and_sync(int fd, const void *p, size_t n, mode_t mode)
{
    int err = file_write_all(fd, p, n);
    if (!err && fchmod(fd, mode))
        err = -errno;
    if (!err && fsync(fd))
        err = -errno;
    return err;
}

int file_replace(const char *path, const void *p, size_t n, mode_t mode)
{
    char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int err = fd < 0 ? -errno : 0;
    if (!err) {
        err = write_and_sync(fd, p, n, mode);
        if (close(fd) && !err)
            err = -errno;
        if (!err && rename(temporary, path))
            err = -errno;
        if (err)
            unlink(temporary);
        else
            err = sync_parent(path);
    }
    free(temporary);
    return err;
}

int file_sync_dir(const char *path)
{
    int fd = open_retry(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = fsync(fd) ? -errno : 0;
    close(fd);
    return err;
}

/* mkdir, but fine if the folder (or a link to one) is there. 1 if it is new. */
static int make_dir(const char *path, mode_t mode)
{
    if (!mkdir(path, mode))
        return 1;
    int err = errno;
    struct stat st;
    if (err == EEXIST)
        return stat(path, &st) ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    return -err;
}

int file_make_dirs(const char *path, mode_t mode, bool durable)
{
    int err = make_dir(path, mode);
    if (err == -ENOENT) {
        char *parent = parent_of(path);
        err = strcmp(parent, path) ? file_make_dirs(parent, mode, durable) : -ENOENT;
        free(parent);
        if (!err)
            err = make_dir(path, mode);
    }
    if (err == 1)
        err = durable ? sync_parent(path) : 0;
    return err;
}

int file_lock(const char *path, int timeout_ms)
{
    int64_t until = clock_monotonic_ms() + timeout_ms;
    int fd = open_retry(AT_FDCWD, path, O_RDWR | O_CREAT, 0666);
    if (fd < 0)
        return fd;
    for (int wait_ms = 1;; wait_ms = wait_ms < 50 ? wait_ms * 2 : 50) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return fd;
        int err = errno;
        int64_t left = until - clock_monotonic_ms();
        if ((err != EWOULDBLOCK && err != EINTR) || left <= 0) {
            close(fd);
            return err == EWOULDBLOCK || err == EINTR ? -ETIMEDOUT : -err;
        }
        poll(NULL, 0, (int)(left < wait_ms ? left : wait_ms));
    }
}

static int remove_at(int dirfd, const char *name);

static int remove_content(int dirfd, const char *name)
{
    int fd = open_retry(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int err = -errno;
        close(fd);
        return err;
    }
    int err = 0;
    struct dirent *e;
    while (!err && (errno = 0, e = readdir(dir)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            err = remove_at(fd, e->d_name);
    if (!err && errno)
        err = -errno;
    closedir(dir);
    return err;
}

/* Somebody else removing the same things is no error. */
static int remove_at(int dirfd, const char *name)
{
    if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    int err = remove_content(dirfd, name);
    if (err == -ENOENT)
        return 0;
    if (err)
        return err == -ENOTDIR || err == -ELOOP ? -EPERM : err;
    return !unlinkat(dirfd, name, AT_REMOVEDIR) || errno == ENOENT ? 0 : -errno;
}

int file_remove_tree(const char *path)
{
    return remove_at(AT_FDCWD, path);
}
