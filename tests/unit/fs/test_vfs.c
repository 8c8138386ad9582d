/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vfs.c: the file system over a store in memory: what is in the store when, what is asked of it, and what
 * happens when it fails.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include "fs/vfs.h"
#include "tests/lib/fake_store.h"

#define ROOT 1
#define MIB  (1u << 20)

static const struct vfs_caller me = {.uid = 11, .gid = 22};

struct fixture {
    struct fake_store *f;
    struct vfs *v;
};

/* Container "c" mounted; listings are believed for so long. */
static void open_fs(struct fixture *x, const char *container, int64_t fresh_ms)
{
    struct vfs_options o = {
        .container = container, .cache_dir = "/tmp", .fresh_ms = fresh_ms, .umask = 022, .requests = 4};

    x->v = vfs_new(&x->f->store, &o);
}

static int setup(void **state)
{
    struct fixture *x = xcalloc(1, sizeof *x);

    x->f = fake_store_new();
    fake_write(x->f, "c", STR(""), NULL);
    open_fs(x, "c", 60000);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    vfs_shutdown(x->v);
    vfs_free(x->v);
    x->f->store.free(&x->f->store);
    free(x);
    return 0;
}

/* A new mount of the same store: all caches cold. */
static void remount(struct fixture *x, const char *container, int64_t fresh_ms)
{
    assert_int_equal(vfs_shutdown(x->v), 0);
    vfs_free(x->v);
    open_fs(x, container, fresh_ms);
}

/* --- paths for the tests: "a/b/c" below the root ---------------------------------------------------------------- */

static int find(struct vfs *v, const char *path, uint64_t *ret, struct stat *st)
{
    struct str rest = str_from(path), part;
    struct vfs_entry e = {.ino = ROOT};
    int rc = vfs_getattr(v, ROOT, &e.st);

    while (rc == 0 && str_next(&rest, '/', &part)) {
        char *name = str_dup(part);

        rc = vfs_lookup(v, e.ino, name, &e);
        free(name);
    }
    if (rc == 0) {
        *ret = e.ino;
        if (st)
            *st = e.st;
    }
    return rc;
}

static uint64_t parent_of(struct vfs *v, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? str_dup(str_of(path, (size_t)(slash - path))) : xstrdup("");
    uint64_t ino = 0;

    assert_int_equal(find(v, dir, &ino, NULL), 0);
    free(dir);
    *ret_name = slash ? slash + 1 : path;
    return ino;
}

static int create(struct vfs *v, const char *path, int flags, struct vfs_handle **h)
{
    struct vfs_entry e;
    const char *name;
    uint64_t dir = parent_of(v, path, &name);

    return vfs_create(v, dir, name, 0640, flags, me, &e, h);
}

static int open_path(struct vfs *v, const char *path, int flags, struct vfs_handle **h)
{
    uint64_t ino;
    bool keep;
    int rc = find(v, path, &ino, NULL);

    return rc < 0 ? rc : vfs_open(v, ino, flags, h, &keep);
}

static int put(struct vfs *v, const char *path, struct str data)
{
    struct vfs_handle *h;
    int rc = create(v, path, O_WRONLY, &h);

    if (rc < 0)
        return rc;
    assert_int_equal(vfs_write(v, h, data.p, data.n, 0), data.n);
    rc = vfs_flush(v, h);
    vfs_release(v, h);
    return rc;
}

static bool reads(struct vfs *v, const char *path, struct str want)
{
    struct vfs_handle *h;
    char *p = xmalloc(want.n + 10);
    ssize_t n;
    bool same;

    if (open_path(v, path, O_RDONLY, &h) < 0) {
        free(p);
        return false;
    }
    n = vfs_read(v, h, p, want.n + 10, 0);
    same = n == (ssize_t)want.n && memcmp(p, want.p, want.n) == 0;
    vfs_release(v, h);
    free(p);
    return same;
}

static int make_dir(struct vfs *v, const char *path)
{
    struct vfs_entry e;
    const char *name;
    uint64_t dir = parent_of(v, path, &name);

    return vfs_mkdir(v, dir, name, 0750, me, &e);
}

static int remove_path(struct vfs *v, const char *path)
{
    const char *name;
    uint64_t dir = parent_of(v, path, &name);

    return vfs_unlink(v, dir, name);
}

static int remove_dir(struct vfs *v, const char *path)
{
    const char *name;
    uint64_t dir = parent_of(v, path, &name);

    return vfs_rmdir(v, dir, name);
}

static int move(struct vfs *v, const char *from, const char *to, unsigned flags)
{
    const char *from_name, *to_name;
    uint64_t from_dir = parent_of(v, from, &from_name), to_dir = parent_of(v, to, &to_name);

    return vfs_rename(v, from_dir, from_name, to_dir, to_name, flags);
}

static int stat_path(struct vfs *v, const char *path, struct stat *st)
{
    uint64_t ino;

    return find(v, path, &ino, st);
}

/* Names in a directory, each followed by a blank; the caller frees. */
static char *names(struct vfs *v, const char *path)
{
    struct vfs_dir *d;
    struct buf b;
    uint64_t ino;
    mode_t type;

    assert_int_equal(find(v, path, &ino, NULL), 0);
    assert_int_equal(vfs_opendir(v, ino, &d), 0);
    buf_init(&b, MIB);
    for (size_t i = 2; i < vfs_dir_count(d); i++)
        buf_printf(&b, "%s ", vfs_dir_name(d, i, &type));
    vfs_releasedir(v, d);
    return buf_take(&b, NULL);
}

#define assert_names(v, path, want)     \
    do {                                \
        char *got = names(v, path);     \
        assert_string_equal(got, want); \
        free(got);                      \
    } while (0)

