/* SPDX-License-Identifier: Apache-2.0
 *
 * banned.h: calls that must not compile: they write without a limit, return static memory shared by all threads
 * or swallow errors. The Makefile puts this before every C file. The system's headers come first, as their own
 * inline functions may use those names.
 */
#ifndef COMMON_BANNED_H
#define COMMON_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BANNED(name, instead) name##_is_banned_use_##instead

#undef strcpy
#define strcpy(...) BANNED(strcpy, memcpy_or_buf)
#undef strcat
#define strcat(...) BANNED(strcat, buf)
#undef sprintf
#define sprintf(...) BANNED(sprintf, snprintf_or_buf_printf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, vsnprintf_or_buf_vprintf)
#undef strtok
#define strtok(...) BANNED(strtok, str_next)
#undef gets
#define gets(...) BANNED(gets, fgets)
#undef atoi
#define atoi(...) BANNED(atoi, str_to_i64)
#undef gmtime
#define gmtime(...) BANNED(gmtime, gmtime_r)
#undef localtime
#define localtime(...) BANNED(localtime, localtime_r)
#undef ctime
#define ctime(...) BANNED(ctime, http_date)
#undef asctime
#define asctime(...) BANNED(asctime, http_date)
#undef strerror
#define strerror(...) BANNED(strerror, strerror_r)
#undef rand
#define rand(...) BANNED(rand, random_below)
#undef srand
#define srand(...) BANNED(srand, random_fix)

#endif
