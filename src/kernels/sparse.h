// 1x1 convolutions that skip the zeros of their input. Behind ReLUs most values are zero (nine of
// ten in front of conv10, on photographs with published weights), and a zero adds nothing to any
// sum: the same products in the same order, the same bits (up to the sign of a sum that is zero),
// in a time that follows the picture.
#ifndef SQZ_KERNELS_SPARSE_H
#define SQZ_KERNELS_SPARSE_H

#include "kernels/kernels.h"

// What is not zero in the input: pixel p of the output has values[i] in channel at[i],
// first[p] <= i < first[p + 1], channels ascending.
struct sqz_nonzeros {
    int32_t *first, *at;
    float *values;
};
// Whether the convolution can be run so: 1x1, stride 1, any padding.
bool sqz_nonzeros_fit(const struct sqz_conv *conv);
// Bytes that the lists may take.
size_t sqz_nonzeros_size(const struct sqz_conv *conv);
// Makes the lists in `memory` (64-byte aligned). False when so much is not zero that the usual way
// is faster; which of the two depends on x only.
bool sqz_nonzeros_find(const struct sqz_kernels *k, const struct sqz_conv *conv, const float *x,
                       ptrdiff_t ldx, void *memory, struct sqz_nonzeros *out);
// As sqz_conv_forward of all pixels. `packed` and `bias` begin at channel0, `y` too.
void sqz_nonzeros_forward(const struct sqz_kernels *k, const struct sqz_conv *conv,
                          const struct sqz_nonzeros *nonzeros, const float *packed,
                          const float *bias, bool relu, float *y, ptrdiff_t ldy);

#endif
