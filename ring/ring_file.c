/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/ring_file.h"

#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/alloc.h"
#include "common/digest.h"
#include "common/file.h"

#define JSON_MAX ((size_t)64 << 20)

/* What the parsing functions share. */
struct reader {
    const char *name;
    struct buf *error;
    struct ring_data data;
};

static int fail(struct reader *r, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct reader *r, int err, const char *format, ...)
{
    if (r->error) {
        va_list args;
        va_start(args, format);
        buf_printf(r->error, "%s: ", r->name);
        buf_vprintf(r->error, format, args);
        va_end(args);
    }
    return err;
}

static int fail_errno(struct reader *r, int err)
{
    char text[128];
    return fail(r, err, "%s", strerror_r(-err, text, sizeof(text)));
}

void ring_data_release(struct ring_data *data)
{
    arena_free(data->arena);
    free(data->table);
    memset(data, 0, sizeof(*data));
}

uint64_t ring_data_row_length(const struct ring_data *data, size_t row)
{
    uint64_t parts = (uint64_t)1 << data->part_power;
    if (row >= data->rows)
        return 0;
    return row + 1 < data->rows ? parts : data->entries - parts * (data->rows - 1);
}

/* --- gzip ------------------------------------------------------------------------------------------------ */

static int inflate_all(struct reader *r, z_stream *z, struct buf *content)
{
    int status = Z_OK;
    while (status == Z_OK) {
        size_t room = 256 * 1024;
        char *to = buf_reserve(content, room);
        if (!to)
            return fail(r, -EFBIG, "the ring is larger than %zu MiB", RING_CONTENT_MAX >> 20);
        z->next_out = (unsigned char *)to;
        z->avail_out = (unsigned)room;
        status = inflate(z, Z_NO_FLUSH);
        content->n += room - z->avail_out;
    }
    if (status == Z_BUF_ERROR)
        return fail(r, -EBADMSG, "the file is cut short: copy it again");
    if (status != Z_STREAM_END)
        return fail(r, -EBADMSG, "damaged gzip data (%s): copy it again", z->msg ? z->msg : "not gzip");
    if (z->avail_in > 0)
        return fail(r, -EBADMSG, "%u bytes behind the end of the gzip data", z->avail_in);
    return 0;
}

/* zlib checks the CRC-32 and the length of the trailer. */
static int gunzip(struct reader *r, struct str bytes, struct buf *content)
{
    if (bytes.n < 2 || (uint8_t)bytes.p[0] != 0x1f || (uint8_t)bytes.p[1] != 0x8b)
        return fail(r, -EBADMSG, "not a gzip file, so not a ring");
    if (bytes.n > RING_FILE_MAX)
        return fail(r, -EFBIG, "the ring file is larger than %zu MiB", RING_FILE_MAX >> 20);
    z_stream z = {.next_in = (unsigned char *)bytes.p, .avail_in = (unsigned)bytes.n};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return fail_errno(r, -ENOMEM);
    int err = inflate_all(r, &z, content);
    inflateEnd(&z);
    return err;
}

/* --- JSON of metadata and devices --------------------------------------------------------------------- */

static json_t *load_json(struct reader *r, struct str text, const char *what)
{
    json_error_t e;
    json_t *json = text.n <= JSON_MAX ? json_loadb(text.p ? text.p : "", text.n, 0, &e) : NULL;
    if (!json && text.n > JSON_MAX)
        fail(r, -EINVAL, "%s of %zu bytes is too large", what, text.n);
    else if (!json)
        fail(r, -EINVAL, "%s is not JSON: %s at byte %d", what, e.text, e.position);
    return json;
}

/* An integer in min .. max. Absent or null: `fallback` if that is allowed. */
static int get_int(json_t *object, const char *key, bool required, int64_t min, int64_t max, int64_t fallback,
                   int64_t *ret)
{
    json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v)) {
        *ret = fallback;
        return required ? -EINVAL : 0;
    }
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return -EINVAL;
    *ret = json_integer_value(v);
    return 0;
}

/* A string, copied; fallback NULL: required. */
static const char *get_text(struct arena *a, json_t *object, const char *key, const char *fallback)
{
    json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v))
        return fallback;
    if (!json_is_string(v))
        return NULL;
    return arena_str(a, str_of(json_string_value(v), json_string_length(v))).p;
}

static int read_weight(json_t *object, double *ret)
{
    json_t *v = json_object_get(object, "weight");
    if (v && !json_is_number(v))
        return -EINVAL;
    *ret = v ? json_number_value(v) : 0;
    return 0;
}

