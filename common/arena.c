/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.c: a chain of blocks, newest first; allocations are cut off the newest. The first block, which also
 * holds the arena itself, stays until the end. Later ones double in size, up to BLOCK_MAX; what is larger than
 * a quarter of a block gets one of its own, behind the newest, so that no space is lost.
 *
 * The address sanitizer sees each allocation by itself: the unused rest of a block is poisoned.
 */
#include "common/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include "common/alloc.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define RED_ZONE       ALIGN /* between two allocations */
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE       0
#endif

#define ALIGN       ((size_t)16)
#define BLOCK_FIRST ((size_t)4096 - 64) /* with malloc's own bytes within a page */
#define BLOCK_MAX   ((size_t)64 * 1024)

struct block {
    struct block *next;
    size_t size; /* bytes in data */
    _Alignas(16) char data[];
};

struct on_free {
    struct on_free *next;
    void (*fn)(void *arg);
    void *arg;
};

struct arena {
    struct block *newest;
    char *at, *end; /* what is left of the newest block */
    size_t next_size;
    struct on_free *on_free;
};

static size_t aligned(size_t n)
{
    return (n + ALIGN - 1) & ~(ALIGN - 1);
}

static struct block *block_new(size_t size)
{
    struct block *b = xmalloc(sizeof(*b) + size);
    b->next = NULL;
    b->size = size;
    return b;
}

static void block_free(struct block *b)
{
    UNPOISON(b->data, b->size);
    free(b);
}

static void use_block(struct arena *a, struct block *b, size_t from)
{
    a->newest = b;
    a->at = b->data + from;
    a->end = b->data + b->size;
    POISON(a->at, (size_t)(a->end - a->at));
}

struct arena *arena_new(void)
{
    struct block *b = block_new(BLOCK_FIRST);
    struct arena *a = (struct arena *)(void *)b->data;
    *a = (struct arena){.next_size = 2 * (BLOCK_FIRST + 64) - 64};
    use_block(a, b, aligned(sizeof(*a)));
    return a;
}

static void run_on_free(struct arena *a)
{
    while (a->on_free) {
        struct on_free *f = a->on_free;
        a->on_free = f->next;
        f->fn(f->arg);
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    run_on_free(a);
    /* The arena lies in the last block of the chain. */
    for (struct block *b = a->newest, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
}

void arena_reset(struct arena *a)
{
    run_on_free(a);
    struct block *b = a->newest;
    while (b->next) {
        struct block *next = b->next;
        block_free(b);
        b = next;
    }
    a->next_size = 2 * (BLOCK_FIRST + 64) - 64;
    use_block(a, b, aligned(sizeof(*a)));
}

static void *alloc_own_block(struct arena *a, size_t n)
{
    struct block *b = block_new(n);
    b->next = a->newest->next;
    a->newest->next = b;
    return b->data;
}

/* A new newest block. */
static void add_block(struct arena *a)
{
    struct block *b = block_new(a->next_size);
    b->next = a->newest;
    use_block(a, b, 0);
    if (a->next_size < BLOCK_MAX)
        a->next_size = 2 * (a->next_size + 64) - 64;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2)
        return xmalloc(n); /* which ends the process */
    size_t need = aligned(n ? n : 1) + RED_ZONE;
    if (need > (size_t)(a->end - a->at)) {
        /* The first block must stay the last of the chain, so it never gets one behind it. */
        if (need > a->next_size / 4 && a->newest->next)
            return alloc_own_block(a, n);
        if (need > a->next_size) {
            add_block(a);
            return alloc_own_block(a, n);
        }
        add_block(a);
    }
    void *p = a->at;
    a->at += need;
    UNPOISON(p, n);
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.p)
        return STR_NONE;
    char *p = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return str_of(p, s.n);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str s = arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

struct str arena_vprintf(struct arena *a, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), format, args);
    struct str s = STR("");
    if (n >= 0 && (size_t)n < sizeof(small)) {
        s = arena_str(a, str_of(small, (size_t)n));
    } else if (n >= 0) {
        char *p = arena_alloc(a, (size_t)n + 1);
        vsnprintf(p, (size_t)n + 1, format, again);
        s = str_of(p, (size_t)n);
    }
    va_end(again);
    return s;
}

static bool is_end(struct str s)
{
    return !s.p && s.n == (size_t)-1;
}

struct str arena_join(struct arena *a, ...)
{
    va_list parts;
    size_t n = 0;
    va_start(parts, a);
    for (struct str s = va_arg(parts, struct str); !is_end(s); s = va_arg(parts, struct str))
        n += s.n;
    va_end(parts);

    char *p = arena_alloc(a, n + 1), *at = p;
    va_start(parts, a);
    for (struct str s = va_arg(parts, struct str); !is_end(s); s = va_arg(parts, struct str)) {
        if (s.n)
            memcpy(at, s.p, s.n);
        at += s.n;
    }
    va_end(parts);
    *at = '\0';
    return str_of(p, n);
}

void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct on_free *f = arena_alloc(a, sizeof(*f));
    *f = (struct on_free){a->on_free, fn, arg};
    a->on_free = f;
}
