/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

#define TRANSFER_IDLE_MAX        64
#define TRANSFER_BUFFER          (512L * 1024) /* libcurl's largest receive buffer */
#define TRANSFER_CONNECT_SECONDS 10L
#define TRANSFER_STALL_SECONDS   60L /* as long as Swift's own client_timeout */

/* Handles are reused last in, first out, so that few connections serve and stay warm. */
struct transfer_pool {
    pthread_mutex_t lock;
    CURL *idle[TRANSFER_IDLE_MAX];
    size_t n;
    char *ca_file;
};

struct transfer_pool *transfer_pool_new(const char *ca_file)
{
    struct transfer_pool *pool = xcalloc(1, sizeof *pool);

    pthread_mutex_init(&pool->lock, NULL);
    pool->ca_file = ca_file ? xstrdup(ca_file) : NULL;
    return pool;
}

void transfer_pool_free(struct transfer_pool *pool)
{
    if (!pool)
        return;
    while (pool->n)
        curl_easy_cleanup(pool->idle[--pool->n]);
    pthread_mutex_destroy(&pool->lock);
    free(pool->ca_file);
    free(pool);
}

static CURL *pool_take(struct transfer_pool *pool)
{
    CURL *c = NULL;

    pthread_mutex_lock(&pool->lock);
    if (pool->n)
        c = pool->idle[--pool->n];
    pthread_mutex_unlock(&pool->lock);
    return c ? c : curl_easy_init();
}

static void pool_give(struct transfer_pool *pool, CURL *c)
{
    curl_easy_reset(c);
    pthread_mutex_lock(&pool->lock);
    if (pool->n < TRANSFER_IDLE_MAX) {
        pool->idle[pool->n++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    if (c)
        curl_easy_cleanup(c);
}

/* What the callbacks share while an exchange runs. */
struct exchange {
    struct transfer *t;
    int error; /* of the source or sink; the first one counts */
};

static const atomic_bool *cancel_flag(const struct transfer *t)
{
    return t->source && t->source->cancel ? t->source->cancel : t->sink ? t->sink->cancel : NULL;
}

static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct exchange *x = arg;
    const atomic_bool *cancel = cancel_flag(x->t);

    return cancel && atomic_load(cancel) ? 1 : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    struct str line = str_trim(str_of(p, size * n)), name, value;

    if (str_starts(line, STR("HTTP/"))) { /* after a 100 Continue, the real one */
        struct str version, rest;

        header_init(&x->t->reply, x->t->arena);
        str_cut(line, ' ', &version, &rest);
        x->t->status = rest.n >= 3 ? (rest.p[0] - '0') * 100 + (rest.p[1] - '0') * 10 + rest.p[2] - '0' : 0;
    } else if (str_cut(line, ':', &name, &value)) {
        header_add(&x->t->reply, str_trim(name), str_trim(value));
    }
    return size * n;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    int rc;

    n *= size;
    if (x->t->status / 100 != 2 || !x->t->sink)
        return n;
    rc = x->t->sink->write(x->t->sink->arg, p, n);
    if (rc < 0) {
        x->error = rc;
        return n ? 0 : 1; /* anything but n ends the transfer */
    }
    x->t->received += n;
    return n;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    ssize_t got;

    if (!x->t->source)
        return 0;
    got = x->t->source->read(x->t->source->arg, p, size * n);
    if (got < 0) {
        x->error = (int)got;
        return CURL_READFUNC_ABORT;
    }
    x->t->sent += (uint64_t)got;
    return (size_t)got;
}

/* libcurl goes back to the start where a kept connection turned out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct exchange *x = arg;
    const struct store_source *source = x->t->source;

    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    if (!source)
        return CURL_SEEKFUNC_OK;
    if (!source->rewind || source->rewind(source->arg) < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    x->t->sent = 0;
    return CURL_SEEKFUNC_OK;
}

static int build_headers(const struct transfer *t, struct curl_slist **ret)
{
    struct curl_slist *list = NULL;
    int rc = 0;

    for (size_t i = 0; t->headers && i < t->headers->n; i++) {
        const struct header *h = &t->headers->v[i];
        char *line;

        for (size_t j = 0; j < h->value.n; j++)
            if (h->value.p[j] == '\r' || h->value.p[j] == '\n' || h->value.p[j] == '\0')
                rc = -EINVAL;
        line = h->value.n ? xasprintf("%.*s: %.*s", STR_ARG(h->name), STR_ARG(h->value))
                          : xasprintf("%.*s;", STR_ARG(h->name)); /* libcurl's way to write an empty one */
        list = curl_slist_append(list, line);
        free(line);
    }
    if (rc < 0)
        curl_slist_free_all(list);
    else
        *ret = list;
    return rc;
}

static void set_method(CURL *c, const struct transfer *t)
{
    bool get = strcmp(t->method, "GET") == 0, head = strcmp(t->method, "HEAD") == 0;
    bool body = strcmp(t->method, "PUT") == 0 || strcmp(t->method, "POST") == 0;

    if (head) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (body) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(t->source ? t->source->length : 0));
    } else {
        curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    }
    if (!get && !head)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method);
}

static void set_options(CURL *c, struct exchange *x, const char *ca_file)
{
    curl_easy_setopt(c, CURLOPT_URL, x->t->url);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* "." and ".." are legal parts of object names */
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "martletfs");
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->t->message);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, TRANSFER_CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, TRANSFER_STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, x);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
    if (cancel_flag(x->t)) {
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
    }
    if (ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, ca_file);
}

static int error_of(CURLcode code, const struct exchange *x)
{
    if (code == CURLE_OK)
        return 0;
    if (x->error)
        return x->error;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return -ECANCELED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return -EKEYREJECTED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        /* The server refused early and closed before it had the whole body: its answer counts. */
        return x->t->status >= 400 ? 0 : -ECONNRESET;
    default:
        return -ECONNRESET;
    }
}

int transfer_run(struct transfer_pool *pool, struct transfer *t)
{
    struct exchange x = {.t = t};
    struct curl_slist *headers = NULL;
    CURL *c;
    int rc;

    t->status = 0;
    t->sent = t->received = 0;
    t->message[0] = '\0';
    header_init(&t->reply, t->arena);
    rc = build_headers(t, &headers);
    if (rc < 0)
        return rc;
    c = pool_take(pool);
    if (!c) {
        curl_slist_free_all(headers);
        return -ENOMEM;
    }
    set_options(c, &x, pool->ca_file);
    set_method(c, t);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    rc = error_of(curl_easy_perform(c), &x);
    if (rc < 0 && !t->message[0])
        snprintf(t->message, sizeof t->message, "%s", "the transfer was broken off");
    pool_give(pool, c);
    curl_slist_free_all(headers);
    return rc;
}
