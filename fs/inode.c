/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/inode.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/hash.h"

struct inode_table {
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* pins fell to zero, a move ended */
    struct hash *by_ino;       /* 8 bytes of the number */
    struct hash *by_name;      /* 8 bytes of the parent's number, then the name */
    struct inode *root, *open; /* open: those with a file, linked */
    uint64_t next;
    char *container;
};

static struct str ino_key(const uint64_t *ino)
{
    return str_of(ino, sizeof *ino);
}

/* The caller frees .p. */
static struct str name_key(const struct inode *parent, const char *name)
{
    size_t n = strlen(name);
    char *p = xmalloc(sizeof parent->ino + n);

    memcpy(p, &parent->ino, sizeof parent->ino);
    memcpy(p + sizeof parent->ino, name, n);
    return str_of(p, sizeof parent->ino + n);
}

static struct inode *find_child(struct inode_table *t, const struct inode *parent, const char *name)
{
    struct str key = name_key(parent, name);
    struct inode *child = hash_get(t->by_name, key);

    free((char *)key.p);
    return child;
}

static void attach(struct inode_table *t, struct inode *inode, struct inode *parent, const char *name)
{
    struct str key = name_key(parent, name);

    inode->parent = parent;
    inode->name = xstrdup(name);
    parent->children++;
    hash_put(t->by_name, key, inode);
    free((char *)key.p);
}

static void drop_if_unused(struct inode_table *t, struct inode *inode);

static void detach(struct inode_table *t, struct inode *inode)
{
    struct inode *parent = inode->parent;
    struct str key;

    if (!parent)
        return;
    key = name_key(parent, inode->name);
    hash_take(t->by_name, key);
    free((char *)key.p);
    free(inode->name);
    inode->name = NULL;
    inode->parent = NULL;
    for (struct inode *i = parent; i; i = i->parent)
        i->pins -= inode->pins;
    if (inode->pins)
        pthread_cond_broadcast(&t->changed);
    parent->children--;
    drop_if_unused(t, parent);
}

static void drop_if_unused(struct inode_table *t, struct inode *inode)
{
    if (inode->lookups || inode->refs || inode->children || inode->pins || inode == t->root)
        return;
    assert(!inode->file);
    detach(t, inode);
    hash_take(t->by_ino, ino_key(&inode->ino));
    free(inode->name);
    free(inode);
}

static struct inode *new_inode(struct inode_table *t, bool is_dir)
{
    struct inode *inode = xcalloc(1, sizeof *inode);

    inode->ino = t->next++;
    inode->is_dir = is_dir;
    hash_put(t->by_ino, ino_key(&inode->ino), inode);
    return inode;
}

struct inode_table *inode_table_new(const char *container)
{
    struct inode_table *t = xcalloc(1, sizeof *t);

    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->by_ino = hash_new(NULL);
    t->by_name = hash_new(NULL);
    t->next = INODE_ROOT;
    t->container = container ? xstrdup(container) : NULL;
    t->root = new_inode(t, true);
    return t;
}

void inode_table_free(struct inode_table *t)
{
    size_t cursor = 0;
    struct str key;
    void *value;

    if (!t)
        return;
    while (hash_next(t->by_ino, &cursor, &key, &value)) {
        struct inode *inode = value;

        free(inode->name);
        free(inode);
    }
    hash_free(t->by_ino);
    hash_free(t->by_name);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->container);
    free(t);
}

void inode_table_lock(struct inode_table *t)
{
    pthread_mutex_lock(&t->lock);
}

void inode_table_unlock(struct inode_table *t)
{
    pthread_mutex_unlock(&t->lock);
}

struct inode *inode_get(struct inode_table *t, uint64_t ino)
{
    struct inode *inode;

    inode_table_lock(t);
    inode = hash_get(t->by_ino, ino_key(&ino));
    if (inode)
        inode->refs++;
    inode_table_unlock(t);
    return inode;
}

struct inode *inode_find(struct inode_table *t, struct inode *parent, const char *name)
{
    struct inode *child;

