// The integer engine with AMX: tdpbusd multiplies a tile of 16 pixels by 64 bytes with one of 64 by
// 16 weights, 16 times what vpdpbusd does. The packing of the weights is what it wants: 16 groups
// of a panel are a tile. Sums come back through memory to be requantized.
#if !defined __AMX_INT8__ && !defined __AMXINT8__
#error "needs -mamx-int8"
#endif
#include "kernels/integer/integer_vec512.h"

// Lines whose groups do not divide into tiles go the way of VNNI.
#define run_line    run_vnni_line
#define run_classes run_vnni_classes
#include "kernels/integer/integer_x86_tmpl.h"
#undef run_line
#undef run_classes

enum { ROWS = 16, DEPTH = 16 }; // pixels of a tile of bytes, groups of a tile of weights

// Compilers do not know what tile instructions read and write.
#define MEMORY_BARRIER() __asm__ volatile("" ::: "memory")

// Tiles 0 to 3 hold sums, 4 and 5 bytes, 6 and 7 weights.
static void configure(int pixels, int groups)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.bytes[t] = (uint16_t)(t == 4 || t == 5 ? 4 * groups : 64);
        config.rows[t] = (uint8_t)(t < 6 ? pixels : groups);
    }
    MEMORY_BARRIER();
    _tile_loadconfig(&config);
}

// Groups of a tile, so that a run of `groups` is a whole number of them; 0: there is none.
static int tile_depth(int groups)
{
    const int tiles = (groups + DEPTH - 1) / DEPTH;
    return groups % tiles == 0 ? groups / tiles : 0;
}

INLINE void store_tile(const struct sqz_integer_line *l, const int32_t (*sums)[SQZ_INTEGER_PANEL],
                       int panel, int first, int pixels)
{
    const scale scales = load_scale(l->scales + panel * SQZ_INTEGER_PANEL);
    const ptrdiff_t ldy = l->ldy;
    uint8_t *y = l->y + first * ldy + panel * SQZ_INTEGER_PANEL;
    for (int p = 0; p < pixels; p++, y += ldy)
        store_bytes(y, load_sums(sums[p]), scales);
}

// `pixels` pixels from each of `blocks` places on, `panels` panels.
INLINE void multiply_blocks(const struct sqz_integer_line *l, int depth, const int *first,
                            int pixels, const int blocks, const int panels)
{
    _Alignas(64) int32_t sums[4][ROWS][SQZ_INTEGER_PANEL];
    const ptrdiff_t panel = (ptrdiff_t)l->rows * l->groups * SQZ_INTEGER_PANEL * 4;
    const int8_t *w = l->weights;
    const int32_t *bias = l->bias; // a stride of 0: the same for every pixel
    _tile_loadd(0, bias, 0);
    if (panels > 1)
        _tile_loadd(1, bias + SQZ_INTEGER_PANEL, 0);
    if (blocks > 1)
        _tile_loadd(2, bias, 0);
    if (blocks > 1 && panels > 1)
        _tile_loadd(3, bias + SQZ_INTEGER_PANEL, 0);
    for (int row = 0; row < l->rows; row++) {
        const uint8_t *x = l->x + row * l->row;
        for (int i = 0; i < l->groups; i += depth, w += 4 * SQZ_INTEGER_PANEL * depth) {
            _tile_loadd(4, x + first[0] * l->pixel + 4 * i, l->pixel);
            _tile_loadd(6, w, 4 * SQZ_INTEGER_PANEL);
            _tile_dpbusd(0, 4, 6);
            if (panels > 1) {
                _tile_loadd(7, w + panel, 4 * SQZ_INTEGER_PANEL);
                _tile_dpbusd(1, 4, 7);
            }
            if (blocks > 1) {
                _tile_loadd(5, x + first[1] * l->pixel + 4 * i, l->pixel);
                _tile_dpbusd(2, 5, 6);
            }
            if (blocks > 1 && panels > 1)
                _tile_dpbusd(3, 5, 7);
        }
    }
    _tile_stored(0, sums[0], sizeof *sums[0]);
    if (panels > 1)
        _tile_stored(1, sums[1], sizeof *sums[0]);
    if (blocks > 1)
        _tile_stored(2, sums[2], sizeof *sums[0]);
    if (blocks > 1 && panels > 1)
        _tile_stored(3, sums[3], sizeof *sums[0]);
    MEMORY_BARRIER();
    for (int b = 0; b < blocks; b++)
        for (int i = 0; i < panels; i++)
            store_tile(l, sums[2 * b + i], i, first[b], pixels);
}

