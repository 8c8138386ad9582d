/* SPDX-License-Identifier: Apache-2.0
 *
 * The devices of a storage server (backend.h): found by name, each with threads of its own. A device is known from
 * the first request that names it and stays known: its pool must outlive the requests in it.
 */
#include "base/backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/hash.h"

/* More names than this are somebody's mistake or attack, not disks. */
#define DEVICES_MAX 1024

/* How old a look at the disk may be that a reader relies on. */
#define RECENT_MS 1000

struct known_device {
    struct device device;
    _Atomic(int64_t) usable_ms; /* when it was last found usable */
};

struct devices {
    const char *root, *service;
    bool mount_check;
    unsigned threads;
    pthread_mutex_t mutex; /* guards `known`; never held across a call that waits */
    struct hash *known;    /* name -> struct known_device */
};

static void free_device(void *p)
{
    struct known_device *k = p;
    rt_pool_free(k->device.pool);
    free((char *)k->device.name);
    free((char *)k->device.path);
    free(k);
}

struct devices *devices_new(const struct backend_options *options, const char *service)
{
    struct devices *d = xcalloc(1, sizeof(*d));
    d->root = options->devices;
    d->service = service;
    d->mount_check = options->mount_check;
    d->threads = (unsigned)options->threads_per_disk;
    pthread_mutex_init(&d->mutex, NULL);
    d->known = hash_new(free_device);
    return d;
}

void devices_free(struct devices *d)
{
    if (!d)
        return;
    hash_free(d->known);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

/* Names that survive urllib's quote_plus unchanged; "." and ".." never name a device. */
static bool name_valid(struct str name)
{
    if (name.n == 0 || name.n > 255 || str_eq(name, STR(".")) || str_eq(name, STR("..")))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '.' ||
                     c == '-' || c == '~';
        if (!plain)
            return false;
    }
    return true;
}

/* As swift.common.utils.ismount: not a link, a file system of its own, or marked by a file ".ismount". */
static bool is_mount_point(const char *path)
{
    struct stat here, parent;
    char *other = xasprintf("%s/..", path);
    bool mounted = false;
    if (lstat(path, &here) == 0 && S_ISDIR(here.st_mode)) {
        mounted =
            lstat(other, &parent) == 0 && (here.st_dev != parent.st_dev || here.st_ino == parent.st_ino);
        if (!mounted) {
            char *mark = xasprintf("%s/.ismount", path);
            mounted = access(mark, F_OK) == 0;
            free(mark);
        }
    }
    free(other);
    return mounted;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static struct known_device *find_known(struct devices *d, struct str name)
{
    pthread_mutex_lock(&d->mutex);
    struct known_device *k = hash_get(d->known, name);
    pthread_mutex_unlock(&d->mutex);
    return k;
}

static struct known_device *find_or_add(struct devices *d, struct str name)
{
    pthread_mutex_lock(&d->mutex);
    struct known_device *k = hash_get(d->known, name);
    if (!k && hash_count(d->known) < DEVICES_MAX) {
        k = xcalloc(1, sizeof(*k));
        struct device *dev = &k->device;
        dev->name = str_dup(name);
        dev->path = xasprintf("%s/%s", d->root, dev->name);
        char *label = xasprintf("%s %s", d->service, dev->name);
        dev->pool = rt_pool_new(label, d->threads, 4096);
        free(label);
        hash_put(d->known, name, k);
    }
    pthread_mutex_unlock(&d->mutex);
    return k;
}

const struct device *devices_find(struct devices *d, struct str name)
{
    if (!name_valid(name))
        return NULL;
    struct known_device *k = find_known(d, name);
    char *path = k ? NULL : xasprintf("%s/%.*s", d->root, STR_ARG(name));
    const char *p = k ? k->device.path : path;
    bool usable = d->mount_check ? is_mount_point(p) : is_folder(p);
    free(path);
    if (usable && !k)
        k = find_or_add(d, name);
    if (k)
        atomic_store_explicit(&k->usable_ms, usable ? clock_monotonic_ms() : 0, memory_order_relaxed);
    return usable && k ? &k->device : NULL;
}

const struct device *devices_find_for_reading(struct devices *d, struct str name)
{
    struct known_device *k = find_known(d, name);
    if (k) {
        int64_t seen = atomic_load_explicit(&k->usable_ms, memory_order_relaxed);
        if (seen && clock_monotonic_ms() - seen < RECENT_MS)
            return &k->device;
    }
    return devices_find(d, name);
}

bool device_has_space(const struct device *dev, const struct conf_reserve *reserve, uint64_t bytes)
{
    struct statvfs vfs;
    if (reserve->value <= 0)
        return true;
    if (statvfs(dev->path, &vfs) != 0)
        return false;
    double free_bytes = (double)vfs.f_bavail * (double)vfs.f_frsize - (double)bytes;
    if (!reserve->is_percent)
        return free_bytes > reserve->value;
    double all = (double)vfs.f_blocks * (double)vfs.f_frsize;
    return all > 0 && free_bytes * 100.0 / all > reserve->value;
}
