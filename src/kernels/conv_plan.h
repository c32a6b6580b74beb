// How the drivers cut a convolution into panels, blocks and tiles; private to src/kernels. All of
// it depends on the shape and the level only.
#ifndef SQZ_KERNELS_CONV_PLAN_H
#define SQZ_KERNELS_CONV_PLAN_H

#include "kernels/kernels.h"

// Panels are nr wide, except that a last one of at most 16 channels is 16 wide.
static inline int sqz_panel_width(const struct sqz_kernels *k, int channels, int first)
{
    return channels - first <= 16 ? 16 : k->nr;
}

// Whole windows of a narrow input (the image) are copied: runs of in_c floats would be too short.
static inline bool sqz_conv_is_narrow(const struct sqz_conv *conv)
{
    return conv->in_c < 16 && conv->kernel > 1;
}

// The convolution over dy that gives dx (stride 1): flipped kernel, channels exchanged. Its padding
// is negative when conv's is larger than the kernel.
static inline struct sqz_conv sqz_conv_transposed(const struct sqz_conv *conv)
{
    return (struct sqz_conv){.in_h = conv->out_h,
                             .in_w = conv->out_w,
                             .in_c = conv->out_c,
                             .out_h = conv->in_h,
                             .out_w = conv->in_w,
                             .out_c = conv->in_c,
                             .kernel = conv->kernel,
                             .stride = 1,
                             .pad = conv->kernel - 1 - conv->pad};
}

// `n` things in `parts` nearly equal parts; the division is made once, not per tile.
struct sqz_split {
    int size, larger; // the first `larger` parts have one more
};
static inline struct sqz_split sqz_split(int n, int parts)
{
    return parts ? (struct sqz_split){n / parts, n % parts} : (struct sqz_split){0, 0};
}
static inline int sqz_split_start(struct sqz_split split, int i)
{
    return i * split.size + (i < split.larger ? i : split.larger);
}
static inline int sqz_ceil_div(int n, int d)
{
    return (n + d - 1) / d;
}

// How parts [first, end) of a split are split.
static inline struct sqz_split sqz_split_among(struct sqz_split split, int first, int end)
{
    const int larger = split.larger < end ? split.larger : end;
    return (struct sqz_split){split.size, larger > first ? larger - first : 0};
}

// Pieces of the caller's scratch, each aligned to a cache line. With base NULL it only counts.
struct sqz_scratch {
    char *base;
    size_t used;
};
static inline void *sqz_scratch_take(struct sqz_scratch *scratch, size_t n, size_t size)
{
    char *piece = scratch->base ? scratch->base + scratch->used : NULL;
    scratch->used += (n * size + 63) / 64 * 64;
    return piece;
}

void sqz_conv_run(const struct sqz_kernels *k, const struct sqz_conv_task *task, void *scratch);
size_t sqz_conv_run_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv);
size_t sqz_conv_backward_weights_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv);

#endif
