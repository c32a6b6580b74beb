// Lines and classes of the integer engine over the operations of integer_vec256.h or
// integer_vec512.h, which are included before it.
#include "kernels/integer/integer_loops.h"

// `pixels` pixels of a panel, from pixel `first` on. Three pixels have a pointer together: so few
// registers hold all their addresses.
INLINE void line_tile(const struct sqz_integer_line *l, int first, const int pixels)
{
    enum { POINTERS = (PIXELS + 2) / 3 };
    vec sums[PIXELS][VECTORS];
    const int8_t *w = l->weights;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++)
            sums[p][v] = load_sums(l->bias + LANES * v);
    for (int row = 0; row < l->rows; row++) {
        const uint8_t *x[POINTERS];
        for (int p = 0; p < pixels; p += 3)
            x[p / 3] = l->x + row * l->row + (first + p) * l->pixel;
        for (int i = 0; i < l->groups; i++, w += 4 * SQZ_INTEGER_PANEL) {
            vec weights[VECTORS];
            for (int v = 0; v < VECTORS; v++)
                weights[v] = load_weights(w + 4 * LANES * v);
            for (int p = 0; p < pixels; p++) {
                const vec bytes = repeat_four(x[p / 3] + p % 3 * l->pixel);
                for (int v = 0; v < VECTORS; v++)
                    sums[p][v] = dot(sums[p][v], bytes, weights[v]);
            }
            for (int p = 0; p < pixels; p += 3)
                x[p / 3] += 4;
        }
    }
    uint8_t *y = l->y + first * l->ldy;
    for (int p = 0; p < pixels; p++, y += l->ldy)
        store_bytes(y, sums[p], l->scales);
}

static void run_tile(const struct sqz_integer_line *l, int first, int pixels)
{
#define TILE(n) \
    case n: \
        line_tile(l, first, n); \
        break
    switch (pixels) {
        TILE(1);
        TILE(2);
        TILE(3);
        TILE(4);
        TILE(5);
        TILE(6);
#if PIXELS == 14
        TILE(7);
        TILE(8);
        TILE(9);
        TILE(10);
        TILE(11);
        TILE(12);
        TILE(13);
        TILE(14);
#endif
    }
#undef TILE
}

static void run_line(const struct sqz_integer_line *l)
{
    const int tiles = (l->n + PIXELS - 1) / PIXELS;
    for (int t = 0, first = 0, next; t < tiles; t++, first = next) {
        next = l->n * (t + 1) / tiles;
        run_tile(l, first, next - first);
    }
}

// `pixels` pixels, at most CLASS_PIXELS, and `panels` panels at once.
INLINE void class_tile(const struct sqz_integer_line *l, const uint8_t *x, const int pixels,
                       const uint8_t *list, int n, const int panels, int32_t *totals)
{
    vec sums[CLASS_PIXELS][SQZ_INTEGER_CLASS_PANELS * VECTORS];
    const ptrdiff_t panel = (ptrdiff_t)l->groups * SQZ_INTEGER_PANEL * 4;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < panels * VECTORS; v++)
            sums[p][v] = load_sums(l->bias + LANES * v);
    for (int i = 0; i < n; i++) {
        const int8_t *w = l->weights + (ptrdiff_t)list[i] * SQZ_INTEGER_PANEL * 4;
        vec bytes[CLASS_PIXELS];
        for (int p = 0; p < pixels; p++)
            bytes[p] = repeat_four(x + p * l->pixel + 4 * list[i]);
        for (int v = 0; v < panels * VECTORS; v++) {
            const vec weights = load_weights(w + v / VECTORS * panel + v % VECTORS * 4 * LANES);
            for (int p = 0; p < pixels; p++)
                sums[p][v] = dot(sums[p][v], bytes[p], weights);
        }
    }
    for (int v = 0; v < panels * VECTORS; v++) {
        vec total = load_sums(totals + LANES * v);
        for (int p = 0; p < pixels; p++)
            total = add(total, positive(sums[p][v]));
        store_sums(totals + LANES * v, total);
    }
}

INLINE void class_pixels(const struct sqz_integer_line *l, const uint8_t *x, const int pixels,
                         int panels, int32_t *totals)
{
    uint8_t list[SQZ_INTEGER_CLASS_GROUPS + 1];
    const int n = list_groups(x, l->pixel, pixels, l->groups, list);
    switch (panels) {
    case 1:
        class_tile(l, x, pixels, list, n, 1, totals);
        break;
    case 2:
        class_tile(l, x, pixels, list, n, 2, totals);
        break;
    case 3:
        class_tile(l, x, pixels, list, n, 3, totals);
        break;
    case 4:
        class_tile(l, x, pixels, list, n, 4, totals);
        break;
    case 5:
        class_tile(l, x, pixels, list, n, 5, totals);
        break;
    default:
        class_tile(l, x, pixels, list, n, SQZ_INTEGER_CLASS_PANELS, totals);
        break;
    }
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *totals)
{
    int p = 0;
    for (; p + CLASS_PIXELS <= l->n; p += CLASS_PIXELS)
        class_pixels(l, l->x + p * l->pixel, CLASS_PIXELS, panels, totals);
    for (; p < l->n && CLASS_PIXELS > 1; p++)
        class_pixels(l, l->x + p * l->pixel, 1, panels, totals);
}
