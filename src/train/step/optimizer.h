// Update rules of the optimizers over one flat parameter buffer.
#ifndef SQZ_TRAIN_STEP_OPTIMIZER_H
#define SQZ_TRAIN_STEP_OPTIMIZER_H

#include "base/threads.h"
#include "net/net.h"
#include "train/options/train_config.h"

#define SQZ_OPTIMIZER_STATES 4

struct sqz_optimizer_chunk {
    size_t first, end; // floats; never across two parameters
    bool decays;
    double rate_scale; // layer_decay's factor on the learning rate
};
struct sqz_frozen_range {
    size_t first, end; // floats
};
struct sqz_optimizer {
    const struct sqz_optimizer_rule *rule;
    float *state[SQZ_OPTIMIZER_STATES]; // rule->n_states buffers of n floats, else NULL
    size_t n;
    uint64_t updates; // done so far; restoring it and the states restores the optimizer
    double momentum, weight_decay, eps;
    bool nesterov;
    struct sqz_optimizer_chunk *chunks; // of an update; fixed, so that threads do not change bits
    int n_chunks;
    struct sqz_frozen_range *frozen; // weights that option freeze keeps as they are: in no chunk
    int n_frozen;
    double mu_product; // nadam's, after mu_updates updates
    uint64_t mu_updates;
};
struct sqz_optimizer_rule {
    int n_states;
    const char *states[SQZ_OPTIMIZER_STATES]; // as in MindSpore's checkpoints ("moments", ...)
    float initial[SQZ_OPTIMIZER_STATES];
    bool whole_parameters; // a chunk is a whole parameter, because sums over it are needed
    bool counts_batches; // MindCV's own optimizers read the rate table's next entry at every batch,
                         // MindSpore's at every update
    bool has_mu;         // mu_product is kept up to date
    void (*update)(const struct sqz_optimizer *optimizer, double rate, double decay, size_t first,
                   size_t end, float *weights, const float *gradient);
};
// The rule of a value of option opt (enum sqz_choice_opt); NULL past the end.
const struct sqz_optimizer_rule *sqz_optimizer_rule_at(int opt);
// SQZ_E_CONFIG when option freeze names no parameter, or all of them.
enum sqz_status sqz_optimizer_new(const struct sqz_train_config *config, const struct sqz_net *net,
                                  struct sqz_optimizer **out, struct sqz_error *err);
// Back to the state before the first update.
void sqz_optimizer_reset(struct sqz_optimizer *optimizer);
void sqz_optimizer_free(struct sqz_optimizer *optimizer);
// One update with the (unscaled) mean gradient.
void sqz_optimizer_update(struct sqz_optimizer *optimizer, struct sqz_pool *pool, double rate,
                          float *weights, const float *gradient);

#endif
