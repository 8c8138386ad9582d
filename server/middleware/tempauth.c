/* SPDX-License-Identifier: Apache-2.0
 *
 * tempauth.c: users and keys out of the configuration, tokens in the cache; who may do what (facts: proxy 7 and 8).
 *
 *   user_ACCOUNT_USER = KEY [GROUP...] [URL]     .admin: owns the account, .reseller_admin: every account,
 *                                                .reseller_reader: reads every account
 *   user64_ACCOUNT_USER                          the same, both names in base64 without padding
 *   reseller_prefix = AUTH[, SERVICE]            accounts are AUTH_ACCOUNT; '' for none
 *   SERVICE_require_group, require_group         accounts of that prefix also need this group (of a service token)
 *   auth_prefix (/auth/)  token_life (86400)  allow_overrides (true)  storage_url_scheme (default)
 *
 * In the cache: PREFIX/user/ACCOUNT:USER -> token; PREFIX/token/TOKEN -> JSON [expires, "groups"], as upstream.
 */
#include "middleware/middleware.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error_page.h"
#include "base/info.h"
#include "base/memcache.h"
#include "base/request_helpers.h"
#include "common/alloc.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/url.h"
#include "middleware/acl.h"

#define MAX_PREFIXES 16
#define ACL_HEADER   "X-Account-Access-Control"

struct user {
    char *key, *url;
    char **groups;
    size_t n_groups;
};

struct prefix {
    char *text;          /* "AUTH_", "" */
    char *require_group; /* NULL: none */
};

struct tempauth {
    struct middleware base;
    const char *reseller_prefix, *auth_prefix_option, *storage_url_scheme;
    int64_t token_life_ms;
    bool allow_overrides;
    char *auth_prefix; /* "/auth/" */
    struct prefix prefixes[MAX_PREFIXES];
    size_t n_prefixes;
    struct hash *users; /* "account:user" -> struct user */
};

/* --- prefixes and groups -------------------------------------------------------------------------------------------------- */

/* The prefix an account has: longer ones first of all, '' last; NULL: none of ours. */
static const struct prefix *account_prefix(const struct tempauth *t, struct str account)
{
    const struct prefix *empty = NULL;
    for (size_t i = 0; i < t->n_prefixes; i++) {
        if (!t->prefixes[i].text[0])
            empty = &t->prefixes[i];
        else if (str_starts(account, str_from(t->prefixes[i].text)))
            return &t->prefixes[i];
    }
    return empty;
}

static bool is_bare_prefix(const struct tempauth *t, struct str account)
{
    for (size_t i = 0; i < t->n_prefixes; i++)
        if (str_eq(account, str_from(t->prefixes[i].text)))
            return true;
    return false;
}

static bool is_dot_account(const struct prefix *p, struct str account)
{
    size_t n = strlen(p->text);
    return account.n > n && account.p[n] == '.';
}

static bool in_list(struct str list, struct str wanted)
{
    struct str item;
    while (str_next(&list, ',', &item))
        if (str_eq(item, wanted))
            return true;
    return false;
}

static bool has_group(const struct user *u, const char *name)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (strcmp(u->groups[i], name) == 0)
            return true;
    return false;
}

/* "test,test:tester,groups...,AUTH_test": .admin stands for the account's ids. */
static struct str user_groups(const struct tempauth *t, struct arena *a, struct str account,
                              struct str account_user, struct str account_id, const struct user *u)
{
    struct str list = arena_join(a, account, STR(","), account_user, STR_END);
    for (size_t i = 0; i < u->n_groups; i++)
        if (strcmp(u->groups[i], ".admin") != 0)
            list = arena_join(a, list, STR(","), str_from(u->groups[i]), STR_END);
    if (!has_group(u, ".admin"))
        return list;
    for (size_t i = 0; i < t->n_prefixes; i++)
        if (t->prefixes[i].text[0])
            list = arena_join(a, list, STR(","), str_from(t->prefixes[i].text), account, STR_END);
    if (!in_list(list, account_id))
        list = arena_join(a, list, STR(","), account_id, STR_END);
    return list;
}

/* --- tokens ------------------------------------------------------------------------------------------------------------------- */

static struct str own_prefix(const struct tempauth *t)
{
    return str_from(t->prefixes[0].text);
}

static struct str token_key(const struct tempauth *t, struct arena *a, struct str token)
{
    return arena_join(a, own_prefix(t), STR("/token/"), token, STR_END);
}

