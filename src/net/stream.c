// Inference with weights that pass through, layer by layer, a strip of output channels at a time.
#include "net/stream.h"

#include "base/memory.h"
#include "net/fused.h"
#include "net/infer_plan.h"

// Bytes of the weights that are in memory at a time: they exist as the source gives them, in our
// order, and packed.
enum { STRIP_BYTES = 128 << 10 };

struct sqz_stream {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const struct sqz_weight_source *source;
    struct sqz_infer_plan plan;
    float *rows, *weights, *packed, *bias; // of a strip; the bias of a whole layer
    const float **packed_of, **bias_of;    // per layer: always these two
    char *arena, *scratch;
    float **tensors;
    int kept; // the tensor of a feature that is wanted, or -1
};

// Whether the convolution that writes layer `index`'s input is computed along with that layer.
static bool is_fused(const struct sqz_stream *stream, int index)
{
    return stream->plan.strip[index] && stream->net->layers[index].input != stream->kept;
}

// The convolution that layer `index` runs: its own, or one that it takes in; -1: none.
static int conv_of(const struct sqz_stream *stream, int index)
{
    if (is_fused(stream, index))
        return sqz_fused_conv(stream->net, index);
    return stream->net->layers[index].kind == SQZ_LAYER_CONV ? index : -1;
}

// Output channels of a strip: whole panels. A pooling that takes its convolution in computes all
// channels of a row at once.
static int strip_channels(const struct sqz_stream *stream, int index)
{
    const struct sqz_net *net = stream->net;
    const struct sqz_conv conv = sqz_layer_conv(net, conv_of(stream, index));
    const int row_bytes = conv.kernel * conv.kernel * conv.in_c * (int)sizeof(float);
    const int nr = stream->kernels->nr;
    int channels = STRIP_BYTES / row_bytes / nr * nr;
    if (net->layers[index].kind == SQZ_LAYER_MEAN) {
        const int fit = (int)(stream->plan.strip[index] / ((size_t)conv.out_h * conv.out_w));
        channels = channels < fit ? channels : fit / nr * nr;
    }
    channels = channels < nr ? nr : channels;
    bool whole = net->layers[index].kind == SQZ_LAYER_MAXPOOL || channels > conv.out_c;
    return whole ? conv.out_c : channels;
}

struct strip { // the largest one, in floats
    size_t weights, packed, bias;
};

static struct strip largest_strip(const struct sqz_stream *stream)
{
    const struct sqz_net *net = stream->net;
    struct strip most = {0};
    for (int i = 0; i < net->n_layers; i++) { // also those that are fused, each by itself
        if (conv_of(stream, i) < 0)
            continue;
        struct sqz_conv conv = sqz_layer_conv(net, conv_of(stream, i));
        most.bias = (size_t)conv.out_c > most.bias ? (size_t)conv.out_c : most.bias;
        conv.out_c = strip_channels(stream, i);
        size_t n = (size_t)conv.kernel * conv.kernel * conv.in_c * conv.out_c;
        size_t panels = sqz_conv_forward_pack_size(stream->kernels, &conv);
        most.weights = n > most.weights ? n : most.weights;
        most.packed = panels > most.packed ? panels : most.packed;
    }
    return most;
}

static enum sqz_status take_memory(struct sqz_stream *stream, struct sqz_error *err)
{
    const struct sqz_net *net = stream->net;
    const struct sqz_infer_plan *plan = &stream->plan;
    const struct strip strip = largest_strip(stream);
    stream->rows = sqz_new_array(strip.weights, sizeof(float));
    stream->weights = sqz_new_array(strip.weights, sizeof(float));
    stream->packed = sqz_new_aligned(strip.packed, sizeof(float));
    stream->bias = sqz_new_array(strip.bias, sizeof(float));
    stream->arena = sqz_new_aligned(1, plan->arena);
    stream->scratch = sqz_new_aligned(1, plan->scratch);
    stream->tensors = sqz_new_array((size_t)net->n_tensors, sizeof *stream->tensors);
    stream->packed_of = sqz_new_array((size_t)net->n_layers, sizeof *stream->packed_of);
    stream->bias_of = sqz_new_array((size_t)net->n_layers, sizeof *stream->bias_of);
    if (!stream->rows || !stream->weights || !stream->packed || !stream->bias || !stream->arena ||
        !stream->scratch || !stream->tensors || !stream->packed_of || !stream->bias_of)
        return sqz_fail_memory(err, "inference", plan->arena + plan->scratch);
    for (int i = 0; i < net->n_layers; i++) {
        stream->packed_of[i] = stream->packed;
        stream->bias_of[i] = stream->bias;
    }
    for (int t = 0; t < net->n_tensors; t++)
        stream->tensors[t] = (float *)(stream->arena + plan->blocks[t].offset);
    return SQZ_OK;
}

