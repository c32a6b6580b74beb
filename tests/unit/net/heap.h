// How many bytes the heap holds, to compare promised with taken memory.
#ifndef SQZ_TESTS_NET_HEAP_H
#define SQZ_TESTS_NET_HEAP_H

#include <malloc.h>
#include <stddef.h>

// With a sanitizer's allocator, mallinfo2 knows nothing.
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static inline size_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

#endif
