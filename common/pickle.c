/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle.c: the reader of pickle.h: a stack machine over the opcodes of facts: object 7 and ring 11.
 *
 * What keeps hostile input harmless:
 *  - The only globals are those of `globals`; they do nothing but build bytes, arrays and dicts, and never get
 *    into the result.
 *  - A list or dict that was put into another value is sealed: nothing is added to it any more. So values form
 *    no cycles, and depth and size of a sealed value are final.
 *  - `budget` bounds what a few bytes of input can make out of memoised values, whether by copying or by
 *    sharing (a value that contains its child twice, whose child ...).
 */
#include "common/pickle.h"

#include <errno.h>
#include <stdlib.h>
#include "common/alloc.h"
#include "common/pickle_key.h"
#include "common/pickle_line.h"
#include "common/utf8.h"

#define DEPTH_MAX      64
#define PROTOCOL_MAX   4
#define BUDGET_FACTOR  64 /* per byte of input */
#define BUDGET_LEAST   65536
#define CACHED_INTS    1024
#define KEY_WEIGHT_MAX 64 /* values in a tuple that is a key */

enum global {
    NO_GLOBAL,
    GLOBAL_ENCODE,
    GLOBAL_BYTES,
    GLOBAL_DICT,
    GLOBAL_RECONSTRUCTOR,
    GLOBAL_HEADER_KEY_DICT,
    GLOBAL_ARRAY,
};

struct node {
    struct pickle_value v; /* the first, so that a pointer to one is a pointer to the other */
    enum global global;    /* not a value but one of the globals */
    bool sealed;
    bool has_global; /* a tuple with a global in it: only REDUCE takes it */
    uint8_t depth;   /* 0: no container */
    size_t cap;      /* of list or dict */
    size_t weight;   /* values in it, shared ones counted each time */
};

struct parser {
    struct arena *arena;
    const char *at, *end;
    size_t input_n, budget;
    struct node **stack;
    size_t n, cap;
    size_t *marks; /* heights of the stack */
    size_t marks_n, marks_cap;
    struct node **memo;
    size_t memo_n, memo_cap;
    struct node **ints; /* cache of the last node for each int modulo CACHED_INTS, or NULL */
};

/* ---- nodes and stack ---- */

static struct node *new_node(struct parser *p, enum pickle_type type)
{
    struct node *x = arena_zalloc(p->arena, sizeof(*x));
    x->v.type = type;
    x->weight = 1;
    return x;
}

static int spend(struct parser *p, size_t n)
{
    if (n > p->budget)
        return -EINVAL;
    p->budget -= n;
    return 0;
}

static int push(struct parser *p, struct node *x)
{
    p->stack = xgrow(p->stack, &p->cap, p->n + 1, sizeof(*p->stack));
    p->stack[p->n++] = x;
    return 0;
}

/* The height that what came after the last mark starts at. */
static size_t floor_of(const struct parser *p)
{
    return p->marks_n ? p->marks[p->marks_n - 1] : 0;
}

static struct node *pop(struct parser *p)
{
    return p->n > floor_of(p) ? p->stack[--p->n] : NULL;
}

static struct node *top(const struct parser *p)
{
    return p->n > floor_of(p) ? p->stack[p->n - 1] : NULL;
}

/* Takes the last mark away: *ret_items are the *ret_n values behind it, no longer on the stack but valid until
 * the next push. */
static int pop_mark(struct parser *p, struct node ***ret_items, size_t *ret_n)
{
    if (!p->marks_n)
        return -EINVAL;
    size_t mark = p->marks[--p->marks_n];
    *ret_items = p->stack ? p->stack + mark : NULL;
    *ret_n = p->n - mark;
    p->n = mark;
    return 0;
}

static int push_text(struct parser *p, enum pickle_type type, struct str s)
{
    struct node *x = new_node(p, type);
    x->v.text = s;
    return push(p, x);
}

static int push_int(struct parser *p, int64_t v)
{
    /* The tables of a builder are millions of small ints: those share their nodes. */
    bool cached = v >= 0 && v <= 0xffff;
    if (cached && !p->ints)
        p->ints = xcalloc(CACHED_INTS, sizeof(*p->ints));
    struct node **slot = cached ? &p->ints[v % CACHED_INTS] : NULL;
    if (slot && *slot && (*slot)->v.integer == v)
        return push(p, *slot);
    struct node *x = new_node(p, PICKLE_INT);
    x->v.integer = v;
    if (slot)
        *slot = x;
    return push(p, x);
}

