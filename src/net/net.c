// Expansion of a row of the zoo into layers, tensors and parameters.
#include "net/net.h"

#include "base/memory.h"
#include "net/zoo.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Keep pixel counts within int, which the kernels count in, with room to spare.
#define MAX_SIDE    16384
#define MAX_CLASSES (1 << 20)

const char *sqz_layer_kind_name(enum sqz_layer_kind kind)
{
    static const char *const names[] = {"conv", "maxpool", "add", "dropout", "mean"};
    return names[kind];
}

// --- Shapes ---

static int conv_side(int in, int kernel, int stride, int pad)
{
    int span = in + 2 * pad - kernel;
    return span < 0 ? 0 : span / stride + 1;
}

static int pool_side(int in, int kernel, int stride, bool ceil_mode)
{
    int span = in - kernel;
    if (!ceil_mode)
        return span < 0 ? 0 : span / stride + 1;
    return span <= -stride ? 0 : (span + stride - 1) / stride + 1;
}

static int row_side(const struct sqz_net_spec *spec, const struct sqz_row *row, int in)
{
    switch (row->kind) {
    case SQZ_ROW_CONV:
        return conv_side(in, row->kernel, row->stride, sqz_spec_conv1_pad(spec));
    case SQZ_ROW_POOL:
        return pool_side(in, row->kernel, row->stride, spec->dialect->ceil_pooling);
    case SQZ_ROW_FIRE:
        break;
    }
    return in;
}

// Height and width shrink independently of each other.
static bool side_fits(const struct sqz_net_spec *spec, int side)
{
    struct sqz_row row;
    for (int i = 0; i < spec->variant->family->n_rows; i++) {
        if (sqz_spec_row(spec, i, &row))
            side = row_side(spec, &row, side);
        if (side < 1)
            return false;
    }
    return true;
}

int sqz_net_smallest_image(const struct sqz_net_spec *spec)
{
    int side = 1;
    while (!side_fits(spec, side))
        side++;
    return side;
}

static enum sqz_status check_spec(const struct sqz_net_spec *spec, struct sqz_error *err)
{
    if (spec->classes < 1 || spec->classes > MAX_CLASSES)
        return sqz_fail(err, SQZ_E_USAGE, "A network needs 1 to %d classes, not %d.", MAX_CLASSES,
                        spec->classes);
    if (spec->channels != 1 && spec->channels != 3)
        return sqz_fail(err, SQZ_E_USAGE, "Images have 1 or 3 channels, not %d.", spec->channels);
    if (spec->norm_group < 0)
        return sqz_fail(err, SQZ_E_USAGE, "norm_group must be at least 1, or 0, not %d.",
                        spec->norm_group);
    if (!(spec->drop_rate >= 0 && spec->drop_rate < 1))
        return sqz_fail(err, SQZ_E_USAGE, "drop_rate must be at least 0 and below 1, not %g.",
                        spec->drop_rate);
    if (spec->image_h > MAX_SIDE || spec->image_w > MAX_SIDE)
        return sqz_fail(err, SQZ_E_USAGE,
                        "Images of %d x %d pixels are too large: at most %d a side.", spec->image_w,
                        spec->image_h, MAX_SIDE);
    if (!side_fits(spec, spec->image_h) || !side_fits(spec, spec->image_w)) {
        int smallest = sqz_net_smallest_image(spec);
        return sqz_fail(err, SQZ_E_USAGE,
                        "Images of %d x %d pixels are too small for %s (%s dialect): the smallest "
                        "that leave a pixel are %d x %d.",
                        spec->image_w, spec->image_h, spec->variant->name, spec->dialect->name,
                        smallest, smallest);
    }
    return SQZ_OK;
}

// --- Expansion ---

static int add_tensor(struct sqz_net *net, int h, int w, int c)
{
    net->tensors[net->n_tensors] = (struct sqz_tensor){h, w, c};
    return net->n_tensors++;
}

static int add_param(struct sqz_net *net, const char *layer, const char *name,
                     enum sqz_param_kind kind, int out, int in, int kernel)
{
    struct sqz_param *param = &net->params[net->n_params];
    snprintf(param->name, sizeof param->name, "%s.%s", layer, name);
    param->kind = kind;
    param->out = out;
    param->in = in;
    param->kh = param->kw = kernel;
    param->offset = net->n_weights;
    param->size = (size_t)out * in * kernel * kernel;
    net->n_weights += param->size;
    return net->n_params++;
}

