// Winograd's convolution: tiles of m x m outputs from windows of side x side pixels, side = m +
// kernel - 1, with side^2 multiplications a channel pair instead of kernel^2 m^2. For 3x3 kernels
// of stride 1 (m = 2, 4, 5 or 6), and for 7x7 kernels of stride 2 on an image (m = 3 or 5), whose
// four phases are the channels of a 4x4 convolution of stride 1.
//
// Accuracy: the errors of a tile grow with its side and spread over its outputs;
// sqz_winograd_amplification bounds them. The interpolation points of side 6 (0, 1, -1, 1/2, -2)
// make a third of the errors of the usual ones (0, 1, -1, 2, -2). An infinity or NaN in a window
// makes NaNs of its tile's outputs.
#ifndef SQZ_KERNELS_WINOGRAD_H
#define SQZ_KERNELS_WINOGRAD_H

#include "kernels/kernels.h"

enum { SQZ_WINOGRAD_SIDE_MOST = 8 };

// The m that costs least among those with windows up to `side_most`, or 0 where the direct
// convolution is about as good or the only one. A function of shape and level only.
int sqz_winograd_tile(const struct sqz_kernels *k, const struct sqz_conv *conv, int side_most);
// The same for the data gradient.
int sqz_winograd_backward_tile(const struct sqz_kernels *k, const struct sqz_conv *conv,
                               int side_most);
// |error| <= this * (4 + sqrt n) * FLT_EPSILON * (the largest sum of absolute terms in the map),
// for sums of n = kernel^2 * in_c terms.
double sqz_winograd_amplification(int side);

// Floats of the transformed weights; bytes of scratch per thread (64-byte aligned).
size_t sqz_winograd_forward_pack_size(const struct sqz_conv *conv, int m);
size_t sqz_winograd_backward_pack_size(const struct sqz_conv *conv, int m);
size_t sqz_winograd_forward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                    int m);
size_t sqz_winograd_backward_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                     int m);
void sqz_winograd_pack_forward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                               const float *weights, float *packed);
void sqz_winograd_pack_backward(const struct sqz_kernels *k, const struct sqz_conv *conv, int m,
                                const float *weights, float *packed);

// An output's tiles, numbered row by row; the output pixel at which one begins (that of the number
// past the last is the number of pixels), and the first tile that begins at a pixel or after it.
int sqz_winograd_tiles(const struct sqz_conv *conv, int m);
int sqz_winograd_tile_begin(const struct sqz_conv *conv, int m, int tile);
int sqz_winograd_tile_at(const struct sqz_conv *conv, int m, int pixel);

// As sqz_conv_forward, for the tiles [tile0, tile1) instead of the task's pixels.
void sqz_winograd_forward(const struct sqz_kernels *k, const struct sqz_conv_task *task, int m,
                          int tile0, int tile1, void *scratch);
// The same for all channels of several whole images, contiguous in x and in y, which read the
// weights together. Not for kernels of stride 2.
void sqz_winograd_forward_images(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                                 int m, int images, void *scratch);
// As sqz_conv_backward_data.
void sqz_winograd_backward_data(const struct sqz_kernels *k, const struct sqz_conv_task *task,
                                int m, void *scratch);

// As sqz_conv_backward_weights (with windows of side 6), where sqz_winograd_weights_tile is not 0,
// and for `images` images, one after the other in x and in dy: those of small maps are summed
// before their sums are transformed back.
int sqz_winograd_weights_tile(const struct sqz_kernels *k, const struct sqz_conv *conv);
void sqz_winograd_backward_weights(const struct sqz_kernels *k, const struct sqz_conv_gradient *g,
                                   int m, int images, void *scratch);
size_t sqz_winograd_weights_scratch(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                    int m);

#endif
