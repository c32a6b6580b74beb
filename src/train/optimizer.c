// The optimizer: states, which ranges decay, and one update spread over the threads.
#include "train/optimizer_rules.h"

#include <string.h>

// 64 KiB of each buffer: small enough to share out evenly, large enough to be worth a task.
enum { CHUNK_FLOATS = 16384 };

const struct sqz_optimizer_rule *sqz_optimizer_rule_at(int index)
{
    return index >= 0 && index < sqz_optimizer_rule_count ? &sqz_optimizer_rules[index] : NULL;
}

static size_t chunk_size(const struct sqz_optimizer_rule *rule, const struct sqz_param *param)
{
    return rule->whole_parameters || param->size < CHUNK_FLOATS ? param->size : CHUNK_FLOATS;
}

static enum sqz_status cut(struct sqz_optimizer *optimizer, const struct sqz_net *net,
                           bool decay_biases, struct sqz_error *err)
{
    size_t n = 0;

    for (int p = 0; p < net->n_params; p++) {
        size_t size = chunk_size(optimizer->rule, &net->params[p]);
        n += size ? (net->params[p].size + size - 1) / size : 0;
    }
    optimizer->chunks = sqz_new_array(n, sizeof *optimizer->chunks);
    if (!optimizer->chunks)
        return sqz_fail_memory(err, "the optimizer", n * sizeof *optimizer->chunks);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        size_t size = chunk_size(optimizer->rule, param);
        for (size_t at = 0; at < param->size; at += size) {
            size_t left = param->size - at;
            optimizer->chunks[optimizer->n_chunks++] = (struct sqz_optimizer_chunk){
                .first = param->offset + at,
                .end = param->offset + at + (left < size ? left : size),
                .decays = decay_biases || param->kind != SQZ_PARAM_BIAS,
            };
        }
    }
    return SQZ_OK;
}

enum sqz_status sqz_optimizer_new(const struct sqz_options *options, const struct sqz_net *net,
                                  struct sqz_optimizer **out, struct sqz_error *err)
{
    const struct sqz_optimizer_rule *rule = NULL;
    struct sqz_optimizer *optimizer;
    enum sqz_status status;

    for (int i = 0; i < sqz_optimizer_rule_count; i++)
        if (strcmp(sqz_optimizer_rules[i].name, options->opt) == 0)
            rule = &sqz_optimizer_rules[i];
    if (!rule)
        return sqz_fail(err, SQZ_E_CONFIG, "There is no optimizer \"%.80s\".", options->opt);
    optimizer = sqz_new_array(1, sizeof *optimizer);
    if (!optimizer)
        return sqz_fail_memory(err, "the optimizer", sizeof *optimizer);
    optimizer->rule = rule;
    optimizer->n = net->n_weights;
    optimizer->momentum = options->momentum;
    optimizer->weight_decay = options->weight_decay;
    optimizer->eps = options->eps;
    optimizer->nesterov = options->use_nesterov;
    optimizer->mu_product = 1;
    // "auto" leaves out names with beta or gamma, which no SqueezeNet has.
    status = cut(optimizer, net, strcmp(options->weight_decay_filter, "norm_and_bias") != 0, err);
    for (int s = 0; status == SQZ_OK && s < rule->n_states; s++) {
        optimizer->state[s] = sqz_new_aligned(optimizer->n, sizeof(float));
        if (!optimizer->state[s])
            status = sqz_fail_memory(err, "the optimizer's state", optimizer->n * sizeof(float));
        for (size_t i = 0; status == SQZ_OK && rule->initial[s] != 0 && i < optimizer->n; i++)
            optimizer->state[s][i] = rule->initial[s];
    }
    if (status != SQZ_OK) {
        sqz_optimizer_free(optimizer);
        return status;
    }
    *out = optimizer;
    return SQZ_OK;
}

void sqz_optimizer_free(struct sqz_optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (int s = 0; s < SQZ_OPTIMIZER_STATES; s++)
        sqz_free(optimizer->state[s]);
    sqz_free(optimizer->chunks);
    sqz_free(optimizer);
}

// Kept up to date incrementally, and built anew after `updates` was restored from a file.
static void advance_mu(struct sqz_optimizer *optimizer)
{
    if (optimizer->mu_updates != optimizer->updates) {
        optimizer->mu_product = 1;
        optimizer->mu_updates = 0;
    }
    while (optimizer->mu_updates <= optimizer->updates)
        optimizer->mu_product *= sqz_nadam_mu(++optimizer->mu_updates + 1);
}

struct update {
    const struct sqz_optimizer *optimizer;
    double rate;
    float *weights;
    const float *gradient;
};

static void update_chunk(void *arg, int task, int worker)
{
    const struct update *update = arg;
    const struct sqz_optimizer_chunk *chunk = &update->optimizer->chunks[task];

    (void)worker;
    update->optimizer->rule->update(update->optimizer, update->rate,
                                    chunk->decays ? update->optimizer->weight_decay : 0,
                                    chunk->first, chunk->end, update->weights, update->gradient);
}

void sqz_optimizer_update(struct sqz_optimizer *optimizer, struct sqz_pool *pool, double rate,
                          float *weights, const float *gradient)
{
    struct update update = {optimizer, rate, weights, gradient};

    if (strcmp(optimizer->rule->name, "nadam") == 0)
        advance_mu(optimizer);
    sqz_pool_run(pool, optimizer->n_chunks, update_chunk, &update);
    optimizer->updates++;
}
