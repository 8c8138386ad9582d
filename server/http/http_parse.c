/* SPDX-License-Identifier: Apache-2.0
 *
 * http_parse.c: heads, framing and chunk lines. A head is read line by line. Where a message arrives in pieces, each
 * further try checks only the lines that were not complete before and reads the whole once its end is there, so
 * that an error is found with the line that has it and a slow sender costs no repeated work.
 */
#include "http/http_parse.h"

#define CHUNK_LINE_MAX 4096
#define SIZE_LIMIT     (UINT64_C(1) << 62)

/* Classes of bytes. */
enum { TOKEN = 1, METHOD = 2, TARGET = 4, VALUE = 8 };

/* Letters and digits, and !#$%&'*+-.^_`|~ are tokens; methods as nginx takes them; a target is anything visible or
 * above ASCII; a value anything but NUL, CR and LF: other control bytes are harmless there and nginx passes them. */
static const uint8_t byte_class[256] = {
    [0x01 ... 0x09] = VALUE,
    [0x0b ... 0x0c] = VALUE,
    [0x0e ... 0x20] = VALUE,
    ['!'] = TOKEN | TARGET | VALUE,
    ['"'] = TARGET | VALUE,
    ['#' ... '\''] = TOKEN | TARGET | VALUE,
    ['(' ... ')'] = TARGET | VALUE,
    ['*' ... '+'] = TOKEN | TARGET | VALUE,
    [','] = TARGET | VALUE,
    ['-'] = TOKEN | METHOD | TARGET | VALUE,
    ['.'] = TOKEN | TARGET | VALUE,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = TOKEN | TARGET | VALUE,
    [':' ... '@'] = TARGET | VALUE,
    ['A' ... 'Z'] = TOKEN | METHOD | TARGET | VALUE,
    ['[' ... ']'] = TARGET | VALUE,
    ['^'] = TOKEN | TARGET | VALUE,
    ['_'] = TOKEN | METHOD | TARGET | VALUE,
    ['`'] = TOKEN | TARGET | VALUE,
    ['a' ... 'z'] = TOKEN | TARGET | VALUE,
    ['{'] = TARGET | VALUE,
    ['|'] = TOKEN | TARGET | VALUE,
    ['}'] = TARGET | VALUE,
    ['~'] = TOKEN | TARGET | VALUE,
    [0x7f] = VALUE,
    [0x80 ... 0xff] = TARGET | VALUE,
};

static inline bool is(char c, int class)
{
    return (byte_class[(uint8_t)c] & class) != 0;
}

static inline const char *skip_class(const char *p, const char *end, int class)
{
    while (p < end && is(*p, class))
        p++;
    return p;
}

/* Eight bytes at a time while none of them is below 0x20, then one by one. */
static inline const char *skip_value(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    for (;;) {
        while (end - p >= 8) {
            uint64_t w;
            memcpy(&w, p, sizeof w);
            if (((w - ones * 0x20) & ~w & high) != 0)
                break;
            p += 8;
        }
        const char *stop = end - p < 8 ? end : p + 8;
        p = skip_class(p, stop, VALUE);
        if (p < stop || p == end)
            return p;
    }
}

/* p is where a line's content stopped: OK with *p behind its CRLF. Anything but CRLF there is wrong. */
static inline enum http_parse_result line_end(const char **p, const char *end)
{
    if (*p == end)
        return HTTP_PARSE_INCOMPLETE;
    if (**p != '\r')
        return HTTP_PARSE_BAD;
    if (*p + 1 == end)
        return HTTP_PARSE_INCOMPLETE;
    if ((*p)[1] != '\n')
        return HTTP_PARSE_BAD;
    *p += 2;
    return HTTP_PARSE_OK;
}

