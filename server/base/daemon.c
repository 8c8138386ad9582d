/* SPDX-License-Identifier: Apache-2.0 */
#include "base/daemon.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"

int daemon_read_options(struct conf *conf, const char *section, struct daemon_options *ret, struct buf *error)
{
#define OPTION(name, fallback)                                                          \
    {                                                                                   \
#name, CONF_STRING, offsetof(struct daemon_options, name), fallback, 0, 0, NULL \
    }
    static const struct conf_option table[] = {
        OPTION(user, "swift"),
        OPTION(swift_dir, "/etc/swift"),
        OPTION(log_name, NULL),
        OPTION(log_facility, "LOG_LOCAL0"),
        OPTION(log_level, "INFO"),
        OPTION(workers, "auto"),
        {0},
    };
#undef OPTION
    return conf_read(conf, section, table, ret, error);
}

int daemon_open_log(const struct daemon_options *o, const char *service, bool verbose, struct buf *error)
{
    enum log_level level;
    if (log_level_parse(str_from(o->log_level), &level)) {
        buf_printf(error, "log_level = '%s': use DEBUG, INFO, NOTICE, WARNING or ERROR", o->log_level);
        return -EINVAL;
    }
    bool to_stderr = verbose || access("/dev/log", W_OK) != 0;
    if (log_open(o->log_name ? o->log_name : service, level, to_stderr ? NULL : o->log_facility)) {
        buf_printf(error, "log_facility = '%s': not a syslog facility such as LOG_LOCAL0", o->log_facility);
        return -EINVAL;
    }
    return 0;
}

int daemon_loops(const struct daemon_options *o, const struct conf *conf, unsigned *ret, struct buf *error)
{
    uint64_t n = 0;
    if (!str_ieq(str_from(o->workers), STR("auto")) && (str_to_u64(str_from(o->workers), &n) || n > 1024)) {
        buf_printf(error, "%s: [DEFAULT] workers = '%s': use 'auto' or a number up to 1024", conf_path(conf),
                   o->workers);
        return -EINVAL;
    }
    /* Upstream's 0 means "no child processes": one loop. */
    *ret = str_ieq(str_from(o->workers), STR("auto")) ? 0 : n ? (unsigned)n : 1;
    return 0;
}

void daemon_raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            log_warning("cannot raise the number of open files to %llu", (unsigned long long)files.rlim_max);
    }
}

int daemon_drop_privileges(const char *user, struct buf *error)
{
    if (geteuid() != 0)
        return 0;
    errno = 0;
    struct passwd *pw = getpwnam(user);
    if (!pw) {
        buf_printf(error, "user = '%s': there is no such user; create it or set 'user' in [DEFAULT]", user);
        return -ENOENT;
    }
    if (pw->pw_uid == 0)
        return 0;
    if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        int err = -errno;
        buf_printf(error, "user = '%s': cannot become this user: error %d", user, -err);
        return err;
    }
    return 0;
}

int daemon_write_pid(const char *path, struct buf *error)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    int err = file_replace(path, text, (size_t)n, 0644);
    if (err)
        buf_printf(error, "%s: cannot write the pid file: error %d", path, -err);
    return err;
}

void daemon_notify_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(addr.sun_path))
        return;
    memcpy(addr.sun_path, path, strlen(path));
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    char text[64];
    int n = snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
        log_warning("cannot tell the service manager that this process is ready");
    close(fd);
}
