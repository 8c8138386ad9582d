/* SPDX-License-Identifier: Apache-2.0
 *
 * pickle_key.h: the keys of dicts in pickles. For pickle.c only.
 */
#ifndef COMMON_PICKLE_KEY_H
#define COMMON_PICKLE_KEY_H

#include "common/pickle.h"

/* Python can hash it: no list, dict or array, nor a tuple with one in it. */
bool pickle_key_valid(const struct pickle_value *v);
/* Of pairs with equal keys the first stays, with the value of the last. */
void pickle_key_merge(struct pickle_value *dict);

#endif
