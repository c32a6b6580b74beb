// Growing text, JSON strings and base64.
#include "cli/serve/text.h"
#include <math.h>
#include <squeezenet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct serve_text *text, size_t more)
{
    size_t wanted = text->length + more + 1;
    if (text->failed || wanted <= text->capacity)
        return !text->failed;
    char *data = realloc(text->data, 2 * wanted + 256);
    text->failed = data == NULL;
    if (data) {
        text->data = data;
        text->capacity = 2 * wanted + 256;
    }
    return !text->failed;
}

void serve_text_add_bytes(struct serve_text *text, const void *data, size_t size)
{
    if (!reserve(text, size))
        return;
    if (size)
        memcpy(text->data + text->length, data, size);
    text->length += size;
    text->data[text->length] = 0;
}

void serve_text_add(struct serve_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(text, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)n + 1, format, args);
    va_end(args);
    text->length += (size_t)n;
}

void serve_text_add_quoted(struct serve_text *text, const char *string)
{
    size_t n = sqz_text_escape(SQZ_TEXT_JSON, string, NULL, 0);
    serve_text_add_bytes(text, "\"", 1);
    if (reserve(text, n))
        text->length += sqz_text_escape(SQZ_TEXT_JSON, string, text->data + text->length, n + 1);
    serve_text_add_bytes(text, "\"", 1);
}

void serve_text_add_floats(struct serve_text *text, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        serve_text_add(text, "%s%.9g", i ? "," : "", isfinite(values[i]) ? (double)values[i] : 0.0);
}

void serve_text_release(struct serve_text *text)
{
    free(text->data);
    *text = (struct serve_text){0};
}

void serve_text_add_base64(struct serve_text *text, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        size_t n = size - at < 3 ? size - at : 3;
        uint32_t bits = (uint32_t)data[at] << 16;
        bits |= n > 1 ? (uint32_t)data[at + 1] << 8 : 0;
        bits |= n > 2 ? data[at + 2] : 0;
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              n > 1 ? digits[bits >> 6 & 63] : '=',
                              n > 2 ? digits[bits & 63] : '='};
        serve_text_add_bytes(text, four, 4);
    }
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

uint8_t *serve_base64_decode(const char *text, size_t length, size_t *size)
{
    if (length == 0 || length % 4)
        return NULL;
    uint8_t *out = malloc(length / 4 * 3);
    size_t n = 0;
    for (size_t at = 0; out && at < length; at += 4) {
        uint32_t bits = 0;
        int padding = 0;
        for (size_t i = 0; i < 4; i++) {
            bool pads = text[at + i] == '=' && at + 4 == length && i >= 2;
            int digit = pads ? 0 : base64_digit(text[at + i]);
            padding += pads;
            if (digit < 0 || (!pads && padding)) {
                free(out);
                return NULL;
            }
            bits = bits << 6 | (uint32_t)digit;
        }
        out[n++] = (uint8_t)(bits >> 16);
        if (padding < 2)
            out[n++] = (uint8_t)(bits >> 8);
        if (padding < 1)
            out[n++] = (uint8_t)bits;
    }
    *size = n;
    return out;
}