static struct str user_key(const struct tempauth *t, struct arena *a, struct str account_user)
{
    return arena_join(a, own_prefix(t), STR("/user/"), account_user, STR_END);
}

static double now_seconds(void)
{
    return (double)clock_real_ns() / 1e9;
}

/* The groups of a token that is good now; STR_NONE if it is not. */
static struct str token_groups(const struct tempauth *t, struct arena *a, struct memcache *cache,
                               struct str token, double *ret_expires)
{
    struct str groups = STR_NONE;
    struct memcache_value *v = memcache_get(cache, token_key(t, a, token));
    if (!v)
        return STR_NONE;
    json_t *pair = json_loadb(v->bytes.p, v->bytes.n, 0, NULL);
    const json_t *text = json_array_get(pair, 1);
    double expires = json_number_value(json_array_get(pair, 0));
    if (json_is_string(text) && expires > now_seconds()) {
        groups = arena_str(a, str_of(json_string_value(text), json_string_length(text)));
        *ret_expires = expires;
    }
    json_decref(pair);
    memcache_unref(v);
    return groups;
}

static struct str new_token(const struct tempauth *t, struct arena *a, struct memcache *cache,
                            struct str account_user, struct str groups, double *ret_expires)
{
    char hex[33];
    uint8_t bytes[16];
    struct buf record;
    random_bytes(bytes, sizeof(bytes));
    str_hex(bytes, sizeof(bytes), hex);
    struct str token = arena_join(a, own_prefix(t), STR("tk"), str_from(hex), STR_END);
    *ret_expires = now_seconds() + (double)t->token_life_ms / 1000;
    buf_init(&record, 65536);
    buf_printf(&record, "[%.6f, ", *ret_expires);
    json_put_string(&record, groups);
    buf_putc(&record, ']');
    memcache_set(cache, token_key(t, a, token), buf_view(&record), t->token_life_ms);
    memcache_set(cache, user_key(t, a, account_user), token, t->token_life_ms);
    buf_release(&record);
    return token;
}

static bool same_groups(struct str a, struct str b)
{
    struct str rest = a, item;
    while (str_next(&rest, ',', &item))
        if (!in_list(b, item))
            return false;
    rest = b;
    while (str_next(&rest, ',', &item))
        if (!in_list(a, item))
            return false;
    return true;
}

/* The token this user has already, if it lives and stands for the same groups; STR_NONE else. */
static struct str kept_token(const struct tempauth *t, struct arena *a, struct memcache *cache,
                             struct str account_user, struct str groups, double *ret_expires)
{
    struct memcache_value *v = memcache_get(cache, user_key(t, a, account_user));
    if (!v)
        return STR_NONE;
    struct str token = arena_str(a, v->bytes);
    memcache_unref(v);
    struct str old = token_groups(t, a, cache, token, ret_expires);
    return old.p && same_groups(old, groups) ? token : STR_NONE;
}

/* --- GET /auth/... --------------------------------------------------------------------------------------------------------------- */

struct login {
    struct str account, user, key;
};

static struct str first_of(const struct http_request *req, struct str a, struct str b)
{
    struct str v = header_get(&req->headers, a);
    return v.n ? v : header_get(&req->headers, b);
}

/* /auth/v1/ACCOUNT/auth. False: *ret_realm says for the 401. */
static bool read_old_login(const struct http_request *req, struct str account, struct login *ret)
{
    struct str user = header_get(&req->headers, STR("X-Storage-User")), other;
    if (!user.n) {
        if (!str_cut(header_get(&req->headers, STR("X-Auth-User")), ':', &other, &user))
            return false;
        if (!str_eq(account, other))
            return false;
    }
    *ret = (struct login){account, user, first_of(req, STR("X-Storage-Pass"), STR("X-Auth-Key"))};
    return true;
}

/* /auth/v1.0 and /auth/auth. */
static bool read_login(const struct http_request *req, struct login *ret)
{
    struct str both = first_of(req, STR("X-Auth-User"), STR("X-Storage-User"));
    if (!str_cut(both, ':', &ret->account, &ret->user))
        return false;
    ret->key = first_of(req, STR("X-Auth-Key"), STR("X-Storage-Pass"));
    return true;
}

static struct str replace_host(struct arena *a, struct str url, struct str host_url)
{
    ssize_t at = str_find_str(url, STR("$HOST"), 0);
    if (at < 0)
        return url;
    return arena_join(a, str_slice(url, 0, (size_t)at), host_url, str_slice(url, (size_t)at + 5, url.n),
                      STR_END);
}

