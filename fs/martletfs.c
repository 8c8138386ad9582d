/* SPDX-License-Identifier: Apache-2.0
 *
 * martletfs.c: the program: options, authentication, mount, daemon. See martletfs.1.
 *
 * The parent of a daemon waits until the kernel has talked to the mount, so that exit status 0 means that it
 * serves; until then whatever fails is told on the terminal.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/log.h"
#include "fs/auth.h"
#include "fs/fuse_ops.h"
#include "fs/store_swift.h"

#define KEY_FILE_MAX   4096
#define FUSE_THREADS   32
#define SMALL_REQUESTS 16

struct options {
    char *auth, *user, *container, *key_file, *storage_url, *ca_file, *cache_dir, *log_file, *log_level;
    double cache_timeout, attr_timeout, entry_timeout;
    unsigned uid, gid, umask;
    char *source, *mountpoint;
    int help, version;
};

#define OPTION(text, field)                      \
    {                                            \
        text, offsetof(struct options, field), 0 \
    }
#define LONG(name, under, field) OPTION("--" name "=%s", field), OPTION(under "=%s", field)

static const struct fuse_opt option_table[] = {
    LONG("auth", "auth", auth),
    LONG("user", "auth_user", user),
    LONG("container", "container", container),
    LONG("key-file", "key_file", key_file),
    LONG("storage-url", "storage_url", storage_url),
    LONG("ca-file", "ca_file", ca_file),
    LONG("cache-dir", "cache_dir", cache_dir),
    LONG("log-file", "log_file", log_file),
    LONG("log-level", "log_level", log_level),
    {"--cache-timeout=%lf", offsetof(struct options, cache_timeout), 0},
    {"cache_timeout=%lf", offsetof(struct options, cache_timeout), 0},
    {"attr_timeout=%lf", offsetof(struct options, attr_timeout), 0},
    {"entry_timeout=%lf", offsetof(struct options, entry_timeout), 0},
    {"uid=%u", offsetof(struct options, uid), 0},
    {"gid=%u", offsetof(struct options, gid), 0},
    {"umask=%o", offsetof(struct options, umask), 0},
    {"-h", offsetof(struct options, help), 1},
    {"--help", offsetof(struct options, help), 1},
    {"-V", offsetof(struct options, version), 1},
    {"--version", offsetof(struct options, version), 1},
    FUSE_OPT_KEY("--key=", 1),
    FUSE_OPT_KEY("key=", 1),
    FUSE_OPT_END,
};

static const char usage[] =
    "usage: martletfs [options] [SOURCE] MOUNTPOINT\n"
    "\n"
    "Mounts a Swift account, whose containers are directories, or one container. SOURCE is the "
    "authentication\n"
    "URL, or the name of a container.\n"
    "\n"
    "    --auth=URL             authentication URL, version 1 (or ST_AUTH in the environment)\n"
    "    --user=ACCOUNT:USER    (or ST_USER)\n"
    "    --key-file=FILE        its first line is the key; readable by its owner only (or the key itself in\n"
    "                           MARTLETFS_KEY or ST_KEY)\n"
    "    --container=NAME       mount only this container\n"
    "    --storage-url=URL      instead of the one that authentication gives; alone: with the token in\n"
    "                           OS_AUTH_TOKEN, or anonymously\n"
    "    --ca-file=FILE         certificates to trust instead of the system's\n"
    "    --cache-dir=DIR        for files being written (/var/cache/martletfs, ~/.cache/martletfs)\n"
    "    --cache-timeout=SEC    how long listings and attributes are believed (10)\n"
    "    --log-file=FILE        instead of syslog\n"
    "    --log-level=LEVEL      ERROR WARNING NOTICE INFO DEBUG (NOTICE)\n"
    "    -f                     stay in the foreground, log to the terminal\n"
    "    -d                     the same, and show every FUSE request\n"
    "    -o OPT,...             allow_other, ro, attr_timeout=SEC, entry_timeout=SEC, uid=N, gid=N, "
    "umask=OCTAL\n"
    "                           and any option above with '_' for '-' (auth_user for --user)\n"
    "    -h  -V                 help, version\n";

static int on_argument(void *data, const char *arg, int key, struct fuse_args *args)
{
    struct options *o = data;

    if (key == 1) {
        fprintf(stderr, "martletfs: a key on the command line can be seen by everybody: use --key-file or "
                        "MARTLETFS_KEY\n");
        return -1;
    }
    if (key != FUSE_OPT_KEY_NONOPT)
        return 1;
    if (!o->mountpoint) {
        o->mountpoint = xstrdup(arg);
    } else if (!o->source) {
        o->source = o->mountpoint;
        o->mountpoint = xstrdup(arg);
    } else {
        fprintf(stderr, "martletfs: too many arguments: %s\n", arg);
        return -1;
    }
    return 0;
}

/* True for "--name" where the table has "--name=...". */
static bool takes_value(const char *arg)
{
    size_t n = strlen(arg);

    if (strcmp(arg, "--key") == 0)
        return true;
    for (size_t i = 0; option_table[i].templ; i++) {
        const char *t = option_table[i].templ;

        if (n > 2 && strncmp(t, arg, n) == 0 && t[n] == '=' && t[0] == '-')
            return true;
    }
    return false;
}

