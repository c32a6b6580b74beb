// Calibration of the integer network (docs/integer-network.md, "Calibration"): scales of the
// activations from a quantile of the images' maxima, steps of the weights per output channel,
// second-order rounding, biases that take over the mean of what rounding took away.
#include "compress/integer_calibrate.h"

#include "base/memory.h"
#include "compress/gptq.h"
#include "kernels/requantize.h"
#include "net/activations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_QUANTILE 0.95 // of the images' maxima; the KL is flat between 0.8 and 0.95
#define BLOCK          4    // images observed at once
#define MAX_WEIGHT     127
#define MAX_PAIR       128 // two neighbours of one sign: 255 * 128 fits 16 bits signed
// A channel's step is at least this share of its layer's largest: below, its multiplier would have
// less than 10 bits.
#define LEAST_STEP (1.0 / 8192)

struct work {
    const struct sqz_calibration *c;
    struct sqz_integer_net *integer;
    struct sqz_input_statistics *statistics; // one a convolution
    int n_statistics;
    double *scales; // one a tensor: the value of an activation of 1
    double **steps; // [conv][out]: the value of a weight of 1
};

// --- Ranges ---

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float largest(const float *values, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

// maxima: [tensor][image]
static enum sqz_status find_maxima(const struct work *w, float *maxima, struct sqz_error *err)
{
    const struct sqz_calibration *c = w->c;
    struct sqz_activations *activations = NULL;
    float *images = sqz_new_aligned(BLOCK * sqz_tensor_size(c->net, 0), sizeof *images);
    enum sqz_status status =
        images
            ? sqz_activations_new(c->net, c->weights, c->kernels, c->pool, BLOCK, &activations, err)
            : sqz_fail_memory(err, "images", BLOCK * sqz_tensor_size(c->net, 0) * sizeof(float));
    for (int first = 0; first < c->n_images && !status; first += BLOCK) {
        int n = c->n_images - first < BLOCK ? c->n_images - first : BLOCK;
        status = c->progress(c->progress_arg, "ranges", first, c->n_images, err);
        if (!status)
            status = c->images(c->images_arg, first, n, images, err);
        if (status)
            break;
        sqz_forward_all(activations, images, n);
        for (int i = 0; i < n; i++)
            for (int t = 1; t < c->net->n_tensors; t++)
                maxima[t * c->n_images + first + i] =
                    largest(sqz_activations_tensor(activations, i, t), sqz_tensor_size(c->net, t));
    }
    sqz_activations_free(activations);
    sqz_free(images);
    return status;
}

static double quantile(float *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    double at = RANGE_QUANTILE * (n - 1);
    int below = (int)at;
    double rest = at - below;
    return (1 - rest) * (double)values[below] +
           rest * (double)values[below + 1 < n ? below + 1 : below];
}

static enum sqz_status find_ranges(struct work *w, struct sqz_error *err)
{
    const struct sqz_calibration *c = w->c;
    size_t n = (size_t)c->net->n_tensors * (size_t)c->n_images;
    float *maxima = sqz_new_array(n, sizeof *maxima);
    enum sqz_status status =
        maxima ? find_maxima(w, maxima, err) : sqz_fail_memory(err, "ranges", n * sizeof *maxima);
    for (int t = 1; t < c->net->n_tensors && !status; t++) {
        double range = quantile(maxima + t * c->n_images, c->n_images);
        w->scales[t] = range > 0 ? range / 255 : 1;
    }
    w->scales[0] = 1; // pixels as they are
    sqz_free(maxima);
    return status;
}

// A pool hands its input's values on, and a multiplier has to stay below 1/4 so that its shift
// is at least SQZ_REQUANTIZE_SHIFT_LEAST.
static void settle_scales(struct work *w)
{
    const struct sqz_net *net = w->c->net;
    int conv = 0;
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        double *scale = &w->scales[layer->output];
        if (layer->kind == SQZ_LAYER_MAXPOOL)
            *scale = w->scales[layer->input];
        if (layer->kind != SQZ_LAYER_CONV)
            continue;
        const double *steps = w->steps[conv++];
        for (int o = 0; o < layer->channels && conv < w->integer->n_convs; o++) {
            double least = 4.01 * w->scales[layer->input] * steps[o];
            *scale = *scale < least ? least : *scale;
        }
    }
}

// --- Weights ---

// One convolution's weights in the making. Rows are OIHW: [in][ky][kx].
struct rows {
    int out, in, kernel, columns;
    float *weights;  // [out][columns], of the folded network
    double *bias;    // [out]
    int16_t *codes;  // [out][columns]
    float *unscaled; // [out][columns]: weights in steps
};

