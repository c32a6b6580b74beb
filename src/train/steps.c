// One training step: gradient, unscaling, clipping, accumulation, update, moving average.
#include "train/steps.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 1 << 15,     // floats per task of the elementwise passes
    MOST_OVERFLOWS = 100 // running; then the weights themselves must be the cause
};

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
    enum sqz_status status = sqz_gradient_memory(
        config->net, config->kernels, sqz_pool_size(config->pool), config->max_batch, engine, err);
    if (status)
        return status;
    size_t buffers = 1 + (config->accumulate > 1) + (config->ema_decay > 0);
    *total = engine->total + buffers * config->net->n_weights * sizeof(float);
    if (needs_logits(config))
        *total += 2 * count_logits(config) * sizeof(float);
    return SQZ_OK;
}

static bool make_buffers(struct sqz_stepper *stepper)
{
    const struct sqz_stepper_config *config = &stepper->config;
    size_t n = config->net->n_weights;
    bool made = (stepper->gradient = sqz_new_aligned(n, sizeof(float)));
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
    enum sqz_status status = sqz_gradient_new(config->net, config->kernels, config->pool,
                                              config->max_batch, &stepper->engine, err);
    if (status)
        return status;
    if (!make_buffers(stepper)) {
        sqz_stepper_release(stepper);
        return sqz_fail_memory(err, "the gradient", config->net->n_weights * sizeof(float));
    }
    return SQZ_OK;
}

void sqz_stepper_release(struct sqz_stepper *stepper)
{
    sqz_gradient_free(stepper->engine);
    sqz_free(stepper->gradient);
    sqz_free(stepper->accumulator);
    sqz_free(stepper->ema);
    sqz_free(stepper->logits);
    sqz_free(stepper->dlogits);
    *stepper = (struct sqz_stepper){0};
}

const float *sqz_stepper_judged(const struct sqz_stepper *stepper)
{
    if (stepper->served && stepper->served->judged)
        return stepper->served->judged;
    return stepper->ema ? stepper->ema : stepper->weights;
}

struct loss_job {
    struct sqz_loss_batch batch;
    double scale;
    int zeros;      // among all logits; a count, so the order of the leaves does not matter
    float *logits;  // jsd, first pass: where they go
    float *dlogits; // jsd, second pass: where their gradient lies
};

static double leaf_loss(void *arg, int first, int n, const float *logits, float *dlogits)
{
    struct loss_job *job = arg;
    size_t classes = (size_t)job->batch.loss->classes, size = (size_t)n * classes;
    size_t at = (size_t)first * classes;
    int zeros = 0;
    if (job->dlogits) {
        memcpy(dlogits, job->dlogits + at, size * sizeof *dlogits);
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        zeros += logits[i] == 0;
    __atomic_fetch_add(&job->zeros, zeros, __ATOMIC_RELAXED);
    if (job->logits) {
        memcpy(job->logits + at, logits, size * sizeof *logits);
        memset(dlogits, 0, size * sizeof *dlogits);
        return 0;
    }
    return sqz_loss_rows(&job->batch, first, n, logits, job->scale, dlogits);
}

// The loss, and the gradient times the loss scale. The jsd loss looks at three rows at once, which
// may lie in different leaves: it takes a pass for the logits and a second one, with the same
// dropout masks, for the gradient.
static double run_engine(struct sqz_stepper *stepper, struct loss_job *job,
                         struct sqz_gradient_step *step)
{
    step->loss = leaf_loss;
    step->loss_arg = job;
    job->logits = stepper->logits;
    sqz_gradient_run(stepper->engine, step);
    if (!stepper->logits)
        return step->loss_value;
    double value = sqz_loss_jsd(&job->batch, stepper->logits, job->scale, stepper->dlogits);
    job->dlogits = stepper->dlogits;
    sqz_gradient_run(stepper->engine, step);
    return value;
}

// The elementwise passes over a parameter-sized buffer.
struct pass {
    const float *in;
    float *out;
    size_t n;
    float factor;
    int not_finite; // set by any task
};

static size_t pass_end(const struct pass *pass, int task)
{
    size_t end = ((size_t)task + 1) * CHUNK;
    return end < pass->n ? end : pass->n;
}

static int pass_tasks(const struct pass *pass)
{
    return (int)((pass->n + CHUNK - 1) / CHUNK);
}

static void scale_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] *= pass->factor;
}

static void accumulate_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] += pass->in[i] / pass->factor;
}

static void average_task(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    (void)worker;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        pass->out[i] += (1 - pass->factor) * (pass->in[i] - pass->out[i]); // exact when equal
}