/* Old rings have no region, no meta and no replication address: upstream's defaults. */
static int read_device(struct reader *r, json_t *object, uint32_t index)
{
    struct ring_device *d = &r->data.devs[index];
    struct arena *a = r->data.arena;
    int64_t id, port, replication_port;
    const char *bad = NULL;
    if (!json_is_object(object))
        return fail(r, -EINVAL, "device %u is neither an object nor null", index);
    if (get_int(object, "id", true, index, index, 0, &id) < 0)
        bad = "id";
    else if (get_int(object, "region", false, INT64_MIN, INT64_MAX, 1, &d->region) < 0)
        bad = "region";
    else if (get_int(object, "zone", true, INT64_MIN, INT64_MAX, 0, &d->zone) < 0)
        bad = "zone";
    else if (!(d->ip = get_text(a, object, "ip", NULL)))
        bad = "ip";
    else if (get_int(object, "port", true, 0, 65535, 0, &port) < 0)
        bad = "port";
    else if (!(d->replication_ip = get_text(a, object, "replication_ip", d->ip)))
        bad = "replication_ip";
    else if (get_int(object, "replication_port", false, 0, 65535, port, &replication_port) < 0)
        bad = "replication_port";
    else if (!(d->meta = get_text(a, object, "meta", "")))
        bad = "meta";
    else if (read_weight(object, &d->weight) < 0)
        bad = "weight";
    else if (!(d->device = get_text(a, object, "device", NULL)))
        bad = "device";
    if (bad) {
        d->device = NULL;
        return fail(r, -EINVAL, "device %u has no valid \"%s\"", index, bad);
    }
    d->id = index;
    d->port = (uint16_t)port;
    d->replication_port = (uint16_t)replication_port;
    return 0;
}

static int read_devices(struct reader *r, json_t *list)
{
    if (!json_is_array(list) || json_array_size(list) >= UINT32_MAX)
        return fail(r, -EINVAL, "the list of devices is missing");
    r->data.arena = arena_new();
    r->data.dev_count = (uint32_t)json_array_size(list);
    r->data.devs = arena_zalloc(r->data.arena, (r->data.dev_count + (size_t)1) * sizeof(*r->data.devs));
    for (uint32_t i = 0; i < r->data.dev_count; i++) {
        r->data.devs[i].id = i;
        json_t *object = json_array_get(list, i);
        int err = json_is_null(object) ? 0 : read_device(r, object, i);
        if (err < 0)
            return err;
    }
    return 0;
}

/* The numbers that both versions have. */
static int read_metadata(struct reader *r, json_t *meta)
{
    int64_t shift, next;
    if (!json_is_object(meta))
        return fail(r, -EINVAL, "the metadata is not a JSON object");
    if (get_int(meta, "part_shift", true, 0, 32, 0, &shift) < 0)
        return fail(r, -EINVAL, "\"part_shift\" is not a whole number between 0 and 32");
    if (get_int(meta, "version", false, 0, INT64_MAX, -1, &r->data.version) < 0)
        return fail(r, -EINVAL, "\"version\" is not a whole number");
    if (get_int(meta, "next_part_power", false, 0, 33, -1, &next) < 0)
        return fail(r, -EINVAL, "\"next_part_power\" is not a whole number up to 33");
    r->data.part_power = (uint32_t)(32 - shift);
    r->data.next_part_power = (int)next;
    return 0;
}

/* --- the table --------------------------------------------------------------------------------------------- */

static uint32_t read_id(const char *p, unsigned id_bytes, bool big_endian)
{
    if (id_bytes == 2) {
        uint16_t v;
        memcpy(&v, p, 2);
        return big_endian ? be16toh(v) : le16toh(v);
    }
    uint32_t v;
    memcpy(&v, p, 4);
    return big_endian ? be32toh(v) : le32toh(v);
}

static int check_id(struct reader *r, uint64_t i, uint32_t id)
{
    const struct ring_data *d = &r->data;
    if (id < d->dev_count && d->devs[id].device)
        return 0;
    return fail(r, -EBADMSG, "partition %llu, row %llu: there is no device %u",
                (unsigned long long)(i & (((uint64_t)1 << d->part_power) - 1)),
                (unsigned long long)(i >> d->part_power), id);
}

/* `rows` of 2^part_power ids each, the last maybe shorter; rows == 0: no assignments. The bytes are there, so what
 * is allocated is at most twice their number. */
