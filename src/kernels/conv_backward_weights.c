// Weight gradient: sums of outer products of input pixels and output-gradient pixels. The input is
// read where it lies; a tap only shifts the pointer and clips the run at the image's border.
#include "kernels/conv_plan.h"
#include "kernels/sparse.h"

#include <string.h>

enum {
    BLOCK_PIXELS = 256,  // a panel of a block's gradients then takes half of a first-level cache
    PACK_ROWS = 288,     // packing a panel pays when at least this many rows of dw read it
    GROUP_CHANNELS = 64, // packed together, because pixels are read faster in long pieces
};

// Output pixels [y0, y1) x [x0, x1).
struct block {
    int y0, y1, x0, x1;
};

// One panel of the block's gradients: `data` is its first pixel; pixels are ld apart, rows ld_row.
struct panel {
    const float *data;
    ptrdiff_t ld, ld_row;
    int channel, columns, width;
};

struct work {
    const struct sqz_kernels *k;
    struct sqz_conv conv;
    const float *x, *dy;
    ptrdiff_t ldx, lddy;
    float *dw;
    // Scratch
    float *panels;        // a group of the block's gradients, [panel][pixel][width]
    float *patch;         // narrow: the input under the block, zero-padded, dense
    const float **a, **b; // one pointer per run
};

// A 1x1 convolution sees no rows: one long row makes long runs.
static struct sqz_conv flatten(const struct sqz_conv *conv)
{
    struct sqz_conv flat = *conv;
    if (conv->kernel == 1 && conv->stride == 1 && conv->pad == 0) {
        flat.in_w = flat.out_w = conv->in_h * conv->in_w;
        flat.in_h = flat.out_h = 1;
    }
    return flat;
}

static int block_width(const struct sqz_conv *conv)
{
    return sqz_ceil_div(conv->out_w, sqz_ceil_div(conv->out_w, BLOCK_PIXELS));
}

static int block_height(const struct sqz_conv *conv)
{
    int most = BLOCK_PIXELS / block_width(conv);
    return sqz_ceil_div(conv->out_h, sqz_ceil_div(conv->out_h, most));
}

static int patch_extent(const struct sqz_conv *conv, int outputs)
{
    return (outputs - 1) * conv->stride + conv->kernel;
}

static void take_scratch(struct work *work, struct sqz_scratch *scratch)
{
    const struct sqz_conv *conv = &work->conv;
    size_t height = (size_t)block_height(conv), width = (size_t)block_width(conv);
    work->panels = sqz_scratch_take(scratch, height * width * GROUP_CHANNELS, sizeof *work->panels);
    work->a = sqz_scratch_take(scratch, height, sizeof *work->a);
    work->b = sqz_scratch_take(scratch, height, sizeof *work->b);
    work->patch = NULL;
    if (sqz_conv_is_narrow(conv))
        work->patch =
            sqz_scratch_take(scratch,
                             (size_t)patch_extent(conv, (int)height) *
                                 (size_t)patch_extent(conv, (int)width) * (size_t)conv->in_c,
                             sizeof *work->patch);
}

size_t sqz_conv_backward_weights_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    struct work work = {.k = k, .conv = flatten(conv)};
    struct sqz_scratch scratch = {NULL, 0};
    take_scratch(&work, &scratch);
    const size_t lists = sqz_nonzeros_fit(conv) ? sqz_nonzeros_both_size(conv) : 0;
    return scratch.used > lists ? scratch.used : lists;
}

// Channels [c0, c1) of the block's gradients into panels, zero-filled after the last channel.
static void pack_panels(const struct work *work, const struct block *block, int c0, int c1)
{
    const ptrdiff_t pixels = (ptrdiff_t)(block->y1 - block->y0) * (block->x1 - block->x0);
    ptrdiff_t to_pixel = 0;
    for (int y = block->y0; y < block->y1; y++) {
        const float *from = work->dy + ((ptrdiff_t)y * work->conv.out_w + block->x0) * work->lddy;
        for (int x = block->x0; x < block->x1; x++, to_pixel++, from += work->lddy)
            for (int c = c0, width; c < c1; c += width) {
                width = sqz_panel_width(work->k, work->conv.out_c, c);
                float *to = work->panels + (c - c0) * pixels + to_pixel * width;
                int columns = c1 - c < width ? c1 - c : width;
                if (columns == 16) { // a constant size becomes plain vector moves
                    memcpy(to, from + c, 16 * sizeof *to);
                    continue;
                }
                memcpy(to, from + c, (size_t)columns * sizeof *to);
                memset(to + columns, 0, (size_t)(width - columns) * sizeof *to);
            }
    }
}

