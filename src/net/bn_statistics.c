// Statistics of a group in double, and the coefficients that follow from them.
//
// With mean m and 1 / standard deviation r of a channel, h = (x - m) r is normalised and
// y = gamma h + beta. Backwards, with g the gradient of y and averages over the group's pixels,
// dx = gamma r (g - average(g) - h average(g h)), which is a g + b x + c.
#include "net/bn_statistics.h"

#include "net/bn.h"

#include <math.h>

float *sqz_bn_numbers(const struct sqz_bn_group *group, enum sqz_bn_number which, int tensor)
{
    const struct sqz_bn_plan *plan = group->plan;
    return group->channels + (size_t)which * plan->n_channels + plan->tensors[tensor].channel;
}

// The tasks' sums of one channel: (0+1), (2+3), then pairs of those.
static double add_tasks(double *sums, size_t stride, int tasks)
{
    for (int step = 1; step < tasks; step *= 2)
        for (int i = 0; i + step < tasks; i += 2 * step)
            sums[(size_t)i * stride] += sums[(size_t)(i + step) * stride];
    return sums[0];
}

// What a convolution wrote, looked at channel by channel.
struct slice {
    const struct sqz_layer *layer;
    size_t channel;                        // its first one among all normalised channels
    double pixels;                         // of the group
    float *gamma, *beta, *mean, *variance; // parameters
    float *scale, *shift, *a, *b, *c;
    double *moment, *inverse; // mean, 1 / standard deviation
    bool fixed;               // normalised by the running statistics
};

static struct slice slice_of(const struct sqz_bn_group *group, int index)
{
    const struct sqz_net *net = group->net;
    const struct sqz_bn_plan *plan = group->plan;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *out = &net->tensors[layer->output];
    float *weights = (float *)group->step->weights; // only read
    size_t channel = plan->tensors[layer->output].channel + (size_t)layer->channel;
    float *numbers = group->channels + channel;
    return (struct slice){.layer = layer,
                          .channel = channel,
                          .pixels = (double)group->n * out->h * out->w,
                          .gamma = weights + net->params[layer->gamma].offset,
                          .beta = weights + net->params[layer->bias].offset,
                          .mean = weights + net->params[layer->gamma + 1].offset,
                          .variance = weights + net->params[layer->gamma + 2].offset,
                          .scale = numbers + SQZ_BN_SCALE * plan->n_channels,
                          .shift = numbers + SQZ_BN_SHIFT * plan->n_channels,
                          .a = numbers + SQZ_BN_A * plan->n_channels,
                          .b = numbers + SQZ_BN_B * plan->n_channels,
                          .c = numbers + SQZ_BN_C * plan->n_channels,
                          .moment = group->moments + channel,
                          .inverse = group->moments + plan->n_channels + channel,
                          .fixed = !group->step->loss ||
                                   (group->step->fixed && group->step->fixed[index])};
}

static void forward_channel(struct sqz_bn_group *group, const struct slice *slice, int c, int tasks)
{
    const struct sqz_net *net = group->net;
    const size_t n = group->plan->n_channels, channel = slice->channel + (size_t)c;
    const double share = (double)group->n / group->step->n;
    double mean = add_tasks(group->sums + channel, 2 * n, tasks) / slice->pixels;
    double squares = add_tasks(group->sums + n + channel, 2 * n, tasks) / slice->pixels;
    double variance = squares - mean * mean;
    variance = variance > 0 ? variance : 0;
    // What the running variance follows is the estimate for all images; a calibration wants that
    // of these.
    double unbiased = group->step->loss && slice->pixels > 1
                          ? variance * slice->pixels / (slice->pixels - 1)
                          : variance;
    const struct sqz_param *to = &net->params[slice->layer->gamma + 1];
    group->gradient[to[0].offset + (size_t)c] = (float)(share * mean);
    group->gradient[to[1].offset + (size_t)c] = (float)(share * unbiased);
    if (slice->fixed) {
        mean = slice->mean[c];
        variance = slice->variance[c];
    }
    slice->moment[c] = mean;
    slice->inverse[c] = 1 / sqrt(variance + SQZ_BN_EPSILON);
    double scale = slice->gamma[c] * slice->inverse[c];
    slice->scale[c] = (float)scale;
    slice->shift[c] = (float)(slice->beta[c] - mean * scale);
}

static void backward_channel(struct sqz_bn_group *group, const struct slice *slice, int c,
                             int tasks)
{
    const struct sqz_net *net = group->net;
    const size_t n = group->plan->n_channels, channel = slice->channel + (size_t)c;
    const double mean = slice->moment[c], inverse = slice->inverse[c];
    double sum = add_tasks(group->sums + channel, 2 * n, tasks);
    double product = add_tasks(group->sums + n + channel, 2 * n, tasks);
    double along = inverse * (product - mean * sum); // sum of g h
    group->gradient[net->params[slice->layer->bias].offset + (size_t)c] = (float)sum;
    group->gradient[net->params[slice->layer->gamma].offset + (size_t)c] = (float)along;
    double a = slice->gamma[c] * inverse, b = 0, c0 = 0;
    if (!slice->fixed) {
        b = -a * inverse * along / slice->pixels;
        c0 = -a * sum / slice->pixels - b * mean;
    }
    slice->a[c] = (float)a;
    slice->b[c] = (float)b;
    slice->c[c] = (float)c0;
}

// Every channel that the stage normalises.
static void each_channel(struct sqz_bn_group *group, int tasks,
                         void (*finish)(struct sqz_bn_group *group, const struct slice *slice,
                                        int c, int tasks))
{
    const struct sqz_bn_stage *stage = &group->plan->stages[group->stage];
    for (int i = stage->first; i < stage->end; i++) {
        if (group->net->layers[i].gamma < 0)
            continue;
        struct slice slice = slice_of(group, i);
        for (int c = 0; c < slice.layer->channels; c++)
            finish(group, &slice, c, tasks);
    }
}

void sqz_bn_begin(struct sqz_bn_group *group)
{
    const struct sqz_net *net = group->net;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (layer->gamma < 0)
            continue;
        const float *gamma = group->step->weights + net->params[layer->gamma].offset;
        float *sign = sqz_bn_numbers(group, SQZ_BN_SIGN, layer->output) + layer->channel;
        for (int c = 0; c < layer->channels; c++)
            sign[c] = gamma[c] < 0 ? -1 : 1;
    }
}

void sqz_bn_finish_forward(struct sqz_bn_group *group, int tasks)
{
    each_channel(group, tasks, forward_channel);
}

void sqz_bn_finish_backward(struct sqz_bn_group *group, int tasks)
{
    each_channel(group, tasks, backward_channel);
}
