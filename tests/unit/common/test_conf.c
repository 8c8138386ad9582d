/* SPDX-License-Identifier: Apache-2.0
 *
 * test_conf.c: files as Python's ConfigParser and PasteDeploy read them; the vectors of facts: ring 15.
 */
#include "common_test.h"
#include "common/conf.h"
#include "common/file.h"
#include "common/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[128], path[256];
static struct buf error;

static int setup(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_conf.XXXXXX");
    buf_init(&error, 4096);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/a.conf", folder);
    return 0;
}

static int teardown(void **state)
{
    buf_release(&error);
    return file_remove_tree(folder);
}

static void write_at(const char *name, const char *text)
{
    char where[300];
    snprintf(where, sizeof(where), "%s/%s", folder, name);
    assert_int_equal(file_replace(where, text, strlen(text), 0600), 0);
}

static struct conf *load(const char *text)
{
    struct conf *c = NULL;
    write_at("a.conf", text);
    buf_reset(&error);
    int err = conf_load(path, &c, &error);
    if (err)
        fail_msg("%d: %s", err, error.p);
    return c;
}

static void check_fails(const char *text, const char *sentence)
{
    struct conf *c = NULL;
    write_at("a.conf", text);
    buf_reset(&error);
    assert_int_equal(conf_load(path, &c, &error), -EINVAL);
    assert_null(c);
    /* The sentence starts with the path. */
    assert_true(str_starts(buf_view(&error), str_from(path)));
    assert_string_equal(error.p + strlen(path), sentence);
}

static void check(struct conf *c, const char *section, const char *option, const char *want)
{
    const char *got = conf_get(c, section, option);
    if (want && got)
        assert_string_equal(got, want);
    else
        assert_ptr_equal(got, want);
}

static void test_syntax(void **state)
{
    struct conf *c = load("# comment\n"
                          "; comment\n"
                          "[DEFAULT]\n"
                          "bind_port = 6200\r\n"
                          "  # indented comment\n"
                          "[a:b c]\n"
                          "Key_A=  va lue \t\n"
                          "colon : x = y\n"
                          "equals=a:b\n"
                          "empty =\n"
                          "hash = a # b ; c\n"
                          "quoted = \"q\"\n"
                          "bytes = \xc3\xa4\n"
                          "[ empty ]\n");
    check(c, "a:b c", "key_a", "va lue");
    check(c, "a:b c", "Key_A", NULL); /* names are lower case */
    check(c, "a:b c", "colon", "x = y");
    check(c, "a:b c", "equals", "a:b");
    check(c, "a:b c", "empty", "");
    check(c, "a:b c", "hash", "a # b ; c");
    check(c, "a:b c", "quoted", "\"q\"");
    check(c, "a:b c", "bytes", "\xc3\xa4");
    check(c, "a:b c", "bind_port", "6200");
    check(c, "a:b c", "absent", NULL);
    assert_true(conf_has_section(c, " empty ") && conf_has_section(c, "DEFAULT"));
    assert_false(conf_has_section(c, "empty"));
    check(c, " empty ", "bind_port", "6200");
    check(c, "no such section", "bind_port", "6200");
    check(c, "DEFAULT", "bind_port", "6200");
    assert_string_equal(conf_path(c), path);
    conf_free(c);
    conf_free(NULL);
}

static void test_continuation(void **state)
{
    struct conf *c = load("[s]\n"
                          "pipeline = a b\n"
                          "   c\n"
                          "\td\n"
                          "# no part of it\n"
                          "   e\n"
                          "  indented = 1\n" /* deeper than "pipeline": goes on */
                          "next = 2\n"
                          "lines = a\n"
                          "\n"
                          " b\n"
                          "\n"
                          "late =\n"
                          "\n"
                          "  value\n"
                          "[t]\n"
                          "  first = 1\n"
                          "  second = 2\n" /* as deep as "first": another option */
                          "    more\n"
                          " third = 3\n");
    check(c, "s", "pipeline", "a b\nc\nd\ne\nindented = 1");
    check(c, "s", "next", "2");
    check(c, "s", "lines", "a\n\nb");
    check(c, "s", "late", "\n\nvalue");
    check(c, "t", "first", "1");
    check(c, "t", "second", "2\nmore");
    check(c, "t", "third", "3");
    conf_free(c);
}

