// One training step: gradient, unscaling, clipping, accumulation, update, moving average.
#include "train/step/steps.h"

#include "train/step/passes.h"
#include "train/step/step_gradient.h"

#include <math.h>
#include <string.h>

enum { MOST_OVERFLOWS = 100 }; // running; then the weights themselves must be the cause

static bool needs_logits(const struct sqz_stepper_config *config)
{
    return config->loss.kind == SQZ_LOSS_JSD;
}

static size_t count_logits(const struct sqz_stepper_config *config)
{
    return (size_t)config->max_batch * (size_t)config->net->spec.classes;
}

enum sqz_status sqz_stepper_memory(const struct sqz_stepper_config *config,
                                   struct sqz_gradient_memory *engine, size_t *total,
                                   struct sqz_error *err)
{
    enum sqz_status status =
        sqz_gradient_memory(config->net, config->kernels, sqz_pool_size(config->pool),
                            config->max_batch, sqz_ranks_size(config->ranks), engine, err);
    if (status)
        return status;
    size_t buffers = 1 + (config->accumulate > 1) + (config->ema_decay > 0);
    // An exchange holds what comes from other ranks: a gradient or two.
    buffers += config->ranks ? 2 : 0;
    *total = engine->total + buffers * config->net->n_weights * sizeof(float);
    if (config->plain)
        *total += (config->net->n_weights + sqz_bn_stats_size(config->net) +
                   (config->ema_decay > 0) * config->plain->n_weights) *
                  sizeof(float);
    if (needs_logits(config))
        *total += 2 * count_logits(config) * sizeof(float);
    return SQZ_OK;
}

// A layer whose gamma is frozen keeps its moving statistics and uses them.
static void find_fixed(struct sqz_stepper *stepper)
{
    const struct sqz_net *net = stepper->config.net;
    const struct sqz_optimizer *optimizer = stepper->optimizer;
    for (int i = 0; i < net->n_layers; i++)
        for (int f = 0; net->layers[i].gamma >= 0 && f < optimizer->n_frozen; f++)
            if (optimizer->frozen[f].first == net->params[net->layers[i].gamma].offset)
                stepper->fixed[i] = true;
}

static bool make_bn(struct sqz_stepper *stepper)
{
    const struct sqz_stepper_config *config = &stepper->config;
    const struct sqz_net *net = config->net;
    stepper->model = stepper->weights;
    stepper->weights = sqz_new_aligned(net->n_weights, sizeof(float));
    stepper->statistics = sqz_new_aligned(sqz_bn_stats_size(net), sizeof(float));
    stepper->fixed = sqz_new_array((size_t)net->n_layers, sizeof *stepper->fixed);
    if (config->ema_decay > 0)
        stepper->folded = sqz_new_aligned(config->plain->n_weights, sizeof(float));
    if (!stepper->weights || !stepper->statistics || !stepper->fixed ||
        (config->ema_decay > 0 && !stepper->folded))
        return false;
    sqz_bn_insert(config->plain, stepper->model, net, stepper->weights);
    find_fixed(stepper);
    return true;
}

static bool make_buffers(struct sqz_stepper *stepper)
{
    const struct sqz_stepper_config *config = &stepper->config;
    size_t n = config->net->n_weights;
    bool made = (stepper->gradient = sqz_new_aligned(n, sizeof(float)));
    if (made && config->plain)
        made = make_bn(stepper);
    if (made && config->accumulate > 1)
        made = (stepper->accumulator = sqz_new_aligned(n, sizeof(float)));
    if (made && config->ema_decay > 0) {
        made = (stepper->ema = sqz_new_aligned(n, sizeof(float)));
        if (made)
            memcpy(stepper->ema, stepper->weights, n * sizeof(float));
    }
    if (made && needs_logits(config))
        made = (stepper->logits = sqz_new_aligned(count_logits(config), sizeof(float))) &&
               (stepper->dlogits = sqz_new_aligned(count_logits(config), sizeof(float)));
    return made;
}

enum sqz_status sqz_stepper_init(struct sqz_stepper *stepper,
                                 const struct sqz_stepper_config *config,
                                 const struct sqz_loss_scale *scale,
                                 struct sqz_optimizer *optimizer, float *weights,
                                 struct sqz_error *err)
{
    *stepper = (struct sqz_stepper){
        .config = *config, .optimizer = optimizer, .weights = weights, .counters.scale = *scale};
    if (stepper->counters.scale.scale == 0)
        stepper->counters.scale.scale = 1;
    enum sqz_status status =
        sqz_gradient_new(config->net, config->kernels, config->pool, config->max_batch,
                         sqz_ranks_size(config->ranks), &stepper->engine, err);
    if (!status && config->ranks)
        status = sqz_exchange_new(config->ranks, config->net, config->kernels, stepper->engine,
                                  config->bf16, &stepper->exchange, err);
    if (!status && !make_buffers(stepper))
        status = sqz_fail_memory(err, "the gradient", config->net->n_weights * sizeof(float));
    if (status)
        sqz_stepper_release(stepper);
    return status;
}

