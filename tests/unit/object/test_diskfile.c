/* SPDX-License-Identifier: Apache-2.0
 *
 * test_diskfile.c: the order of a commit, and each of its system calls failing once: an error is reported, nothing half-made is
 * seen, and nothing that was acknowledged is missing.
 */
#undef _FORTIFY_SOURCE /* open() is defined here */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"
#include "object/diskfile.h"
#include "object/object_cache.h"

/* --- system calls that fail on demand: these definitions come before the C library's ---------------------------------------- */

enum call { NONE, SETXATTR, WRITE, FSYNC, LINK, MKDIR, FALLOCATE };

static struct {
    bool on;         /* the calls are watched */
    enum call which; /* this one fails, */
    int nth, error;  /* at its nth call, so */
    int seen;        /* calls of that kind so far */
    bool fired;
    bool linked; /* the object had its name when the failure came */
    bool has_link;
    bool no_tmpfile; /* the file system does not know unnamed files */
    char trace[256]; /* one letter per call */
} fault;

static bool fails(enum call which, char letter)
{
    if (!fault.on)
        return false;
    size_t n = strlen(fault.trace);
    if (n + 1 < sizeof fault.trace)
        fault.trace[n] = letter;
    if (which != fault.which || ++fault.seen != fault.nth)
        return false;
    fault.fired = true;
    fault.linked = fault.has_link;
    errno = fault.error;
    return true;
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    return fails(SETXATTR, 'x') ? -1 : (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return fails(WRITE, 'w') ? -1 : syscall(SYS_write, fd, p, n);
}

int fsync(int fd)
{
    struct stat st;
    bool dir = fault.on && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return fails(FSYNC, dir ? 'd' : 'f') ? -1 : (int)syscall(SYS_fsync, fd);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (fails(LINK, 'l'))
        return -1;
    int r = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    fault.has_link |= r == 0;
    return r;
}

int mkdir(const char *path, mode_t mode)
{
    return fails(MKDIR, 'm') ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int fallocate(int fd, int mode, off_t offset, off_t n)
{
    return fails(FALLOCATE, 'a') ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, n);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fault.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void watch(enum call which, int nth, int error)
{
    memset(&fault, 0, sizeof fault);
    fault.on = true;
    fault.which = which;
    fault.nth = nth;
    fault.error = error;
}

/* --- an object ------------------------------------------------------------------------------------------------------------ */

static struct arena *arena;
static char root[64];
static struct policy policy = {.index = 0, .type = POLICY_REPLICATION};
static struct objects_dir dir;
static struct hash_path_conf hash_conf;
static struct device device = {.name = "sda", .path = root};
static struct diskfile_write_options options = {
    .device = &device, .preallocate = true, .sync_bytes = 1 << 20, .keep_cache_size = 1 << 22};
static struct diskfile file;

static int setup(void **state)
{
    memset(&fault, 0, sizeof fault);
    arena = arena_new();
    snprintf(root, sizeof root, "/tmp/martlet-diskfile-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    hash_path_set(STR("prefix"), STR("suffix"), &hash_conf);
    objects_dir_init(&dir, arena, root, &policy);
    diskfile_init(&file, arena, &dir, &hash_conf, 5, STR("a"), STR("c"), STR("o"));
    clock_fix((int64_t)1700000100 * 1000000000);
    return 0;
}

static int teardown(void **state)
{
    fault.on = false;
    clock_fix(0);
    hash_path_release(&hash_conf);
    file_remove_tree(root);
    arena_free(arena);
    return 0;
}

static struct timestamp ts(const char *text)
{
    struct timestamp t;
    assert_int_equal(timestamp_parse(str_from(text), &t), 0);
    return t;
}

static void describe(struct diskfile_meta *m, const char *time, size_t size)
{
    diskfile_meta_init(m, arena);
    header_add(&m->fields, STR("X-Timestamp"), str_from(time));
    header_add(&m->fields, STR("Content-Type"), STR("a/b"));
    header_addf(&m->fields, STR("Content-Length"), "%zu", size);
    header_add(&m->fields, STR("ETag"), STR("d41d8cd98f00b204e9800998ecf8427e"));
}

static int put(const char *time, struct str content)
{
    struct diskfile_meta m;
    describe(&m, time, content.n);
    return diskfile_put(&file, &options, content, arena_printf(arena, "%s.data", time).p, &m);
}

static struct diskfile_info look(void)
{
    struct diskfile_open_options o = {.now = ts("1700000100")};
    struct diskfile_info info;
    assert_int_equal(diskfile_open(&file, &o, &info), 0);
    return info;
}

static int count_files(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static const char *invalidations(void)
{
    struct buf b;
    buf_init(&b, 10000);
    file_read(arena_printf(arena, "%s/objects/5/hashes.invalid", root).p, &b);
    const char *text = arena_str(arena, str_of(b.n ? b.p : "", b.n)).p;
    buf_release(&b);
    return text;
}

/* --- the order ------------------------------------------------------------------------------------------------------------ */

static void test_order(void **state)
{
    watch(NONE, 0, 0);
    assert_int_equal(put("1700000000.00000", STR("hello")), 0);
    fault.on = false;
    /* Four folders are made (with tries that find the parent missing); bytes, metadata and checksum, fsync; the line in
     * hashes.invalid; the name; fsync of its folder and of the four parents that got a new entry. */
    const char *made = strrchr(fault.trace, 'm');
    assert_non_null(made);
    assert_string_equal(made + 1, "wxxfwlddddd");
    assert_string_equal(invalidations(), arena_printf(arena, "%s\n", file.hash + 29).p);
    watch(NONE, 0, 0);
    assert_int_equal(put("1700000001.00000", STR("hello")), 0);
    fault.on = false;
    assert_string_equal(fault.trace, "wxxfwld");
    watch(NONE, 0, 0);
    assert_int_equal(diskfile_delete(&file, &options, ts("1700000002")), 0);
    fault.on = false;
    assert_string_equal(fault.trace, "xxfwld");
    assert_int_equal(count_files(file.path), 1);
    assert_int_equal(look().state, DISKFILE_DELETED);
}

/* The same name again: the new file replaces it. */
static void test_same_name(void **state)
{
    assert_int_equal(put("1700000000.00000", STR("one")), 0);
    assert_int_equal(put("1700000000.00000", STR("three")), 0);
    assert_int_equal(look().size, 5);
    assert_int_equal(count_files(file.path), 1);
}

/* An older file that comes later goes at once; nobody ever sees it win. */
static void test_late_older_file(void **state)
{
    assert_int_equal(put("1700000005.00000", STR("new")), 0);
    assert_int_equal(put("1700000001.00000", STR("older")), 0);
    assert_int_equal(look().size, 3);
    assert_int_equal(count_files(file.path), 1);
}

static void test_folder_vanishes(void **state)
{
    struct diskfile_writer w;
    struct diskfile_meta m;
    assert_int_equal(diskfile_create(&file, &options, 5, &w), 0);
    assert_int_equal(diskfile_write(&w, "hello", 5), 0);
    assert_int_equal(rmdir(file.path), 0);
    describe(&m, "1700000000.00000", 5);
    assert_int_equal(diskfile_commit(&w, "1700000000.00000.data", &m, true), 0);
    diskfile_close(&w);
    assert_int_equal(look().state, DISKFILE_LIVE);
}

static void test_abandoned(void **state)
{
    struct diskfile_writer w;
    assert_int_equal(diskfile_create(&file, &options, -1, &w), 0);
    assert_int_equal(diskfile_write(&w, "hello", 5), 0);
    diskfile_close(&w);
    assert_int_equal(count_files(file.path), 0);
    assert_int_equal(look().state, DISKFILE_MISSING);
    assert_string_equal(invalidations(), "");
}

static void test_large(void **state)
{
    struct diskfile_writer w;
    struct diskfile_meta m;
    size_t piece = 300000;
    char *p = arena_alloc(arena, piece);
    memset(p, 'p', piece);
    assert_int_equal(diskfile_create(&file, &options, 6000000, &w), 0);
    assert_true(w.drop_cache);
    for (int i = 0; i < 20; i++)
        assert_int_equal(diskfile_write(&w, p, piece), 0);
    describe(&m, "1700000000.00000", 6000000);
    assert_int_equal(diskfile_commit(&w, "1700000000.00000.data", &m, true), 0);
    diskfile_close(&w);
    struct diskfile_info info = look();
    assert_int_equal(info.state, DISKFILE_LIVE);
    assert_int_equal(info.size, 6000000);
}

/* --- failures -------------------------------------------------------------------------------------------------------------- */

static void fail_each(enum call which, int error, struct str content)
{
    for (int nth = 1;; nth++) {
        file_remove_tree(arena_printf(arena, "%s/objects", root).p);
        watch(which, nth, error);
        int err = put("1700000000.00000", content);
        fault.on = false;
        bool fired = fault.fired, linked = fault.linked;
        if (!fired) {
            assert_int_equal(err, 0);
            assert_true(nth > 1); /* it was called at all */
            return;
        }
        /* A folder that cannot be made may be there already: that alone is no failure of the whole. */
        if (which != MKDIR || err)
            assert_int_equal(err, -error);
        assert_int_equal(count_files(file.path), err && !linked ? 0 : 1);
        assert_int_equal(look().state, err && !linked ? DISKFILE_MISSING : DISKFILE_LIVE);
        /* and the next attempt works */
        assert_int_equal(put("1700000001.00000", content), 0);
        assert_int_equal(look().state, DISKFILE_LIVE);
        assert_int_equal(count_files(file.path), 1);
    }
}

static void test_failures(void **state)
{
    static const enum call calls[] = {SETXATTR, WRITE, FSYNC, LINK, MKDIR};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fail_each(calls[i], ENOSPC, STR("hello"));
        fail_each(calls[i], EIO, STR("hello"));
        fail_each(calls[i], EROFS, STR("hello"));
    }
    char *large = arena_zalloc(arena, 200000);
    fail_each(FALLOCATE, ENOSPC, str_of(large, 200000));
    fail_each(FALLOCATE, EDQUOT, str_of(large, 200000));
    fail_each(SETXATTR, ENOTSUP, STR("hello"));
}

/* The object that was there before stays what it was. */
static void test_failed_overwrite(void **state)
{
    static const enum call calls[] = {SETXATTR, WRITE, FSYNC, LINK};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        file_remove_tree(arena_printf(arena, "%s/objects", root).p);
        assert_int_equal(put("1700000000.00000", STR("before")), 0);
        watch(calls[i], 1, EIO);
        assert_int_equal(put("1700000001.00000", STR("x")), -EIO);
        fault.on = false;
        assert_int_equal(look().size, 6);
        watch(calls[i], 1, EIO);
        int err = diskfile_delete(&file, &options, ts("1700000002"));
        fault.on = false;
        assert_int_equal(err, -EIO);
        assert_int_equal(look().state, DISKFILE_LIVE);
    }
}

static void test_reserve(void **state)
{
    struct conf_reserve all = {.value = 100, .is_percent = true};
    options.reserve = &all;
    assert_int_equal(put("1700000000.00000", STR("x")), -ENOSPC);
    assert_int_equal(put("1700000000.00000", STR("")), -ENOSPC);
    assert_int_equal(diskfile_delete(&file, &options, ts("1700000000")), 0); /* deleting is always allowed */
    options.reserve = NULL;
}

/* An unmounted disk's folder must not be filled. */
static void test_device_gone(void **state)
{
    assert_int_equal(rmdir(root), 0);
    assert_int_equal(put("1700000000.00000", STR("x")), -ENODEV);
    assert_int_equal(access(root, F_OK), -1);
    assert_int_equal(mkdir(root, 0755), 0);
}

/* --- partition power -------------------------------------------------------------------------------------------------------- */

static void test_next_part_power(void **state)
{
    uint64_t top;
    struct stat here, there;
    str_hex_to_u64(str_of(file.hash, 8), &top);
    file.part = (uint32_t)(top >> 24);
    file.path = objects_dir_hash(&dir, arena, file.part, file.hash).p;
    file.next_part_power = 9;
    const char *other = objects_dir_hash(&dir, arena, (uint32_t)(top >> 23), file.hash).p;
    assert_int_equal(put("1700000000.00000", STR("x")), 0);
    assert_int_equal(put("1700000001.00000", STR("y")), 0);
    assert_int_equal(stat(arena_printf(arena, "%s/1700000001.00000.data", file.path).p, &here), 0);
    assert_int_equal(stat(arena_printf(arena, "%s/1700000001.00000.data", other).p, &there), 0);
    assert_int_equal(here.st_ino, there.st_ino);
    assert_int_equal(count_files(other), 1);
    assert_int_equal(diskfile_delete(&file, &options, ts("1700000002")), 0);
    assert_int_equal(count_files(other), 1);
    assert_int_equal(access(arena_printf(arena, "%s/1700000002.00000.ts", other).p, F_OK), 0);
    /* After the step: the old place is cleaned. */
    struct diskfile next = file;
    next.part = (uint32_t)(top >> 23);
    next.path = other;
    file = next;
    assert_int_equal(put("1700000003.00000", STR("z")), 0);
    assert_int_equal(count_files(other), 1);
}

/* --- the cache of metadata --------------------------------------------------------------------------------------------------- */

static void test_cache(void **state)
{
    struct object_cache *cache = object_cache_new(4096);
    struct diskfile_open_options o = {.now = ts("1700000100"), .keep_fd = true};
    struct diskfile_info info, again;
    clock_fix(0);
    assert_int_equal(put("1700000000.00000", STR("hello")), 0);
    assert_false(object_cache_open(cache, &file, &o, &again));
    info = look();
    /* Changed just now: not kept. */
    object_cache_put(cache, &file, &info, clock_real_ns());
    assert_false(object_cache_open(cache, &file, &o, &again));
    int64_t later = clock_real_ns() + 2000000000;
    object_cache_put(cache, &file, &info, later);
    assert_true(object_cache_open(cache, &file, &o, &again));
    assert_int_equal(again.state, DISKFILE_LIVE);
    assert_true(again.fd >= 0);
    close(again.fd);
    assert_int_equal(again.size, 5);
    assert_int_equal(again.meta.fields.n, info.meta.fields.n);
    assert_true(str_eq(diskfile_meta_get(&again.meta, "Content-Type"), STR("a/b")));
    assert_int_equal(timestamp_cmp(again.data_timestamp, info.data_timestamp), 0);
    /* Any change of the file: gone. */
    const char *path = arena_printf(arena, "%s/1700000000.00000.data", file.path).p;
    assert_int_equal(setxattr(path, "user.other", "x", 1, 0), 0);
    assert_false(object_cache_open(cache, &file, &o, &again));
    info = look();
    object_cache_put(cache, &file, &info, later);
    assert_true(object_cache_open(cache, &file, &o, &again));
    close(again.fd);
    /* Any change of the folder: gone. */
    close(open(arena_printf(arena, "%s/1700000050.00000.ts", file.path).p, O_CREAT | O_WRONLY, 0644));
    assert_false(object_cache_open(cache, &file, &o, &again));
    object_cache_free(cache);
}

static void test_cache_expiry_and_room(void **state)
{
    struct object_cache *cache = object_cache_new(2000);
    struct diskfile_open_options o = {.now = ts("1700000010")};
    struct diskfile_info info, again;
    struct diskfile_meta m;
    clock_fix(0);
    describe(&m, "1700000000.00000", 1);
    header_add(&m.fields, STR("X-Delete-At"), STR("1700000020"));
    assert_int_equal(diskfile_put(&file, &options, STR("x"), "1700000000.00000.data", &m), 0);
    info = look();
    assert_int_equal(info.state, DISKFILE_EXPIRED);
    int64_t later = clock_real_ns() + 2000000000;
    object_cache_put(cache, &file, &info, later);
    assert_true(object_cache_open(cache, &file, &o, &again));
    assert_int_equal(again.state, DISKFILE_LIVE);
    o.now = ts("1700000020");
    assert_true(object_cache_open(cache, &file, &o, &again));
    assert_int_equal(again.state, DISKFILE_EXPIRED);
    o.open_expired = true;
    assert_true(object_cache_open(cache, &file, &o, &again));
    assert_int_equal(again.state, DISKFILE_LIVE);
    /* Others push it out. */
    for (int i = 0; i < 8; i++) {
        struct diskfile other;
        diskfile_init(&other, arena, &dir, &hash_conf, 5, STR("a"), STR("c"), arena_printf(arena, "o%d", i));
        object_cache_put(cache, &other, &info, later);
    }
    assert_false(object_cache_open(cache, &file, &o, &again));
    object_cache_free(cache);
}

/* --- a file system without unnamed files: the last test, since the process remembers ----------------------------------------- */

static void test_named_temporary(void **state)
{
    const char *tmp = arena_printf(arena, "%s/tmp", root).p;
    fault.no_tmpfile = true;
    assert_int_equal(put("1700000000.00000", STR("hello")), 0);
    fault.no_tmpfile = false;
    assert_int_equal(access(tmp, F_OK), 0);
    assert_int_equal(count_files(tmp), 0);
    assert_int_equal(look().state, DISKFILE_LIVE);
    assert_int_equal(put("1700000001.00000", STR("more")), 0);
    assert_int_equal(count_files(file.path), 1);
    /* Where it fails, the temporary file goes too. */
    watch(FSYNC, 1, EIO);
    assert_int_equal(put("1700000002.00000", STR("x")), -EIO);
    fault.on = false;
    assert_int_equal(count_files(tmp), 0);
    assert_int_equal(look().size, 4);
    assert_int_equal(diskfile_delete(&file, &options, ts("1700000003")), 0);
    assert_int_equal(look().state, DISKFILE_DELETED);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_order),
        EACH(test_same_name),
        EACH(test_late_older_file),
        EACH(test_folder_vanishes),
        EACH(test_abandoned),
        EACH(test_large),
        EACH(test_failures),
        EACH(test_failed_overwrite),
        EACH(test_reserve),
        EACH(test_device_gone),
        EACH(test_next_part_power),
        EACH(test_cache),
        EACH(test_cache_expiry_and_room),
        EACH(test_named_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
