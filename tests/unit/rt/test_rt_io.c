/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors: echo over many connections, accepting on all loops, what fails and what is late, fairness, and
 * the memory of idle connections.
 */
#include "rt_test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

static atomic_int ended;
static struct sockaddr_in address;
static int listen_fd;

static int64_t soon(void)
{
    return rt_deadline(20000);
}

static int connect_any(void)
{
    int fd = rt_connect((struct sockaddr *)&address, sizeof address, soon());
    CHECK(fd >= 0);
    return fd;
}

/* --- echo ------------------------------------------------------------------------------------------------- */

static atomic_int accepted[8], stopped;

static void echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char block[4096];
    ssize_t n;
    while ((n = rt_read(fd, block, sizeof block, soon())) > 0) {
        CHECK_EQ(rt_write_all(fd, block, (size_t)n, soon()), 0);
    }
    CHECK_EQ(n, 0);
    rt_close(fd);
    atomic_fetch_add(&ended, 1);
}

static void accept_loop(void *arg)
{
    struct sockaddr_storage peer;
    socklen_t len;
    int fd;
    CHECK_EQ(rt_attach(listen_fd), 0);
    while ((fd = rt_accept(listen_fd, &peer, &len, RT_FOREVER)) >= 0) {
        CHECK_EQ(peer.ss_family, AF_INET);
        CHECK_EQ(len, sizeof(struct sockaddr_in));
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        atomic_fetch_add(&accepted[rt_loop_index()], 1);
        rt_go(echo, (void *)(intptr_t)fd);
    }
    CHECK_EQ(fd, -ECANCELED);
    atomic_fetch_add(&stopped, 1);
}

static void listen_from(unsigned first_loop)
{
    atomic_store(&stopped, 0);
    atomic_store(&ended, 0);
    memset(accepted, 0, sizeof accepted);
    listen_fd = listen_any(&address, 1024);
    for (unsigned i = first_loop; i < rt_loop_count(); i++) {
        rt_go_on(i, accept_loop, NULL);
    }
    rt_sleep(20);
}

static void listen_on_all_loops(void)
{
    listen_from(0);
}

/* Closing ends the acceptors of all loops. */
static void stop_listening(void)
{
    rt_close(listen_fd);
    wait_for(&stopped, (int)rt_loop_count());
}

static void echo_client(void *arg)
{
    int seed = (int)(intptr_t)arg, fd = connect_any();
    char out[3000], in[3000];
    memset(out, seed, sizeof out);
    for (int i = 0; i < 5; i++) {
        size_t n = (size_t)(seed * 7 + i * 611) % sizeof out + 1, have = 0;
        CHECK_EQ(rt_write_all(fd, out, n, soon()), 0);
        while (have < n) {
            ssize_t r = rt_read(fd, in + have, n - have, soon());
            CHECK(r > 0);
            have += (size_t)r;
        }
        CHECK_EQ(memcmp(in, out, n), 0);
    }
    rt_close(fd);
    atomic_fetch_add(&ended, 1);
}

static void echo_thousand(void *arg)
{
    int n = many(1000, 100);
    listen_on_all_loops();
    for (int i = 0; i < n; i++) {
        rt_go_on((unsigned)i % rt_loop_count(), echo_client, (void *)(intptr_t)i);
    }
    wait_for(&ended, 2 * n);
    stop_listening();
}

static void test_echo(void **state)
{
    run(1, echo_thousand);
    run(2, echo_thousand);
    run(3, echo_thousand);
}

/* --- accepting -------------------------------------------------------------------------------------------- */

static void accept_stop(void *arg)
{
    for (int i = 0; i < 30; i++) {
        listen_on_all_loops();
        int clients[4];
        for (int c = 0; c < 4; c++) {
            clients[c] = connect_any();
        }
        for (int c = 0; c < 4; c++) {
            rt_close(clients[c]);
        }
        wait_for(&ended, 4);
        stop_listening();
        CHECK_EQ(rt_connect((struct sockaddr *)&address, sizeof address, soon()), -ECONNREFUSED);
    }
}

/* Clients outside the runtime: one by one with the loops idle between, or all at once. */
static void job_clients(void *arg)
{
    int clients[64];
    bool at_once = *(bool *)arg;
    for (int i = 0; i < 64; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
        for (int j = at_once ? 64 : i; j <= i; j++) {
            char c = 'x';
            CHECK_EQ(write(clients[j], &c, 1), 1);
            CHECK_EQ(read(clients[j], &c, 1), 1);
        }
    }
    for (int i = 0; i < 64; i++) {
        char c = 'x';
        CHECK_EQ(write(clients[i], &c, 1), 1);
        CHECK_EQ(read(clients[i], &c, 1), 1);
    }
    for (int i = 0; i < 64; i++) {
        close(clients[i]);
    }
}

