/* SPDX-License-Identifier: Apache-2.0
 *
 * conf_file.c: see conf_file.h. inih takes every indented line for a continuation, cuts long section names and
 * keeps silent about empty sections. So it reads from us: a section is noted here, a line is handed over with
 * no indentation or, if Python takes it for a continuation (indented deeper than its option), with one blank.
 */
#include "common/conf_file.h"

#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/file.h"

#define FILE_MAX ((size_t)4 * 1024 * 1024)

struct reader {
    const char *path;
    const struct conf_file_events *events;
    struct buf *error;
    int err;

    struct str text;  /* still to be read */
    unsigned line_no; /* of the line handed over last */
    bool in_section;
    bool continues;    /* the line goes on with the pending value */
    size_t indent;     /* of the last line that was no continuation */
    struct buf handed; /* the line for inih, of which `taken` bytes are gone */
    size_t taken;

    char *option; /* pending until its value is complete, or NULL */
    unsigned option_line;
    struct buf value;
};

/* Writes the sentence's beginning; the caller the rest. */
static void fail(struct reader *r, int err, unsigned line_no)
{
    r->err = err;
    buf_printf(r->error, "%s: line %u: ", r->path, line_no);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str strip(struct str s)
{
    while (s.n && is_blank(s.p[0]))
        s = str_slice(s, 1, s.n);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Reports the pending option. */
static void flush_option(struct reader *r)
{
    if (!r->option || r->err)
        return;
    struct str value = buf_view(&r->value);
    /* Its first line may be empty: Python keeps that line's end, but nothing behind the last one. */
    while (value.n && is_blank(value.p[value.n - 1]))
        value.n--;
    char *text = str_dup(value);
    struct buf why;
    buf_init(&why, 4096);
    int err = r->events->option(r->events->arg, r->option, text, &why);
    if (err) {
        fail(r, err, r->option_line);
        buf_str(r->error, buf_view(&why));
    }
    buf_release(&why);
    free(text);
    free(r->option);
    r->option = NULL;
}

static void start_section(struct reader *r, struct str line)
{
    ssize_t end = str_rfind(line, ']');
    flush_option(r);
    if (r->err)
        return;
    if (end < 2) {
        fail(r, -EINVAL, r->line_no);
        buf_puts(r->error, "not a [section]");
        return;
    }
    char *name = str_dup(str_slice(line, 1, (size_t)end));
    struct buf why;
    buf_init(&why, 4096);
    int err = r->events->section(r->events->arg, name, &why);
    if (err) {
        fail(r, err, r->line_no);
        buf_str(r->error, buf_view(&why));
    }
    buf_release(&why);
    free(name);
    r->in_section = true;
}

/* Decides what the line is and puts it into `handed`; nothing for blank lines and comments. */
static void classify(struct reader *r, struct str raw)
{
    struct str line = strip(raw);
    if (line.n == 0) {
        if (r->option)
            buf_putc(&r->value, '\n');
        return;
    }
    if (line.p[0] == '#' || line.p[0] == ';')
        return;
    size_t indent = (size_t)(line.p - raw.p);
    r->continues = r->option && indent > r->indent;
    if (r->continues) {
        buf_putc(&r->handed, ' ');
    } else {
        r->indent = indent;
        if (line.p[0] == '[') {
            start_section(r, line);
            line = STR("[section]"); /* makes inih forget the last option */
        } else if (!r->in_section) {
            fail(r, -EINVAL, r->line_no);
            buf_puts(r->error, "an option before the first [section]");
            return;
        }
    }
    buf_str(&r->handed, line);
    buf_putc(&r->handed, '\n');
}

/* For inih: fgets on what classify made. A long line is taken in pieces. */
static char *next_piece(char *to, int size, void *stream)
{
    struct reader *r = stream;
    while (r->taken == r->handed.n) {
        struct str line;
        buf_reset(&r->handed);
        r->taken = 0;
        if (r->err || !r->text.n)
            return NULL;
        str_cut(r->text, '\n', &line, &r->text);
        r->line_no++;
        classify(r, line);
        if (r->err)
            return NULL;
    }
    size_t n = r->handed.n - r->taken, room = (size_t)size - 1;
    n = n < room ? n : room;
    memcpy(to, r->handed.p + r->taken, n);
    to[n] = '\0';
    r->taken += n;
    return to;
}

/* Called by inih for "name = value" and for each line that goes on with one. Returns 0 on error. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    if (r->err)
        return 0;
    if (r->continues) {
        buf_putc(&r->value, '\n');
        buf_puts(&r->value, value);
        return 1;
    }
    flush_option(r);
    if (r->err)
        return 0;
    if (!*name) {
        fail(r, -EINVAL, r->line_no);
        buf_puts(r->error, "an option without a name");
        return 0;
    }
    r->option = xstrdup(name);
    r->option_line = r->line_no;
    buf_reset(&r->value);
    buf_puts(&r->value, value);
    return 1;
}

static void set_up_inih(void)
{
    ini_allow_multiline = true;
    ini_allow_bom = false;
    ini_allow_inline_comments = false;
    ini_allow_no_value = false;
    ini_stop_on_first_error = true;
    ini_use_stack = false;
    ini_allow_realloc = true;
    ini_max_line = (int)FILE_MAX + 16;
}

static void parse(struct reader *r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_inih);
    int bad_line = ini_parse_stream(next_piece, r, on_value, r);
    if (bad_line && !r->err) {
        fail(r, bad_line < 0 ? -ENOMEM : -EINVAL, r->line_no);
        buf_puts(r->error, bad_line < 0 ? "out of memory" : "neither [section] nor NAME = VALUE");
    }
    flush_option(r);
}

int conf_file_read(const char *path, const struct conf_file_events *events, struct buf *error)
{
    struct reader r = {.path = path, .events = events, .error = error};
    struct buf content;
    buf_init(&content, FILE_MAX);
    buf_init(&r.handed, FILE_MAX + 16);
    buf_init(&r.value, FILE_MAX + 16);
    r.err = file_read(path, &content);
    if (r.err) {
        char text[128];
        buf_printf(error, "%s: %s", path, strerror_r(-r.err, text, sizeof(text)));
    } else if (str_find(buf_view(&content), '\0') >= 0) {
        r.err = -EINVAL;
        buf_printf(error, "%s: a NUL byte in it", path);
    } else {
        r.text = buf_view(&content);
        parse(&r);
    }
    free(r.option);
    buf_release(&content);
    buf_release(&r.handed);
    buf_release(&r.value);
    return r.err;
}
