/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.h: the token and storage URL of a Swift account: version 1 authentication (tempauth, swauth; facts:
 * proxy 7), or a token given from outside. Thread-safe.
 */
#ifndef FS_AUTH_H
#define FS_AUTH_H

#include "fs/transfer.h"

struct auth_options {
    const char *url;         /* http://host/auth/v1.0; NULL: token and storage_url are given */
    const char *user, *key;  /* account:user */
    const char *token;       /* fixed; NULL with storage_url: anonymous access */
    const char *storage_url; /* overrides what authentication returns; NULL: does not */
};

#define AUTH_TOKEN_SIZE 4096

struct auth;
/* Copies the options. */
struct auth *auth_new(struct transfer_pool *pool, const struct auth_options *options);
void auth_free(struct auth *a);

/* Gets a token if there is none yet. *ret_generation names it for auth_renew(). ret_token is "" where none is
 * used. 0, -EACCES (refused), or as transfer_run(). */
int auth_token(struct auth *a, char ret_token[AUTH_TOKEN_SIZE], uint64_t *ret_generation);
/* The token of that generation was refused: gets another, unless somebody already has. -EACCES: refused
 * again, or there is nothing to renew with. */
int auth_renew(struct auth *a, uint64_t generation);
/* Where requests go, without a slash at the end; valid as long as `a`, set once a token was got. */
const char *auth_storage_url(struct auth *a);
/* Why the last attempt failed, for people; "" if it did not. */
void auth_message(struct auth *a, char *out, size_t size);

#endif