static bool accept_evenly(bool at_once)
{
    listen_on_all_loops();
    CHECK_EQ(rt_offload(NULL, job_clients, &at_once), 0);
    int first = atomic_load(&accepted[0]), second = atomic_load(&accepted[1]);
    CHECK_EQ(first + second, 64);
    wait_for(&ended, 64);
    stop_listening();
    return first >= 24 && second >= 24;
}

static void job_connect_40(void *arg)
{
    int *clients = arg;
    for (int i = 0; i < 40; i++) {
        char c = 'x';
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
        CHECK_EQ(write(clients[i], &c, 1), 1);
        CHECK_EQ(read(clients[i], &c, 1), 1);
    }
}

/* One loop has 40 connections when the other begins to accept: the next 40 go there. */
static bool accept_catches_up(bool unused)
{
    int clients[80];
    listen_from(1);
    CHECK_EQ(rt_offload(NULL, job_connect_40, clients), 0);
    CHECK_EQ(atomic_load(&accepted[1]), 40);
    rt_go_on(0, accept_loop, NULL);
    rt_sleep(5);
    CHECK_EQ(rt_offload(NULL, job_connect_40, clients + 40), 0);
    int first = atomic_load(&accepted[0]);
    for (int i = 0; i < 80; i++) {
        close(clients[i]);
    }
    wait_for(&ended, 80);
    stop_listening();
    return first >= 32;
}

/* On a busy machine one of the loops may get no core for a while, but most of the time both do. */
static void accept_balance(void *arg)
{
    for (int kind = 0; kind < 3 && !on_threads(); kind++) {
        int tries = 0, ahead = 0;
        while (ahead < 4 && tries++ < 40) {
            ahead += (kind < 2 ? accept_evenly : accept_catches_up)(kind == 1) ? 1 : -1;
        }
        CHECK_EQ(ahead, 4);
    }
}

/* The acceptor that was woken for a connection goes away: another loop's must get it. */
static void accept_cancelled(void *arg)
{
    listen_from(1);
    for (int i = 0; i < 100; i++) {
        struct rt_task *t = rt_spawn(accept_loop, NULL);
        rt_sleep(i % 3);
        int fd = connect_any();
        rt_cancel(t);
        rt_join(t);
        CHECK_EQ(rt_write_all(fd, "x", 1, soon()), 0);
        char c;
        CHECK_EQ(rt_read(fd, &c, 1, soon()), 1);
        rt_close(fd);
        wait_for(&ended, i + 1);
    }
    CHECK_EQ(atomic_load(&stopped), 100);
    rt_close(listen_fd);
    wait_for(&stopped, 101);
}

static void accept_late(void *arg)
{
    struct sockaddr_storage peer;
    socklen_t len;
    listen_fd = listen_any(&address, 10);
    CHECK_EQ(rt_attach(listen_fd), 0);
    CHECK_EQ(rt_accept(listen_fd, &peer, &len, rt_deadline(20)), -ETIMEDOUT);
    int client = connect_any();
    int fd = rt_accept(listen_fd, &peer, &len, 0); /* it is there: no need to wait */
    CHECK(fd >= 0);
    CHECK_EQ(rt_accept(listen_fd, &peer, &len, rt_deadline(5)), -ETIMEDOUT);
    rt_close(client);
    rt_close(fd);
    rt_close(listen_fd);
    CHECK_EQ(rt_accept(listen_fd, &peer, &len, rt_deadline(5)), -ECANCELED);
}

static void test_accept(void **state)
{
    run(1, accept_late);
    run(1, accept_stop);
    run(3, accept_stop);
    run(2, accept_balance);
    run(2, accept_cancelled);
}

/* --- connecting ------------------------------------------------------------------------------------------- */

