// The weight gradient by Winograd, the transpose of the forward pass: with V the transformed
// windows of the input and M the transformed tiles of the output's gradient, the sum over tiles of
// V * M is the gradient of the transformed weights. It is summed one frequency at a time, for a
// group of output channels whose sums stay in the second-level cache, and transformed back at the
// end.
#include "kernels/winograd/plan.h"

#include <string.h>

enum {
    SIDE = 6,
    FREQUENCIES = SIDE * SIDE,
    SUM_FLOATS = 64 << 10,    // of a group's sums
    BLOCK_FLOATS = 144 << 10, // of a block's windows, and of its gradients
};

struct work {
    const struct sqz_kernels *k;
    struct sqz_winograd_plan plan;
    const float *x, *dy;
    ptrdiff_t ldx, lddy;
    int group;          // output channels of a group
    ptrdiff_t ldm, lds; // floats from one frequency's gradients, or sums, to the next
    // Scratch
    struct sqz_winograd_map map;
    float *values;    // [frequency][tile][input channel]
    float *gradients; // [frequency][tile][channel of the group]
    float *sums;      // [frequency][input channel][channel of the group]
};

static int rounded(int channels)
{
    return (channels + 15) / 16 * 16;
}

static struct work make_work(const struct sqz_kernels *k, const struct sqz_conv *conv, int m)
{
    struct work work = {.k = k, .plan = sqz_winograd_plan(k, conv, m)};
    struct sqz_winograd_plan *plan = &work.plan;
    const int panels = SUM_FLOATS / (FREQUENCIES * plan->depth * k->nr);
    work.group = (panels < 1 ? 1 : panels) * k->nr;
    if (work.group > rounded(conv->out_c))
        work.group = rounded(conv->out_c);
    const int wider = work.group > plan->depth ? work.group : plan->depth;
    sqz_winograd_plan_block(plan, BLOCK_FLOATS / (FREQUENCIES * wider));
    work.ldm = sqz_odd_lines((ptrdiff_t)plan->block * work.group);
    work.lds = sqz_odd_lines((ptrdiff_t)plan->depth * work.group);
    return work;
}

static void take_scratch(struct work *work, struct sqz_scratch *scratch)
{
    const struct sqz_winograd_plan *plan = &work->plan;
    work->map = sqz_winograd_map_take(plan, scratch);
    work->values =
        sqz_scratch_take(scratch, (size_t)(FREQUENCIES * plan->ldv), sizeof *work->values);
    work->gradients =
        sqz_scratch_take(scratch, (size_t)(FREQUENCIES * work->ldm), sizeof *work->gradients);
    work->sums = sqz_scratch_take(scratch, (size_t)(FREQUENCIES * work->lds), sizeof *work->sums);
}

size_t sqz_winograd_weights_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv, int m)
{
    struct work work = make_work(k, conv, m);
    struct sqz_scratch scratch = {NULL, 0};
    take_scratch(&work, &scratch);
    return scratch.used;
}

// Tiles [tile0, tile1) of output channels [channel, channel + n).
static void transform_gradients(const struct work *work, int tile0, int tile1, int channel, int n)
{
    const struct sqz_winograd_plan *plan = &work->plan;
    const struct sqz_conv *conv = &plan->conv;
    struct sqz_winograd_gradient tile = {.ldy = work->lddy,
                                         .ld_row = work->lddy * conv->out_w,
                                         .p = work->gradients,
                                         .ldp = work->ldm,
                                         .m = plan->m,
                                         .channels = n};
    for (int t = tile0; t < tile1; t++, tile.p += work->group) {
        int row = t / plan->across, image = row / plan->down;
        int y0 = (row - image * plan->down) * plan->m, x0 = t % plan->across * plan->m;
        tile.rows = conv->out_h - y0 < plan->m ? conv->out_h - y0 : plan->m;
        tile.columns = conv->out_w - x0 < plan->m ? conv->out_w - x0 : plan->m;
        ptrdiff_t pixel = ((ptrdiff_t)image * conv->out_h + y0) * conv->out_w + x0;
        tile.dy = work->dy + pixel * work->lddy + channel;
        work->k->winograd_gradient(&tile);
    }
}

