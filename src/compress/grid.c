// Rounding a network's weights to steps, in pieces of fixed size.
#include "compress/grid.h"

#include "base/memory.h"
#include "compress/unpack.h"

#include <math.h>

void sqz_grid_release(struct sqz_grid *grid)
{
    sqz_free(grid->steps);
    sqz_free(grid->base);
    *grid = (struct sqz_grid){0};
}

enum sqz_status sqz_grid_new(const struct sqz_net *net, struct sqz_grid *out, struct sqz_error *err)
{
    *out = (struct sqz_grid){.net = net,
                             .steps = sqz_new_array((size_t)net->n_params, sizeof *out->steps)};
    return out->steps ? SQZ_OK : sqz_fail_memory(err, "steps", (size_t)net->n_params);
}

struct rounding {
    const struct sqz_grid *grid;
    const float *weights;
    float *out;
};

static float clamp_code(float code)
{
    return code > SQZ_MAX_CODE ? SQZ_MAX_CODE : code < -SQZ_MAX_CODE ? -SQZ_MAX_CODE : code;
}

static void round_param(void *arg, int task, int worker)
{
    const struct rounding *rounding = arg;
    const struct sqz_grid *grid = rounding->grid;
    const struct sqz_param *p = &grid->net->params[task];
    const float *from = rounding->weights + p->offset;
    float *to = rounding->out + p->offset, step = grid->steps[task];
    (void)worker;
    for (size_t i = 0; i < p->size; i++) {
        float value = grid->base ? grid->base[p->offset + i] : from[i];
        if (step > 0) {
            float base = grid->base ? rintf(grid->base[p->offset + i] / step) : 0;
            float moved = from[i] / step - base;
            float code = fabsf(moved) < grid->reach ? base : base + rintf(moved);
            value = code != 0 ? clamp_code(code) * step : 0;
        }
        to[i] = value;
    }
}

void sqz_grid_round(const struct sqz_grid *grid, struct sqz_pool *pool, const float *weights,
                    float *out)
{
    struct rounding rounding = {grid, weights, out};
    sqz_pool_run(pool, grid->net->n_params, round_param, &rounding);
}
