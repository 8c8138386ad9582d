/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon.h: what a long-running process does once at its start: limits, log, user, pid file.
 */
#ifndef BASE_DAEMON_H
#define BASE_DAEMON_H

#include "common/conf.h"

/* Options of [DEFAULT] that concern the process as a whole. */
struct daemon_options {
    const char *user;         /* "swift": who to become when started as root */
    const char *swift_dir;    /* "/etc/swift" */
    const char *log_name;     /* NULL: the service's */
    const char *log_facility; /* "LOG_LOCAL0" */
    const char *log_level;    /* "INFO" */
    const char *workers;      /* "auto" or a number: loops of the runtime */
};

/* 0, or -EINVAL with a sentence. section: where log options of a service may be overridden ("app:object-server"). */
int daemon_read_options(struct conf *conf, const char *section, struct daemon_options *ret,
                        struct buf *error);

/* Logs to stderr if `verbose` or where there is no /dev/log, else to syslog. 0, or -EINVAL with a sentence. */
int daemon_open_log(const struct daemon_options *o, const char *service, bool verbose, struct buf *error);
/* Loops for rt_run(): 0 for "auto". -EINVAL with a sentence. */
int daemon_loops(const struct daemon_options *o, const struct conf *conf, unsigned *ret, struct buf *error);
/* Raises the number of open files to what the system allows. */
void daemon_raise_limits(void);
/* Becomes `user`, with its groups, when the process is root; nothing otherwise. 0, or -errno with a sentence. */
int daemon_drop_privileges(const char *user, struct buf *error);
/* Writes the process id, whole or not at all. */
int daemon_write_pid(const char *path, struct buf *error);
/* Tells the service manager (NOTIFY_SOCKET of systemd) that this process is now the one that serves. */
void daemon_notify_ready(void);

#endif
