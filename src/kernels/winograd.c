// Winograd's convolution: per block of tiles, transform the windows of the input, multiply them by
// the transformed weights (one GEMM a frequency, by the micro-kernel of the direct convolution with
// one tap), transform the products into outputs. A block's values stay in the second-level cache.
#include "kernels/winograd_plan.h"

#include <string.h>

enum {
    FREQUENCIES_MOST = SQZ_WINOGRAD_SIDE_MOST * SQZ_WINOGRAD_SIDE_MOST,
    DEPTH_MOST = 64,          // input channels that are transformed together
    BLOCK_FLOATS = 110 << 10, // of a block's values and products: 440 KB
    LINE = 16,                // floats of a cache line
};

// Odd, so that lines at that distance do not fall into the same few sets of a cache.
static ptrdiff_t odd_lines(ptrdiff_t floats)
{
    return ((floats + LINE - 1) / LINE | 1) * LINE;
}

struct sqz_winograd_plan sqz_winograd_plan(const struct sqz_kernels *k,
                                           const struct sqz_conv *conv, int m)
{
    struct sqz_winograd_plan plan = {.source = *conv, .conv = sqz_winograd_dense(conv), .m = m};
    conv = &plan.conv;
    plan.side = m + conv->kernel - 1;
    plan.frequencies = plan.side * plan.side;
    plan.n_depths = sqz_ceil_div(conv->in_c, DEPTH_MOST);
    plan.depths = sqz_split(conv->in_c, plan.n_depths);
    plan.depth = sqz_ceil_div(conv->in_c, plan.n_depths);
    plan.across = sqz_ceil_div(conv->out_w, m);
    plan.down = sqz_ceil_div(conv->out_h, m);
    plan.panels = plan.n_depths == 1 ? 1 : sqz_ceil_div(conv->out_c, k->nr);
    plan.ld_product = odd_lines((ptrdiff_t)plan.frequencies * k->nr);
    int tiles = BLOCK_FLOATS / (plan.frequencies * (plan.depth + plan.panels * k->nr));
    plan.block = tiles < k->mr ? k->mr : tiles / k->mr * k->mr;
    if (sqz_conv_is_polyphase(&plan.source)) { // whole rows of tiles share their phases
        int rows = (plan.block + plan.across / 2) / plan.across;
        plan.block = (rows < 1 ? 1 : rows) * plan.across;
        plan.phase_rows = (sqz_ceil_div(plan.block, plan.across) + 1) * m + conv->kernel - 1;
    }
    plan.ldv = odd_lines((ptrdiff_t)plan.block * plan.depth);
    return plan;
}

struct block_scratch {
    const float **rows; // of the values of one frequency
    float *zeros;       // what a window reads in the padding
    float *phases;      // polyphase: the rows under a block
    float *values;      // [frequency][tile][depth]
    float *products;    // [panel][tile][frequency][width]
};

static struct block_scratch take_scratch(const struct sqz_winograd_plan *plan,
                                         struct sqz_scratch *scratch)
{
    struct block_scratch block;
    block.rows = sqz_scratch_take(scratch, (size_t)plan->block, sizeof *block.rows);
    block.zeros = sqz_scratch_take(scratch, (size_t)plan->depth, sizeof *block.zeros);
    block.phases = sqz_scratch_take(
        scratch, (size_t)plan->phase_rows * (size_t)(plan->conv.in_w * plan->conv.in_c),
        sizeof *block.phases);
    block.values =
        sqz_scratch_take(scratch, (size_t)(plan->frequencies * plan->ldv), sizeof *block.values);
    block.products = sqz_scratch_take(
        scratch, (size_t)(plan->panels * plan->block * plan->ld_product), sizeof *block.products);
    return block;
}

struct task {
    struct sqz_winograd_plan plan;
    const float *x;
    ptrdiff_t ldx;
    int x_row; // the row of the map that x begins with
    const float *packed, *bias;
    float *y;
    ptrdiff_t ldy;
    int channel0, channel1;
    bool accumulate, relu;
    struct block_scratch block;
};

// One value of a padded image, or the padding.
static float padded(const struct sqz_conv *source, const float *image, ptrdiff_t ldx, int y, int x,
                    int channel)
{
    y -= source->pad;
    x -= source->pad;
    bool inside = y >= 0 && y < source->in_h && x >= 0 && x < source->in_w;
    return inside ? image[((ptrdiff_t)y * source->in_w + x) * ldx + channel] : 0;
}