    inode_table_lock(t);
    child = find_child(t, parent, name);
    if (child)
        child->refs++;
    inode_table_unlock(t);
    return child;
}

static void unlink_locked(struct inode_table *t, struct inode *inode)
{
    inode->refs++; /* so that it outlives its name */
    inode->unlinked = true;
    detach(t, inode);
    inode->refs--;
    drop_if_unused(t, inode);
}

struct inode *inode_child(struct inode_table *t, struct inode *parent, const char *name, bool is_dir,
                          bool create)
{
    struct inode *child;

    inode_table_lock(t);
    child = find_child(t, parent, name);
    if (child && child->is_dir != is_dir) {
        unlink_locked(t, child);
        child = NULL;
    }
    if (!child && create) {
        child = new_inode(t, is_dir);
        attach(t, child, parent, name);
    }
    if (child)
        child->refs++;
    inode_table_unlock(t);
    return child;
}

void inode_put(struct inode_table *t, struct inode *inode)
{
    if (!inode)
        return;
    inode_table_lock(t);
    assert(inode->refs > 0);
    inode->refs--;
    drop_if_unused(t, inode);
    inode_table_unlock(t);
}

void inode_looked_up(struct inode_table *t, struct inode *inode)
{
    inode_table_lock(t);
    inode->lookups++;
    inode_table_unlock(t);
}

void inode_forget(struct inode_table *t, uint64_t ino, uint64_t lookups)
{
    struct inode *inode;

    inode_table_lock(t);
    inode = hash_get(t->by_ino, ino_key(&ino));
    if (inode) {
        inode->lookups -= lookups < inode->lookups ? lookups : inode->lookups;
        drop_if_unused(t, inode);
    }
    inode_table_unlock(t);
}

void inode_unlink(struct inode_table *t, struct inode *inode)
{
    inode_table_lock(t);
    if (!inode->unlinked)
        unlink_locked(t, inode);
    inode_table_unlock(t);
}

/* --- paths ------------------------------------------------------------------------------------------------ */

void inode_path_release(struct inode_path *p)
{
    free(p->text);
    *p = (struct inode_path){0};
}

struct store_name inode_path_marker(const struct inode_path *p)
{
    struct store_name name = p->name;

    if (name.object.n)
        name.object.n++; /* the slash that build_path() put behind it */
    return name;
}

struct str inode_path_prefix(const struct inode_path *p)
{
    return inode_path_marker(p).object;
}

static void split_path(struct inode_path *p, size_t n)
{
    p->key = str_of(p->text, n ? n - 1 : 0);
    p->name = (struct store_name){STR_NONE, STR_NONE};
    str_cut(p->key, '/', &p->name.container, &p->name.object);
}

void inode_path_join(const struct inode_path *dir, const char *name, struct inode_path *ret)
{
    ret->text = xasprintf("%s%s/", dir->text, name);
    split_path(ret, strlen(ret->text));
}

/* "container/object/" and NUL; the last slash is not part of the key but ready for inode_path_marker(). */
static void build_path(struct inode_table *t, const struct inode *inode, const char *child,
                       struct inode_path *ret)
{
    size_t n = child ? strlen(child) + 1 : 0, used;
    char *end;

    for (const struct inode *i = inode; i != t->root; i = i->parent)
        n += strlen(i->name) + 1;
    if (t->container)
        n += strlen(t->container) + 1;
    ret->text = xcalloc(1, n + 1);
    end = ret->text + n;
    if (child) {
        used = strlen(child);
        *--end = '/';
        memcpy(end -= used, child, used);
    }
    for (const struct inode *i = inode; i != t->root; i = i->parent) {
        used = strlen(i->name);
        *--end = '/';
        memcpy(end -= used, i->name, used);
    }
    if (t->container) {
        *--end = '/';
        memcpy(end - strlen(t->container), t->container, strlen(t->container));
    }
    split_path(ret, n);
}

