/* SPDX-License-Identifier: Apache-2.0 */
#include "object/objects_dir.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"

#define HASH_DIGITS 32

/* Every request needs these paths: they are joined, not formatted. */
static const char *policy_path(struct arena *a, const char *device_path, int index)
{
    char folder[POLICY_DIR_SIZE];
    struct str name = index == 0 ? STR("objects") : str_from(policy_dir("objects", index, folder));
    return arena_join(a, str_from(device_path), STR("/"), name, STR_END).p;
}

struct number {
    char text[12];
};

static struct str decimal(uint32_t v, struct number *out)
{
    char *at = out->text + sizeof out->text;
    do {
        *--at = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return str_of(at, (size_t)(out->text + sizeof out->text - at));
}

void objects_dir_init(struct objects_dir *d, struct arena *a, const char *device_path,
                      const struct policy *policy)
{
    *d = (struct objects_dir){
        .device_path = device_path,
        .path = policy_path(a, device_path, policy->index),
        .policy_index = policy->index,
        .frag_count = policy->type == POLICY_ERASURE_CODING ? policy->ec_data + policy->ec_parity : 0,
        .reclaim_age_ms = OBJECTS_DIR_RECLAIM_AGE_MS,
        .commit_window_ms = OBJECTS_DIR_COMMIT_WINDOW_MS,
    };
}

struct str objects_dir_partition(const struct objects_dir *d, struct arena *a, uint32_t part)
{
    struct number n;
    return arena_join(a, str_from(d->path), STR("/"), decimal(part, &n), STR_END);
}

struct str objects_dir_hash(const struct objects_dir *d, struct arena *a, uint32_t part, const char *hash)
{
    struct number n;
    return arena_join(a, str_from(d->path), STR("/"), decimal(part, &n), STR("/"),
                      str_of(hash + HASH_DIGITS - 3, 3), STR("/"), str_of(hash, HASH_DIGITS), STR_END);
}

/* ext4 packs folders beside their parent unless the parent says that its children are unrelated, as the partitions are:
 * without this, creating files in the folders crawls after mass deletions. Other file systems refuse: fine. */
static void spread_children(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int flags;
    if (fd < 0)
        return;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
        flags |= FS_TOPDIR_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    close(fd);
}

static bool is_objects_folder(const char *device_path, const char *path)
{
    struct str below = str_from(path + strlen(device_path) + 1);
    return str_starts(below, STR("objects")) && str_find(below, '/') < 0;
}

static int make_levels(const char *device_path, char *path, unsigned *created)
{
    if (mkdir(path, 0777) == 0) {
        (*created)++;
        if (is_objects_folder(device_path, path))
            spread_children(path);
        return 0;
    }
    if (errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return -errno;
    char *slash = strrchr(path, '/');
    if ((size_t)(slash - path) <= strlen(device_path))
        return -ENODEV;
    *slash = '\0';
    int err = make_levels(device_path, path, created);
    *slash = '/';
    if (err)
        return err;
    if (mkdir(path, 0777) == 0)
        (*created)++;
    else if (errno != EEXIST)
        return -errno;
    return 0;
}

int objects_dir_make(const char *device_path, const char *path, unsigned *ret_created)
{
    *ret_created = 0;
    char *copy = str_dup(str_from(path));
    int err = make_levels(device_path, copy, ret_created);
    free(copy);
    return err;
}

int objects_dir_sync(const char *path, unsigned created)
{
    char *copy = str_dup(str_from(path));
    int err = 0;
    for (unsigned i = 0; !err && i <= created; i++) {
        err = file_sync_dir(copy);
        char *slash = strrchr(copy, '/');
        if (!slash || slash == copy)
            break;
        *slash = '\0';
    }
    free(copy);
    return err;
}

bool objects_dir_is_suffix(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= '0' && name.p[i] <= '9') || (name.p[i] >= 'a' && name.p[i] <= 'f')))
            return false;
    return name.n == 3;
}
