/* SPDX-License-Identifier: Apache-2.0 */
#include "object/async_pending.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/policy.h"
#include "common/file.h"
#include "common/pickle.h"
#include "common/utf8.h"
#include "object/objects_dir.h"

/* --- the pickle -------------------------------------------------------------------------------------------------- */

static void text_pair(struct buf *out, struct str key, struct str utf8)
{
    pickle_text(out, key);
    pickle_text(out, utf8);
}

void async_pending_encode(const struct async_pending *u, struct arena *a, struct buf *out)
{
    pickle_begin(out);
    pickle_dict_begin(out);
    text_pair(out, STR("op"), u->op);
    text_pair(out, STR("account"), u->account);
    text_pair(out, STR("container"), u->container);
    text_pair(out, STR("obj"), u->object);
    pickle_text(out, STR("headers"));
    pickle_dict_begin(out);
    for (size_t i = 0; i < u->headers->n; i++)
        text_pair(out, utf8_from_latin1(a, header_title(a, u->headers->v[i].name)),
                  utf8_from_latin1(a, u->headers->v[i].value));
    pickle_dict_end(out);
    if (u->db_state.p)
        text_pair(out, STR("db_state"), u->db_state);
    if (u->container_path.p)
        text_pair(out, STR("container_path"), u->container_path);
    pickle_dict_end(out);
    pickle_end(out);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static int write_temp(char *path, const struct buf *content)
{
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = file_write_all(fd, content->p, content->n);
    if (!err && fsync(fd) != 0)
        err = -errno;
    if (close(fd) != 0 && !err)
        err = -errno;
    if (err)
        unlink(path);
    return err;
}

/* The updater removes a suffix folder that it has emptied: made again if that happens in between. */
static int rename_into(const char *device_path, const char *temp, const char *dir, const char *target)
{
    unsigned created;
    for (int i = 0; i < 3; i++) {
        int err = objects_dir_make(device_path, dir, &created);
        if (err)
            return err;
        if (rename(temp, target) == 0)
            return objects_dir_sync(dir, created);
        if (errno != ENOENT)
            return -errno;
    }
    return -ENOENT;
}

static int write_file(struct arena *a, const struct buf *content, const char *device_path, int policy_index,
                      const char *hash, struct timestamp time)
{
    char folder[POLICY_DIR_SIZE], stamp[TIMESTAMP_INTERNAL_SIZE];
    unsigned created;
    const char *tmp = arena_printf(a, "%s/%s", device_path, policy_dir("tmp", policy_index, folder)).p;
    int err = objects_dir_make(device_path, tmp, &created);
    if (err)
        return err;
    size_t size = strlen(tmp) + sizeof "/tmpXXXXXX";
    char *temp = arena_alloc(a, size);
    snprintf(temp, size, "%s/tmpXXXXXX", tmp);
    err = write_temp(temp, content);
    if (err)
        return err;
    const char *dir =
        arena_printf(a, "%s/%s/%s", device_path, policy_dir("async_pending", policy_index, folder),
                     hash + HASH_PATH_HEX_SIZE - 4)
            .p;
    err = rename_into(device_path, temp, dir,
                      arena_printf(a, "%s/%s-%s", dir, hash, timestamp_internal(time, stamp)).p);
    if (err)
        unlink(temp);
    return err;
}

int async_pending_write(const struct async_pending *u, const char *device_path, int policy_index,
                        const struct hash_path_conf *conf)
{
    char hash[HASH_PATH_HEX_SIZE];
    struct arena *a = arena_new();
    struct buf content;
    buf_init(&content, ASYNC_PENDING_MAX);
    async_pending_encode(u, a, &content);
    int err = buf_error(&content);
    hash_path_hex(conf, u->account, u->container, u->object, hash);
    if (!err)
        err = write_file(a, &content, device_path, policy_index, hash, u->time);
    buf_release(&content);
    arena_free(a);
    return err;
}
