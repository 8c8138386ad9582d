/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_update.h"

#include <errno.h>
#include <jansson.h>

static struct str text_of(struct arena *a, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? arena_str(a, str_of(json_string_value(v), json_string_length(v))) : STR_NONE;
}

/* A number, or a number as text, as rows that went through Python may have it. */
static int64_t int_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    int64_t n = 0;

    if (json_is_string(v))
        str_to_i64(str_of(json_string_value(v), json_string_length(v)), &n);
    else if (json_is_integer(v))
        n = json_integer_value(v);
    else if (json_is_true(v))
        n = 1;
    return n;
}

static bool parse_row(struct arena *a, const json_t *object, struct object_row *row)
{
    *row = (struct object_row){.name = text_of(a, object, "name"),
                               .created_at = text_of(a, object, "created_at"),
                               .size = int_of(object, "size"),
                               .content_type = text_of(a, object, "content_type"),
                               .etag = text_of(a, object, "etag"),
                               .deleted = int_of(object, "deleted") != 0,
                               .policy = int_of(object, "storage_policy_index"),
                               .ctype_timestamp = text_of(a, object, "ctype_timestamp"),
                               .meta_timestamp = text_of(a, object, "meta_timestamp"),
                               .rowid = int_of(object, "ROWID")};
    struct timestamp t[3];
    return row->name.p && timestamp_decode(row->created_at, t, NULL) == 0;
}

int container_update_parse(struct arena *a, struct str json, struct object_row **ret, size_t *ret_n,
                           struct buf *error)
{
    json_error_t why;
    json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_ALLOW_NUL, &why);
    int err = -EINVAL;

    if (!root) {
        buf_printf(error, "%s: line %d column %d", why.text, why.line, why.column);
        return err;
    }
    size_t n = json_array_size(root);
    struct object_row *rows = arena_alloc(a, (n ? n : 1) * sizeof(*rows));
    size_t i = 0;
    while (i < n && parse_row(a, json_array_get(root, i), &rows[i]))
        i++;
    if (!json_is_array(root)) {
        buf_puts(error, "Not a list of rows");
    } else if (i < n) {
        buf_printf(error, "Row %zu has no name or no timestamp", i);
    } else {
        *ret = rows;
        *ret_n = n;
        err = 0;
    }
    json_decref(root);
    return err;
}
