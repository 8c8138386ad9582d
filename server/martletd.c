/* SPDX-License-Identifier: Apache-2.0
 *
 * martletd: a node of the cluster. Starts the services that its configuration files name, waits for signals.
 *
 *   SIGTERM, SIGINT   stop accepting, finish what is in flight, exit
 *   SIGHUP            start the program anew (new binary, new configuration) on the same sockets; when the new process
 *                     serves, this one finishes what is in flight and exits. If the new one fails, this one goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/daemon.h"
#include "common/alloc.h"
#include "common/log.h"
#include "rt/rt.h"
#include "services.h"

#define READY_FD_VARIABLE "MARTLET_READY_FD"

struct program {
    char **argv;
    struct services_options options;
    struct services *services;
    const char *pid_file;
    int64_t grace_ms;
    bool check;
    sigset_t signals;
    int status; /* of the process */
};

static void usage(FILE *out)
{
    fprintf(out,
            "usage: martletd [options] CONF...\n"
            "Runs the services whose sections stand in the configuration files CONF (or folders of *.conf).\n"
            "  --only SERVICE,...  these services only: %s\n"
            "  --once              one pass of each background service, then exit\n"
            "  --check             read and check everything, start nothing\n"
            "  --pid-file FILE     write the process id there once it serves\n"
            "  --grace SECONDS     how long requests in flight may take when stopping (default 60)\n"
            "  -v, --verbose       log to stderr instead of syslog\n"
            "  --version, --help\n",
            services_known());
}

/* Seconds as milliseconds; false: not a number of 0 .. 86400. */
static bool parse_grace(const char *text, int64_t *ret)
{
    double seconds;
    if (str_to_double(str_from(text), &seconds) || seconds < 0 || seconds > 86400)
        return false;
    *ret = (int64_t)(seconds * 1000);
    return true;
}