static struct str storage_url(const struct tempauth *t, struct http_request *req, const struct user *u)
{
    struct str url = replace_host(req->arena, str_from(u->url), request_host_url(req)), scheme, rest;
    if (strcmp(t->storage_url_scheme, "default") == 0 || !str_cut(url, ':', &scheme, &rest))
        return url;
    return arena_join(req->arena, str_from(t->storage_url_scheme), STR(":"), rest, STR_END);
}

static void give_token(const struct tempauth *t, struct http_request *req, const struct login *login,
                       const struct user *u, struct http_response *rsp)
{
    struct arena *a = req->arena;
    struct memcache *cache = env_of(req)->cache;
    struct str account_user = arena_join(a, login->account, STR(":"), login->user, STR_END);
    struct str url = str_from(u->url);
    struct str account_id = str_slice(url, (size_t)(str_rfind(url, '/') + 1), url.n);
    struct str groups = user_groups(t, a, login->account, account_user, account_id, u);
    double expires = 0;
    struct str token = kept_token(t, a, cache, account_user, groups, &expires);
    if (!token.p)
        token = new_token(t, a, cache, account_user, groups, &expires);
    error_page(rsp, 200);
    header_add(&rsp->headers, STR("X-Auth-Token"), token);
    header_add(&rsp->headers, STR("X-Storage-Token"), token);
    header_addf(&rsp->headers, STR("X-Auth-Token-Expires"), "%lld", (long long)(expires - now_seconds()));
    header_add(&rsp->headers, STR("X-Storage-Url"), storage_url(t, req, u));
}

static void check_login(const struct tempauth *t, struct http_request *req, const struct login *login,
                        struct http_response *rsp)
{
    struct str realm = login->account.n ? login->account : STR("unknown");
    if (!login->account.n || !login->user.n || !login->key.n) {
        answer_unauthorized(req, realm, rsp);
        return;
    }
    const struct user *u =
        hash_get(t->users, arena_join(req->arena, login->account, STR(":"), login->user, STR_END));
    if (!u || !digest_equal(str_from(u->key), login->key))
        answer_unauthorized(req, realm, rsp);
    else if (!env_of(req)->cache)
        error_text(rsp, 500, "text/plain", "Internal server error.\n");
    else
        give_token(t, req, login, u, rsp);
}

static void handle_auth(const struct tempauth *t, struct http_request *req, struct http_response *rsp)
{
    struct str seg[4] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    struct str path = str_slice(req->path, strlen(t->auth_prefix) - 1, req->path.n);
    struct login login = {STR_NONE, STR_NONE, STR_NONE};
    if (!str_eq(req->method, STR("GET"))) {
        error_page(rsp, 405);
    } else if (url_split_path(path, 1, 4, true, seg)) {
        error_page(rsp, 404);
    } else if (str_eq(seg[0], STR("v1")) && str_eq(seg[2], STR("auth")) && !seg[3].n) {
        if (read_old_login(req, seg[1], &login))
            check_login(t, req, &login, rsp);
        else
            answer_unauthorized(req, seg[1], rsp);
    } else if (str_eq(seg[0], STR("v1.0")) || str_eq(seg[0], STR("auth"))) {
        if (read_login(req, &login))
            check_login(t, req, &login, rsp);
        else
            answer_unauthorized(req, STR("unknown"), rsp);
    } else {
        error_page(rsp, 400);
    }
}

/* --- what a user may do ------------------------------------------------------------------------------------------------------------ */

static bool is_read(const struct http_request *req)
{
    return str_eq(req->method, STR("GET")) || str_eq(req->method, STR("HEAD"));
}

static bool is_put_or_delete(const struct http_request *req)
{
    return str_eq(req->method, STR("PUT")) || str_eq(req->method, STR("DELETE"));
}

/* A new account ACL must be right; it travels on as sysmeta. False: 400 in rsp. */
static bool take_account_acl(struct http_request *req, struct http_response *rsp)
{
    struct acl_account acl;
    struct str why;
    struct str value = header_get(&req->headers, STR(ACL_HEADER));
    if (!value.p)
        return true;
    if (acl_account_parse(req->arena, value, &acl, &why)) {
        error_text(rsp, 400, "text/plain; charset=UTF-8", ACL_HEADER " invalid: %.*s\n\nInput: %.*s\n",
                   STR_ARG(why), STR_ARG(value));
        return false;
    }
    header_remove(&req->headers, STR(ACL_HEADER));
    header_set(&req->headers, STR("X-Account-Sysmeta-Core-Access-Control"), value);
    return true;
}

