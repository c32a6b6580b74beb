// Forward pass and data gradient: an indirect GEMM. A table of row pointers says where each output
// pixel of a block finds its input under each kernel tap, so nothing is unfolded: interior pixels
// point into x, padding points at zeros.
#include "kernels/conv_plan.h"
#include "kernels/sparse.h"

#include <string.h>

// Pixels of a block: their input should stay in the second-level cache while the panels pass.
static int block_pixels(const struct sqz_conv *conv)
{
    if (sqz_conv_is_narrow(conv))
        return 96;
    int pixels = (128 << 10) / (conv->in_c * (int)sizeof(float));
    return pixels < 48 ? 48 : pixels > 192 ? 192 : pixels;
}

static int conv_taps(const struct sqz_conv *conv)
{
    return sqz_conv_is_narrow(conv) ? 1 : conv->kernel * conv->kernel;
}

static int conv_depth(const struct sqz_conv *conv)
{
    return sqz_conv_is_narrow(conv) ? conv->kernel * conv->kernel * conv->in_c : conv->in_c;
}

struct block_scratch {
    const float **table; // per tile taps * mr pointers
    float *zeros;        // what a tap in the padding reads
    float *windows;      // narrow: the windows of a block's pixels
};

static struct block_scratch take_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                         struct sqz_scratch *scratch)
{
    size_t pixels = (size_t)block_pixels(conv), taps = (size_t)conv_taps(conv);
    size_t depth = (size_t)conv_depth(conv);
    // A block has at most one tile more than its pixels need: tiles are of nearly equal size.
    size_t rows = pixels + 2 * (size_t)k->mr;
    struct block_scratch block;
    block.table = sqz_scratch_take(scratch, rows * taps, sizeof *block.table);
    block.zeros = sqz_scratch_take(scratch, depth, sizeof *block.zeros);
    block.windows = NULL;
    if (sqz_conv_is_narrow(conv))
        block.windows = sqz_scratch_take(scratch, rows * depth, sizeof *block.windows);
    return block;
}

size_t sqz_conv_run_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    struct sqz_scratch scratch = {NULL, 0};
    take_scratch(k, conv, &scratch);
    return scratch.used;
}

// Writes one pixel's pointers, mr apart.
static void point_at_taps(const struct sqz_conv_task *task, int oy, int ox, int mr,
                          const float *zeros, const float **table)
{
    const struct sqz_conv *conv = task->conv;
    const int kernel = conv->kernel;
    const int y0 = oy * conv->stride - conv->pad, x0 = ox * conv->stride - conv->pad;
    const bool inside =
        y0 >= 0 && y0 + kernel <= conv->in_h && x0 >= 0 && x0 + kernel <= conv->in_w;
    for (int ky = 0; ky < kernel; ky++)
        for (int kx = 0; kx < kernel; kx++, table += mr) {
            int y = y0 + ky, x = x0 + kx;
            if (inside || (y >= 0 && y < conv->in_h && x >= 0 && x < conv->in_w))
                *table = task->x + ((ptrdiff_t)y * conv->in_w + x) * task->ldx;
            else
                *table = zeros;
        }
}

// Copies the window of a narrow input, zeros for the padding.
static void copy_window(const struct sqz_conv_task *task, int oy, int ox, float *window)
{
    const struct sqz_conv *conv = task->conv;
    const int kernel = conv->kernel, in_c = conv->in_c, row_floats = kernel * in_c;
    const int y0 = oy * conv->stride - conv->pad, x0 = ox * conv->stride - conv->pad;
    for (int ky = 0; ky < kernel; ky++, window += row_floats) {
        const int y = y0 + ky;
        const float *row = task->x + (ptrdiff_t)y * conv->in_w * task->ldx;
        for (int i = 0; i < row_floats; i++) {
            int x = x0 + i / in_c;
            bool inside = y >= 0 && y < conv->in_h && x >= 0 && x < conv->in_w;
            window[i] = inside ? row[x * task->ldx + i % in_c] : 0;
        }
    }
}