// Where column `i` of an OIHW row lies in an integer row, [ky][kx][in].
static int integer_column(const struct rows *r, int i)
{
    int taps = r->kernel * r->kernel;
    return i % taps * r->in + i / taps;
}

// conv1 reads pixels: w (x - mean) / std = (w / std) x - w mean / std.
static void fold_preprocess(struct rows *r, const struct sqz_preprocess *p)
{
    int taps = r->kernel * r->kernel;
    for (int o = 0; o < r->out; o++)
        for (int i = 0; i < r->columns; i++) {
            float *weight = &r->weights[(size_t)o * (size_t)r->columns + (size_t)i];
            *weight /= p->std[i / taps];
            r->bias[o] -= (double)*weight * (double)p->mean[i / taps];
        }
}

// What conv1's moments are in pixels.
static void unfold_statistics(struct sqz_input_statistics *m, const struct sqz_preprocess *p,
                              int taps)
{
    for (int i = 0; i < m->columns; i++) {
        double std = (double)p->std[i / taps];
        m->mean[i] = m->mean[i] * std + (double)p->mean[i / taps];
        for (int j = 0; j < m->columns; j++)
            m->covariance[(size_t)i * (size_t)m->columns + (size_t)j] *=
                std * (double)p->std[j / taps];
    }
}

static void release_rows(struct rows *r)
{
    sqz_free(r->weights);
    sqz_free(r->bias);
    sqz_free(r->codes);
    sqz_free(r->unscaled);
}

static enum sqz_status take_rows(const struct work *w, int index, struct rows *r,
                                 struct sqz_error *err)
{
    const struct sqz_net *net = w->c->net;
    const struct sqz_layer *layer = &net->layers[w->integer->convs[index].layer];
    const struct sqz_param *param = &net->params[layer->weight];
    const float *bias = w->c->weights + net->params[layer->bias].offset;
    *r = (struct rows){.out = param->out, .in = param->in, .kernel = param->kh};
    r->columns = r->in * r->kernel * r->kernel;
    r->weights = sqz_new_array(param->size, sizeof *r->weights);
    r->bias = sqz_new_array((size_t)r->out, sizeof *r->bias);
    r->codes = sqz_new_array(param->size, sizeof *r->codes);
    r->unscaled = sqz_new_array(param->size, sizeof *r->unscaled);
    if (!r->weights || !r->bias || !r->codes || !r->unscaled)
        return sqz_fail_memory(err, "the weights of a layer", param->size * sizeof(float));
    sqz_param_to_oihw(param, w->c->weights, r->weights);
    for (int o = 0; o < r->out; o++)
        r->bias[o] = (double)bias[o];
    if (layer->input == 0)
        fold_preprocess(r, w->c->preprocess);
    return SQZ_OK;
}

// The smallest step with which a row's weights stay within a byte, and neighbours of one sign
// within MAX_PAIR together.
static double row_step(const struct rows *r, const float *row, float *packed)
{
    double most = 0, pair = 0;
    for (int i = 0; i < r->columns; i++)
        packed[integer_column(r, i)] = row[i];
    int run = r->kernel * r->in;
    for (int i = 0; i < r->columns; i++) {
        double a = (double)packed[i], b = i % run + 1 < run ? (double)packed[i + 1] : 0;
        most = fabs(a) > most ? fabs(a) : most;
        if (i % run % 2 == 0 && a * b > 0 && fabs(a + b) > pair)
            pair = fabs(a + b);
    }
    return most / MAX_WEIGHT > pair / MAX_PAIR ? most / MAX_WEIGHT : pair / MAX_PAIR;
}

static enum sqz_status find_steps(struct work *w, int index, struct sqz_error *err)
{
    struct rows r;
    double largest_step = 0, *steps = w->steps[index];
    enum sqz_status status = take_rows(w, index, &r, err);
    for (int o = 0; o < r.out && !status; o++) {
        steps[o] = row_step(&r, r.weights + (size_t)o * (size_t)r.columns, r.unscaled);
        largest_step = steps[o] > largest_step ? steps[o] : largest_step;
    }
    for (int o = 0; o < r.out && !status; o++) {
        if (steps[o] < LEAST_STEP * largest_step)
            steps[o] = LEAST_STEP * largest_step;
        if (!(steps[o] > 0)) // no weight of the layer differs from 0
            steps[o] = 1;
    }
    release_rows(&r);
    return status;
}

