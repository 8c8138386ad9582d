/* SPDX-License-Identifier: Apache-2.0
 *
 * error_page.h: the small HTML pages that Swift answers with (facts: proxy 3).
 */
#ifndef BASE_ERROR_PAGE_H
#define BASE_ERROR_PAGE_H

#include "http/http_request.h"

/* Status with Swift's standard title and text (empty body for 2xx other than 202, and 304), text/html; fields already in rsp->headers are kept. */
void error_page(struct http_response *rsp, int status);
/* Status with a body of its own; content_type NULL is "text/html; charset=UTF-8". */
void error_text(struct http_response *rsp, int status, const char *content_type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