static char *pattern(size_t n, unsigned seed)
{
    char *p = xmalloc(n);

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245 + 12345;
        p[i] = (char)(seed >> 16);
    }
    return p;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void a_file_is_an_object_after_flush(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "hello", 5, 0), 5);
    assert_null(fake_object(x->f, "c/f"));
    assert_names(x->v, "", "f ");
    assert_int_equal(stat_path(x->v, "f", &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_true(fake_holds(x->f, "c/f", STR("hello")));
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_int_equal(fake_count(x->f, FAKE_PUT), 1);
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Mode")), STR("100640")));
    assert_true(str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Uid")), STR("11")));
    remount(x, "c", 60000);
    assert_int_equal(stat_path(x->v, "f", &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0640);
    assert_int_equal(st.st_gid, 22);
    assert_true(reads(x->v, "f", STR("hello")));
}

static void a_failed_upload_reaches_the_caller_and_can_be_repeated(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    fake_fail(x->f, FAKE_PUT, -ENOSPC, 0, 2);
    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "data", 4, 0), 4);
    assert_int_equal(vfs_fsync(x->v, h), -ENOSPC);
    assert_int_equal(vfs_flush(x->v, h), -ENOSPC);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_true(fake_holds(x->f, "c/f", STR("data")));
    vfs_release(x->v, h);
}

static void what_never_arrived_is_not_shown(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st;

    fake_fail(x->f, FAKE_PUT, -EACCES, 0, 99);
    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "data", 4, 0), 4);
    assert_int_equal(vfs_flush(x->v, h), -EACCES);
    vfs_release(x->v, h);
    assert_int_equal(stat_path(x->v, "f", &st), -ENOENT);
    assert_names(x->v, "", "");
}

static void a_damaged_upload_is_sent_again(void **state)
{
    struct fixture *x = *state;

    x->f->damage_put = true;
    assert_int_equal(put(x->v, "f", STR("data")), 0);
    assert_int_equal(fake_count(x->f, FAKE_PUT), 2);
}

static void only_what_is_missing_is_fetched(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(MIB, 1);
    struct vfs_handle *h;

    fake_write(x->f, "c/f", str_of(p, MIB), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDWR, &h), 0);
    assert_int_equal(vfs_write(x->v, h, p + 100, 500000, 0), 500000);
    assert_int_equal(vfs_write(x->v, h, p, 1000, 600000), 1000);
    assert_int_equal(fake_count(x->f, FAKE_GET), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_int_equal(x->f->bytes_got, MIB - 501000);
    vfs_release(x->v, h);
    memmove(p, p + 100, 500000);
    {
        char *want = pattern(MIB, 1);

        memcpy(want + 600000, want, 1000);
        memcpy(want, p, 500000);
        assert_true(fake_holds(x->f, "c/f", str_of(want, MIB)));
        free(want);
    }
    free(p);
}

static void a_download_cut_in_the_middle_goes_on(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(300000, 2);
    struct vfs_handle *h;

    fake_write(x->f, "c/f", str_of(p, 300000), NULL);
    x->f->cut_get_after = 100000;
    assert_int_equal(open_path(x->v, "f", O_RDWR, &h), 0);
    assert_int_equal(vfs_write(x->v, h, p, 1, 0), 1);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_int_equal(x->f->bytes_got, 299999);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", str_of(p, 300000)));
    free(p);
}

static void append_and_truncate(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st = {.st_size = 3};
    uint64_t ino;

    fake_write(x->f, "c/f", STR("one"), NULL);
    assert_int_equal(open_path(x->v, "f", O_WRONLY | O_APPEND, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "two", 3, 0), 3);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", STR("onetwo")));
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_SIZE, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_true(fake_holds(x->f, "c/f", STR("one")));
    st.st_size = 5;
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_SIZE, &st), 0);
    assert_true(fake_holds(x->f, "c/f", STR("one\0\0")));
    x->f->bytes_got = 0;
    assert_int_equal(open_path(x->v, "f", O_WRONLY | O_TRUNC, &h), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", STR("")));
    assert_int_equal(x->f->bytes_got, 0);
}

static void exclusive_creation_meets_another_client(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    assert_int_equal(create(x->v, "f", O_WRONLY | O_EXCL, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "mine", 4, 0), 4);
    fake_write(x->f, "c/f", STR("theirs"), NULL);
    assert_int_equal(vfs_flush(x->v, h), -EEXIST);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", STR("theirs")));
    assert_int_equal(create(x->v, "f", O_WRONLY | O_EXCL, &h), -EEXIST);
    assert_int_equal(create(x->v, "f", O_RDWR, &h), 0);
    vfs_release(x->v, h);
    assert_true(reads(x->v, "f", STR("theirs")));
}

static void too_large(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st = {.st_size = 2000};

    x->f->store.limits.max_file_size = 1000;
    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "x", 1, 999), 1);
    assert_int_equal(vfs_write(x->v, h, "xx", 2, 999), -EFBIG);
    assert_int_equal(vfs_write(x->v, h, "x", 1, UINT64_MAX), -EFBIG);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    {
        uint64_t ino;

        assert_int_equal(find(x->v, "f", &ino, NULL), 0);
        assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_SIZE, &st), -EFBIG);
    }
    assert_int_equal(fake_object(x->f, "c/f")->data.n, 1000);
}

/* --- uploads while writing ------------------------------------------------------------------------------------------ */

static void wait_for_bytes(struct fixture *x, uint64_t n)
{
    for (int i = 0; i < 5000 && fake_bytes_put(x->f) < n; i++)
        usleep(1000);
    assert_true(fake_bytes_put(x->f) >= n);
}