static int push_bool(struct parser *p, bool v)
{
    struct node *x = new_node(p, PICKLE_BOOL);
    x->v.boolean = v;
    return push(p, x);
}

static int push_real(struct parser *p, double v)
{
    struct node *x = new_node(p, PICKLE_FLOAT);
    x->v.real = v;
    return push(p, x);
}

/* ---- containers ---- */

/* Keys are compared with one another: so they are small, and text that is used again and again is paid for. */
static int spend_key(struct parser *p, const struct node *x)
{
    bool is_text = x->v.type == PICKLE_TEXT || x->v.type == PICKLE_BYTES;
    return x->weight > KEY_WEIGHT_MAX || (is_text && spend(p, x->v.text.n)) ? -EINVAL : 0;
}

/* x becomes part of another value, or the result. */
static int seal(struct node *x)
{
    if (x->global || x->has_global)
        return -EINVAL;
    if (!x->sealed && x->v.type == PICKLE_DICT && x->v.dict.n > 1)
        pickle_key_merge(&x->v);
    x->sealed = true;
    return 0;
}

/* Accounts for x being put into `into`. */
static int adopt(struct parser *p, struct node *into, const struct node *x)
{
    if (x->depth >= DEPTH_MAX)
        return -E2BIG;
    if (x->depth + 1 > into->depth)
        into->depth = (uint8_t)(x->depth + 1);
    into->weight += x->weight;
    return into->weight > BUDGET_FACTOR * p->input_n + BUDGET_LEAST ? -EINVAL : 0;
}

/* Room for n more items of that size behind the `used` ones. */
static void *grown(struct parser *p, struct node *x, void *items, size_t used, size_t n, size_t size)
{
    if (used + n <= x->cap)
        return items;
    size_t cap = x->cap ? x->cap : 4;
    while (cap < used + n)
        cap *= 2;
    void *more = arena_alloc(p->arena, cap * size);
    if (used)
        memcpy(more, items, used * size);
    x->cap = cap;
    return more;
}

static int list_add(struct parser *p, struct node *list, struct node *const *items, size_t n)
{
    if (!list || list->v.type != PICKLE_LIST || list->global)
        return -EINVAL;
    list->v.list.items = grown(p, list, list->v.list.items, list->v.list.n, n, sizeof(struct pickle_value *));
    for (size_t i = 0; i < n; i++) {
        int err = seal(items[i]);
        if (!err)
            err = list->sealed ? -EINVAL : adopt(p, list, items[i]);
        if (err)
            return err;
        list->v.list.items[list->v.list.n++] = &items[i]->v;
    }
    if (!list->depth)
        list->depth = 1;
    return 0;
}

static int dict_add(struct parser *p, struct node *dict, struct node *const *items, size_t n)
{
    if (!dict || dict->v.type != PICKLE_DICT || dict->global || n % 2)
        return -EINVAL;
    dict->v.dict.pairs =
        grown(p, dict, dict->v.dict.pairs, dict->v.dict.n, n / 2, sizeof(struct pickle_pair));
    for (size_t i = 0; i < n; i += 2) {
        int err = seal(items[i]);
        if (!err)
            err = seal(items[i + 1]);
        if (!err && (dict->sealed || spend_key(p, items[i]) || !pickle_key_valid(&items[i]->v)))
            err = -EINVAL;
        if (!err)
            err = adopt(p, dict, items[i]);
        if (!err)
            err = adopt(p, dict, items[i + 1]);
        if (err)
            return err;
        dict->v.dict.pairs[dict->v.dict.n++] = (struct pickle_pair){&items[i]->v, &items[i + 1]->v};
    }
    return 0;
}

static int push_container(struct parser *p, enum pickle_type type)
{
    struct node *x = new_node(p, type);
    x->depth = 1;
    return push(p, x);
}

static int push_list(struct parser *p, struct node *const *items, size_t n)
{
    struct node *x = new_node(p, PICKLE_LIST);
    x->depth = 1;
    int err = list_add(p, x, items, n);
    return err ? err : push(p, x);
}

