/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_coro_stack.c: stacks with a guard page, and switching between them.
 *
 * A stack is address space; the kernel gives a page when it is touched. The guard is laid with MADV_GUARD_INSTALL
 * where the kernel has it (6.13): neighbouring stacks then are one mapping, so that their number is not limited
 * by vm.max_map_count (two mappings each otherwise) and none of them costs a kernel object.
 */
#include "rt/rt_coro.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
/* Red zones around every variable: frames are several times as large. */
#define STACK_FACTOR 4
#else
#define STACK_FACTOR 1
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define STACK_DEFAULT ((size_t)128 << 10)
/* Of each loop: with the few pages that a request touches, some megabytes. */
#define CACHE_MAX 256

static size_t page_size(void)
{
    static size_t size;
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
    }
    return size;
}

/* --- stacks ----------------------------------------------------------------------------------------------- */

static int guard(char *page)
{
    int r = madvise(page, page_size(), MADV_GUARD_INSTALL);
    return r == 0 ? 0 : mprotect(page, page_size(), PROT_NONE);
}

static struct rt_stack *stack_new(size_t bytes)
{
    size_t page = page_size();
    size_t size = ((bytes != 0 ? bytes : STACK_DEFAULT) * STACK_FACTOR + page - 1) / page * page + page;
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    if (guard(map) < 0) {
        munmap(map, size);
        return NULL;
    }
    madvise(map, size, MADV_NOHUGEPAGE); /* one huge page would be 16 stacks; no huge pages, no matter */
    struct rt_stack *s = (struct rt_stack *)(map + size) - 1;
    *s = (struct rt_stack){.map = map, .map_size = size};
    s->valgrind_id = VALGRIND_STACK_REGISTER(map + page, map + size);
#ifdef WITH_ASAN
    __lsan_register_root_region(map + page, size - page);
#endif
    return s;
}

static void stack_free(struct rt_stack *s)
{
    VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#ifdef WITH_ASAN
    __lsan_unregister_root_region(s->map + page_size(), s->map_size - page_size());
#endif
    munmap(s->map, s->map_size);
}

struct rt_stack *rt_stack_get(struct rt_stack_cache *cache)
{
    struct rt_stack *s = cache->first;
    if (s == NULL) {
        return stack_new(cache->stack_bytes);
    }
    cache->first = s->next;
    cache->count--;
    return s;
}

void rt_stack_put(struct rt_stack_cache *cache, struct rt_stack *s)
{
#ifdef WITH_ASAN
    /* The last frames never returned, and left their red zones behind. */
    __asan_unpoison_memory_region(s->map, s->map_size);
#endif
    if (cache->count >= CACHE_MAX) {
        stack_free(s);
        return;
    }
    s->next = cache->first;
    cache->first = s;
    cache->count++;
}

void rt_stack_cache_release(struct rt_stack_cache *cache)
{
    while (cache->first != NULL) {
        struct rt_stack *s = cache->first;
        cache->first = s->next;
        stack_free(s);
    }
    cache->count = 0;
}

void rt_stack_trim(struct rt_stack *s, const struct rt_context *c)
{
    char *low = s->map + page_size();
    char *end = (char *)((uintptr_t)c->sp & ~(uintptr_t)(page_size() - 1));
    if (end > low && end < s->map + s->map_size) {
        madvise(low, (size_t)(end - low), MADV_DONTNEED);
    }
}

/* --- contexts --------------------------------------------------------------------------------------------- */

#ifdef RT_USE_UCONTEXT

static void context_prepare(struct rt_context *c, struct rt_stack *s)
{
    getcontext(&c->ucontext);
    c->ucontext.uc_link = NULL;
    c->ucontext.uc_stack.ss_sp = s->map + page_size();
    c->ucontext.uc_stack.ss_size = (size_t)((char *)s - s->map) - page_size();
    makecontext(&c->ucontext, rt_task_main, 0);
}

static void context_swap(struct rt_context *from, struct rt_context *to)
{
    /* swapcontext() uses some stack below this frame, and keeps the registers in the ucontext. */
    from->sp = (char *)__builtin_frame_address(0) - 1024;
    swapcontext(&from->ucontext, &to->ucontext);
}

#else

void rt_switch(void **save_sp, void *to_sp); /* rt_switch.S, with the layouts below */
void rt_switch_entry(void);

#if defined(__x86_64__)
#define SAVED_WORDS 7 /* six registers, return address */
#define SAVED_ENTRY 6
#else
#define SAVED_WORDS 20 /* x19 to x30, d8 to d15 */
#define SAVED_ENTRY 11
#endif

static void context_prepare(struct rt_context *c, struct rt_stack *s)
{
    uintptr_t top = (uintptr_t)s & ~(uintptr_t)15;
    void **words = (void **)top - SAVED_WORDS;
    memset(words, 0, SAVED_WORDS * sizeof words[0]);
    words[SAVED_ENTRY] = (void *)(uintptr_t)rt_switch_entry;
    c->sp = words;
}

static void context_swap(struct rt_context *from, struct rt_context *to)
{
    rt_switch(&from->sp, to->sp);
}

#endif

void rt_context_make(struct rt_context *c, struct rt_stack *s)
{
    c->low = s->map + page_size();
    c->size = s->map_size - page_size();
    c->fake_stack = NULL;
    context_prepare(c, s);
}

#ifdef WITH_ASAN

void rt_context_switch(struct rt_context *from, struct rt_context *to, bool ends)
{
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->low, to->size);
    context_swap(from, to);
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
}

void rt_context_entered(struct rt_context *from)
{
    __sanitizer_finish_switch_fiber(NULL, &from->low, &from->size);
}

#else

void rt_context_switch(struct rt_context *from, struct rt_context *to, bool ends)
{
    context_swap(from, to);
}

void rt_context_entered(struct rt_context *from)
{
}

#endif
