/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c: see log.h. A message is put together in memory and leaves with one write or one datagram, so that
 * lines of several threads and processes never mix.
 */
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "common/buf.h"
#include "common/clock.h"

#define MESSAGE_MAX ((size_t)32 * 1024) /* longer ones are cut */
#define SYSLOG_PATH "/dev/log"

static atomic_int max_level = LOG_LEVEL_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static char log_name[64] = "martlet";
static int facility_code = -1; /* -1: stderr */
static int syslog_fd = -1;

static const struct {
    const char *word;    /* in our lines */
    int syslog_severity; /* RFC 5424 */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"ERROR", 3},   [LOG_LEVEL_WARNING] = {"WARNING", 4},
    [LOG_LEVEL_NOTICE] = {"NOTICE", 5}, [LOG_LEVEL_INFO] = {"INFO", 6},
    [LOG_LEVEL_DEBUG] = {"DEBUG", 7},
};

static int facility_parse(struct str s, int *ret_code)
{
    static const char *const names[] = {"KERN",   "USER",   "MAIL",   "DAEMON", "AUTH",     "SYSLOG",
                                        "LPR",    "NEWS",   "UUCP",   "CRON",   "AUTHPRIV", "FTP",
                                        "",       "",       "",       "",       "LOCAL0",   "LOCAL1",
                                        "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6",   "LOCAL7"};
    if (str_istarts(s, STR("LOG_")))
        s = str_slice(s, 4, s.n);
    for (size_t i = 0; s.n && i < sizeof(names) / sizeof(names[0]); i++)
        if (str_ieq(s, str_from(names[i]))) {
            *ret_code = (int)i;
            return 0;
        }
    return -EINVAL;
}

int log_open(const char *name, enum log_level level, const char *facility)
{
    int code = -1;
    if (facility && facility_parse(str_from(facility), &code))
        return -EINVAL;
    pthread_mutex_lock(&lock);
    snprintf(log_name, sizeof(log_name), "%s", name);
    facility_code = code;
    if (syslog_fd >= 0)
        close(syslog_fd);
    syslog_fd = -1;
    pthread_mutex_unlock(&lock);
    log_set_level(level);
    return 0;
}

int log_level_parse(struct str word, enum log_level *ret)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
        if (str_ieq(word, str_from(levels[i].word))) {
            *ret = (enum log_level)i;
            return 0;
        }
    if (str_ieq(word, STR("WARN")))
        *ret = LOG_LEVEL_WARNING;
    else if (str_ieq(word, STR("CRITICAL")) || str_ieq(word, STR("FATAL")))
        *ret = LOG_LEVEL_ERROR;
    else
        return -EINVAL;
    return 0;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

/* One message, one line, and nothing that a terminal obeys. */
static void append_escaped(struct buf *b, struct str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != 0x7f)
            continue;
        buf_append(b, s.p + from, i - from);
        buf_printf(b, "\\x%02x", c);
        from = i + 1;
    }
    if (from < s.n)
        buf_append(b, s.p + from, s.n - from);
}

static int connect_syslog(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
    const struct timeval patience = {.tv_usec = 200000}; /* a daemon that hangs must not hang us */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Two tries: the syslog daemon may have been started again since. Called with the lock held. */
static bool send_syslog(struct str line)
{
    for (int i = 0; i < 2; i++) {
        if (syslog_fd < 0)
            syslog_fd = connect_syslog();
        if (syslog_fd < 0)
            return false;
        ssize_t n;
        do
            n = send(syslog_fd, line.p, line.n, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
            return true;
        if (errno == EAGAIN)
            return false;
        close(syslog_fd);
        syslog_fd = -1;
    }
    return false;
}

static void stamp_local(struct buf *b, int64_t now_ns)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)(now_ns / 1000000000);
    struct tm tm;
    localtime_r(&t, &tm);
    buf_printf(b, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void stamp_utc(struct buf *b, int64_t now_ns)
{
    time_t t = (time_t)(now_ns / 1000000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now_ns / 1000000 % 1000));
}

static void append_body(struct buf *b, enum log_level level, struct str txn, struct str message)
{
    buf_printf(b, "%s: %s: ", log_name, levels[level].word);
    append_escaped(b, message);
    if (txn.n) {
        buf_puts(b, " (txn: ");
        append_escaped(b, txn);
        buf_putc(b, ')');
    }
}

static void put_stderr(enum log_level level, struct str txn, struct str message, int64_t now_ns)
{
    struct buf line;
    buf_init(&line, 5 * MESSAGE_MAX);
    stamp_utc(&line, now_ns);
    append_body(&line, level, txn, message);
    buf_putc(&line, '\n');
    ssize_t n;
    do
        n = write(STDERR_FILENO, line.p, line.n);
    while (n < 0 && errno == EINTR);
    buf_release(&line);
}

static bool put_syslog(enum log_level level, struct str txn, struct str message, int64_t now_ns)
{
    struct buf line;
    buf_init(&line, 5 * MESSAGE_MAX);
    buf_printf(&line, "<%d>", facility_code * 8 + levels[level].syslog_severity);
    stamp_local(&line, now_ns);
    append_body(&line, level, txn, message);
    bool sent = send_syslog(buf_view(&line));
    buf_release(&line);
    return sent;
}

static void put(enum log_level level, struct str txn, struct str message)
{
    int64_t now_ns = clock_real_ns();
    pthread_mutex_lock(&lock);
    if (facility_code < 0 || !put_syslog(level, txn, message, now_ns))
        put_stderr(level, txn, message, now_ns);
    pthread_mutex_unlock(&lock);
}

void log_txn(enum log_level level, struct str txn, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno; /* callers log between a failed call and their use of errno */
    char small[512], *text = small;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), format, args);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len >= sizeof(small)) {
        len = len < MESSAGE_MAX ? len : MESSAGE_MAX;
        text = malloc(len + 1);
        if (text)
            vsnprintf(text, len + 1, format, again);
        else
            text = small, len = sizeof(small) - 1;
    }
    va_end(again);
    va_end(args);
    put(level, str_of(txn.p, txn.n < 256 ? txn.n : 256), str_of(text, len));
    if (text != small)
        free(text);
    errno = saved;
}
