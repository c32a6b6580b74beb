// Room for an integer network, and the checks without which it must not run.
#include "net/integer.h"

#include "base/memory.h"
#include "kernels/requantize.h"

int sqz_integer_columns(const struct sqz_net *net, int layer)
{
    const struct sqz_layer *l = &net->layers[layer];
    return net->tensors[l->input].c * l->kernel * l->kernel;
}

static enum sqz_status check_kind(const struct sqz_net *net, struct sqz_error *err)
{
    if (net->n_tensors > SQZ_INTEGER_TENSORS)
        return sqz_fail(err, SQZ_E_USAGE, "A network of %d tensors has no integer form.",
                        net->n_tensors);
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->kind == SQZ_LAYER_CONV && !layer->relu)
            return sqz_fail(err, SQZ_E_USAGE,
                            "%s has no integer form: its bypass convolution %s has no ReLU, so its "
                            "output is not an unsigned byte; use a plain or a simple bypass "
                            "network.",
                            net->spec.variant->name, layer->name);
        if (layer->gamma >= 0)
            return sqz_fail(err, SQZ_E_USAGE,
                            "A network with batch normalisation has no integer form; fold it "
                            "first.");
    }
    return SQZ_OK;
}

static bool take_memory(struct sqz_integer_net *integer)
{
    const struct sqz_net *net = integer->net;
    integer->convs = sqz_new_array((size_t)net->n_layers, sizeof *integer->convs);
    integer->adds = sqz_new_array((size_t)net->n_layers, sizeof *integer->adds);
    if (!integer->convs || !integer->adds)
        return false;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->kind == SQZ_LAYER_ADD)
            integer->adds[integer->n_adds++].layer = i;
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        struct sqz_integer_conv *conv = &integer->convs[integer->n_convs++];
        size_t out = (size_t)layer->channels;
        conv->layer = i;
        conv->weights = sqz_new_array(out, (size_t)sqz_integer_columns(net, i));
        conv->bias = sqz_new_array(out, sizeof *conv->bias);
        conv->multipliers = sqz_new_array(out, sizeof *conv->multipliers);
        conv->steps = sqz_new_array(out, sizeof *conv->steps);
        conv->units = sqz_new_array(out, sizeof *conv->units);
        if (!conv->weights || !conv->bias || !conv->multipliers || !conv->steps || !conv->units)
            return false;
    }
    return true;
}

enum sqz_status sqz_integer_net_new(const struct sqz_net *net, struct sqz_integer_net **out,
                                    struct sqz_error *err)
{
    enum sqz_status status = check_kind(net, err);
    if (status)
        return status;
    struct sqz_integer_net *integer = sqz_new_array(1, sizeof *integer);
    if (integer) {
        integer->net = net;
        if (take_memory(integer)) {
            *out = integer;
            return SQZ_OK;
        }
    }
    sqz_integer_net_free(integer);
    return sqz_fail_memory(err, "an integer network", net->n_weights);
}

void sqz_integer_net_free(struct sqz_integer_net *integer)
{
    if (!integer)
        return;
    for (int i = 0; i < integer->n_convs; i++) {
        sqz_free(integer->convs[i].weights);
        sqz_free(integer->convs[i].bias);
        sqz_free(integer->convs[i].multipliers);
        sqz_free(integer->convs[i].steps);
        sqz_free(integer->convs[i].units);
    }
    sqz_free(integer->convs);
    sqz_free(integer->adds);
    sqz_free(integer);
}

void sqz_integer_bounds(const struct sqz_integer_net *integer, int index, int out, int64_t *low,
                        int64_t *high)
{
    const struct sqz_integer_conv *conv = &integer->convs[index];
    int columns = sqz_integer_columns(integer->net, conv->layer);
    const int8_t *weights = conv->weights + (size_t)out * (size_t)columns;
    *low = *high = conv->bias[out];
    for (int i = 0; i < columns; i++)
        *(weights[i] < 0 ? low : high) += 255 * weights[i];
}

