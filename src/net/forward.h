// One image through one layer, or a piece of it: what inference and training share.
#ifndef SQZ_NET_FORWARD_H
#define SQZ_NET_FORWARD_H

#include "net/net.h"

// A part of a layer's output that one thread computes; pieces never share an output element.
struct sqz_piece {
    int layer;
    // Pixels of the output, for MAXPOOL rows of it; by Winograd, the tiles that begin among them.
    int begin, end;
    int channel0, channel1; // CONV: output channels of the layer's slice; a fused MEAN's channels
    int home; // from pieces.c: the worker that wrote what lies there of the stage before
};
struct sqz_piece sqz_piece_whole(const struct sqz_net *net, int layer);

struct sqz_forward { // borrows everything
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const float *const *packed; // per layer; NULL where the layer has no weights
    const float *const *bias;   // per layer
    const int *tile;            // per layer: Winograd's (kernels/winograd.h), or 0
};
// `tensors`: where each tensor of this image begins. `index`: a MAXPOOL's whole index (see
// kernels.h) or NULL. DROPOUT does nothing here: training applies its mask itself.
void sqz_piece_forward(const struct sqz_forward *forward, const struct sqz_piece *piece,
                       float *const *tensors, uint8_t *index, void *scratch);
// The whole layer for several images, which lie one behind the other in each tensor.
// `positions`: as `index` above, of all images.
void sqz_images_forward(const struct sqz_forward *forward, int layer, int images,
                        float *const *tensors, uint8_t *positions, void *scratch);
// A piece of one kind of layer, between the beginnings of any two buffers.
void sqz_piece_conv(const struct sqz_forward *forward, const struct sqz_piece *piece,
                    const float *x, float *y, void *scratch);
void sqz_piece_maxpool(const struct sqz_forward *forward, const struct sqz_piece *piece,
                       const float *x, float *y, uint8_t *index);

// How each layer's convolutions are computed, and where its packed weights lie in one buffer.
struct sqz_packing {
    size_t *forward, *backward;        // in floats; SIZE_MAX where there are none
    int *forward_tile, *backward_tile; // Winograd's, or 0: directly
    int *weights_tile;                 // the same for the weight gradient
    size_t size;
    size_t scratch; // bytes that any convolution needs, per thread
};
// backward: also the data gradient's panels, for all convolutions but the one on the image.
// side_most: the largest window of Winograd; the larger, the faster and the less accurate.
enum sqz_status sqz_packing_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                bool backward, int side_most, struct sqz_packing *out,
                                struct sqz_error *err);
void sqz_packing_release(struct sqz_packing *packing);
// Packs one layer; does nothing for layers without weights.
void sqz_packing_fill(const struct sqz_packing *packing, const struct sqz_net *net,
                      const struct sqz_kernels *kernels, int layer, const float *weights,
                      float *packed);

#endif