static int read_table(struct reader *r, struct str bytes, uint64_t rows, bool big_endian)
{
    struct ring_data *d = &r->data;
    uint64_t parts = (uint64_t)1 << d->part_power;
    d->entries = bytes.n / d->id_bytes;
    if (bytes.n % d->id_bytes != 0)
        return fail(r, -EBADMSG, "the table ends in the middle of a device id");
    if (rows == 0 && d->entries > 0)
        return fail(r, -EBADMSG, "there is a table although there are no replicas");
    if (rows == 0)
        return 0;
    if (d->entries < parts || d->entries / parts < rows - 1 || d->entries <= parts * (rows - 1))
        return fail(r, -EBADMSG, "the table has only %llu of the entries of %llu rows of %llu partitions",
                    (unsigned long long)d->entries, (unsigned long long)rows, (unsigned long long)parts);
    if (d->entries > parts * rows)
        return fail(r, -EBADMSG, "%llu bytes behind the table",
                    (unsigned long long)((d->entries - parts * rows) * d->id_bytes));
    d->rows = rows;
    d->table = xmalloc(d->entries * sizeof(*d->table));
    for (uint64_t i = 0; i < d->entries; i++) {
        d->table[i] = read_id(bytes.p + i * d->id_bytes, d->id_bytes, big_endian);
        int err = check_id(r, i, d->table[i]);
        if (err < 0)
            return err;
    }
    return 0;
}

/* --- version 1 --------------------------------------------------------------------------------------------- */

static int read_v1_json(struct reader *r, json_t *json, struct str table)
{
    int64_t rows;
    int err = read_metadata(r, json);
    if (err == 0)
        err = read_devices(r, json_object_get(json, "devs"));
    if (err < 0)
        return err;
    if (get_int(json, "replica_count", true, 0, INT32_MAX, 0, &rows) < 0)
        return fail(r, -EINVAL, "\"replica_count\" is not a whole number");
    json_t *order = json_object_get(json, "byteorder");
    const char *word = order ? json_string_value(order) : "little";
    if (!word || (strcmp(word, "little") != 0 && strcmp(word, "big") != 0))
        return fail(r, -EINVAL, "\"byteorder\" is neither \"little\" nor \"big\"");
    return read_table(r, table, (uint64_t)rows, word[0] == 'b');
}

static int read_v1(struct reader *r, struct str body)
{
    uint32_t length;
    if (body.n < sizeof(length))
        return fail(r, -EBADMSG, "the ring ends within its header");
    memcpy(&length, body.p, sizeof(length));
    length = be32toh(length);
    if (length > body.n - sizeof(length))
        return fail(r, -EBADMSG, "the ring ends within its JSON");
    r->data.format = 1;
    r->data.id_bytes = 2;
    json_t *json = load_json(r, str_slice(body, 4, 4 + (size_t)length), "the description");
    if (!json)
        return -EINVAL;
    int err = read_v1_json(r, json, str_slice(body, 4 + (size_t)length, body.n));
    json_decref(json);
    return err;
}

/* --- version 2 --------------------------------------------------------------------------------------------- */

static uint64_t read_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

/* The data of the blob whose length stands at `at`. */
static int read_blob(struct reader *r, struct str content, uint64_t at, struct str *ret)
{
    if (content.n < 8 || at > content.n - 8)
        return fail(r, -EBADMSG, "a section lies outside of the ring");
    uint64_t length = read_u64(content.p + at);
    if (length > content.n - 8 - at)
        return fail(r, -EBADMSG, "the ring ends within a section");
    *ret = str_of(content.p + at + 8, length);
    return 0;
}

static int digest_kind_of(const char *word, enum digest_kind *ret)
{
    static const char *const words[] = {"md5", "sha1", "sha256", "sha512"};
    static const enum digest_kind kinds[] = {DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret = kinds[i];
            return 0;
        }
    }
    return -EINVAL;
}

/* One entry of the index: [comp_start, raw_start, comp_end, raw_end, method, hex digest over length and data]. The
 * compressed offsets are for readers that seek; this one has inflated everything. */
static int read_section(struct reader *r, struct str content, json_t *index, const char *section,
                        struct str *ret)
{
    json_t *entry = json_object_get(index, section);
    if (!entry || json_array_size(entry) != 6)
        return fail(r, -EBADMSG, "section %s is missing in the index", section);
    json_int_t start = json_integer_value(json_array_get(entry, 1));
    json_int_t end = json_integer_value(json_array_get(entry, 3));
    const char *method = json_string_value(json_array_get(entry, 4));
    const char *want = json_string_value(json_array_get(entry, 5));
    enum digest_kind kind;
    if (start <= 0 || !method || !want || digest_kind_of(method, &kind) < 0)
        return fail(r, -EBADMSG, "the index entry of section %s is wrong", section);
    struct str data;
    int err = read_blob(r, content, (uint64_t)start, &data);
    if (err < 0)
        return err;
    if (end < start || (uint64_t)(end - start) != data.n + 8)
        return fail(r, -EBADMSG, "section %s has another length than its index entry", section);
    char hex[DIGEST_HEX_SIZE];
    struct digest *d = digest_new(kind);
    digest_update(d, data.p - 8, data.n + 8);
    digest_final_hex(d, hex);
    digest_free(d);
    if (strcmp(hex, want) != 0)
        return fail(r, -EBADMSG, "section %s does not match its checksum", section);
    *ret = data;
    return 0;
}