/* Something from inode upwards is about to move or moving. */
static bool is_blocked(const struct inode *inode)
{
    for (; inode; inode = inode->parent)
        if (inode->moving)
            return true;
    return false;
}

static int pin(struct inode_table *t, struct inode *inode, const char *child, struct inode_path *ret)
{
    int rc = 0;

    inode_table_lock(t);
    while (is_blocked(inode))
        pthread_cond_wait(&t->changed, &t->lock);
    if (inode->unlinked) {
        rc = -ENOENT;
    } else {
        for (struct inode *i = inode; i; i = i->parent)
            i->pins++;
        build_path(t, inode, child, ret);
    }
    inode_table_unlock(t);
    return rc;
}

int inode_pin(struct inode_table *t, struct inode *inode, struct inode_path *ret)
{
    return pin(t, inode, NULL, ret);
}

int inode_pin_child(struct inode_table *t, struct inode *parent, const char *name, struct inode_path *ret)
{
    return pin(t, parent, name, ret);
}

void inode_unpin(struct inode_table *t, struct inode *inode)
{
    inode_table_lock(t);
    for (struct inode *i = inode, *up; i; i = up) {
        up = i->parent;
        assert(i->pins > 0);
        i->pins--;
        if (i->pins == 0)
            pthread_cond_broadcast(&t->changed);
    }
    drop_if_unused(t, inode);
    inode_table_unlock(t);
}

int inode_begin_move(struct inode_table *t, struct inode *inode)
{
    int rc = 0;

    inode_table_lock(t);
    if (inode->unlinked) {
        rc = -ENOENT;
    } else {
        inode->moving = true;
        while (inode->pins)
            pthread_cond_wait(&t->changed, &t->lock);
    }
    inode_table_unlock(t);
    return rc;
}

void inode_path_of_moving(struct inode_table *t, struct inode *inode, struct inode_path *ret)
{
    inode_table_lock(t);
    build_path(t, inode, NULL, ret);
    inode_table_unlock(t);
}

void inode_end_move(struct inode_table *t, struct inode *inode, struct inode *parent, const char *name)
{
    struct inode *replaced;

    inode_table_lock(t);
    inode->moving = false;
    if (parent) {
        replaced = find_child(t, parent, name);
        if (replaced && replaced != inode)
            unlink_locked(t, replaced);
        inode->refs++;
        detach(t, inode);
        attach(t, inode, parent, name);
        inode->refs--;
    }
    pthread_cond_broadcast(&t->changed);
    inode_table_unlock(t);
}

/* --- walks ------------------------------------------------------------------------------------------------- */

static bool is_below(const struct inode *inode, const struct inode *top)
{
    for (; inode; inode = inode->parent)
        if (inode == top)
            return true;
    return top == NULL;
}

void inode_set_file(struct inode_table *t, struct inode *inode, struct open_file *file)
{
    if (file && !inode->file) {
        inode->next_open = t->open;
        inode->link_open = &t->open;
        if (t->open)
            t->open->link_open = &inode->next_open;
        t->open = inode;
    } else if (!file && inode->file) {
        *inode->link_open = inode->next_open;
        if (inode->next_open)
            inode->next_open->link_open = inode->link_open;
    }
    inode->file = file;
}

size_t inode_open_below(struct inode_table *t, struct inode *top, struct inode **ret, size_t max)
{
    size_t n = 0;

    inode_table_lock(t);
    for (struct inode *inode = t->open; inode; inode = inode->next_open) {
        if (!is_below(inode, top))
            continue;
        if (n < max) {
            inode->refs++;
            ret[n] = inode;
        }
        n++;
    }
    inode_table_unlock(t);
    return n;
}

void inode_each_open_child(struct inode_table *t, struct inode *parent,
                           void (*fn)(void *arg, struct inode *child), void *arg)
{
    inode_table_lock(t);
    for (struct inode *inode = t->open; inode; inode = inode->next_open)
        if (inode->parent == parent)
            fn(arg, inode);
    inode_table_unlock(t);
}