static void test_errors(void **state)
{
    check_fails("a = 1\n", ": line 1: an option before the first [section]");
    check_fails("[s]\n\njunk\n", ": line 3: neither [section] nor NAME = VALUE");
    check_fails("[s\na=1\n", ": line 1: not a [section]");
    check_fails("[]\na=1\n", ": line 1: not a [section]");
    check_fails("[s]\n= 1\n", ": line 2: an option without a name");
    check_fails("[s]\na = 1\nb = 1\nA = 2\n", ": line 4: [s] a: set twice");
    check_fails("[s]\na = 1\n[t]\n[s]\n", ": line 4: a second [s]");
    struct conf *c = NULL;
    buf_reset(&error);
    assert_int_equal(file_replace(path, "[s]\na=\0\n", 9, 0600), 0);
    assert_int_equal(conf_load(path, &c, &error), -EINVAL);
    buf_reset(&error);
    assert_int_equal(conf_load("/nonexistent/x.conf", &c, &error), -ENOENT);
    assert_string_equal(error.p, "/nonexistent/x.conf: No such file or directory");
    /* [DEFAULT] may come again, its options may not. */
    conf_free(load("[DEFAULT]\na=1\n[s]\n[DEFAULT]\nb=1\n"));
    check_fails("[DEFAULT]\na=1\n[s]\n[DEFAULT]\na=2\n", ": line 5: [DEFAULT] a: set twice");
}

static void test_percent(void **state)
{
    struct conf *c = load("[swift-hash]\nswift_hash_path_suffix = a%%b\nx = 100%%\n"
                          "[storage-policy:0]\nname = %(x)s\nx = y\n"
                          "[app:object-server]\nfallocate_reserve = 1%\nkey = a%%b\n");
    check(c, "swift-hash", "swift_hash_path_suffix", "a%b");
    check(c, "swift-hash", "x", "100%");
    check(c, "storage-policy:0", "name", "y");
    /* Elsewhere only "%(" makes a percent sign special. */
    check(c, "app:object-server", "fallocate_reserve", "1%");
    check(c, "app:object-server", "key", "a%%b");
    conf_free(c);
    check_fails("[swift-hash]\nswift_hash_path_suffix = a%b\n",
                ": [swift-hash] swift_hash_path_suffix: a lone % (write %% for a percent sign)");
    check_fails("[swift-hash]\nx = a%\n", ": [swift-hash] x: a lone % (write %% for a percent sign)");
    write_at("a.conf", "[realm]\nkey = a%%b\n");
    assert_int_equal(conf_load_strict(path, &c, &error), 0);
    check(c, "realm", "key", "a%b");
    conf_free(c);
    write_at("a.conf", "[realm]\nkey = a%b\n");
    assert_int_equal(conf_load_strict(path, &c, &error), -EINVAL);
}

static void test_interpolation(void **state)
{
    char want[300];
    struct conf *c = load("[DEFAULT]\nuser = swift\nlog = %(user)s:%(name)s\n"
                          "[s]\nname = N\nsee = <%(LOG)s> 5%%\nwhere = %(here)s/x\nfile = %(__file__)s\n"
                          "[t]\nname = M\n");
    check(c, "s", "see", "<swift:N> 5%");
    check(c, "t", "log", "swift:M"); /* DEFAULT's value in the section's light */
    snprintf(want, sizeof(want), "%s/x", folder);
    check(c, "s", "where", want);
    check(c, "s", "file", path);
    conf_free(c);
    check_fails("[s]\na = %(b)s\n", ": [s] a: there is no option \"b\" for %(b)s");
    check_fails("[s]\na = %(a)s\n", ": [s] a: %(NAME)s within %(NAME)s too deep");
    check_fails("[s]\na = %(b\nb=1\n", ": [s] a: \"%(\" is not followed by \"NAME)s\"");
    check_fails("[s]\na = %()s\n", ": [s] a: \"%(\" is not followed by \"NAME)s\"");
    check_fails("[s]\na = %(b)d\nb=1\n", ": [s] a: \"%(\" is not followed by \"NAME)s\"");
    check_fails("[s]\na = %(b)s 1%\nb=1\n", ": [s] a: a lone % (write %% for a percent sign)");
    /* Doubling at each of ten levels times a long text: refused, not built. */
    static char text[8192];
    size_t n = (size_t)snprintf(text, sizeof(text), "[s]\nv0 = %0500d\n", 1);
    for (int i = 1; i < 10; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "v%d = %%(v%d)s%%(v%d)s\n", i, i - 1, i - 1);
    check_fails(text, ": [s] v8: too long with all %(NAME)s replaced");
}

