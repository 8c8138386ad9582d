/* SPDX-License-Identifier: Apache-2.0 */
#include "base/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

#define SECTION_PREFIX "storage-policy:"

struct reader {
    struct conf *conf;
    struct policies *out;
    struct buf *error;
    int err;
};

/* What one section says; strings live in the conf, which may go away: they are copied. */
struct section {
    const char *name, *aliases, *ec_type, *diskfile_module;
    int type;
    bool is_default, deprecated;
    int64_t ec_data, ec_parity, ec_segment_size, ec_duplication;
};

static const char *const policy_types[] = {"replication", "erasure_coding", NULL};

#define FIELD(option, type, field, fallback, min, max, words)                    \
    {                                                                            \
        option, type, offsetof(struct section, field), fallback, min, max, words \
    }
static const struct conf_option section_options[] = {
    FIELD("name", CONF_STRING, name, NULL, 0, 0, NULL),
    FIELD("aliases", CONF_STRING, aliases, NULL, 0, 0, NULL),
    FIELD("policy_type", CONF_ENUM, type, "replication", 0, 0, policy_types),
    FIELD("default", CONF_BOOL, is_default, "false", 0, 0, NULL),
    FIELD("deprecated", CONF_BOOL, deprecated, "false", 0, 0, NULL),
    FIELD("diskfile_module", CONF_STRING, diskfile_module, NULL, 0, 0, NULL),
    FIELD("ec_type", CONF_STRING, ec_type, NULL, 0, 0, NULL),
    FIELD("ec_num_data_fragments", CONF_INT, ec_data, "0", 0, 255, NULL),
    FIELD("ec_num_parity_fragments", CONF_INT, ec_parity, "0", 0, 255, NULL),
    FIELD("ec_object_segment_size", CONF_INT, ec_segment_size, "1048576", 1, INT64_C(1) << 40, NULL),
    FIELD("ec_duplication_factor", CONF_INT, ec_duplication, "1", 1, 255, NULL),
    {0},
};

static void fail(struct reader *r, const char *section, const char *text)
{
    if (!r->err)
        buf_printf(r->error, "%s: [%s] %s", conf_path(r->conf), section, text);
    r->err = -EINVAL;
}

