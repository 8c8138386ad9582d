/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing of version 1 (ring_file.h).
 */
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/file.h"
#include "common/json.h"
#include "ring/ring_file.h"

/* The time in the gzip header: upstream's constant, so that equal rings are equal files. */
#define GZIP_TIME 1300507380

/* Fixed notation between 1e-4 and 1e16, as Python's repr(). */
void ring_python_float(struct buf *b, double value)
{
    char text[64];
    int digits = 1;
    if (!isfinite(value)) {
        buf_puts(b, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    do {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        buf_puts(b, text);
        return;
    }
    int decimals = digits - 1 - exponent;
    buf_printf(b, "%.*f", decimals > 1 ? decimals : 1, value);
}

static void put_device(struct buf *b, const struct ring_device *d)
{
    buf_puts(b, "{\"device\": ");
    json_put_string(b, str_from(d->device));
    buf_printf(b, ", \"id\": %u, \"ip\": ", d->id);
    json_put_string(b, str_from(d->ip));
    buf_puts(b, ", \"meta\": ");
    json_put_string(b, str_from(d->meta));
    buf_printf(b, ", \"port\": %u, \"region\": %lld, \"replication_ip\": ", d->port, (long long)d->region);
    json_put_string(b, str_from(d->replication_ip));
    buf_printf(b, ", \"replication_port\": %u, \"weight\": ", d->replication_port);
    ring_python_float(b, d->weight);
    buf_printf(b, ", \"zone\": %lld}", (long long)d->zone);
}

static void put_json(struct buf *b, const struct ring_data *data)
{
    buf_puts(b, "{\"byteorder\": \"little\", \"devs\": [");
    for (uint32_t i = 0; i < data->dev_count; i++) {
        if (i > 0)
            buf_puts(b, ", ");
        if (data->devs[i].device)
            put_device(b, &data->devs[i]);
        else
            buf_puts(b, "null");
    }
    buf_puts(b, "]");
    if (data->next_part_power >= 0)
        buf_printf(b, ", \"next_part_power\": %d", data->next_part_power);
    buf_printf(b, ", \"part_shift\": %u, \"replica_count\": %zu", 32 - data->part_power, data->rows);
    if (data->version >= 0)
        buf_printf(b, ", \"version\": %lld", (long long)data->version);
    buf_puts(b, "}");
}

static int put_content(struct buf *b, const struct ring_data *data)
{
    struct buf json;
    buf_init(&json, UINT32_MAX);
    put_json(&json, data);
    int err = buf_error(&json);
    uint32_t length = htobe32((uint32_t)json.n);
    buf_append(b, "R1NG\0\1", 6);
    buf_append(b, &length, sizeof(length));
    buf_str(b, buf_view(&json));
    buf_release(&json);
    char *to = err == 0 && data->entries > 0 ? buf_reserve(b, data->entries * 2) : NULL;
    if (to) {
        for (uint64_t i = 0; i < data->entries; i++) {
            uint16_t id = htole16((uint16_t)data->table[i]);
            memcpy(to + i * 2, &id, 2);
        }
        b->n += data->entries * 2;
    }
    return err < 0 ? err : buf_error(b);
}

static int deflate_all(z_stream *z, struct buf *ret)
{
    int status = Z_OK;
    while (status == Z_OK) {
        size_t room = 256 * 1024;
        char *to = buf_reserve(ret, room);
        if (!to)
            return -EFBIG;
        z->next_out = (unsigned char *)to;
        z->avail_out = (unsigned)room;
        status = deflate(z, Z_FINISH);
        ret->n += room - z->avail_out;
    }
    return status == Z_STREAM_END ? 0 : -EIO;
}

static int gzip(struct str content, const char *name, struct buf *ret)
{
    if (content.n > UINT32_MAX)
        return -EFBIG;
    z_stream z = {.next_in = (unsigned char *)content.p, .avail_in = (unsigned)content.n};
    gz_header header = {.time = GZIP_TIME, .os = 255, .name = (unsigned char *)name};
    if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int err = deflateSetHeader(&z, &header) == Z_OK ? deflate_all(&z, ret) : -EIO;
    deflateEnd(&z);
    return err;
}

int ring_file_serialize(const struct ring_data *data, const char *name, struct buf *ret)
{
    if (data->dev_count > 65535)
        return -EINVAL;
    struct buf content;
    buf_init(&content, RING_CONTENT_MAX);
    int err = put_content(&content, data);
    if (err == 0)
        err = gzip(buf_view(&content), name, ret);
    buf_release(&content);
    return err;
}

/* The name in the gzip header, as Python's GzipFile has it: without folder and without ".gz". */
static void header_name(const char *path, char name[256])
{
    const char *slash = strrchr(path, '/');
    struct str base = str_from(slash ? slash + 1 : path);
    if (str_ends(base, STR(".gz")))
        base.n -= 3;
    snprintf(name, 256, "%.*s", STR_ARG(base));
}

int ring_file_write(const char *path, const struct ring_data *data, struct buf *error)
{
    struct buf bytes;
    char name[256], text[128];
    header_name(path, name);
    buf_init(&bytes, RING_FILE_MAX);
    int err = ring_file_serialize(data, name, &bytes);
    if (err == 0)
        err = file_replace(path, bytes.p, bytes.n, 0644);
    buf_release(&bytes);
    if (err == -EINVAL && error)
        buf_printf(error, "%s: %u devices do not fit in a ring of format version 1 (65535)", path,
                   data->dev_count);
    else if (err < 0 && error)
        buf_printf(error, "%s: cannot write the ring (%s): the file is as it was", path,
                   strerror_r(-err, text, sizeof(text)));
    return err;
}
