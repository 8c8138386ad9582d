/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_file.h: the format of *.ring.gz. Reads versions 1 and 2, writes version 1.
 *
 * Version 1, after inflating: "R1NG", u16 1, u32 length, JSON object, then rows of u16 device ids; the two numbers are
 * big-endian, the rows in the order that "byteorder" names. Version 2: "R1NG", u16 2, then blobs of u64 length and data
 * for metadata, devices and assignments, found by an index of offsets and digests at the end. Version 0 was a pickle.
 *
 * The reader is stricter than Python's: checksum and length of the gzip trailer, one member with nothing behind it, every
 * row but the last complete, the last not empty, every id that of a device, nothing behind the table. What it accepts can
 * be looked up without any further check.
 */
#ifndef RING_RING_FILE_H
#define RING_RING_FILE_H

#include "ring/ring.h"

/* Most bytes of a ring file, and of its content. Python needs several times as much memory for such a ring. */
#define RING_FILE_MAX    ((size_t)1 << 30)
#define RING_CONTENT_MAX ((size_t)4 << 30)

struct ring_data {
    int format;               /* version of the file: 1 or 2 (read only) */
    unsigned id_bytes;        /* of a device id in the file: 2 or 4 (read only) */
    uint32_t part_power;      /* 0 .. 32 */
    int next_part_power;      /* -1: absent */
    int64_t version;          /* of the builder; -1: absent */
    struct ring_device *devs; /* devs[i].id == i; a hole has device == NULL */
    uint32_t dev_count;
    uint32_t *table;  /* rows back to back, each 2^part_power ids but the last, which may be shorter */
    uint64_t entries; /* ids in the table */
    size_t rows;
    struct arena *arena; /* holds devs and their strings */
    char md5[33];        /* of the file's bytes; "" if not read from a file */
};

/* Entries of one row. */
uint64_t ring_data_row_length(const struct ring_data *data, size_t row);
void ring_data_release(struct ring_data *data); /* a zeroed struct is fine */

/* 0, or -errno with a sentence in `error` (may be NULL) that starts with the path: see ring_load(). */
int ring_file_read(const char *path, struct ring_data *ret, struct buf *error);
/* The same from a file's bytes; `name` stands for the path in sentences. */
int ring_file_parse(struct str bytes, const char *name, struct ring_data *ret, struct buf *error);

/* Appends version 1 in a gzip member whose name field is `name`. Equal content gives equal bytes: level 9, a fixed time.
 * The JSON is Python's json.dumps(sort_keys=True) byte for byte. -EINVAL for more than 65535 devices. */
int ring_file_serialize(const struct ring_data *data, const char *name, struct buf *ret);
/* Writes the file: whole and durable or not at all; mode 0644. -errno with a sentence in `error`. */
int ring_file_write(const char *path, const struct ring_data *data, struct buf *error);

/* Appends a float as Python prints it: the shortest digits that read back the same, "1.0", "1e+16". */
void ring_python_float(struct buf *b, double value);

#endif
