/* SPDX-License-Identifier: Apache-2.0
 *
 * err.c: see err.h.
 */
#include "common/err.h"

#include <errno.h>

int err_http_status(int err)
{
    switch (err) {
    case 0:
        return 200;
    case -EINVAL:
    case -EILSEQ:
        return 400;
    case -EACCES:
    case -EPERM:
        return 403;
    case -ENOENT:
        return 404;
    case -ETIMEDOUT:
        return 408;
    case -EBUSY:
        return 409;
    case -EEXIST:
        return 412;
    case -EFBIG:
    case -E2BIG:
        return 413;
    case -ERANGE:
        return 416;
    case -EBADMSG:
        return 422;
    case -ECONNRESET:
    case -EPIPE:
        return 499;
    case -EOPNOTSUPP:
    case -ENOSYS:
        return 501;
    case -EAGAIN:
        return 503;
    case -ENOSPC:
    case -EDQUOT:
        return 507;
    default:
        return 500;
    }
}

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
