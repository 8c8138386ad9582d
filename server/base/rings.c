/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rings.h"

#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"
#include "rt/rt.h"

struct rings {
    const struct swift_conf *conf;
    struct ring_holder *account, *container;
    struct ring_holder **object; /* one per policy, in their order */
};

static int open_ring(const struct swift_conf *conf, const char *name, ring_check_fn *check, void *arg,
                     struct ring_holder **ret, struct buf *error)
{
    char *path = xasprintf("%s/%s.ring.gz", conf->swift_dir, name);
    int err = ring_holder_open_checked(path, check, arg, 0, ret, error);
    free(path);
    return err;
}

/* An erasure coding policy needs one replica for each fragment. */
static int check_object_ring(const struct ring *ring, void *arg, struct buf *error)
{
    const struct policy *p = arg;
    if (p->type != POLICY_ERASURE_CODING)
        return 0;
    size_t wanted = (size_t)(p->ec_data + p->ec_parity) * (size_t)p->ec_duplication;
    if (ring_replica_count(ring) == wanted)
        return 0;
    buf_printf(error, "%s: policy %s needs a ring of %zu replicas, this one has %zu", ring_path(ring),
               p->name, wanted, ring_replica_count(ring));
    return -EINVAL;
}

int rings_open(const struct swift_conf *conf, struct rings **ret, struct buf *error)
{
    struct rings *r = xcalloc(1, sizeof(*r));
    char name[POLICY_DIR_SIZE];
    r->conf = conf;
    r->object = xcalloc(conf->policies.n, sizeof(*r->object));
    int err = open_ring(conf, "account", NULL, NULL, &r->account, error);
    if (!err)
        err = open_ring(conf, "container", NULL, NULL, &r->container, error);
    for (size_t i = 0; i < conf->policies.n && !err; i++)
        err = open_ring(conf, policy_dir("object", conf->policies.v[i].index, name), check_object_ring,
                        &conf->policies.v[i], &r->object[i], error);
    if (err) {
        rings_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void rings_free(struct rings *r)
{
    if (!r)
        return;
    if (r->account)
        ring_holder_free(r->account);
    if (r->container)
        ring_holder_free(r->container);
    for (size_t i = 0; i < r->conf->policies.n; i++)
        if (r->object[i])
            ring_holder_free(r->object[i]);
    free(r->object);
    free(r);
}

const struct ring *rings_account(struct rings *r)
{
    return ring_holder_peek(r->account);
}

const struct ring *rings_container(struct rings *r)
{
    return ring_holder_peek(r->container);
}

const struct ring *rings_object(struct rings *r, const struct policy *policy)
{
    return ring_holder_peek(r->object[policy - r->conf->policies.v]);
}

static void refresh(struct ring_holder *holder)
{
    struct buf error;
    if (!ring_holder_due(holder))
        return;
    ring_unref(ring_holder_get(holder));
    buf_init(&error, 4096);
    if (ring_holder_take_error(holder, &error))
        log_error("%.*s; the ring in use stays", STR_ARG(buf_view(&error)));
    buf_release(&error);
}

static void refresh_all(void *arg)
{
    struct rings *r = arg;
    refresh(r->account);
    refresh(r->container);
    for (size_t i = 0; i < r->conf->policies.n; i++)
        refresh(r->object[i]);
}

void rings_watch(void *rings)
{
    while (rt_sleep(RING_RELOAD_MS) == 0)
        rt_offload(NULL, refresh_all, rings);
}
