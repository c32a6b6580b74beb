// Rounding a network's weights to steps, in pieces of fixed size.
#include "compress/uniform_quantizer.h"

#include "base/memory.h"
#include "compress/unpack.h"

#include <math.h>

void sqz_uniform_quantizer_release(struct sqz_uniform_quantizer *quantizer)
{
    sqz_free(quantizer->steps);
    sqz_free(quantizer->base);
    *quantizer = (struct sqz_uniform_quantizer){0};
}

enum sqz_status sqz_uniform_quantizer_new(const struct sqz_net *net,
                                          struct sqz_uniform_quantizer *out, struct sqz_error *err)
{
    *out = (struct sqz_uniform_quantizer){
        .net = net, .steps = sqz_new_array((size_t)net->n_params, sizeof *out->steps)};
    return out->steps ? SQZ_OK : sqz_fail_memory(err, "steps", (size_t)net->n_params);
}

struct rounding {
    const struct sqz_uniform_quantizer *quantizer;
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
    const struct sqz_uniform_quantizer *quantizer = rounding->quantizer;
    const struct sqz_param *p = &quantizer->net->params[task];
    const float *from = rounding->weights + p->offset;
    float *to = rounding->out + p->offset, step = quantizer->steps[task];
    (void)worker;
    for (size_t i = 0; i < p->size; i++) {
        float value = quantizer->base ? quantizer->base[p->offset + i] : from[i];
        if (step > 0) {
            float base = quantizer->base ? rintf(quantizer->base[p->offset + i] / step) : 0;
            float moved = from[i] / step - base;
            float code = fabsf(moved) < quantizer->dead_zone ? base : base + rintf(moved);
            value = code != 0 ? clamp_code(code) * step : 0;
        }
        to[i] = value;
    }
}

void sqz_uniform_quantizer_round(const struct sqz_uniform_quantizer *quantizer,
                                 struct sqz_pool *pool, const float *weights, float *out)
{
    struct rounding rounding = {quantizer, weights, out};
    sqz_pool_run(pool, quantizer->net->n_params, round_param, &rounding);
}