static void test_paste(void **state)
{
    struct conf *c = load("[DEFAULT]\nlog_level = INFO\nlog_name = d\nworkers = 2\n"
                          "[app:object-server]\nuse = egg:swift#object\n"
                          "log_level = DEBUG\nset log_name = mine\nset new = 1\n"
                          "disks = 3\nset disks = 4\n"
                          "[filter:tempauth]\nuser_a_Bob = 1\nuser_a_bob = 2\n"
                          "see = %(user_a_Bob)s %(user_a_bob)s %(LOG_LEVEL)s\n"
                          "[object-replicator]\nlog_level = DEBUG\nset log_name = x\n");
    check(c, "filter:tempauth", "user_a_Bob", "1");
    check(c, "filter:tempauth", "user_a_bob", "2");
    check(c, "filter:tempauth", "see", "1 2 INFO");
    check(c, "app:object-server", "log_level", "INFO"); /* Swift ignores the plain line, too */
    check(c, "app:object-server", "log_name", "mine");
    check(c, "app:object-server", "new", "1");
    check(c, "app:object-server", "workers", "2");
    check(c, "app:object-server", "disks", "4");
    check(c, "object-replicator", "log_level", "DEBUG");
    check(c, "object-replicator", "log_name", "d");
    conf_free(c);
}

static bool note_option(const char *option, const char *value, void *arg)
{
    buf_printf(arg, "%s=%s;", option, value);
    return option[0] == 'u';
}

static void note_section(const char *section, void *arg)
{
    buf_printf(arg, "[%s]", section);
}

static void test_walks(void **state)
{
    struct buf seen;
    buf_init(&seen, 1000);
    struct conf *c =
        load("[DEFAULT]\nd = 1\n[z]\n[filter:tempauth]\nuser_a_b = k .admin\nx = 2\nset y = 3\n[a]\n");
    conf_each_section(c, note_section, &seen);
    conf_each_option(c, "filter:tempauth", note_option, &seen);
    conf_each_option(c, "absent", note_option, &seen);
    assert_string_equal(seen.p, "[z][filter:tempauth][a]user_a_b=k .admin;x=2;y=3;");
    buf_release(&seen);
    conf_free(c);
}

static void test_folder(void **state)
{
    struct conf *c;
    write_at("20-b.conf", "[s]\nx = two\n[t]\ny = 1\n");
    write_at("10-a.conf", "[DEFAULT]\nd = 1\n[s]\nx = one\nz = kept\n");
    write_at(".hidden.conf", "junk");
    write_at("readme.txt", "junk");
    assert_int_equal(conf_load(folder, &c, &error), 0);
    check(c, "s", "x", "two");
    check(c, "s", "z", "kept");
    check(c, "t", "d", "1");
    conf_free(c);
    write_at("30-c.conf", "[s]\nx = 1\nx = 2\n");
    assert_int_equal(conf_load(folder, &c, &error), -EINVAL);
    assert_non_null(strstr(error.p, "/30-c.conf: line 3: [s] x: set twice"));
    char empty[200];
    snprintf(empty, sizeof(empty), "%s/empty", folder);
    assert_int_equal(mkdir(empty, 0755), 0);
    buf_reset(&error);
    assert_int_equal(conf_load(empty, &c, &error), -ENOENT);
    assert_non_null(strstr(error.p, "no *.conf file"));
}

static void test_long_lines(void **state)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_puts(&text, "[");
    for (int i = 0; i < 300; i++)
        buf_putc(&text, 's');
    buf_puts(&text, "]\n");
    for (int i = 0; i < 300; i++)
        buf_putc(&text, 'n');
    buf_printf(&text, " = %0100000d\n more\n", 7);
    struct conf *c = load(text.p);
    char section[301], name[301];
    memset(section, 's', 300);
    memset(name, 'n', 300);
    section[300] = name[300] = '\0';
    const char *value = conf_get(c, section, name);
    assert_non_null(value);
    assert_int_equal(strlen(value), 100005);
    assert_string_equal(value + 99999, "7\nmore");
    conf_free(c);
    buf_release(&text);
}

struct settings {
    const char *text;
    bool flag, on;
    int64_t number, size, wait_ms;
    struct conf_reserve reserve;
    int choice;
};

