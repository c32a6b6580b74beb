// Fake quantization and pruning masks within a training step, on the flat parameter buffers.
#include "train/step/fake_quant.h"

#include "base/memory.h"

enum sqz_status sqz_fake_quant_init(const struct sqz_net *net, struct sqz_pool *pool,
                                    struct sqz_fake_quant *out, struct sqz_error *err)
{
    *out = (struct sqz_fake_quant){.pool = pool, .n = net->n_weights};
    enum sqz_status status = sqz_uniform_quantizer_new(net, &out->grid, err);
    if (!status)
        status = sqz_weight_sharing_new(net, &out->ties, err);
    if (!status && (!(out->rounded = sqz_new_aligned(out->n, sizeof *out->rounded)) ||
                    !(out->zeros = sqz_new_array(out->n, sizeof *out->zeros))))
        status = sqz_fail_memory(err, "fake quantization", out->n * sizeof *out->rounded);
    if (status)
        sqz_fake_quant_release(out);
    return status;
}

void sqz_fake_quant_release(struct sqz_fake_quant *fake_quant)
{
    sqz_uniform_quantizer_release(&fake_quant->grid);
    sqz_weight_sharing_release(&fake_quant->ties);
    sqz_free(fake_quant->rounded);
    sqz_free(fake_quant->zeros);
    *fake_quant = (struct sqz_fake_quant){0};
}

const float *sqz_fake_quant_weights(struct sqz_fake_quant *fake_quant, const float *weights)
{
    if (fake_quant->kind != SQZ_QUANT_UNIFORM)
        return weights;
    sqz_uniform_quantizer_round(&fake_quant->grid, fake_quant->pool, weights, fake_quant->rounded);
    return fake_quant->rounded;
}

struct pass {
    struct sqz_fake_quant *fake_quant;
    const float *weights;
    float *values; // gradient, or the weights after the update
};

// Biases may well be 0 and are trained all the same.
static void mark_zeros(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    const struct sqz_param *p = &pass->fake_quant->grid.net->params[task];
    (void)worker;
    for (size_t i = p->offset; p->kind == SQZ_PARAM_WEIGHT && i < p->offset + p->size; i++) {
        pass->fake_quant->zeros[i] = pass->weights[i] == 0;
        if (pass->fake_quant->zeros[i])
            pass->values[i] = 0;
    }
}

static void restore_zeros(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    const struct sqz_param *p = &pass->fake_quant->grid.net->params[task];
    (void)worker;
    for (size_t i = p->offset; p->kind == SQZ_PARAM_WEIGHT && i < p->offset + p->size; i++)
        if (pass->fake_quant->zeros[i])
            pass->values[i] = 0;
}

void sqz_fake_quant_gradient(struct sqz_fake_quant *fake_quant, const float *weights,
                             float *gradient)
{
    struct pass pass = {fake_quant, weights, gradient};
    if (fake_quant->keeps_zeros)
        sqz_pool_run(fake_quant->pool, fake_quant->grid.net->n_params, mark_zeros, &pass);
}

void sqz_fake_quant_before_update(struct sqz_fake_quant *fake_quant, const float *weights,
                                  float *gradient)
{
    if (fake_quant->kind == SQZ_QUANT_SHARED)
        sqz_weight_sharing_sum_gradients(&fake_quant->ties, fake_quant->pool, weights, gradient);
}

// The optimizer's momentum would move a zero that was pruned a moment ago.
void sqz_fake_quant_after_update(struct sqz_fake_quant *fake_quant, float *weights)
{
    struct pass pass = {fake_quant, NULL, weights};
    if (fake_quant->keeps_zeros)
        sqz_pool_run(fake_quant->pool, fake_quant->grid.net->n_params, restore_zeros, &pass);
    if (fake_quant->kind == SQZ_QUANT_SHARED)
        sqz_weight_sharing_sync(&fake_quant->ties, fake_quant->pool, weights);
}
