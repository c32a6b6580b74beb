// What the library has from the operating system, for a module that has none: memory, the
// texts of errors, and no decoders, which a page's browser brings along.
#include "base/error.h"
#include "base/memory.h"
#include "data/image/image.h"

#include <stdio.h>
#include <string.h>

// --- Memory: a list of free blocks in the order of their addresses, the first one that is large
// enough. The C library's allocator is a sixth of the whole module. ---

struct block {
    size_t size; // with this header
    struct block *next;
};
// A header takes one cache line, so that everything is aligned as sqz_new_aligned promises.
enum { LINE = SQZ_ALIGNMENT, PAGE = 65536 };
extern unsigned char __heap_base;
static struct block *free_blocks;
static size_t heap_end;

static void give(struct block *block)
{
    struct block **at = &free_blocks;
    while (*at && *at < block)
        at = &(*at)->next;
    block->next = *at;
    *at = block;
    for (struct block *b = free_blocks; b->next;) { // neighbours become one
        if ((char *)b + b->size == (char *)b->next) {
            b->size += b->next->size;
            b->next = b->next->next;
        } else {
            b = b->next;
        }
    }
}

static bool grow(size_t size)
{
    if (!heap_end)
        heap_end = ((size_t)&__heap_base + LINE - 1) / LINE * LINE;
    const size_t limit = __builtin_wasm_memory_size(0) * (size_t)PAGE;
    const size_t room = limit - heap_end, more = size > room ? (size - room + PAGE - 1) / PAGE : 0;
    if (more && __builtin_wasm_memory_grow(0, more) == (size_t)-1)
        return false;
    struct block *block = (struct block *)heap_end;
    block->size = (room + more * PAGE) / LINE * LINE;
    heap_end += block->size;
    give(block);
    return true;
}

static void *take(size_t size)
{
    struct block **at = &free_blocks;
    while (*at && (*at)->size < size)
        at = &(*at)->next;
    struct block *block = *at;
    if (!block)
        return grow(size) ? take(size) : NULL;
    *at = block->next;
    if (block->size > size) {
        struct block *rest = (struct block *)((char *)block + size);
        rest->size = block->size - size;
        block->size = size;
        give(rest);
    }
    return (char *)block + LINE;
}

void *sqz_new_aligned(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX - 4 * LINE)
        return NULL;
    void *data =
        take((bytes + 3 * LINE - 1) / LINE * LINE); // a header, and a line of readable bytes
    return data ? memset(data, 0, bytes) : NULL;
}

void *sqz_new_array(size_t n, size_t size)
{
    return sqz_new_aligned(n, size);
}

void sqz_free(void *pointer)
{
    if (pointer)
        give((struct block *)((char *)pointer - LINE));
}

bool sqz_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool sqz_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

// --- Errors ---

enum sqz_status sqz_fail(struct sqz_error *err, enum sqz_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (err) {
        vsnprintf(err->text, sizeof err->text, format, args);
        err->status = status;
    }
    va_end(args);
    return status;
}

enum sqz_status sqz_fail_memory(struct sqz_error *err, const char *what, size_t bytes)
{
    return sqz_fail(err, SQZ_E_NOMEM, "Out of memory: cannot get %zu bytes for %s.", bytes, what);
}

// --- Images ---

// The module takes pixels only, so that the two below are never asked.
enum sqz_status sqz_image_probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                                struct sqz_error *err)
{
    (void)data, (void)size, (void)out;
    return sqz_fail(err, SQZ_E_USAGE, "is encoded: this module takes pixels");
}

enum sqz_status sqz_image_decode(const uint8_t *data, size_t size, const char *name,
                                 const struct sqz_decode *how, struct sqz_image *out,
                                 struct sqz_error *err)
{
    (void)data, (void)size, (void)name, (void)how, (void)out;
    return sqz_fail(err, SQZ_E_USAGE, "Encoded images are not read here.");
}

// --- Text: what net.c and the errors of this module print, since the C library's printf is larger
// than the whole predictor: %s, %d, %zu and %%. ---

struct line {
    char *text;
    size_t size, length; // the length that all of it would have
};

static void put(struct line *line, char c)
{
    if (line->length + 1 < line->size)
        line->text[line->length] = c;
    line->length++;
}

static void put_number(struct line *line, size_t value)
{
    char digits[24];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n > 0)
        put(line, digits[--n]);
}

int vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list args)
{
    struct line line = {text, size, 0};
    for (; *format; format++) {
        if (*format != '%') {
            put(&line, *format);
        } else if (*++format == 's') {
            for (const char *s = va_arg(args, const char *); *s; s++)
                put(&line, *s);
        } else if (*format == 'd') {
            const int value = va_arg(args, int);
            if (value < 0)
                put(&line, '-');
            put_number(&line, value < 0 ? -(size_t)value : (size_t)value);
        } else if (*format == 'z') {
            format++;
            put_number(&line, va_arg(args, size_t));
        } else {
            put(&line, *format);
        }
    }
    if (size)
        text[line.length < size ? line.length : size - 1] = '\0';
    return (int)line.length;
}

int snprintf(char *restrict text, size_t size, const char *restrict format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, size, format, args);
    va_end(args);
    return n;
}
