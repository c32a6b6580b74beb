// Feature maps: what a layer of a network writes, to be asked for by name.
#ifndef SQZ_NET_FEATURE_H
#define SQZ_NET_FEATURE_H

#include "net/net.h"

// Channels [channel, channel + c) of a tensor; averaged: the mean of each over all pixels.
struct sqz_feature {
    int tensor, channel;
    int h, w, c; // what one image gives, h x w x c; h and w are 1 if averaged
    bool averaged;
};

#define SQZ_FEATURE_EMBEDDING  "embedding"
#define SQZ_FEATURE_CLASS_MAPS "class_maps"

// Names: "embedding", the averages of the map that the last convolution reads (512 values);
// "class_maps", what that convolution writes: one map per class, padded as the dialect says and
// after the ReLU, so that a map's mean is the class's logit; and any layer's name, such as
// "features.3.expand1x1". SQZ_E_USAGE for others.
enum sqz_status sqz_feature_find(const struct sqz_net *net, const char *name,
                                 struct sqz_feature *out, struct sqz_error *err);
size_t sqz_feature_size(const struct sqz_feature *feature); // floats per image
// Takes the feature of one image out of its tensor.
void sqz_feature_extract(const struct sqz_feature *feature, const struct sqz_net *net,
                         const struct sqz_kernels *kernels, const float *tensor, float *out);

#endif
