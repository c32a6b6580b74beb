// Inserts batch normalisation into a network's parameters, folds it, updates running statistics.
#include "net/bn.h"

#include <math.h>
#include <string.h>

// One convolution's parameters in the buffer of a network with BN.
struct places {
    float *weight, *beta, *gamma, *mean, *variance;
};

static struct places places_of(const struct sqz_net *net, const struct sqz_layer *layer,
                               const float *weights)
{
    float *base = (float *)weights; // read only where the caller's buffer is
    struct places at = {base + net->params[layer->weight].offset,
                        base + net->params[layer->bias].offset, NULL, NULL, NULL};
    if (layer->gamma < 0)
        return at;
    at.gamma = base + net->params[layer->gamma].offset;
    at.mean = base + net->params[layer->gamma + 1].offset;
    at.variance = base + net->params[layer->gamma + 2].offset;
    return at;
}

void sqz_bn_insert(const struct sqz_net *plain, const float *weights, const struct sqz_net *net,
                   float *out)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        struct places from = places_of(plain, &plain->layers[i], weights);
        struct places to = places_of(net, layer, out);
        memcpy(to.weight, from.weight, net->params[layer->weight].size * sizeof(float));
        memcpy(to.beta, from.beta, (size_t)layer->channels * sizeof(float));
        for (int c = 0; to.gamma && c < layer->channels; c++) {
            to.gamma[c] = 1;
            to.mean[c] = 0;
            to.variance[c] = (float)(1 - SQZ_BN_EPSILON);
        }
    }
}

static void fold_channel(const struct places *from, int channel, size_t stride, size_t rows,
                         const struct places *to)
{
    double scale = from->gamma[channel] / sqrt((double)from->variance[channel] + SQZ_BN_EPSILON);
    for (size_t r = 0; r < rows; r++)
        to->weight[r * stride + (size_t)channel] =
            (float)(from->weight[r * stride + (size_t)channel] * scale);
    to->beta[channel] = (float)(from->beta[channel] - from->mean[channel] * scale);
}

void sqz_bn_fold(const struct sqz_net *net, const float *weights, const struct sqz_net *plain,
                 float *out)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        struct places from = places_of(net, layer, weights);
        struct places to = places_of(plain, &plain->layers[i], out);
        size_t channels = (size_t)layer->channels, size = net->params[layer->weight].size;
        if (from.gamma) {
            for (int c = 0; c < layer->channels; c++)
                fold_channel(&from, c, channels, size / channels, &to);
            continue;
        }
        memcpy(to.weight, from.weight, size * sizeof(float));
        memcpy(to.beta, from.beta, channels * sizeof(float));
    }
}

size_t sqz_bn_stats_size(const struct sqz_net *net)
{
    size_t n = 0;
    for (int p = 0; p < net->n_params; p++)
        if (net->params[p].kind == SQZ_PARAM_STATISTIC)
            n += net->params[p].size;
    return n;
}

void sqz_bn_extract_batch_stats(const struct sqz_net *net, float *gradient, float *statistics)
{
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        if (param->kind != SQZ_PARAM_STATISTIC)
            continue;
        memcpy(statistics, gradient + param->offset, param->size * sizeof *statistics);
        memset(gradient + param->offset, 0, param->size * sizeof *gradient);
        statistics += param->size;
    }
}

void sqz_bn_update_running_stats(const struct sqz_net *net, const float *statistics, double share,
                                 const bool *fixed, float *weights)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->gamma < 0)
            continue;
        float *moving = weights + net->params[layer->gamma + 1].offset; // mean, then variance
        for (int c = 0; !(fixed && fixed[i]) && c < 2 * layer->channels; c++)
            moving[c] += (float)(share * ((double)statistics[c] - moving[c]));
        statistics += 2 * layer->channels;
    }
}

void sqz_bn_calibrate(const struct sqz_net *net, const float *statistics, float *weights)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->gamma < 0)
            continue;
        struct places at = places_of(net, layer, weights);
        for (int c = 0; c < layer->channels; c++) {
            at.mean[c] = statistics[c];
            at.variance[c] = statistics[layer->channels + c];
            at.gamma[c] = (float)sqrt((double)at.variance[c] + SQZ_BN_EPSILON);
            at.beta[c] += at.mean[c];
        }
        statistics += 2 * layer->channels;
    }
}
