/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_conf.c: any file is refused with a sentence or can be asked for everything in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/conf.h"
#include "common/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct settings {
    bool flag;
    int64_t number, size, wait_ms;
    struct conf_reserve reserve;
    int choice;
};

static const char *const words[] = {"one", "two", NULL};
static const struct conf_option table[] = {
    {"flag", CONF_BOOL, offsetof(struct settings, flag), "no"},
    {"number", CONF_INT, offsetof(struct settings, number), "7", -5, 65535},
    {"size", CONF_SIZE, offsetof(struct settings, size), "64K"},
    {"wait", CONF_SECONDS, offsetof(struct settings, wait_ms), "0.5"},
    {"reserve", CONF_PERCENT_OR_BYTES, offsetof(struct settings, reserve), "1%"},
    {"choice", CONF_ENUM, offsetof(struct settings, choice), "one", .words = words},
    {NULL},
};

static struct conf *conf;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool on_option(const char *option, const char *value, void *arg)
{
    const char *section = arg;
    check(*option && conf_get(conf, section, option) == value);
    return true;
}

static void on_section(const char *section, void *arg)
{
    struct settings s;
    struct buf *error = arg;
    check(*section && conf_has_section(conf, section));
    conf_each_option(conf, section, on_option, (void *)(uintptr_t)section);
    buf_reset(error);
    int err = conf_read(conf, section, table, &s, error);
    check(err ? err == -22 && error->n
              : s.number >= -5 && s.number <= 65535 && s.size >= 0 && s.wait_ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[32];
    struct buf error;
    int fd = memfd_create("conf", MFD_CLOEXEC);
    check(fd >= 0 && !file_write_all(fd, data, n));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    buf_init(&error, 1 << 20);
    int err = n % 2 ? conf_load(path, &conf, &error) : conf_load_strict(path, &conf, &error);
    if (err) {
        check(err < 0 && error.n);
    } else {
        conf_each_section(conf, on_section, &error);
        conf_free(conf);
    }
    buf_release(&error);
    close(fd);
    return 0;
}