static void connect_fails(void *arg)
{
    int fd = listen_any(&address, 1);
    close(fd);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rt_connect((struct sockaddr *)&address, sizeof address, soon()), -ECONNREFUSED);
    }
    fd = listen_any(&address, 0);
    int clients[4];
    for (int i = 0; i < 4; i++) { /* until the backlog is full */
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(connect(clients[i], (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS);
    }
    int64_t start = clock_monotonic_ms();
    CHECK_EQ(rt_connect((struct sockaddr *)&address, sizeof address, rt_deadline(60)), -ETIMEDOUT);
    CHECK(clock_monotonic_ms() - start >= 60);
    for (int i = 0; i < 4; i++) {
        close(clients[i]);
    }
    close(fd);
    struct sockaddr_un gone = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    CHECK_EQ(rt_connect((struct sockaddr *)&gone, sizeof gone, soon()), -ENOENT);
    struct sockaddr odd = {.sa_family = 77};
    CHECK_EQ(rt_connect(&odd, sizeof odd, soon()), -EAFNOSUPPORT);
}

static void test_connect(void **state)
{
    run(1, connect_fails);
}

/* --- reading and writing ---------------------------------------------------------------------------------- */

static void limits(void *arg)
{
    int fds[2];
    char c, big[100];
    socket_pair(fds);
    CHECK(!rt_readable_now(fds[0]));
    int64_t start = clock_monotonic_ms();
    CHECK_EQ(rt_read(fds[0], &c, 1, rt_deadline(30)), -ETIMEDOUT);
    CHECK(clock_monotonic_ms() - start >= 30);
    CHECK_EQ(rt_wait_readable_idle(fds[0], rt_deadline(5)), -ETIMEDOUT);
    CHECK_EQ(rt_write_all(fds[1], "hello", 5, 0), 0);
    CHECK(rt_readable_now(fds[0]));
    CHECK_EQ(rt_wait_readable(fds[0], 0), 0);
    CHECK_EQ(rt_wait_readable_idle(fds[0], 0), 0);
    CHECK_EQ(rt_read(fds[0], big, sizeof big, 0), 5);
    fill(fds[0]);
    CHECK_EQ(rt_write_all(fds[0], big, sizeof big, rt_deadline(5)), -ETIMEDOUT);
    rt_close(fds[1]);
    CHECK(rt_readable_now(fds[0]));
    CHECK_EQ(rt_write_all(fds[0], big, sizeof big, soon()), -EPIPE);
    ssize_t r = rt_read(fds[0], &c, 1, soon());
    CHECK(r == 0 || r == -ECONNRESET);
    rt_close(fds[0]);
    CHECK_EQ(rt_read(fds[0], &c, 1, soon()), -EBADF);
    CHECK_EQ(rt_attach(-1), -EBADF);
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    CHECK_EQ(rt_attach(fds[0]), 0);
    CHECK_EQ(rt_attach(fds[1]), 0);
    CHECK_EQ(rt_attach(fds[1]), 0);
    CHECK_EQ(rt_write_all(fds[1], "pipe", 4, soon()), 0);
    CHECK_EQ(rt_read(fds[0], big, sizeof big, soon()), 4);
    rt_close(fds[0]);
    CHECK_EQ(rt_write_all(fds[1], "pipe", 4, soon()), -EPIPE);
    rt_close(fds[1]);
}

#define BULK ((size_t)3 << 20)
static unsigned char *bulk;

static void bulk_reader(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char *got = malloc(BULK);
    size_t have = 0;
    for (int round = 0; have < BULK; round++) {
        ssize_t n = rt_read(fd, got + have, BULK - have < 50000 ? BULK - have : 50000, soon());
        CHECK(n > 0);
        have += (size_t)n;
        if (round % 50 == 0) {
            rt_sleep(1);
        }
    }
    CHECK_EQ(memcmp(got, bulk, BULK), 0);
    free(got);
    atomic_fetch_add(&ended, 1);
}

/* The same bytes by each way of sending, against a reader that is slow at times. */
static int send_bulk(int fd, int way, int file)
{
    struct iovec iov[2000];
    size_t done = 0;
    switch (way) {
    case 0:
        return rt_write_all(fd, bulk, BULK, soon());
    case 1:
        return rt_sendfile_all(fd, file, 0, BULK, soon());
    default:
        for (int i = 0; i < 2000; i++) { /* more than one system call takes, some of them empty */
            size_t n = i == 1999 ? BULK - done : i % 5 == 0 ? 0 : (size_t)(i % 700);
            iov[i] = (struct iovec){.iov_base = bulk + done, .iov_len = n};
            done += n;
        }
        if (way == 3) {
            int r = rt_send_more(fd, iov, 1000, soon());
            return r < 0 ? r : rt_writev_all(fd, iov + 1000, 1000, soon());
        }
        return rt_writev_all(fd, iov, 2000, soon());
    }
}

static void bulks(void *arg)
{
    bulk = malloc(BULK);
    for (size_t i = 0; i < BULK; i++) {
        bulk[i] = (unsigned char)(i * 31 + i / 251);
    }
    FILE *f = tmpfile();
    CHECK(f != NULL && fwrite(bulk, 1, BULK, f) == BULK && fflush(f) == 0);
    for (int way = 0; way < 4; way++) {
        int fds[2];
        socket_pair(fds);
        struct rt_task *t = rt_spawn(bulk_reader, (void *)(intptr_t)fds[1]);
        CHECK_EQ(send_bulk(fds[0], way, fileno(f)), 0);
        rt_join(t);
        rt_close(fds[0]);
        rt_close(fds[1]);
    }
    int fds[2];
    socket_pair(fds);
    CHECK_EQ(rt_sendfile_all(fds[0], fileno(f), BULK - 10, 20, soon()), -ENODATA); /* the file is too short */
    rt_close(fds[0]);
    rt_close(fds[1]);
    fclose(f);
    free(bulk);
}

/* One writer and one reader of the same descriptor at once. */
static void write_on(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char block[1000] = {0};
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(rt_write_all(fd, block, sizeof block, soon()), 0);
    }
}

