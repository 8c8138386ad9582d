/* SPDX-License-Identifier: Apache-2.0 */
#include "container/swift_bytes.h"

static bool is_token_byte(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7f && !memchr("()<>@,;:\"/[]?={}", c, 16);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.n && is_blank(s.p[at]))
        at++;
    return at;
}

static size_t skip_token(struct str s, size_t at)
{
    while (at < s.n && is_token_byte(s.p[at]))
        at++;
    return at;
}

/* Behind the closing quote of the quoted string at `at`, or `at` if there is none. */
static size_t skip_quoted(struct str s, size_t at)
{
    if (at >= s.n || s.p[at] != '"')
        return at;
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\' && (++i == s.n || s.p[i] == '\n'))
            return at;
    }
    return at;
}

/* The next ";key[=value]" from *at on; what does not look like one is passed over. False at the end. */
static bool next_parameter(struct str s, size_t *at, struct str *key, struct str *value)
{
    while (*at < s.n) {
        if (s.p[(*at)++] != ';')
            continue;
        size_t from = skip_blanks(s, *at), end = skip_token(s, from);
        if (end == from)
            continue;
        *key = str_slice(s, from, end);
        *value = STR("");
        *at = end;
        size_t equals = skip_blanks(s, end);
        if (equals == s.n || s.p[equals] != '=')
            return true;
        from = skip_blanks(s, equals + 1);
        end = skip_token(s, from);
        if (end == from)
            end = skip_quoted(s, from);
        if (end > from) {
            *value = str_slice(s, from, end);
            *at = end;
        }
        return true;
    }
    return false;
}

struct str swift_bytes_split(struct arena *a, struct str content_type, struct str *ret_bytes)
{
    struct str key, value, head;
    ssize_t semicolon = str_find(content_type, ';');

    *ret_bytes = STR_NONE;
    if (semicolon < 0)
        return content_type;
    head = str_slice(content_type, 0, (size_t)semicolon);
    for (size_t at = (size_t)semicolon; next_parameter(content_type, &at, &key, &value);) {
        if (str_eq(key, STR("swift_bytes")))
            *ret_bytes = value;
        else
            head = arena_join(a, head, STR(";"), key, STR("="), value, STR_END);
    }
    return head;
}

struct str swift_bytes_join(struct arena *a, struct str content_type, struct str bytes)
{
    if (bytes.n == 0)
        return content_type;
    return arena_join(a, content_type, STR(";swift_bytes="), bytes, STR_END);
}