static int push_dict(struct parser *p, struct node *const *items, size_t n)
{
    struct node *x = new_node(p, PICKLE_DICT);
    x->depth = 1;
    int err = dict_add(p, x, items, n);
    return err ? err : push(p, x);
}

/* Tuples hold the arguments of a global and may have globals in them. */
static int push_tuple(struct parser *p, struct node *const *items, size_t n)
{
    struct node *x = new_node(p, PICKLE_TUPLE);
    x->depth = 1;
    x->v.list.items = arena_alloc(p->arena, n * sizeof(struct pickle_value *));
    for (size_t i = 0; i < n; i++) {
        if (items[i]->global)
            x->has_global = true;
        int err = items[i]->global ? 0 : seal(items[i]);
        if (!err)
            err = adopt(p, x, items[i]);
        if (err)
            return err;
        x->v.list.items[x->v.list.n++] = &items[i]->v;
    }
    return push(p, x);
}

static int push_short_tuple(struct parser *p, size_t n)
{
    if (p->n - floor_of(p) < n)
        return -EINVAL;
    p->n -= n;
    return push_tuple(p, p->stack + p->n, n);
}

/* ---- globals ---- */

static const struct {
    const char *module, *name;
    enum global global;
} globals[] = {
    {"_codecs", "encode", GLOBAL_ENCODE},
    {"__builtin__", "bytes", GLOBAL_BYTES},
    {"builtins", "bytes", GLOBAL_BYTES},
    {"__builtin__", "dict", GLOBAL_DICT},
    {"builtins", "dict", GLOBAL_DICT},
    {"copy_reg", "_reconstructor", GLOBAL_RECONSTRUCTOR},
    {"copyreg", "_reconstructor", GLOBAL_RECONSTRUCTOR},
    {"swift.common.header_key_dict", "HeaderKeyDict", GLOBAL_HEADER_KEY_DICT},
    {"array", "array", GLOBAL_ARRAY},
};

static int push_global(struct parser *p, struct str module, struct str name)
{
    for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++)
        if (str_eq(module, str_from(globals[i].module)) && str_eq(name, str_from(globals[i].name))) {
            struct node *x = new_node(p, PICKLE_NONE);
            x->global = globals[i].global;
            return push(p, x);
        }
    return -EPERM;
}

/* _codecs.encode(text, "latin1") */
static int call_encode(struct parser *p, struct pickle_value *const *args, size_t n)
{
    struct str bytes;
    if (n != 2 || args[0]->type != PICKLE_TEXT || args[1]->type != PICKLE_TEXT ||
        !(str_eq(args[1]->text, STR("latin1")) || str_eq(args[1]->text, STR("latin-1"))))
        return -EINVAL;
    if (spend(p, args[0]->text.n) || utf8_to_latin1(p->arena, args[0]->text, &bytes))
        return -EINVAL;
    return push_text(p, PICKLE_BYTES, bytes);
}

static bool fits_typecode(char typecode, int64_t v)
{
    switch (typecode) {
    case 'b':
        return v >= INT8_MIN && v <= INT8_MAX;
    case 'B':
        return v >= 0 && v <= UINT8_MAX;
    case 'h':
        return v >= INT16_MIN && v <= INT16_MAX;
    case 'H':
        return v >= 0 && v <= UINT16_MAX;
    case 'i':
        return v >= INT32_MIN && v <= INT32_MAX;
    case 'I':
        return v >= 0 && v <= UINT32_MAX;
    case 'L':
    case 'Q':
        return v >= 0;
    default:
        return true;
    }
}

/* array.array(typecode, [ints]) */
static int call_array(struct parser *p, struct pickle_value *const *args, size_t n)
{
    if (n != 2 || (args[0]->type != PICKLE_TEXT && args[0]->type != PICKLE_BYTES) || args[0]->text.n != 1 ||
        !strchr("bBhHiIlLqQ", args[0]->text.p[0]) || args[0]->text.p[0] == '\0' ||
        args[1]->type != PICKLE_LIST)
        return -EINVAL;
    struct node *x = new_node(p, PICKLE_ARRAY);
    size_t count = args[1]->list.n;
    if (spend(p, count * sizeof(int64_t)))
        return -EINVAL;
    x->v.array.typecode = args[0]->text.p[0];
    x->v.array.ints = arena_alloc(p->arena, count * sizeof(int64_t));
    for (; x->v.array.n < count; x->v.array.n++) {
        const struct pickle_value *item = args[1]->list.items[x->v.array.n];
        if (item->type != PICKLE_INT || !fits_typecode(x->v.array.typecode, item->integer))
            return -EINVAL;
        x->v.array.ints[x->v.array.n] = item->integer;
    }
    return push(p, x);
}