static bool is_account_admin(const struct prefix *p, const struct http_request *req,
                             const struct api_path *path, struct str groups)
{
    if (!in_list(groups, path->account) || (is_put_or_delete(req) && !path->container.n))
        return false;
    return !p->require_group || in_list(groups, str_from(p->require_group));
}

static bool has_sync_key(const struct http_request *req)
{
    struct str key = env_of(req)->sync_key;
    return key.n && header_has(&req->headers, STR("X-Timestamp")) &&
           digest_equal(key, header_get(&req->headers, STR("X-Container-Sync-Key")));
}

static bool container_acl_allows(const struct http_request *req, const struct api_path *path,
                                 struct str groups)
{
    struct str acl = env_of(req)->acl, group;
    if (!acl.n)
        return false;
    if (acl_referrer_allowed(acl, header_get(&req->headers, STR("Referer"))) &&
        (path->object.n || acl_has_group(req->arena, acl, STR(".rlistings"))))
        return true;
    while (str_next(&groups, ',', &group))
        if (acl_has_group(req->arena, acl, group))
            return true;
    return false;
}

/* [waits] */
static bool account_acl_allows(struct tempauth *t, struct http_request *req, const struct api_path *path,
                               struct str groups)
{
    struct acl_account acl;
    struct str why;
    if (!path->account.n)
        return false;
    const struct account_info *info = info_account(t->base.next, req, path->account, "TA");
    struct str stored = info_meta_get(&info->sysmeta, STR("core-access-control"));
    if (!stored.n || acl_account_parse(req->arena, stored, &acl, &why))
        return false;
    if (acl_account_grants(&acl, ACL_ADMIN, groups)) {
        env_of(req)->swift_owner = true;
        return true;
    }
    if (acl_account_grants(&acl, ACL_READ_WRITE, groups) && (path->container.n || is_read(req)))
        return true;
    return acl_account_grants(&acl, ACL_READ_ONLY, groups) && is_read(req);
}

/* An env_authorize_fn: the first rule that matches decides. */
static bool authorize(void *arg, struct http_request *req, struct http_response *rsp)
{
    struct tempauth *t = arg;
    struct env *env = env_of(req);
    struct str groups = env->remote_user;
    struct api_path path;
    if (!request_api_path(req, 1, 4, &path)) {
        error_page(rsp, 404);
        return false;
    }
    const struct prefix *p = account_prefix(t, path.account);
    if (!p) {
        answer_denied(req, rsp);
        return false;
    }
    if (!take_account_acl(req, rsp))
        return false;
    bool reseller_may = !is_bare_prefix(t, path.account) && !is_dot_account(p, path.account);
    if (reseller_may && in_list(groups, STR(".reseller_admin"))) {
        env->swift_owner = true;
        return true;
    }
    if (reseller_may && is_read(req) && in_list(groups, STR(".reseller_reader")))
        return true;
    if (is_account_admin(p, req, &path, groups)) {
        env->swift_owner = true;
        return true;
    }
    if (has_sync_key(req) || str_eq(req->method, STR("OPTIONS")) ||
        container_acl_allows(req, &path, groups) || account_acl_allows(t, req, &path, groups))
        return true;
    answer_denied(req, rsp);
    return false;
}

static bool deny_all(void *arg, struct http_request *req, struct http_response *rsp)
{
    answer_denied(req, rsp);
    return false;
}

/* --- requests --------------------------------------------------------------------------------------------------------------------- */

static void set_authorize(struct tempauth *t, struct env *env)
{
    env->authorize = authorize;
    env->authorize_arg = t;
    env->clean_acl = acl_clean;
}

/* Who sent the token. False: it is none of ours any more, and rsp has the 401. */
static bool identify(struct tempauth *t, struct http_request *req, struct str token,
                     struct http_response *rsp)
{
    struct env *env = env_of(req);
    double expires;
    struct str service_token = header_get(&req->headers, STR("X-Service-Token"));
    struct str groups = env->cache ? token_groups(t, req->arena, env->cache, token, &expires) : STR_NONE;
    if (groups.n && service_token.n) {
        struct str more = token_groups(t, req->arena, env->cache, service_token, &expires);
        if (more.n)
            groups = arena_join(req->arena, groups, STR(","), more, STR_END);
    }
    if (groups.n) {
        env->remote_user = groups;
        env->reseller_request = str_find_str(groups, STR(".reseller_admin"), 0) >= 0;
        set_authorize(t, env);
        return true;
    }
    if (own_prefix(t).n) {
        answer_unauthorized(req, STR_NONE, rsp);
        return false;
    }
    if (!env->authorize)
        env->authorize = deny_all;
    return true;
}