/* "--name value" becomes "--name=value", the form that libfuse parses. */
static void join_values(int argc, char *argv[], struct fuse_args *args)
{
    for (int i = 0; i < argc; i++) {
        char *joined = NULL;

        if (i > 0 && i + 1 < argc && takes_value(argv[i])) {
            joined = xasprintf("%s=%s", argv[i], argv[i + 1]);
            i++;
        }
        fuse_opt_add_arg(args, joined ? joined : argv[i]);
        free(joined);
    }
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "martletfs: %s: %s\n", what, why);
    return -1;
}

static void take_default(char **field, const char *variable)
{
    const char *value = getenv(variable);

    if (!*field && value && *value)
        *field = xstrdup(value);
}

static int complete_options(struct options *o)
{
    if (o->source && strstr(o->source, "://")) {
        free(o->auth);
        o->auth = xstrdup(o->source);
    } else if (o->source) {
        free(o->container);
        o->container = xstrdup(o->source);
    }
    if (!o->storage_url || o->user)
        take_default(&o->auth, "ST_AUTH");
    if (o->auth)
        take_default(&o->user, "ST_USER");
    if (!o->mountpoint)
        return fail("no mount point given", "see martletfs --help");
    if (!o->auth && !o->storage_url)
        return fail("no authentication URL given", "use --auth or ST_AUTH");
    if (o->auth && !o->user)
        return fail("no user given", "use --user or ST_USER");
    if (o->container && (!*o->container || strchr(o->container, '/')))
        return fail(o->container, "not the name of a container");
    return 0;
}

/* --- the key ------------------------------------------------------------------------------------------------- */

static int read_key_file(const char *path, char **ret)
{
    char text[KEY_FILE_MAX + 1];
    struct stat st;
    struct str line, rest;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0)
            close(fd);
        return fail(path, strerrordesc_np(errno));
    }
    n = read(fd, text, KEY_FILE_MAX);
    close(fd);
    if (!S_ISREG(st.st_mode))
        return fail(path, "not a regular file");
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 077))
        return fail(path, "others may read or write this key file: chmod 600 it");
    str_cut(str_of(text, n < 0 ? 0 : (size_t)n), '\n', &line, &rest);
    line = str_trim(line);
    if (line.n == 0)
        return fail(path, "no key in its first line");
    *ret = str_dup(line);
    explicit_bzero(text, sizeof text);
    return 0;
}

static int find_key(const struct options *o, char **ret)
{
    const char *variables[] = {"MARTLETFS_KEY", "ST_KEY"};

    if (o->key_file)
        return read_key_file(o->key_file, ret);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        take_default(ret, variables[i]);
    return *ret ? 0 : fail("no key given", "use --key-file, MARTLETFS_KEY or ST_KEY");
}

/* --- the store ------------------------------------------------------------------------------------------------- */

struct client {
    struct transfer_pool *pool;
    struct auth *auth;
    struct store *store;
};

static void client_release(struct client *c)
{
    if (c->store)
        c->store->free(c->store);
    auth_free(c->auth);
    transfer_pool_free(c->pool);
}

static const char *reason(int rc)
{
    const char *text = strerrordesc_np(-rc);

    return text ? text : "unknown error";
}

/* Is there what is to be mounted, and may we see it? */
static int check_target(struct client *c, const struct options *o)
{
    struct arena *a = arena_new();
    struct store_name name = {.container = str_from(o->container)};
    struct store_reply reply;
    int rc = c->store->head(c->store, name, a, &reply);

    arena_free(a);
    if (rc == -ENOENT)
        return fail(o->container ? o->container : auth_storage_url(c->auth),
                    o->container ? "no such container" : "no such account");
    return rc < 0 ? fail(auth_storage_url(c->auth), reason(rc)) : 0;
}