// Rounding may have broken the pair rule: the larger of two neighbours gives way.
static void mend_pairs(const struct rows *r, int8_t *weights)
{
    int run = r->kernel * r->in;
    for (int begin = 0; begin < r->columns; begin += run)
        for (int i = begin; i + 1 < begin + run; i += 2) {
            int8_t *a = &weights[i], *b = &weights[i + 1];
            while (*a + *b > MAX_PAIR || *a + *b < -MAX_PAIR) {
                int8_t *larger = abs(*a) >= abs(*b) ? a : b;
                *larger = (int8_t)(*larger > 0 ? *larger - 1 : *larger + 1);
            }
        }
}

// The bias in units of a sum, with the mean of what rounding took from the weights.
static double integer_bias(const struct work *w, int index, const struct rows *r, int o)
{
    const struct sqz_integer_conv *conv = &w->integer->convs[index];
    const struct sqz_input_statistics *m = &w->statistics[index];
    double step = w->steps[index][o], bias = r->bias[o];
    for (int i = 0; i < r->columns; i++) {
        double rounded = step * conv->weights[o * r->columns + integer_column(r, i)];
        bias += ((double)r->weights[o * r->columns + i] - rounded) * m->mean[i];
    }
    return bias / (w->scales[w->c->net->layers[conv->layer].input] * step);
}

static double multiplier(const struct work *w, int index, int o)
{
    const struct sqz_net *net = w->c->net;
    const struct sqz_layer *layer = &net->layers[w->integer->convs[index].layer];
    double value = w->scales[layer->input] * w->steps[index][o];
    if (index < w->integer->n_convs - 1)
        return value / w->scales[layer->output];
    const struct sqz_tensor *map = &net->tensors[layer->output];
    return value * 65536 / ((double)map->h * map->w);
}

static void set_multipliers(const struct work *w, int index, int out)
{
    struct sqz_integer_conv *conv = &w->integer->convs[index];
    bool last = index == w->integer->n_convs - 1;
    double most = 0, limit = SQZ_REQUANTIZE_MULTIPLIER_LIMIT;
    for (int o = 0; o < out; o++)
        most = multiplier(w, index, o) > most ? multiplier(w, index, o) : most;
    conv->shift = last ? SQZ_CLASS_SHIFT_MOST : SQZ_REQUANTIZE_SHIFT_MOST;
    while (conv->shift > 1 && ldexp(most, conv->shift) >= limit)
        conv->shift--;
    for (int o = 0; o < out; o++) {
        double m = multiplier(w, index, o);
        double odd = 2 * floor(ldexp(m, conv->shift - 1)) + 1;
        conv->multipliers[o] = (int32_t)(odd < limit ? odd : limit - 1);
    }
}

static void set_bias(const struct work *w, int index, const struct rows *r, int o)
{
    double bias = rint(integer_bias(w, index, r, o));
    double limit = SQZ_REQUANTIZE_SUM_LIMIT; // beyond it, the channel does not hold anyway
    w->integer->convs[index].bias[o] = (int32_t)(bias > limit    ? limit
                                                 : bias < -limit ? -limit
                                                                 : bias);
}

// Plain rounding with a larger step, for a channel whose sums would not fit.
static void widen_channel(const struct work *w, int index, const struct rows *r, int o)
{
    int8_t *weights = w->integer->convs[index].weights + (size_t)o * (size_t)r->columns;
    double step = w->steps[index][o] *= 1.25;
    for (int i = 0; i < r->columns; i++)
        weights[integer_column(r, i)] =
            (int8_t)rint((double)r->weights[(size_t)o * (size_t)r->columns + (size_t)i] / step);
    mend_pairs(r, weights);
    set_bias(w, index, r, o);
}

static enum sqz_status round_conv(struct work *w, int index, struct sqz_error *err)
{
    struct sqz_integer_conv *conv = &w->integer->convs[index];
    struct rows r;
    enum sqz_status status = take_rows(w, index, &r, err);
    const struct sqz_candidate one_step = {.step = 1};
    double distortion;
    struct sqz_gptq_job job = {.weights = r.unscaled,
                               .rows = r.out,
                               .statistics = &w->statistics[index],
                               .candidates = &one_step,
                               .n_candidates = 1,
                               .max_code = MAX_WEIGHT,
                               .codes = &r.codes,
                               .distortion = &distortion};
    for (int o = 0; o < r.out && !status; o++)
        for (int i = 0; i < r.columns; i++)
            r.unscaled[o * r.columns + i] =
                (float)((double)r.weights[o * r.columns + i] / w->steps[index][o]);
    if (!status && conv->layer == 0)
        unfold_statistics(&w->statistics[index], w->c->preprocess, r.kernel * r.kernel);
    if (!status)
        status = sqz_gptq_run(&job, w->c->pool, err);
    for (int o = 0; o < r.out && !status; o++) {
        int8_t *weights = conv->weights + (size_t)o * (size_t)r.columns;
        for (int i = 0; i < r.columns; i++)
            weights[integer_column(&r, i)] = (int8_t)r.codes[o * r.columns + i];
        mend_pairs(&r, weights);
        set_bias(w, index, &r, o);
    }
    // A wider step changes the layer's shift and so every channel's multiplier: begin again.
    for (bool again = !status; again;) {
        again = false;
        set_multipliers(w, index, r.out);
        for (int o = 0; o < r.out; o++)
            if (!sqz_integer_channel_holds(w->integer, index, o)) {
                widen_channel(w, index, &r, o);
                again = true;
            }
    }
    for (int o = 0; o < r.out && !status; o++) {
        double step = w->steps[index][o];
        conv->steps[o] = (float)step;
        conv->units[o] = (float)(step * w->scales[w->c->net->layers[conv->layer].input]);
    }
    release_rows(&r);
    return status;
}

