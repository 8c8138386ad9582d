/* SPDX-License-Identifier: Apache-2.0 */
#include "object/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include "common/clock.h"
#include "object/suffix_hashes.h"

static void uuid_digits(char out[33])
{
    char uuid[37];
    size_t n = 0;
    random_uuid(uuid);
    for (const char *p = uuid; *p; p++)
        if (*p != '-')
            out[n++] = *p;
    out[n] = '\0';
}

static int move_aside(const struct objects_dir *d, struct arena *a, const char *from, const char *name)
{
    char folder[POLICY_DIR_SIZE], uuid[33];
    unsigned created;
    const char *to_dir =
        arena_printf(a, "%s/quarantined/%s", d->device_path, policy_dir("objects", d->policy_index, folder))
            .p;
    int err = objects_dir_make(d->device_path, to_dir, &created);
    if (err)
        return err;
    if (rename(from, arena_printf(a, "%s/%s", to_dir, name).p) == 0)
        return 0;
    if (errno != EEXIST && errno != ENOTEMPTY && errno != EISDIR && errno != ENOTDIR)
        return -errno;
    uuid_digits(uuid);
    return rename(from, arena_printf(a, "%s/%s-%s", to_dir, name, uuid).p) == 0 ? 0 : -errno;
}

static int quarantine(const struct objects_dir *d, uint32_t part, const char *suffix, const char *hash)
{
    struct arena *a = arena_new();
    struct str from =
        hash ? objects_dir_hash(d, a, part, hash) : arena_printf(a, "%s/%u/%s", d->path, part, suffix);
    int err = suffix_hashes_invalidate(d, part, str_from(suffix));
    if (!err)
        err = move_aside(d, a, from.p, hash ? hash : suffix);
    arena_free(a);
    return err;
}

int quarantine_hash(const struct objects_dir *d, uint32_t part, const char *hash)
{
    size_t n = strlen(hash);
    return quarantine(d, part, hash + (n > 3 ? n - 3 : 0), hash);
}

int quarantine_suffix(const struct objects_dir *d, uint32_t part, const char *suffix)
{
    return quarantine(d, part, suffix, NULL);
}
