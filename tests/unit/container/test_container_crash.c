/* SPDX-License-Identifier: Apache-2.0
 *
 * Many jobs on one database at once, in one process and in several, and processes that are killed while they write.
 */
#include "tests/unit/container/container_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"

#define WRITERS 4

struct shared {
    atomic_uint acknowledged[WRITERS]; /* rows 0 .. n - 1 of each writer are in */
    atomic_uint errors, reads;
    atomic_bool stop;
};

struct writer {
    struct fixture *f;
    struct shared *shared;
    unsigned id, rows;
    bool direct; /* merged at once, as UPDATE and replication do */
};

static int write_row(const struct writer *w, unsigned i)
{
    struct arena *a = arena_new();
    struct db_broker b;
    struct object_row row =
        put(arena_printf(a, "w%u-%05u", w->id, i), "1700000010.00000", 1, "application/octet-stream");

    broker_in(w->f, a, &b);
    int err = w->direct ? container_merge_rows(&b, &row, 1, STR_NONE) : container_put_row(&b, &row);
    db_broker_release(&b);
    arena_free(a);
    return err;
}

static void *write_rows(void *arg)
{
    const struct writer *w = arg;

    for (unsigned i = 0; i < w->rows; i++) {
        if (write_row(w, i) != 0)
            atomic_fetch_add(&w->shared->errors, 1);
        else
            atomic_store(&w->shared->acknowledged[w->id], i + 1);
    }
    return NULL;
}

static void *read_counts(void *arg)
{
    const struct writer *w = arg;
    int64_t last = 0;

    while (!atomic_load(&w->shared->stop)) {
        struct arena *a = arena_new();
        struct db_broker b;
        struct container_info info;
        broker_in(w->f, a, &b);
        if (container_info_read(&b, &info) != 0 || info.object_count < last)
            atomic_fetch_add(&w->shared->errors, 1);
        else
            last = info.object_count;
        db_broker_release(&b);
        arena_free(a);
        atomic_fetch_add(&w->shared->reads, 1);
    }
    return NULL;
}

static struct shared *shared_new(void)
{
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    return p;
}

static void start(struct fixture *f, struct shared *shared, unsigned rows, struct writer *w,
                  pthread_t *threads)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){f, shared, i, rows, i == 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_rows, &w[i]), 0);
    }
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct shared *shared = shared_new();
    struct writer w[WRITERS];
    pthread_t threads[WRITERS], reader;
    struct db_broker b;
    struct container_info info;

    create(f);
    start(f, shared, 100, w, threads);
    struct writer r = {f, shared, 0, 0, false};
    assert_int_equal(pthread_create(&reader, NULL, read_counts, &r), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&shared->stop, true);
    pthread_join(reader, NULL);
    assert_int_equal(shared->errors, 0);
    assert_true(shared->reads > 0);
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.object_count, 100 * WRITERS);
    db_broker_release(&b);
    munmap(shared, sizeof(*shared));
}

/* A process of its own, with its own cache. Ends by itself with status 0, or is killed. */
static pid_t spawn_writers(struct fixture *f, struct shared *shared, unsigned rows)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct fixture own = *f;
        struct writer w[WRITERS];
        pthread_t threads[WRITERS];
        own.cache = db_cache_new(8);
        start(&own, shared, rows, w, threads);
        for (unsigned i = 0; i < WRITERS; i++)
            pthread_join(threads[i], NULL);
        db_cache_free(own.cache);
        _exit(shared->errors != 0);
    }
    return pid;
}

static void test_processes(void **state)
{
    struct fixture *f = *state;
    struct shared *shared[2] = {shared_new(), shared_new()};
    struct db_broker b;
    struct container_info info;
    pid_t pids[2];
    int status;

    create(f);
    /* Both write the same names: the same rows, merged once. */
    for (int i = 0; i < 2; i++)
        pids[i] = spawn_writers(f, shared[i], 40);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0);
    assert_int_equal(info.object_count, 40 * WRITERS);
    db_broker_release(&b);
    for (int i = 0; i < 2; i++)
        munmap(shared[i], sizeof(*shared[i]));
}

