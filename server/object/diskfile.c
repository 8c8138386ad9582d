/* SPDX-License-Identifier: Apache-2.0
 *
 * diskfile.c: names and reading. Writing is in diskfile_write.c.
 */
#include "object/diskfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "object/hash_dir.h"
#include "object/quarantine.h"

#define MAX_RACES 4 /* a file listed but gone when opened: somebody committed meanwhile */

void diskfile_init(struct diskfile *f, struct arena *a, const struct objects_dir *dir,
                   const struct hash_path_conf *conf, uint32_t part, struct str account, struct str container,
                   struct str object)
{
    *f = (struct diskfile){.dir = dir, .arena = a, .part = part, .next_part_power = -1};
    hash_path_hex(conf, account, container, object, f->hash);
    f->name = arena_join(a, STR("/"), account, STR("/"), container, STR("/"), object, STR_END);
    f->path = objects_dir_hash(dir, a, part, f->hash).p;
}

int diskfile_quarantine(const struct diskfile *f)
{
    return quarantine_hash(f->dir, f->part, f->hash);
}

static int quarantined(const struct diskfile *f, struct diskfile_info *ret, const char *why)
{
    int err = diskfile_quarantine(f);
    ret->state = DISKFILE_QUARANTINED;
    ret->why = why;
    return err == -ENOENT ? 0 : err;
}

/* --- metadata of several files --------------------------------------------------------------------------------- */

static int time_of(const struct diskfile_meta *m, const char *field, struct timestamp *ret)
{
    struct str text = diskfile_meta_get(m, field);
    return text.p ? timestamp_parse(text, ret) : -ENOENT;
}

/* What a POST cannot change. */
static bool belongs_to_data(struct str field)
{
    return str_ieq(field, STR("Content-Length")) || str_ieq(field, STR("Deleted")) ||
           str_ieq(field, STR("ETag")) || str_ieq(field, STR("X-Static-Large-Object")) ||
           str_istarts(field, STR("X-Object-Sysmeta-"));
}

/* A second .meta file with a newer content type than the newest one. */
static void merge_content_type(struct diskfile_info *info, const struct diskfile_meta *other)
{
    struct timestamp theirs, ours = TIMESTAMP_ZERO;
    struct str type = diskfile_meta_get(other, "Content-Type");
    if (!type.p || time_of(other, "Content-Type-Timestamp", &theirs) != 0)
        return;
    bool have = time_of(&info->post_meta, "Content-Type-Timestamp", &ours) == 0;
    if ((have && timestamp_cmp(theirs, ours) <= 0) || timestamp_cmp(theirs, info->data_timestamp) <= 0)
        return;
    header_set(&info->post_meta.fields, STR("Content-Type"), type);
    header_set(&info->post_meta.fields, STR("Content-Type-Timestamp"),
               diskfile_meta_get(other, "Content-Type-Timestamp"));
}

static void merge_post(struct diskfile_info *info)
{
    const struct header_table *data = &info->data_meta.fields, *post = &info->post_meta.fields;
    struct header_table *all = &info->meta.fields;
    for (size_t i = 0; i < post->n; i++)
        if (!belongs_to_data(post->v[i].name))
            header_add_ref(all, post->v[i].name, post->v[i].value);
    for (size_t i = 0; i < data->n; i++)
        if (belongs_to_data(data->v[i].name))
            header_add_ref(all, data->v[i].name, data->v[i].value);
    struct timestamp type_time;
    struct str type = diskfile_meta_get(&info->data_meta, "Content-Type");
    bool dated = time_of(&info->post_meta, "Content-Type-Timestamp", &type_time) == 0;
    if (type.p && (!dated || timestamp_cmp(info->data_timestamp, type_time) > 0)) {
        header_set(all, STR("Content-Type"), type);
        header_remove(all, STR("Content-Type-Timestamp"));
    }
    info->meta.name = info->post_meta.name;
    info->post_meta.name = STR_NONE;
}

static int read_meta_at(struct arena *a, int dirfd, const char *name, struct diskfile_meta *ret,
                        const char **why)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int err = diskfile_meta_read(a, fd, ret, NULL, why);
    close(fd);
    return err;
}

