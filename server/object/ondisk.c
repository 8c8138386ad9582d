/* SPDX-License-Identifier: Apache-2.0 */
#include "object/ondisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- names ---------------------------------------------------------------------------------------------------- */

/* Where Python's splitext cuts: the last dot, unless only dots stand before it. */
static size_t extension_start(struct str name)
{
    ssize_t dot = str_rfind(name, '.');
    if (dot < 0)
        return name.n;
    for (ssize_t i = 0; i < dot; i++)
        if (name.p[i] != '.')
            return (size_t)dot;
    return name.n;
}

static enum ondisk_kind kind_of(struct str ext)
{
    if (str_eq(ext, STR(".data")))
        return ONDISK_DATA;
    if (str_eq(ext, STR(".meta")))
        return ONDISK_META;
    if (str_eq(ext, STR(".ts")))
        return ONDISK_TS;
    if (str_eq(ext, STR(".durable")))
        return ONDISK_DURABLE;
    return ONDISK_OTHER;
}

static int parse_fragment(struct str stem, int frag_count, struct ondisk_file *f)
{
    struct str rest = stem, time, index = STR_NONE, mark = STR_NONE;
    uint64_t value;
    str_next(&rest, '#', &time);
    if (!str_next(&rest, '#', &index))
        return -EINVAL;
    str_next(&rest, '#', &mark);
    if (timestamp_parse(time, &f->time) != 0 || str_to_u64(index, &value) != 0 ||
        value >= (uint64_t)frag_count)
        return -EINVAL;
    f->frag_index = (int)value;
    f->durable = str_eq(mark, STR("d"));
    return 0;
}

static int parse_meta(struct str stem, struct ondisk_file *f)
{
    struct timestamp t[3];
    int explicit_deltas = 0;
    if (timestamp_decode(stem, t, &explicit_deltas) != 0)
        return -EINVAL;
    f->time = t[0];
    f->has_ctype = explicit_deltas > 0;
    f->ctype = f->has_ctype ? t[1] : TIMESTAMP_ZERO;
    return 0;
}

int ondisk_parse(struct str name, int frag_count, struct ondisk_file *ret)
{
    size_t cut = extension_start(name);
    struct str stem = str_slice(name, 0, cut);
    int err;
    *ret = (struct ondisk_file){.name = name, .ext = str_slice(name, cut, name.n), .frag_index = -1};
    ret->kind = kind_of(ret->ext);
    if (ret->kind == ONDISK_META)
        err = parse_meta(stem, ret);
    else if (ret->kind == ONDISK_DATA && frag_count > 0)
        err = parse_fragment(stem, frag_count, ret);
    else
        err = timestamp_parse(stem, &ret->time);
    if (err)
        ret->fate = ONDISK_UNEXPECTED;
    return err ? -EINVAL : 0;
}

const char *ondisk_name(struct timestamp time, const char *ext, char out[ONDISK_NAME_SIZE])
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    snprintf(out, ONDISK_NAME_SIZE, "%s%s", timestamp_internal(time, text), ext);
    return out;
}

const char *ondisk_name_meta(struct timestamp time, const struct timestamp *ctype, char out[ONDISK_NAME_SIZE])
{
    if (!ctype)
        return ondisk_name(time, ".meta", out);
    char text[TIMESTAMP_ENCODED_SIZE];
    struct timestamp pair[2] = {time, *ctype};
    snprintf(out, ONDISK_NAME_SIZE, "%s.meta", timestamp_encode(pair, 2, true, text));
    return out;
}

const char *ondisk_name_frag(struct timestamp time, int frag_index, bool durable, char out[ONDISK_NAME_SIZE])
{
    char text[TIMESTAMP_INTERNAL_SIZE];
    snprintf(out, ONDISK_NAME_SIZE, "%s#%d%s.data", timestamp_internal(time, text), frag_index,
             durable ? "#d" : "");
    return out;
}

bool ondisk_is_rsync_temp(struct str name)
{
    ssize_t dot = str_rfind(name, '.');
    if (dot < 1 || name.p[0] != '.' || name.n - (size_t)dot - 1 != 6)
        return false;
    for (size_t i = (size_t)dot + 1; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'))
            return false;
    }
    return true;
}

/* --- the choice ----------------------------------------------------------------------------------------------- */

/* Newest first; among equal times by name, so that the result does not depend on the order of the folder. */
static int newest_first(const void *a, const void *b)
{
    const struct ondisk_file *x = a, *y = b;
    int c = timestamp_cmp(y->time, x->time);
    return c ? c : str_cmp(y->name, x->name);
}

