// Runs one image through one layer or a work item of it; inference and training share this.
#ifndef SQZ_NET_FORWARD_H
#define SQZ_NET_FORWARD_H

#include "net/net.h"

// A work item: the part of a layer's output that one thread computes. Items of a layer never share
// an output element.
struct sqz_work_item {
    int layer;
    // Pixels of the output, for MAXPOOL rows of it; by Winograd, the tiles that begin among them.
    int begin, end;
    int channel0, channel1; // CONV: output channels of the layer's slice; a fused MEAN's channels
    int owner_thread;       // set in work_items.c: the worker that wrote this part of its input
};
struct sqz_work_item sqz_work_item_whole(const struct sqz_net *net, int layer);

struct sqz_forward { // borrows everything
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const float *const *packed; // per layer; NULL where the layer has no weights
    const float *const *bias;   // per layer
    const int *tile;            // per layer: Winograd's (kernels/winograd/winograd.h), or 0
};
// `tensors`: where each tensor of this image begins. `index`: a MAXPOOL's whole index (see
// kernels.h) or NULL. DROPOUT does nothing here: training applies its mask itself.
void sqz_work_item_forward(const struct sqz_forward *forward, const struct sqz_work_item *item,
                           float *const *tensors, uint8_t *index, void *scratch);
// The whole layer for several images, which are contiguous in each tensor.
// `positions`: as `index` above, of all images.
void sqz_images_forward(const struct sqz_forward *forward, int layer, int images,
                        float *const *tensors, uint8_t *positions, void *scratch);
// A work item of one kind of layer, between the beginnings of any two buffers.
void sqz_work_item_conv(const struct sqz_forward *forward, const struct sqz_work_item *item,
                        const float *x, float *y, void *scratch);
void sqz_work_item_maxpool(const struct sqz_forward *forward, const struct sqz_work_item *item,
                           const float *x, float *y, uint8_t *index);

#endif
