// What the files of Winograd's convolution share; private to src/kernels.
#ifndef SQZ_KERNELS_WINOGRAD_PLAN_H
#define SQZ_KERNELS_WINOGRAD_PLAN_H

#include "kernels/conv_plan.h"
#include "kernels/winograd/winograd.h"

// A convolution of stride 2 on an image is one of stride 1 on its four phases: pixel (y, x) has the
// channels of the image's pixels (2y, 2x), (2y, 2x + 1), (2y + 1, 2x) and (2y + 1, 2x + 1).
static inline bool sqz_conv_is_polyphase(const struct sqz_conv *conv)
{
    return conv->stride == 2 && conv->kernel == 7 && conv->in_c <= 4;
}

// The convolution of stride 1 that the tiles are cut from.
static inline struct sqz_conv sqz_winograd_dense(const struct sqz_conv *conv)
{
    if (!sqz_conv_is_polyphase(conv))
        return *conv;
    struct sqz_conv dense = *conv;
    dense.kernel = 4;
    dense.stride = 1;
    dense.pad = 0; // the phases hold the padding
    dense.in_c = 4 * conv->in_c;
    dense.in_h = (conv->in_h + 2 * conv->pad + 1) / 2;
    dense.in_w = (conv->in_w + 2 * conv->pad + 1) / 2;
    return dense;
}

// How a convolution is cut, by its shape and the level only.
struct sqz_winograd_plan {
    struct sqz_conv source, conv; // as given; of stride 1
    int m, side, frequencies;
    struct sqz_split depths; // input channels in n_depths parts
    int n_depths, depth;     // depth: of the largest part
    int across, down;        // tiles of an image's map; several images' follow each other
    int block;               // most tiles at once
    int phase_rows;          // polyphase: most rows under a block
    ptrdiff_t ldv;           // floats from one frequency's values to the next
    ptrdiff_t ld_product;    // floats from one tile's products to the next
    int panels;              // whose products are kept at once
};
struct sqz_winograd_plan sqz_winograd_plan(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                           int m);
// With blocks of about this many tiles.
void sqz_winograd_plan_block(struct sqz_winograd_plan *plan, int tiles);

// Floats to the next line but an odd number of lines, so that lines at that distance do not fall
// into the same few sets of a cache.
static inline ptrdiff_t sqz_odd_lines(ptrdiff_t floats)
{
    const ptrdiff_t line = 16;
    return ((floats + line - 1) / line | 1) * line;
}

// What the windows of some tiles look at.
struct sqz_winograd_map {
    const float *x;
    ptrdiff_t ldx;
    int row;       // of the map, the one that x begins with
    float *zeros;  // what a window reads in the padding
    float *phases; // polyphase: the rows under a block
};
struct sqz_winograd_map sqz_winograd_map_take(const struct sqz_winograd_plan *plan,
                                              struct sqz_scratch *scratch);
// Prepares tiles [tile0, tile1), at most plan->block of them, of the image x.
void sqz_winograd_map_set(const struct sqz_winograd_plan *plan, struct sqz_winograd_map *map,
                          const float *x, ptrdiff_t ldx, int tile0, int tile1);
// Their values for input channels [depth0, depth0 + depth): [frequency, plan->ldv apart][tile,
// plan->depth apart][channel].
void sqz_winograd_transform(const struct sqz_kernels *k, const struct sqz_winograd_plan *plan,
                            const struct sqz_winograd_map *map, int tile0, int tile1, int depth0,
                            int depth, float *values);
// Which of the source's taps (ky * kernel + kx) is tap (ky, kx) of input channel i, or -1: none.
int sqz_winograd_tap(const struct sqz_winograd_plan *plan, int ky, int kx, int i);
// The matrix that kernels are multiplied by, [side][kernel].
void sqz_winograd_matrix(int side, int kernel, double matrix[SQZ_WINOGRAD_SIDE_MOST][4]);

#endif
