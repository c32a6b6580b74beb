// The optimizer: states, which ranges decay, and one update spread over the threads.
#include "train/step/optimizer_rules.h"

#include <math.h>
#include <string.h>

// 64 KiB of each buffer: small enough to share out evenly, large enough to be worth a task.
enum { CHUNK_FLOATS = 16384 };

const struct sqz_optimizer_rule *sqz_optimizer_rule_at(int opt)
{
    return opt >= 0 && opt < sqz_optimizer_rule_count ? &sqz_optimizer_rules[opt] : NULL;
}

static size_t chunk_size(const struct sqz_optimizer_rule *rule, const struct sqz_param *param)
{
    return rule->whole_parameters || param->size < CHUNK_FLOATS ? param->size : CHUNK_FLOATS;
}

// Whether one of the comma-separated names in `list` is the parameter's, or a part of the network
// that it belongs to ("features" or "features.3" for "features.3.squeeze.weight").
static bool is_named(const char *list, const char *param)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n > 0 && strncmp(list, param, n) == 0 && (param[n] == '.' || param[n] == '\0'))
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

// The same, where whoever keeps a convolution's weights keeps its batch norm, too:
// they are folded into each other.
static bool is_listed(const char *list, const struct sqz_net *net, int p)
{
    bool listed = is_named(list, net->params[p].name);
    while (net->params[p].kind >= SQZ_PARAM_BETA)
        p--;
    return listed || is_named(list, net->params[p].name);
}

// Every name of option freeze has to mean something, or a typing error would train everything.
static enum sqz_status check_freeze(const char *list, const struct sqz_net *net,
                                    struct sqz_error *err)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        char name[64] = "";
        bool found = false;
        if (n < sizeof name)
            memcpy(name, list, n);
        for (int p = 0; p < net->n_params && *name && !found; p++)
            found = is_named(name, net->params[p].name);
        if (!found)
            return sqz_fail(err, SQZ_E_CONFIG,
                            "Option freeze names \"%.*s\", but no parameter begins so; try "
                            "features, features.0 or classifier.",
                            (int)(n < 60 ? n : 60), list);
        list += n + (list[n] == ',');
    }
    return SQZ_OK;
}

static enum sqz_status find_frozen(struct sqz_optimizer *optimizer, const char *list,
                                   const struct sqz_net *net, struct sqz_error *err)
{
    enum sqz_status status = check_freeze(list, net, err);
    if (status || !*list)
        return status;
    optimizer->frozen = sqz_new_array((size_t)net->n_params, sizeof *optimizer->frozen);
    if (!optimizer->frozen)
        return sqz_fail_memory(err, "the optimizer", sizeof *optimizer->frozen);
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        if (is_listed(list, net, p))
            optimizer->frozen[optimizer->n_frozen++] = (struct sqz_frozen_range){
                .first = param->offset, .end = param->offset + param->size};
    }
    if (optimizer->n_frozen == net->n_params)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option freeze is \"%.80s\", which leaves nothing to train.", list);
    return SQZ_OK;
}

static bool is_frozen(const struct sqz_optimizer *optimizer, const struct sqz_param *param)
{
    for (int i = 0; i < optimizer->n_frozen; i++)
        if (optimizer->frozen[i].first == param->offset && param->size > 0)
            return true;
    return false;
}

// Counts the modules (features.0, features.3, ..., classifier.1) after this parameter's: 0 for the
// classifier, which layer_decay leaves at the full rate.
static int modules_behind(const struct sqz_net *net, int p)
{
    int after = 0;
    for (int i = p + 1; i < net->n_params; i++) {
        const char *now = net->params[i].name, *before = net->params[i - 1].name;
        size_t n = strcspn(now, ".");
        n += now[n] == '.' ? 1 + strcspn(now + n + 1, ".") : 0;
        after += strncmp(now, before, n) != 0 || (before[n] != '.' && before[n] != '\0');
    }
    return after;
}

// What of the options decides on a chunk.
struct rates {
    bool decay_biases, decay_norms, has_layers;
    double layer_decay;
};

static bool decays(const struct rates *rates, enum sqz_param_kind kind)
{
    switch (kind) {
    case SQZ_PARAM_BIAS:
        return rates->decay_biases;
    case SQZ_PARAM_BETA:
    case SQZ_PARAM_GAMMA:
        return rates->decay_norms;
    default:
        return true;
    }
}

