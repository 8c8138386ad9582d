/* SPDX-License-Identifier: Apache-2.0
 *
 * listing.h: Swift's JSON listings of an account or a container (facts: proxy 12), parsed.
 */
#ifndef FS_LISTING_H
#define FS_LISTING_H

#include "common/arena.h"

#define LISTING_HASH_SIZE 72

struct listing_entry {
    struct str name; /* as listed, a subdir with its trailing delimiter; may hold any byte */
    bool subdir;     /* rolled up: something lies below */
    bool directory;  /* Content-Type application/directory: a directory's marker */
    bool symlink;    /* Content-Type inode/symlink */
    bool large;      /* hash is that of a segmented object */
    uint64_t bytes;
    char hash[LISTING_HASH_SIZE]; /* "" for subdirs and containers */
    int64_t changed_us;           /* last_modified in microseconds since 1970; 0 if absent */
};

struct listing {
    struct arena *arena; /* holds names and entries */
    struct listing_entry *v;
    size_t n, cap;
    struct str last; /* name of the last item seen: the marker for the next page */
    bool more;       /* the page was full, there may be another */
};

void listing_init(struct listing *l);
void listing_release(struct listing *l);
/* Parses one page and appends its entries. Items that are no objects or lack a name are passed over. Returns
 * how many items the page held, or -EBADMSG (not a JSON array), with nothing appended. */
ssize_t listing_parse(struct listing *l, struct str json);
/* "2023-11-14T22:13:30.123450" in microseconds since 1970, or 0. */
int64_t listing_parse_time(struct str s);

#define LISTING_TYPE_DIRECTORY "application/directory"
#define LISTING_TYPE_SYMLINK   "inode/symlink"
/* The media type, without its parameters, in any case. */
bool listing_type_is(struct str content_type, struct str type);

#endif