static int read_post_meta(const struct diskfile *f, int dirfd, const struct ondisk_choice *c,
                          struct diskfile_info *ret)
{
    int err = read_meta_at(f->arena, dirfd, c->meta->name.p, &ret->post_meta, &ret->why);
    if (!err && c->ctype && c->ctype != c->meta) {
        struct diskfile_meta other;
        err = read_meta_at(f->arena, dirfd, c->ctype->name.p, &other, &ret->why);
        if (!err)
            merge_content_type(ret, &other);
    }
    if (!err) {
        ret->has_post_meta = true;
        merge_post(ret);
    }
    return err;
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

/* As Python's int(): blanks around and a plus are fine. */
static int number_of(struct str text, int64_t *ret)
{
    text = str_trim(text);
    if (text.n > 1 && text.p[0] == '+' && text.p[1] != '-')
        text = str_slice(text, 1, text.n);
    return str_to_i64(text, ret) == 0 ? 0 : -EINVAL;
}

int diskfile_delete_at(const struct diskfile_meta *meta, int64_t *ret)
{
    struct str text = diskfile_meta_get(meta, "X-Delete-At");
    if (!text.p)
        return 0;
    return number_of(text, ret) == 0 ? 1 : -EINVAL;
}

enum diskfile_state diskfile_expiry(const struct diskfile_meta *meta, const struct diskfile_open_options *o)
{
    int64_t at;
    if (o->open_expired || diskfile_delete_at(meta, &at) != 1)
        return DISKFILE_LIVE;
    if (at < 0)
        return DISKFILE_EXPIRED;
    return at <= INT64_MAX / 100000 && at * 100000 <= o->now.raw ? DISKFILE_EXPIRED : DISKFILE_LIVE;
}

/* NULL if the metadata fits the file and the request, else what is wrong. */
static const char *check_metadata(const struct diskfile *f, struct diskfile_info *info)
{
    int64_t length, at;
    struct str text = diskfile_meta_get(&info->meta, "Content-Length");
    if (!info->meta.name.p)
        return "missing name metadata";
    if (!str_eq(info->meta.name, f->name)) {
        info->state = DISKFILE_COLLISION;
        return NULL;
    }
    if (diskfile_delete_at(&info->meta, &at) < 0)
        return "bad metadata X-Delete-At value";
    if (!text.p)
        return "missing Content-Length in metadata";
    if (number_of(text, &length) != 0)
        return "bad metadata Content-Length value";
    if (length != info->size)
        return "metadata Content-Length does not match actual object size";
    if (!diskfile_meta_get(&info->meta, "ETag").p)
        return "missing ETag in metadata";
    return NULL;
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stamp(const struct stat *dir, const struct stat *file, struct diskfile_info *ret)
{
    ret->stamp = (struct diskfile_stamp){
        .device = file->st_dev,
        .inode = file->st_ino,
        .size = (uint64_t)file->st_size,
        .dir_mtime_ns = ns_of(dir->st_mtim),
        .dir_ctime_ns = ns_of(dir->st_ctim),
        .file_ctime_ns = ns_of(file->st_ctim),
    };
}

static int times(struct diskfile_info *info)
{
    if (time_of(&info->data_meta, "X-Timestamp", &info->data_timestamp) != 0)
        return -EBADMSG;
    return 0;
}

/* Fills ret from the chosen files. -EBADMSG with ret->why: to be quarantined. -ENOENT: a file went away. */
static int read_data(const struct diskfile *f, int dirfd, const struct stat *dir_stat,
                     const struct ondisk_choice *c, struct diskfile_info *ret)
{
    struct stat st;
    ret->fd = openat(dirfd, c->data->name.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (ret->fd < 0) {
        ret->why = "data file cannot be opened";
        return errno == ENODATA || errno == ELOOP ? -EBADMSG : -errno;
    }
    int err = diskfile_meta_read(f->arena, ret->fd, &ret->data_meta, NULL, &ret->why);
    if (!err && fstat(ret->fd, &st) != 0)
        err = -errno;
    if (err)
        return err;
    ret->why = "bad or missing X-Timestamp in metadata";
    err = times(ret);
    if (err)
        return err;
    ret->size = st.st_size;
    ret->data_name = arena_str(f->arena, c->data->name).p;
    stamp(dir_stat, &st, ret);
    if (c->meta)
        return read_post_meta(f, dirfd, c, ret);
    ret->meta = ret->data_meta;
    return 0;
}

static int judge(const struct diskfile *f, const struct diskfile_open_options *o, struct diskfile_info *ret)
{
    ret->state = DISKFILE_LIVE;
    ret->why = check_metadata(f, ret);
    if (ret->why)
        return -EBADMSG;
    if (ret->state == DISKFILE_COLLISION)
        return 0;
    ret->why = "bad X-Timestamp in .meta";
    if (time_of(&ret->meta, "X-Timestamp", &ret->timestamp) != 0)
        return -EBADMSG;
    if (time_of(&ret->meta, "Content-Type-Timestamp", &ret->ctype_timestamp) != 0)
        ret->ctype_timestamp = ret->data_timestamp;
    ret->why = NULL;
    ret->state = diskfile_expiry(&ret->meta, o);
    return 0;
}

static int read_tombstone(const struct diskfile *f, int dirfd, const struct ondisk_file *ts,
                          struct diskfile_info *ret)
{
    struct diskfile_meta m;
    int err = read_meta_at(f->arena, dirfd, ts->name.p, &m, &ret->why);
    if (err)
        return err;
    ret->why = "bad X-Timestamp in tombstone";
    if (time_of(&m, "X-Timestamp", &ret->timestamp) != 0)
        return -EBADMSG;
    ret->state = DISKFILE_DELETED;
    ret->why = NULL;
    return 0;
}

static void start_info(const struct diskfile *f, struct diskfile_info *ret)
{
    *ret = (struct diskfile_info){.state = DISKFILE_MISSING, .fd = -1};
    diskfile_meta_init(&ret->meta, f->arena);
    diskfile_meta_init(&ret->data_meta, f->arena);
    diskfile_meta_init(&ret->post_meta, f->arena);
}

/* A folder that cannot be opened or listed. */
static int bad_folder(const struct diskfile *f, int err, struct diskfile_info *ret)
{
    if (err == -ENOENT)
        return 0;
    if (err != -ENOTDIR && err != -ENODATA && err != -EUCLEAN)
        return err;
    ret->state = DISKFILE_QUARANTINED;
    ret->why = err == -ENOTDIR ? "expected a folder, found a file" : "folder cannot be listed";
    err = diskfile_quarantine(f);
    /* Bad sectors may reach up to the suffix folder. */
    return err && err != -ENOENT ? quarantine_suffix(f->dir, f->part, f->hash + strlen(f->hash) - 3) : 0;
}

static int open_once(const struct diskfile *f, const struct diskfile_open_options *o,
                     struct diskfile_info *ret)
{
    struct hash_dir dir;
    struct stat dir_stat;
    struct ondisk_rules rules = {.frag_count = f->dir->frag_count, .frag_index = -1};
    start_info(f, ret);
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bad_folder(f, -errno, ret);
    int err = fstat(fd, &dir_stat) == 0 ? hash_dir_read(f->arena, fd, &rules, &dir) : -errno;
    if (err) {
        close(fd);
        return bad_folder(f, err, ret);
    }
    if (dir.choice.data)
        err = read_data(f, fd, &dir_stat, &dir.choice, ret);
    else if (dir.choice.ts)
        err = read_tombstone(f, fd, dir.choice.ts, ret);
    close(fd);
    if (!err && dir.choice.data)
        err = judge(f, o, ret);
    if (ret->fd >= 0 && (err || ret->state != DISKFILE_LIVE || !o->keep_fd)) {
        close(ret->fd);
        ret->fd = -1;
    }
    return err == -EBADMSG ? quarantined(f, ret, ret->why) : err;
}

int diskfile_open(const struct diskfile *f, const struct diskfile_open_options *o, struct diskfile_info *ret)
{
    int err = -ENOENT;
    for (int i = 0; err == -ENOENT && i < MAX_RACES; i++)
        err = open_once(f, o, ret);
    return err == -ENOENT ? -EAGAIN : err;
}
