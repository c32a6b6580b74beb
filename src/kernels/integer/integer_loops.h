// What the levels of the integer engine have in common.
#include "kernels/integer/integer.h"

#include <string.h>

// The groups of a pixel that are not zero.
static inline int list_groups(const uint8_t *x, int groups, uint8_t *list)
{
    int n = 0;
    for (int i = 0; i < groups; i++) {
        uint32_t four;
        memcpy(&four, x + 4 * i, sizeof four);
        list[n] = (uint8_t)i;
        n += four != 0;
    }
    return n;
}

static inline void maximum(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] > b[i] ? a[i] : b[i];
}
