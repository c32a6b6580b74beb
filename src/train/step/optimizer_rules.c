// The update rules, elementwise in float32 as MindSpore computes them; factors that are the same
// for all elements are computed in double. `updates` is the number of updates before this one.
#include "train/step/optimizer_rules.h"

#include <math.h>

// The gradient with L2 decay folded in, as most of the rules below take it.
#define DECAYED(i) (gradient[i] + wd * weights[i])

static void update_momentum(const struct sqz_optimizer *optimizer, double rate, double decay,
                            size_t first, size_t end, float *restrict weights,
                            const float *restrict gradient)
{
    float *restrict v = optimizer->state[0];
    float lr = (float)rate, wd = (float)decay, mom = (float)optimizer->momentum;

    if (optimizer->nesterov) {
        for (size_t i = first; i < end; i++) {
            float g = DECAYED(i);
            v[i] = mom * v[i] + g;
            weights[i] -= lr * (g + mom * v[i]);
        }
        return;
    }
    for (size_t i = first; i < end; i++) {
        v[i] = mom * v[i] + DECAYED(i);
        weights[i] -= lr * v[i];
    }
}

static void update_adam(const struct sqz_optimizer *optimizer, double rate, double decay,
                        size_t first, size_t end, float *restrict weights,
                        const float *restrict gradient)
{
    float *restrict m = optimizer->state[0], *restrict v = optimizer->state[1];
    double t = (double)optimizer->updates + 1;
    float lr = (float)(rate * sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t))), wd = (float)decay;
    float m_share = optimizer->nesterov ? 0.9F : 1.0F, g_share = optimizer->nesterov ? 0.1F : 0.0F;

    for (size_t i = first; i < end; i++) {
        float g = DECAYED(i);
        m[i] = 0.9F * m[i] + 0.1F * g;
        v[i] = 0.999F * v[i] + 0.001F * g * g;
        weights[i] -= lr * (m_share * m[i] + g_share * g) / (sqrtf(v[i]) + 1e-8F);
    }
}

static void update_adamw(const struct sqz_optimizer *optimizer, double rate, double decay,
                         size_t first, size_t end, float *restrict weights,
                         const float *restrict gradient)
{
    float *restrict m = optimizer->state[0], *restrict v = optimizer->state[1];
    double t = (double)optimizer->updates + 1;
    float m_scale = (float)(1 / (1 - pow(0.9, t))), v_scale = (float)(1 / (1 - pow(0.999, t)));
    float lr = (float)rate, wd = (float)decay;

    for (size_t i = first; i < end; i++) {
        float g = gradient[i];
        m[i] = 0.9F * m[i] + 0.1F * g;
        v[i] = 0.999F * v[i] + 0.001F * g * g;
        weights[i] -= lr * (m[i] * m_scale / (1e-8F + sqrtf(v[i] * v_scale)) + wd * weights[i]);
    }
}

static void update_lion(const struct sqz_optimizer *optimizer, double rate, double decay,
                        size_t first, size_t end, float *restrict weights,
                        const float *restrict gradient)
{
    float *restrict m = optimizer->state[0];
    float lr = (float)rate, wd = (float)decay;

    for (size_t i = first; i < end; i++) {
        float c = 0.9F * m[i] + 0.1F * gradient[i];
        float sign = (float)((c > 0) - (c < 0));
        // A NaN has no sign; it must not vanish.
        sign = c != c ? c : sign;
        weights[i] -= lr * (sign + wd * weights[i]);
        m[i] = 0.99F * m[i] + 0.01F * gradient[i];
    }
}

static void update_rmsprop(const struct sqz_optimizer *optimizer, double rate, double decay,
                           size_t first, size_t end, float *restrict weights,
                           const float *restrict gradient)
{
    float *restrict a = optimizer->state[0], *restrict m = optimizer->state[1];
    float lr = (float)rate, wd = (float)decay;
    float mom = (float)optimizer->momentum, eps = (float)optimizer->eps;

    for (size_t i = first; i < end; i++) {
        float g = DECAYED(i);
        a[i] = 0.9F * a[i] + 0.1F * g * g;
        m[i] = mom * m[i] + lr * g / sqrtf(a[i] + eps);
        weights[i] -= m[i];
    }
}

static void update_adagrad(const struct sqz_optimizer *optimizer, double rate, double decay,
                           size_t first, size_t end, float *restrict weights,
                           const float *restrict gradient)
{
    float *restrict a = optimizer->state[0];
    float lr = (float)rate, wd = (float)decay;

    for (size_t i = first; i < end; i++) {
        float g = DECAYED(i);
        a[i] += g * g;
        weights[i] -= lr * g / sqrtf(a[i]);
    }
}

// The step number is one ahead, as in MindCV.
double sqz_nadam_mu(uint64_t k)
{
    return 0.9 * (1 - 0.5 * pow(0.96, (double)k * 0.004));
}

static void update_nadam(const struct sqz_optimizer *optimizer, double rate, double decay,
                         size_t first, size_t end, float *restrict weights,
                         const float *restrict gradient)
{
    float *restrict m = optimizer->state[0], *restrict v = optimizer->state[1];
    uint64_t k = optimizer->updates + 2;
    double mu = sqz_nadam_mu(k), mu1 = sqz_nadam_mu(k + 1), product = optimizer->mu_product;
    float m_share = (float)(mu1 / (1 - product * mu1)), g_share = (float)((1 - mu) / (1 - product));
    float v_scale = (float)(1 / (1 - pow(0.999, (double)optimizer->updates + 1)));
    float lr = (float)rate, wd = (float)decay;

    for (size_t i = first; i < end; i++) {
        float g = DECAYED(i);
        m[i] = 0.9F * m[i] + 0.1F * g;
        v[i] = 0.999F * v[i] + 0.001F * g * g;
        weights[i] -= lr * (m_share * m[i] + g_share * g) / (1e-8F + sqrtf(v[i] * v_scale));
    }
}