static enum global global_of(const struct pickle_value *v)
{
    return ((const struct node *)(const void *)v)->global;
}

/* _reconstructor(HeaderKeyDict, dict, {...}): the dict. */
static int call_reconstructor(struct parser *p, struct pickle_value *const *args, size_t n)
{
    if (n != 3 || global_of(args[0]) != GLOBAL_HEADER_KEY_DICT || global_of(args[1]) != GLOBAL_DICT ||
        global_of(args[2]) || args[2]->type != PICKLE_DICT)
        return -EINVAL;
    return push(p, (struct node *)(void *)args[2]);
}

static int reduce(struct parser *p)
{
    struct node *args = pop(p), *callee = pop(p);
    if (!args || !callee || args->v.type != PICKLE_TUPLE)
        return -EINVAL;
    struct pickle_value *const *v = args->v.list.items;
    size_t n = args->v.list.n;
    if (args->has_global && callee->global != GLOBAL_RECONSTRUCTOR)
        return -EINVAL;
    switch (callee->global) {
    case GLOBAL_ENCODE:
        return call_encode(p, v, n);
    case GLOBAL_ARRAY:
        return call_array(p, v, n);
    case GLOBAL_RECONSTRUCTOR:
        return call_reconstructor(p, v, n);
    case GLOBAL_BYTES:
        return n ? -EINVAL : push_text(p, PICKLE_BYTES, STR(""));
    case GLOBAL_DICT:
        return n ? -EINVAL : push_container(p, PICKLE_DICT);
    default:
        return -EINVAL;
    }
}

/* ---- input ---- */

static int take(struct parser *p, size_t n, struct str *ret)
{
    if ((size_t)(p->end - p->at) < n)
        return -EINVAL;
    *ret = str_of(p->at, n);
    p->at += n;
    return 0;
}

static int take_line(struct parser *p, struct str *ret)
{
    const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
    if (!newline)
        return -EINVAL;
    *ret = str_of(p->at, (size_t)(newline - p->at));
    p->at = newline + 1;
    return 0;
}

/* An unsigned number of n <= 4 bytes, little end first. */
static int take_uint(struct parser *p, size_t n, uint32_t *ret)
{
    struct str s;
    if (take(p, n, &s))
        return -EINVAL;
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint32_t)(unsigned char)s.p[i] << (8 * i);
    return 0;
}

static int take_counted(struct parser *p, size_t length_bytes, struct str *ret)
{
    uint32_t n;
    return take_uint(p, length_bytes, &n) || take(p, n, ret) ? -EINVAL : 0;
}

static int take_index(struct parser *p, size_t bytes, size_t *ret)
{
    uint32_t v;
    if (take_uint(p, bytes, &v))
        return -EINVAL;
    *ret = v;
    return 0;
}

static int take_index_line(struct parser *p, size_t *ret)
{
    struct str line;
    uint64_t v;
    if (take_line(p, &line) || str_to_u64(line, &v) || v > SIZE_MAX)
        return -EINVAL;
    *ret = (size_t)v;
    return 0;
}

/* ---- opcodes with arguments ---- */

static int op_long1(struct parser *p)
{
    struct str s;
    if (take_counted(p, 1, &s))
        return -EINVAL;
    uint64_t v = s.n && (signed char)s.p[s.n - 1] < 0 ? UINT64_MAX : 0, sign = v;
    for (size_t i = s.n; i-- > 0;) {
        if (i >= 8 && (unsigned char)s.p[i] != (unsigned char)sign)
            return -EINVAL;
        v = v << 8 | (unsigned char)s.p[i];
    }
    if (s.n > 8 && (v ^ sign) >> 63)
        return -EINVAL;
    return push_int(p, (int64_t)v);
}

