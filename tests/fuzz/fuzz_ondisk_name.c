/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_ondisk_name.c: lines as the names of a hash folder. The first byte chooses policy and preferences. However strange the
 * names, the choice keeps its promises, and does not depend on their order.
 */
#include <stdlib.h>
#include "object/ondisk.h"

#define MAX_FILES 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_choice(const struct ondisk_file *files, size_t n, const struct ondisk_rules *rules,
                         const struct ondisk_choice *c)
{
    check(!c->data || c->data->kind == ONDISK_DATA);
    /* a reader with preferences may pick what an isolated .durable file dooms; who cleans up has none */
    check(!c->data || c->data->fate == ONDISK_NEEDED || rules->has_preferences);
    check(!c->ts || (c->ts->kind == ONDISK_TS && !c->data));
    check(!c->meta || (c->data && c->meta->kind == ONDISK_META));
    /* fragments keep a .meta of their own time, replicated data does not */
    check(!c->meta || timestamp_cmp(c->meta->time, c->data->time) >= (rules->frag_count == 0));
    check(!c->ctype || (c->data && timestamp_cmp(c->ctype->ctype, c->data->time) > 0));
    for (size_t i = 0; i < n; i++) {
        const struct ondisk_file *f = &files[i];
        /* the newest data or tombstone is never thrown away in favour of nothing */
        if (rules->frag_count == 0 && f->kind == ONDISK_DATA && f->fate == ONDISK_OBSOLETE)
            check(c->data || c->ts);
        if (f->kind == ONDISK_TS && f->fate == ONDISK_OBSOLETE)
            check(c->ts || c->data || rules->frag_count > 0);
        check(f->fate != ONDISK_UNEXPECTED || (f != c->data && f != c->meta && f != c->ts && f != c->ctype));
    }
}

static const char *text_of(const struct ondisk_file *f)
{
    return f ? f->name.p : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    static const int none[] = {0, 2};
    struct ondisk_preference preference = {.time = {170000000000000, 0}, .exclude = none, .n_exclude = 2};
    struct ondisk_rules rules = {
        .frag_count = data[0] & 1 ? 6 : 0,
        .frag_index = data[0] & 2 ? 1 : -1,
        .has_preferences = (data[0] & 4) != 0,
        .preferences = &preference,
        .n_preferences = data[0] & 8 ? 1 : 0,
    };
    struct arena *a = arena_new();
    struct ondisk_file files[MAX_FILES], reversed[MAX_FILES];
    struct str rest = arena_str(a, str_of(data + 1, size - 1)), name;
    size_t n = 0;
    while (n < MAX_FILES && str_next(&rest, '\n', &name))
        ondisk_parse(arena_str(a, name), rules.frag_count, &files[n++]);
    for (size_t i = 0; i < n; i++)
        reversed[i] = files[n - 1 - i];
    struct ondisk_choice c, r;
    ondisk_choose(a, files, n, &rules, &c);
    ondisk_choose(a, reversed, n, &rules, &r);
    check_choice(files, n, &rules, &c);
    check(!text_of(c.data) == !text_of(r.data) && !text_of(c.ts) == !text_of(r.ts));
    check(!c.data || str_eq(c.data->name, r.data->name));
    arena_free(a);
    return 0;
}
