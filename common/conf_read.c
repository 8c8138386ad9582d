/* SPDX-License-Identifier: Apache-2.0
 *
 * conf_read.c: options into fields of a struct, by a table. See conf.h.
 */
#include "common/conf.h"

#include <errno.h>
#include <math.h>

/* Fills the field from text; 0, or -EINVAL: `wrong` then says what the text is not. */
typedef int reader_fn(const struct conf_option *o, struct str text, void *field, struct buf *wrong);

static int read_string(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    *(const char **)field = text.p;
    return 0;
}

static int read_bool(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    static const struct str no[] = {STR_INIT("false"), STR_INIT("0"), STR_INIT("no"),   STR_INIT("off"),
                                    STR_INIT("f"),     STR_INIT("n"), STR_INIT("none"), STR_INIT("")};
    bool *v = field;
    if (str_is_true(text)) {
        *v = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (str_ieq(text, no[i])) {
            *v = false;
            return 0;
        }
    buf_puts(wrong, "neither true nor false");
    return -EINVAL;
}

static int64_t highest(const struct conf_option *o)
{
    return o->min == 0 && o->max == 0 ? INT64_MAX : o->max;
}

static bool in_range(const struct conf_option *o, int64_t v)
{
    return v >= o->min && v <= highest(o);
}

static int not_in_range(const struct conf_option *o, const char *what, struct buf *wrong)
{
    if (highest(o) == INT64_MAX)
        buf_printf(wrong, "not %s of at least %lld", what, (long long)o->min);
    else
        buf_printf(wrong, "not %s between %lld and %lld", what, (long long)o->min, (long long)highest(o));
    return -EINVAL;
}

static int read_int(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    int64_t v;
    if (str_to_i64(text, &v) || !in_range(o, v))
        return not_in_range(o, "a whole number", wrong);
    *(int64_t *)field = v;
    return 0;
}

/* Takes the unit off the text; returns the number of bits it stands for. */
static int take_unit(struct str *text)
{
    static const struct str units = STR_INIT("kmgt");
    if (!text->n)
        return 0;
    char c = (char)(text->p[text->n - 1] | 0x20);
    ssize_t i = str_find(units, c);
    if (i < 0)
        return 0;
    *text = str_trim(str_slice(*text, 0, text->n - 1));
    return 10 * ((int)i + 1);
}

static int read_size(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    int64_t v;
    int bits = take_unit(&text);
    if (str_to_i64(text, &v) || __builtin_mul_overflow(v, INT64_C(1) << bits, &v) || !in_range(o, v))
        return not_in_range(o, "a number of bytes (such as 123, 64K, 5M, 2G)", wrong);
    *(int64_t *)field = v;
    return 0;
}

static int read_seconds(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    double v;
    if (!str_to_double(text, &v) && fabs(v) < 1e15 && in_range(o, llround(v * 1000))) {
        *(int64_t *)field = llround(v * 1000);
        return 0;
    }
    if (highest(o) == INT64_MAX)
        buf_printf(wrong, "not a number of seconds of at least %g", (double)o->min / 1000);
    else
        buf_printf(wrong, "not a number of seconds between %g and %g", (double)o->min / 1000,
                   (double)highest(o) / 1000);
    return -EINVAL;
}

static int read_percent_or_bytes(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    struct conf_reserve r;
    uint64_t bytes;
    r.is_percent = str_ends(text, STR("%"));
    if (r.is_percent) {
        if (!str_to_double(str_trim(str_slice(text, 0, text.n - 1)), &r.value) && r.value >= 0 &&
            r.value <= 100) {
            *(struct conf_reserve *)field = r;
            return 0;
        }
    } else if (!str_to_u64(text, &bytes)) {
        r.value = (double)bytes;
        *(struct conf_reserve *)field = r;
        return 0;
    }
    buf_puts(wrong, "neither a number of bytes nor a percentage such as 1%");
    return -EINVAL;
}

static int read_enum(const struct conf_option *o, struct str text, void *field, struct buf *wrong)
{
    for (int i = 0; o->words[i]; i++)
        if (str_ieq(text, str_from(o->words[i]))) {
            *(int *)field = i;
            return 0;
        }
    buf_puts(wrong, "not one of");
    for (int i = 0; o->words[i]; i++)
        buf_printf(wrong, "%s %s", i ? "," : "", o->words[i]);
    return -EINVAL;
}

static reader_fn *const readers[] = {
    [CONF_STRING] = read_string,   [CONF_BOOL] = read_bool,
    [CONF_INT] = read_int,         [CONF_SIZE] = read_size,
    [CONF_SECONDS] = read_seconds, [CONF_PERCENT_OR_BYTES] = read_percent_or_bytes,
    [CONF_ENUM] = read_enum,
};

static const size_t field_sizes[] = {
    [CONF_STRING] = sizeof(const char *),
    [CONF_BOOL] = sizeof(bool),
    [CONF_INT] = sizeof(int64_t),
    [CONF_SIZE] = sizeof(int64_t),
    [CONF_SECONDS] = sizeof(int64_t),
    [CONF_PERCENT_OR_BYTES] = sizeof(struct conf_reserve),
    [CONF_ENUM] = sizeof(int),
};

static int read_option(struct conf *c, const char *section, const struct conf_option *o, void *field,
                       struct buf *error)
{
    struct buf wrong;
    const char *text = conf_get(c, section, o->name);
    if (!text)
        text = o->fallback;
    if (!text) {
        memset(field, 0, field_sizes[o->type]);
        return 0;
    }
    buf_init(&wrong, 1024);
    int err = readers[o->type](o, str_from(text), field, &wrong);
    if (err)
        buf_printf(error, "%s: [%s] %s = '%s': %.*s", conf_path(c), section, o->name, text,
                   STR_ARG(buf_view(&wrong)));
    buf_release(&wrong);
    return err;
}

int conf_read(struct conf *c, const char *section, const struct conf_option *table, void *into,
              struct buf *error)
{
    for (const struct conf_option *o = table; o->name; o++) {
        int err = read_option(c, section, o, (char *)into + o->offset, error);
        if (err)
            return err;
    }
    return 0;
}
