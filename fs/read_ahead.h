/* SPDX-License-Identifier: Apache-2.0
 *
 * read_ahead.h: a part of an object read in order: one GET stays open and fills a window of memory ahead of
 * the reader. Readers may come from several threads and slightly out of order, as the kernel's do.
 *
 *     start ........ high ........ end ............ start + READ_AHEAD_WINDOW
 *     kept behind    asked for     ahead: starts at READ_AHEAD_FIRST, doubles up to READ_AHEAD_MOST
 */
#ifndef FS_READ_AHEAD_H
#define FS_READ_AHEAD_H

#include "fs/store.h"
#include "fs/workers.h"

#define READ_AHEAD_WINDOW (8u << 20)
#define READ_AHEAD_FIRST  (512u << 10)
#define READ_AHEAD_MOST   (5u << 20)
/* A read this far beyond what has come still waits for it. */
#define READ_AHEAD_REACH (1u << 20)

/* So many windows there may be at once. */
#define READ_AHEAD_MAX 48

struct read_ahead;
/* Starts at `from`. size and etag: of the object; another version is never read. NULL: no thread to be had, or too many
 * already. */
struct read_ahead *read_ahead_new(struct workers *w, struct store *store, struct store_name name,
                                  const char *etag, uint64_t size, uint64_t from);
struct read_ahead *read_ahead_ref(struct read_ahead *ra);
void read_ahead_unref(struct read_ahead *ra); /* NULL is fine */
/* No more is wanted: the GET ends soon, readers get -ENODATA. */
void read_ahead_stop(struct read_ahead *ra);
/* True if a read there would be served by waiting a little. */
bool read_ahead_covers(struct read_ahead *ra, uint64_t offset);
/* n bytes within the object, all of them. n; -ENODATA: the window is elsewhere; or the error of the GET. */
ssize_t read_ahead_read(struct read_ahead *ra, void *p, size_t n, uint64_t offset);

#endif
