/* SPDX-License-Identifier: Apache-2.0 */
#include "object/hash_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/clock.h"

int hash_dir_each(int fd, int (*fn)(const char *name, void *arg), void *arg)
{
    _Alignas(struct dirent64) char block[4096];
    for (;;) {
        ssize_t n = getdents64(fd, block, sizeof block);
        if (n <= 0)
            return n < 0 ? -errno : 0;
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *e = (struct dirent64 *)(void *)(block + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            int err = fn(e->d_name, arg);
            if (err)
                return err;
        }
    }
}

struct listing {
    struct arena *arena;
    struct hash_dir *dir;
    size_t cap;
    int frag_count;
};

static int add_file(const char *name, void *arg)
{
    struct listing *l = arg;
    if (l->dir->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        struct ondisk_file *more = arena_alloc(l->arena, l->cap * sizeof *more);
        if (l->dir->n)
            memcpy(more, l->dir->files, l->dir->n * sizeof *more);
        l->dir->files = more;
    }
    ondisk_parse(arena_str(l->arena, str_from(name)), l->frag_count, &l->dir->files[l->dir->n++]);
    return 0;
}

int hash_dir_read(struct arena *a, int dirfd, const struct ondisk_rules *rules, struct hash_dir *ret)
{
    struct listing l = {a, ret, 0, rules->frag_count};
    *ret = (struct hash_dir){0};
    int err = hash_dir_each(dirfd, add_file, &l);
    if (!err)
        ondisk_choose(a, ret->files, ret->n, rules, &ret->choice);
    return err;
}

static int64_t age_ms(struct timestamp t)
{
    return clock_real_ns() / 1000000 - t.raw / 100;
}

/* Uncommitted fragments wait for commit_window by the time they were written, not by their name. */
static bool commit_may_come(int dirfd, const struct objects_dir *d, const struct ondisk_file *f)
{
    struct stat st;
    if (f->frag_index < 0 || f->durable || d->commit_window_ms <= 0)
        return false;
    if (fstatat(dirfd, f->name.p, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    int64_t written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return clock_real_ns() / 1000000 - written_ms <= d->commit_window_ms;
}

static bool must_go(int dirfd, const struct objects_dir *d, const struct hash_dir *dir,
                    const struct ondisk_file *f)
{
    if (f->fate == ONDISK_OBSOLETE)
        return true;
    if (f == dir->choice.ts)
        return age_ms(f->time) > d->reclaim_age_ms;
    return f->fate == ONDISK_STRAY && age_ms(f->time) > d->reclaim_age_ms && !commit_may_come(dirfd, d, f);
}

int hash_dir_clean(struct arena *a, const struct objects_dir *d, const char *path, struct hash_dir *ret,
                   size_t *ret_left)
{
    struct ondisk_rules rules = {.frag_count = d->frag_count, .frag_index = -1};
    *ret = (struct hash_dir){0};
    *ret_left = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int err = hash_dir_read(a, fd, &rules, ret);
    size_t left = ret->n;
    for (size_t i = 0; !err && i < ret->n; i++) {
        struct ondisk_file *f = &ret->files[i];
        if (!must_go(fd, d, ret, f))
            continue;
        if (unlinkat(fd, f->name.p, 0) != 0 && errno != ENOENT) {
            err = -errno;
            break;
        }
        f->fate = ONDISK_OBSOLETE;
        if (ret->choice.ts == f)
            ret->choice.ts = NULL;
        left--;
    }
    close(fd);
    *ret_left = left;
    if (!err && left == 0)
        rmdir(path); /* not empty or gone meanwhile: as good */
    return err;
}
