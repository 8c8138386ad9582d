/* SPDX-License-Identifier: Apache-2.0
 *
 * db_listing_writer.c: entries of a listing as text, JSON and XML, straight into the bytes of the answer (facts:
 * database 14.3).
 */
#include "common/json.h"
#include "common/xml.h"
#include "db/db_listing.h"

static bool is_xml(const struct db_listing_writer *w)
{
    return w->type == LISTING_XML || w->type == LISTING_TEXT_XML;
}

/* In the reference account listings have a line for each entry, container listings are one line. */
static const char *line_end(const struct db_listing_writer *w)
{
    return w->root[0] == 'a' ? "\n" : "";
}

void db_listing_begin(struct db_listing_writer *w, enum listing_type type, const char *root, struct str name,
                      struct buf *out)
{
    *w = (struct db_listing_writer){.type = type, .root = root, .out = out};
    if (type == LISTING_JSON) {
        buf_putc(out, '[');
    } else if (is_xml(w)) {
        buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s name=", root);
        xml_attribute(out, name);
        if (root[0] == 'a')
            buf_puts(out, ">\n");
    }
}

void db_listing_end(struct db_listing_writer *w)
{
    if (w->type == LISTING_JSON)
        buf_putc(w->out, ']');
    else if (is_xml(w) && w->n == 0 && w->root[0] == 'c')
        buf_puts(w->out, " />");
    else if (is_xml(w))
        buf_printf(w->out, "</%s>", w->root);
}

static void put_int(struct buf *out, int64_t v)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        digits[--at] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        digits[--at] = '-';
    buf_append(out, digits + at, sizeof(digits) - at);
}

/* Text writes the name, JSON opens an entry. */
static bool begin_entry(struct db_listing_writer *w, struct str name)
{
    bool first = w->n++ == 0;

    if (w->type == LISTING_TEXT) {
        buf_str(w->out, name);
        buf_putc(w->out, '\n');
        return false;
    }
    if (w->type == LISTING_JSON)
        buf_puts(w->out, first ? "{" : ", {");
    else if (first && w->root[0] == 'c')
        buf_putc(w->out, '>'); /* an empty container is one tag */
    return true;
}

static void element(struct buf *out, const char *tag, struct str text)
{
    if (text.n == 0) {
        buf_printf(out, "<%s />", tag);
        return;
    }
    buf_putc(out, '<');
    buf_puts(out, tag);
    buf_putc(out, '>');
    xml_text(out, text);
    buf_puts(out, "</");
    buf_puts(out, tag);
    buf_putc(out, '>');
}

static void element_int(struct buf *out, const char *tag, int64_t v)
{
    buf_putc(out, '<');
    buf_puts(out, tag);
    buf_putc(out, '>');
    put_int(out, v);
    buf_puts(out, "</");
    buf_puts(out, tag);
    buf_putc(out, '>');
}

void db_listing_container(struct db_listing_writer *w, struct str name, int64_t count, int64_t bytes,
                          struct str put_timestamp)
{
    struct buf *out = w->out;
    struct timestamp put = TIMESTAMP_ZERO;
    char iso[TIMESTAMP_ISO_SIZE];

    if (!begin_entry(w, name))
        return;
    timestamp_parse(put_timestamp, &put);
    timestamp_iso(put, iso);
    if (w->type == LISTING_JSON) {
        buf_puts(out, "\"name\": ");
        json_put_string(out, name);
        buf_puts(out, ", \"count\": ");
        put_int(out, count);
        buf_puts(out, ", \"bytes\": ");
        put_int(out, bytes);
        buf_puts(out, ", \"last_modified\": \"");
        buf_puts(out, iso);
        buf_puts(out, "\"}");
        return;
    }
    buf_puts(out, "<container>");
    element(out, "name", name);
    element_int(out, "count", count);
    element_int(out, "bytes", bytes);
    element(out, "last_modified", str_from(iso));
    buf_puts(out, "</container>");
    buf_puts(out, line_end(w));
}

void db_listing_object(struct db_listing_writer *w, struct str name, struct str hash, int64_t bytes,
                       struct str content_type, struct timestamp modified)
{
    struct buf *out = w->out;
    char iso[TIMESTAMP_ISO_SIZE];

    if (!begin_entry(w, name))
        return;
    timestamp_iso(modified, iso);
    if (w->type == LISTING_JSON) {
        buf_puts(out, "\"bytes\": ");
        put_int(out, bytes);
        buf_puts(out, ", \"hash\": ");
        json_put_string(out, hash);
        buf_puts(out, ", \"name\": ");
        json_put_string(out, name);
        buf_puts(out, ", \"content_type\": ");
        json_put_string(out, content_type);
        buf_puts(out, ", \"last_modified\": \"");
        buf_puts(out, iso);
        buf_puts(out, "\"}");
        return;
    }
    buf_puts(out, "<object>");
    element(out, "name", name);
    element(out, "hash", hash);
    element_int(out, "bytes", bytes);
    element(out, "content_type", content_type);
    element(out, "last_modified", str_from(iso));
    buf_puts(out, "</object>");
    buf_puts(out, line_end(w));
}

void db_listing_subdir(struct db_listing_writer *w, struct str name)
{
    struct buf *out = w->out;

    if (!begin_entry(w, name))
        return;
    if (w->type == LISTING_JSON) {
        buf_puts(out, "\"subdir\": ");
        json_put_string(out, name);
        buf_putc(out, '}');
        return;
    }
    buf_puts(out, "<subdir name=");
    xml_attribute(out, name);
    if (w->root[0] == 'a') {
        buf_puts(out, " />");
    } else {
        buf_putc(out, '>');
        element(out, "name", name);
        buf_puts(out, "</subdir>");
    }
    buf_puts(out, line_end(w));
}
