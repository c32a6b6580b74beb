// The retraining's part of a training step, on the flat parameter buffers.
#include "train/served.h"

#include "base/memory.h"

enum sqz_status sqz_served_init(const struct sqz_net *net, struct sqz_pool *pool,
                                struct sqz_served *out, struct sqz_error *err)
{
    *out = (struct sqz_served){.pool = pool, .n = net->n_weights};
    enum sqz_status status = sqz_grid_new(net, &out->grid, err);
    if (!status)
        status = sqz_ties_new(net, &out->ties, err);
    if (!status && (!(out->rounded = sqz_new_aligned(out->n, sizeof *out->rounded)) ||
                    !(out->zeros = sqz_new_array(out->n, sizeof *out->zeros))))
        status = sqz_fail_memory(err, "retraining", out->n * sizeof *out->rounded);
    if (status)
        sqz_served_release(out);
    return status;
}

void sqz_served_release(struct sqz_served *served)
{
    sqz_grid_release(&served->grid);
    sqz_ties_release(&served->ties);
    sqz_free(served->rounded);
    sqz_free(served->zeros);
    *served = (struct sqz_served){0};
}

const float *sqz_served_weights(struct sqz_served *served, const float *weights)
{
    if (served->how != SQZ_SERVE_GRID)
        return weights;
    sqz_grid_round(&served->grid, served->pool, weights, served->rounded);
    return served->rounded;
}

struct pass {
    struct sqz_served *served;
    const float *weights;
    float *values; // gradient, or the weights after the update
};

// Biases may well be 0 and are trained all the same.
static void mark_zeros(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    const struct sqz_param *p = &pass->served->grid.net->params[task];
    (void)worker;
    for (size_t i = p->offset; p->kind == SQZ_PARAM_WEIGHT && i < p->offset + p->size; i++) {
        pass->served->zeros[i] = pass->weights[i] == 0;
        if (pass->served->zeros[i])
            pass->values[i] = 0;
    }
}

static void restore_zeros(void *arg, int task, int worker)
{
    const struct pass *pass = arg;
    const struct sqz_param *p = &pass->served->grid.net->params[task];
    (void)worker;
    for (size_t i = p->offset; p->kind == SQZ_PARAM_WEIGHT && i < p->offset + p->size; i++)
        if (pass->served->zeros[i])
            pass->values[i] = 0;
}

void sqz_served_gradient(struct sqz_served *served, const float *weights, float *gradient)
{
    struct pass pass = {served, weights, gradient};
    if (served->keeps_zeros)
        sqz_pool_run(served->pool, served->grid.net->n_params, mark_zeros, &pass);
}

void sqz_served_before_update(struct sqz_served *served, const float *weights, float *gradient)
{
    if (served->how == SQZ_SERVE_SHARED)
        sqz_ties_sum(&served->ties, served->pool, weights, gradient);
}

// The optimizer's momentum would move a zero that was pruned a moment ago.
void sqz_served_after_update(struct sqz_served *served, float *weights)
{
    struct pass pass = {served, NULL, weights};
    if (served->keeps_zeros)
        sqz_pool_run(served->pool, served->grid.net->n_params, restore_zeros, &pass);
    if (served->how == SQZ_SERVE_SHARED)
        sqz_ties_settle(&served->ties, served->pool, weights);
}
