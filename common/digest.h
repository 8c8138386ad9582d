/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.h: incremental digests (OpenSSL). A digest is a stage with an interface, so that a later
 * implementation may feed several connections' data at once.
 */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include "common/str.h"

enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_MAX_BYTES 64
#define DIGEST_HEX_SIZE  129 /* hex of the longest, with the NUL */
#define MD5_HEX_SIZE     33

struct digest;
struct digest *digest_new(enum digest_kind kind); /* never NULL */
void digest_update(struct digest *d, const void *p, size_t n);
/* Raw bytes into out (DIGEST_MAX_BYTES); returns their number. The digest may then only be reset or freed. */
size_t digest_final(struct digest *d, uint8_t *out);
const char *digest_final_hex(struct digest *d, char out[DIGEST_HEX_SIZE]); /* lower case */
void digest_reset(struct digest *d);
void digest_free(struct digest *d);

/* One call for the common case. */
void md5_of(struct str s, uint8_t out[16]);
const char *md5_hex(struct str s, char out[MD5_HEX_SIZE]);
/* Hex HMAC. */
const char *hmac_hex(enum digest_kind kind, struct str key, struct str message, char out[DIGEST_HEX_SIZE]);
/* Equal without telling by its time where they differ (tokens, signatures). */
bool digest_equal(struct str a, struct str b);

#endif
