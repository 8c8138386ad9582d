/* SPDX-License-Identifier: Apache-2.0
 *
 * services.h: which services there are, and the running set of them. A service runs if its section stands in one of
 * the configuration files ([app:object-server], [container-updater], ...).
 */
#ifndef SERVER_SERVICES_H
#define SERVER_SERVICES_H

#include "common/buf.h"

struct services;

struct services_options {
    const char *const *conf_paths; /* files or folders of *.conf */
    size_t n_conf_paths;
    const char *only; /* comma list of service names, NULL: all that are configured */
    bool verbose;     /* log to stderr */
    bool once;        /* background services: one pass, then the end; no servers */
};

/* Reads the files and opens the log. 0, or -errno with a sentence. Outside tasks. */
int services_load(const struct services_options *options, struct services **ret, struct buf *error);
/* Loops to run them on (rt_options.loops). */
unsigned services_loops(const struct services *s);
/* [waits] Makes the services and, unless `check`, binds and starts all of them, then becomes the configured user. 0, or
 * -errno with a sentence; then nothing keeps running. */
int services_start(struct services *s, bool check, struct buf *error);
/* [waits] With `once`: returns when every background service has made its pass. 0 or the first failure. */
int services_wait_once(struct services *s);
/* [waits] Stops: no new connections, what is in flight ends within grace_ms, the rest is cut. */
void services_stop(struct services *s, int64_t grace_ms);
/* Puts the listening sockets into the environment for a new process (http_listen.h). */
int services_export(struct services *s);
/* One line a service: name, address, file. */
void services_describe(const struct services *s, struct buf *out);
void services_free(struct services *s);
/* Names of all services that there are, separated by blanks. */
const char *services_known(void);

#endif
