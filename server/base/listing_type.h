/* SPDX-License-Identifier: Apache-2.0
 *
 * listing_type.h: in which format a listing is wanted: ?format= or the Accept field (facts: database 14.1; the
 * reference's listing_formats.get_listing_content_type).
 */
#ifndef BASE_LISTING_TYPE_H
#define BASE_LISTING_TYPE_H

#include "http/http_request.h"

enum listing_type { LISTING_TEXT, LISTING_JSON, LISTING_XML /* application/xml */, LISTING_TEXT_XML };

/* format= overrides Accept: json, xml, plain in any case, anything else is plain. False: rsp has the 400 (bad UTF-8,
 * malformed Accept) or 406. */
bool request_listing_type(const struct http_request *req, enum listing_type *ret, struct http_response *rsp);
/* "application/json" and so on, with "; charset=utf-8". */
const char *listing_content_type(enum listing_type type);

#endif