// The same for `n` pixels of one output row whose windows lie inside the image, dense pixels.
static void copy_inner_windows(const struct sqz_conv_task *task, int oy, int ox, int n,
                               float *window)
{
    const struct sqz_conv *conv = task->conv;
    const int kernel = conv->kernel, row_floats = kernel * conv->in_c;
    const int step = conv->stride * conv->in_c;
    const ptrdiff_t ld_row = (ptrdiff_t)conv->in_w * conv->in_c;
    const float *from = task->x + (oy * conv->stride - conv->pad) * ld_row + (ptrdiff_t)ox * step -
                        (ptrdiff_t)conv->pad * conv->in_c;
    if (row_floats == 9 && kernel == 3) { // a constant size becomes plain moves
        for (int i = 0; i < n; i++, from += step, window += 27) {
            memcpy(window, from, 9 * sizeof *window);
            memcpy(window + 9, from + ld_row, 9 * sizeof *window);
            memcpy(window + 18, from + 2 * ld_row, 9 * sizeof *window);
        }
        return;
    }
    for (int i = 0; i < n; i++, from += step)
        for (int ky = 0; ky < kernel; ky++, window += row_floats)
            memcpy(window, from + ky * ld_row, (size_t)row_floats * sizeof *window);
}

// The windows of pixels [pixel, end), one after the other.
static void copy_windows(const struct sqz_conv_task *task, int pixel, int end, float *windows)
{
    const struct sqz_conv *conv = task->conv;
    const int reach = conv->kernel - conv->pad, depth = conv_depth(conv);
    // Columns [left, right) of the output see only columns inside the image; the same for rows.
    const int left = sqz_ceil_div(conv->pad, conv->stride);
    const int right = (conv->in_w - reach) / conv->stride + 1;
    const int bottom = (conv->in_h - reach) / conv->stride + 1;
    while (pixel < end) {
        const int oy = pixel / conv->out_w, ox = pixel % conv->out_w;
        int n = right - ox < end - pixel ? right - ox : end - pixel;
        if (oy < left || oy >= bottom || ox < left || n < 1 || task->ldx != conv->in_c) {
            copy_window(task, oy, ox, windows);
            n = 1;
        } else {
            copy_inner_windows(task, oy, ox, n, windows);
        }
        pixel += n;
        windows += (ptrdiff_t)n * depth;
    }
}

static void fill_table(const struct sqz_conv_task *task, int mr, struct sqz_split tiles, int tile0,
                       int tile1, const struct block_scratch *block)
{
    const int taps = conv_taps(task->conv), depth = conv_depth(task->conv);
    const int out_w = task->conv->out_w, start = sqz_split_start(tiles, tile0);
    const bool narrow = sqz_conv_is_narrow(task->conv);
    const float *window = block->windows;
    int oy = (task->pixel0 + start) / out_w, ox = (task->pixel0 + start) % out_w;
    if (narrow)
        copy_windows(task, task->pixel0 + start, task->pixel0 + sqz_split_start(tiles, tile1),
                     block->windows);
    for (int t = tile0; t < tile1; t++) {
        const float **table = block->table + (ptrdiff_t)(t - tile0) * taps * mr;
        int rows = sqz_split_start(tiles, t + 1) - sqz_split_start(tiles, t);
        if (narrow) {
            for (int i = 0; i < rows; i++, window += depth)
                table[i] = window;
            continue;
        }
        for (int i = 0; i < rows; i++) {
            point_at_taps(task, oy, ox, mr, block->zeros, table + i);
            if (++ox == out_w) {
                ox = 0;
                oy++;
            }
        }
    }
}