void sqz_stepper_release(struct sqz_stepper *stepper)
{
    sqz_exchange_free(stepper->exchange);
    sqz_gradient_free(stepper->engine);
    sqz_free(stepper->gradient);
    sqz_free(stepper->accumulator);
    sqz_free(stepper->ema);
    sqz_free(stepper->logits);
    sqz_free(stepper->dlogits);
    if (stepper->model)
        sqz_free(stepper->weights);
    sqz_free(stepper->folded);
    sqz_free(stepper->statistics);
    sqz_free(stepper->fixed);
    *stepper = (struct sqz_stepper){0};
}

void sqz_stepper_fold(const struct sqz_stepper *stepper)
{
    if (stepper->model)
        sqz_bn_fold(stepper->config.net, stepper->weights, stepper->config.plain, stepper->model);
}

const float *sqz_stepper_eval_weights(const struct sqz_stepper *stepper)
{
    if (stepper->fake_quant && stepper->fake_quant->export_weights)
        return stepper->fake_quant->export_weights;
    if (!stepper->model)
        return stepper->ema ? stepper->ema : stepper->weights;
    if (stepper->ema)
        sqz_bn_fold(stepper->config.net, stepper->ema, stepper->config.plain, stepper->folded);
    else
        sqz_stepper_fold(stepper);
    return stepper->ema ? stepper->folded : stepper->model;
}

static void clip(struct sqz_stepper *stepper, double norm)
{
    double bound = stepper->config.clip_value;
    if (bound > 0 && norm > bound)
        sqz_scale_all(stepper->config.pool, stepper->gradient, stepper->config.net->n_weights,
                      (float)(bound / norm));
}

// Adds to the accumulator; true when the group is complete.
static bool accumulate(struct sqz_stepper *stepper)
{
    if (!stepper->accumulator)
        return true;
    sqz_accumulate_all(stepper->config.pool, stepper->gradient, stepper->accumulator,
                       stepper->config.net->n_weights, (float)stepper->config.accumulate);
    return ++stepper->counters.group >= stepper->config.accumulate;
}

// Every micro-step, whether it updated the weights or not; young averages follow faster.
static void average(struct sqz_stepper *stepper)
{
    if (!stepper->ema)
        return;
    double u = (double)++stepper->counters.ema_updates;
    sqz_average_all(stepper->config.pool, stepper->weights, stepper->ema,
                    stepper->config.net->n_weights,
                    (float)(stepper->config.ema_decay * (1 - exp(-u / 2000))));
}

// A frozen weight has no gradient: it counts neither for the norm nor for the average.
static void freeze(struct sqz_stepper *stepper)
{
    const struct sqz_optimizer *optimizer = stepper->optimizer;
    for (int i = 0; i < optimizer->n_frozen; i++)
        memset(stepper->gradient + optimizer->frozen[i].first, 0,
               (optimizer->frozen[i].end - optimizer->frozen[i].first) * sizeof(float));
    if (stepper->fake_quant)
        sqz_fake_quant_gradient(stepper->fake_quant, stepper->weights, stepper->gradient);
}

static void update(struct sqz_stepper *stepper, double rate, struct sqz_step_result *out)
{
    const struct sqz_stepper_config *config = &stepper->config;
    size_t n_weights = config->net->n_weights;
    float *gradient = stepper->accumulator ? stepper->accumulator : stepper->gradient;
    if (stepper->fake_quant)
        sqz_fake_quant_before_update(stepper->fake_quant, stepper->weights, gradient);
    sqz_optimizer_update(stepper->optimizer, config->pool, rate, stepper->weights, gradient);
    if (stepper->fake_quant)
        sqz_fake_quant_after_update(stepper->fake_quant, stepper->weights);
    out->updated = true;
    stepper->counters.group = 0;
    if (stepper->accumulator)
        memset(stepper->accumulator, 0, n_weights * sizeof(float));
    // ReLU kernels may turn NaN into 0, so a network of NaN can show a healthy loss.
    out->finite = sqz_all_finite(config->pool, stepper->weights, n_weights);
}

