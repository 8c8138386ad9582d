/* SPDX-License-Identifier: Apache-2.0 */
#include "container/sync_to.h"

#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"

int sync_to_rules_read(struct conf *conf, const char *section, const char *swift_dir,
                       struct sync_to_rules *ret, struct buf *error)
{
    static const struct conf_option table[] = {
        {"allowed_sync_hosts", CONF_STRING, 0, "127.0.0.1", 0, 0, NULL}, {0}};
    const char *hosts = NULL;

    int err = conf_read(conf, section, table, &hosts, error);
    if (err)
        return err;
    ret->allowed_hosts = xstrdup(hosts);
    ret->realms_path = xasprintf("%s/container-sync-realms.conf", swift_dir);
    return 0;
}

void sync_to_rules_free(struct sync_to_rules *r)
{
    free(r->allowed_hosts);
    free(r->realms_path);
}

/* --- //realm/cluster/account/container ------------------------------------------------------------------------------------ */

struct realm_search {
    struct str realm;
    char *section;
};

static void match_section(const char *section, void *arg)
{
    struct realm_search *s = arg;

    if (!s->section && str_ieq(str_from(section), s->realm))
        s->section = xstrdup(section);
}

/* Names of realms match in any case; options are lower case already. */
static bool check_realm(struct conf *conf, struct str realm, struct str cluster, struct buf *error)
{
    struct realm_search search = {.realm = realm};
    bool fine = false;

    if (conf)
        conf_each_section(conf, match_section, &search);
    const char *key = search.section ? conf_get(conf, search.section, "key") : NULL;
    if (!key || !*key) {
        buf_printf(error, "No realm key for '%.*s'", STR_ARG(realm));
    } else {
        char *option = xasprintf("cluster_%.*s", STR_ARG(cluster));
        for (char *p = option; *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p | 32);
        const char *endpoint = conf_get(conf, search.section, option);
        fine = endpoint && *endpoint;
        if (!fine)
            buf_printf(error, "No cluster endpoint for '%.*s' '%.*s'", STR_ARG(realm), STR_ARG(cluster));
        free(option);
    }
    free(search.section);
    return fine;
}

static bool check_realm_value(const struct sync_to_rules *r, struct str original, struct str value,
                              struct buf *error)
{
    struct str part[4] = {STR_NONE, STR_NONE, STR_NONE, STR_NONE}, rest = str_slice(value, 2, value.n);
    size_t slashes = 0;
    struct conf *conf = NULL;
    struct buf why;

    for (size_t i = 0; i < rest.n; i++)
        slashes += rest.p[i] == '/';
    if (slashes != 3) {
        buf_printf(error, "Invalid X-Container-Sync-To format '%.*s'", STR_ARG(original));
        return false;
    }
    for (size_t i = 0; i < 4; i++)
        str_next(&rest, '/', &part[i]);
    buf_init(&why, 1024);
    conf_load_strict(r->realms_path, &conf, &why); /* without the file no realm is known */
    bool fine = check_realm(conf, part[0], part[1], error);
    conf_free(conf);
    buf_release(&why);
    return fine;
}

/* --- http://host[:port]/path --------------------------------------------------------------------------------------------------- */

static bool is_allowed_host(const struct sync_to_rules *r, struct str host)
{
    struct str rest = str_from(r->allowed_hosts), item;

    while (str_next(&rest, ',', &item))
        if (str_trim(item).n && str_ieq(str_trim(item), host))
            return true;
    return false;
}

static struct str host_of(struct str authority)
{
    ssize_t at = str_rfind(authority, '@');
    if (at >= 0)
        authority = str_slice(authority, (size_t)at + 1, authority.n);
    if (authority.n && authority.p[0] == '[') {
        ssize_t end = str_find(authority, ']');
        return end > 0 ? str_slice(authority, 1, (size_t)end) : STR("");
    }
    ssize_t colon = str_find(authority, ':');
    return colon < 0 ? authority : str_slice(authority, 0, (size_t)colon);
}

static bool check_url(const struct sync_to_rules *r, struct str value, struct buf *error)
{
    ssize_t colon = str_find_str(value, STR("://"), 0);
    struct str scheme = colon < 0 ? STR("") : str_slice(value, 0, (size_t)colon);

    if (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https"))) {
        buf_printf(error,
                   "Invalid scheme '%.*s' in X-Container-Sync-To, must be \"//\", \"http\", or \"https\".",
                   STR_ARG(scheme));
        return false;
    }
    struct str rest = str_slice(value, (size_t)colon + 3, value.n);
    size_t slash = 0;
    while (slash < rest.n && !memchr("/?#", rest.p[slash], 3))
        slash++;
    if (slash == rest.n || rest.p[slash] != '/') {
        buf_puts(error, "Path required in X-Container-Sync-To");
        return false;
    }
    for (size_t i = slash; i < rest.n; i++)
        if (memchr(";?#", rest.p[i], 3)) {
            buf_puts(error, "Params, queries, and fragments not allowed in X-Container-Sync-To");
            return false;
        }
    struct str host = host_of(str_slice(rest, 0, slash));
    if (is_allowed_host(r, host))
        return true;
    buf_printf(error, "Invalid host '%.*s' in X-Container-Sync-To", STR_ARG(host));
    return false;
}

bool sync_to_check(const struct sync_to_rules *r, struct str value, struct buf *error)
{
    struct str original = value;

    while (value.n && value.p[value.n - 1] == '/')
        value.n--;
    if (value.n == 0)
        return true;
    if (str_starts(value, STR("//")))
        return check_realm_value(r, original, value, error);
    return check_url(r, value, error);
}