static int client_init(struct client *c, const struct options *o)
{
    struct auth_options ao = {
        .url = o->auth, .user = o->user, .storage_url = o->storage_url, .token = getenv("OS_AUTH_TOKEN")};
    char token[AUTH_TOKEN_SIZE], message[512];
    char *key = NULL;
    uint64_t generation;
    int rc;

    if (o->auth && find_key(o, &key) < 0)
        return -1;
    ao.key = key;
    c->pool = transfer_pool_new(o->ca_file);
    c->auth = auth_new(c->pool, &ao);
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    rc = auth_token(c->auth, token, &generation);
    if (rc < 0) {
        auth_message(c->auth, message, sizeof message);
        return fail("cannot authenticate", message[0] ? message : reason(rc));
    }
    c->store = store_swift_new(c->pool, c->auth);
    return check_target(c, o);
}

/* --- the cache folder --------------------------------------------------------------------------------------------- */

static char *default_cache_dir(void)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return xstrdup("/var/cache/martletfs");
    if (base && *base == '/')
        return xasprintf("%s/martletfs", base);
    return home && *home == '/' ? xasprintf("%s/.cache/martletfs", home) : xstrdup("/tmp");
}

/* An absolute path, as a daemon works in "/". */
static int prepare_cache_dir(struct options *o)
{
    char *path;
    int rc;

    if (!o->cache_dir)
        o->cache_dir = default_cache_dir();
    rc = file_make_dirs(o->cache_dir, 0700, false);
    if (rc < 0)
        return fail(o->cache_dir, reason(rc));
    path = realpath(o->cache_dir, NULL);
    if (!path || access(path, W_OK | X_OK) < 0) {
        rc = fail(o->cache_dir, reason(-errno));
        free(path);
        return rc;
    }
    free(o->cache_dir);
    o->cache_dir = path;
    return 0;
}

/* --- the daemon --------------------------------------------------------------------------------------------------- */

struct start {
    int pipe_fd; /* to the waiting parent; -1 in the foreground */
    int log_fd;  /* -1: syslog */
    enum log_level level;
};

/* Child: returns the pipe's end. Parent: waits for it, and exits as the child says. */
static int become_daemon(void)
{
    int fds[2];
    char ok;
    pid_t pid;
    ssize_t n;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return fail("pipe", reason(-errno));
    pid = fork();
    if (pid < 0)
        return fail("fork", reason(-errno));
    if (pid == 0) {
        close(fds[0]);
        setsid();
        return fds[1];
    }
    close(fds[1]);
    do
        n = read(fds[0], &ok, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        waitpid(pid, NULL, 0); /* it has said why */
    _exit(n == 1 ? 0 : 1);
}

/* The mount serves: lets the parent go, and with it the terminal. */
static void on_ready(void *arg)
{
    struct start *s = arg;
    int null;

    if (s->log_fd >= 0)
        dup2(s->log_fd, STDERR_FILENO);
    if (s->pipe_fd < 0)
        return;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (s->log_fd < 0) {
        log_open("martletfs", s->level, "LOG_DAEMON");
        dup2(null, STDERR_FILENO);
    }
    close(null);
    if (write(s->pipe_fd, "+", 1) != 1)
        log_warning("the starting process has gone");
    close(s->pipe_fd);
    s->pipe_fd = -1;
    if (chdir("/") < 0)
        log_warning("chdir /: %s", reason(-errno));
}

static int open_log(struct options *o, struct start *s)
{
    s->level = LOG_LEVEL_NOTICE;
    if (o->log_level && log_level_parse(str_from(o->log_level), &s->level) < 0)
        return fail(o->log_level, "not a log level");
    log_open("martletfs", s->level, NULL);
    s->log_fd = -1;
    if (o->log_file) {
        s->log_fd = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (s->log_fd < 0)
            return fail(o->log_file, reason(-errno));
    }
    return 0;
}

/* --- the mount ------------------------------------------------------------------------------------------------------ */

static void add_mount_options(struct fuse_args *args, const struct options *o, struct client *c)
{
    char *opts = NULL, *source;

    source = o->container ? xasprintf("fsname=%s/%s", auth_storage_url(c->auth), o->container)
                          : xasprintf("fsname=%s", auth_storage_url(c->auth));
    fuse_opt_add_opt(&opts, "default_permissions,subtype=martletfs");
    fuse_opt_add_opt_escaped(&opts, source);
    fuse_opt_add_arg(args, "-o");
    fuse_opt_add_arg(args, opts);
    free(opts);
    free(source);
}

static int serve(struct fuse_session *session, const struct options *o)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    int rc;

    fuse_loop_cfg_set_max_threads(config, FUSE_THREADS);
    fuse_loop_cfg_set_idle_threads(config, FUSE_THREADS);
    rc = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return rc < 0 ? fail(o->mountpoint, reason(rc)) : 0; /* a signal's number is no failure */
}

