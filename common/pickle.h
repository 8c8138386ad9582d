/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle.h: reads and writes the few pickle opcodes that Swift's files use (facts: object 7, database 4, ring
 * 11). Never a general unpickler: only the listed globals, everything else is refused; nesting, memo and
 * allocation are bounded by the input's size.
 */
#ifndef COMMON_PICKLE_H
#define COMMON_PICKLE_H

#include "common/arena.h"
#include "common/buf.h"

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT, /* that fits int64 */
    PICKLE_FLOAT,
    PICKLE_TEXT,  /* unicode, as UTF-8 */
    PICKLE_BYTES, /* bytes (through _codecs.encode) and Python 2 strings */
    PICKLE_LIST,
    PICKLE_TUPLE,
    PICKLE_DICT,
    PICKLE_ARRAY, /* array.array: typecode in `typecode`, the ints packed as int64 in `ints` */
};

struct pickle_pair;
struct pickle_value {
    enum pickle_type type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct str text; /* TEXT and BYTES */
        struct {
            struct pickle_value **items;
            size_t n;
        } list; /* LIST and TUPLE */
        struct {
            struct pickle_pair *pairs; /* in order; a later equal key has replaced the earlier one */
            size_t n;
        } dict;
        struct {
            char typecode;
            int64_t *ints;
            size_t n;
        } array;
    };
};
struct pickle_pair {
    struct pickle_value *key, *value;
};

/* One pickle at p; values live in the arena, text may point into p. 0, -EINVAL (malformed, truncated or an
 * opcode outside the list), -EPERM (a global outside the list), -E2BIG (nesting > 64). *ret_used (may be
 * NULL): bytes up to and with STOP. */
int pickle_parse(struct arena *a, const void *p, size_t n, struct pickle_value **ret, size_t *ret_used);
/* A dict's value for a text or bytes key, or NULL. */
struct pickle_value *pickle_get(const struct pickle_value *dict, struct str key);

/* Protocol 2, no memo. */
void pickle_begin(struct buf *b); /* 80 02 */
void pickle_end(struct buf *b);   /* STOP */
void pickle_none(struct buf *b);
void pickle_bool(struct buf *b, bool v);
void pickle_int(struct buf *b, int64_t v);
void pickle_float(struct buf *b, double v);
void pickle_text(struct buf *b, struct str utf8);
void pickle_bytes(struct buf *b, struct str bytes); /* _codecs.encode(<latin-1 text>, "latin1") */
void pickle_dict_begin(struct buf *b);              /* EMPTY_DICT MARK: then key, value, key, value ... */
void pickle_dict_end(struct buf *b);                /* SETITEMS */
void pickle_list_begin(struct buf *b);
void pickle_list_end(struct buf *b);
void pickle_tuple_begin(struct buf *b);
void pickle_tuple_end(struct buf *b);
/* array.array(typecode, ints) as a call of the global, with ints from get(i, arg). */
void pickle_array(struct buf *b, char typecode, size_t n, int64_t (*get)(size_t i, void *arg), void *arg);

#endif