static void handle_anonymous(struct tempauth *t, struct http_request *req)
{
    struct env *env = env_of(req);
    struct api_path path;
    bool has_path = request_api_path(req, 1, 4, &path);
    const struct prefix *p = has_path && path.account.n ? account_prefix(t, path.account) : NULL;
    if (p && p->text[0]) {
        set_authorize(t, env);
    } else if (!env->authorize) {
        if (!own_prefix(t).n)
            set_authorize(t, env);
        else
            env->authorize = deny_all;
    }
}

static void handle(struct http_app *app, struct http_request *req, struct http_response *rsp)
{
    struct tempauth *t = (struct tempauth *)app;
    if (t->allow_overrides && env_of(req)->authorize_override) {
        http_app_call(t->base.next, req, rsp);
        return;
    }
    if (str_starts(req->path, str_from(t->auth_prefix))) {
        handle_auth(t, req, rsp);
        return;
    }
    struct str token = header_get(&req->headers, STR("X-Auth-Token"));
    if (!token.p)
        token = header_get(&req->headers, STR("X-Storage-Token"));
    if (token.n && str_starts(token, own_prefix(t))) {
        if (!identify(t, req, token, rsp))
            return;
    } else {
        handle_anonymous(t, req);
    }
    http_app_call(t->base.next, req, rsp);
}

/* --- configuration ------------------------------------------------------------------------------------------------------------------ */

static void user_free(void *arg)
{
    struct user *u = arg;
    for (size_t i = 0; i < u->n_groups; i++)
        free(u->groups[i]);
    free(u->groups);
    free(u->key);
    free(u->url);
    free(u);
}

static void tempauth_free(struct http_app *app)
{
    struct tempauth *t = (struct tempauth *)app;
    for (size_t i = 0; i < t->n_prefixes; i++) {
        free(t->prefixes[i].text);
        free(t->prefixes[i].require_group);
    }
    if (t->users)
        hash_free(t->users);
    free(t->auth_prefix);
    free(t);
}

/* Base64 without padding; NULL if it is none. */
static char *decode64(struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = xmalloc(s.n + 1);
    size_t n = 0;
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
        const char *at = s.p[i] ? strchr(digits, s.p[i]) : NULL;
        if (!at) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)(at - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have);
        }
    }
    out[n] = '\0';
    return out;
}

struct user_reader {
    struct tempauth *t;
    const struct app_filter *filter;
    struct arena *arena;
    struct buf *error;
    int err;
};

static void bad_user(struct user_reader *r, const char *option, const char *what)
{
    if (!r->err)
        buf_printf(r->error, "%s: [%s] %s: %s", conf_path(r->filter->conf), r->filter->section, option, what);
    r->err = -EINVAL;
}

static void add_group(struct user *u, struct str name)
{
    u->groups = xrealloc(u->groups, (u->n_groups + 1) * sizeof(*u->groups));
    u->groups[u->n_groups++] = str_dup(name);
}

static bool is_url(struct str s)
{
    return str_find_str(s, STR("://"), 0) >= 0 || str_find_str(s, STR("$HOST"), 0) >= 0;
}

static bool next_word(struct str *rest, struct str *ret)
{
    size_t i = 0;
    *rest = str_trim(*rest);
    while (i < rest->n && !isspace((unsigned char)rest->p[i]))
        i++;
    *ret = str_slice(*rest, 0, i);
    *rest = str_slice(*rest, i, rest->n);
    return i > 0;
}

/* KEY [GROUP...] [URL] */
static struct user *parse_user(struct user_reader *r, struct str account, const char *value)
{
    struct str rest = str_from(value), word, last = STR_NONE;
    if (!next_word(&rest, &word))
        return NULL;
    struct user *u = xcalloc(1, sizeof(*u));
    u->key = str_dup(word);
    while (next_word(&rest, &word)) {
        if (last.p)
            add_group(u, last);
        last = word;
    }
    if (last.p && is_url(last)) {
        u->url = str_dup(last);
    } else {
        struct str quoted = url_quote(r->arena, account, "/");
        if (last.p)
            add_group(u, last);
        u->url = xasprintf("$HOST/v1/%s%.*s", r->t->prefixes[0].text, STR_ARG(quoted));
    }
    return u;
}

