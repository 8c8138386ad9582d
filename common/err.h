/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h: inside, an error is a negative errno; an HTTP client gets it from a status here.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/* 2xx 0, 404 -ENOENT, 401 403 -EACCES, 409 -EBUSY, 412 -EEXIST, 413 -EFBIG,
 * 416 -ERANGE, 422 -EBADMSG, 507 -ENOSPC, 429 498 503 -EAGAIN ..., -EIO for the rest. */
int err_from_http_status(int status);

#endif
