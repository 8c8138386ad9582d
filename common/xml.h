/* SPDX-License-Identifier: Apache-2.0
 *
 * xml.h: writes XML text. Reading is expat's, with entities refused.
 */
#ifndef COMMON_XML_H
#define COMMON_XML_H

#include "common/buf.h"

/* & < > escaped, as xml.sax.saxutils.escape. */
void xml_text(struct buf *b, struct str s);
/* A quoted attribute value as xml.sax.saxutils.quoteattr writes it, quotes included. */
void xml_attribute(struct buf *b, struct str s);

#endif
