// The integer network: a SqueezeNet whose activations are unsigned and whose weights are signed
// bytes. It is specified to the bit (docs/integer-network.md), so that a server, a
// microcontroller and a browser give the same class sums.
#ifndef SQZ_NET_INTEGER_H
#define SQZ_NET_INTEGER_H

#include "net/net.h"

enum {
    SQZ_INTEGER_TENSORS = 64, // of a network with an integer form, at most
    SQZ_CLASS_SHIFT_MOST = 60 // of the multipliers to logits
};

// One convolution. Its sum for output channel c is bias[c] + sum of weight * activation.
struct sqz_integer_conv {
    int layer;            // of net->layers
    int shift;            // of the multipliers
    int8_t *weights;      // [out][ky][kx][in], each -127..127
    int32_t *bias;        // [out], in units of a sum
    int32_t *multipliers; // [out]: to the next activation; of the last convolution to logits in Q16
    // What the numbers stand for, [out] each; no engine reads them.
    float *steps; // a weight of 1; of conv1 per grey level
    float *units; // a sum of 1
};
// One ADD layer of a simple bypass: input * input_multiplier + addend * addend_multiplier.
struct sqz_integer_add {
    int layer;
    int32_t input_multiplier, addend_multiplier; // units of 2^-SQZ_ADD_SHIFT
};
struct sqz_integer_net {
    const struct sqz_net *net; // borrowed
    struct sqz_integer_conv *convs;
    int n_convs; // every CONV of net, in the order of its layers
    struct sqz_integer_add *adds;
    int n_adds;           // every ADD
    uint8_t pad_pixel[3]; // what conv1 sees outside the image, in the network's channel order
};

// Makes room for all convolutions and additions of `net`, which must outlive *out. All numbers are
// zero. SQZ_E_USAGE for a network that has no integer form (a complex bypass, batch
// normalisation); err may be NULL.
enum sqz_status sqz_integer_net_new(const struct sqz_net *net, struct sqz_integer_net **out,
                                    struct sqz_error *err);
void sqz_integer_net_free(struct sqz_integer_net *integer);
int sqz_integer_columns(const struct sqz_net *net, int layer); // weights of one output channel

// Bounds of channel `out` of a convolution over all inputs: whatever the order of addition, every
// partial sum that begins with the bias lies within [*low, *high].
void sqz_integer_bounds(const struct sqz_integer_net *integer, int conv, int out, int64_t *low,
                        int64_t *high);
// Whether no sum of channel `out` can overflow or leave the range in which both forms of the
// requantization agree.
bool sqz_integer_channel_holds(const struct sqz_integer_net *integer, int conv, int out);
// The same for all channels, with the ranges of weights, multipliers and shifts: what a reader must
// have checked before a network runs. SQZ_E_DATA names the layer.
enum sqz_status sqz_integer_net_check(const struct sqz_integer_net *integer, const char *path,
                                      struct sqz_error *err);

// The logit of class `out` in Q16 from its sum over the pixels.
int32_t sqz_integer_logit(const struct sqz_integer_conv *conv, int out, int32_t sum);

// --- The reference: the definition of every other engine's result ---

// Bytes of scratch for one image.
size_t sqz_integer_scratch(const struct sqz_net *net);
// pixels: H x W x C bytes in the network's channel order. logits: net->spec.classes values in units
// of 1/65536; sums: the class sums that they come from, or NULL.
void sqz_integer_run(const struct sqz_integer_net *integer, const uint8_t *pixels, void *scratch,
                     int32_t *logits, int32_t *sums);

// Probabilities in units of 1/65536 from logits in Q16, in integers only: the largest error is
// 1.4e-5.
void sqz_integer_softmax(const int32_t *logits, int classes, uint32_t *probabilities);

#endif