static void write_all(struct fixture *x, struct vfs_handle *h, const char *p, size_t from, size_t to)
{
    for (; from < to; from += MIB)
        assert_int_equal(vfs_write(x->v, h, p + from, MIB, from), MIB);
}

static void a_growing_file_is_uploaded_meanwhile(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(20 * MIB, 3);
    struct vfs_handle *h;
    struct stat st = {.st_mode = 0600};
    uint64_t ino;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    write_all(x, h, p, 0, 20 * MIB);
    wait_for_bytes(x, 20 * MIB);
    assert_null(fake_object(x->f, "c/f"));
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_MODE, &st), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_int_equal(fake_bytes_put(x->f), 20 * MIB);
    assert_true(fake_holds(x->f, "c/f", str_of(p, 20 * MIB)));
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Mode")), STR("100600")));
    vfs_release(x->v, h);
    assert_int_equal(fake_count(x->f, FAKE_PUT), 1);
    free(p);
}

static void going_back_spoils_an_early_upload(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(12 * MIB, 4);
    struct vfs_handle *h;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    write_all(x, h, p, 0, 12 * MIB);
    wait_for_bytes(x, 9 * MIB);
    p[5] = 'X';
    assert_int_equal(vfs_write(x->v, h, p + 5, 1, 5), 1);
    assert_null(fake_object(x->f, "c/f"));
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_true(fake_holds(x->f, "c/f", str_of(p, 12 * MIB)));
    vfs_release(x->v, h);
    free(p);
}

static void a_failed_early_upload_is_made_good(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(12 * MIB, 5);
    struct vfs_handle *h;

    fake_fail(x->f, FAKE_PUT, -EAGAIN, 0, 1);
    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    write_all(x, h, p, 0, 12 * MIB);
    assert_int_equal(vfs_flush(x->v, h), 0);
    assert_true(fake_holds(x->f, "c/f", str_of(p, 12 * MIB)));
    vfs_release(x->v, h);
    free(p);
}