static const char *const words[] = {"write", "PUT", "none", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct conf_option table[] = {
    {"text", CONF_STRING, AT(text), NULL},
    {"flag", CONF_BOOL, AT(flag), "no"},
    {"on", CONF_BOOL, AT(on), "yes"},
    {"number", CONF_INT, AT(number), "7", 1, 65535},
    {"size", CONF_SIZE, AT(size), "64K"},
    {"wait", CONF_SECONDS, AT(wait_ms), "0.5"},
    {"reserve", CONF_PERCENT_OR_BYTES, AT(reserve), "1%"},
    {"choice", CONF_ENUM, AT(choice), "none", .words = words},
    {NULL},
};

static void test_table(void **state)
{
    struct settings s;
    memset(&s, 0xff, sizeof(s));
    struct conf *c = load("[s]\n");
    assert_int_equal(conf_read(c, "s", table, &s, &error), 0);
    assert_null(s.text);
    assert_true(!s.flag && s.on && s.number == 7 && s.size == 65536 && s.wait_ms == 500);
    assert_true(s.reserve.is_percent && s.reserve.value == 1 && s.choice == 2);
    conf_free(c);
    c = load("[DEFAULT]\nnumber = 65535\n[s]\ntext = t\nflag = T\non = none\nsize = 2 g\nwait = 3\n"
             "reserve = 10737418240\nchoice = put\n");
    assert_int_equal(conf_read(c, "s", table, &s, &error), 0);
    assert_string_equal(s.text, "t");
    assert_true(s.flag && !s.on && s.number == 65535 && s.size == INT64_C(2) << 30 && s.wait_ms == 3000);
    assert_true(!s.reserve.is_percent && s.reserve.value == 10737418240.0 && s.choice == 1);
    conf_free(c);
}

static void test_bad_values(void **state)
{
    static const struct {
        const char *line, *sentence;
    } v[] = {
        {"flag = maybe", "flag = 'maybe': neither true nor false"},
        {"number = x", "number = 'x': not a whole number between 1 and 65535"},
        {"number = 0", "number = '0': not a whole number between 1 and 65535"},
        {"number = 65536", "number = '65536': not a whole number between 1 and 65535"},
        {"number = 99999999999999999999",
         "number = '99999999999999999999': not a whole number between 1 and 65535"},
        {"number =", "number = '': not a whole number between 1 and 65535"},
        {"size = 5X", "size = '5X': not a number of bytes (such as 123, 64K, 5M, 2G) of at least 0"},
        {"size = -1", "size = '-1': not a number of bytes (such as 123, 64K, 5M, 2G) of at least 0"},
        {"size = 9999999999999T",
         "size = '9999999999999T': not a number of bytes (such as 123, 64K, 5M, 2G) of at least 0"},
        {"size = K", "size = 'K': not a number of bytes (such as 123, 64K, 5M, 2G) of at least 0"},
        {"wait = -1", "wait = '-1': not a number of seconds of at least 0"},
        {"wait = 1e300", "wait = '1e300': not a number of seconds of at least 0"},
        {"reserve = 101%", "reserve = '101%': neither a number of bytes nor a percentage such as 1%"},
        {"reserve = -1", "reserve = '-1': neither a number of bytes nor a percentage such as 1%"},
        {"reserve = %", "reserve = '%': neither a number of bytes nor a percentage such as 1%"},
        {"choice = x", "choice = 'x': not one of write, PUT, none"},
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        char text[100], want[400];
        struct settings s;
        snprintf(text, sizeof(text), "[s]\n%s\n", v[i].line);
        struct conf *c = load(text);
        assert_int_equal(conf_read(c, "s", table, &s, &error), -EINVAL);
        snprintf(want, sizeof(want), "%s: [s] %s", path, v[i].sentence);
        assert_string_equal(error.p, want);
        conf_free(c);
    }
}

static void test_unused(void **state)
{
    struct conf *c = load("[DEFAULT]\nused = 1\nhost = %(used)s\nnobody = 1\n"
                          "[filter:x]\nused = 2\nknown = 1\nuser_a = 1\nzzz = 1\n[other-program]\nq = 1\n");
    int out = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    check(c, "filter:x", "used", "1");
    check(c, "filter:x", "known", "1");
    conf_each_option(c, "filter:x", note_option, &error);
    log_open("test", LOG_LEVEL_WARNING, NULL);
    dup2(null, STDERR_FILENO);
    int n = conf_warn_unused(c);
    dup2(out, STDERR_FILENO);
    close(out);
    close(null);
    /* DEFAULT's host and nobody, the section's plain "used" and zzz; not what other programs read. */
    assert_int_equal(n, 4);
    conf_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_syntax),        T(test_continuation), T(test_errors),     T(test_percent),
        T(test_interpolation), T(test_paste),        T(test_walks),      T(test_folder),
        T(test_long_lines),    T(test_table),        T(test_bad_values), T(test_unused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