static int run_mounted(struct fuse_session *session, const struct options *o, struct vfs *vfs)
{
    int rc;

    if (fuse_set_signal_handlers(session) != 0)
        return fail("signal handlers", "cannot be set");
    if (fuse_session_mount(session, o->mountpoint) != 0) {
        fuse_remove_signal_handlers(session);
        return fail(o->mountpoint, "cannot be mounted");
    }
    rc = serve(session, o);
    if (vfs_shutdown(vfs) < 0)
        rc = -1;
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    return rc;
}

static int mount_and_serve(struct fuse_args *args, const struct options *o, struct client *c,
                           struct start *start)
{
    struct vfs_options vo = {.container = o->container,
                             .cache_dir = o->cache_dir,
                             .fresh_ms = (int64_t)(o->cache_timeout * 1000),
                             .uid = o->uid,
                             .gid = o->gid,
                             .umask = o->umask,
                             .requests = SMALL_REQUESTS};
    struct fuse_ops_mount m = {.attr_timeout = o->attr_timeout,
                               .entry_timeout = o->entry_timeout,
                               .ready = on_ready,
                               .ready_arg = start};
    struct fuse_session *session;
    int rc = -1;

    add_mount_options(args, o, c);
    m.vfs = vfs_new(c->store, &vo);
    session = fuse_session_new(args, &fuse_ops, sizeof fuse_ops, &m);
    if (session) {
        rc = run_mounted(session, o, m.vfs);
        fuse_session_destroy(session);
    }
    vfs_free(m.vfs);
    return rc;
}

static int run(struct fuse_args *args, struct options *o, bool foreground)
{
    struct start start = {.pipe_fd = -1};
    struct client client = {0};
    char *mountpoint;
    int rc = -1;

    if (open_log(o, &start) < 0 || prepare_cache_dir(o) < 0)
        return -1;
    mountpoint = realpath(o->mountpoint, NULL);
    if (!mountpoint)
        return fail(o->mountpoint, reason(-errno));
    free(o->mountpoint);
    o->mountpoint = mountpoint;
    if (!foreground && (start.pipe_fd = become_daemon()) < 0)
        return -1;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN);
    if (client_init(&client, o) == 0)
        rc = mount_and_serve(args, o, &client, &start);
    client_release(&client);
    curl_global_cleanup();
    return rc;
}

static void options_release(struct options *o)
{
    char *all[] = {o->auth,      o->user,     o->container, o->key_file, o->storage_url, o->ca_file,
                   o->cache_dir, o->log_file, o->log_level, o->source,   o->mountpoint};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

int main(int argc, char *argv[])
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_cmdline_opts fuse_opts = {0};
    mode_t mask = umask(0);
    struct options o = {.cache_timeout = 10,
                        .attr_timeout = 1,
                        .entry_timeout = 1,
                        .uid = geteuid(),
                        .gid = getegid(),
                        .umask = mask};
    int rc = -1;

    umask(mask);
    join_values(argc, argv, &args);
    if (fuse_opt_parse(&args, &o, option_table, on_argument) < 0 ||
        fuse_parse_cmdline(&args, &fuse_opts) < 0) {
        fprintf(stderr, "see martletfs --help\n");
    } else if (o.help) {
        rc = fputs(usage, stdout) < 0 ? -1 : 0;
    } else if (o.version) {
        rc = printf("martletfs %s (libfuse %s, %s)\n", MARTLET_VERSION, fuse_pkgversion(), curl_version()) < 0
                 ? -1
                 : 0;
    } else if (complete_options(&o) == 0) {
        rc = run(&args, &o, fuse_opts.foreground || fuse_opts.debug);
    }
    free(fuse_opts.mountpoint);
    fuse_opt_free_args(&args);
    options_release(&o);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
