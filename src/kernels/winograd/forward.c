// Winograd's convolution: per block of tiles, transform the windows of the input, multiply them by
// the transformed weights (one GEMM a frequency, by the micro-kernel of the direct convolution with
// one tap), transform the products into outputs. A block's values stay in the second-level cache.
#include "kernels/winograd/plan.h"

enum {
    DEPTH_MOST = 64,          // input channels that are transformed together
    BLOCK_FLOATS = 110 << 10, // of a block's values and products: 440 KB
    // With few input channels a block consists largely of products, written and read once, and
    // small blocks are cheap because there are few weights.
    SHALLOW = 16,
    SHALLOW_TILES = 32,
};

struct sqz_winograd_plan sqz_winograd_plan(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                           int m)
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
    plan.ld_product = sqz_odd_lines((ptrdiff_t)plan.frequencies * k->nr);
    int tiles = BLOCK_FLOATS / (plan.frequencies * (plan.depth + plan.panels * k->nr));
    if (conv->in_c <= SHALLOW && tiles > SHALLOW_TILES)
        tiles = SHALLOW_TILES;
    sqz_winograd_plan_block(&plan, tiles < k->mr ? k->mr : tiles);
    return plan;
}

void sqz_winograd_plan_block(struct sqz_winograd_plan *plan, int tiles)
{
    plan->block = tiles;
    if (sqz_conv_is_polyphase(&plan->source)) { // whole rows of tiles share their phases
        int rows = (tiles + plan->across / 2) / plan->across;
        rows = rows < 1 ? 1 : rows;
        plan->block = rows * plan->across;
        // One more than a block's tiles fill: they may begin and end inside a row of tiles.
        plan->phase_rows = (rows + 1) * plan->m + plan->conv.kernel - 1;
    }
    plan->ldv = sqz_odd_lines((ptrdiff_t)plan->block * plan->depth);
}

struct block_scratch {
    struct sqz_split groups; // the tiles of the block at hand
    int n_groups;
    const float **rows; // of the values of the first frequency
    struct sqz_winograd_map map;
    float *values;   // [frequency][tile][depth]
    float *products; // [panel][tile][frequency][width]
};

static struct block_scratch take_scratch(const struct sqz_kernels *k,
                                         const struct sqz_winograd_plan *plan,
                                         struct sqz_scratch *scratch)
{
    struct block_scratch block = {0};
    block.rows = sqz_scratch_take(scratch, (size_t)(plan->block + k->mr), sizeof *block.rows);
    block.map = sqz_winograd_map_take(plan, scratch);
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
    const float *packed, *bias;
    float *y;
    ptrdiff_t ldy;
    int channel0, channel1;
    bool accumulate, relu;
    struct block_scratch block;
};

// In groups of at most mr tiles, each group's pointers mr further.
static void point_at_values(struct block_scratch *block, int tiles, int depth, int mr)
{
    block->n_groups = sqz_ceil_div(tiles, mr);
    block->groups = sqz_split(tiles, block->n_groups);
    const float *values = block->values;
    for (int g = 0; g < block->n_groups; g++)
        for (int i = 0; i < block->groups.size + (g < block->groups.larger); i++, values += depth)
            block->rows[g * mr + i] = values;
}

// The products of one panel of `width` channels, added to those of earlier input channels.
static void multiply(const struct sqz_kernels *k, const struct task *task, int depth0, int depth,
                     int channel, int width, float *products)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    void (*gemm)(const struct sqz_gemm *) = width == k->nr ? k->gemm : k->gemm_half;
    const ptrdiff_t in_c = plan->conv.in_c;
    struct sqz_gemm product = {.a = task->block.rows,
                               .b = task->packed + plan->frequencies * in_c * channel +
                                    (ptrdiff_t)depth0 * width,
                               .c = products,
                               .ldc = plan->ld_product,
                               .taps = 1,
                               .depth = depth,
                               .tiles = task->block.n_groups,
                               .rows = task->block.groups.size,
                               .larger = task->block.groups.larger,
                               .columns = width,
                               .accumulate = depth0 > 0};
    for (int f = 0; f < plan->frequencies; f++) {
        gemm(&product);
        product.from += plan->ldv;
        product.b += in_c * width;
        product.c += width;
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
        int row = t / plan->across, image = row / plan->down;
        int y0 = (row - image * plan->down) * plan->m, x0 = t % plan->across * plan->m;
        tile.rows = conv->out_h - y0 < plan->m ? conv->out_h - y0 : plan->m;
        tile.columns = conv->out_w - x0 < plan->m ? conv->out_w - x0 : plan->m;
        ptrdiff_t pixel = ((ptrdiff_t)image * conv->out_h + y0) * conv->out_w + x0;
        tile.y = task->y + pixel * task->ldy + channel;
        k->winograd_output(&tile);
    }
}

