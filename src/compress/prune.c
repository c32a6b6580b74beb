// Pruning by LAMP scores: a layer's weights sorted by magnitude, one bound on the scores for all.
#include "compress/prune.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer {
    size_t n;         // weights that are not 0
    float *magnitude; // of them, descending
    double *score;    // descending, too: square / sum of the squares from the largest to this one
};
struct pruning {
    const struct sqz_net *net;
    float *weights;
    struct layer *layers; // one a parameter; biases stay empty
    double bound;         // what has a lower score goes
};

static int compare_descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void score_layer(void *arg, int task, int worker)
{
    struct pruning *pruning = arg;
    const struct sqz_param *p = &pruning->net->params[task];
    struct layer *layer = &pruning->layers[task];
    double sum = 0;
    (void)worker;
    for (size_t i = 0; layer->magnitude && i < p->size; i++)
        if (pruning->weights[p->offset + i] != 0)
            layer->magnitude[layer->n++] = fabsf(pruning->weights[p->offset + i]);
    if (layer->n)
        qsort(layer->magnitude, layer->n, sizeof *layer->magnitude, compare_descending);
    for (size_t i = 0; i < layer->n; i++) {
        double square = (double)layer->magnitude[i] * (double)layer->magnitude[i];
        sum += square;
        layer->score[i] = square / sum;
    }
}

// How many weights of a layer have at least that score.
static size_t count_above(const struct layer *layer, double bound)
{
    size_t low = 0, high = layer->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layer->score[middle] >= bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void prune_layer(void *arg, int task, int worker)
{
    const struct pruning *pruning = arg;
    const struct sqz_param *p = &pruning->net->params[task];
    const struct layer *layer = &pruning->layers[task];
    size_t kept = count_above(layer, pruning->bound);
    (void)worker;
    if (kept == layer->n)
        return;
    float bound = kept ? layer->magnitude[kept - 1] : INFINITY;
    for (size_t i = 0; i < p->size; i++)
        if (fabsf(pruning->weights[p->offset + i]) < bound)
            pruning->weights[p->offset + i] = 0;
}

static size_t count_weights(const struct sqz_net *net)
{
    size_t n = 0;
    for (int i = 0; i < net->n_params; i++)
        n += net->params[i].kind == SQZ_PARAM_WEIGHT ? net->params[i].size : 0;
    return n;
}

// The smallest bound that leaves at most this many weights; scores span many octaves.
static double find_bound(const struct pruning *pruning, size_t most)
{
    double low = -60, high = 0; // log2
    for (int round = 0; round < 50; round++) {
        double middle = (low + high) / 2;
        size_t kept = 0;
        for (int i = 0; i < pruning->net->n_params; i++)
            kept += count_above(&pruning->layers[i], exp2(middle));
        if (kept > most)
            low = middle;
        else
            high = middle;
    }
    return exp2(high);
}

enum sqz_status sqz_prune(const struct sqz_net *net, struct sqz_pool *pool, double density,
                          float *weights, struct sqz_error *err)
{
    struct pruning pruning = {.net = net, .weights = weights};
    size_t most = (size_t)(density * (double)count_weights(net));
    bool ok = (pruning.layers = sqz_new_array((size_t)net->n_params, sizeof *pruning.layers));
    for (int i = 0; i < net->n_params && ok; i++) {
        struct layer *layer = &pruning.layers[i];
        if (net->params[i].kind == SQZ_PARAM_WEIGHT)
            ok = (layer->magnitude = sqz_new_array(net->params[i].size, sizeof(float))) &&
                 (layer->score = sqz_new_array(net->params[i].size, sizeof(double)));
    }
    if (ok) {
        sqz_pool_run(pool, net->n_params, score_layer, &pruning);
        pruning.bound = find_bound(&pruning, most);
        sqz_pool_run(pool, net->n_params, prune_layer, &pruning);
    }
    for (int i = 0; pruning.layers && i < net->n_params; i++) {
        sqz_free(pruning.layers[i].magnitude);
        sqz_free(pruning.layers[i].score);
    }
    sqz_free(pruning.layers);
    return ok ? SQZ_OK : sqz_fail_memory(err, "pruning", net->n_weights * sizeof(double));
}

double sqz_density(const struct sqz_net *net, const float *weights)
{
    size_t kept = 0;
    for (int i = 0; i < net->n_params; i++)
        for (size_t k = 0; net->params[i].kind == SQZ_PARAM_WEIGHT && k < net->params[i].size; k++)
            kept += weights[net->params[i].offset + k] != 0;
    return (double)kept / (double)count_weights(net);
}
