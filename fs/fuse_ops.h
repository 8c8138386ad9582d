/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse_ops.h: the vfs as a low-level FUSE file system: translates and replies, nothing else. Errors become
 * errno here, and those that nobody could expect are logged.
 */
#ifndef FS_FUSE_OPS_H
#define FS_FUSE_OPS_H

#include <fuse3/fuse_lowlevel.h>
#include "fs/vfs.h"

/* What the session gets as userdata. */
struct fuse_ops_mount {
    struct vfs *vfs;
    double attr_timeout, entry_timeout; /* seconds the kernel may believe an answer */
    void (*ready)(void *arg);           /* called once the kernel has answered: the mount serves */
    void *ready_arg;
};

extern const struct fuse_lowlevel_ops fuse_ops;

#endif