static void an_unlinked_early_upload_makes_no_object(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(12 * MIB, 6);
    struct vfs_handle *h;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    write_all(x, h, p, 0, 12 * MIB);
    assert_int_equal(remove_path(x->v, "f"), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_null(fake_object(x->f, "c/f"));
    free(p);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static void reads_in_order_keep_one_request_open(void **state)
{
    struct fixture *x = *state;
    size_t size = 20 * MIB + 77;
    char *p = pattern(size, 7), *got = xmalloc(MIB);
    struct vfs_handle *h;
    ssize_t n;

    fake_write(x->f, "c/f", str_of(p, size), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    for (size_t at = 0; at < size; at += (size_t)n) {
        n = vfs_read(x->v, h, got, 128 * 1024, at);
        assert_true(n > 0 && memcmp(got, p + at, (size_t)n) == 0);
    }
    assert_int_equal(vfs_read(x->v, h, got, 10, size), 0);
    assert_int_equal(fake_count(x->f, FAKE_GET), 1);
    /* Slightly out of order, as the kernel's read-ahead comes. */
    assert_int_equal(vfs_read(x->v, h, got, 4096, size - 500000), 4096);
    assert_memory_equal(got, p + size - 500000, 4096);
    assert_int_equal(fake_count(x->f, FAKE_GET), 1);
    vfs_release(x->v, h);
    free(got);
    free(p);
}

static void a_broken_read_ahead_goes_on(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(4 * MIB, 8), *got = xmalloc(4 * MIB);
    struct vfs_handle *h;

    fake_write(x->f, "c/f", str_of(p, 4 * MIB), NULL);
    x->f->cut_get_after = MIB + 5;
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    assert_int_equal(vfs_read(x->v, h, got, 4 * MIB, 0), 4 * MIB);
    assert_memory_equal(got, p, 4 * MIB);
    assert_int_equal(fake_count(x->f, FAKE_GET), 2);
    vfs_release(x->v, h);
    free(got);
    free(p);
}

static void random_reads_ask_for_ranges(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(16 * MIB, 9), got[4096];
    struct vfs_handle *h;

    fake_write(x->f, "c/f", str_of(p, 16 * MIB), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    for (size_t i = 1; i <= 10; i++) {
        size_t at = i * 7919 * 997 % (15 * MIB);

        assert_int_equal(vfs_read(x->v, h, got, sizeof got, at), sizeof got);
        assert_memory_equal(got, p + at, sizeof got);
    }
    assert_true(x->f->bytes_got < MIB);
    vfs_release(x->v, h);
    free(p);
}

static void versions_are_never_mixed(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(2 * MIB, 10), got[4096];
    struct vfs_handle *h, *second;

    fake_write(x->f, "c/f", str_of(p, 2 * MIB), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    assert_int_equal(vfs_read(x->v, h, got, sizeof got, 12345), sizeof got);
    fake_write(x->f, "c/f", STR("replaced"), NULL);
    assert_int_equal(vfs_read(x->v, h, got, sizeof got, MIB), -ESTALE);
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &second), 0);
    assert_int_equal(vfs_read(x->v, second, got, sizeof got, 0), 8);
    assert_memory_equal(got, "replaced", 8);
    assert_int_equal(vfs_read(x->v, h, got, sizeof got, 0), -ESTALE);
    vfs_release(x->v, h);
    vfs_release(x->v, second);
    assert_true(reads(x->v, "f", STR("replaced")));
    free(p);
}

/* Opened by what the cache says, replaced meanwhile: nobody has seen anything of the old version. */
static void an_unseen_version_may_be_replaced(void **state)
{
    struct fixture *x = *state;
    char got[16];
    struct vfs_handle *h;

    fake_write(x->f, "c/f", STR("old"), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    fake_write(x->f, "c/f", STR("newer"), NULL);
    assert_int_equal(vfs_read(x->v, h, got, sizeof got, 0), 5);
    assert_memory_equal(got, "newer", 5);
    vfs_release(x->v, h);
    /* The kernel may hold what was read just now, so the next one is another file. */
    assert_int_equal(open_path(x->v, "f", O_RDONLY, &h), 0);
    fake_write(x->f, "c/f", STR("newest"), NULL);
    assert_int_equal(vfs_read(x->v, h, got, sizeof got, 0), -ESTALE);
    vfs_release(x->v, h);
}

static void the_kernel_keeps_its_cache_only_for_the_same_version(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    uint64_t ino;
    bool keep;

    remount(x, "c", 0);
    fake_write(x->f, "c/f", STR("one"), NULL);
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(vfs_open(x->v, ino, O_RDONLY, &h, &keep), 0);
    assert_false(keep);
    vfs_release(x->v, h);
    assert_int_equal(vfs_open(x->v, ino, O_RDONLY, &h, &keep), 0);
    assert_true(keep);
    vfs_release(x->v, h);
    fake_write(x->f, "c/f", STR("two"), NULL);
    assert_int_equal(vfs_open(x->v, ino, O_RDWR, &h, &keep), 0);
    assert_false(keep);
    assert_int_equal(vfs_write(x->v, h, "own", 3, 0), 3);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_int_equal(vfs_open(x->v, ino, O_RDONLY, &h, &keep), 0);
    assert_true(keep);
    vfs_release(x->v, h);
}

/* --- unlink ----------------------------------------------------------------------------------------------------------------- */

static void an_unlinked_file_lives_while_open(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(500000, 11), *got = xmalloc(500000);
    struct vfs_handle *h;
    struct stat st;
    uint64_t ino;

    fake_write(x->f, "c/f", str_of(p, 500000), NULL);
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(open_path(x->v, "f", O_RDWR, &h), 0);
    assert_int_equal(remove_path(x->v, "f"), 0);
    assert_null(fake_object(x->f, "c/f"));
    assert_int_equal(stat_path(x->v, "f", &st), -ENOENT);
    assert_int_equal(vfs_read(x->v, h, got, 500000, 0), 500000);
    assert_memory_equal(got, p, 500000);
    assert_int_equal(vfs_write(x->v, h, "new", 3, 0), 3);
    assert_int_equal(vfs_getattr(x->v, ino, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    st.st_size = 2;
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_SIZE, &st), 0);
    assert_int_equal(put(x->v, "f", STR("another")), 0);
    assert_int_equal(vfs_read(x->v, h, got, 10, 0), 2);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", STR("another")));
    free(got);
    free(p);
}

static void a_failed_unlink_changes_nothing(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    fake_write(x->f, "c/f", STR("data"), NULL);
    assert_int_equal(open_path(x->v, "f", O_RDWR, &h), 0);
    fake_fail(x->f, FAKE_REMOVE, -EAGAIN, 0, 1);
    assert_int_equal(remove_path(x->v, "f"), -EAGAIN);
    assert_int_equal(vfs_write(x->v, h, "DATA", 4, 0), 4);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/f", STR("DATA")));
    assert_int_equal(remove_path(x->v, "f"), 0);
    assert_int_equal(remove_path(x->v, "f"), -ENOENT);
}

/* --- directories ---------------------------------------------------------------------------------------------------------------- */

static void directories_are_made_and_removed(void **state)
{
    struct fixture *x = *state;
    struct stat st;

    assert_int_equal(make_dir(x->v, "d"), 0);
    assert_int_equal(make_dir(x->v, "d"), -EEXIST);
    assert_non_null(fake_object(x->f, "c/d/"));
    assert_int_equal(make_dir(x->v, "d/e"), 0);
    assert_int_equal(put(x->v, "d/e/f", STR("x")), 0);
    assert_int_equal(remove_dir(x->v, "d"), -ENOTEMPTY);
    assert_int_equal(remove_dir(x->v, "d/e"), -ENOTEMPTY);
    assert_int_equal(remove_dir(x->v, "d/e/f"), -ENOTDIR);
    assert_int_equal(remove_path(x->v, "d/e"), -EISDIR);
    assert_int_equal(remove_path(x->v, "d/e/f"), 0);
    assert_int_equal(remove_dir(x->v, "d/e"), 0);
    assert_int_equal(stat_path(x->v, "d", &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0750);
    assert_int_equal(remove_dir(x->v, "d"), 0);
    assert_int_equal(x->f->n, 1);
}

static void a_new_file_keeps_its_directory(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    assert_int_equal(make_dir(x->v, "d"), 0);
    assert_int_equal(create(x->v, "d/f", O_WRONLY, &h), 0);
    assert_int_equal(remove_dir(x->v, "d"), -ENOTEMPTY);
    vfs_release(x->v, h);
}

static void an_implied_directory_outlives_its_last_entry(void **state)
{
    struct fixture *x = *state;
    struct stat st;

    fake_write(x->f, "c/a/b/f", STR("x"), NULL);
    assert_int_equal(stat_path(x->v, "a/b", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(remove_path(x->v, "a/b/f"), 0);
    assert_int_equal(stat_path(x->v, "a/b", &st), 0);
    assert_int_equal(remove_dir(x->v, "a/b"), 0);
    assert_int_equal(stat_path(x->v, "a", &st), 0);
    assert_int_equal(move(x->v, "a", "z", 0), 0);
    assert_names(x->v, "", "z ");
}

static void both_kinds_of_markers(void **state)
{
    struct fixture *x = *state;
    struct stat st = {.st_mode = 0700};
    uint64_t ino;

    fake_write(x->f, "c/p", STR(""), "Content-Type: application/directory");
    fake_write(x->f, "c/p/f", STR("x"), NULL);
    assert_int_equal(find(x->v, "p", &ino, NULL), 0);
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_MODE, &st), 0);
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/p")->headers, STR("X-Object-Meta-Mode")), STR("40700")));
    assert_null(fake_object(x->f, "c/p/"));
    assert_int_equal(remove_path(x->v, "p/f"), 0);
    assert_int_equal(remove_dir(x->v, "p"), 0);
    assert_int_equal(x->f->n, 1);
}

static void a_listing_spares_requests(void **state)
{
    struct fixture *x = *state;
    struct vfs_entry e;
    struct vfs_dir *d;
    struct stat st;
    char key[32];

    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "c/%02d", i);
        fake_write(x->f, key, STR("x"), NULL);
    }
    assert_int_equal(vfs_opendir(x->v, ROOT, &d), 0);
    assert_int_equal(vfs_dir_count(d), 52);
    vfs_dir_prefetch(x->v, d, 0, 52);
    assert_int_equal(fake_count(x->f, FAKE_HEAD), 50);
    for (size_t i = 2; i < 52; i++) {
        assert_int_equal(vfs_dir_lookup(x->v, d, i, &e), 0);
        vfs_forget(x->v, e.ino, 1);
    }
    vfs_releasedir(x->v, d);
    assert_int_equal(stat_path(x->v, "missing", &st), -ENOENT);
    assert_int_equal(fake_count(x->f, FAKE_LIST), 1);
    assert_int_equal(fake_count(x->f, FAKE_HEAD), 51); /* and the root */
}

/* Nothing is believed, but a listing that names the same version saves the HEAD. */
static void an_old_attribute_is_good_while_the_version_is(void **state)
{
    struct fixture *x = *state;
    struct vfs_entry e;
    unsigned heads;

    remount(x, "c", 0);
    fake_write(x->f, "c/f", STR("x"), "X-Object-Meta-Mode: 100600");
    assert_int_equal(vfs_lookup(x->v, ROOT, "f", &e), 0);
    heads = fake_count(x->f, FAKE_HEAD);
    assert_int_equal(vfs_lookup(x->v, ROOT, "f", &e), 0);
    assert_int_equal(e.st.st_mode, S_IFREG | 0600);
    assert_int_equal(fake_count(x->f, FAKE_HEAD), heads);
    fake_write(x->f, "c/f", STR("x"), "X-Object-Meta-Mode: 100644");
    assert_int_equal(vfs_lookup(x->v, ROOT, "f", &e), 0);
    assert_int_equal(e.st.st_mode, S_IFREG | 0644);
    assert_int_equal(fake_count(x->f, FAKE_HEAD), heads + 1);
    /* Our own upload is the version that the listing then names. */
    assert_int_equal(put(x->v, "g", STR("y")), 0);
    heads = fake_count(x->f, FAKE_HEAD);
    assert_int_equal(vfs_lookup(x->v, ROOT, "g", &e), 0);
    assert_int_equal(fake_count(x->f, FAKE_HEAD), heads);
}

static void names_in_a_large_directory_are_asked_for_singly(void **state)
{
    struct fixture *x = *state;
    struct stat st;
    unsigned lists;
    char key[32];

    x->f->page = 10;
    for (int i = 0; i < 35; i++) {
        snprintf(key, sizeof key, "c/%02d", i);
        fake_write(x->f, key, STR("x"), NULL);
    }
    fake_write(x->f, "c/z/f", STR("x"), NULL);
    assert_int_equal(stat_path(x->v, "34", &st), 0);
    assert_true(S_ISREG(st.st_mode));
    lists = fake_count(x->f, FAKE_LIST);
    assert_int_equal(stat_path(x->v, "z", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(stat_path(x->v, "missing", &st), -ENOENT);
    assert_int_equal(fake_count(x->f, FAKE_LIST), lists + 2);
    assert_true(reads(x->v, "z/f", STR("x")));
    {
        char *all = names(x->v, "");

        assert_int_equal(strlen(all), 35 * 3 + 2);
        free(all);
    }
}

static void bad_names(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st;
    char longest[NAME_MAX + 2];

    memset(longest, 'n', sizeof longest);
    longest[NAME_MAX + 1] = '\0';
    assert_int_equal(create(x->v, "\xff", O_WRONLY, &h), -EILSEQ);
    assert_int_equal(stat_path(x->v, "\xff", &st), -ENOENT);
    assert_int_equal(create(x->v, longest, O_WRONLY, &h), -ENAMETOOLONG);
    assert_int_equal(stat_path(x->v, longest, &st), -ENAMETOOLONG);
    longest[NAME_MAX] = '\0';
    assert_int_equal(put(x->v, longest, STR("x")), 0);
    x->f->store.limits.max_object_name = 10;
    assert_int_equal(put(x->v, "1234567890", STR("x")), -ENAMETOOLONG);
}

/* --- attributes --------------------------------------------------------------------------------------------------------------------- */

static void attributes_keep_what_others_wrote(void **state)
{
    struct fixture *x = *state;
    struct stat st = {.st_mode = 0604, .st_mtim = {.tv_sec = 1, .tv_nsec = 2}};
    struct vfs_handle *h;
    uint64_t ino;

    fake_write(x->f, "c/f", STR("x"), "X-Object-Meta-Color: blue");
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_MODE | VFS_SET_MTIME, &st), 0);
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Color")), STR("blue")));
    assert_true(str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Mtime")),
                       STR("1.000000002")));
    assert_int_equal(open_path(x->v, "f", O_WRONLY | O_TRUNC, &h), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Color")), STR("blue")));
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Mode")), STR("100604")));
}

static void attributes_of_a_file_being_written_go_with_it(void **state)
{
    struct fixture *x = *state;
    struct stat st = {.st_uid = 5, .st_mtim = {.tv_sec = 7}};
    struct vfs_handle *h;
    uint64_t ino;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "x", 1, 0), 1);
    assert_int_equal(find(x->v, "f", &ino, NULL), 0);
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_UID | VFS_SET_MTIME, &st), 0);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_int_equal(fake_count(x->f, FAKE_POST), 0);
    assert_int_equal(fake_count(x->f, FAKE_PUT), 1);
    assert_true(str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Mtime")),
                       STR("7.000000000")));
    assert_true(str_eq(header_get(&fake_object(x->f, "c/f")->headers, STR("X-Object-Meta-Uid")), STR("5")));
}

