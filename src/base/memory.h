// Memory: checked sizes, aligned buffers, and a growable text.
#ifndef SQZ_BASE_MEMORY_H
#define SQZ_BASE_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQZ_ALIGNMENT 64 // a cache line, and the widest vector

// Zeroed arrays of n elements; NULL when n * size overflows or memory is out. n = 0 gives a valid
// pointer. Free with sqz_free.
void *sqz_new_array(size_t n, size_t size);
// Lazily committed memory: physical pages are allocated on the first write. For large buffers of
// which little is used.
void *sqz_new_untouched(size_t bytes);
// Zeroed arrays, aligned to SQZ_ALIGNMENT and padded with one more SQZ_ALIGNMENT of readable bytes.
void *sqz_new_aligned(size_t n, size_t size);
// Grows an array made by sqz_new_array; new elements are zero; on failure NULL and `old` stays.
void *sqz_grow_array(void *old, size_t old_n, size_t n, size_t size);
char *sqz_copy_string(const char *text); // NULL in gives NULL out
char *sqz_copy_string_n(const char *text, size_t length);
void sqz_free(void *pointer); // any of the above, NULL too

// true and *out = a * b (a + b), or false when it does not fit.
bool sqz_size_mul(size_t a, size_t b, size_t *out);
bool sqz_size_add(size_t a, size_t b, size_t *out);

// A NUL-terminated text that grows. Zero-initialise. A failed allocation sets `failed` and the text
// stays as it was; check `failed` once at the end.
struct sqz_text {
    char *data; // NULL while empty
    size_t length, capacity;
    bool failed;
};
void sqz_text_add(struct sqz_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sqz_text_add_bytes(struct sqz_text *text, const void *bytes, size_t n);
// The n lowest bytes of `value`, the lowest first; n <= 8.
void sqz_text_add_le(struct sqz_text *text, uint64_t value, int n);
const char *sqz_text_get(const struct sqz_text *text); // never NULL
void sqz_text_release(struct sqz_text *text);

#endif