// Before the first step from plain weights: gamma and beta such that normalising by this batch's
// statistics changes nothing. Ranks add the statistics up as they do gradients.
static enum sqz_status calibrate(struct sqz_stepper *stepper, const struct sqz_step_batch *batch,
                                 struct sqz_step_result *out)
{
    const struct sqz_net *net = stepper->config.net;
    if (!stepper->config.warm || stepper->calibrated || stepper->micro_steps > 0)
        return SQZ_OK;
    struct sqz_loss_job none = {0};
    struct sqz_gradient_step step = {.weights = stepper->weights,
                                     .images = batch->images,
                                     .n = batch->n,
                                     .rank = sqz_ranks_rank(stepper->config.ranks),
                                     .ranks = sqz_ranks_size(stepper->config.ranks),
                                     .seed = stepper->config.seed,
                                     .gradient = stepper->gradient};
    enum sqz_status status = sqz_step_pass(stepper, batch, &none, &step, out);
    if (status)
        return status;
    sqz_bn_extract_batch_stats(net, stepper->gradient, stepper->statistics);
    sqz_bn_calibrate(net, stepper->statistics, stepper->weights);
    if (stepper->ema)
        memcpy(stepper->ema, stepper->weights, net->n_weights * sizeof(float));
    stepper->calibrated = true;
    return SQZ_OK;
}

// The moving statistics begin as the plain mean of the first batches'; a short batch counts less.
static void follow(struct sqz_stepper *stepper, int n)
{
    const struct sqz_stepper_config *config = &stepper->config;
    if (!config->plain)
        return;
    double share = SQZ_BN_MOMENTUM, mean = 1 / (double)(stepper->counters.counted + 1);
    if (!config->warm && mean > share)
        share = mean;
    sqz_bn_update_running_stats(config->net, stepper->statistics, share * n / config->max_batch,
                                stepper->fixed, stepper->weights);
}

void sqz_stepper_run(struct sqz_stepper *stepper, const struct sqz_step_batch *batch, double rate,
                     struct sqz_step_result *out)
{
    const struct sqz_stepper_config *config = &stepper->config;
    struct sqz_step_counters *counters = &stepper->counters;
    struct sqz_loss_job job = {.scale = counters->scale.scale,
                               .maps = batch->maps,
                               .map_weight = batch->map_weight,
                               .n_maps = sqz_tensor_size(config->net, sqz_net_maps(config->net))};
    sqz_loss_begin(&config->loss, batch->labels, batch->targets, batch->n, &job.batch);
    *out = (struct sqz_step_result){0};
    out->status = calibrate(stepper, batch, out);
    if (out->status)
        return;
    const float *weights = stepper->fake_quant
                               ? sqz_fake_quant_weights(stepper->fake_quant, stepper->weights)
                               : stepper->weights;
    struct sqz_gradient_step step = {.weights = weights,
                                     .images = batch->images,
                                     .n = batch->n,
                                     .rank = sqz_ranks_rank(config->ranks),
                                     .ranks = sqz_ranks_size(config->ranks),
                                     .seed = config->seed,
                                     .micro_step = stepper->micro_steps,
                                     .gradient = stepper->gradient,
                                     .zero_fraction = &out->zero_fraction,
                                     .fixed = stepper->fixed};
    out->stop = batch->stop;
    out->status = sqz_step_gradient(stepper, batch, &job, &step, out);
    if (out->status)
        return;
    if (config->plain)
        sqz_bn_extract_batch_stats(config->net, stepper->gradient, stepper->statistics);
    out->zero_logits = (double)job.zeros / ((double)batch->n * config->net->spec.classes);
    if (job.scale != 1)
        sqz_scale_all(config->pool, stepper->gradient, config->net->n_weights,
                      (float)(1 / job.scale));
    freeze(stepper);
    out->gradient_norm =
        sqrt(config->kernels->sum_of_squares(stepper->gradient, config->net->n_weights));
    bool overflow = !isfinite(out->loss) || !isfinite(out->gradient_norm);
    sqz_loss_scale_step(&counters->scale, overflow);
    stepper->overflows = overflow ? stepper->overflows + 1 : 0;
    if (overflow && (!counters->scale.drops || stepper->overflows > MOST_OVERFLOWS))
        return;
    stepper->micro_steps++;
    out->finite = true;
    out->skipped = overflow;
    if (overflow)
        return;
    follow(stepper, batch->n);
    clip(stepper, out->gradient_norm);
    if (accumulate(stepper))
        update(stepper, rate, out);
    counters->counted++;
    if (out->finite)
        average(stepper);
}
