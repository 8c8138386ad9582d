/* SPDX-License-Identifier: Apache-2.0
 *
 * conf.h: Swift's configuration files: INI as Python's ConfigParser and PasteDeploy read them. A path is a file
 * or a folder of *.conf files read in order of name (conf.d). '=' or ':' between an option and its value, which is
 * stripped; lines starting with # or ; are comments, nothing else is; a line indented deeper than its option goes
 * on with the value. A section or an option written twice in one file is an error.
 *
 * Names of options are lower-cased, but not in PasteDeploy's sections ([app:], [filter:], [pipeline:],
 * [composite:]), where Swift has names that depend on case (tempauth's user64_*).
 *
 * [DEFAULT] options show through in every section. A section's own "NAME = value" overrides them, except in
 * PasteDeploy's sections: there only "set NAME = value" does, and the plain line is ignored, as in Swift
 * (conf_warn_unused tells).
 *
 * %(name)s is replaced by another option of the section, by %(here)s, the folder, or by %(__file__)s. In the
 * sections of swift.conf (swift-hash, swift-constraints, storage-policy:N) and after conf_load_strict, "%%" is "%"
 * and a lone % an error; elsewhere that is so only in values that contain "%(", and "1%" is "1%" (Swift's
 * NicerInterpolation).
 *
 * A program describes what it understands as a table of struct conf_option and reads a whole section into a
 * struct at once: wrong values are errors that name file, section and option; what nobody asked for is
 * reported by conf_warn_unused().
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/buf.h"

struct conf;

enum conf_type {
    CONF_STRING,           /* const char *: lives as long as the conf; NULL if absent and no default */
    CONF_BOOL,             /* bool: Swift's truth words, or false, 0, no, off, f, n, none or nothing at all */
    CONF_INT,              /* int64_t, within min .. max */
    CONF_SIZE,             /* int64_t bytes: 123, 64K, 5M, 2G (powers of 1024) */
    CONF_SECONDS,          /* int64_t milliseconds, from a number of seconds such as 0.5; min, max in ms */
    CONF_PERCENT_OR_BYTES, /* struct conf_reserve: "1%" or bytes (fallocate_reserve) */
    CONF_ENUM,             /* int: index in the NULL-terminated `words` */
};

struct conf_reserve {
    double value;
    bool is_percent;
};

struct conf_option {
    const char *name;
    enum conf_type type;
    size_t offset;            /* of the field in the struct */
    const char *fallback;     /* text of the default, NULL: field is zero */
    int64_t min, max;         /* CONF_INT, SIZE, SECONDS; both 0: any value >= 0 */
    const char *const *words; /* CONF_ENUM */
};

/* 0; -errno with a sentence in `error` that names the file and, for syntax, the line. */
int conf_load(const char *path, struct conf **ret, struct buf *error);
/* The same with the strict rule for % in every section: container-sync-realms.conf. */
int conf_load_strict(const char *path, struct conf **ret, struct buf *error);
void conf_free(struct conf *c);
const char *conf_path(const struct conf *c);

bool conf_has_section(const struct conf *c, const char *section);
/* Calls fn for each section but DEFAULT, in order of the file. */
void conf_each_section(const struct conf *c, void (*fn)(const char *section, void *arg), void *arg);
/* The value with [DEFAULT] behind it, or NULL. Marks it as used. */
const char *conf_get(struct conf *c, const char *section, const char *option);
/* Calls fn for each option written in the section itself (user_* of tempauth). Marks them used if fn
 * returns true. */
void conf_each_option(struct conf *c, const char *section,
                      bool (*fn)(const char *option, const char *value, void *arg), void *arg);
/* Fills `into` from the table (ended by an entry with name NULL). 0, or -EINVAL with a sentence such as
 * "/etc/swift/object-server.conf: [DEFAULT] bind_port = 'x': not a whole number between 1 and 65535". */
int conf_read(struct conf *c, const char *section, const struct conf_option *table, void *into,
              struct buf *error);
/* Logs a warning for every option nobody read in the sections that were read from (a file also serves other
 * programs, in sections of their own), and for DEFAULTs nobody read; returns their number. */
int conf_warn_unused(struct conf *c);

#endif