static int op_binfloat(struct parser *p)
{
    struct str s;
    uint64_t bits = 0;
    double v;
    if (take(p, 8, &s))
        return -EINVAL;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)s.p[i];
    memcpy(&v, &bits, sizeof(v));
    return push_real(p, v);
}

static int op_binunicode(struct parser *p)
{
    struct str s;
    if (take_counted(p, 4, &s) || !utf8_valid(s))
        return -EINVAL;
    return push_text(p, PICKLE_TEXT, s);
}

static int op_binstring(struct parser *p, size_t length_bytes)
{
    struct str s;
    return take_counted(p, length_bytes, &s) ? -EINVAL : push_text(p, PICKLE_BYTES, s);
}

static int take_decimal(struct str s, int64_t *ret)
{
    if (s.n && s.p[0] == '+')
        s = str_slice(s, 1, s.n);
    return str_to_i64(s, ret) ? -EINVAL : 0;
}

static int op_int_line(struct parser *p)
{
    struct str s;
    int64_t v;
    if (take_line(p, &s))
        return -EINVAL;
    if (str_eq(s, STR("00")) || str_eq(s, STR("01")))
        return push_bool(p, s.p[1] == '1');
    return take_decimal(s, &v) ? -EINVAL : push_int(p, v);
}

static int op_long_line(struct parser *p)
{
    struct str s;
    int64_t v;
    if (take_line(p, &s))
        return -EINVAL;
    if (str_ends(s, STR("L")))
        s.n--;
    return take_decimal(s, &v) ? -EINVAL : push_int(p, v);
}

static int op_float_line(struct parser *p)
{
    struct str s;
    double v;
    return take_line(p, &s) || str_to_double(s, &v) ? -EINVAL : push_real(p, v);
}

static int op_unicode_line(struct parser *p)
{
    struct str s, text;
    if (take_line(p, &s) || pickle_line_unicode(p->arena, s, &text))
        return -EINVAL;
    return push_text(p, PICKLE_TEXT, text);
}

static int op_string_line(struct parser *p)
{
    struct str s, bytes;
    if (take_line(p, &s) || pickle_line_string(p->arena, s, &bytes))
        return -EINVAL;
    return push_text(p, PICKLE_BYTES, bytes);
}

static int op_global(struct parser *p)
{
    struct str module, name;
    if (take_line(p, &module) || take_line(p, &name))
        return -EINVAL;
    return push_global(p, module, name);
}

static int put_memo(struct parser *p, size_t index)
{
    struct node *x = top(p);
    /* Pickle counts its memo up from 0, one for each at least one byte long: more is not honest. */
    if (!x || index >= p->input_n)
        return -EINVAL;
    if (index >= p->memo_n) {
        p->memo = xgrow(p->memo, &p->memo_cap, index + 1, sizeof(*p->memo));
        memset(p->memo + p->memo_n, 0, (index + 1 - p->memo_n) * sizeof(*p->memo));
        p->memo_n = index + 1;
    }
    p->memo[index] = x;
    return 0;
}

static int get_memo(struct parser *p, size_t index)
{
    return index < p->memo_n && p->memo[index] ? push(p, p->memo[index]) : -EINVAL;
}

static int op_mark(struct parser *p)
{
    p->marks = xgrow(p->marks, &p->marks_cap, p->marks_n + 1, sizeof(*p->marks));
    p->marks[p->marks_n++] = p->n;
    return 0;
}

static int op_append(struct parser *p)
{
    struct node *item = pop(p);
    return item ? list_add(p, top(p), &item, 1) : -EINVAL;
}

static int op_setitem(struct parser *p)
{
    struct node *pair[2];
    pair[1] = pop(p);
    pair[0] = pop(p);
    return pair[0] && pair[1] ? dict_add(p, top(p), pair, 2) : -EINVAL;
}

/* ---- the machine ---- */

/* Opcodes that take everything behind the last mark. */
static int run_marked(struct parser *p, char op)
{
    struct node **items;
    size_t n;
    if (pop_mark(p, &items, &n))
        return -EINVAL;
    switch (op) {
    case 't':
        return push_tuple(p, items, n);
    case 'l':
        return push_list(p, items, n);
    case 'd':
        return push_dict(p, items, n);
    case 'e':
        return list_add(p, top(p), items, n);
    default:
        return dict_add(p, top(p), items, n);
    }
}

