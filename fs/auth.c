/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/auth.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

/* The lock is held while authenticating: whoever needs the token meanwhile waits for the new one. */
struct auth {
    pthread_mutex_t lock;
    struct transfer_pool *pool;
    char *url, *user, *key;
    char *token;       /* NULL: none yet */
    char *storage_url; /* set once and then kept, so that readers need no lock */
    uint64_t generation;
    char message[512];
};

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static char *without_slash(struct str url)
{
    while (url.n && url.p[url.n - 1] == '/')
        url.n--;
    return str_dup(url);
}

struct auth *auth_new(struct transfer_pool *pool, const struct auth_options *o)
{
    struct auth *a = xcalloc(1, sizeof *a);

    pthread_mutex_init(&a->lock, NULL);
    a->pool = pool;
    a->url = copy(o->url);
    a->user = copy(o->user);
    a->key = copy(o->key);
    a->token = o->url ? NULL : xstrdup(o->token ? o->token : "");
    a->storage_url = o->storage_url ? without_slash(str_from(o->storage_url)) : NULL;
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->url);
    free(a->user);
    if (a->key)
        explicit_bzero(a->key, strlen(a->key));
    free(a->key);
    free(a->token);
    free(a->storage_url);
    free(a);
}

static int take_answer(struct auth *a, const struct transfer *t)
{
    struct str token = header_get(&t->reply, STR("X-Auth-Token"));
    struct str url = header_get(&t->reply, STR("X-Storage-Url"));

    if (t->status == 401 || t->status == 403) {
        snprintf(a->message, sizeof a->message, "%s refused user %s (HTTP %d)", a->url, a->user, t->status);
        return -EACCES;
    }
    if (t->status / 100 != 2 || !token.n || token.n >= AUTH_TOKEN_SIZE || (!url.n && !a->storage_url)) {
        snprintf(a->message, sizeof a->message,
                 "%s answered HTTP %d without a token: not a version 1 auth URL?", a->url, t->status);
        return t->status >= 500 ? -EAGAIN : -EPROTO;
    }
    free(a->token);
    a->token = str_dup(token);
    if (!a->storage_url)
        a->storage_url = without_slash(url);
    a->generation++;
    a->message[0] = '\0';
    return 0;
}

static int authenticate(struct auth *a)
{
    struct arena *arena = arena_new();
    struct header_table headers;
    struct transfer t = {.method = "GET", .url = a->url, .headers = &headers, .arena = arena};
    int rc;

    header_init(&headers, arena);
    header_add(&headers, STR("X-Auth-User"), str_from(a->user));
    header_add(&headers, STR("X-Auth-Key"), str_from(a->key));
    rc = transfer_run(a->pool, &t);
    if (rc < 0)
        snprintf(a->message, sizeof a->message, "%s: %s", a->url, t.message);
    else
        rc = take_answer(a, &t);
    arena_free(arena);
    return rc;
}

int auth_token(struct auth *a, char ret_token[AUTH_TOKEN_SIZE], uint64_t *ret_generation)
{
    int rc = 0;

    pthread_mutex_lock(&a->lock);
    if (!a->token)
        rc = authenticate(a);
    if (rc == 0) {
        snprintf(ret_token, AUTH_TOKEN_SIZE, "%s", a->token);
        *ret_generation = a->generation;
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

int auth_renew(struct auth *a, uint64_t generation)
{
    int rc = 0;

    pthread_mutex_lock(&a->lock);
    if (!a->url)
        rc = -EACCES;
    else if (a->generation == generation)
        rc = authenticate(a);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

const char *auth_storage_url(struct auth *a)
{
    return a->storage_url;
}

void auth_message(struct auth *a, char *out, size_t size)
{
    pthread_mutex_lock(&a->lock);
    snprintf(out, size, "%s", a->message);
    pthread_mutex_unlock(&a->lock);
}
