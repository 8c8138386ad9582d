/* SPDX-License-Identifier: Apache-2.0 */
#include "middleware/acl.h"

#include <errno.h>
#include <jansson.h>

#include "common/json.h"
#include "common/url.h"
#include "common/utf8.h"

/* --- Python's words --------------------------------------------------------------------------------------------------------- */

/* As repr() of a str: in quotes, with escapes for what does not print. Bytes above ASCII show as they are. */
static struct str repr(struct arena *arena, struct str s)
{
    struct buf b;
    char quote = str_find(s, '\'') >= 0 && str_find(s, '"') < 0 ? '"' : '\'';
    buf_init(&b, 8 * s.n + 16);
    buf_putc(&b, quote);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n')
            buf_puts(&b, "\\n");
        else if (c == '\r')
            buf_puts(&b, "\\r");
        else if (c == '\t')
            buf_puts(&b, "\\t");
        else if (c < 32 || c == 127)
            buf_printf(&b, "\\x%02x", c);
        else if (c == '\\' || c == (unsigned char)quote)
            buf_printf(&b, "\\%c", c);
        else
            buf_putc(&b, (char)c);
    }
    buf_putc(&b, quote);
    struct str text = arena_str(arena, buf_view(&b));
    buf_release(&b);
    return text;
}

/* --- container lists ---------------------------------------------------------------------------------------------------------- */

static bool contains_write(struct str name)
{
    for (size_t i = 0; i + 5 <= name.n; i++)
        if (str_ieq(str_slice(name, i, i + 5), STR("write")))
            return true;
    return false;
}

static bool is_referrer_word(struct str s)
{
    return str_eq(s, STR(".r")) || str_eq(s, STR(".ref")) || str_eq(s, STR(".referer")) ||
           str_eq(s, STR(".referrer"));
}

static bool clean_referrer(struct arena *arena, struct str raw, struct str host, struct str *ret)
{
    bool deny = str_starts(host, STR("-"));
    if (deny)
        host = str_trim(str_slice(host, 1, host.n));
    if (host.n > 1 && host.p[0] == '*')
        host = str_trim(str_slice(host, 1, host.n));
    if (!host.n || str_eq(host, STR("."))) {
        *ret = arena_join(arena, STR("No host/domain value after referrer designation in ACL: "),
                          repr(arena, raw), STR_END);
        return false;
    }
    *ret = arena_join(arena, STR(".r:"), deny ? STR("-") : STR(""), host, STR_END);
    return true;
}

static bool clean_item(struct arena *arena, bool write, struct str raw, struct str *ret)
{
    struct str first, second;
    bool has_colon = str_cut(raw, ':', &first, &second);
    first = str_trim(first);
    *ret = raw;
    if (!has_colon || !str_starts(first, STR(".")))
        return true;
    if (!is_referrer_word(first)) {
        *ret = arena_join(arena, STR("Unknown designator "), repr(arena, first), STR(" in ACL: "),
                          repr(arena, raw), STR_END);
        return false;
    }
    if (write) {
        *ret = arena_join(arena, STR("Referrers not allowed in write ACL: "), repr(arena, raw), STR_END);
        return false;
    }
    return clean_referrer(arena, raw, str_trim(second), ret);
}

bool acl_clean(struct arena *arena, struct str header_name, struct str value, struct str *ret)
{
    struct str rest = value, item, clean;
    struct buf all;
    bool write = contains_write(header_name), fine = true;
    buf_init(&all, value.n + 1);
    while (fine && str_next(&rest, ',', &item)) {
        item = str_trim(item);
        if (!item.n)
            continue;
        fine = clean_item(arena, write, item, &clean);
        if (all.n)
            buf_putc(&all, ',');
        buf_str(&all, clean);
    }
    *ret = fine ? arena_str(arena, all.n ? buf_view(&all) : STR("")) : clean;
    buf_release(&all);
    return fine;
}

/* The host of a URL, "unknown" where there is none. */
static struct str referer_host(struct str url)
{
    struct str rest;
    ssize_t at = str_find_str(url, STR("//"), 0);
    if (at < 0)
        return STR("unknown");
    /* Only a scheme may stand before "//". */
    for (ssize_t i = 0; i < at; i++)
        if (url.p[i] == '/' || url.p[i] == '?' || url.p[i] == '#')
            return STR("unknown");
    struct str host = str_slice(url, (size_t)at + 2, url.n);
    for (size_t i = 0; i < host.n; i++)
        if (strchr("/?#", host.p[i])) {
            host.n = i;
            break;
        }
    ssize_t user = str_rfind(host, '@');
    if (user >= 0)
        host = str_slice(host, (size_t)user + 1, host.n);
    if (str_starts(host, STR("["))) {
        str_cut(str_slice(host, 1, host.n), ']', &host, &rest);
        return host.n ? host : STR("unknown");
    }
    str_cut(host, ':', &host, &rest);
    return host.n ? host : STR("unknown");
}

