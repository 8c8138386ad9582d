/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_response.c: response heads, whole and in pieces.
 */
#include <stdlib.h>
#include "http/http_parse.h"

#define MAX_FIELDS 16

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_response(const struct http_head *head, const char *p)
{
    check(head->status >= 100 && head->status <= 999);
    check(head->reason.n == 0 || (head->reason.p > p && head->reason.p + head->reason.n < p + head->bytes));
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *f = &head->fields[i];
        check(f->name.n > 0 && f->name.p > p && f->value.p + f->value.n < p + head->bytes);
        check(!memchr(f->value.p, '\n', f->value.n) && !memchr(f->value.p, '\0', f->value.n));
    }
    struct http_framing framing;
    http_parse_framing(head, &framing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {256, 256, MAX_FIELDS};
    struct http_field fields[MAX_FIELDS], again[MAX_FIELDS];
    struct http_head head = {.fields = fields}, second = {.fields = again};
    char *p = malloc(size ? size : 1);
    if (!p)
        return 0;
    if (size)
        memcpy(p, data, size);
    enum http_parse_result whole = http_parse_response(p, size, 0, &limits, &head);
    enum http_parse_result pieces = HTTP_PARSE_INCOMPLETE;
    size_t step = size % 5 + 1, fed = 0, seen = 0;
    while (pieces == HTTP_PARSE_INCOMPLETE && fed < size) {
        fed = fed + step < size ? fed + step : size;
        pieces = http_parse_response(p, fed, seen, &limits, &second);
        seen = fed;
    }
    check((whole == HTTP_PARSE_OK) == (pieces == HTTP_PARSE_OK));
    if (whole == HTTP_PARSE_OK) {
        check(head.bytes == second.bytes && head.n_fields == second.n_fields);
        check_response(&head, p);
    }
    free(p);
    return 0;
}
