// What the levels of the integer engine have in common.
#include "kernels/integer/integer.h"

#include <string.h>

// The groups that are not zero in all of `pixels` pixels, `step` bytes apart. Returns how many;
// `list` has room for SQZ_INTEGER_CLASS_LIST.
static inline int list_groups(const uint8_t *x, ptrdiff_t step, int pixels, int groups,
                              int32_t *list)
{
    int n = 0;
    for (int i = 0; i < groups; i++) {
        uint32_t any = 0, four;
        for (int p = 0; p < pixels; p++) {
            memcpy(&four, x + p * step + 4 * i, sizeof four);
            any |= four;
        }
        list[n] = i;
        n += any != 0;
    }
    return n;
}

static inline void maximum(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] > b[i] ? a[i] : b[i];
}

// The line of the panel that follows.
static inline struct sqz_integer_line next_panel(struct sqz_integer_line l)
{
    l.weights += (ptrdiff_t)l.rows * l.groups * SQZ_INTEGER_PANEL * 4;
    l.bias += SQZ_INTEGER_PANEL;
    l.scales += SQZ_INTEGER_PANEL;
    l.y += SQZ_INTEGER_PANEL;
    return l;
}
