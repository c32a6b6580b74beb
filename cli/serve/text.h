// Text that grows: JSON, and the answers of the server.
#ifndef CLI_SERVE_TEXT_H
#define CLI_SERVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zero-initialise. Out of memory is remembered in `failed`: look at it once, at the end.
struct serve_text {
    char *data;
    size_t length, capacity;
    bool failed;
};
void serve_text_add(struct serve_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void serve_text_add_bytes(struct serve_text *text, const void *data, size_t size);
void serve_text_add_quoted(struct serve_text *text, const char *string); // as a JSON string
void serve_text_add_floats(struct serve_text *text, const float *values, size_t n); // "1,2.5"
void serve_text_release(struct serve_text *text);

void serve_text_add_base64(struct serve_text *text, const uint8_t *data, size_t size);
// Decodes base64 (RFC 4648, with padding) into fresh memory, the caller's to free. NULL when it is
// no base64 or memory is out.
uint8_t *serve_base64_decode(const char *text, size_t length, size_t *size);

#endif
