/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/best_response.h"

static size_t count_class(const int *statuses, size_t n, int hundred)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += statuses[i] / 100 == hundred;
    return count;
}

/* Index of the first of the highest statuses of the class other than `avoid`; -1: none. */
static int highest(const int *statuses, size_t n, int hundred, int avoid)
{
    int best = -1;
    for (size_t i = 0; i < n; i++)
        if (statuses[i] / 100 == hundred && statuses[i] != avoid &&
            (best < 0 || statuses[i] > statuses[best]))
            best = (int)i;
    return best;
}

int best_response(const int *statuses, size_t n, size_t quorum)
{
    for (int hundred = 2; hundred <= 4 && n; hundred++)
        if (count_class(statuses, n, hundred) >= quorum)
            return highest(statuses, n, hundred, -1);
    return -1;
}

bool have_quorum(const int *statuses, size_t n, size_t quorum)
{
    for (int hundred = 1; hundred <= 4; hundred++)
        if (n >= quorum && count_class(statuses, n, hundred) >= quorum)
            return true;
    return false;
}

int best_response_override(const int *statuses, size_t n, size_t quorum, int from, int to)
{
    int best = best_response(statuses, n, quorum);
    size_t changed = 0;
    if (best >= 0 || !n)
        return best;
    for (size_t i = 0; i < n; i++)
        changed += statuses[i] == from;
    for (int hundred = 2; hundred <= 4; hundred++) {
        size_t count = count_class(statuses, n, hundred);
        if (from / 100 == hundred)
            count -= changed;
        if (to / 100 == hundred)
            count += changed;
        best = count >= quorum ? highest(statuses, n, hundred, from) : -1;
        if (best >= 0)
            return best;
    }
    return -1;
}
