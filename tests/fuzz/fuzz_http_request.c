/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_request.c: request heads. The answer must not depend on how the bytes were cut up, positions must lie
 * inside the input, and what was accepted must hold to the rules that later code relies on.
 */
#include <stdlib.h>
#include "common/arena.h"
#include "http/http_parse.h"
#include "http/http_request.h"

#define MAX_FIELDS 16

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_inside(struct str s, const char *p, size_t n)
{
    check(s.p >= p && s.p + s.n <= p + n);
}

static void check_field(const struct http_field *f, const char *p, size_t n)
{
    check_inside(f->name, p, n);
    check_inside(f->value, p, n);
    check(f->name.n > 0 && str_find(f->name, ':') < 0);
    check(str_find(f->value, '\r') < 0 && str_find(f->value, '\n') < 0 && str_find(f->value, '\0') < 0);
    check(str_eq(str_trim(f->value), f->value));
}

static void check_request(const struct http_head *head, const char *p)
{
    check_inside(head->method, p, head->bytes);
    check_inside(head->target, p, head->bytes);
    check(head->method.n > 0 && head->target.n > 0 && str_find(head->target, ' ') < 0);
    check(memcmp(p + head->bytes - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < head->n_fields; i++)
        check_field(&head->fields[i], p, head->bytes);
    struct http_framing f;
    if (http_parse_framing(head, &f) == HTTP_PARSE_OK)
        check(!(f.chunked && f.has_length));
    struct arena *a = arena_new();
    struct http_request req;
    http_request_init(&req, a, head->method, STR("/"));
    if (http_request_set_target(&req, head->target) == 0)
        check(req.raw_path.n > 0 && req.path.n <= req.raw_path.n);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {256, 256, MAX_FIELDS};
    struct http_field fields[MAX_FIELDS], again[MAX_FIELDS];
    struct http_head head = {.fields = fields}, second = {.fields = again};
    char *p = malloc(size ? size : 1); /* exactly as long, so that a read past it is seen */
    if (!p)
        return 0;
    if (size)
        memcpy(p, data, size);
    enum http_parse_result whole = http_parse_request(p, size, 0, &limits, &head);
    enum http_parse_result pieces = HTTP_PARSE_INCOMPLETE;
    size_t step = size % 7 + 1, fed = 0, seen = 0;
    while (pieces == HTTP_PARSE_INCOMPLETE && fed < size) {
        fed = fed + step < size ? fed + step : size;
        pieces = http_parse_request(p, fed, seen, &limits, &second);
        seen = fed;
    }
    check((whole == HTTP_PARSE_OK) == (pieces == HTTP_PARSE_OK));
    if (whole == HTTP_PARSE_OK) {
        check(head.bytes == second.bytes && head.n_fields == second.n_fields);
        check_request(&head, p);
    }
    free(p);
    return 0;
}
