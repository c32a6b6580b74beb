// Parameters: initial values, and the way between the flat buffer and the layout of files.
#include "base/random.h"
#include "net/net.h"

#include <math.h>
#include <string.h>

void sqz_param_to_oihw(const struct sqz_param *param, const float *weights, float *oihw)
{
    const float *from = weights + param->offset;
    int taps = param->kh * param->kw;
    for (int o = 0; o < param->out; o++) {
        for (int i = 0; i < param->in; i++) {
            for (int t = 0; t < taps; t++)
                *oihw++ = from[((size_t)t * param->in + i) * param->out + o];
        }
    }
}

void sqz_param_from_oihw(const struct sqz_param *param, const float *oihw, float *weights)
{
    float *to = weights + param->offset;
    int taps = param->kh * param->kw;
    for (int o = 0; o < param->out; o++) {
        for (int i = 0; i < param->in; i++) {
            for (int t = 0; t < taps; t++)
                to[((size_t)t * param->in + i) * param->out + o] = *oihw++;
        }
    }
}

// Element (o, i, t) takes the draw of its place in OIHW order, so that files of equal seeds compare
// equal in the layout that they are written in.
static void initialize_weight(const struct sqz_param *param, struct sqz_random *random,
                              bool classifier, float *to)
{
    int taps = param->kh * param->kw;
    double bound = sqrt(6.0 / ((double)param->in * taps));
    for (int o = 0; o < param->out; o++) {
        for (int i = 0; i < param->in; i++) {
            for (int t = 0; t < taps; t++) {
                double value = classifier ? 0.01 * sqz_random_normal(random)
                                          : sqz_random_uniform(random, -bound, bound);
                to[((size_t)t * param->in + i) * param->out + o] = (float)value;
            }
        }
    }
}

void sqz_net_initialize(const struct sqz_net *net, uint64_t seed, float *weights)
{
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        float *to = weights + param->offset;
        if (param->kind != SQZ_PARAM_WEIGHT) {
            memset(to, 0, param->size * sizeof *to);
            continue;
        }
        struct sqz_random random;
        sqz_random_init(&random, seed, 0, (uint64_t)p, SQZ_RANDOM_INIT);
        initialize_weight(param, &random, strcmp(param->name, "classifier.1.weight") == 0, to);
    }
}