/* As the other side of str_ends, with letters in either case: Python lower-cases the host but not the rule. */
static bool host_matches(struct str rule, struct str host)
{
    char lowered[256];
    if (host.n > sizeof(lowered))
        return false;
    for (size_t i = 0; i < host.n; i++)
        lowered[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] + 32) : host.p[i];
    struct str h = str_of(lowered, host.n);
    return str_eq(rule, h) || (str_starts(rule, STR(".")) && str_ends(h, rule));
}

bool acl_referrer_allowed(struct str acl, struct str referer)
{
    struct str item, host = referer_host(referer);
    bool allowed = false;
    while (str_next(&acl, ',', &item)) {
        if (!str_starts(item, STR(".r:")))
            continue;
        struct str rule = str_slice(item, 3, item.n);
        if (str_starts(rule, STR("-"))) {
            if (host_matches(str_slice(rule, 1, rule.n), host))
                allowed = false;
        } else if (str_eq(rule, STR("*")) || host_matches(rule, host)) {
            allowed = true;
        }
    }
    return allowed;
}

bool acl_has_group(struct arena *arena, struct str acl, struct str group)
{
    struct str item;
    while (str_next(&acl, ',', &item)) {
        if (str_starts(item, STR(".r:")))
            continue;
        if (str_eq(str_find(item, '%') < 0 ? item : url_unquote(arena, item), group))
            return true;
    }
    return false;
}

/* --- account lists -------------------------------------------------------------------------------------------------------------- */

static const char *const level_names[ACL_LEVELS] = {"read-only", "read-write", "admin"};

/* NULL: no JSON object. The caller frees it. */
static json_t *load_object(struct str value)
{
    json_t *root = json_loadb(value.p ? value.p : "", value.n, JSON_ALLOW_NUL, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static struct str text_of(const json_t *string)
{
    return str_of(json_string_value(string), json_string_length(string));
}

static struct str why(struct arena *arena, const char *before, const char *key, const char *after)
{
    struct buf quoted;
    buf_init(&quoted, 65536);
    json_put_string(&quoted, str_from(key));
    struct str text = arena_join(arena, str_from(before), buf_view(&quoted), str_from(after), STR_END);
    buf_release(&quoted);
    return text;
}

static int level_of(const char *key)
{
    for (int i = 0; i < ACL_LEVELS; i++)
        if (strcmp(key, level_names[i]) == 0)
            return i;
    return -1;
}

static int read_level(struct arena *arena, const json_t *list, int level, struct acl_account *ret,
                      struct str *ret_why)
{
    if (!json_is_array(list)) {
        *ret_why = why(arena, "Value for key ", level_names[level], " must be a list");
        return -EINVAL;
    }
    size_t n = json_array_size(list);
    ret->groups[level] = arena_alloc(arena, (n + 1) * sizeof(struct str));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item)) {
            *ret_why = why(arena, "Elements of ", level_names[level], " list must be strings");
            return -EINVAL;
        }
        ret->groups[level][i] = arena_str(arena, text_of(item));
    }
    ret->n[level] = n;
    return 0;
}

static int read_levels(struct arena *arena, json_t *root, struct acl_account *ret, struct str *ret_why)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (level_of(key) >= 0)
            continue;
        *ret_why = why(arena, "Key ", key, " not recognized");
        return -EINVAL;
    }
    for (int level = ACL_LEVELS; level-- > 0;) {
        value = json_object_get(root, level_names[level]);
        int err = value ? read_level(arena, value, level, ret, ret_why) : 0;
        if (err)
            return err;
    }
    return 0;
}

int acl_account_parse(struct arena *arena, struct str value, struct acl_account *ret, struct str *ret_why)
{
    *ret = (struct acl_account){0};
    if (!value.n)
        return 0;
    json_t *root = load_object(value);
    if (!root) {
        *ret_why = arena_join(arena, STR("Syntax error in input ("), repr(arena, value), STR(")"), STR_END);
        return -EINVAL;
    }
    int err = read_levels(arena, root, ret, ret_why);
    json_decref(root);
    return err;
}

bool acl_account_grants(const struct acl_account *acl, enum acl_level level, struct str groups)
{
    struct str group;
    while (str_next(&groups, ',', &group))
        for (size_t i = 0; i < acl->n[level]; i++)
            if (str_eq(acl->groups[level][i], group))
                return true;
    return false;
}