// The rows of dw that share runs: n consecutive ones from `row`, whose input begins at a[..].
static void run_tiles(struct work *work, struct sqz_outer_tile *tile, const struct panel *panel,
                      ptrdiff_t row, int n)
{
    const struct sqz_kernels *k = work->k;
    int tiles = sqz_ceil_div(n, k->mr);
    struct sqz_split rows = sqz_split(n, tiles);
    for (int t = 0; t < tiles; t++) {
        int first = sqz_split_start(rows, t);
        tile->rows = sqz_split_start(rows, t + 1) - first;
        tile->c = work->dw + (row + first) * work->conv.out_c + panel->channel;
        if (panel->width == k->nr)
            k->outer(tile);
        else
            k->outer_half(tile);
        for (int r = 0; r < tile->runs; r++)
            work->a[r] += tile->rows;
    }
}

// One panel of one tap.
static void run_tap(struct work *work, const struct block *block, const struct panel *panel, int ky,
                    int kx)
{
    const struct sqz_conv *conv = &work->conv;
    const int stride = conv->stride, dx = kx - conv->pad;
    int x0 = block->x0, x1 = block->x1; // clipped to 0 <= x * stride + dx < in_w
    while (x0 < x1 && x0 * stride + dx < 0)
        x0++;
    while (x0 < x1 && (x1 - 1) * stride + dx >= conv->in_w)
        x1--;
    int runs = 0;
    for (int y = block->y0; y < block->y1; y++) {
        int iy = y * stride + ky - conv->pad;
        if (iy < 0 || iy >= conv->in_h)
            continue;
        work->a[runs] = work->x + ((ptrdiff_t)iy * conv->in_w + x0 * stride + dx) * work->ldx;
        work->b[runs++] =
            panel->data + (y - block->y0) * panel->ld_row + (x0 - block->x0) * panel->ld;
    }
    if (x0 == x1 || runs == 0)
        return;
    struct sqz_outer_tile tile = {.a = work->a,
                                  .b = work->b,
                                  .lda = stride * work->ldx,
                                  .ldb = panel->ld,
                                  .ldc = conv->out_c,
                                  .runs = runs,
                                  .depth = x1 - x0,
                                  .columns = panel->columns};
    run_tiles(work, &tile, panel, (ptrdiff_t)(ky * conv->kernel + kx) * conv->in_c, conv->in_c);
}

// The input under a block as a dense image without borders.
static void copy_patch(const struct work *work, const struct block *block)
{
    const struct sqz_conv *conv = &work->conv;
    int height = patch_extent(conv, block->y1 - block->y0);
    int width = patch_extent(conv, block->x1 - block->x0);
    float *to = work->patch;
    for (int y = 0; y < height; y++) {
        int iy = block->y0 * conv->stride - conv->pad + y;
        for (int x = 0; x < width; x++, to += conv->in_c) {
            int ix = block->x0 * conv->stride - conv->pad + x;
            bool inside = iy >= 0 && iy < conv->in_h && ix >= 0 && ix < conv->in_w;
            for (int c = 0; c < conv->in_c; c++)
                to[c] = inside ? work->x[((ptrdiff_t)iy * conv->in_w + ix) * work->ldx + c] : 0;
        }
    }
}