/* Our own POST is dated by guess; what a later HEAD says must not look like another change. */
static void the_time_of_change_stands_still(void **state)
{
    struct fixture *x = *state;
    struct stat st = {.st_mode = 0700}, later;
    uint64_t ino;

    remount(x, "c", 0);
    assert_int_equal(make_dir(x->v, "d"), 0);
    assert_int_equal(find(x->v, "d", &ino, NULL), 0);
    x->f->now_us += 5000000;
    assert_int_equal(vfs_setattr(x->v, ino, &st, VFS_SET_MODE, &st), 0);
    fake_object(x->f, "c/d/")->changed_us -= 1000000;
    assert_int_equal(vfs_getattr(x->v, ino, &later), 0);
    assert_int_equal(later.st_ctim.tv_sec, st.st_ctim.tv_sec);
    x->f->now_us += 3000000;
    fake_write(x->f, "c/d/", STR(""), "X-Object-Meta-Mode: 40711");
    assert_int_equal(vfs_getattr(x->v, ino, &later), 0);
    assert_int_equal(later.st_mode & 07777, 0711);
    assert_int_not_equal(later.st_ctim.tv_sec, st.st_ctim.tv_sec);
}

static void links(void **state)
{
    struct fixture *x = *state;
    struct vfs_entry e;
    char *target;

    assert_int_equal(vfs_symlink(x->v, "some/where", ROOT, "l", me, &e), 0);
    assert_int_equal(vfs_symlink(x->v, "else", ROOT, "l", me, &e), -EEXIST);
    remount(x, "c", 60000);
    assert_int_equal(vfs_lookup(x->v, ROOT, "l", &e), 0);
    assert_int_equal(e.st.st_mode, S_IFLNK | 0777);
    assert_int_equal(vfs_readlink(x->v, e.ino, &target), 0);
    assert_string_equal(target, "some/where");
    free(target);
    assert_true(fake_holds(x->f, "c/l", STR("some/where")));
    assert_int_equal(put(x->v, "f", STR("x")), 0);
    assert_int_equal(vfs_lookup(x->v, ROOT, "f", &e), 0);
    assert_int_equal(vfs_readlink(x->v, e.ino, &target), -EINVAL);
}