// MindCV's form, where the coefficients of the paper have their roles swapped, and where a
// parameter whose last gradient sums to zero restarts from it.
static void update_adan(const struct sqz_optimizer *optimizer, double rate, double decay,
                        size_t first, size_t end, float *restrict weights,
                        const float *restrict gradient)
{
    float *restrict m = optimizer->state[0], *restrict v = optimizer->state[1];
    float *restrict n = optimizer->state[2], *restrict previous = optimizer->state[3];
    float lr = (float)rate, shrink = (float)decay;
    double sum = 0;
    bool begun;

    for (size_t i = first; i < end; i++)
        sum += (double)previous[i];
    begun = sum != 0;
    for (size_t i = first; i < end; i++) {
        float g = gradient[i], d = begun ? g - previous[i] : 0.0F;
        float ahead = g + 0.08F * d, step;
        m[i] = 0.02F * m[i] + 0.98F * g;
        v[i] = 0.08F * v[i] + 0.92F * d;
        n[i] = 0.01F * n[i] + 0.99F * ahead * ahead;
        step = lr / (1e-8F + sqrtf(n[i]));
        weights[i] = (weights[i] - step * (m[i] + 0.08F * v[i])) / (1 + shrink * step);
        previous[i] = g;
    }
}

static void update_lamb(const struct sqz_optimizer *optimizer, double rate, double decay,
                        size_t first, size_t end, float *restrict weights,
                        const float *restrict gradient)
{
    float *restrict m = optimizer->state[0], *restrict v = optimizer->state[1];
    double t = (double)optimizer->updates + 1, weight_norm = 0, step_norm = 0, ratio = 1;
    float m_scale = (float)(1 / (1 - pow(0.9, t))), v_scale = (float)(1 / (1 - pow(0.999, t)));
    float wd = (float)decay, lr;

    for (size_t i = first; i < end; i++) {
        float g = gradient[i], h;
        m[i] = 0.9F * m[i] + 0.1F * g;
        v[i] = 0.999F * v[i] + 0.001F * g * g;
        h = m[i] * m_scale / sqrtf(v[i] * v_scale + 1e-6F) + wd * weights[i];
        weight_norm += (double)weights[i] * (double)weights[i];
        step_norm += (double)h * (double)h;
    }
    if (weight_norm > 0 && step_norm > 0)
        ratio = fmin(sqrt(weight_norm) / sqrt(step_norm), 10);
    lr = (float)(rate * ratio);
    for (size_t i = first; i < end; i++)
        weights[i] -= lr * (m[i] * m_scale / (sqrtf(v[i] * v_scale) + 1e-6F) + wd * weights[i]);
}

const struct sqz_optimizer_rule sqz_optimizer_rules[] = {
    // by the value of option opt
    [SQZ_OPT_SGD] = {.n_states = 1, .states = {"accum"}, .initial = {0}, .update = update_momentum},
    [SQZ_OPT_MOMENTUM] = {.n_states = 1,
                          .states = {"moments"},
                          .initial = {0},
                          .update = update_momentum},
    [SQZ_OPT_NESTEROV] = {.n_states = 1,
                          .states = {"moments"},
                          .initial = {0},
                          .update = update_momentum},
    [SQZ_OPT_ADAM] = {.n_states = 2,
                      .states = {"moment1", "moment2"},
                      .initial = {0},
                      .update = update_adam},
    [SQZ_OPT_ADAMW] = {.n_states = 2,
                       .states = {"adam_m", "adam_v"},
                       .initial = {0},
                       .counts_batches = true,
                       .update = update_adamw},
    [SQZ_OPT_LION] = {.n_states = 1,
                      .states = {"lion_m"},
                      .initial = {0},
                      .counts_batches = true,
                      .update = update_lion},
    [SQZ_OPT_RMSPROP] = {.n_states = 2,
                         .states = {"mean_square", "moment"},
                         .initial = {1},
                         .update = update_rmsprop},
    [SQZ_OPT_ADAGRAD] = {.n_states = 1,
                         .states = {"accum"},
                         .initial = {0.1F},
                         .update = update_adagrad},
    [SQZ_OPT_LAMB] = {.n_states = 2,
                      .states = {"lamb_m", "lamb_v"},
                      .initial = {0},
                      .whole_parameters = true,
                      .update = update_lamb},
    [SQZ_OPT_NADAM] = {.n_states = 2,
                       .states = {"nadam_m", "nadam_v"},
                       .initial = {0},
                       .counts_batches = true,
                       .has_mu = true,
                       .update = update_nadam},
    [SQZ_OPT_ADAN] = {.n_states = 4,
                      .states = {"moment1", "moment2", "moment3", "prev_gradient"},
                      .initial = {0},
                      .whole_parameters = true,
                      .counts_batches = true,
                      .update = update_adan},
};
const int sqz_optimizer_rule_count = sizeof sqz_optimizer_rules / sizeof sqz_optimizer_rules[0];
