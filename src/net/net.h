// A SqueezeNet as data: layers, tensors and parameters, expanded from a row of the zoo (zoo.c).
#ifndef SQZ_NET_NET_H
#define SQZ_NET_NET_H

#include "base/error.h"
#include "base/preprocess.h"
#include "kernels/kernels.h"

// --- What can be asked for (zoo.c holds the one table of each) ---

// In what the published SqueezeNets differ: pooling rounding, paddings, input convention.
struct sqz_dialect {
    const char *name; // "mindcv", "torchvision", "caffe"
    bool ceil_pooling;
    int conv1_pad_v11;                // padding of squeezenet1_1's first convolution
    int conv10_pad_v10;               // padding of squeezenet1_0's last convolution
    struct sqz_preprocess preprocess; // the evaluation transform usual for it, at its usual size
};
// How an image enters. conv1 has stride 2 in the published networks; in small images that loses
// what there is to see, and 3x3 with stride 1 (padded by 1) learns more.
enum sqz_stem {
    SQZ_STEM_IMAGENET,    // as published: 7x7 (1.0) or 3x3 (1.1), stride 2
    SQZ_STEM_SMALL,       // 3x3, stride 1
    SQZ_STEM_SMALL_NOPOOL // the same, and without the first pooling: maps of 16 times the area
};
const char *sqz_stem_name(enum sqz_stem stem); // "imagenet", "small", "small_nopool"
int sqz_stem_find(const char *name);           // -1 if unknown
enum sqz_bypass { SQZ_BYPASS_NONE, SQZ_BYPASS_SIMPLE, SQZ_BYPASS_COMPLEX };
struct sqz_family; // the rows of 1.0 or 1.1: zoo.h
struct sqz_variant {
    const char *name;    // "squeezenet1_0", ..., "squeezenet1_1_complex"
    const char *summary; // one line for the help
    const struct sqz_family *family;
    enum sqz_bypass bypass;
};
const struct sqz_dialect *sqz_dialect_find(const char *name); // NULL if unknown
const struct sqz_dialect *sqz_dialect_at(int index);          // NULL past the end
const struct sqz_variant *sqz_variant_find(const char *name);
const struct sqz_variant *sqz_variant_at(int index);

struct sqz_net_spec {
    const struct sqz_variant *variant;
    const struct sqz_dialect *dialect;
    enum sqz_stem stem;
    int classes;  // >= 1
    int channels; // 1 or 3
    int image_h, image_w;
    double drop_rate; // [0, 1); before the last convolution, in training only
    // Samples that share the statistics of batch normalisation, which follows every convolution but
    // the last one: a network for training only (net/bn.h makes a plain one of it). 0: none.
    int norm_group;
};

// --- The expanded network ---

enum sqz_layer_kind {
    SQZ_LAYER_CONV,
    SQZ_LAYER_MAXPOOL,
    SQZ_LAYER_ADD,
    SQZ_LAYER_DROPOUT,
    SQZ_LAYER_MEAN
};
const char *sqz_layer_kind_name(enum sqz_layer_kind kind);

struct sqz_layer {
    enum sqz_layer_kind kind;
    char name[48];         // "features.3.squeeze"; parameters add ".weight" and ".bias"
    int input, output;     // tensors; DROPOUT works in place (input == output)
    int addend;            // ADD: the second input, else -1
    int channel, channels; // the slice of the output tensor that it writes
    int kernel, stride, pad;
    bool relu;        // CONV: fused
    int weight, bias; // parameters, -1 if none; beta is the bias of a convolution with BN
    int gamma;        // parameter, -1: no BN; running mean and variance are the next two
};
struct sqz_tensor {
    int h, w, c; // per sample; tensor 0 is the image, the last one the logits (1 x 1)
};
enum sqz_param_kind {
    SQZ_PARAM_WEIGHT,
    SQZ_PARAM_BIAS,
    SQZ_PARAM_BETA, // these three of networks with BN only, shaped as a bias
    SQZ_PARAM_GAMMA,
    SQZ_PARAM_STATISTIC // running mean or variance: follows the batches, not the gradient
};
struct sqz_param {
    char name[64];
    enum sqz_param_kind kind;
    int out, in, kh, kw; // all but weights are (out, 1, 1, 1)
    size_t offset, size; // floats in the flat parameter buffer; weights are HWIO there
};
struct sqz_net {
    struct sqz_net_spec spec;
    struct sqz_layer *layers;
    struct sqz_tensor *tensors;
    struct sqz_param *params; // in MindCV's storage order
    int n_layers, n_tensors, n_params;
    size_t n_weights; // floats of the whole parameter buffer = number of parameters
};

// Expands the tables. SQZ_E_USAGE for impossible sizes; the message for a too small image names the
// smallest that works (same height and width).
enum sqz_status sqz_net_new(const struct sqz_net_spec *spec, struct sqz_net **out,
                            struct sqz_error *err);
void sqz_net_free(struct sqz_net *net);
int sqz_net_smallest_image(const struct sqz_net_spec *spec);
uint64_t sqz_layer_macs(const struct sqz_net *net, int layer);       // per image
int sqz_net_find_param(const struct sqz_net *net, const char *name); // -1 if none
struct sqz_conv sqz_layer_conv(const struct sqz_net *net, int layer);
struct sqz_pool2d sqz_layer_pool(const struct sqz_net *net, int layer);
int sqz_only_pool(const struct sqz_net *net, int tensor); // MAXPOOL, its only reader; -1: none
int sqz_net_maps(const struct sqz_net *net);              // the last CONV's output: a map a class
size_t sqz_tensor_size(const struct sqz_net *net, int tensor); // floats per sample

// MindCV's initialisation of a plain network (weights: He uniform; the classifier: normal, 0.01;
// biases: zero), drawn in OIHW order from (seed, parameter).
void sqz_net_initialize(const struct sqz_net *net, uint64_t seed, float *weights);
// One parameter between the flat buffer (HWIO) and the files' layout (OIHW).
void sqz_param_to_oihw(const struct sqz_param *param, const float *weights, float *oihw);
void sqz_param_from_oihw(const struct sqz_param *param, const float *oihw, float *weights);

#endif