static void finite_task(void *arg, int task, int worker)
{
    struct pass *pass = arg;
    (void)worker;
    // x - x is 0 for finite x and NaN otherwise, and one NaN poisons the sum.
    float sum = 0;
    for (size_t i = (size_t)task * CHUNK, end = pass_end(pass, task); i < end; i++)
        sum += pass->in[i] - pass->in[i];
    if (sum != 0)
        __atomic_store_n(&pass->not_finite, 1, __ATOMIC_RELAXED);
}

bool sqz_all_finite(struct sqz_pool *pool, const float *values, size_t n)
{
    struct pass pass = {.in = values, .n = n};
    sqz_pool_run(pool, pass_tasks(&pass), finite_task, &pass);
    return !pass.not_finite;
}

static void scale_gradient(struct sqz_stepper *stepper, double factor)
{
    struct pass pass = {
        .out = stepper->gradient, .n = stepper->config.net->n_weights, .factor = (float)factor};
    sqz_pool_run(stepper->config.pool, pass_tasks(&pass), scale_task, &pass);
}

static void clip(struct sqz_stepper *stepper, double norm)
{
    double bound = stepper->config.clip_value;
    if (bound > 0 && norm > bound)
        scale_gradient(stepper, bound / norm);
}

// Adds to the accumulator; true when the group is complete.
static bool accumulate(struct sqz_stepper *stepper)
{
    if (!stepper->accumulator)
        return true;
    struct pass pass = {.in = stepper->gradient,
                        .out = stepper->accumulator,
                        .n = stepper->config.net->n_weights,
                        .factor = (float)stepper->config.accumulate};
    sqz_pool_run(stepper->config.pool, pass_tasks(&pass), accumulate_task, &pass);
    return ++stepper->counters.group >= stepper->config.accumulate;
}

// Every micro-step, whether it updated the weights or not; young averages follow faster.
static void average(struct sqz_stepper *stepper)
{
    if (!stepper->ema)
        return;
    double u = (double)++stepper->counters.ema_updates;
    struct pass pass = {.in = stepper->weights,
                        .out = stepper->ema,
                        .n = stepper->config.net->n_weights,
                        .factor = (float)(stepper->config.ema_decay * (1 - exp(-u / 2000)))};
    sqz_pool_run(stepper->config.pool, pass_tasks(&pass), average_task, &pass);
}

// A frozen weight has no gradient: it counts neither for the norm nor for the average.
static void freeze(struct sqz_stepper *stepper)
{
    const struct sqz_optimizer *optimizer = stepper->optimizer;
    for (int i = 0; i < optimizer->n_frozen; i++)
        memset(stepper->gradient + optimizer->frozen[i].first, 0,
               (optimizer->frozen[i].end - optimizer->frozen[i].first) * sizeof(float));
    if (stepper->served)
        sqz_served_gradient(stepper->served, stepper->weights, stepper->gradient);
}

static void update(struct sqz_stepper *stepper, double rate, struct sqz_step_result *out)
{
    const struct sqz_stepper_config *config = &stepper->config;
    size_t n_weights = config->net->n_weights;
    float *gradient = stepper->accumulator ? stepper->accumulator : stepper->gradient;
    if (stepper->served)
        sqz_served_before_update(stepper->served, stepper->weights, gradient);
    sqz_optimizer_update(stepper->optimizer, config->pool, rate, stepper->weights, gradient);
    if (stepper->served)
        sqz_served_after_update(stepper->served, stepper->weights);
    out->updated = true;
    stepper->counters.group = 0;
    if (stepper->accumulator)
        memset(stepper->accumulator, 0, n_weights * sizeof(float));
    // ReLU kernels may turn NaN into 0, so a network of NaN can show a healthy loss.
    out->finite = sqz_all_finite(config->pool, stepper->weights, n_weights);
}

void sqz_stepper_run(struct sqz_stepper *stepper, const struct sqz_step_batch *batch, double rate,
                     struct sqz_step_result *out)
{
    const struct sqz_stepper_config *config = &stepper->config;
    struct sqz_step_counters *counters = &stepper->counters;
    struct loss_job job = {.scale = counters->scale.scale};
    sqz_loss_begin(&config->loss, batch->labels, batch->targets, batch->n, &job.batch);
    *out = (struct sqz_step_result){0};
    struct sqz_gradient_step step = {
        .weights = stepper->served ? sqz_served_weights(stepper->served, stepper->weights)
                                   : stepper->weights,
        .images = batch->images,
        .n = batch->n,
        .seed = config->seed,
        .micro_step = stepper->micro_steps,
        .gradient = stepper->gradient,
        .zero_fraction = &out->zero_fraction};
    out->loss = run_engine(stepper, &job, &step);
    out->zero_logits = (double)job.zeros / ((double)batch->n * config->net->spec.classes);
    if (job.scale != 1)
        scale_gradient(stepper, 1 / job.scale);
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
    clip(stepper, out->gradient_norm);
    if (accumulate(stepper))
        update(stepper, rate, out);
    counters->counted++;
    if (out->finite)
        average(stepper);
}