static struct sqz_layer *add_layer(struct sqz_net *net, enum sqz_layer_kind kind, int input,
                                   int output, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static struct sqz_layer *add_layer(struct sqz_net *net, enum sqz_layer_kind kind, int input,
                                   int output, const char *format, ...)
{
    struct sqz_layer *layer = &net->layers[net->n_layers++];
    layer->kind = kind;
    layer->input = input;
    layer->output = output;
    layer->addend = layer->weight = layer->bias = layer->gamma = -1;
    layer->channels = net->tensors[output].c;
    va_list args;
    va_start(args, format);
    vsnprintf(layer->name, sizeof layer->name, format, args);
    va_end(args);
    return layer;
}

// Turns a freshly added layer into a convolution that writes `channels` channels of its output.
static void make_conv(struct sqz_net *net, struct sqz_layer *layer, int channel, int channels,
                      int kernel, int stride, int pad, bool relu)
{
    layer->channel = channel;
    layer->channels = channels;
    layer->kernel = kernel;
    layer->stride = stride;
    layer->pad = pad;
    layer->relu = relu;
    int in = net->tensors[layer->input].c;
    layer->weight = add_param(net, layer->name, "weight", SQZ_PARAM_WEIGHT, channels, in, kernel);
    layer->bias = add_param(net, layer->name, "bias", SQZ_PARAM_BIAS, channels, 1, 1);
}

// The same, normalised in networks for training. The names are MindSpore's.
static void make_normalised(struct sqz_net *net, struct sqz_layer *layer, int channel, int channels,
                            int kernel, int stride, int pad, bool relu)
{
    make_conv(net, layer, channel, channels, kernel, stride, pad, relu);
    if (net->spec.norm_group == 0)
        return;
    struct sqz_param *beta = &net->params[layer->bias];
    beta->kind = SQZ_PARAM_BETA;
    snprintf(beta->name, sizeof beta->name, "%s.beta", layer->name);
    layer->gamma = add_param(net, layer->name, "gamma", SQZ_PARAM_GAMMA, channels, 1, 1);
    add_param(net, layer->name, "moving_mean", SQZ_PARAM_STATISTIC, channels, 1, 1);
    add_param(net, layer->name, "moving_variance", SQZ_PARAM_STATISTIC, channels, 1, 1);
}

// Returns the tensor that holds the module's output, the bypass included.
static int add_fire(struct sqz_net *net, const struct sqz_row *row, int input)
{
    struct sqz_tensor in = net->tensors[input];
    int i = row->index, out_c = row->expand1x1 + row->expand3x3;
    int squeezed = add_tensor(net, in.h, in.w, row->squeeze);
    int output = add_tensor(net, in.h, in.w, out_c);
    struct sqz_layer *layer =
        add_layer(net, SQZ_LAYER_CONV, input, squeezed, "features.%d.squeeze", i);
    make_normalised(net, layer, 0, row->squeeze, 1, 1, 0, true);
    layer = add_layer(net, SQZ_LAYER_CONV, squeezed, output, "features.%d.expand1x1", i);
    make_normalised(net, layer, 0, row->expand1x1, 1, 1, 0, true);
    layer = add_layer(net, SQZ_LAYER_CONV, squeezed, output, "features.%d.expand3x3", i);
    make_normalised(net, layer, row->expand1x1, row->expand3x3, 3, 1, 1, true);

    enum sqz_bypass bypass = net->spec.variant->bypass;
    bool identity = in.c == out_c;
    if (bypass == SQZ_BYPASS_NONE || (bypass == SQZ_BYPASS_SIMPLE && !identity))
        return output;
    int addend = input;
    if (!identity) {
        addend = add_tensor(net, in.h, in.w, out_c);
        layer = add_layer(net, SQZ_LAYER_CONV, input, addend, "features.%d.bypass", i);
        make_normalised(net, layer, 0, out_c, 1, 1, 0, false);
    }
    int sum = add_tensor(net, in.h, in.w, out_c);
    layer = add_layer(net, SQZ_LAYER_ADD, output, sum, "features.%d.add", i);
    layer->addend = addend;
    return sum;
}

static int add_row(struct sqz_net *net, const struct sqz_row *row, int input)
{
    struct sqz_tensor in = net->tensors[input];
    if (row->kind == SQZ_ROW_FIRE)
        return add_fire(net, row, input);
    int h = row_side(&net->spec, row, in.h), w = row_side(&net->spec, row, in.w);
    bool conv = row->kind == SQZ_ROW_CONV;
    int output = add_tensor(net, h, w, conv ? row->channels : in.c);
    enum sqz_layer_kind kind = conv ? SQZ_LAYER_CONV : SQZ_LAYER_MAXPOOL;
    struct sqz_layer *layer = add_layer(net, kind, input, output, "features.%d", row->index);
    if (conv) {
        make_normalised(net, layer, 0, row->channels, row->kernel, row->stride,
                        sqz_spec_conv1_pad(&net->spec), true);
    } else {
        layer->kernel = row->kernel;
        layer->stride = row->stride;
    }
    return output;
}

static void add_classifier(struct sqz_net *net, int input)
{
    const struct sqz_net_spec *spec = &net->spec;
    struct sqz_tensor in = net->tensors[input];
    int pad = sqz_dialect_conv10_pad(spec->dialect, spec->variant->family);
    add_layer(net, SQZ_LAYER_DROPOUT, input, input, "classifier.0");
    int scores = add_tensor(net, in.h + 2 * pad, in.w + 2 * pad, spec->classes);
    struct sqz_layer *layer = add_layer(net, SQZ_LAYER_CONV, input, scores, "classifier.1");
    make_conv(net, layer, 0, spec->classes, 1, 1, pad, true);
    int logits = add_tensor(net, 1, 1, spec->classes);
    add_layer(net, SQZ_LAYER_MEAN, scores, logits, "classifier.3");
}

enum sqz_status sqz_net_new(const struct sqz_net_spec *spec, struct sqz_net **out,
                            struct sqz_error *err)
{
    enum sqz_status status = check_spec(spec, err);
    if (status)
        return status;
    // A Fire gives at most 5 layers, 4 tensors and 4 convolutions; the classifier 3, 2 and 1. A
    // convolution has 2 parameters, or 5.
    size_t rows = (size_t)spec->variant->family->n_rows;
    struct sqz_row row;
    struct sqz_net *net = sqz_new_array(1, sizeof *net);
    if (net) {
        net->spec = *spec;
        net->layers = sqz_new_array(5 * rows + 3, sizeof *net->layers);
        net->tensors = sqz_new_array(4 * rows + 3, sizeof *net->tensors);
        net->params = sqz_new_array(20 * rows + 2, sizeof *net->params);
    }
    if (!net || !net->layers || !net->tensors || !net->params) {
        sqz_net_free(net);
        return sqz_fail_memory(err, "the network's tables", (5 * rows + 3) * sizeof *net->layers);
    }
    int current = add_tensor(net, spec->image_h, spec->image_w, spec->channels);
    for (int i = 0; i < (int)rows; i++)
        if (sqz_spec_row(spec, i, &row))
            current = add_row(net, &row, current);
    add_classifier(net, current);
    *out = net;
    return SQZ_OK;
}

void sqz_net_free(struct sqz_net *net)
{
    if (!net)
        return;
    sqz_free(net->layers);
    sqz_free(net->tensors);
    sqz_free(net->params);
    sqz_free(net);
}

// --- Questions ---

struct sqz_conv sqz_layer_conv(const struct sqz_net *net, int index)
{
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *in = &net->tensors[layer->input];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    return (struct sqz_conv){.in_h = in->h,
                             .in_w = in->w,
                             .in_c = in->c,
                             .out_h = out->h,
                             .out_w = out->w,
                             .out_c = layer->channels,
                             .kernel = layer->kernel,
                             .stride = layer->stride,
                             .pad = layer->pad};
}

struct sqz_pool2d sqz_layer_pool(const struct sqz_net *net, int index)
{
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *in = &net->tensors[layer->input];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    return (struct sqz_pool2d){.in_h = in->h,
                               .in_w = in->w,
                               .out_h = out->h,
                               .out_w = out->w,
                               .channels = in->c,
                               .kernel = layer->kernel,
                               .stride = layer->stride};
}

int sqz_net_maps(const struct sqz_net *net)
{
    int layer = net->n_layers - 1;
    while (net->layers[layer].kind != SQZ_LAYER_CONV)
        layer--;
    return net->layers[layer].output;
}

int sqz_only_pool(const struct sqz_net *net, int tensor)
{
    int pool = -1, readers = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        readers += layer->input == tensor || layer->addend == tensor;
        if (layer->input == tensor && layer->kind == SQZ_LAYER_MAXPOOL)
            pool = i;
    }
    return readers == 1 ? pool : -1;
}

uint64_t sqz_layer_macs(const struct sqz_net *net, int index)
{
    if (net->layers[index].kind != SQZ_LAYER_CONV)
        return 0;
    struct sqz_conv conv = sqz_layer_conv(net, index);
    return (uint64_t)conv.out_h * conv.out_w * conv.out_c * conv.in_c * conv.kernel * conv.kernel;
}

size_t sqz_tensor_size(const struct sqz_net *net, int tensor)
{
    const struct sqz_tensor *shape = &net->tensors[tensor];
    return (size_t)shape->h * shape->w * shape->c;
}

int sqz_net_find_param(const struct sqz_net *net, const char *name)
{
    for (int i = 0; i < net->n_params; i++) {
        if (strcmp(net->params[i].name, name) == 0)
            return i;
    }
    return -1;
}