// One row of the four phases (sqz_conv_is_polyphase): pixels of 4 * in_c channels, of which each
// half lies in one piece in the image.
static void split_row(const struct sqz_conv *source, const float *image, ptrdiff_t ldx, int row,
                      int width, float *to)
{
    const int half = 2 * source->in_c;
    for (int y = 2 * row; y < 2 * row + 2; y++, to += half) {
        const int line = y - source->pad;
        const bool plain = line >= 0 && line < source->in_h && ldx == 3 && half == 6;
        for (int x = 0; x < width; x++) {
            const int pixel = 2 * x - source->pad;
            float *pair = to + (ptrdiff_t)2 * half * x;
            if (plain && pixel >= 0 && pixel + 1 < source->in_w)
                memcpy(pair, image + ((ptrdiff_t)line * source->in_w + pixel) * 3,
                       6 * sizeof *pair); // a constant size becomes plain moves
            else
                for (int c = 0; c < half; c++)
                    pair[c] = padded(source, image, ldx, y, 2 * x + c / source->in_c,
                                     c % source->in_c);
        }
    }
}

// Puts the phases of the rows under tiles [tile0, tile1) in the place of the image.
static struct task split_phases(const struct task *task, int tile0, int tile1)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    const struct sqz_conv *conv = &plan->conv;
    const ptrdiff_t row_floats = (ptrdiff_t)conv->in_w * conv->in_c;
    struct task split = *task;
    split.x = task->block.phases;
    split.ldx = conv->in_c;
    split.x_row = tile0 / plan->across * plan->m;
    int end = ((tile1 - 1) / plan->across) * plan->m + plan->side;
    end = end < conv->in_h ? end : conv->in_h;
    for (int y = split.x_row; y < end; y++)
        split_row(&plan->source, task->x, task->ldx, y, conv->in_w,
                  task->block.phases + (y - split.x_row) * row_floats);
    return split;
}

// The values of tiles [tile0, tile1), input channels [depth0, depth0 + depth).
static void transform_input(const struct sqz_kernels *k, const struct task *task, int tile0,
                            int tile1, int depth0, int depth)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    const struct sqz_conv *conv = &plan->conv;
    const float *window[FREQUENCIES_MOST];
    struct sqz_winograd_input tile = {.x = window,
                                      .v = task->block.values,
                                      .ldv = plan->ldv,
                                      .side = plan->side,
                                      .channels = depth};
    for (int t = tile0; t < tile1; t++, tile.v += plan->depth) {
        int y0 = t / plan->across * plan->m - conv->pad,
            x0 = t % plan->across * plan->m - conv->pad;
        for (int i = 0; i < plan->side; i++)
            for (int j = 0; j < plan->side; j++) {
                int y = y0 + i, x = x0 + j;
                bool inside = y >= 0 && y < conv->in_h && x >= 0 && x < conv->in_w;
                ptrdiff_t pixel = (ptrdiff_t)(y - task->x_row) * conv->in_w + x;
                window[i * plan->side + j] =
                    inside ? task->x + pixel * task->ldx + depth0 : task->block.zeros;
            }
        k->winograd_input(&tile);
    }
}

// The products of one panel of `width` channels, added to those of earlier input channels.
static void multiply(const struct sqz_kernels *k, const struct task *task, int tiles, int depth0,
                     int depth, int channel, int width, float *products)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    void (*gemm)(const struct sqz_gemm_tile *) = width == k->nr ? k->gemm : k->gemm_half;
    const int groups = sqz_ceil_div(tiles, k->mr);
    const struct sqz_split split = sqz_split(tiles, groups);
    struct sqz_gemm_tile tile = {.taps = 1,
                                 .depth = depth,
                                 .columns = width,
                                 .ldc = plan->ld_product,
                                 .accumulate = depth0 > 0};
    const ptrdiff_t in_c = plan->conv.in_c;
    tile.b = task->packed + plan->frequencies * in_c * channel + (ptrdiff_t)depth0 * width;
    for (int f = 0; f < plan->frequencies; f++, tile.b += in_c * width) {
        for (int t = 0; t < tiles; t++)
            task->block.rows[t] = task->block.values + f * plan->ldv + (ptrdiff_t)t * plan->depth;
        for (int g = 0; g < groups; g++) {
            int first = sqz_split_start(split, g);
            tile.a = task->block.rows + first;
            tile.rows = sqz_split_start(split, g + 1) - first;
            tile.c = products + first * plan->ld_product + (ptrdiff_t)f * width;
            gemm(&tile);
        }
    }
}

