/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.h: what /info shows: sections of keys with JSON values (facts: proxy 5). Filled while the pipeline is
 * built, read-only afterwards: any number of requests may read it.
 */
#ifndef BASE_REGISTRY_H
#define BASE_REGISTRY_H

#include "common/buf.h"

struct registry;

struct registry *registry_new(void);
void registry_free(struct registry *r);
/* A section that may stay empty ("crossdomain": {}). Sections and keys show in the order they were first named. */
void registry_section(struct registry *r, const char *section);
/* Sets a key. json: a JSON value as text; copied. */
void registry_set(struct registry *r, const char *section, const char *key, const char *json);
/* The same in the part that only signed requests see ("admin"). */
void registry_set_admin(struct registry *r, const char *section, const char *key, const char *json);

/* Several registries as one JSON object: the pipeline's and the server's own. */
struct registry_view {
    const struct registry *const *v;
    size_t n;
    struct str disallowed; /* comma list of "section" or "section.key" that stay hidden */
    bool admin;            /* adds "admin" with its keys and disallowed_sections */
};
void registry_write(const struct registry_view *view, struct buf *out);
/* "1.0.3", what the "version" key says. */
const char *registry_version(void);

#endif