static void expect_all_there(struct fixture *f, struct shared *shared)
{
    struct db_broker b;
    struct container_info info;
    char *path = path_of(f);

    broker(f, &b);
    assert_int_equal(container_info_read(&b, &info), 0); /* merges what was deferred */
    db_broker_release(&b);
    assert_sql(path, "PRAGMA integrity_check", "ok");
    for (unsigned i = 0; i < WRITERS; i++) {
        unsigned n = atomic_load(&shared->acknowledged[i]);
        char *sql =
            xasprintf("SELECT count(*) FROM object WHERE name LIKE 'w%u-%%' AND name < 'w%u-%05u'", i, i, n);
        char *expected = xasprintf("%u", n);
        assert_sql(path, sql, expected);
        free(expected);
        free(sql);
    }
    /* The sums of the triggers agree with the rows. */
    assert_sql(path, "SELECT (SELECT object_count FROM policy_stat) = (SELECT count(*) FROM object)", "1");
    free(path);
}

/* Every row that was acknowledged is there after a kill, whenever it comes. */
static void test_kill(void **state)
{
    struct fixture *f = *state;
    unsigned total = 0;
    int status;

    log_set_level((enum log_level) - 1); /* the last record may be half */
    create(f);
    for (int round = 0; round < 15; round++) {
        struct shared *shared = shared_new();
        pid_t pid = spawn_writers(f, shared, 100000);
        usleep(10000 + 1000 * random_below(60));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(shared->errors, 0);
        for (unsigned i = 0; i < WRITERS; i++)
            total += shared->acknowledged[i];
        expect_all_there(f, shared);
        munmap(shared, sizeof(*shared));
    }
    assert_true(total > 0);
}

/* Killed while making databases: none, or a whole one; never half. */
static void test_kill_while_creating(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct container_info info;
    int status, made = 0;

    for (int round = 0; round < 20; round++) {
        char *whole = xasprintf("%s/containers", f->device);
        file_remove_tree(whole);
        free(whole);
        pid_t pid = fork();
        if (pid == 0) {
            struct db_cache *cache = db_cache_new(8);
            db_broker_init(&b, cache, &container_broker_kind, f->arena, f->device, STR("5"), HASH,
                           STR("AUTH_test"), STR("c1"));
            db_broker_create(&b, STR("1700000000.00000"), 0);
            _exit(0);
        }
        usleep(random_below(1000u << (round % 8)));
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        broker(f, &b);
        int err = container_info_read(&b, &info);
        if (err == 0) {
            made++;
            assert_str(info.put_timestamp, "1700000000.00000");
            assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 0), -EEXIST);
        } else {
            assert_int_equal(err, -ENOENT);
            assert_int_equal(db_broker_create(&b, STR("1700000000.00000"), 0), 0);
        }
        db_broker_release(&b);
    }
    printf("%d of 20 were made before the kill\n", made);
}

/* A folder that goes away while a row waits for its lock: no row may land in a folder without a database. */
static void test_folder_removed(void **state)
{
    struct fixture *f = *state;
    struct db_broker b;
    struct stat st;
    struct object_row row = put(STR("o"), "1700000010.00000", 1, "t/p");

    create(f);
    char *folder = xasprintf("%s/containers/5/cc8/" HASH, f->device),
         *pending = xasprintf("%s/" HASH ".db.pending", folder);
    broker(f, &b);
    assert_int_equal(db_broker_open(&b), 0); /* a connection to the old file is there */
    assert_int_equal(file_remove_tree(folder), 0);
    assert_int_equal(container_put_row(&b, &row), -ENOENT);
    db_broker_release(&b);
    assert_int_equal(file_make_dirs(folder, 0755, false), 0);
    broker(f, &b);
    assert_int_equal(container_put_row(&b, &row), -ENOENT);
    db_broker_release(&b);
    assert_int_equal(stat(pending, &st), -1);
    free(pending);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_threads), T(test_processes), T(test_kill), T(test_kill_while_creating), T(test_folder_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
