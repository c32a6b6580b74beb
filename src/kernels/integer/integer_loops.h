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

enum { NEAR_WEIGHTS = 16384 }; // bytes that stay in a core's first cache

// Calls one() for every line, and for at_once panels, or what is left of them. Either the weights
// or the lines stay in the cache.
static inline __attribute__((always_inline)) void
each_line(const struct sqz_integer_line *l, int panels, int at_once,
          void (*one)(const struct sqz_integer_line *line, int panels))
{
    const ptrdiff_t weights = (ptrdiff_t)l->rows * l->groups * SQZ_INTEGER_PANEL * 4;
    const int together = panels * weights <= NEAR_WEIGHTS ? 1 : l->lines;
    for (int top = 0; top < l->lines; top += together)
        for (int panel = 0; panel < panels; panel += at_once) {
            struct sqz_integer_line line = *l;
            line.weights += panel * weights;
            line.bias += panel * SQZ_INTEGER_PANEL;
            line.scales += panel * SQZ_INTEGER_PANEL;
            for (int y = top; y < top + together; y++) {
                line.x = l->x + y * l->next_x;
                line.y = l->y + y * l->next_y + panel * SQZ_INTEGER_PANEL;
                one(&line, panels - panel < at_once ? panels - panel : at_once);
            }
        }
}
