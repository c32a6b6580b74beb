// 1x1 convolutions that skip the zeros of their input. After ReLUs most values are zero (nine of
// ten in front of conv10, on photographs with published weights), and a zero adds nothing to any
// sum: forward the same products in the same order, the same bits (up to the sign of a sum that is
// zero), in a time that follows the image.
#ifndef SQZ_KERNELS_SPARSE_H
#define SQZ_KERNELS_SPARSE_H

#include "kernels/kernels.h"

// What is not zero: row r has values[i] in column at[i], first[r] <= i < first[r + 1], columns
// ascending. Rows are the output's pixels and columns the input's channels, or the other way round.
struct sqz_nonzeros {
    int32_t *first, *at;
    float *values;
};
// Whether looking for zeros can pay: 1x1, stride 1, any padding, and so many channels that the look
// costs little beside them. Of SqueezeNet's convolutions conv10 alone, with 256 classes or more.
bool sqz_nonzeros_fit(const struct sqz_conv *conv);
// Bytes that the lists may take, by pixels; both ways round.
size_t sqz_nonzeros_size(const struct sqz_conv *conv);
size_t sqz_nonzeros_both_size(const struct sqz_conv *conv);
// Makes the lists by pixels in `memory` (64-byte aligned). False when so much is not zero that the
// usual way is faster; which of the two depends on x only.
bool sqz_nonzeros_find(const struct sqz_kernels *k, const struct sqz_conv *conv, const float *x,
                       ptrdiff_t ldx, void *memory, struct sqz_nonzeros *out);
// As sqz_conv_forward of all pixels; bias may be NULL. `packed` and `bias` begin at channel0, `y`
// too.
void sqz_nonzeros_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                          const struct sqz_nonzeros *nonzeros, const float *packed,
                          const float *bias, bool relu, float *y, ptrdiff_t ldy);
// As sqz_conv_backward_weights, its dw: a channel's pixels in ascending order. False, and nothing
// done, as from sqz_nonzeros_find. memory: sqz_nonzeros_both_size.
bool sqz_nonzeros_backward_weights(const struct sqz_kernels *k, const struct sqz_conv *conv,
                                   const float *x, ptrdiff_t ldx, const float *dy, ptrdiff_t lddy,
                                   float *dw, void *memory);

#endif