/* -1: go on; else the exit status. */
static int parse_arguments(struct program *p, int argc, char **argv)
{
    enum { ONLY = 256, ONCE, CHECK, PID_FILE, GRACE, VERSION, HELP };
    static const struct option options[] = {
        {"only", required_argument, NULL, ONLY},
        {"once", no_argument, NULL, ONCE},
        {"check", no_argument, NULL, CHECK},
        {"pid-file", required_argument, NULL, PID_FILE},
        {"grace", required_argument, NULL, GRACE},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        switch (c) {
        case ONLY:
            p->options.only = optarg;
            break;
        case ONCE:
            p->options.once = true;
            break;
        case CHECK:
            p->check = true;
            break;
        case PID_FILE:
            p->pid_file = optarg;
            break;
        case GRACE:
            if (!parse_grace(optarg, &p->grace_ms)) {
                fprintf(stderr, "martletd: --grace %s: use seconds between 0 and 86400\n", optarg);
                return 2;
            }
            break;
        case 'v':
            p->options.verbose = true;
            break;
        case VERSION:
            printf("martletd %s\n", MARTLET_VERSION);
            return 0;
        case HELP:
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind == argc) {
        fprintf(stderr, "martletd: no configuration file given\n");
        usage(stderr);
        return 2;
    }
    p->options.conf_paths = (const char *const *)(argv + optind);
    p->options.n_conf_paths = (size_t)(argc - optind);
    return -1;
}

/* --- handing over to a new process ----------------------------------------------------------------------------- */

struct successor {
    struct program *program;
    int ready[2]; /* the new process writes one byte when it serves, and closes it when it fails */
    bool serves;
};

/* Starts the new process and waits until it serves or ends. Blocks: runs in an offload. */
static void start_successor(void *arg)
{
    struct successor *s = arg;
    char fd_text[16], byte;
    pid_t pid;
    if (pipe(s->ready) != 0)
        return;
    fcntl(s->ready[0], F_SETFD, FD_CLOEXEC);
    snprintf(fd_text, sizeof(fd_text), "%d", s->ready[1]);
    setenv(READY_FD_VARIABLE, fd_text, 1);

    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int err = posix_spawnp(&pid, s->program->argv[0], NULL, &attributes, s->program->argv, environ);
    posix_spawnattr_destroy(&attributes);
    unsetenv(READY_FD_VARIABLE);
    close(s->ready[1]);
    if (err == 0) {
        ssize_t n;
        do {
            n = read(s->ready[0], &byte, 1);
        } while (n < 0 && errno == EINTR);
        s->serves = n == 1;
        if (!s->serves)
            waitpid(pid, NULL, 0);
    }
    close(s->ready[0]);
}

static void tell_ready(void)
{
    const char *text = getenv(READY_FD_VARIABLE);
    uint64_t fd;
    if (!text || str_to_u64(str_from(text), &fd))
        return;
    if (write((int)fd, "1", 1) != 1)
        log_warning("cannot tell the process before this one that the sockets are taken over");
    close((int)fd);
    unsetenv(READY_FD_VARIABLE);
}

/* True if another process now serves on our sockets. */
static bool hand_over(struct program *p)
{
    struct successor s = {.program = p};
    log_notice("SIGHUP: starting anew");
    if (services_export(p->services) == 0)
        rt_offload(NULL, start_successor, &s);
    if (!s.serves)
        log_error(
            "SIGHUP: the new process did not start; this one goes on serving (see the log lines before)");
    return s.serves;
}

/* --- the life of the process ------------------------------------------------------------------------------------ */

/* [waits] Until a signal ends the service. */
static void serve(struct program *p)
{
    struct signalfd_siginfo info;
    int fd = signalfd(-1, &p->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || rt_attach(fd) < 0) {
        log_error("signalfd: error %d", errno);
        return;
    }
    for (;;) {
        ssize_t n = rt_read(fd, &info, sizeof(info), RT_FOREVER);
        if (n != (ssize_t)sizeof(info))
            break;
        if (info.ssi_signo != SIGHUP || hand_over(p))
            break;
    }
    rt_close(fd);
}

static void fail(struct program *p, const struct buf *error)
{
    struct str text = buf_view(error);
    fprintf(stderr, "martletd: %.*s\n", STR_ARG(text));
    p->status = 1;
}

static void main_task(void *arg)
{
    struct program *p = arg;
    struct buf error;
    buf_init(&error, 65536);
    int err = services_start(p->services, p->check, &error);
    if (!err && p->check) {
        services_describe(p->services, &error);
        fwrite(error.p, 1, error.n, stdout);
        goto out;
    }
    if (!err && p->pid_file)
        err = daemon_write_pid(p->pid_file, &error);
    if (err) {
        fail(p, &error);
        goto out;
    }
    tell_ready();
    daemon_notify_ready();
    if (p->options.once) {
        p->status = services_wait_once(p->services) ? 1 : 0;
        goto out;
    }
    services_describe(p->services, &error);
    log_notice("martletd %s serves: %.*s", MARTLET_VERSION, STR_ARG(str_trim(buf_view(&error))));
    serve(p);
    log_notice("stopping");
out:
    services_stop(p->services, p->grace_ms);
    buf_release(&error);
}

int main(int argc, char **argv)
{
    struct program p = {.argv = argv, .grace_ms = 60000};
    struct buf error;
    int status = parse_arguments(&p, argc, argv);
    if (status >= 0)
        return status;

    sigemptyset(&p.signals);
    sigaddset(&p.signals, SIGTERM);
    sigaddset(&p.signals, SIGINT);
    sigaddset(&p.signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &p.signals, NULL); /* every thread to come inherits it; signalfd reads them */

    buf_init(&error, 65536);
    if (services_load(&p.options, &p.services, &error)) {
        fail(&p, &error);
    } else {
        daemon_raise_limits();
        struct rt_options options = {.loops = services_loops(p.services)};
        int err = rt_run(&options, main_task, &p);
        if (err) {
            buf_printf(&error, "cannot start the runtime: error %d", -err);
            fail(&p, &error);
        }
        services_free(p.services);
    }
    buf_release(&error);
    return p.status;
}