/* --- rename ---------------------------------------------------------------------------------------------------------------------------- */

static void a_file_is_renamed(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;
    struct stat st;

    assert_int_equal(put(x->v, "a", STR("A")), 0);
    assert_int_equal(put(x->v, "b", STR("B")), 0);
    assert_int_equal(make_dir(x->v, "d"), 0);
    assert_int_equal(move(x->v, "a", "b", 1 /* RENAME_NOREPLACE */), -EEXIST);
    assert_int_equal(move(x->v, "a", "b", 2 /* RENAME_EXCHANGE */), -EINVAL);
    assert_int_equal(move(x->v, "missing", "b", 0), -ENOENT);
    assert_int_equal(move(x->v, "a", "d", 0), -EISDIR);
    assert_int_equal(move(x->v, "d", "a", 0), -ENOTDIR);
    assert_int_equal(open_path(x->v, "b", O_RDONLY, &h), 0);
    assert_int_equal(move(x->v, "a", "b", 0), 0);
    {
        char got[4];

        assert_int_equal(vfs_read(x->v, h, got, 4, 0), 1);
        assert_int_equal(got[0], 'B');
    }
    vfs_release(x->v, h);
    assert_int_equal(stat_path(x->v, "a", &st), -ENOENT);
    assert_true(reads(x->v, "b", STR("A")));
    assert_int_equal(stat_path(x->v, "b", &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0640);
    assert_int_equal(move(x->v, "b", "d/b", 1), 0);
    assert_true(fake_holds(x->f, "c/d/b", STR("A")));
    assert_names(x->v, "", "d ");
}

static void another_clients_file_is_not_replaced(void **state)
{
    struct fixture *x = *state;
    struct stat st;

    assert_int_equal(put(x->v, "a", STR("A")), 0);
    assert_int_equal(stat_path(x->v, "b", &st), -ENOENT);
    fake_write(x->f, "c/b", STR("theirs"), NULL); /* the cached listing does not know */
    assert_int_equal(move(x->v, "a", "b", 1), -EEXIST);
    assert_true(fake_holds(x->f, "c/b", STR("theirs")));
    assert_true(fake_holds(x->f, "c/a", STR("A")));
}

static void an_open_file_is_renamed(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    assert_int_equal(make_dir(x->v, "d"), 0);
    assert_int_equal(create(x->v, "d/f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "one", 3, 0), 3);
    assert_int_equal(move(x->v, "d", "e", 0), 0);
    assert_true(fake_holds(x->f, "c/e/f", STR("one")));
    assert_int_equal(vfs_write(x->v, h, "two", 3, 3), 3);
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_true(fake_holds(x->f, "c/e/f", STR("onetwo")));
    assert_null(fake_object(x->f, "c/d/f"));
    assert_null(fake_object(x->f, "c/d/"));
}

static void make_tree(struct fixture *x)
{
    char key[64];

    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "c/d/%d/f", i);
        fake_write(x->f, key, str_from(key), NULL);
    }
    fake_write(x->f, "c/d//odd", STR("odd"), NULL);
}

static void a_tree_is_renamed(void **state)
{
    struct fixture *x = *state;
    struct stat st;

    x->f->page = 6;
    make_tree(x);
    assert_int_equal(move(x->v, "d", "d/sub", 0), -EINVAL);
    assert_int_equal(move(x->v, "d", "e", 0), 0);
    assert_int_equal(stat_path(x->v, "d", &st), -ENOENT);
    assert_true(reads(x->v, "e/7/f", STR("c/d/7/f")));
    assert_true(fake_holds(x->f, "c/e//odd", STR("odd")));
    assert_int_equal(move(x->v, "e/7/f", "e", 0), -ENOTEMPTY);
    assert_int_equal(make_dir(x->v, "full"), 0);
    assert_int_equal(put(x->v, "full/f", STR("")), 0);
    assert_int_equal(move(x->v, "e", "full", 0), -ENOTEMPTY);
    assert_int_equal(remove_path(x->v, "full/f"), 0);
    assert_int_equal(move(x->v, "e", "full", 0), 0);
    assert_true(reads(x->v, "full/19/f", STR("c/d/19/f")));
}

static void a_tree_stays_when_a_copy_fails(void **state)
{
    struct fixture *x = *state;
    char key[64];

    make_tree(x);
    fake_fail(x->f, FAKE_COPY, -EAGAIN, 10, 1);
    assert_int_equal(move(x->v, "d", "e", 0), -EAGAIN);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "c/d/%d/f", i);
        assert_true(fake_holds(x->f, key, str_from(key)));
        snprintf(key, sizeof key, "c/e/%d/f", i);
        assert_null(fake_object(x->f, key));
    }
    assert_null(fake_object(x->f, "c/e/"));
    assert_int_equal(move(x->v, "d", "e", 0), 0);
    assert_true(reads(x->v, "e/3/f", STR("c/d/3/f")));
}