// One panel of one kernel row of a narrow input: kernel * in_c rows of dw from the copied patch.
static void run_kernel_row(struct work *work, const struct block *block, const struct panel *panel,
                           int ky)
{
    const struct sqz_conv *conv = &work->conv;
    const int block_w = block->x1 - block->x0, n = conv->kernel * conv->in_c;
    ptrdiff_t patch_row = (ptrdiff_t)patch_extent(conv, block_w) * conv->in_c;
    int runs = block->y1 - block->y0;
    for (int r = 0; r < runs; r++) {
        work->a[r] = work->patch + (r * conv->stride + ky) * patch_row;
        work->b[r] = panel->data + r * panel->ld_row;
    }
    struct sqz_outer_tile tile = {.a = work->a,
                                  .b = work->b,
                                  .lda = conv->stride * conv->in_c,
                                  .ldb = panel->ld,
                                  .ldc = conv->out_c,
                                  .runs = runs,
                                  .depth = block_w,
                                  .columns = panel->columns};
    run_tiles(work, &tile, panel, (ptrdiff_t)ky * n, n);
}

static void run_panel(struct work *work, const struct block *block, const struct panel *panel)
{
    for (int ky = 0; ky < work->conv.kernel; ky++) {
        if (sqz_conv_is_narrow(&work->conv))
            run_kernel_row(work, block, panel, ky);
        else
            for (int kx = 0; kx < work->conv.kernel; kx++)
                run_tap(work, block, panel, ky, kx);
    }
}

static bool worth_packing(const struct sqz_conv *conv)
{
    return conv->kernel * conv->kernel * conv->in_c >= PACK_ROWS;
}

static void run_block(struct work *work, const struct block *block)
{
    const int out_c = work->conv.out_c, block_w = block->x1 - block->x0;
    const ptrdiff_t pixels = (ptrdiff_t)(block->y1 - block->y0) * block_w;
    // The micro-kernel reads whole panels: past the last channel there may be nothing to read.
    const bool pack = worth_packing(&work->conv) || out_c % 16 != 0;
    if (sqz_conv_is_narrow(&work->conv))
        copy_patch(work, block);
    for (int c0 = 0; c0 < out_c; c0 += GROUP_CHANNELS) {
        int c1 = c0 + GROUP_CHANNELS < out_c ? c0 + GROUP_CHANNELS : out_c;
        if (pack)
            pack_panels(work, block, c0, c1);
        for (int c = c0; c < c1;) {
            int width = sqz_panel_width(work->k, out_c, c);
            struct panel panel = {
                .channel = c, .columns = c1 - c < width ? c1 - c : width, .width = width};
            panel.ld = pack ? width : work->lddy;
            panel.ld_row = pack ? block_w * width : work->conv.out_w * work->lddy;
            panel.data =
                pack ? work->panels + (c - c0) * pixels
                     : work->dy +
                           ((ptrdiff_t)block->y0 * work->conv.out_w + block->x0) * work->lddy + c;
            run_panel(work, block, &panel);
            c += width;
        }
    }
}

void sqz_conv_backward_weights(const struct sqz_kernels *k, const struct sqz_conv_gradient *g,
                               void *scratch)
{
    const struct sqz_conv *conv = g->conv;
    if (g->db)
        k->channel_sum(g->dy, g->lddy, conv->out_h * conv->out_w, conv->out_c, g->db);
    if (sqz_nonzeros_fit(conv) &&
        sqz_nonzeros_backward_weights(k, conv, g->x, g->ldx, g->dy, g->lddy, g->dw, scratch))
        return;
    struct work work = {.k = k,
                        .conv = flatten(conv),
                        .x = g->x,
                        .ldx = g->ldx,
                        .dy = g->dy,
                        .lddy = g->lddy,
                        .dw = g->dw};
    struct sqz_scratch allocator = {scratch, 0};
    take_scratch(&work, &allocator);
    const int height = block_height(&work.conv), width = block_width(&work.conv);
    for (int y0 = 0; y0 < work.conv.out_h; y0 += height)
        for (int x0 = 0; x0 < work.conv.out_w; x0 += width) {
            int y1 = y0 + height, x1 = x0 + width;
            struct block block = {y0, y1 < work.conv.out_h ? y1 : work.conv.out_h, x0,
                                  x1 < work.conv.out_w ? x1 : work.conv.out_w};
            run_block(&work, &block);
        }
}
