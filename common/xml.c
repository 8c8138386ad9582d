/* SPDX-License-Identifier: Apache-2.0
 *
 * xml.c: see xml.h.
 */
#include "common/xml.h"

/* What is written for c, or NULL for c itself. */
static const char *entity(char c, bool in_attribute, bool with_quot)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\n':
        return in_attribute ? "&#10;" : NULL;
    case '\r':
        return in_attribute ? "&#13;" : NULL;
    case '\t':
        return in_attribute ? "&#9;" : NULL;
    case '"':
        return with_quot ? "&quot;" : NULL;
    default:
        return NULL;
    }
}

static void escape(struct buf *b, struct str s, bool in_attribute, bool with_quot)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *e = entity(s.p[i], in_attribute, with_quot);
        if (!e)
            continue;
        buf_append(b, s.p + from, i - from);
        buf_puts(b, e);
        from = i + 1;
    }
    if (from < s.n)
        buf_append(b, s.p + from, s.n - from);
}

void xml_text(struct buf *b, struct str s)
{
    escape(b, s, false, false);
}

void xml_attribute(struct buf *b, struct str s)
{
    bool has_double = str_find(s, '"') >= 0, has_single = str_find(s, '\'') >= 0;
    char quote = has_double && !has_single ? '\'' : '"';
    buf_putc(b, quote);
    escape(b, s, true, has_double && has_single);
    buf_putc(b, quote);
}
