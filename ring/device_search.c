/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/device_search.h"

#include <arpa/inet.h>
#include <errno.h>

/* What is left of the text, and where the answers go. */
struct parser {
    struct str rest;
    struct arena *arena;
    struct device_spec spec;
    struct buf *error;
};

static bool at(const struct parser *p, char c)
{
    return p->rest.n > 0 && p->rest.p[0] == c;
}

static bool skip(struct parser *p, char c)
{
    if (!at(p, c))
        return false;
    p->rest = str_slice(p->rest, 1, p->rest.n);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The longest start of the rest that consists of digits (and, for addresses, dots). */
static struct str take_digits(struct parser *p, bool dots)
{
    size_t n = 0;
    while (n < p->rest.n && (is_digit(p->rest.p[n]) || (dots && p->rest.p[n] == '.')))
        n++;
    struct str taken = str_slice(p->rest, 0, n);
    p->rest = str_slice(p->rest, n, p->rest.n);
    return taken;
}

static int take_number(struct parser *p, const char *what, int64_t max, int64_t *ret)
{
    uint64_t v;
    struct str digits = take_digits(p, false);
    if (str_to_u64(digits, &v) < 0 || v > (uint64_t)max) {
        buf_printf(p->error, "Invalid %s '%.*s': a whole number up to %lld is needed", what, STR_ARG(digits),
                   (long long)max);
        return -EINVAL;
    }
    *ret = (int64_t)v;
    return 0;
}

/* --- addresses --------------------------------------------------------------------------------------------- */

static bool is_host_label(struct str label)
{
    if (label.n < 1 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-')
            return false;
    }
    return true;
}

static bool is_host(struct str name)
{
    struct str label;
    if (name.n < 1 || name.n > 255)
        return false;
    if (str_ends(name, STR(".")))
        name.n--;
    if (name.n == 0)
        return false;
    while (str_cut(name, '.', &label, &name))
        if (!is_host_label(label))
            return false;
    return is_host_label(label);
}

int device_search_address(struct str text, bool allow_host, struct arena *arena, const char **ret,
                          struct buf *error)
{
    unsigned char raw[16];
    char literal[INET6_ADDRSTRLEN];
    struct str given = text;
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
        text = str_slice(text, 1, text.n - 1);
        allow_host = false;
    }
    char *lower = arena_alloc(arena, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        lower[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i];
    lower[text.n] = '\0';
    if (inet_pton(AF_INET, lower, raw) == 1) {
        *ret = lower;
        return 0;
    }
    if (inet_pton(AF_INET6, lower, raw) == 1) {
        *ret = arena_str(arena, str_from(inet_ntop(AF_INET6, raw, literal, sizeof(literal)))).p;
        return 0;
    }
    if (allow_host && is_host(str_of(lower, text.n))) {
        *ret = lower;
        return 0;
    }
    buf_printf(error, "Invalid %s %.*s", allow_host ? "address" : "ip", STR_ARG(given));
    return -EINVAL;
}

/* An address at the front of a search or change value: digits and dots, or anything in brackets. Nothing taken: *ret
 * stays as it is. */
static int take_address(struct parser *p, unsigned field, const char **ret)
{
    struct str text;
    if (at(p, '[')) {
        ssize_t end = str_find(p->rest, ']');
        size_t n = end < 0 ? p->rest.n : (size_t)end + 1;
        text = str_slice(p->rest, 0, n);
        p->rest = str_slice(p->rest, n, p->rest.n);
    } else if (p->rest.n > 0 && is_digit(p->rest.p[0])) {
        text = take_digits(p, true);
    } else {
        return 0;
    }
    int err = device_search_address(text, false, p->arena, ret, p->error);
    if (err == 0)
        p->spec.set |= field;
    return err;
}

static int take_port(struct parser *p, unsigned field, int64_t *ret)
{
    if (!skip(p, ':'))
        return 0;
    p->spec.set |= field;
    return take_number(p, "port", 65535, ret);
}

/* <ip>:<port>R<ip>:<port>/<device>_<meta>, each part optional. */
static int take_tail(struct parser *p)
{
    int err = take_address(p, DEVICE_IP, &p->spec.ip);
    if (err == 0)
        err = take_port(p, DEVICE_PORT, &p->spec.port);
    if (err == 0 && skip(p, 'R')) {
        err = take_address(p, DEVICE_REPLICATION_IP, &p->spec.replication_ip);
        if (err == 0)
            err = take_port(p, DEVICE_REPLICATION_PORT, &p->spec.replication_port);
    }
    if (err == 0 && skip(p, '/')) {
        ssize_t end = str_find(p->rest, '_');
        size_t n = end < 0 ? p->rest.n : (size_t)end;
        p->spec.device = arena_str(p->arena, str_of(p->rest.p, n)).p;
        p->spec.set |= DEVICE_NAME;
        p->rest = str_slice(p->rest, n, p->rest.n);
    }
    if (err == 0 && skip(p, '_')) {
        p->spec.meta = arena_str(p->arena, p->rest).p;
        p->spec.set |= DEVICE_META;
        p->rest = STR_NONE;
    }
    return err;
}

static int finish(struct parser *p, const char *what, const char *text, struct device_spec *ret)
{
    if (p->rest.n > 0 || p->spec.set == 0) {
        buf_printf(p->error, "Invalid <%s-value>: '%s'", what, text);
        return -EINVAL;
    }
    *ret = p->spec;
    return 0;
}

int device_search_parse(const char *text, struct arena *arena, struct device_spec *ret, struct buf *error)
{
    struct parser p = {.rest = str_from(text), .arena = arena, .error = error};
    static const struct {
        char letter;
        unsigned field;
        const char *what;
    } numbers[] = {{'d', DEVICE_ID, "device id"}, {'r', DEVICE_REGION, "region"}, {'z', DEVICE_ZONE, "zone"}};
    int64_t *const into[] = {&p.spec.id, &p.spec.region, &p.spec.zone};
    int err = 0;
    for (size_t i = 0; i < 3 && err == 0; i++) {
        if (!skip(&p, numbers[i].letter))
            continue;
        p.spec.set |= numbers[i].field;
        err = take_number(&p, numbers[i].what, INT64_MAX, into[i]);
    }
    if (err == 0) {
        skip(&p, '-');
        err = take_tail(&p);
    }
    return err < 0 ? err : finish(&p, "search", text, ret);
}

int device_search_parse_change(const char *text, struct arena *arena, struct device_spec *ret,
                               struct buf *error)
{
    struct parser p = {.rest = str_from(text), .arena = arena, .error = error};
    int err = take_tail(&p);
    if (err == 0 && (p.spec.set & DEVICE_NAME) && !device_search_name_ok(p.spec.device)) {
        buf_puts(error, "Invalid device name");
        err = -EINVAL;
    }
    return err < 0 ? err : finish(&p, "change", text, ret);
}

/* --- add values -------------------------------------------------------------------------------------------- */

bool device_search_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && name[0] != ' ' && name[n - 1] != ' ' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* <ip>:<port> up to R or /; the port stands behind the last colon, so that IPv6 needs no brackets. */
static int take_endpoint(struct parser *p, const char **ret_ip, int64_t *ret_port)
{
    size_t n = 0;
    while (n < p->rest.n && p->rest.p[n] != 'R' && p->rest.p[n] != '/')
        n++;
    struct str text = str_slice(p->rest, 0, n);
    p->rest = str_slice(p->rest, n, p->rest.n);
    ssize_t colon = str_rfind(text, ':');
    uint64_t port;
    if (colon < 0) {
        buf_puts(p->error, "Invalid port in add value");
        return -EINVAL;
    }
    struct str digits = str_trim(str_slice(text, (size_t)colon + 1, text.n));
    if (str_to_u64(digits, &port) < 0 || port < 1 || port > 65535) {
        buf_printf(p->error, "Invalid port :%.*s in add value", STR_ARG(digits));
        return -EINVAL;
    }
    *ret_port = (int64_t)port;
    return device_search_address(str_slice(text, 0, (size_t)colon), false, p->arena, ret_ip, p->error);
}

static int bad_add_value(struct parser *p, const char *text)
{
    buf_printf(p->error, "Invalid add value: %s", text);
    return -EINVAL;
}

int device_search_parse_add(const char *text, struct arena *arena, struct device_spec *ret, struct buf *error)
{
    struct parser p = {.rest = str_from(text), .arena = arena, .error = error};
    int err = 0;
    if (skip(&p, 'r')) {
        p.spec.set |= DEVICE_REGION;
        err = take_number(&p, "region", INT64_MAX, &p.spec.region);
    }
    if (err == 0)
        err = skip(&p, 'z') ? take_number(&p, "zone", INT64_MAX, &p.spec.zone) : bad_add_value(&p, text);
    if (err == 0)
        err = skip(&p, '-') ? take_endpoint(&p, &p.spec.ip, &p.spec.port) : bad_add_value(&p, text);
    if (err == 0 && skip(&p, 'R')) {
        p.spec.set |= DEVICE_REPLICATION_IP | DEVICE_REPLICATION_PORT;
        err = take_endpoint(&p, &p.spec.replication_ip, &p.spec.replication_port);
    }
    if (err == 0 && !at(&p, '/'))
        err = bad_add_value(&p, text);
    if (err == 0)
        err = take_tail(&p);
    if (err < 0)
        return err;
    if (!device_search_name_ok(p.spec.device)) {
        buf_printf(error, "Invalid device name: '%s'", p.spec.device);
        return -EINVAL;
    }
    p.spec.set |= DEVICE_ZONE | DEVICE_IP | DEVICE_PORT;
    *ret = p.spec;
    return 0;
}

/* --- matching and printing --------------------------------------------------------------------------------- */

/* The device's address may be in a form that only an old tool stored. */
static bool same_address(const char *stored, const char *wanted)
{
    struct arena *arena = arena_new();
    struct buf unused;
    const char *normal;
    buf_init(&unused, 1024);
    bool same = device_search_address(str_from(stored), true, arena, &normal, &unused) == 0 &&
                strcmp(normal, wanted) == 0;
    buf_release(&unused);
    arena_free(arena);
    return same;
}

bool device_search_matches(const struct device_spec *s, const struct ring_device *d)
{
    return (!(s->set & DEVICE_ID) || s->id == d->id) &&
           (!(s->set & DEVICE_REGION) || s->region == d->region) &&
           (!(s->set & DEVICE_ZONE) || s->zone == d->zone) &&
           (!(s->set & DEVICE_PORT) || s->port == d->port) &&
           (!(s->set & DEVICE_REPLICATION_PORT) || s->replication_port == d->replication_port) &&
           (!(s->set & DEVICE_WEIGHT) || s->weight == d->weight) &&
           (!(s->set & DEVICE_NAME) || strcmp(s->device, d->device) == 0) &&
           (!(s->set & DEVICE_META) || strstr(d->meta, s->meta)) &&
           (!(s->set & DEVICE_IP) || same_address(d->ip, s->ip)) &&
           (!(s->set & DEVICE_REPLICATION_IP) || same_address(d->replication_ip, s->replication_ip));
}

static void put_endpoint(struct buf *b, const char *ip, unsigned port)
{
    buf_printf(b, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

void device_search_format(struct buf *b, const struct ring_device *d)
{
    buf_printf(b, "d%ur%lldz%lld-", d->id, (long long)d->region, (long long)d->zone);
    put_endpoint(b, d->ip, d->port);
    buf_putc(b, 'R');
    put_endpoint(b, d->replication_ip, d->replication_port);
    buf_printf(b, "/%s_\"%s\"", d->device, d->meta);
}