static void a_copy_is_complete_before_the_old_goes(void **state)
{
    struct fixture *x = *state;

    assert_int_equal(put(x->v, "a", STR("A")), 0);
    fake_fail(x->f, FAKE_REMOVE, -EAGAIN, 0, 1);
    assert_int_equal(move(x->v, "a", "b", 0), -EAGAIN);
    assert_true(reads(x->v, "a", STR("A")));
    assert_true(fake_holds(x->f, "c/b", STR("A")));
}

static void without_copy_on_the_server(void **state)
{
    struct fixture *x = *state;
    char *p = pattern(MIB, 12);

    x->f->no_copy = true;
    fake_write(x->f, "c/a", str_of(p, MIB), "X-Object-Meta-Color: blue");
    assert_int_equal(move(x->v, "a", "b", 0), 0);
    assert_true(fake_holds(x->f, "c/b", str_of(p, MIB)));
    assert_true(
        str_eq(header_get(&fake_object(x->f, "c/b")->headers, STR("X-Object-Meta-Color")), STR("blue")));
    assert_null(fake_object(x->f, "c/a"));
    free(p);
}

static void containers(void **state)
{
    struct fixture *x = *state;
    struct stat st;
    struct vfs_handle *h;
    struct vfs_entry e;

    fake_write(x->f, "c/d/f", STR("x"), NULL);
    remount(x, NULL, 60000);
    assert_names(x->v, "", "c ");
    assert_int_equal(make_dir(x->v, "k"), 0);
    assert_non_null(fake_object(x->f, "k"));
    assert_int_equal(create(x->v, "f", O_WRONLY, &h), -EPERM);
    assert_int_equal(vfs_symlink(x->v, "x", ROOT, "l", me, &e), -EPERM);
    assert_int_equal(move(x->v, "c/d/f", "f", 0), -EPERM);
    assert_int_equal(remove_dir(x->v, "c"), -ENOTEMPTY);
    assert_int_equal(move(x->v, "c/d", "k/e", 0), 0);
    assert_true(reads(x->v, "k/e/f", STR("x")));
    assert_int_equal(move(x->v, "k", "n", 0), 0);
    assert_true(fake_holds(x->f, "n/e/f", STR("x")));
    assert_int_equal(move(x->v, "n/e", "m", 0), 0);
    assert_true(fake_holds(x->f, "m/f", STR("x")));
    assert_int_equal(stat_path(x->v, "k", &st), -ENOENT);
    assert_int_equal(remove_dir(x->v, "n"), 0);
    assert_names(x->v, "", "c m ");
}

/* --- many at once ---------------------------------------------------------------------------------------------------------------------------- */

struct worker {
    struct fixture *x;
    int i;
    int errors;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct vfs *v = w->x->v;
    char a[64], b[64], text[64];
    struct stat st;

