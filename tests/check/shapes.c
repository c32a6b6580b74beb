// The convolutions of SqueezeNet 1.0 and 1.1 (torchvision's dialect, 224 pixels; MindCV's padded
// first convolution and Caffe's padded last one beside them), each shape once.
//
// One layer a line, which clang-format would spread over ten.
// clang-format off
#include "check/check.h"

#define OUT(size, k, s, p) (((size) + 2 * (p) - (k)) / (s) + 1)
#define SHAPE(layer, in, size, out, k, s, p, ld) \
    {layer, \
     {.in_h = size, .in_w = size, .in_c = in, .out_c = out, .kernel = k, .stride = s, .pad = p, \
      .out_h = OUT(size, k, s, p), .out_w = OUT(size, k, s, p)}, \
     ld}
#define FIRE(layer, in, size, squeeze, expand) \
    SHAPE(layer ".squeeze", in, size, squeeze, 1, 1, 0, squeeze), \
    SHAPE(layer ".expand1", squeeze, size, expand, 1, 1, 0, 2 * expand), \
    SHAPE(layer ".expand3", squeeze, size, expand, 3, 1, 1, 2 * expand)

const struct layer_shape layer_shapes[] = {
    SHAPE("1.0 conv1", 3, 224, 96, 7, 2, 0, 96),
    FIRE("1.0 fire2", 96, 54, 16, 64),
    FIRE("1.0 fire3", 128, 54, 16, 64),
    FIRE("1.0 fire4", 128, 54, 32, 128),
    FIRE("1.0 fire5", 256, 27, 32, 128),
    FIRE("1.0 fire6", 256, 27, 48, 192),
    FIRE("1.0 fire7", 384, 27, 48, 192),
    FIRE("1.0 fire8", 384, 27, 64, 256),
    FIRE("1.0 fire9", 512, 13, 64, 256),
    SHAPE("1.0 conv10 caffe", 512, 13, 1000, 1, 1, 1, 1000),
    SHAPE("1.1 conv1", 3, 224, 64, 3, 2, 0, 64),
    SHAPE("1.1 conv1 mindcv", 3, 224, 64, 3, 2, 1, 64),
    SHAPE("1.1 conv1 gray", 1, 28, 64, 3, 2, 1, 64),
    FIRE("1.1 fire2", 64, 55, 16, 64),
    FIRE("1.1 fire3", 128, 55, 16, 64),
    FIRE("1.1 fire4", 128, 27, 32, 128),
    FIRE("1.1 fire5", 256, 27, 32, 128),
    FIRE("1.1 fire6", 256, 13, 48, 192),
    FIRE("1.1 fire7", 384, 13, 48, 192),
    FIRE("1.1 fire8", 384, 13, 64, 256),
    FIRE("1.1 fire9", 512, 13, 64, 256),
    SHAPE("1.1 conv10", 512, 13, 1000, 1, 1, 0, 1000),
    SHAPE("1.1 conv10, 10 classes", 512, 13, 10, 1, 1, 0, 10),
    SHAPE("complex bypass2", 96, 54, 128, 1, 1, 0, 128),
};
const int n_layer_shapes = (int)(sizeof layer_shapes / sizeof layer_shapes[0]);
