/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container_update.h"

#include <errno.h>

#include "db/db_replicate.h"

static bool parse_row(struct arena *a, const json_t *object, struct object_row *row)
{
    *row = (struct object_row){.name = db_json_text(a, json_object_get(object, "name")),
                               .created_at = db_json_text(a, json_object_get(object, "created_at")),
                               .size = db_json_int(json_object_get(object, "size"), NULL),
                               .content_type = db_json_text(a, json_object_get(object, "content_type")),
                               .etag = db_json_text(a, json_object_get(object, "etag")),
                               .deleted = db_json_int(json_object_get(object, "deleted"), NULL) != 0,
                               .policy = db_json_int(json_object_get(object, "storage_policy_index"), NULL),
                               .ctype_timestamp = db_json_text(a, json_object_get(object, "ctype_timestamp")),
                               .meta_timestamp = db_json_text(a, json_object_get(object, "meta_timestamp")),
                               .rowid = db_json_int(json_object_get(object, "ROWID"), NULL)};
    struct timestamp t[3];
    return row->name.p && timestamp_decode(row->created_at, t, NULL) == 0;
}

int container_update_rows(struct arena *a, const json_t *list, struct object_row **ret, size_t *ret_n)
{
    size_t n = json_array_size(list);
    struct object_row *rows = arena_alloc(a, (n ? n : 1) * sizeof(*rows));

    if (!json_is_array(list))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!parse_row(a, json_array_get(list, i), &rows[i]))
            return -EINVAL;
    *ret = rows;
    *ret_n = n;
    return 0;
}

int container_update_parse(struct arena *a, struct str json, struct object_row **ret, size_t *ret_n,
                           struct buf *error)
{
    json_error_t why;
    json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_ALLOW_NUL, &why);

    if (!root) {
        buf_printf(error, "%s: line %d column %d", why.text, why.line, why.column);
        return -EINVAL;
    }
    int err = container_update_rows(a, root, ret, ret_n);
    if (err)
        buf_puts(error, "Not a list of rows with names and timestamps");
    json_decref(root);
    return err;
}
