// Lines and classes of the integer engine over the operations of integer_vec256.h or
// integer_vec512.h, which are included before it.
#include "kernels/integer/integer_loops.h"

// `pixels` pixels of `panels` panels, from pixel `first` on. Three pixels have a pointer together:
// so few registers hold all their addresses.
INLINE void line_tile(const struct sqz_integer_line *l, int first, const int pixels,
                      const int panels)
{
    enum { POINTERS = (PIXELS + 2) / 3 };
    vec sums[PIXELS][PANELS * VECTORS];
    const ptrdiff_t panel = (ptrdiff_t)l->rows * l->groups * SQZ_INTEGER_PANEL * 4;
    const int8_t *w = l->weights;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < panels * VECTORS; v++)
            sums[p][v] = load_sums(l->bias + LANES * v);
    for (int row = 0; row < l->rows; row++) {
        const uint8_t *x[POINTERS];
        for (int p = 0; p < pixels; p += 3)
            x[p / 3] = l->x + row * l->row + (first + p) * l->pixel;
        for (int i = 0; i < l->groups; i++, w += 4 * SQZ_INTEGER_PANEL) {
            vec weights[PANELS * VECTORS];
            for (int v = 0; v < panels * VECTORS; v++)
                weights[v] = load_weights(w + v / VECTORS * panel + v % VECTORS * 4 * LANES);
            for (int p = 0; p < pixels; p++) {
                const vec bytes = repeat_four(x[p / 3] + p % 3 * l->pixel);
                for (int v = 0; v < panels * VECTORS; v++)
                    sums[p][v] = dot(sums[p][v], bytes, weights[v]);
            }
            for (int p = 0; p < pixels; p += 3)
                x[p / 3] += 4;
        }
    }
    // Copies, for the bytes that are stored might be l's.
    uint8_t *y = l->y + first * l->ldy;
    const ptrdiff_t ldy = l->ldy;
    scale scales[PANELS * VECTORS];
    for (int v = 0; v < panels * VECTORS; v++)
        scales[v] = load_scale(l->scales + LANES * v);
    for (int p = 0; p < pixels; p++, y += ldy)
        for (int i = 0; i < panels; i++)
            STORE_PANEL(y + i * SQZ_INTEGER_PANEL, sums[p] + i * VECTORS, scales + i * VECTORS);
}

// A tile of any size up to those.
static void run_tile(const struct sqz_integer_line *l, int first, int pixels, int panels)
{
#define TILE(pixels_, panels_) \
    case 2 * (pixels_) + (panels_)-1: \
        line_tile(l, first, pixels_, panels_); \
        break
#if PANELS == 2
#define TILES(pixels) \
    TILE(pixels, 1); \
    TILE(pixels, 2)
#else
#define TILES(pixels) TILE(pixels, 1)
#endif
    switch (2 * pixels + panels - 1) {
        TILES(1);
        TILES(2);
        TILES(3);
        TILES(4);
        TILES(5);
        TILES(6);
#if PIXELS == 7
        TILES(7);
#endif
    }
#undef TILES
#undef TILE
}

static void run_tiles(const struct sqz_integer_line *l, int panels)
{
    const int tiles = (l->n + PIXELS - 1) / PIXELS;
    for (int t = 0, first = 0, next; t < tiles; t++, first = next) {
        next = l->n * (t + 1) / tiles;
        run_tile(l, first, next - first, panels);
    }
}

static void run_line(const struct sqz_integer_line *l, int panels)
{
    each_line(l, panels, PANELS, run_tiles);
}

// `pixels` pixels, at most CLASS_PIXELS, and `panels` panels at once.
INLINE void class_tile(const struct sqz_integer_line *l, const uint8_t *x, const int pixels,
                       const int32_t *list, int n, const int panels, int32_t *totals)
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

// A tile of any size up to those.
static void run_class_tile(const struct sqz_integer_line *l, const uint8_t *x, int pixels,
                           int panels, int32_t *totals)
{
    int32_t list[SQZ_INTEGER_CLASS_LIST];
    const int n = LIST_GROUPS(x, l->pixel, pixels, l->groups, list);
#define TILE(pixels_, panels_) \
    case 4 * (pixels_) + (panels_): \
        class_tile(l, x, pixels_, list, n, panels_, totals); \
        break
#define TILES(pixels_) \
    TILE(pixels_, 1); \
    TILE(pixels_, 2); \
    TILE(pixels_, 3)
    switch (4 * pixels + panels) {
        TILES(1);
        TILES(2);
#if CLASS_PIXELS == 5
        TILES(3);
        TILES(4);
        TILES(5);
#endif
    }
#undef TILES
#undef TILE
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *totals)
{
    const int tiles = (l->n + CLASS_PIXELS - 1) / CLASS_PIXELS;
    for (int t = 0, first = 0, next; t < tiles; t++, first = next) {
        next = l->n * (t + 1) / tiles;
        run_class_tile(l, l->x + first * l->pixel, next - first, panels, totals);
    }
}
