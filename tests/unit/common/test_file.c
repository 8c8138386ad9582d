/* SPDX-License-Identifier: Apache-2.0
 *
 * test_file.c: in a folder of its own under $TMPDIR or /tmp.
 */
#include "common_test.h"
#include "common/clock.h"
#include "common/file.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/test_file.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    return file_remove_tree(folder) || access(folder, F_OK) == 0;
}

static const char *in(const char *name)
{
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void write_file(const char *name, const char *text)
{
    assert_int_equal(file_replace(in(name), text, strlen(text), 0644), 0);
}

static void test_read(void **state)
{
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(file_read(in("absent"), &b), -ENOENT);
    assert_int_equal(buf_error(&b), 0);
    write_file("f", "12345");
    assert_int_equal(file_read(in("f"), &b), 0);
    assert_int_equal(file_read(in("f"), &b), 0); /* appends, up to exactly the maximum */
    assert_str(buf_view(&b), "1234512345");
    assert_int_equal(b.p[b.n], 0);
    write_file("empty", "");
    assert_int_equal(file_read(in("empty"), &b), 0);
    assert_int_equal(file_read(in("f"), &b), -E2BIG);
    buf_reset(&b);
    write_file("big", "12345678901");
    assert_int_equal(file_read(in("big"), &b), -E2BIG);
    buf_reset(&b);
    int dir = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(file_read_at(dir, "f", &b), 0);
    assert_str(buf_view(&b), "12345");
    close(dir);
    assert_int_equal(file_read(folder, &b), -EISDIR);
    buf_release(&b);
    /* A file whose size stat() does not know. */
    buf_init(&b, 1 << 20);
    assert_int_equal(file_read("/proc/self/status", &b), 0);
    assert_true(b.n > 100 && str_starts(buf_view(&b), STR("Name:")));
    buf_release(&b);
}

static void test_replace(void **state)
{
    struct stat st;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(file_replace(in("f"), "old", 3, 0600), 0);
    assert_int_equal(file_replace(in("f"), "new\0x", 5, 0640), 0);
    assert_int_equal(file_read(in("f"), &b), 0);
    assert_str(buf_view(&b), "new\0x");
    assert_int_equal(stat(in("f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(file_replace(in("no/such"), "x", 1, 0600), -ENOENT);
    /* A failure keeps the old content and leaves nothing behind. */
    assert_int_equal(mkdir(in("d"), 0755), 0);
    assert_int_equal(file_replace(in("d"), "x", 1, 0600), -EISDIR);
    assert_int_equal(unlink(in("f")), 0);
    assert_int_equal(rmdir(in("d")), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    buf_release(&b);
}

static void test_write_all(void **state)
{
    int fd = open(in("f"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(file_write_all(fd, "hello", 5), 0);
    assert_int_equal(file_pwrite_all(fd, "J", 1, 0), 0);
    assert_int_equal(file_pwrite_all(fd, "!", 1, 10), 0);
    close(fd);
    assert_int_equal(file_write_all(fd, "x", 1), -EBADF);
    assert_int_equal(file_pwrite_all(fd, "x", 1, 0), -EBADF);
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(file_read(in("f"), &b), 0);
    assert_str(buf_view(&b), "Jello\0\0\0\0\0!");
    buf_release(&b);
}

static void *drain(void *arg)
{
    static char sink[4096];
    size_t *total = arg;
    int fd = (int)*total;
    ssize_t n;
    *total = 0;
    while ((n = read(fd, sink, sizeof(sink))) > 0)
        *total += (size_t)n;
    return NULL;
}

static void test_short_writes(void **state)
{
    /* A pipe takes a large write only in pieces. */
    static char data[1 << 20];
    int fds[2];
    pthread_t reader;
    assert_int_equal(pipe(fds), 0);
    size_t total = (size_t)fds[0];
    assert_int_equal(pthread_create(&reader, NULL, drain, &total), 0);
    assert_int_equal(file_write_all(fds[1], data, sizeof(data)), 0);
    close(fds[1]);
    pthread_join(reader, NULL);
    close(fds[0]);
    assert_int_equal(total, sizeof(data));
}

static void test_make_dirs(void **state)
{
    struct stat st;
    assert_int_equal(file_make_dirs(in("a/b//c/"), 0755, true), 0);
    assert_int_equal(stat(in("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(file_make_dirs(in("a/b/c"), 0755, true), 0);
    write_file("file", "x");
    assert_int_equal(file_make_dirs(in("file"), 0755, false), -ENOTDIR);
    assert_int_equal(file_make_dirs(in("file/a/b"), 0755, false), -ENOTDIR);
    assert_int_equal(symlink("a", in("link")), 0);
    assert_int_equal(file_make_dirs(in("link"), 0755, false), 0);
    assert_int_equal(file_make_dirs(in("link/new"), 0755, false), 0);
    assert_int_equal(stat(in("a/new"), &st), 0);
    assert_int_equal(file_make_dirs("", 0755, false), -ENOENT);
    assert_int_equal(file_make_dirs("/", 0755, true), 0);
    assert_int_equal(file_sync_dir(folder), 0);
    assert_int_equal(file_sync_dir(in("file")), -ENOTDIR);
}

static void test_lock(void **state)
{
    int fd = file_lock(in("lock"), 0);
    assert_true(fd >= 0);
    int64_t start = clock_monotonic_ms();
    assert_int_equal(file_lock(in("lock"), 60), -ETIMEDOUT);
    assert_true(clock_monotonic_ms() - start >= 60);
    /* Passed on to whoever waits, here after a child's end. */
    close(fd);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int mine = file_lock(in("lock"), 1000);
        ssize_t n = write(ready[1], "", 1);
        usleep(50000);
        _exit(mine < 0 || n != 1);
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    fd = file_lock(in("lock"), 5000);
    assert_true(fd >= 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fd);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(file_lock(in("no/lock"), 0), -ENOENT);
}

static void test_remove_tree(void **state)
{
    assert_int_equal(file_make_dirs(in("keep"), 0755, false), 0);
    write_file("keep/f", "x");
    assert_int_equal(file_make_dirs(in("t/a/b/c"), 0755, false), 0);
    write_file("t/a/f", "x");
    write_file("t/.hidden", "x");
    assert_int_equal(symlink("../keep", in("t/link")), 0);
    assert_int_equal(symlink("/nowhere", in("t/dangling")), 0);
    assert_int_equal(file_remove_tree(in("t")), 0);
    assert_int_equal(access(in("t"), F_OK), -1);
    assert_int_equal(access(in("keep/f"), F_OK), 0); /* links are not followed */
    assert_int_equal(file_remove_tree(in("t")), 0);
    assert_int_equal(symlink("keep", in("link")), 0);
    assert_int_equal(file_remove_tree(in("link")), 0);
    assert_int_equal(access(in("keep/f"), F_OK), 0);
    assert_int_equal(file_remove_tree(in("keep/f")), 0);
    assert_int_equal(access(in("keep/f"), F_OK), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_read),      T(test_replace), T(test_write_all),   T(test_short_writes),
        T(test_make_dirs), T(test_lock),    T(test_remove_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