static bool name_valid(const char *name)
{
    if (!*name)
        return false;
    for (const char *c = name; *c; c++)
        if (!(*c == '-' || (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z')))
            return false;
    return true;
}

static void set_aliases(struct policy *p, const char *list)
{
    size_t cap = 0, n = 0;
    struct str rest = str_from(list), item;
    while (str_next(&rest, ',', &item)) {
        item = str_trim(item);
        if (item.n == 0)
            continue;
        p->aliases = xgrow(p->aliases, &cap, n + 2, sizeof(*p->aliases));
        p->aliases[n++] = str_dup(item);
    }
    p->aliases = xgrow(p->aliases, &cap, n + 1, sizeof(*p->aliases));
    p->aliases[n] = NULL;
}

static void check_names(struct reader *r, const char *section, const struct policy *p)
{
    for (size_t i = 0;; i++) {
        const char *name = i == 0 ? p->name : p->aliases[i - 1];
        if (!name)
            break;
        if (!name_valid(name))
            fail(r, section, "name or aliases: use letters, digits and '-' only");
        else if (str_ieq(str_from(name), STR("Policy-0")) && p->index != 0)
            fail(r, section, "name: 'Policy-0' is reserved for policy 0");
        else if (policy_by_name(r->out, str_from(name)))
            fail(r, section, "name or aliases: already used by another policy");
    }
}

static void check_type(struct reader *r, const char *section, const struct policy *p)
{
    if (p->type == POLICY_ERASURE_CODING && (!p->ec_type || p->ec_data < 1 || p->ec_parity < 1))
        fail(r, section, "erasure coding needs ec_type, ec_num_data_fragments and ec_num_parity_fragments");
    if (p->type == POLICY_REPLICATION && p->ec_type)
        fail(r, section, "ec_type: only with policy_type = erasure_coding");
    if (p->is_default && p->deprecated)
        fail(r, section, "deprecated: the default policy cannot be deprecated");
}

static void read_section(const char *section, void *arg)
{
    struct reader *r = arg;
    uint64_t index;
    if (r->err || !str_starts(str_from(section), STR(SECTION_PREFIX)))
        return;
    if (str_to_u64(str_from(section + strlen(SECTION_PREFIX)), &index) || index > 1000000) {
        fail(r, section, "the name must end in the policy's number");
        return;
    }
    struct section s = {0};
    r->err = conf_read(r->conf, section, section_options, &s, r->error);
    if (r->err)
        return;
    if (policy_by_index(r->out, (int)index)) {
        fail(r, section, "this policy number is given twice");
        return;
    }
    struct policy p = {.index = (int)index,
                       .name = s.name       ? xstrdup(s.name)
                               : index == 0 ? xstrdup("Policy-0")
                                            : xstrdup(""),
                       .type = (enum policy_type)s.type,
                       .is_default = s.is_default,
                       .deprecated = s.deprecated,
                       .ec_type = s.ec_type ? xstrdup(s.ec_type) : NULL,
                       .ec_data = (int)s.ec_data,
                       .ec_parity = (int)s.ec_parity,
                       .ec_segment_size = s.ec_segment_size,
                       .ec_duplication = (int)s.ec_duplication};
    set_aliases(&p, s.aliases);
    check_names(r, section, &p);
    check_type(r, section, &p);
    r->out->v = xrealloc(r->out->v, (r->out->n + 1) * sizeof(p));
    r->out->v[r->out->n++] = p;
}

static int by_index(const void *a, const void *b)
{
    const struct policy *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static int choose_default(struct reader *r)
{
    struct policies *ps = r->out;
    if (ps->n == 1)
        ps->v[0].is_default = !ps->v[0].deprecated;
    for (size_t i = 0; i < ps->n; i++) {
        if (!ps->v[i].is_default)
            continue;
        if (ps->fallback) {
            buf_printf(r->error, "%s: more than one storage policy has 'default = yes'", conf_path(r->conf));
            return -EINVAL;
        }
        ps->fallback = &ps->v[i];
    }
    if (ps->fallback)
        return 0;
    buf_printf(r->error, "%s: no usable default storage policy: give one of them 'default = yes'",
               conf_path(r->conf));
    return -EINVAL;
}

int policies_read(struct conf *conf, struct policies *ret, struct buf *error)
{
    struct policies ps = {0};
    struct reader r = {.conf = conf, .out = &ps, .error = error};
    conf_each_section(conf, read_section, &r);
    if (!r.err && ps.n == 0) {
        ps.v = xcalloc(1, sizeof(*ps.v));
        ps.n = 1;
        ps.v[0].name = xstrdup("Policy-0");
        ps.v[0].ec_duplication = 1;
        set_aliases(&ps.v[0], NULL);
    }
    if (!r.err) {
        qsort(ps.v, ps.n, sizeof(*ps.v), by_index);
        if (ps.v[0].index != 0) {
            buf_printf(error, "%s: there must be a [storage-policy:0]", conf_path(conf));
            r.err = -EINVAL;
        }
    }
    if (!r.err)
        r.err = choose_default(&r);
    if (r.err) {
        policies_release(&ps);
        return r.err;
    }
    *ret = ps;
    return 0;
}

void policies_release(struct policies *ps)
{
    for (size_t i = 0; i < ps->n; i++) {
        for (const char **a = ps->v[i].aliases; a && *a; a++)
            free((char *)*a);
        free(ps->v[i].aliases);
        free((char *)ps->v[i].name);
        free((char *)ps->v[i].ec_type);
    }
    free(ps->v);
    *ps = (struct policies){0};
}

const struct policy *policy_by_index(const struct policies *ps, int index)
{
    for (size_t i = 0; i < ps->n; i++)
        if (ps->v[i].index == index)
            return &ps->v[i];
    return NULL;
}

const struct policy *policy_by_header(const struct policies *ps, struct str value)
{
    uint64_t index = 0;
    value = str_trim(value);
    if (value.n && (str_to_u64(value, &index) || index > INT32_MAX))
        return NULL;
    return policy_by_index(ps, (int)index);
}

const struct policy *policy_by_name(const struct policies *ps, struct str name)
{
    for (size_t i = 0; i < ps->n; i++) {
        if (str_ieq(str_from(ps->v[i].name), name))
            return &ps->v[i];
        for (const char **a = ps->v[i].aliases; a && *a; a++)
            if (str_ieq(str_from(*a), name))
                return &ps->v[i];
    }
    return NULL;
}

const char *policy_dir(const char *base, int index, char out[POLICY_DIR_SIZE])
{
    if (index == 0)
        snprintf(out, POLICY_DIR_SIZE, "%s", base);
    else
        snprintf(out, POLICY_DIR_SIZE, "%s-%d", base, index);
    return out;
}