static void transform_output(const struct sqz_kernels *k, const struct task *task, int tile0,
                             int tile1, int channel, int width, const float *products)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    const struct sqz_conv *conv = &plan->conv;
    struct sqz_winograd_output tile = {.p = products,
                                       .ldp = width,
                                       .bias = task->bias ? task->bias + channel : NULL,
                                       .side = plan->side,
                                       .m = plan->m,
                                       .ldy = task->ldy,
                                       .ld_row = task->ldy * conv->out_w,
                                       .accumulate = task->accumulate,
                                       .relu = task->relu};
    tile.channels = task->channel1 - channel < width ? task->channel1 - channel : width;
    for (int t = tile0; t < tile1; t++, tile.p += plan->ld_product) {
        int y0 = t / plan->across * plan->m, x0 = t % plan->across * plan->m;
        tile.rows = conv->out_h - y0 < plan->m ? conv->out_h - y0 : plan->m;
        tile.columns = conv->out_w - x0 < plan->m ? conv->out_w - x0 : plan->m;
        tile.y = task->y + ((ptrdiff_t)y0 * conv->out_w + x0) * task->ldy + channel;
        k->winograd_output(&tile);
    }
}

static void run_block(const struct sqz_kernels *k, const struct task *task, int tile0, int tile1)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    const bool polyphase = sqz_conv_is_polyphase(&plan->source);
    const struct task input = polyphase ? split_phases(task, tile0, tile1) : *task;
    for (int d = 0; d < plan->n_depths; d++) {
        int depth0 = sqz_split_start(plan->depths, d);
        int depth = sqz_split_start(plan->depths, d + 1) - depth0;
        float *products = task->block.products;
        transform_input(k, &input, tile0, tile1, depth0, depth);
        for (int c = task->channel0, width; c < task->channel1; c += width) {
            width = sqz_panel_width(k, plan->conv.out_c, c);
            multiply(k, task, tile1 - tile0, depth0, depth, c, width, products);
            if (d == plan->n_depths - 1)
                transform_output(k, task, tile0, tile1, c, width, products);
            if (plan->panels > 1)
                products += plan->block * plan->ld_product;
        }
    }
}

static void run(const struct sqz_kernels *k, struct task *task, int row0, int row1, void *scratch)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    struct sqz_scratch pieces = {scratch, 0};
    task->block = take_scratch(plan, &pieces);
    memset(task->block.zeros, 0, (size_t)plan->depth * sizeof *task->block.zeros);
    int tile0 = row0 / plan->m * plan->across, tile1 = sqz_ceil_div(row1, plan->m) * plan->across;
    int n_blocks = sqz_ceil_div(tile1 - tile0, plan->block);
    struct sqz_split blocks = sqz_split(tile1 - tile0, n_blocks);
    for (int b = 0; b < n_blocks; b++)
        run_block(k, task, tile0 + sqz_split_start(blocks, b),
                  tile0 + sqz_split_start(blocks, b + 1));
}

void sqz_winograd_forward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                          const float *x, ptrdiff_t ldx, const float *packed, const float *bias,
                          bool relu, float *y, ptrdiff_t ldy, int row0, int row1, int channel0,
                          int channel1, void *scratch)
{
    struct task task = {.plan = sqz_winograd_plan(k, conv, m),
                        .x = x,
                        .ldx = ldx,
                        .packed = packed,
                        .bias = bias,
                        .relu = relu,
                        .y = y,
                        .ldy = ldy,
                        .channel0 = channel0,
                        .channel1 = channel1};
    run(k, &task, row0, row1, scratch);
}

void sqz_winograd_backward_data(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                                const float *dy, ptrdiff_t lddy, const float *packed,
                                bool accumulate, float *dx, ptrdiff_t lddx, void *scratch)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    struct task task = {.plan = sqz_winograd_plan(k, &transposed, m),
                        .x = dy,
                        .ldx = lddy,
                        .packed = packed,
                        .accumulate = accumulate,
                        .y = dx,
                        .ldy = lddx,
                        .channel1 = conv->in_c};
    run(k, &task, 0, conv->in_h, scratch);
}

size_t sqz_winograd_forward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv, int m)
{
    struct sqz_winograd_plan plan = sqz_winograd_plan(k, conv, m);
    struct sqz_scratch scratch = {NULL, 0};
    take_scratch(&plan, &scratch);
    return scratch.used;
}

size_t sqz_winograd_backward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                     int m)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    return sqz_winograd_forward_scratch(k, &transposed, m);
}
