/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls of a durable 4 KiB PUT and nothing else, from THREADS threads for SECONDS: what the disk allows.
 * Prints files per second.
 *
 *   durable_put_loop FOLDER THREADS SECONDS
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *folder;
static atomic_long done;
static atomic_bool stop;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put_one(long thread, long n)
{
    static const char data[4096], meta[300];
    char dir[512], path[600], self[64];
    snprintf(dir, sizeof(dir), "%s/%ld-%ld", folder, thread, n);
    snprintf(path, sizeof(path), "%s/1700000000.00000.data", dir);
    if (mkdir(dir, 0755) != 0)
        fail(dir);
    int fd = open(dir, O_TMPFILE | O_WRONLY, 0644);
    if (fd < 0 || write(fd, data, sizeof(data)) != (ssize_t)sizeof(data) ||
        fsetxattr(fd, "user.swift.metadata", meta, sizeof(meta), 0) != 0 || fsync(fd) != 0)
        fail(dir);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0)
        fail(path);
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY), parent_fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (dir_fd < 0 || parent_fd < 0 || fsync(dir_fd) != 0 || fsync(parent_fd) != 0)
        fail(dir);
    close(dir_fd);
    close(parent_fd);
    close(fd);
}

static void *work(void *arg)
{
    for (long n = 0; !stop; n++) {
        put_one((long)arg, n);
        done++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: durable_put_loop FOLDER THREADS SECONDS\n");
        return 2;
    }
    folder = argv[1];
    long n_threads = strtol(argv[2], NULL, 10), seconds = strtol(argv[3], NULL, 10);
    pthread_t *threads = calloc((size_t)n_threads, sizeof(*threads));
    for (long i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            fail("pthread_create");
    sleep((unsigned)seconds);
    stop = true;
    for (long i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    printf("%.1f\n", (double)done / (double)seconds);
    free(threads);
    return 0;
}
