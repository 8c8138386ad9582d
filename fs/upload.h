/* SPDX-License-Identifier: Apache-2.0
 *
 * upload.h: a staged file becomes an object, at once or while it is still being written. Either way the MD5
 * of what was sent is compared with the ETag that the store answers.
 */
#ifndef FS_UPLOAD_H
#define FS_UPLOAD_H

#include "fs/stage.h"
#include "fs/workers.h"

/* The whole stage, which must have no missing part. As store->put; -EIO where the store holds something else
 * than was sent, also after another try. */
int upload_stage(struct store *store, struct store_name name, const struct header_table *headers,
                 bool exclusive, const struct stage *stage, struct arena *a, struct store_reply *ret);

/* A PUT that runs while the file grows at its end. */
struct upload_stream;
/* Copies name and headers; reads from fd, which must stay open until finish or cancel. NULL: no thread. */
struct upload_stream *upload_stream_start(struct workers *w, struct store *store, struct store_name name,
                                          const struct header_table *headers, bool exclusive, int fd);
/* The first `end` bytes of the file are there and will not change. */
void upload_stream_extend(struct upload_stream *u, uint64_t end);
/* The file ends at `size`: waits for the store's answer and frees u. Errors as upload_stage(); the file is then
 * to be uploaded whole. */
int upload_stream_finish(struct upload_stream *u, uint64_t size, struct arena *a, struct store_reply *ret);
/* Nothing of it shall become an object. Waits until that is certain and frees u. */
void upload_stream_cancel(struct upload_stream *u);

#endif
