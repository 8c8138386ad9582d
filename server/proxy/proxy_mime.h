/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_mime.h: the content type of an object by its name, for uploads that do not say. A table of the usual extensions,
 * then /etc/mime.types, then SWIFT_DIR/mime.types; each may change what was before.
 */
#ifndef PROXY_PROXY_MIME_H
#define PROXY_PROXY_MIME_H

#include "common/arena.h"

struct proxy_mime;
struct proxy_mime *proxy_mime_new(const char *swift_dir); /* reads files */
void proxy_mime_free(struct proxy_mime *m);
/* "text/plain" for "/a/b.txt" and "/a/b.txt.gz"; STR_NONE if nothing is known. Lives as long as m. */
struct str proxy_mime_guess(const struct proxy_mime *m, struct arena *arena, struct str path);

#endif
