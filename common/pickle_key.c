/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle_key.c: see pickle_key.h.
 */
#include "common/pickle_key.h"

#include <stdlib.h>
#include "common/alloc.h"

/* An order over keys, equal for keys that are equal in Python (as far as Swift's files have such keys). */
static int compare_keys(const struct pickle_value *a, const struct pickle_value *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case PICKLE_BOOL:
        return (a->boolean > b->boolean) - (a->boolean < b->boolean);
    case PICKLE_INT:
        return (a->integer > b->integer) - (a->integer < b->integer);
    case PICKLE_FLOAT:
        return memcmp(&a->real, &b->real, sizeof(a->real));
    case PICKLE_TEXT:
    case PICKLE_BYTES:
        return str_cmp(a->text, b->text);
    case PICKLE_TUPLE:
        for (size_t i = 0; i < a->list.n && i < b->list.n; i++) {
            int c = compare_keys(a->list.items[i], b->list.items[i]);
            if (c)
                return c;
        }
        return (a->list.n > b->list.n) - (a->list.n < b->list.n);
    default:
        return 0; /* None; others are no keys */
    }
}

bool pickle_key_valid(const struct pickle_value *v)
{
    switch (v->type) {
    case PICKLE_LIST:
    case PICKLE_DICT:
    case PICKLE_ARRAY:
        return false;
    case PICKLE_TUPLE:
        for (size_t i = 0; i < v->list.n; i++)
            if (!pickle_key_valid(v->list.items[i]))
                return false;
        return true;
    default:
        return true;
    }
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pickle_pair *x = *(const struct pickle_pair *const *)a;
    const struct pickle_pair *y = *(const struct pickle_pair *const *)b;
    int c = compare_keys(x->key, y->key);
    return c ? c : (x > y) - (x < y);
}

void pickle_key_merge(struct pickle_value *dict)
{
    size_t n = dict->dict.n, kept = 0;
    struct pickle_pair **sorted = xmalloc(n * sizeof(struct pickle_pair *));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &dict->dict.pairs[i];
    qsort(sorted, n, sizeof(struct pickle_pair *), compare_pairs);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (compare_keys(sorted[first]->key, sorted[i]->key))
            first = i;
        if (i > first) {
            sorted[first]->value = sorted[i]->value;
            sorted[i]->key = NULL;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (dict->dict.pairs[i].key)
            dict->dict.pairs[kept++] = dict->dict.pairs[i];
    dict->dict.n = kept;
    free(sorted);
}
