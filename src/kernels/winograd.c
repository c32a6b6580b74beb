// Winograd's convolution: per block of tiles, transform the windows of the input, multiply them by
// the transformed weights (one GEMM a frequency, by the micro-kernel of the direct convolution with
// one tap), transform the products into outputs. A block's values stay in the second-level cache.
#include "kernels/winograd.h"
#include "kernels/conv_plan.h"

#include <string.h>

enum {
    SIDE_MOST = SQZ_WINOGRAD_LARGEST + 2,
    FREQUENCIES_MOST = SIDE_MOST * SIDE_MOST,
    DEPTH_MOST = 64,          // input channels that are transformed together
    BLOCK_FLOATS = 110 << 10, // of a block's values and products: 440 KB
    NEAR_FLOATS = 64 << 10,   // of weights that stay there from block to block
    LINE = 16,                // floats of a cache line
};

// How a convolution is cut, by its shape and the level only.
struct plan {
    const struct sqz_conv *conv;
    int m, side, frequencies;
    struct sqz_split depths; // input channels in n_depths parts
    int n_depths, depth;     // depth: of the largest part
    int across, down;        // tiles of the map
    int block;               // most tiles at once
    ptrdiff_t ldv;           // floats from one frequency's values to the next
    ptrdiff_t ld_product;    // floats from one tile's products to the next
    int panels;              // whose products are kept at once
    bool far_weights;        // too many for the second-level cache
};

// Odd, so that lines at that distance do not fall into the same few sets of a cache.
static ptrdiff_t odd_lines(ptrdiff_t floats)
{
    return ((floats + LINE - 1) / LINE | 1) * LINE;
}

static struct plan make_plan(const struct sqz_kernels *k, const struct sqz_conv *conv, int m)
{
    struct plan plan = {.conv = conv, .m = m, .side = m + 2};
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
    plan.far_weights = plan.frequencies * conv->in_c * conv->out_c > NEAR_FLOATS;
    plan.ldv = odd_lines((ptrdiff_t)plan.block * plan.depth);
    return plan;
}

struct block_scratch {
    const float **rows; // of the values of one frequency
    float *zeros;       // what a window reads in the padding
    float *values;      // [frequency][tile][depth]
    float *products;    // [panel][tile][frequency][width]
};

static struct block_scratch take_scratch(const struct plan *plan, struct sqz_scratch *scratch)
{
    struct block_scratch block;
    block.rows = sqz_scratch_take(scratch, (size_t)plan->block, sizeof *block.rows);
    block.zeros = sqz_scratch_take(scratch, (size_t)plan->depth, sizeof *block.zeros);
    block.values =
        sqz_scratch_take(scratch, (size_t)(plan->frequencies * plan->ldv), sizeof *block.values);
    block.products = sqz_scratch_take(
        scratch, (size_t)(plan->panels * plan->block * plan->ld_product), sizeof *block.products);
    return block;
}

struct task {
    struct plan plan;
    const float *x;
    ptrdiff_t ldx;
    const float *packed, *bias;
    float *y;
    ptrdiff_t ldy;
    int channel0, channel1;
    bool accumulate, relu;
    struct block_scratch block;
};

// The values of tiles [tile0, tile1), input channels [depth0, depth0 + depth).
static void transform_input(const struct sqz_kernels *k, const struct task *task, int tile0,
                            int tile1, int depth0, int depth)
{
    const struct plan *plan = &task->plan;
    const struct sqz_conv *conv = plan->conv;
    const float *window[FREQUENCIES_MOST];
    struct sqz_winograd_input tile = {
        .x = window, .v = task->block.values, .ldv = plan->ldv, .m = plan->m, .channels = depth};
    for (int t = tile0; t < tile1; t++, tile.v += plan->depth) {
        int y0 = t / plan->across * plan->m - conv->pad,
            x0 = t % plan->across * plan->m - conv->pad;
        for (int i = 0; i < plan->side; i++)
            for (int j = 0; j < plan->side; j++) {
                int y = y0 + i, x = x0 + j;
                bool inside = y >= 0 && y < conv->in_h && x >= 0 && x < conv->in_w;
                ptrdiff_t pixel = (ptrdiff_t)y * conv->in_w + x;
                window[i * plan->side + j] =
                    inside ? task->x + pixel * task->ldx + depth0 : task->block.zeros;
            }
        k->winograd_input(&tile);
    }
}

// Weights come from the third-level cache, one page after the other: too short for the hardware to
// see them coming.
static void prefetch(const float *from, int floats)
{
    for (int i = 0; i < floats; i += LINE)
        __builtin_prefetch(from + i);
}