static void run_blocks(const struct sqz_integer_line *l, int panels)
{
    const int depth = tile_depth(l->groups), blocks = (l->n + ROWS - 1) / ROWS;
    const int pixels = (l->n + blocks - 1) / blocks;
    for (int b = 0; b < blocks; b += 2) {
        // The last block ends with the line, so that all have as many pixels; what two blocks share
        // is written twice, with the same bytes.
        int first[2];
        for (int k = 0; k < 2; k++)
            first[k] = (b + k + 1) * pixels < l->n ? (b + k) * pixels : l->n - pixels;
        const bool both = b + 1 < blocks;
        if (both && panels > 1)
            multiply_blocks(l, depth, first, pixels, 2, 2);
        else if (both)
            multiply_blocks(l, depth, first, pixels, 2, 1);
        else if (panels > 1)
            multiply_blocks(l, depth, first, pixels, 1, 2);
        else
            multiply_blocks(l, depth, first, pixels, 1, 1);
    }
}

static void run_line(const struct sqz_integer_line *l, int panels)
{
    const int depth = tile_depth(l->groups), blocks = (l->n + ROWS - 1) / ROWS;
    if (!depth) {
        run_vnni_line(l, panels);
        return;
    }
    configure((l->n + blocks - 1) / blocks, depth);
    each_line(l, panels, 2, run_blocks);
    _tile_release();
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *totals)
{
    _Alignas(64) int32_t sums[SQZ_INTEGER_CLASS_PANELS][ROWS][SQZ_INTEGER_PANEL];
    const int depth = tile_depth(l->groups);
    const ptrdiff_t panel = (ptrdiff_t)l->groups * SQZ_INTEGER_PANEL * 4;
    if (!depth || l->n > ROWS || panels < SQZ_INTEGER_CLASS_PANELS) {
        run_vnni_classes(l, panels, totals);
        return;
    }
    configure(l->n, depth);
    _tile_loadd(0, l->bias, 0);
    _tile_loadd(1, l->bias + SQZ_INTEGER_PANEL, 0);
    _tile_loadd(2, l->bias + 2 * SQZ_INTEGER_PANEL, 0);
    const int8_t *w = l->weights;
    for (int i = 0; i < l->groups; i += depth, w += 4 * SQZ_INTEGER_PANEL * depth) {
        _tile_loadd(4, l->x + 4 * i, l->pixel);
        _tile_loadd(6, w, 4 * SQZ_INTEGER_PANEL);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, w + panel, 4 * SQZ_INTEGER_PANEL);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(6, w + 2 * panel, 4 * SQZ_INTEGER_PANEL);
        _tile_dpbusd(2, 4, 6);
    }
    _tile_stored(0, sums[0], sizeof *sums[0]);
    _tile_stored(1, sums[1], sizeof *sums[0]);
    _tile_stored(2, sums[2], sizeof *sums[0]);
    _tile_release();
    MEMORY_BARRIER();
    for (int i = 0; i < SQZ_INTEGER_CLASS_PANELS; i++) {
        vec total = load_sums(totals + i * SQZ_INTEGER_PANEL);
        for (int p = 0; p < l->n; p++)
            total = add(total, positive(load_sums(sums[i][p])));
        store_sums(totals + i * SQZ_INTEGER_PANEL, total);
    }
}

const struct sqz_integer_kernels sqz_integer_avx512amx = {SQZ_CPU_AMX, false,       NULL,
                                                          run_line,    run_classes, maximum};