// One panel of the group, `width` channels from its channel c on.
static void sum_panel(const struct work *work, int tiles, int c, int width)
{
    const struct sqz_kernels *k = work->k;
    const struct sqz_winograd_plan *plan = &work->plan;
    const int in_c = plan->conv.in_c, n_tiles = sqz_ceil_div(in_c, k->mr);
    const struct sqz_split rows = sqz_split(in_c, n_tiles);
    void (*outer)(const struct sqz_outer_tile *) = width == k->nr ? k->outer : k->outer_half;
    for (int f = 0; f < FREQUENCIES; f++) {
        const float *values = work->values + f * plan->ldv;
        const float *gradients = work->gradients + f * work->ldm + c;
        float *sums = work->sums + f * work->lds + c;
        for (int t = 0; t < n_tiles; t++) {
            const int first = sqz_split_start(rows, t);
            const float *a = values + first;
            struct sqz_outer_tile tile = {.a = &a,
                                          .b = &gradients,
                                          .lda = plan->depth,
                                          .ldb = work->group,
                                          .c = sums + (ptrdiff_t)first * work->group,
                                          .ldc = work->group,
                                          .runs = 1,
                                          .depth = tiles,
                                          .rows = sqz_split_start(rows, t + 1) - first,
                                          .columns = width};
            outer(&tile);
        }
    }
}

// Adds a group's sums to dw (HWIO).
static void gather(const struct work *work, int channel, int n, float *dw)
{
    const struct sqz_winograd_plan *plan = &work->plan;
    const struct sqz_conv *source = &plan->source;
    const int kernel = plan->conv.kernel, in_c = plan->conv.in_c;
    double exact[SQZ_WINOGRAD_SIDE_MOST][4];
    float matrix[SIDE][4], *taps[16];
    sqz_winograd_matrix(SIDE, kernel, exact);
    for (int i = 0; i < SIDE; i++)
        for (int x = 0; x < kernel; x++)
            matrix[i][x] = (float)exact[i][x];
    struct sqz_winograd_gather sums = {
        .ldf = work->lds, .matrix = matrix, .taps = taps, .kernel = kernel, .columns = n};
    for (int i = 0; i < in_c; i++) {
        for (int t = 0; t < kernel * kernel; t++) {
            int tap = sqz_winograd_tap(plan, t / kernel, t % kernel, i);
            taps[t] =
                tap < 0 ? NULL
                        : dw + ((ptrdiff_t)tap * source->in_c + i % source->in_c) * source->out_c +
                              channel;
        }
        sums.du = work->sums + (ptrdiff_t)i * work->group;
        work->k->winograd_gather(&sums);
    }
}

// The sums over all tiles of `images` images.
static void run_images(struct work *work, int images, float *dw)
{
    const struct sqz_kernels *k = work->k;
    const struct sqz_winograd_plan *plan = &work->plan;
    const int out_c = plan->conv.out_c, tiles = images * plan->across * plan->down;
    const int n_blocks = sqz_ceil_div(tiles, plan->block);
    for (int c0 = 0; c0 < out_c; c0 += work->group) {
        const int n = out_c - c0 < work->group ? out_c - c0 : work->group;
        memset(work->sums, 0, (size_t)(FREQUENCIES * work->lds) * sizeof *work->sums);
        for (int b = 0; b < n_blocks; b++) {
            const int tile0 = b * plan->block;
            const int tile1 = tile0 + plan->block < tiles ? tile0 + plan->block : tiles;
            if (n_blocks > 1 || c0 == 0) {
                sqz_winograd_map_set(plan, &work->map, work->x, work->ldx, tile0, tile1);
                sqz_winograd_transform(k, plan, &work->map, tile0, tile1, 0, plan->depth,
                                       work->values);
            }
            transform_gradients(work, tile0, tile1, c0, n);
            for (int c = 0, width; c < n; c += width) {
                width = sqz_panel_width(k, rounded(n), c);
                sum_panel(work, tile1 - tile0, c, width);
            }
        }
        gather(work, c0, n, dw);
    }
}

void sqz_winograd_backward_weights(const struct sqz_kernels *k, const struct sqz_conv_gradient *g,
                                   int m, int images, void *scratch)
{
    const struct sqz_conv *conv = g->conv;
    struct work work = make_work(k, conv, m);
    struct sqz_scratch allocator = {scratch, 0};
    take_scratch(&work, &allocator);
    work.x = g->x;
    work.ldx = g->ldx;
    work.dy = g->dy;
    work.lddy = g->lddy;
    // As many as fill one block: their windows are transformed once for all groups.
    const int fill = work.plan.block / (work.plan.across * work.plan.down);
    const int most = fill < 1 || sqz_conv_is_polyphase(conv) ? 1 : fill;
    for (int i = 0, n; i < images; i += n) {
        n = images - i < most ? images - i : most;
        run_images(&work, n, g->dw);
        work.x += (ptrdiff_t)n * conv->in_h * conv->in_w * g->ldx;
        work.dy += (ptrdiff_t)n * conv->out_h * conv->out_w * g->lddy;
    }
    if (g->db)
        k->channel_sum(g->dy, g->lddy, images * conv->out_h * conv->out_w, conv->out_c, g->db);
}
