// The parts of a JSON writer; jansson's json_dumps writes the same bytes.
#include "base/json.h"

#include "base/utf8.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sqz_json_add_string(struct sqz_text *out, const char *text)
{
    static const char special[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    size_t size = strlen(text), done = 0;
    if (!sqz_utf8_is_valid(text, size))
        return false;
    sqz_text_add_bytes(out, "\"", 1);
    for (size_t at = 0; at < size; at++) {
        const unsigned char c = (unsigned char)text[at];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        sqz_text_add_bytes(out, text + done, at - done);
        const char *found = strchr(special, c);
        if (found)
            sqz_text_add(out, "\\%c", names[found - special]);
        else
            sqz_text_add(out, "\\u%04X", c);
        done = at + 1;
    }
    sqz_text_add_bytes(out, text + done, size - done);
    sqz_text_add_bytes(out, "\"", 1);
    return true;
}

void sqz_json_add_real(struct sqz_text *out, double value, int digits)
{
    const char *point = localeconv()->decimal_point;
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, value);
    char *found = strstr(text, point), *exponent = strchr(text, 'e');
    size_t n = found ? (size_t)(found - text) : exponent ? (size_t)(exponent - text) : strlen(text);
    sqz_text_add_bytes(out, text, n);
    if (found) {
        found += strlen(point);
        n = exponent ? (size_t)(exponent - found) : strlen(found);
        sqz_text_add(out, ".%.*s", (int)n, found);
    } else if (!exponent) {
        sqz_text_add(out, ".0");
    }
    if (exponent) // printf's has a sign and at least two digits
        sqz_text_add(out, "e%d", (int)strtol(exponent + 1, NULL, 10));
}
