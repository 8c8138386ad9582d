/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.c: see digest.h. OpenSSL looks algorithms up by name under a lock at each use unless they were fetched
 * beforehand: that is done once for all.
 */
#include "common/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"

#define KINDS 4

struct digest {
    EVP_MD_CTX *ctx;
    const EVP_MD *md;
};

static EVP_MD *kinds[KINDS];
static EVP_MAC_CTX *macs[KINDS]; /* HMAC with the digest set, still without key: to be copied */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* OpenSSL fails here only without memory or without its algorithms: nothing could go on. */
static void need(bool ok)
{
    if (ok)
        return;
    fputs("OpenSSL: a digest failed\n", stderr);
    abort();
}

static void fetch_all(void)
{
    static const char *const names[KINDS] = {"MD5", "SHA1", "SHA256", "SHA512"};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    need(hmac != NULL);
    for (int i = 0; i < KINDS; i++) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)names[i], 0),
            OSSL_PARAM_construct_end()};
        kinds[i] = EVP_MD_fetch(NULL, names[i], NULL);
        macs[i] = EVP_MAC_CTX_new(hmac);
        need(kinds[i] && macs[i] && EVP_MAC_CTX_set_params(macs[i], params));
    }
    EVP_MAC_free(hmac);
}

static const EVP_MD *md_of(enum digest_kind kind)
{
    pthread_once(&once, fetch_all);
    return kinds[kind];
}

struct digest *digest_new(enum digest_kind kind)
{
    struct digest *d = xmalloc(sizeof(*d));
    d->md = md_of(kind);
    d->ctx = EVP_MD_CTX_new();
    need(d->ctx != NULL);
    digest_reset(d);
    return d;
}

void digest_reset(struct digest *d)
{
    need(EVP_DigestInit_ex2(d->ctx, d->md, NULL) == 1);
}

void digest_update(struct digest *d, const void *p, size_t n)
{
    need(EVP_DigestUpdate(d->ctx, p, n) == 1);
}

size_t digest_final(struct digest *d, uint8_t *out)
{
    unsigned n = 0;
    need(EVP_DigestFinal_ex(d->ctx, out, &n) == 1);
    return n;
}

const char *digest_final_hex(struct digest *d, char out[DIGEST_HEX_SIZE])
{
    uint8_t raw[DIGEST_MAX_BYTES];
    str_hex(raw, digest_final(d, raw), out);
    return out;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

void md5_of(struct str s, uint8_t out[16])
{
    need(EVP_Digest(s.p ? s.p : "", s.n, out, NULL, md_of(DIGEST_MD5), NULL) == 1);
}

const char *md5_hex(struct str s, char out[MD5_HEX_SIZE])
{
    uint8_t raw[16];
    md5_of(s, raw);
    str_hex(raw, sizeof(raw), out);
    return out;
}

const char *hmac_hex(enum digest_kind kind, struct str key, struct str message, char out[DIGEST_HEX_SIZE])
{
    uint8_t raw[DIGEST_MAX_BYTES];
    size_t n = 0;
    pthread_once(&once, fetch_all);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(macs[kind]);
    need(ctx && EVP_MAC_init(ctx, (const unsigned char *)(key.p ? key.p : ""), key.n, NULL) &&
         EVP_MAC_update(ctx, (const unsigned char *)message.p, message.n) &&
         EVP_MAC_final(ctx, raw, &n, sizeof(raw)));
    EVP_MAC_CTX_free(ctx);
    str_hex(raw, n, out);
    return out;
}

bool digest_equal(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