static bool listed(const struct ondisk_file *f)
{
    return f->fate == ONDISK_NEEDED || f->fate == ONDISK_STRAY;
}

static struct ondisk_file *first_of(struct ondisk_file *files, size_t n, enum ondisk_kind kind)
{
    for (size_t i = 0; i < n; i++)
        if (files[i].kind == kind && files[i].fate == ONDISK_NEEDED)
            return &files[i];
    return NULL;
}

static void apply_tombstone(struct ondisk_file *files, size_t n)
{
    struct ondisk_file *ts = first_of(files, n, ONDISK_TS);
    if (!ts)
        return;
    for (size_t i = 0; i < n; i++) {
        struct ondisk_file *f = &files[i];
        if (f->fate != ONDISK_NEEDED || f == ts)
            continue;
        if (f->kind == ONDISK_TS || timestamp_cmp(f->time, ts->time) <= 0)
            f->fate = ONDISK_OBSOLETE;
    }
}

/* The metas that stay: the newest, and the one that has a newer content type than that, if any. */
struct metas {
    struct ondisk_file *newest, *ctype; /* ctype may be NULL */
};

static struct metas retain_metas(struct ondisk_file *files, size_t n)
{
    struct metas m = {first_of(files, n, ONDISK_META), NULL};
    for (size_t i = 0; m.newest && i < n; i++) {
        struct ondisk_file *f = &files[i];
        if (f->kind != ONDISK_META || f->fate != ONDISK_NEEDED || f == m.newest)
            continue;
        if (timestamp_cmp(f->ctype, (m.ctype ? m.ctype : m.newest)->ctype) > 0)
            m.ctype = f;
    }
    if (m.ctype && timestamp_cmp(m.ctype->time, m.newest->time) == 0) {
        m.newest = m.ctype;
        m.ctype = NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (files[i].kind == ONDISK_META && files[i].fate == ONDISK_NEEDED && &files[i] != m.newest &&
            &files[i] != m.ctype)
            files[i].fate = ONDISK_OBSOLETE;
    return m;
}

static void mark_stray_metas(struct ondisk_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (files[i].kind == ONDISK_META && files[i].fate == ONDISK_NEEDED)
            files[i].fate = ONDISK_STRAY;
}

static void choose_replicated(struct ondisk_file *files, size_t n, struct ondisk_choice *ret)
{
    ret->data = first_of(files, n, ONDISK_DATA);
    if (!ret->data) {
        mark_stray_metas(files, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct ondisk_file *f = &files[i];
        int c = timestamp_cmp(f->time, ret->data->time);
        if (f->fate == ONDISK_NEEDED && (f->kind == ONDISK_DATA ? c < 0 : c <= 0))
            f->fate = ONDISK_OBSOLETE;
    }
}

static int by_time_and_index(const void *a, const void *b)
{
    const struct ondisk_file *x = *(struct ondisk_file *const *)a, *y = *(struct ondisk_file *const *)b;
    int c = timestamp_cmp(y->time, x->time);
    if (c)
        return c;
    if (x->frag_index != y->frag_index)
        return x->frag_index < y->frag_index ? -1 : 1;
    return str_cmp(y->name, x->name);
}

static bool has_durable(const struct ondisk_frag_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->files[i]->durable)
            return true;
    return false;
}

/* Cuts the fragments into sets of one time each, down to and including the durable one. Returns the file that
 * defines the durable time, or NULL. */
static struct ondisk_file *gather_sets(struct arena *a, struct ondisk_file *files, size_t n,
                                       struct ondisk_choice *ret)
{
    struct ondisk_file *durable = first_of(files, n, ONDISK_DURABLE);
    struct ondisk_file **data = arena_alloc(a, (n ? n : 1) * sizeof *data);
    size_t n_data = 0;
    for (size_t i = 0; i < n; i++)
        if (files[i].kind == ONDISK_DATA && files[i].fate == ONDISK_NEEDED)
            data[n_data++] = &files[i];
    if (n_data)
        qsort(data, n_data, sizeof *data, by_time_and_index);
    ret->sets = arena_alloc(a, (n_data ? n_data : 1) * sizeof *ret->sets);
    for (size_t i = 0; i < n_data && !ret->durable_set;) {
        struct ondisk_frag_set *set = &ret->sets[ret->n_sets++];
        *set = (struct ondisk_frag_set){.files = data + i};
        while (i < n_data && timestamp_cmp(data[i]->time, set->files[0]->time) == 0) {
            i++;
            set->n++;
        }
        struct timestamp time = set->files[0]->time;
        if (has_durable(set) && (!durable || timestamp_cmp(durable->time, time) < 0))
            durable = set->files[0];
        if (!durable || timestamp_cmp(durable->time, time) != 0)
            continue;
        for (size_t k = 0; k < set->n; k++)
            set->files[k]->durable = true;
        ret->durable_set = set;
    }
    return durable;
}

/* The highest index of the set that is not excluded, or -1. */
static int acceptable_index(const struct ondisk_frag_set *set, const struct ondisk_preference *p)
{
    for (size_t i = set->n; i-- > 0;) {
        bool excluded = false;
        for (size_t k = 0; k < p->n_exclude; k++)
            excluded |= p->exclude[k] == set->files[i]->frag_index;
        if (!excluded)
            return set->files[i]->frag_index;
    }
    return -1;
}

/* By preference: the first listed time that has an acceptable fragment; else the newest set not ruled out. */
static struct ondisk_frag_set *prefer_set(struct arena *a, const struct ondisk_rules *rules,
                                          struct ondisk_choice *ret, int *frag_index)
{
    bool *ruled_out = arena_zalloc(a, ret->n_sets ? ret->n_sets : 1);
    for (size_t p = 0; p < rules->n_preferences; p++)
        for (size_t s = 0; s < ret->n_sets; s++) {
            const struct ondisk_preference *preference = &rules->preferences[p];
            if (timestamp_cmp(ret->sets[s].files[0]->time, preference->time) != 0 || ruled_out[s])
                continue;
            int index = acceptable_index(&ret->sets[s], preference);
            if (index >= 0) {
                *frag_index = index;
                return &ret->sets[s];
            }
            ruled_out[s] = true;
        }
    for (size_t s = 0; s < ret->n_sets; s++)
        if (!ruled_out[s])
            return &ret->sets[s];
    return NULL;
}

static struct ondisk_file *pick_fragment(const struct ondisk_frag_set *set, int frag_index)
{
    if (frag_index < 0)
        return set->files[set->n - 1];
    for (size_t i = 0; i < set->n; i++)
        if (set->files[i]->frag_index == frag_index)
            return set->files[i];
    return NULL;
}

static void choose_fragments(struct arena *a, struct ondisk_file *files, size_t n,
                             const struct ondisk_rules *rules, struct ondisk_choice *ret)
{
    struct ondisk_file *durable = gather_sets(a, files, n, ret);
    int frag_index = rules->frag_index;
    ret->chosen_set = rules->has_preferences ? prefer_set(a, rules, ret, &frag_index) : ret->durable_set;
    ret->data = ret->chosen_set ? pick_fragment(ret->chosen_set, frag_index) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct ondisk_file *f = &files[i];
        if (f->fate != ONDISK_NEEDED)
            continue;
        if (f->kind == ONDISK_META && ret->data && ret->chosen_set != ret->durable_set &&
            timestamp_cmp(f->time, ret->data->time) <= 0)
            f->fate = ONDISK_HIDDEN; /* it still belongs to the durable set */
        else if (durable && timestamp_cmp(f->time, durable->time) < 0)
            f->fate = ONDISK_OBSOLETE;
        else if (f->kind == ONDISK_DURABLE && !ret->durable_set)
            f->fate = ONDISK_OBSOLETE;
    }
    for (size_t s = 0; s < ret->n_sets; s++)
        for (size_t i = 0; i < ret->sets[s].n; i++)
            if (&ret->sets[s] != ret->durable_set && &ret->sets[s] != ret->chosen_set &&
                ret->sets[s].files[i]->fate == ONDISK_NEEDED)
                ret->sets[s].files[i]->fate = ONDISK_STRAY;
    if (!ret->durable_set)
        mark_stray_metas(files, n);
}

void ondisk_choose(struct arena *a, struct ondisk_file *files, size_t n, const struct ondisk_rules *rules,
                   struct ondisk_choice *ret)
{
    *ret = (struct ondisk_choice){0};
    if (n)
        qsort(files, n, sizeof *files, newest_first);
    apply_tombstone(files, n);
    struct metas metas = retain_metas(files, n);
    if (rules->frag_count > 0)
        choose_fragments(a, files, n, rules, ret);
    else
        choose_replicated(files, n, ret);
    if (!ret->data) {
        ret->ts = first_of(files, n, ONDISK_TS);
        return;
    }
    struct ondisk_file *newest = metas.newest && listed(metas.newest) ? metas.newest : NULL;
    struct ondisk_file *last = metas.ctype && listed(metas.ctype) ? metas.ctype : newest;
    ret->meta = newest ? newest : last;
    if (last && timestamp_cmp(last->ctype, ret->data->time) > 0)
        ret->ctype = last;
}
