// The well-formed sequences of UTF-8, by the table of RFC 3629, section 4.
#include "base/utf8.h"

size_t sqz_utf8_sequence(const char *text, size_t left)
{
    const unsigned char *c = (const unsigned char *)text;
    if (left == 0)
        return 0;
    if (c[0] < 0x80)
        return 1;
    size_t n = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    unsigned char low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80; // else overlong
    unsigned char high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    if (c[1] < low || c[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool sqz_utf8_is_valid(const char *text, size_t size)
{
    for (size_t at = 0, n; at < size; at += n)
        if ((n = sqz_utf8_sequence(text + at, size - at)) == 0)
            return false;
    return true;
}