static void set_additions(struct work *w)
{
    for (int i = 0; i < w->integer->n_adds; i++) {
        struct sqz_integer_add *add = &w->integer->adds[i];
        const struct sqz_layer *layer = &w->c->net->layers[add->layer];
        double unit = ldexp(1, SQZ_ADD_SHIFT), out = w->scales[layer->output];
        double a = rint(unit * w->scales[layer->input] / out);
        double b = rint(unit * w->scales[layer->addend] / out);
        add->input_multiplier =
            (int32_t)(a < SQZ_ADD_MULTIPLIER_LIMIT ? a : SQZ_ADD_MULTIPLIER_LIMIT - 1);
        add->addend_multiplier =
            (int32_t)(b < SQZ_ADD_MULTIPLIER_LIMIT ? b : SQZ_ADD_MULTIPLIER_LIMIT - 1);
    }
}

static void set_pad_pixel(struct work *w)
{
    for (int c = 0; c < w->c->net->spec.channels; c++) {
        float mean = rintf(w->c->preprocess->mean[c]);
        w->integer->pad_pixel[c] = (uint8_t)(mean < 0 ? 0 : mean > 255 ? 255 : mean);
    }
}

static enum sqz_status take_memory(struct work *w, struct sqz_error *err)
{
    const struct sqz_net *net = w->c->net;
    int n = w->integer->n_convs;
    w->scales = sqz_new_array((size_t)net->n_tensors, sizeof *w->scales);
    w->steps = sqz_new_array((size_t)n, sizeof *w->steps);
    bool ok = w->scales && w->steps;
    for (int i = 0; i < n && ok; i++) {
        int out = net->layers[w->integer->convs[i].layer].channels;
        w->steps[i] = sqz_new_array((size_t)out, sizeof **w->steps);
        ok = w->steps[i] != NULL;
    }
    return ok ? SQZ_OK : sqz_fail_memory(err, "calibration", net->n_weights);
}

static void release_work(struct work *w)
{
    sqz_input_statistics_free(w->statistics, w->n_statistics);
    for (int i = 0; w->steps && i < w->integer->n_convs; i++)
        sqz_free(w->steps[i]);
    sqz_free(w->steps);
    sqz_free(w->scales);
}

enum sqz_status sqz_integer_calibrate(const struct sqz_calibration *c, struct sqz_integer_net **out,
                                      struct sqz_error *err)
{
    struct work w = {.c = c};
    enum sqz_status status = sqz_integer_net_new(c->net, &w.integer, err);
    if (status)
        return status;
    status = take_memory(&w, err);
    if (!status)
        status = sqz_input_statistics_new(c->net, c->weights, c->kernels, c->pool, c->images,
                                          c->images_arg, c->n_images, c->progress, c->progress_arg,
                                          &w.statistics, &w.n_statistics, err);
    if (!status)
        status = find_ranges(&w, err);
    for (int i = 0; i < w.integer->n_convs && !status; i++)
        status = find_steps(&w, i, err);
    if (!status) {
        settle_scales(&w);
        set_pad_pixel(&w);
    }
    for (int i = 0; i < w.integer->n_convs && !status; i++) {
        status = c->progress(c->progress_arg, "round", i, w.integer->n_convs, err);
        if (!status)
            status = round_conv(&w, i, err);
    }
    if (!status) {
        set_additions(&w);
        status = sqz_integer_net_check(w.integer, "The calibrated model", err);
    }
    release_work(&w);
    if (status) {
        sqz_integer_net_free(w.integer);
        return status;
    }
    *out = w.integer;
    return SQZ_OK;
}