enum sqz_status sqz_stream_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                               const struct sqz_weight_source *source, struct sqz_stream **out,
                               struct sqz_error *err)
{
    struct sqz_stream *stream = sqz_new_array(1, sizeof *stream);
    if (!stream)
        return sqz_fail_memory(err, "inference", sizeof *stream);
    stream->net = net;
    stream->kernels = kernels;
    stream->source = source;
    stream->kept = -1;
    enum sqz_status status = sqz_infer_plan_new(net, kernels, 1, true, &stream->plan, err);
    if (!status)
        status = take_memory(stream, err);
    if (status)
        sqz_stream_free(stream);
    else
        *out = stream;
    return status;
}

enum sqz_status sqz_stream_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                  size_t *activations, size_t *scratch, struct sqz_error *err)
{
    struct sqz_stream stream = {.net = net, .kernels = kernels, .kept = -1};
    enum sqz_status status = sqz_infer_plan_new(net, kernels, 1, true, &stream.plan, err);
    if (status)
        return status;
    const struct strip strip = largest_strip(&stream);
    *activations = stream.plan.arena;
    *scratch =
        stream.plan.scratch + (2 * strip.weights + strip.packed + strip.bias) * sizeof(float);
    sqz_infer_plan_release(&stream.plan);
    return SQZ_OK;
}

void sqz_stream_free(struct sqz_stream *stream)
{
    if (!stream)
        return;
    sqz_infer_plan_release(&stream->plan);
    sqz_free(stream->rows);
    sqz_free(stream->weights);
    sqz_free(stream->packed);
    sqz_free(stream->bias);
    sqz_free(stream->packed_of);
    sqz_free(stream->bias_of);
    sqz_free(stream->arena);
    sqz_free(stream->scratch);
    sqz_free(stream->tensors);
    sqz_free(stream);
}

// --- Running ---

// The packed weights of output channels [first, first + conv->out_c) of a convolution.
static enum sqz_status load_strip(struct sqz_stream *stream, const struct sqz_conv *conv, int param,
                                  int first, struct sqz_error *err)
{
    struct sqz_param strip = stream->net->params[param];
    strip.out = conv->out_c;
    strip.offset = 0;
    enum sqz_status status =
        stream->source->rows(stream->source->arg, param, first, conv->out_c, stream->rows, err);
    if (status)
        return status;
    sqz_param_from_oihw(&strip, stream->rows, stream->weights);
    sqz_conv_pack_forward(stream->kernels, conv, stream->weights, stream->packed);
    return SQZ_OK;
}

// A strip of channels is a convolution of its own, whose panels, weights and sums are the whole
// one's.
static void run_strip(struct sqz_stream *stream, int index, const struct sqz_conv *conv, int first)
{
    const struct sqz_net *net = stream->net;
    const int of = conv_of(stream, index), pixels = conv->out_h * conv->out_w;
    const struct sqz_layer *layer = &net->layers[of];
    const float *x = stream->tensors[layer->input];
    float *y = stream->tensors[layer->output] + layer->channel + first;
    ptrdiff_t ldy = net->tensors[layer->output].c;
    if (of != index) { // a mean
        y = (float *)(stream->scratch + stream->plan.layout.scratch);
        ldy = conv->out_c;
    }
    sqz_conv_forward(stream->kernels,
                     &(struct sqz_conv_task){.conv = conv,
                                             .x = x,
                                             .ldx = net->tensors[layer->input].c,
                                             .packed = stream->packed,
                                             .bias = stream->bias + first,
                                             .relu = layer->relu,
                                             .y = y,
                                             .ldy = ldy,
                                             .pixel1 = pixels,
                                             .channel1 = conv->out_c},
                     stream->scratch);
    if (of != index)
        stream->kernels->channel_mean(y, ldy, pixels, conv->out_c,
                                      stream->tensors[net->layers[index].output] + first);
}

