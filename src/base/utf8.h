// UTF-8 (RFC 3629): whether bytes are text.
#ifndef SQZ_BASE_UTF8_H
#define SQZ_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Bytes of the character that begins at `text`, of which `left` bytes may be read: 1 to 4, or 0
// where none is well-formed (overlong forms, surrogates and numbers above 10FFFF are not).
size_t sqz_utf8_sequence(const char *text, size_t left);
bool sqz_utf8_is_valid(const char *text, size_t size);

#endif