static void run_block(const struct sqz_kernels *k, struct task *task, int tile0, int tile1)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    struct block_scratch *block = &task->block;
    sqz_winograd_map_set(plan, &block->map, task->x, task->ldx, tile0, tile1);
    point_at_values(block, tile1 - tile0, plan->depth, k->mr);
    for (int d = 0; d < plan->n_depths; d++) {
        int depth0 = sqz_split_start(plan->depths, d);
        int depth = sqz_split_start(plan->depths, d + 1) - depth0;
        float *products = block->products;
        sqz_winograd_transform(k, plan, &block->map, tile0, tile1, depth0, depth, block->values);
        for (int c = task->channel0, width; c < task->channel1; c += width) {
            width = sqz_panel_width(k, plan->conv.out_c, c);
            multiply(k, task, depth0, depth, c, width, products);
            if (d == plan->n_depths - 1)
                transform_output(k, task, tile0, tile1, c, width, products);
            if (plan->panels > 1)
                products += plan->block * plan->ld_product;
        }
    }
}

static void run(const struct sqz_kernels *k, struct task *task, int tile0, int tile1, void *scratch)
{
    const struct sqz_winograd_plan *plan = &task->plan;
    struct sqz_scratch allocator = {scratch, 0};
    task->block = take_scratch(k, plan, &allocator);
    int n_blocks = sqz_ceil_div(tile1 - tile0, plan->block);
    struct sqz_split blocks = sqz_split(tile1 - tile0, n_blocks);
    for (int b = 0; b < n_blocks; b++)
        run_block(k, task, tile0 + sqz_split_start(blocks, b),
                  tile0 + sqz_split_start(blocks, b + 1));
}

int sqz_winograd_tiles(const struct sqz_conv *conv, int m)
{
    return sqz_ceil_div(conv->out_h, m) * sqz_ceil_div(conv->out_w, m);
}

int sqz_winograd_tile_begin(const struct sqz_conv *conv, int m, int tile)
{
    const int across = sqz_ceil_div(conv->out_w, m), row = tile / across * m;
    return row < conv->out_h ? row * conv->out_w + tile % across * m : conv->out_h * conv->out_w;
}

int sqz_winograd_tile_at(const struct sqz_conv *conv, int m, int pixel)
{
    const int row = pixel / conv->out_w, column = pixel % conv->out_w;
    return sqz_ceil_div(row, m) * sqz_ceil_div(conv->out_w, m) +
           (row % m == 0 ? sqz_ceil_div(column, m) : 0);
}

void sqz_winograd_forward(const struct sqz_kernels *k, const struct sqz_conv_task *task, int m,
                          int tile0, int tile1, void *scratch)
{
    struct task own = {.plan = sqz_winograd_plan(k, task->conv, m),
                       .x = task->x,
                       .ldx = task->ldx,
                       .packed = task->packed,
                       .bias = task->bias,
                       .relu = task->relu,
                       .y = task->y,
                       .ldy = task->ldy,
                       .channel0 = task->channel0,
                       .channel1 = task->channel1};
    run(k, &own, tile0, tile1, scratch);
}

void sqz_winograd_forward_images(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                                 int m, int images, void *scratch)
{
    struct sqz_conv_task all = *task;
    all.channel0 = 0;
    all.channel1 = task->conv->out_c;
    sqz_winograd_forward(k, &all, m, 0, images * sqz_winograd_tiles(task->conv, m), scratch);
}

void sqz_winograd_backward_data(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                                int m, void *scratch)
{
    struct sqz_conv transposed = sqz_conv_transposed(task->conv);
    struct task own = {.plan = sqz_winograd_plan(k, &transposed, m),
                       .x = task->x,
                       .ldx = task->ldx,
                       .packed = task->packed,
                       .accumulate = task->accumulate,
                       .y = task->y,
                       .ldy = task->ldy,
                       .channel1 = transposed.out_c};
    run(k, &own, 0, own.plan.down * own.plan.across, scratch);
}

size_t sqz_winograd_forward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv, int m)
{
    struct sqz_winograd_plan plan = sqz_winograd_plan(k, conv, m);
    struct sqz_scratch scratch = {NULL, 0};
    take_scratch(k, &plan, &scratch);
    return scratch.used;
}

size_t sqz_winograd_backward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                     int m)
{
    struct sqz_conv transposed = sqz_conv_transposed(conv);
    return sqz_winograd_forward_scratch(k, &transposed, m);
}