static bool read_user(const char *option, const char *value, void *arg)
{
    struct user_reader *r = arg;
    struct str name = str_from(option), account, user;
    bool base64 = str_starts(name, STR("user64_"));
    if (!base64 && !str_starts(name, STR("user_")))
        return false;
    name = str_slice(name, base64 ? 7 : 5, name.n);
    if (!str_cut(name, '_', &account, &user) || str_find(user, '_') >= 0) {
        bad_user(r, option, "must be user_ACCOUNT_USER (names with '_' need user64_)");
        return true;
    }
    if (base64) {
        char *a = decode64(account), *b = decode64(user);
        account = a ? arena_str(r->arena, str_from(a)) : STR_NONE;
        user = b ? arena_str(r->arena, str_from(b)) : STR_NONE;
        free(a);
        free(b);
        if (!account.n || !user.n) {
            bad_user(r, option, "not base64");
            return true;
        }
    }
    struct user *u = parse_user(r, account, value);
    if (!u)
        bad_user(r, option, "has no key set");
    else
        hash_put(r->t->users, arena_join(r->arena, account, STR(":"), user, STR_END), u);
    return true;
}

static char *option_of(const struct app_filter *filter, const char *prefix, const char *name)
{
    char *option = xasprintf("%s%s", prefix, name);
    struct str value = str_trim(str_from(conf_get(filter->conf, filter->section, option)));
    free(option);
    return value.n ? str_dup(value) : NULL;
}

static void add_prefix(struct tempauth *t, const struct app_filter *filter, struct str text)
{
    if (str_eq(text, STR("''")))
        text = STR("");
    char *full = xasprintf("%.*s%s", STR_ARG(text), text.n && text.p[text.n - 1] != '_' ? "_" : "");
    if (is_bare_prefix(t, str_from(full)) || t->n_prefixes == MAX_PREFIXES) {
        free(full);
        return;
    }
    char *group = option_of(filter, full[0] ? full : "''", "require_group");
    if (!group)
        group = option_of(filter, "", "require_group");
    t->prefixes[t->n_prefixes++] = (struct prefix){full, group};
}

static void read_prefixes(struct tempauth *t, const struct app_filter *filter)
{
    struct str rest = str_from(t->reseller_prefix), item;
    while (str_next(&rest, ',', &item)) {
        item = str_trim(item);
        if (item.n)
            add_prefix(t, filter, item);
    }
    if (!t->n_prefixes)
        add_prefix(t, filter, STR(""));
}

static char *slashed(struct str s)
{
    while (s.n && s.p[0] == '/')
        s = str_slice(s, 1, s.n);
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    return s.n ? xasprintf("/%.*s/", STR_ARG(s)) : xstrdup("/auth/");
}

int tempauth_new(const struct app_filter *filter, struct http_app **ret, struct buf *error)
{
    static const struct conf_option options[] = {
        {"reseller_prefix", CONF_STRING, offsetof(struct tempauth, reseller_prefix), "AUTH", 0, 0, NULL},
        {"auth_prefix", CONF_STRING, offsetof(struct tempauth, auth_prefix_option), "/auth/", 0, 0, NULL},
        {"token_life", CONF_SECONDS, offsetof(struct tempauth, token_life_ms), "86400", 1000,
         INT64_MAX / 2000000, NULL},
        {"allow_overrides", CONF_BOOL, offsetof(struct tempauth, allow_overrides), "true", 0, 0, NULL},
        {"storage_url_scheme", CONF_STRING, offsetof(struct tempauth, storage_url_scheme), "default", 0, 0,
         NULL},
        {NULL},
    };
    struct tempauth *t = middleware_alloc(sizeof(*t), filter, handle);
    t->base.app.free = tempauth_free;
    t->users = hash_new(user_free);
    int err = conf_read(filter->conf, filter->section, options, t, error);
    if (!err) {
        struct user_reader r = {.t = t, .filter = filter, .arena = arena_new(), .error = error};
        t->auth_prefix = slashed(str_from(t->auth_prefix_option));
        read_prefixes(t, filter);
        conf_each_option(filter->conf, filter->section, read_user, &r);
        arena_free(r.arena);
        err = r.err;
    }
    if (err) {
        tempauth_free(&t->base.app);
        return err;
    }
    registry_set(filter->registry, "tempauth", "account_acls", "true");
    *ret = &t->base.app;
    return 0;
}