// The products of one panel of `width` channels, added to those of earlier input channels.
static void multiply(const struct sqz_kernels *k, const struct task *task, int tiles, int depth0,
                     int depth, int channel, int width, float *products)
{
    const struct plan *plan = &task->plan;
    void (*gemm)(const struct sqz_gemm_tile *) = width == k->nr ? k->gemm : k->gemm_half;
    const int groups = sqz_ceil_div(tiles, k->mr);
    const struct sqz_split split = sqz_split(tiles, groups);
    struct sqz_gemm_tile tile = {.taps = 1,
                                 .depth = depth,
                                 .columns = width,
                                 .ldc = plan->ld_product,
                                 .accumulate = depth0 > 0};
    const ptrdiff_t in_c = plan->conv->in_c;
    tile.b = task->packed + plan->frequencies * in_c * channel + (ptrdiff_t)depth0 * width;
    const int share = sqz_ceil_div(depth * width, groups);
    for (int f = 0; f < plan->frequencies; f++, tile.b += in_c * width) {
        const float *next = tile.b + in_c * width;
        for (int t = 0; t < tiles; t++)
            task->block.rows[t] = task->block.values + f * plan->ldv + (ptrdiff_t)t * plan->depth;
        for (int g = 0; g < groups; g++) {
            int first = sqz_split_start(split, g);
            if (plan->far_weights)
                prefetch(next + g * share, share);
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
    const struct plan *plan = &task->plan;
    const struct sqz_conv *conv = plan->conv;
    struct sqz_winograd_output tile = {.p = products,
                                       .ldp = width,
                                       .bias = task->bias ? task->bias + channel : NULL,
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
    const struct plan *plan = &task->plan;
    for (int d = 0; d < plan->n_depths; d++) {
        int depth0 = sqz_split_start(plan->depths, d);
        int depth = sqz_split_start(plan->depths, d + 1) - depth0;
        float *products = task->block.products;
        transform_input(k, task, tile0, tile1, depth0, depth);
        for (int c = task->channel0, width; c < task->channel1; c += width) {
            width = sqz_panel_width(k, plan->conv->out_c, c);
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
    const struct plan *plan = &task->plan;
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
    struct task task = {.plan = make_plan(k, conv, m),
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
    struct task task = {.plan = make_plan(k, &transposed, m),
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
    struct plan plan = make_plan(k, conv, m);
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

// --- The choice of a tile ---

// Clock cycles, from measurements on Zen 3 (docs/performance.md): of one vector's transforms, of a
// micro-kernel's call beside its multiplications, and for far weights.
struct price {
    int m, input, output;
};
static const struct price prices[] = {{2, 90, 60}, {4, 200, 150}, {5, 290, 230}, {6, 420, 340}};
enum { CALL = 30, FAR_FLOATS_PER_CYCLE = 2 };

static int64_t winograd_cycles(const struct sqz_kernels *k, const struct sqz_conv *conv,
                               const struct price *price)
{
    const struct plan plan = make_plan(k, conv, price->m);
    const int64_t tiles = plan.across * plan.down, lanes = k->nr / 2;
    const int64_t blocks = (tiles + plan.block - 1) / plan.block;
    const int64_t calls =
        plan.frequencies * ((tiles + k->mr - 1) / k->mr) * sqz_ceil_div(conv->out_c, k->nr);
    int64_t cycles = calls * ((int64_t)k->mr * conv->in_c + (int64_t)CALL * plan.n_depths);
    cycles += tiles * (conv->in_c * price->input + conv->out_c * price->output) / lanes;
    if (plan.far_weights)
        cycles += blocks * plan.frequencies * conv->in_c * conv->out_c / FAR_FLOATS_PER_CYCLE;
    return cycles;
}

int sqz_winograd_tile(const struct sqz_kernels *k, const struct sqz_conv *conv, int largest)
{
    if (k->level == SQZ_CPU_REF || conv->kernel != 3 || conv->stride != 1 || conv->in_c < 16 ||
        conv->out_c < 16 || conv->pad < 0)
        return 0;
    // A gain below a tenth is not worth larger errors and weights; nor is it from tile to tile.
    int64_t least =
        (int64_t)conv->out_h * conv->out_w * 9 * conv->in_c * conv->out_c / k->nr * 9 / 10;
    int best = 0;
    for (size_t i = 0; i < sizeof prices / sizeof prices[0] && prices[i].m <= largest; i++) {
        int64_t cycles = winograd_cycles(k, conv, &prices[i]);
        if (cycles < least) {
            least = cycles * 9 / 10;
            best = prices[i].m;
        }
    }
    return best;
}

int sqz_winograd_backward_tile(const struct sqz_kernels *k, const struct sqz_conv *conv,
                               int largest)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    return conv->stride == 1 ? sqz_winograd_tile(k, &transposed, largest) : 0;
}
