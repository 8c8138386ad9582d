/* SPDX-License-Identifier: Apache-2.0
 *
 * slow_disk.c: preloaded into a server, makes one disk slow: open, fsync and linkat of files below SLOW_PATH take
 * SLOW_MS milliseconds more.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void delay_if_below(const char *path)
{
    const char *slow = getenv("SLOW_PATH"), *ms = getenv("SLOW_MS");
    if (slow && ms && path && strncmp(path, slow, strlen(slow)) == 0)
        usleep((useconds_t)strtoul(ms, NULL, 10) * 1000);
}

static void delay_if_fd_below(int fd)
{
    char self[40], path[4096];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(self, path, sizeof(path) - 1);
    if (n > 0) {
        path[n] = '\0';
        delay_if_below(path);
    }
}

static int open_slowly(const char *symbol, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, symbol);
    delay_if_below(path);
    return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#undef open
#undef open64
int open(const char *path, int flags, ...);
int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_slowly("open", path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_slowly("open64", path, flags, mode);
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay_if_fd_below(fd);
    return real(fd);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    int (*real)(int, const char *, int, const char *, int) =
        (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    delay_if_below(to);
    return real(from_dir, from, to_dir, to, flags);
}