static void run_block(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                      struct sqz_split tiles, int tile0, int tile1,
                      const struct block_scratch *block)
{
    const int out_c = task->conv->out_c;
    const struct sqz_split among = sqz_split_among(tiles, tile0, tile1);
    struct sqz_gemm product = {.a = block->table,
                               .taps = conv_taps(task->conv),
                               .depth = conv_depth(task->conv),
                               .tiles = tile1 - tile0,
                               .rows = among.size,
                               .larger = among.larger,
                               .ldc = task->ldy,
                               .accumulate = task->accumulate,
                               .relu = task->relu};
    float *y = task->y + (task->pixel0 + sqz_split_start(tiles, tile0)) * task->ldy;
    for (int c0 = task->channel0; c0 < task->channel1;) {
        int width = sqz_panel_width(k, out_c, c0);
        product.columns = task->channel1 - c0 < width ? task->channel1 - c0 : width;
        product.b = task->packed + (ptrdiff_t)product.taps * product.depth * c0;
        product.bias = task->bias ? task->bias + c0 : NULL;
        product.c = y + c0;
        (width == k->nr ? k->gemm : k->gemm_half)(&product);
        c0 += width;
    }
}

void sqz_conv_run(const struct sqz_kernels *k, const struct sqz_conv_task *task, void *scratch)
{
    struct sqz_scratch allocator = {scratch, 0};
    struct block_scratch block = take_scratch(k, task->conv, &allocator);
    memset(block.zeros, 0, (size_t)conv_depth(task->conv) * sizeof *block.zeros);
    int pixels = task->pixel1 - task->pixel0;
    int n_tiles = sqz_ceil_div(pixels, k->mr);
    int n_blocks = sqz_ceil_div(pixels, block_pixels(task->conv));
    struct sqz_split tiles = sqz_split(pixels, n_tiles), blocks = sqz_split(n_tiles, n_blocks);
    for (int b = 0; b < n_blocks; b++) {
        int tile0 = sqz_split_start(blocks, b), tile1 = sqz_split_start(blocks, b + 1);
        fill_table(task, k->mr, tiles, tile0, tile1, &block);
        run_block(k, task, tiles, tile0, tile1, &block);
    }
}

void sqz_conv_forward(const struct sqz_kernels *k, const struct sqz_conv_task *task, void *scratch)
{
    const struct sqz_conv *conv = task->conv;
    const bool whole = task->pixel0 == 0 && task->pixel1 == conv->out_h * conv->out_w &&
                       task->channel0 == 0 && task->channel1 == conv->out_c;
    struct sqz_nonzeros nonzeros;
    if (whole && sqz_nonzeros_fit(conv) &&
        sqz_nonzeros_find(k, conv, task->x, task->ldx, scratch, &nonzeros)) {
        sqz_nonzeros_forward(k, conv, &nonzeros, task->packed, task->bias, task->relu, task->y,
                             task->ldy);
        return;
    }
    struct sqz_conv_task run = *task;
    run.accumulate = false;
    sqz_conv_run(k, &run, scratch);
}

void sqz_conv_backward_data(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                            void *scratch)
{
    struct sqz_conv transposed = sqz_conv_transposed(task->conv);
    struct sqz_conv_task run = *task;
    run.conv = &transposed;
    run.bias = NULL;
    run.relu = false;
    run.pixel0 = run.channel0 = 0;
    run.pixel1 = transposed.out_h * transposed.out_w;
    run.channel1 = transposed.out_c;
    sqz_conv_run(k, &run, scratch);
}

size_t sqz_conv_forward_scratch_size(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    const size_t usual = sqz_conv_run_scratch(k, conv);
    const size_t lists = sqz_nonzeros_fit(conv) ? sqz_nonzeros_size(conv) : 0;
    return usual > lists ? usual : lists;
}

size_t sqz_conv_scratch_size(const struct sqz_kernels *k, const struct sqz_conv *conv)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    size_t sizes[3] = {sqz_conv_forward_scratch_size(k, conv), sqz_conv_run_scratch(k, &transposed),
                       sqz_conv_backward_weights_scratch(k, conv)};
    size_t most = sizes[0];
    for (int i = 1; i < 3; i++)
        most = sizes[i] > most ? sizes[i] : most;
    return most;
}
