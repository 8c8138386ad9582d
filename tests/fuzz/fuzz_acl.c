/* SPDX-License-Identifier: Apache-2.0
 *
 * Container ACLs and account ACLs as clients may write them. The first byte chooses.
 */
#include <stdlib.h>

#include "middleware/acl.h"

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void container_acl(struct arena *arena, struct str value)
{
    struct str clean, again;
    static const struct str names[] = {STR_INIT("X-Container-Read"), STR_INIT("X-Container-Write")};
    for (size_t i = 0; i < 2; i++) {
        bool fine = acl_clean(arena, names[i], value, &clean);
        check(clean.p != NULL);
        if (!fine)
            continue;
        check(clean.n <= value.n);
        acl_clean(arena, names[i], clean,
                  &again); /* ".r:*-*x" shows that it need not be the same, as upstream */
        acl_has_group(arena, clean, value);
        acl_referrer_allowed(clean, value);
    }
    acl_referrer_allowed(value, value);
    acl_has_group(arena, value, STR("test:tester"));
}

static void account_acl(struct arena *arena, struct str value)
{
    struct acl_account acl;
    struct str why = STR_NONE;
    if (acl_account_parse(arena, value, &acl, &why)) {
        check(why.n > 0);
        return;
    }
    for (int level = ACL_READ_ONLY; level <= ACL_ADMIN; level++)
        for (size_t i = 0; i < acl.n[level]; i++)
            if (str_find(acl.groups[level][i], ',') < 0 && acl.groups[level][i].n)
                check(acl_account_grants(&acl, (enum acl_level)level, acl.groups[level][i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct arena *arena = arena_new();
    char *p = malloc(size); /* exactly as long, so that a read past it is seen */
    if (!p)
        abort();
    memcpy(p, data + 1, size - 1);
    struct str value = str_of(p, size - 1);
    if (data[0] == '{' || data[0] & 1)
        account_acl(arena, value);
    else
        container_acl(arena, value);
    free(p);
    arena_free(arena);
    return 0;
}