static int run_memo(struct parser *p, char op)
{
    size_t index;
    int err;
    if (op == 'p' || op == 'g')
        err = take_index_line(p, &index);
    else
        err = take_index(p, op == 'q' || op == 'h' ? 1 : 4, &index);
    if (err)
        return err;
    return op == 'g' || op == 'h' || op == 'j' ? get_memo(p, index) : put_memo(p, index);
}

static int run_number(struct parser *p, char op)
{
    uint32_t v;
    switch (op) {
    case 'K':
        return take_uint(p, 1, &v) ? -EINVAL : push_int(p, v);
    case 'M':
        return take_uint(p, 2, &v) ? -EINVAL : push_int(p, v);
    case 'J':
        return take_uint(p, 4, &v) ? -EINVAL : push_int(p, (int32_t)v);
    case 'G':
        return op_binfloat(p);
    case 'I':
        return op_int_line(p);
    case 'L':
        return op_long_line(p);
    default:
        return op_float_line(p);
    }
}

static int run_proto(struct parser *p)
{
    uint32_t v;
    return take_uint(p, 1, &v) || v > PROTOCOL_MAX ? -EINVAL : 0;
}

static int run_one(struct parser *p, char op)
{
    switch ((unsigned char)op) {
    case 0x80:
        return run_proto(p);
    case 0x85:
    case 0x86:
    case 0x87:
        return push_short_tuple(p, (size_t)(unsigned char)op - 0x84);
    case 0x88:
    case 0x89:
        return push_bool(p, (unsigned char)op == 0x88);
    case 0x8a:
        return op_long1(p);
    case 'N':
        return push(p, new_node(p, PICKLE_NONE));
    case 'K':
    case 'M':
    case 'J':
    case 'G':
    case 'I':
    case 'L':
    case 'F':
        return run_number(p, op);
    case 'X':
        return op_binunicode(p);
    case 'V':
        return op_unicode_line(p);
    case 'U':
        return op_binstring(p, 1);
    case 'T':
        return op_binstring(p, 4);
    case 'S':
        return op_string_line(p);
    case 'c':
        return op_global(p);
    case 'R':
        return reduce(p);
    case '(':
        return op_mark(p);
    case '}':
        return push_container(p, PICKLE_DICT);
    case ']':
        return push_container(p, PICKLE_LIST);
    case ')':
        return push_tuple(p, NULL, 0);
    case 'a':
        return op_append(p);
    case 's':
        return op_setitem(p);
    case 't':
    case 'l':
    case 'd':
    case 'e':
    case 'u':
        return run_marked(p, op);
    case 'p':
    case 'q':
    case 'r':
    case 'g':
    case 'h':
    case 'j':
        return run_memo(p, op);
    default:
        return -EINVAL;
    }
}

static int run(struct parser *p)
{
    while (p->at < p->end) {
        char op = *p->at++;
        if (op == '.')
            return p->n == 1 && !p->marks_n ? seal(p->stack[0]) : -EINVAL;
        int err = run_one(p, op);
        if (err)
            return err;
    }
    return -EINVAL;
}

int pickle_parse(struct arena *a, const void *p, size_t n, struct pickle_value **ret, size_t *ret_used)
{
    struct parser x = {.arena = a, .at = p, .input_n = n, .budget = BUDGET_FACTOR * n + BUDGET_LEAST};
    x.end = x.at + n;
    if (n > SIZE_MAX / (2 * BUDGET_FACTOR))
        return -EINVAL;
    int err = run(&x);
    if (!err) {
        *ret = &x.stack[0]->v;
        if (ret_used)
            *ret_used = (size_t)(x.at - (const char *)p);
    }
    free(x.stack);
    free(x.marks);
    free(x.memo);
    free(x.ints);
    return err;
}

struct pickle_value *pickle_get(const struct pickle_value *dict, struct str key)
{
    if (!dict || dict->type != PICKLE_DICT)
        return NULL;
    for (size_t i = 0; i < dict->dict.n; i++) {
        const struct pickle_value *k = dict->dict.pairs[i].key;
        if ((k->type == PICKLE_TEXT || k->type == PICKLE_BYTES) && str_eq(k->text, key))
            return dict->dict.pairs[i].value;
    }
    return NULL;
}
