// Packed weights: the order in which the kernels read them.
#ifndef SQZ_NET_WEIGHT_LAYOUT_H
#define SQZ_NET_WEIGHT_LAYOUT_H

#include "net/net.h"

// How each layer's convolutions are computed, and where its packed weights lie in one buffer.
struct sqz_weight_layout {
    size_t *forward, *backward;        // in floats; SIZE_MAX where there are none
    int *forward_tile, *backward_tile; // Winograd's, or 0: directly
    int *weights_tile;                 // the same for the weight gradient
    size_t size;
    size_t scratch; // bytes that any convolution needs, per thread
};
// backward: also the data gradient's panels, for all convolutions but the one on the image.
// side_most: the largest window of Winograd; the larger, the faster and the less accurate.
enum sqz_status sqz_weight_layout_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                      bool backward, int side_most, struct sqz_weight_layout *out,
                                      struct sqz_error *err);
void sqz_weight_layout_release(struct sqz_weight_layout *layout);
// Packs one layer; does nothing for layers without weights.
void sqz_weight_layout_pack(const struct sqz_weight_layout *layout, const struct sqz_net *net,
                            const struct sqz_kernels *kernels, int layer, const float *weights,
                            float *packed);

#endif
