/* SPDX-License-Identifier: Apache-2.0 */
#include "base/swift_conf.h"

#include <stdlib.h>

#include "common/alloc.h"

/* Text options of the constraints point into the conf: it is kept beside what was read from it. */
struct loaded {
    struct swift_conf public;
    struct conf *file;
};

int swift_conf_load(const char *swift_dir, struct swift_conf **ret, struct buf *error)
{
    struct loaded *l = xcalloc(1, sizeof(*l));
    l->public.swift_dir = xstrdup(swift_dir);
    char *path = xasprintf("%s/swift.conf", swift_dir);
    int err = hash_path_load(path, &l->public.hash, error);
    if (!err)
        err = conf_load(path, &l->file, error);
    if (!err)
        err = constraints_read(l->file, &l->public.constraints, error);
    if (!err)
        err = policies_read(l->file, &l->public.policies, error);
    free(path);
    if (err) {
        swift_conf_free(&l->public);
        return err;
    }
    (void)conf_get(l->file, "swift-hash", "swift_hash_path_prefix"); /* read by hash_path_load: known */
    (void)conf_get(l->file, "swift-hash", "swift_hash_path_suffix");
    conf_warn_unused(l->file);
    *ret = &l->public;
    return 0;
}

void swift_conf_free(struct swift_conf *c)
{
    if (!c)
        return;
    struct loaded *l = (struct loaded *)c;
    policies_release(&c->policies);
    hash_path_release(&c->hash);
    conf_free(l->file);
    free(c->swift_dir);
    free(l);
}