static int read_v2_metadata(struct reader *r, struct str text)
{
    json_t *json = load_json(r, text, "the metadata");
    if (!json)
        return -EINVAL;
    int64_t id_bytes;
    int err = read_metadata(r, json);
    if (err == 0 && (get_int(json, "dev_id_bytes", true, 2, 4, 0, &id_bytes) < 0 || id_bytes == 3))
        err = fail(r, -EINVAL, "\"dev_id_bytes\" is neither 2 nor 4");
    if (err == 0)
        r->data.id_bytes = (unsigned)id_bytes;
    json_decref(json);
    return err;
}

static int read_v2_devices(struct reader *r, struct str text)
{
    json_t *json = load_json(r, text, "the list of devices");
    if (!json)
        return -EINVAL;
    int err = read_devices(r, json);
    json_decref(json);
    return err;
}

static int read_v2_sections(struct reader *r, struct str content, json_t *index)
{
    struct str meta, devices, table;
    int err = read_section(r, content, index, "swift/ring/metadata", &meta);
    if (err == 0)
        err = read_section(r, content, index, "swift/ring/devices", &devices);
    if (err == 0)
        err = read_section(r, content, index, "swift/ring/assignments", &table);
    if (err == 0)
        err = read_v2_metadata(r, meta);
    if (err == 0)
        err = read_v2_devices(r, devices);
    if (err < 0)
        return err;
    uint64_t parts = (uint64_t)1 << r->data.part_power;
    uint64_t entries = table.n / r->data.id_bytes;
    return read_table(r, table, (entries + parts - 1) / parts, true);
}

/* The content ends with the raw and the compressed offset of the index blob. */
static int read_v2(struct reader *r, struct str content)
{
    struct str text;
    r->data.format = 2;
    if (content.n < 6 + 16)
        return fail(r, -EBADMSG, "the ring ends within its header");
    int err = read_blob(r, content, read_u64(content.p + content.n - 16), &text);
    if (err < 0)
        return err;
    json_t *index = load_json(r, text, "the index");
    if (!index)
        return -EINVAL;
    err = read_v2_sections(r, content, index);
    json_decref(index);
    return err;
}

/* --- all --------------------------------------------------------------------------------------------------- */

static int read_content(struct reader *r, struct str content)
{
    if (content.n >= 1 && ((uint8_t)content.p[0] == 0x80 || content.p[0] == '('))
        return fail(r, -ENOTSUP,
                    "a ring of the old pickled format (version 0): rewrite it with 'write_ring' of a newer "
                    "swift-ring-builder, or from its builder with martlet-ring");
    if (content.n < 6 || memcmp(content.p, "R1NG", 4) != 0)
        return fail(r, -EBADMSG, "not a ring: it does not start with R1NG");
    unsigned version = read_id(content.p + 4, 2, true);
    if (version == 1)
        return read_v1(r, str_slice(content, 6, content.n));
    if (version == 2)
        return read_v2(r, content);
    return fail(r, -ENOTSUP, "ring format version %u is unknown: this program reads 1 and 2", version);
}

int ring_file_parse(struct str bytes, const char *name, struct ring_data *ret, struct buf *error)
{
    struct reader r = {.name = name, .error = error};
    struct buf content;
    buf_init(&content, RING_CONTENT_MAX);
    int err = gunzip(&r, bytes, &content);
    if (err == 0)
        err = read_content(&r, buf_view(&content));
    buf_release(&content);
    if (err < 0) {
        ring_data_release(&r.data);
        return err;
    }
    md5_hex(bytes, r.data.md5);
    *ret = r.data;
    return 0;
}

int ring_file_read(const char *path, struct ring_data *ret, struct buf *error)
{
    struct buf bytes;
    buf_init(&bytes, RING_FILE_MAX);
    int err = file_read(path, &bytes);
    if (err == 0) {
        err = ring_file_parse(buf_view(&bytes), path, ret, error);
    } else {
        struct reader r = {.name = path, .error = error};
        fail_errno(&r, err);
    }
    buf_release(&bytes);
    return err;
}
