/* SPDX-License-Identifier: Apache-2.0
 *
 * object_replicate.c: REPLICATE: the suffix hashes of a partition, or the news that suffixes have changed.
 */
#include "object/object_request.h"

#include <errno.h>
#include "common/pickle.h"
#include "object/suffix_hashes.h"

#define ANSWER_MAX ((size_t)64 << 20)

struct replicate {
    struct object_request r;
    struct buf answer;
    int err;
};

static void hashes_job(void *arg)
{
    struct replicate *j = arg;
    struct suffix_hashes h;
    int err = suffix_hashes_get(j->r.dir, j->r.path.part, NULL, 0, false, j->r.req->arena, &h, NULL);
    if (err == -ENOENT) {
        suffix_hashes_init(&h, j->r.req->arena);
        err = 0;
    }
    if (!err)
        suffix_hashes_answer(&h, &j->answer);
    j->err = err ? err : buf_error(&j->answer);
}

static void invalidate_job(void *arg)
{
    struct replicate *j = arg;
    struct str rest = j->r.path.account, suffix;
    while (!j->err && str_next(&rest, '-', &suffix))
        if (objects_dir_is_suffix(suffix))
            j->err = suffix_hashes_invalidate(j->r.dir, j->r.path.part, suffix);
    pickle_begin(&j->answer);
    pickle_none(&j->answer);
    pickle_end(&j->answer);
}

void object_replicate(struct backend_server *s, struct http_request *req, struct http_response *rsp)
{
    struct replicate j = {0};
    if (!object_request_init_partition((struct object_server *)s, req, rsp, &j.r) ||
        !object_request_device(&j.r))
        return;
    buf_init(&j.answer, ANSWER_MAX);
    if (object_request_offload(&j.r, j.r.path.account.n ? invalidate_job : hashes_job, &j)) {
        if (j.err) {
            object_request_failed(&j.r, j.err, "REPLICATE");
        } else {
            error_page(rsp, 200);
            http_body_close(rsp->body);
            rsp->body = http_body_buf(rsp->arena, &j.answer);
        }
    }
    buf_release(&j.answer);
}