static void run_whole(struct sqz_stream *stream, int index)
{
    const struct sqz_work_item whole = sqz_work_item_whole(stream->net, index);
    const struct sqz_forward forward = {stream->net, stream->kernels, stream->packed_of,
                                        stream->bias_of, stream->plan.layout.forward_tile};
    char *strip = stream->scratch + stream->plan.layout.scratch;
    if (is_fused(stream, index))
        sqz_fused_forward(&forward, &whole, stream->tensors, (float *)strip, stream->scratch);
    else
        sqz_work_item_forward(&forward, &whole, stream->tensors, NULL, stream->scratch);
}

static enum sqz_status run_layer(struct sqz_stream *stream, int index, struct sqz_error *err)
{
    const struct sqz_net *net = stream->net;
    const int of = conv_of(stream, index);
    if (of < 0) {
        run_whole(stream, index);
        return SQZ_OK;
    }
    const struct sqz_layer *layer = &net->layers[of];
    struct sqz_conv conv = sqz_layer_conv(net, of);
    const int channels = conv.out_c, step = strip_channels(stream, index);
    enum sqz_status status =
        stream->source->rows(stream->source->arg, layer->bias, 0, 1, stream->bias, err);
    for (int first = 0; !status && first < channels; first += step) {
        conv.out_c = channels - first < step ? channels - first : step;
        status = load_strip(stream, &conv, layer->weight, first, err);
        if (!status && net->layers[index].kind == SQZ_LAYER_MAXPOOL)
            run_whole(stream, index);
        else if (!status)
            run_strip(stream, index, &conv, first);
    }
    return status;
}

// No layer writes tensor 0, so the image may be const.
enum sqz_status sqz_stream_run(struct sqz_stream *stream, const float *image, float *logits,
                               struct sqz_error *err)
{
    const struct sqz_net *net = stream->net;
    enum sqz_status status = SQZ_OK;
    stream->tensors[0] = (float *)image;
    stream->tensors[net->n_tensors - 1] = logits;
    for (int i = 0; i < net->n_layers && !status; i++)
        if (!stream->plan.taken[i] || net->layers[i].output == stream->kept)
            status = run_layer(stream, i, err);
    return status;
}

// The tensor of a feature lies in a place of its own, where no later one overwrites it.
enum sqz_status sqz_stream_run_feature(struct sqz_stream *stream, const float *image, float *logits,
                                       const struct sqz_feature *feature, float *out,
                                       struct sqz_error *err)
{
    const struct sqz_net *net = stream->net;
    const int tensor = feature->tensor;
    if (tensor == net->n_tensors - 1) {
        enum sqz_status status = sqz_stream_run(stream, image, logits, err);
        if (!status)
            sqz_feature_extract(feature, net, stream->kernels, logits, out);
        return status;
    }
    float *place = stream->tensors[tensor];
    float *kept = sqz_new_aligned(sqz_tensor_size(net, tensor), sizeof *kept);
    if (!kept)
        return sqz_fail_memory(err, "a feature map", sqz_tensor_size(net, tensor) * sizeof *kept);
    stream->kept = tensor;
    stream->tensors[tensor] = kept;
    enum sqz_status status = sqz_stream_run(stream, image, logits, err);
    if (!status)
        sqz_feature_extract(feature, net, stream->kernels, kept, out);
    stream->tensors[tensor] = place;
    stream->kept = -1;
    sqz_free(kept);
    return status;
}
