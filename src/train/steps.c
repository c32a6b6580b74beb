// One training step: gradient, clipping, accumulation, update.
#include "train/steps.h"

#include "train/loss.h"
#include <math.h>
#include <string.h>

enum { CHUNK = 1 << 15 }; // floats per task of the elementwise passes

enum sqz_status sqz_stepper_memory(const struct sqz_stepper_config *config,
                                   struct sqz_gradient_memory *engine, size_t *total,
                                   struct sqz_error *err)
{
    enum sqz_status status = sqz_gradient_memory(
        config->net, config->kernels, sqz_pool_size(config->pool), config->max_batch, engine, err);
    if (status)
        return status;
    size_t buffers = config->accumulate > 1 ? 2 : 1;
    *total = engine->total + buffers * config->net->n_weights * sizeof(float);
    return SQZ_OK;
}

enum sqz_status sqz_stepper_init(struct sqz_stepper *stepper,
                                 const struct sqz_stepper_config *config,
                                 struct sqz_optimizer *optimizer, float *weights,
                                 struct sqz_error *err)
{
    *stepper = (struct sqz_stepper){.config = *config, .optimizer = optimizer, .weights = weights};
    size_t n = config->net->n_weights;
    enum sqz_status status = sqz_gradient_new(config->net, config->kernels, config->pool,
                                              config->max_batch, &stepper->engine, err);
    if (status)
        return status;
    stepper->gradient = sqz_new_aligned(n, sizeof(float));
    if (config->accumulate > 1)
        stepper->accumulator = sqz_new_aligned(n, sizeof(float));
    if (!stepper->gradient || (config->accumulate > 1 && !stepper->accumulator)) {
        sqz_stepper_release(stepper);
        return sqz_fail_memory(err, "the gradient", n * sizeof(float));
    }
    return SQZ_OK;
}

void sqz_stepper_release(struct sqz_stepper *stepper)
{
    sqz_gradient_free(stepper->engine);
    sqz_free(stepper->gradient);
    sqz_free(stepper->accumulator);
    *stepper = (struct sqz_stepper){0};
}

struct loss_job {
    const int *labels;
    int classes, total;
    double smoothing;
    int zeros; // among all logits; a count, so the order of the leaves does not matter
};

static double leaf_loss(void *arg, int first, int n, const float *logits, float *dlogits)
{
    struct loss_job *job = arg;
    int zeros = 0;
    for (int i = 0; i < n * job->classes; i++)
        zeros += logits[i] == 0;
    __atomic_fetch_add(&job->zeros, zeros, __ATOMIC_RELAXED);
    return sqz_loss_cross_entropy(logits, job->labels + first, n, job->classes, job->total,
                                  job->smoothing, 1.0, dlogits);
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

static void clip(struct sqz_stepper *stepper, double norm)
{
    double bound = stepper->config.clip_value;
    if (bound <= 0 || norm <= bound)
        return;
    struct pass pass = {.out = stepper->gradient,
                        .n = stepper->config.net->n_weights,
                        .factor = (float)(bound / norm)};
    sqz_pool_run(stepper->config.pool, pass_tasks(&pass), scale_task, &pass);
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
    return ++stepper->group >= stepper->config.accumulate;
}

void sqz_stepper_run(struct sqz_stepper *stepper, const float *images, const int *labels, int n,
                     double rate, struct sqz_step_result *out)
{
    const struct sqz_stepper_config *config = &stepper->config;
    size_t n_weights = config->net->n_weights;
    struct loss_job job = {labels, config->net->spec.classes, n, config->smoothing, 0};
    *out = (struct sqz_step_result){0};
    struct sqz_gradient_step step = {.weights = stepper->weights,
                                     .images = images,
                                     .n = n,
                                     .loss = leaf_loss,
                                     .loss_arg = &job,
                                     .seed = config->seed,
                                     .micro_step = stepper->micro_steps,
                                     .gradient = stepper->gradient,
                                     .zero_fraction = &out->zero_fraction};
    sqz_gradient_run(stepper->engine, &step);
    out->loss = step.loss_value;
    out->zero_logits = (double)job.zeros / ((double)n * job.classes);
    out->gradient_norm = sqrt(config->kernels->sum_of_squares(stepper->gradient, n_weights));
    if (!isfinite(out->loss) || !isfinite(out->gradient_norm))
        return;
    stepper->micro_steps++;
    out->finite = true;
    clip(stepper, out->gradient_norm);
    if (!accumulate(stepper))
        return;
    sqz_optimizer_update(stepper->optimizer, config->pool, rate, stepper->weights,
                         stepper->accumulator ? stepper->accumulator : stepper->gradient);
    out->updated = true;
    stepper->group = 0;
    if (stepper->accumulator)
        memset(stepper->accumulator, 0, n_weights * sizeof(float));
    // ReLU kernels may turn NaN into 0, so a network of NaN can show a healthy loss.
    out->finite = sqz_all_finite(config->pool, stepper->weights, n_weights);
}
