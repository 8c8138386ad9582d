/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h: inside, an error is a negative errno. One place turns it into an HTTP status.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/* -ENOENT 404, -ENOSPC -EDQUOT 507, -EACCES 403, -ETIMEDOUT 408 ..., 500 for the rest. */
int err_http_status(int err);
/* And back, for an HTTP client: 2xx 0, 404 -ENOENT, 401 403 -EACCES, 409 -EBUSY, 412 -EEXIST, 413 -EFBIG,
 * 416 -ERANGE, 422 -EBADMSG, 507 -ENOSPC, 429 498 503 -EAGAIN ..., -EIO for the rest. */
int err_from_http_status(int status);

#endif
