/* SPDX-License-Identifier: Apache-2.0
 *
 * conf_file.h: the lines of one INI file as Python's ConfigParser takes them (inih splits them). For conf.c only.
 */
#ifndef COMMON_CONF_FILE_H
#define COMMON_CONF_FILE_H

#include "common/buf.h"

/* Both return 0, or a negative errno with the rest of a sentence in `error`: that ends the reading. */
struct conf_file_events {
    int (*section)(void *arg, const char *name, struct buf *error);
    /* name as written; value complete, its lines joined with '\n' */
    int (*option)(void *arg, const char *name, const char *value, struct buf *error);
    void *arg;
};

/* 0, or -errno with a sentence that starts with path and line. */
int conf_file_read(const char *path, const struct conf_file_events *events, struct buf *error);

#endif
