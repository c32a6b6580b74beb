// A convolution together with the one layer that reads it: the max pooling after conv1, the mean
// after conv10. The convolution's whole output, the largest tensor of the network, never exists:
// a strip of it stays in a worker's cache. The bits are those of the two layers one after the
// other.
#ifndef SQZ_NET_FUSED_H
#define SQZ_NET_FUSED_H

#include "net/forward.h"
#include "net/weight_layout.h"

// The convolution that layer `index` takes in, or -1: that of a pooling on the image's convolution,
// and of a mean, where nothing else reads it.
int sqz_fused_conv(const struct sqz_net *net, int index);
// Images that sqz_fused_mean takes at a time, at most.
enum { SQZ_FUSED_IMAGES = 2 };
// Floats of the strip that layer `index` needs, whatever the work item; 0 if it takes none in.
size_t sqz_fused_strip(const struct sqz_net *net, const struct sqz_weight_layout *layout, int index,
                       int images);
// Computes a work item of the layer from the convolution's input. A MAXPOOL's work item is output
// rows, a MEAN's channels [channel0, channel1), channel0 a multiple of the kernels' nr.
void sqz_fused_forward(const struct sqz_forward *forward, const struct sqz_work_item *item,
                       float *const *tensors, float *strip, void *scratch);
// The whole of a MEAN for several images, one after the other in each tensor.
void sqz_fused_mean(const struct sqz_forward *forward, int layer, int images, float *const *tensors,
                    float *strip, void *scratch);

#endif