/* Byte `at` of an incomplete or complete line that began at `start`: over the limit? */
static inline bool too_long(const char *start, const char *at, size_t limit)
{
    return (size_t)(at - start) > limit;
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One field line at *p, which is not an empty line. */
static enum http_parse_result field_line(const char **p, const char *end, size_t limit,
                                         struct http_field *ret)
{
    const char *start = *p, *name_end = skip_class(start, end, TOKEN);
    if (too_long(start, name_end, limit))
        return HTTP_PARSE_HEADER_TOO_LONG;
    if (name_end == end)
        return HTTP_PARSE_INCOMPLETE;
    if (name_end == start || *name_end != ':')
        return HTTP_PARSE_BAD;
    const char *value = name_end + 1;
    while (value < end && is_blank(*value))
        value++;
    const char *value_end = skip_value(value, end), *at = value_end;
    if (too_long(start, value_end, limit))
        return HTTP_PARSE_HEADER_TOO_LONG;
    enum http_parse_result r = line_end(&at, end);
    if (r != HTTP_PARSE_OK)
        return r;
    while (value_end > value && is_blank(value_end[-1]))
        value_end--;
    ret->name = str_of(start, (size_t)(name_end - start));
    ret->value = str_of(value, (size_t)(value_end - value));
    *p = at;
    return HTTP_PARSE_OK;
}

/* Fields from *p to the empty line. fields == NULL only checks them. */
static enum http_parse_result field_lines(const char **p, const char *end, const struct http_limits *limits,
                                          struct http_field *fields, size_t *ret_n)
{
    struct http_field unused;
    for (size_t n = 0;;) {
        if (*p == end)
            return HTTP_PARSE_INCOMPLETE;
        if (**p == '\r') {
            *ret_n = n;
            return line_end(p, end);
        }
        if (n >= limits->max_fields)
            return HTTP_PARSE_TOO_MANY;
        enum http_parse_result r = field_line(p, end, limits->max_field_line, fields ? &fields[n] : &unused);
        if (r != HTTP_PARSE_OK)
            return r;
        n++;
    }
}

/* "HTTP/1.x" at *p. */
static enum http_parse_result version(const char **p, const char *end, int *ret_minor)
{
    static const char name[] = "HTTP/";
    size_t have = (size_t)(end - *p), prefix = sizeof name - 1;
    if (memcmp(*p, name, have < prefix ? have : prefix) != 0)
        return HTTP_PARSE_BAD;
    if (have > prefix) {
        char major = (*p)[prefix];
        if (major < '1' || major > '9')
            return HTTP_PARSE_BAD;
        if (major > '1')
            return HTTP_PARSE_VERSION;
    }
    if (have > prefix + 1 && (*p)[prefix + 1] != '.')
        return HTTP_PARSE_BAD;
    if (have < prefix + 3)
        return HTTP_PARSE_INCOMPLETE;
    char minor = (*p)[prefix + 2];
    if (minor < '0' || minor > '9')
        return HTTP_PARSE_BAD;
    *ret_minor = minor != '0';
    *p += prefix + 3;
    return HTTP_PARSE_OK;
}

/* A run of bytes of that class and the one blank behind it. */
static enum http_parse_result word(const char **p, const char *end, int class, struct str *ret)
{
    const char *stop = skip_class(*p, end, class);
    if (stop == end)
        return HTTP_PARSE_INCOMPLETE;
    if (stop == *p || *stop != ' ')
        return HTTP_PARSE_BAD;
    *ret = str_of(*p, (size_t)(stop - *p));
    *p = stop + 1;
    return HTTP_PARSE_OK;
}

static enum http_parse_result request_words(const char **p, const char *end, struct http_head *ret)
{
    enum http_parse_result r = word(p, end, METHOD, &ret->method);
    if (r == HTTP_PARSE_OK)
        r = word(p, end, TARGET, &ret->target);
    if (r == HTTP_PARSE_OK)
        r = version(p, end, &ret->minor_version);
    if (r == HTTP_PARSE_OK)
        r = line_end(p, end);
    return r;
}

static enum http_parse_result request_line(const char **p, const char *end, const struct http_limits *limits,
                                           struct http_head *ret)
{
    const char *start = *p;
    /* Only so much of it is looked at, so that what is too long is not called incomplete. */
    bool more = too_long(start, end, limits->max_line + 2);
    const char *stop = more ? start + limits->max_line + 2 : end;
    enum http_parse_result r = request_words(p, stop, ret);
    if (r == HTTP_PARSE_INCOMPLETE && (more || (too_long(start, stop, limits->max_line) && stop[-1] != '\r')))
        return HTTP_PARSE_LINE_TOO_LONG;
    return r;
}

/* "200" and the reason, which may be missing together with its blank. */
static enum http_parse_result status_code(const char **p, const char *end, struct http_head *ret)
{
    int status = 0;
    for (int i = 0; i < 3; i++, (*p)++) {
        if (*p == end)
            return HTTP_PARSE_INCOMPLETE;
        if (**p < '0' || **p > '9')
            return HTTP_PARSE_BAD;
        status = status * 10 + (**p - '0');
    }
    if (status < 100)
        return HTTP_PARSE_BAD;
    ret->status = status;
    ret->reason = STR("");
    if (*p == end)
        return HTTP_PARSE_INCOMPLETE;
    if (**p == ' ') {
        const char *reason = ++*p;
        *p = skip_value(reason, end);
        ret->reason = str_of(reason, (size_t)(*p - reason));
    }
    return line_end(p, end);
}

static enum http_parse_result status_line(const char **p, const char *end, const struct http_limits *limits,
                                          struct http_head *ret)
{
    const char *start = *p;
    enum http_parse_result r = version(p, end, &ret->minor_version);
    if (r == HTTP_PARSE_OK && *p == end)
        r = HTTP_PARSE_INCOMPLETE;
    if (r == HTTP_PARSE_OK && *(*p)++ != ' ')
        r = HTTP_PARSE_BAD;
    if (r == HTTP_PARSE_OK)
        r = status_code(p, end, ret);
    bool ended = r == HTTP_PARSE_OK;
    if ((ended || r == HTTP_PARSE_INCOMPLETE) && too_long(start, *p, limits->max_line + (ended ? 2 : 0)))
        return HTTP_PARSE_LINE_TOO_LONG;
    return r;
}

typedef enum http_parse_result (*first_line_fn)(const char **p, const char *end,
                                                const struct http_limits *limits, struct http_head *ret);

static enum http_parse_result whole_head(const char *start, const char *p, const char *end,
                                         const struct http_limits *limits, first_line_fn first_line,
                                         struct http_head *ret)
{
    struct http_head head = {.fields = ret->fields};
    enum http_parse_result r = first_line(&p, end, limits, &head);
    if (r == HTTP_PARSE_OK)
        r = field_lines(&p, end, limits, head.fields, &head.n_fields);
    if (r != HTTP_PARSE_OK)
        return r;
    head.bytes = (size_t)(p - start);
    *ret = head;
    return HTTP_PARSE_OK;
}

/* p: behind what may be skipped in front of the first line. */
static enum http_parse_result parse_head(const char *start, const char *p, const char *end, size_t seen,
                                         const struct http_limits *limits, first_line_fn first_line,
                                         struct http_head *ret)
{
    if (p < start + seen) {
        const char *newline = memrchr(p, '\n', (size_t)(start + seen - p));
        if (newline) {
            size_t n;
            const char *line = newline + 1;
            enum http_parse_result r = field_lines(&line, end, limits, NULL, &n);
            if (r != HTTP_PARSE_OK)
                return r;
        }
    }
    return whole_head(start, p, end, limits, first_line, ret);
}

enum http_parse_result http_parse_request(const char *p, size_t n, size_t seen,
                                          const struct http_limits *limits, struct http_head *ret)
{
    const char *start = p, *end = p + n;
    while (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
        p += 2;
    if (p == end || (end - p == 1 && *p == '\r'))
        return HTTP_PARSE_INCOMPLETE;
    return parse_head(start, p, end, seen, limits, request_line, ret);
}

enum http_parse_result http_parse_response(const char *p, size_t n, size_t seen,
                                           const struct http_limits *limits, struct http_head *ret)
{
    if (n == 0)
        return HTTP_PARSE_INCOMPLETE;
    return parse_head(p, p, p + n, seen, limits, status_line, ret);
}

static enum http_parse_result framing_length(struct str value, struct http_framing *f)
{
    uint64_t length;
    if (f->has_length || str_to_u64(value, &length) < 0 || length > SIZE_LIMIT)
        return HTTP_PARSE_BAD;
    f->has_length = true;
    f->length = length;
    return HTTP_PARSE_OK;
}

static void framing_connection(struct str value, struct http_framing *f)
{
    struct str item;
    while (str_next(&value, ',', &item)) {
        item = str_trim(item);
        if (str_ieq(item, STR("close")))
            f->close = true;
        else if (str_ieq(item, STR("keep-alive")))
            f->keep_alive = true;
    }
}

enum http_parse_result http_parse_framing(const struct http_head *head, struct http_framing *ret)
{
    struct http_framing f = {0};
    size_t codings = 0;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        switch (field->name.n) { /* the length tells nearly all other fields apart */
        case 6:
            if (str_ieq(field->name, STR("Expect")) && str_ieq(field->value, STR("100-continue")))
                f.expect_continue = head->minor_version > 0;
            break;
        case 10:
            if (str_ieq(field->name, STR("Connection")))
                framing_connection(field->value, &f);
            break;
        case 14:
            if (str_ieq(field->name, STR("Content-Length")) &&
                framing_length(field->value, &f) != HTTP_PARSE_OK)
                return HTTP_PARSE_BAD;
            break;
        case 17:
            if (str_ieq(field->name, STR("Transfer-Encoding"))) {
                codings++;
                f.chunked = str_ieq(field->value, STR("chunked"));
                f.unsupported_coding = !f.chunked;
            }
            break;
        default:
            break;
        }
    }
    if (codings > 1 || (codings == 1 && (f.has_length || head->minor_version == 0)))
        return HTTP_PARSE_BAD;
    *ret = f;
    return HTTP_PARSE_OK;
}

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum http_parse_result http_parse_chunk_line(const char *p, size_t n, uint64_t *ret_size, size_t *ret_bytes)
{
    const char *start = p, *end = n > CHUNK_LINE_MAX ? p + CHUNK_LINE_MAX : p + n;
    uint64_t size = 0;
    for (int digit; p < end && (digit = hex_digit(*p)) >= 0; p++) {
        size = size << 4 | (uint64_t)digit;
        if (size > SIZE_LIMIT)
            return HTTP_PARSE_BAD;
    }
    if (p < end && p > start) {
        while (p < end && is_blank(*p))
            p++;
        if (p < end && *p == ';')
            p = skip_value(p, end);
    }
    if (p == start && p < end)
        return HTTP_PARSE_BAD;
    enum http_parse_result r = line_end(&p, end);
    if (r == HTTP_PARSE_INCOMPLETE && n >= CHUNK_LINE_MAX)
        return HTTP_PARSE_BAD;
    if (r != HTTP_PARSE_OK)
        return r;
    *ret_size = size;
    *ret_bytes = (size_t)(p - start);
    return HTTP_PARSE_OK;
}

enum http_parse_result http_parse_trailer_line(const char *p, size_t n, size_t max_line,
                                               struct http_field *ret, size_t *ret_bytes)
{
    const char *start = p, *end = p + n;
    struct http_field field = {{"", 0}, {"", 0}};
    if (n == 0)
        return HTTP_PARSE_INCOMPLETE;
    enum http_parse_result r = *p == '\r' ? line_end(&p, end) : field_line(&p, end, max_line, &field);
    if (r != HTTP_PARSE_OK)
        return r;
    *ret = field;
    *ret_bytes = (size_t)(p - start);
    return HTTP_PARSE_OK;
}
