// Text that leaves the program: names and sentences that somebody else may have written, made
// harmless for the place where they are shown. The function for one buffer is public
// (sqz_text_escape); this one appends to a growing text.
#ifndef SQZ_BASE_ESCAPE_H
#define SQZ_BASE_ESCAPE_H

#include "base/memory.h"
#include <squeezenet.h>

void sqz_text_add_escaped(struct sqz_text *out, enum sqz_text_target target, const char *text);

#endif
