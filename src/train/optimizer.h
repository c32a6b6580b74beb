// Update rules (spec 12) over one flat parameter buffer.
#ifndef SQZ_TRAIN_OPTIMIZER_H
#define SQZ_TRAIN_OPTIMIZER_H

#include "base/threads.h"
#include "net/net.h"
#include "train/options.h"

struct sqz_optimizer {
    const struct sqz_optimizer_rule *rule;
    float *state[3];       // rule->n_states buffers of n floats, else NULL
    size_t n;
    uint64_t updates;      // done so far
    double momentum, weight_decay;
    bool nesterov;
    const struct sqz_net *net; // borrowed: which ranges are biases
    bool decay_biases;
};
struct sqz_optimizer_rule {
    const char *name;      // as in option opt
    int n_states;
    const char *states[3]; // names in checkpoints ("moments", ...)
    void (*update)(struct sqz_optimizer *optimizer, double rate, double decay, size_t first, size_t end,
                   float *weights, const float *gradient);
};
const struct sqz_optimizer_rule *sqz_optimizer_rule_at(int index); // the supported ones
enum sqz_status sqz_optimizer_new(const struct sqz_options *options, const struct sqz_net *net,
                                  struct sqz_optimizer **out, struct sqz_error *err);
void sqz_optimizer_free(struct sqz_optimizer *optimizer);
// One update with the (unscaled) mean gradient; elementwise, so threads do not change bits.
void sqz_optimizer_update(struct sqz_optimizer *optimizer, struct sqz_pool *pool, double rate,
                          float *weights, const float *gradient);

#endif
