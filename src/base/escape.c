// Escaping for terminals, logs, CSV, JSON and addresses; see sqz_text_escape in squeezenet.h.
#include "base/escape.h"

#include <stdio.h>
#include <string.h>

enum { PIECE_SIZE = 16, INVALID = -1 };

// The code point that begins at `text` and the bytes that it takes. Bytes that are no UTF-8 (an
// overlong form and a surrogate are none) are INVALID, one at a time.
static int decode(const unsigned char *text, size_t *length)
{
    static const int least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80   ? 1
               : text[0] < 0xC0 ? 0
               : text[0] < 0xE0 ? 2
               : text[0] < 0xF0 ? 3
                                : 4;
    int code = n < 2 ? text[0] : text[0] & (0x7F >> n);
    *length = 1;
    if (n == 0 || text[0] > 0xF4)
        return INVALID;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return INVALID;
        code = code << 6 | (text[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return INVALID;
    *length = n;
    return code;
}

bool sqz_text_is_utf8(const char *text)
{
    size_t length;
    for (const unsigned char *at = (const unsigned char *)text; *at; at += length)
        if (decode(at, &length) == INVALID)
            return false;
    return true;
}

// What a terminal may obey instead of showing it, or what hides or reverses its neighbours: C0,
// DEL, C1, marks and overrides of direction, line and paragraph separators, the byte order mark.
static bool is_control(int code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x61C ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

static void escape_json(int code, const char *text, size_t length, char out[PIECE_SIZE])
{
    if (code == INVALID)
        snprintf(out, PIECE_SIZE, "\xEF\xBF\xBD"); // U+FFFD
    else if (code == '"' || code == '\\')
        snprintf(out, PIECE_SIZE, "\\%c", code);
    else if (code == '\n' || code == '\t')
        snprintf(out, PIECE_SIZE, code == '\n' ? "\\n" : "\\t");
    else if (is_control(code))
        snprintf(out, PIECE_SIZE, "\\u%04x", (unsigned)code);
    else
        snprintf(out, PIECE_SIZE, "%.*s", (int)length, text);
}

// One code point or stray byte of *text, moved past it, as it may stand at the target.
static void take_piece(enum sqz_text_target target, const char **text, char out[PIECE_SIZE])
{
    size_t length;
    const char *at = *text;
    int code = decode((const unsigned char *)at, &length);
    *text += length;
    switch (target) {
    case SQZ_TEXT_JSON:
        escape_json(code, at, length, out);
        return;
    case SQZ_TEXT_PERCENT:
        *text = at + 1;
        if (code == INVALID || code >= 0x80 || code <= 0x20 || code == 0x7F || code == '%')
            snprintf(out, PIECE_SIZE, "%%%02X", (unsigned char)*at);
        else
            snprintf(out, PIECE_SIZE, "%c", code);
        return;
    case SQZ_TEXT_PARAGRAPH:
        if (code == '\n') { // a name cannot forge a line: those that follow the first are indented
            snprintf(out, PIECE_SIZE, "\n    ");
            return;
        }
        break;
    case SQZ_TEXT_CSV:
        if (code == '"') {
            snprintf(out, PIECE_SIZE, "\"\"");
            return;
        }
        break;
    case SQZ_TEXT_LINE:
        break;
    }
    if (code == INVALID || is_control(code))
        snprintf(out, PIECE_SIZE, "?");
    else
        snprintf(out, PIECE_SIZE, "%.*s", (int)length, at);
}

// What stands before and after the pieces. A cell that begins with one of =+-@ would be a formula
// to a spreadsheet.
static void frame(enum sqz_text_target target, const char *text, const char **before,
                  const char **after)
{
    bool csv = target == SQZ_TEXT_CSV, formula = csv && *text && strchr("=+-@", *text);
    bool quoted = csv && strpbrk(text, ",\"");
    *before = quoted ? formula ? "\"'" : "\"" : formula ? "'" : "";
    *after = quoted ? "\"" : "";
}

// Appends a whole piece, or nothing once a piece did not fit.
static void append(const char *piece, char *out, size_t size, size_t *kept, size_t *length)
{
    size_t n = strlen(piece);
    if (*kept == *length && *length + n < size) {
        memcpy(out + *kept, piece, n);
        *kept += n;
    }
    *length += n;
}

size_t sqz_text_escape(enum sqz_text_target target, const char *text, char *out, size_t size)
{
    const char *before, *after;
    char piece[PIECE_SIZE];
    size_t kept = 0, length = 0;
    frame(target, text, &before, &after);
    append(before, out, size, &kept, &length);
    while (*text) {
        take_piece(target, &text, piece);
        append(piece, out, size, &kept, &length);
    }
    append(after, out, size, &kept, &length);
    if (size > 0)
        out[kept] = '\0';
    return length;
}

void sqz_text_add_escaped(struct sqz_text *out, enum sqz_text_target target, const char *text)
{
    const char *before, *after;
    char piece[PIECE_SIZE];
    frame(target, text, &before, &after);
    sqz_text_add_bytes(out, before, strlen(before));
    while (*text) {
        take_piece(target, &text, piece);
        sqz_text_add_bytes(out, piece, strlen(piece));
    }
    sqz_text_add_bytes(out, after, strlen(after));
}
