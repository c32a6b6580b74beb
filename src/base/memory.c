// Checked allocation and the growable text.
#include "base/memory.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

bool sqz_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool sqz_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

// A first touch costs 2 microseconds a page, whatever its size: 5 MB of weights in small pages cost
// more than reading them. Only an advice, so failure is no matter.
static void *advise_huge(void *data, size_t bytes)
{
    size_t skip = -(uintptr_t)data % HUGE_PAGE;
    if (data && bytes >= skip + HUGE_PAGE)
        madvise((char *)data + skip, (bytes - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return data;
}

// Gives whole pages back, so that the system fills them with zeros when they are touched: an arena
// that a run does not need then costs neither time nor memory. `data` begins a page.
static void *zero_lazily(void *data, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), given = bytes / page * page;
    if (given && madvise(data, given, MADV_DONTNEED) != 0) // pages locked into memory stay
        given = 0;
    memset((char *)data + given, 0, bytes - given);
    return data;
}

void *sqz_new_array(size_t n, size_t size)
{
    size_t bytes;
    if (!sqz_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    return advise_huge(calloc(bytes ? bytes : 1, 1), bytes);
}

void *sqz_new_untouched(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *data = bytes > PTRDIFF_MAX ? NULL : calloc(bytes ? bytes : 1, 1);
    size_t skip = -(uintptr_t)data % page;
    if (data && bytes > skip + page)
        madvise(data + skip, (bytes - skip) / page * page, MADV_NOHUGEPAGE);
    return data;
}

void *sqz_new_aligned(size_t n, size_t size)
{
    size_t bytes;
    void *data;
    if (!sqz_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX - 2 * SQZ_ALIGNMENT)
        return NULL;
    // Rounding up leaves at least one pad.
    bytes = (bytes + 2 * SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    bool huge = bytes >= 2 * HUGE_PAGE;
    if (posix_memalign(&data, huge ? HUGE_PAGE : SQZ_ALIGNMENT, bytes) != 0)
        return NULL;
    if (!huge)
        return memset(data, 0, bytes);
    return zero_lazily(advise_huge(data, bytes), bytes);
}

void *sqz_grow_array(void *old, size_t old_n, size_t n, size_t size)
{
    size_t bytes, old_bytes;
    if (!sqz_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX ||
        !sqz_size_mul(old_n, size, &old_bytes))
        return NULL;
    char *data = realloc(old, bytes ? bytes : 1);
    if (data && bytes > old_bytes)
        memset(data + old_bytes, 0, bytes - old_bytes);
    return data;
}

char *sqz_copy_string_n(const char *text, size_t length)
{
    if (!text || length >= PTRDIFF_MAX)
        return NULL;
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *sqz_copy_string(const char *text)
{
    return text ? sqz_copy_string_n(text, strlen(text)) : NULL;
}

void sqz_free(void *pointer)
{
    free(pointer);
}

// Room for n more bytes and the closing NUL.
static bool text_reserve(struct sqz_text *text, size_t n)
{
    size_t needed;
    if (!sqz_size_add(text->length, n, &needed) || !sqz_size_add(needed, 1, &needed) ||
        needed > PTRDIFF_MAX / 2) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void sqz_text_add(struct sqz_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) {
        text->failed = true;
    } else if (text_reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->length, (size_t)n + 1, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void sqz_text_add_bytes(struct sqz_text *text, const void *bytes, size_t n)
{
    if (!text_reserve(text, n))
        return;
    if (n)
        memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void sqz_text_add_le(struct sqz_text *text, uint64_t value, int n)
{
    uint8_t bytes[8];
    sqz_put_le(bytes, value, n);
    sqz_text_add_bytes(text, bytes, (size_t)n);
}

const char *sqz_text_get(const struct sqz_text *text)
{
    return text->data ? text->data : "";
}

void sqz_text_release(struct sqz_text *text)
{
    free(text->data);
    *text = (struct sqz_text){0};
}