    for (int round = 0; round < 30; round++) {
        snprintf(a, sizeof a, "d/%d-%d", w->i, round);
        snprintf(b, sizeof b, "d/%d-%d.new", w->i, round);
        snprintf(text, sizeof text, "%d %d", w->i, round);
        w->errors += put(v, a, str_from(text)) != 0;
        w->errors += !reads(v, a, str_from(text));
        w->errors += move(v, a, b, 0) != 0;
        w->errors += stat_path(v, a, &st) != -ENOENT;
        free(names(v, "d"));
        w->errors += !reads(v, b, str_from(text));
        if (round % 2)
            w->errors += remove_path(v, b) != 0;
    }
    return NULL;
}

static void many_threads(void **state)
{
    struct fixture *x = *state;
    struct worker w[6];
    pthread_t t[6];
    char *all;

    remount(x, "c", 3);
    assert_int_equal(make_dir(x->v, "d"), 0);
    for (int i = 0; i < 6; i++) {
        w[i] = (struct worker){.x = x, .i = i};
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].errors, 0);
    }
    remount(x, "c", 60000);
    all = names(x->v, "d");
    assert_int_equal(x->f->n, 2 + 6 * 15);
    free(all);
}

struct hands {
    struct fixture *x;
    struct vfs_handle *h;
    int i, errors;
};

static void *use_hand(void *arg)
{
    struct hands *w = arg;
    char block[1000], got[1000];

    memset(block, 'a' + w->i, sizeof block);
    for (uint64_t round = 0; round < 40; round++) {
        uint64_t at = (round * 4 + (uint64_t)w->i) * sizeof block;

        w->errors += vfs_write(w->x->v, w->h, block, sizeof block, at) != sizeof block;
        w->errors +=
            vfs_read(w->x->v, w->h, got, sizeof got, at) != sizeof got || memcmp(got, block, sizeof got) != 0;
        if (round % 10 == 0)
            w->errors += vfs_fsync(w->x->v, w->h) != 0;
    }
    return NULL;
}

static void one_file_many_hands(void **state)
{
    struct fixture *x = *state;
    struct hands w[4];
    pthread_t t[4];
    struct vfs_handle *h;

    assert_int_equal(create(x->v, "f", O_RDWR, &h), 0);
    for (int i = 0; i < 4; i++) {
        w[i] = (struct hands){.x = x, .h = h, .i = i};
        assert_int_equal(pthread_create(&t[i], NULL, use_hand, &w[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].errors, 0);
    }
    assert_int_equal(vfs_flush(x->v, h), 0);
    vfs_release(x->v, h);
    assert_int_equal(fake_object(x->f, "c/f")->data.n, 160000);
    for (size_t i = 0; i < 160000; i++)
        assert_int_equal(fake_object(x->f, "c/f")->data.p[i], 'a' + (char)(i / 1000 % 4));
}

static void the_end_uploads_what_is_open(void **state)
{
    struct fixture *x = *state;
    struct vfs_handle *h;

    assert_int_equal(create(x->v, "f", O_WRONLY, &h), 0);
    assert_int_equal(vfs_write(x->v, h, "last", 4, 0), 4);
    assert_int_equal(vfs_shutdown(x->v), 0);
    assert_true(fake_holds(x->f, "c/f", STR("last")));
}

static void space(void **state)
{
    struct fixture *x = *state;
    struct statvfs st;

    fake_write(x->f, "c", STR(""), "X-Object-Meta-Quota-Bytes: 40960");
    assert_int_equal(vfs_statfs(x->v, &st), 0);
    assert_int_equal(st.f_blocks * st.f_frsize, 40960);
    assert_int_equal(st.f_namemax, NAME_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_an_object_after_flush),
        TEST(a_failed_upload_reaches_the_caller_and_can_be_repeated),
        TEST(what_never_arrived_is_not_shown),
        TEST(a_damaged_upload_is_sent_again),
        TEST(only_what_is_missing_is_fetched),
        TEST(a_download_cut_in_the_middle_goes_on),
        TEST(append_and_truncate),
        TEST(exclusive_creation_meets_another_client),
        TEST(too_large),
        TEST(a_growing_file_is_uploaded_meanwhile),
        TEST(going_back_spoils_an_early_upload),
        TEST(a_failed_early_upload_is_made_good),
        TEST(an_unlinked_early_upload_makes_no_object),
        TEST(reads_in_order_keep_one_request_open),
        TEST(a_broken_read_ahead_goes_on),
        TEST(random_reads_ask_for_ranges),
        TEST(versions_are_never_mixed),
        TEST(an_unseen_version_may_be_replaced),
        TEST(the_kernel_keeps_its_cache_only_for_the_same_version),
        TEST(an_unlinked_file_lives_while_open),
        TEST(a_failed_unlink_changes_nothing),
        TEST(directories_are_made_and_removed),
        TEST(a_new_file_keeps_its_directory),
        TEST(an_implied_directory_outlives_its_last_entry),
        TEST(both_kinds_of_markers),
        TEST(a_listing_spares_requests),
        TEST(an_old_attribute_is_good_while_the_version_is),
        TEST(names_in_a_large_directory_are_asked_for_singly),
        TEST(bad_names),
        TEST(attributes_keep_what_others_wrote),
        TEST(attributes_of_a_file_being_written_go_with_it),
        TEST(the_time_of_change_stands_still),
        TEST(links),
        TEST(a_file_is_renamed),
        TEST(another_clients_file_is_not_replaced),
        TEST(an_open_file_is_renamed),
        TEST(a_tree_is_renamed),
        TEST(a_tree_stays_when_a_copy_fails),
        TEST(a_copy_is_complete_before_the_old_goes),
        TEST(without_copy_on_the_server),
        TEST(containers),
        TEST(many_threads),
        TEST(one_file_many_hands),
        TEST(the_end_uploads_what_is_open),
        TEST(space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