static void both_ways(void *arg)
{
    int fds[2];
    char block[700];
    socket_pair(fds);
    struct rt_task *writers[2] = {rt_spawn(write_on, (void *)(intptr_t)fds[0]),
                                  rt_spawn(write_on, (void *)(intptr_t)fds[1])};
    for (int side = 0; side < 2; side++) {
        for (size_t have = 0; have < 500000;) {
            ssize_t n = rt_read(fds[side], block, sizeof block, soon());
            CHECK(n > 0);
            have += (size_t)n;
        }
    }
    rt_join(writers[0]);
    rt_join(writers[1]);
    rt_close(fds[0]);
    rt_close(fds[1]);
}

/* A task whose I/O never has to wait lets others have their turn. */
static atomic_bool stop;

static void never_waits(void *arg)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    char c;
    CHECK(zero >= 0);
    while (!atomic_load(&stop)) {
        CHECK_EQ(rt_read(zero, &c, 1, soon()), 1);
    }
    close(zero);
}

static void fairness(void *arg)
{
    atomic_store(&stop, false);
    struct rt_task *t = rt_spawn(never_waits, NULL);
    int64_t start = clock_monotonic_ms();
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(rt_sleep(1), 0);
    }
    CHECK(clock_monotonic_ms() - start < 1000);
    atomic_store(&stop, true);
    rt_join(t);
}

static void test_bytes(void **state)
{
    run(1, limits);
    run(1, bulks);
    run(1, both_ways);
    run(1, fairness);
}

/* --- idle connections ------------------------------------------------------------------------------------- */

static int idle_write[2000];

static int __attribute__((noinline)) touch_stack(int fd)
{
    volatile char space[60000];
    for (size_t i = 0; i < sizeof space; i += 512) {
        space[i] = (char)fd;
    }
    return space[512] == (char)fd;
}

static void idle(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char c;
    CHECK(touch_stack(fd));
    CHECK_EQ(rt_wait_readable_idle(fd, soon()), 0);
    CHECK_EQ(rt_read(fd, &c, 1, soon()), 1);
    CHECK(touch_stack(fd));
    CHECK_EQ(rt_wait_readable_idle(fd, soon()), 0);
    CHECK_EQ(rt_read(fd, &c, 1, soon()), 1);
    rt_close(fd);
    atomic_fetch_add(&ended, 1);
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL && fscanf(f, "%ld %ld", &pages, &resident) == 2);
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE) / 1024;
}

/* The stacks were touched far deeper than this before they were idle. */
#define IDLE_BYTES 12000

static void idle_memory(void *arg)
{
    int n = many(2000, 20);
    atomic_store(&ended, 0);
    long before = resident_kib();
    for (int i = 0; i < n; i++) {
        int fds[2];
        socket_pair(fds);
        idle_write[i] = fds[1];
        rt_go(idle, (void *)(intptr_t)fds[0]);
    }
    for (int round = 0; round < 2; round++) {
        long each = 0;
        int64_t end = soon();
        do {
            rt_sleep(200);
            each = (resident_kib() - before) * 1024 / n;
        } while (!on_threads() && each >= IDLE_BYTES && clock_monotonic_ms() < end);
        CHECK(on_threads() || each < IDLE_BYTES);
        for (int i = 0; i < n; i++) {
            CHECK_EQ(rt_write_all(idle_write[i], "x", 1, soon()), 0);
        }
    }
    wait_for(&ended, n);
    for (int i = 0; i < n; i++) {
        rt_close(idle_write[i]);
    }
}

static void test_idle(void **state)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 5000) {
        skip();
    }
    run(1, idle_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),  cmocka_unit_test(test_accept), cmocka_unit_test(test_connect),
        cmocka_unit_test(test_bytes), cmocka_unit_test(test_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
