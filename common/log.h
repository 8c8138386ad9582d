/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h: leveled messages to stderr or syslog. Libraries do not log: whoever ends a request or a pass does,
 * once, with the transaction id. Thread-safe; one message is one line (control characters are escaped).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/str.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* name: shown in each line, as Swift's log_name. facility: NULL writes to stderr, else a syslog facility
 * such as "LOG_LOCAL0". -EINVAL for an unknown facility. */
int log_open(const char *name, enum log_level level, const char *facility);
/* DEBUG INFO NOTICE WARNING ERROR CRITICAL, any case. -EINVAL if unknown. */
int log_level_parse(struct str word, enum log_level *ret);
bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);

/* txn may be STR_NONE. */
void log_txn(enum log_level level, struct str txn, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_error(...)   log_txn(LOG_LEVEL_ERROR, STR_NONE, __VA_ARGS__)
#define log_warning(...) log_txn(LOG_LEVEL_WARNING, STR_NONE, __VA_ARGS__)
#define log_notice(...)  log_txn(LOG_LEVEL_NOTICE, STR_NONE, __VA_ARGS__)
#define log_info(...)    log_txn(LOG_LEVEL_INFO, STR_NONE, __VA_ARGS__)
#define log_debug(...)   log_txn(LOG_LEVEL_DEBUG, STR_NONE, __VA_ARGS__)

#endif
