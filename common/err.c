/* SPDX-License-Identifier: Apache-2.0
 *
 * err.c: see err.h.
 */
#include "common/err.h"

#include <errno.h>

int err_from_http_status(int status)
{
    if (status >= 200 && status <= 299)
        return 0;
    switch (status) {
    case 400:
        return -EINVAL;
    case 401:
    case 403:
        return -EACCES;
    case 404:
    case 410:
        return -ENOENT;
    case 408:
    case 504:
        return -ETIMEDOUT;
    case 409:
        return -EBUSY;
    case 412:
        return -EEXIST;
    case 413:
        return -EFBIG;
    case 416:
        return -ERANGE;
    case 422:
        return -EBADMSG;
    case 429:
    case 498:
    case 503:
        return -EAGAIN;
    case 405:
    case 501:
        return -EOPNOTSUPP;
    case 507:
        return -ENOSPC;
    default:
        return -EIO;
    }
}
