// Some images backwards through one layer, and dropout both ways.
#ifndef SQZ_NET_BACKWARD_H
#define SQZ_NET_BACKWARD_H

#include "net/net.h"

struct sqz_backward { // borrows everything
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const float *const *packed; // per layer: the data gradient's weights
    const int *tile;            // per layer: Winograd's (kernels/winograd/winograd.h), or 0
    const int *weights_tile;    // the same for the weight gradient
    // per layer: an earlier step of the backward pass has already put a gradient into the input
    // (the addend), which is then added to instead of overwritten
    const bool *add_input, *add_addend;
    // per tensor: its only reader, a MAXPOOL, masks the gradient for the ReLUs that wrote it, in
    // the pooled map, which is smaller: where a maximum is not positive, nothing goes back
    const bool *pool_masks;
};

// Where the images' share of the work lies, in each array one image after the other.
struct sqz_backward_images {
    float *const *tensors;   // activations, kept by the forward pass
    float *const *grads;     // of the tensors; the output's is spent (masked) on the way
    uint8_t *const *indices; // per MAXPOOL layer
    float *params;           // leaf's parameter gradient, added to
    void *scratch;
    int n;
};
void sqz_layer_backward(const struct sqz_backward *backward, int layer,
                        const struct sqz_backward_images *images);

// What sqz_backward wants to know: which outputs a layer's backward step finds already begun, and
// which ReLUs a pool masks.
void sqz_backward_order(const struct sqz_net *net, bool *add_input, bool *add_addend,
                        bool *pool_masks);

// Multiplies n values by the mask of (key): 0 with the net's drop_rate, else 1 / (1 - drop_rate).
// The same for activations and for their gradients.
void sqz_dropout(const struct sqz_net *net, uint64_t key, float *x, size_t n);

#endif
