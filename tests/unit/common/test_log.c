/* SPDX-License-Identifier: Apache-2.0
 *
 * test_log.c: what arrives at stderr, which each test replaces by a pipe.
 */
#include "common_test.h"
#include "common/clock.h"
#include "common/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static int saved_stderr, pipe_out;
static char got[256 * 1024];

static int setup(void **state)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return -1;
    fcntl(fds[1], F_SETPIPE_SZ, (int)sizeof(got));
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    pipe_out = fds[0];
    return 0;
}

static int teardown(void **state)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_out);
    clock_fix(0);
    return 0;
}

static const char *logged(void)
{
    ssize_t n = read(pipe_out, got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    return got;
}

static void test_line(void **state)
{
    clock_fix(INT64_C(1700000010123456789));
    assert_int_equal(log_open("object-server", LOG_LEVEL_INFO, NULL), 0);
    errno = EBADF;
    log_txn(LOG_LEVEL_ERROR, STR("tx123"), "disk %s: %d", "sda", 5);
    assert_int_equal(errno, EBADF);
    assert_string_equal(logged(),
                        "2023-11-14T22:13:30.123Z object-server: ERROR: disk sda: 5 (txn: tx123)\n");
    log_info("plain");
    assert_string_equal(logged(), "2023-11-14T22:13:30.123Z object-server: INFO: plain\n");
}

static void test_escape(void **state)
{
    log_open("x", LOG_LEVEL_INFO, NULL);
    log_info("a\nb\x1b[0m\x7f\t\xc3\xa9");
    assert_non_null(strstr(logged(), "INFO: a\\x0ab\\x1b[0m\\x7f\\x09\xc3\xa9\n"));
    log_txn(LOG_LEVEL_INFO, STR("t\nx"), "m");
    assert_non_null(strstr(logged(), "(txn: t\\x0ax)\n"));
}

static void test_level(void **state)
{
    enum log_level level;
    log_open("x", LOG_LEVEL_WARNING, NULL);
    assert_true(log_enabled(LOG_LEVEL_ERROR) && !log_enabled(LOG_LEVEL_NOTICE));
    log_notice("hidden");
    log_warning("shown");
    assert_null(strstr(logged(), "hidden"));
    assert_non_null(strstr(got, "shown"));
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("now");
    assert_non_null(strstr(logged(), "DEBUG: now"));
    assert_int_equal(log_level_parse(STR("notice"), &level), 0);
    assert_int_equal(level, LOG_LEVEL_NOTICE);
    assert_int_equal(log_level_parse(STR("CRITICAL"), &level), 0);
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse(STR("loud"), &level), -EINVAL);
    assert_int_equal(log_level_parse(STR(""), &level), -EINVAL);
}

static void test_long(void **state)
{
    log_open("x", LOG_LEVEL_INFO, NULL);
    log_info("%01000d|", 1);
    assert_non_null(strstr(logged(), "0001|\n"));
    log_info("%0100000d|", 1); /* cut, but still one line */
    size_t n = strlen(logged());
    assert_in_range(n, 30000, 40000);
    assert_int_equal(got[n - 1], '\n');
}

static void test_facility(void **state)
{
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, "LOG_NOWHERE"), -EINVAL);
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, "LOG_"), -EINVAL);
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, ""), -EINVAL);
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, "LOG_LOCAL0"), 0);
    /* Without a syslog daemon messages must not get lost. */
    log_info("where to");
    if (access("/dev/log", F_OK))
        assert_non_null(strstr(logged(), "where to"));
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, "local7"), 0);
    assert_int_equal(log_open("x", LOG_LEVEL_INFO, NULL), 0);
}

static void *talk(void *arg)
{
    for (int i = 0; i < 100; i++)
        log_info("%s", (const char *)arg);
    return NULL;
}

static void test_threads(void **state)
{
    static const char *const words[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
    pthread_t t[2];
    clock_fix(INT64_C(1700000010000000000));
    log_open("x", LOG_LEVEL_INFO, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, talk, (void *)(uintptr_t)words[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    struct str all = str_from(logged()), line;
    int n = 0;
    while (all.n && str_next(&all, '\n', &line) && line.n) {
        bool a = str_ends(line, STR(" INFO: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        bool b = str_ends(line, STR(" INFO: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"));
        assert_true((a || b) && str_starts(line, STR("2023-11-14T22:13:30.000Z x: INFO: ")));
        n++;
    }
    assert_int_equal(n, 200);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_line), T(test_escape), T(test_level), T(test_long), T(test_facility), T(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
