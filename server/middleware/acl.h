/* SPDX-License-Identifier: Apache-2.0
 *
 * acl.h: access control lists as clients write them (facts: proxy 8).
 *
 *   containers, X-Container-Read and -Write:  test:tester,othergroup,.r:*,.r:-.thief.com,.rlistings
 *   accounts, X-Account-Access-Control:       {"admin":["a"],"read-write":["b"],"read-only":["c"]}
 */
#ifndef MIDDLEWARE_ACL_H
#define MIDDLEWARE_ACL_H

#include "common/arena.h"

/* --- containers ---------------------------------------------------------------------------------------------------------- */

/* Tidies a list: true and *ret in the arena; false and the sentence for a 400 in *ret. Referrers (".r:...") are an
 * error where the header's name has "write" in it. An env_clean_acl_fn. */
bool acl_clean(struct arena *arena, struct str header_name, struct str value, struct str *ret);

/* The referrer rules of a clean list applied in order to a Referer field; the last that matches decides. */
bool acl_referrer_allowed(struct str acl, struct str referer);
/* A group (or ".rlistings", "test:tester") is an item of a clean list; items are percent-decoded first. */
bool acl_has_group(struct arena *arena, struct str acl, struct str group);

/* --- accounts ------------------------------------------------------------------------------------------------------------- */

enum acl_level { ACL_READ_ONLY, ACL_READ_WRITE, ACL_ADMIN };
#define ACL_LEVELS 3

struct acl_account {
    struct str *groups[ACL_LEVELS]; /* by level, in the arena */
    size_t n[ACL_LEVELS];
};

/* Reads a stored or sent value; "" and "{}" are a list without entries. 0; -EINVAL with the reason as Swift words it
 * ("Key \"x\" not recognized") in *ret_why, in the arena. */
int acl_account_parse(struct arena *arena, struct str value, struct acl_account *ret, struct str *ret_why);
/* The comma list `groups` (of a user) shares a group with that level. */
bool acl_account_grants(const struct acl_account *acl, enum acl_level level, struct str groups);

#endif