int32_t sqz_integer_logit(const struct sqz_integer_conv *conv, int out, int32_t sum)
{
    return (int32_t)(((int64_t)sum * conv->multipliers[out] + ((int64_t)1 << (conv->shift - 1))) >>
                     conv->shift);
}

// The largest class sum is that of a map whose every pixel is at its bound.
static bool class_holds(const struct sqz_integer_net *integer, int index, int out, int64_t high)
{
    const struct sqz_integer_conv *conv = &integer->convs[index];
    const struct sqz_layer *layer = &integer->net->layers[conv->layer];
    const struct sqz_tensor *map = &integer->net->tensors[layer->output];
    int64_t sum = (int64_t)map->h * map->w * (high > 0 ? high : 0);
    if (sum > INT32_MAX)
        return false;
    // The product is below 2^55; what is left of it has to fit 32 bits.
    return ((sum * conv->multipliers[out] + ((int64_t)1 << (conv->shift - 1))) >> conv->shift) <=
           INT32_MAX;
}

bool sqz_integer_channel_holds(const struct sqz_integer_net *integer, int index, int out)
{
    const struct sqz_integer_conv *conv = &integer->convs[index];
    int64_t low, high;
    sqz_integer_bounds(integer, index, out, &low, &high);
    if (low <= -SQZ_REQUANTIZE_SUM_LIMIT || high >= SQZ_REQUANTIZE_SUM_LIMIT)
        return false;
    if (index == integer->n_convs - 1)
        return class_holds(integer, index, out, high);
    int64_t largest = high > -low ? high : -low;
    return (largest * conv->multipliers[out]) >> conv->shift < (1 << 22);
}

static enum sqz_status bad(struct sqz_error *err, const char *path, const struct sqz_net *net,
                           int layer, const char *what)
{
    return sqz_fail(err, SQZ_E_DATA, "%s holds an integer network that cannot run: in %s %s.", path,
                    net->layers[layer].name, what);
}

static enum sqz_status check_conv(const struct sqz_integer_net *integer, int index,
                                  const char *path, struct sqz_error *err)
{
    const struct sqz_integer_conv *conv = &integer->convs[index];
    const struct sqz_net *net = integer->net;
    bool last = index == integer->n_convs - 1;
    int out = net->layers[conv->layer].channels;
    size_t weights = (size_t)out * (size_t)sqz_integer_columns(net, conv->layer);
    if (conv->shift < (last ? 1 : SQZ_REQUANTIZE_SHIFT_LEAST) ||
        conv->shift > (last ? SQZ_CLASS_SHIFT_MOST : SQZ_REQUANTIZE_SHIFT_MOST))
        return bad(err, path, net, conv->layer, "a shift is out of range");
    for (size_t i = 0; i < weights; i++)
        if (conv->weights[i] == INT8_MIN)
            return bad(err, path, net, conv->layer, "a weight is -128");
    for (int c = 0; c < out; c++) {
        int32_t m = conv->multipliers[c];
        if (m <= 0 || m >= SQZ_REQUANTIZE_MULTIPLIER_LIMIT || m % 2 == 0)
            return bad(err, path, net, conv->layer, "a multiplier is out of range");
        if (!sqz_integer_channel_holds(integer, index, c))
            return bad(err, path, net, conv->layer, "a sum could overflow");
    }
    return SQZ_OK;
}

enum sqz_status sqz_integer_net_check(const struct sqz_integer_net *integer, const char *path,
                                      struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < integer->n_convs && !status; i++)
        status = check_conv(integer, i, path, err);
    for (int i = 0; i < integer->n_adds && !status; i++) {
        const struct sqz_integer_add *add = &integer->adds[i];
        if (add->input_multiplier < 0 || add->input_multiplier >= SQZ_ADD_MULTIPLIER_LIMIT ||
            add->addend_multiplier < 0 || add->addend_multiplier >= SQZ_ADD_MULTIPLIER_LIMIT)
            status = bad(err, path, integer->net, add->layer, "a multiplier is out of range");
    }
    return status;
}