static struct rates rates_of(const struct sqz_train_config *config)
{
    // "auto" leaves out names with beta or gamma, which only a network with BN has; and with it
    // MindCV makes no groups, so that layer_decay does nothing. In groups of layers biases, beta
    // and gamma never decay.
    bool automatic = config->weight_decay_filter == SQZ_DECAY_AUTO;
    bool layers = config->layer_decay == config->layer_decay && !automatic; // NAN: not given
    bool all = !layers && config->weight_decay_filter != SQZ_DECAY_NOT_NORM_AND_BIAS;
    return (struct rates){.decay_biases = all,
                          .decay_norms = all && !automatic,
                          .has_layers = layers,
                          .layer_decay = config->layer_decay};
}

static enum sqz_status cut(struct sqz_optimizer *optimizer, const struct sqz_net *net,
                           const struct rates *rates, struct sqz_error *err)
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
        bool learns = param->kind != SQZ_PARAM_STATISTIC && !is_frozen(optimizer, param);
        for (size_t at = 0; at < param->size && learns; at += size) {
            size_t left = param->size - at;
            optimizer->chunks[optimizer->n_chunks++] = (struct sqz_optimizer_chunk){
                .first = param->offset + at,
                .end = param->offset + at + (left < size ? left : size),
                .decays = decays(rates, param->kind),
                .rate_scale =
                    rates->has_layers ? pow(rates->layer_decay, modules_behind(net, p)) : 1,
            };
        }
    }
    return SQZ_OK;
}

enum sqz_status sqz_optimizer_new(const struct sqz_train_config *config, const struct sqz_net *net,
                                  struct sqz_optimizer **out, struct sqz_error *err)
{
    const struct sqz_optimizer_rule *rule = sqz_optimizer_rule_at((int)config->opt);
    struct sqz_optimizer *optimizer;
    enum sqz_status status;

    if (!rule)
        return sqz_fail(err, SQZ_E_CONFIG, "There is no optimizer \"%.80s\".", config->opt_word);
    optimizer = sqz_new_array(1, sizeof *optimizer);
    if (!optimizer)
        return sqz_fail_memory(err, "the optimizer", sizeof *optimizer);
    optimizer->rule = rule;
    optimizer->n = net->n_weights;
    optimizer->momentum = config->momentum;
    optimizer->weight_decay = config->weight_decay;
    optimizer->eps = config->eps;
    optimizer->nesterov = config->use_nesterov;
    struct rates rates = rates_of(config);
    status = find_frozen(optimizer, config->freeze, net, err);
    if (!status)
        status = cut(optimizer, net, &rates, err);
    for (int s = 0; status == SQZ_OK && s < rule->n_states; s++) {
        optimizer->state[s] = sqz_new_aligned(optimizer->n, sizeof(float));
        if (!optimizer->state[s])
            status = sqz_fail_memory(err, "the optimizer's state", optimizer->n * sizeof(float));
    }
    if (status != SQZ_OK) {
        sqz_optimizer_free(optimizer);
        return status;
    }
    sqz_optimizer_reset(optimizer);
    *out = optimizer;
    return SQZ_OK;
}

void sqz_optimizer_reset(struct sqz_optimizer *optimizer)
{
    for (int s = 0; s < optimizer->rule->n_states; s++)
        for (size_t i = 0; i < optimizer->n; i++)
            optimizer->state[s][i] = optimizer->rule->initial[s];
    optimizer->updates = optimizer->mu_updates = 0;
    optimizer->mu_product = 1;
}

void sqz_optimizer_free(struct sqz_optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (int s = 0; s < SQZ_OPTIMIZER_STATES; s++)
        sqz_free(optimizer->state[s]);
    sqz_free(optimizer->chunks);
    sqz_free(optimizer->frozen);
    sqz_free(optimizer);
}

// Kept up to date incrementally, and rebuilt after `updates` was restored from a file.
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
    update->optimizer->rule->update(update->optimizer, update->rate * chunk->rate_scale,
                                    chunk->decays ? update->optimizer->weight_decay : 0,
                                    chunk->first, chunk->end, update->weights, update->gradient);
}

void sqz_optimizer_update(struct sqz_optimizer *optimizer, struct sqz_pool *pool, double rate,
                          float *weights, const float *gradient)
{
    struct update update = {optimizer, rate, weights, gradient};

    if (optimizer->rule->has_mu)
        advance_mu(optimizer);
    sqz_pool_run(pool, optimizer->n_chunks, update_chunk, &update);
    optimizer->updates++;
}
