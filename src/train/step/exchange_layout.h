// What an exchange is made of; private to it.
#ifndef SQZ_TRAIN_STEP_EXCHANGE_LAYOUT_H
#define SQZ_TRAIN_STEP_EXCHANGE_LAYOUT_H

#include "train/step/exchange.h"

enum stage { STAGE_LOCAL, STAGE_NODES, STAGE_SUMS }; // what a bucket waits for

struct messages {
    struct sqz_message *list;
    size_t n, room;
};
struct flow { // one bucket on its way
    enum stage stage;
    struct messages in, out, sums_in, sums_out;
    size_t at; // of this rank's slice in a node's values
};

struct sqz_exchange {
    struct sqz_ranks *ranks;
    const struct sqz_kernels *kernels;
    struct sqz_gradient *engine;
    size_t n_weights, share; // floats; share: of all this rank's slices
    bool bf16;
    int n_buckets;
    struct sqz_bucket buckets[SQZ_BUCKETS];
    struct flow flows[SQZ_BUCKETS];
    struct messages reports;
    struct sqz_rank_report mine, *all;
    // of the batch size that came last:
    int n, leaves, n_nodes, own_first, n_own;
    struct sqz_node *nodes; // of all ranks
    int *owners;            // of the nodes
    float *values;          // n_nodes x share: what was received, own nodes' places unused
    uint16_t *wire_in;      // the same as it comes, with bf16
    uint16_t *wire_out;     // n_own x n_weights, with bf16
    uint16_t *wire_sums;    // n_weights
    struct sqz_reduce *reduce;
    // of this step:
    float *gradient;
    bool computes;
    struct sqz_exchange_cost cost;
};

// The slice of a bucket that a rank adds up: floats *first .. *end-1. Whole vectors, but for the
// last one.
void sqz_exchange_slice(const struct sqz_exchange *exchange, int bucket, int rank, size_t *first,
                        size_t *end);
// Which nodes there are for a batch of n rows, and whose; and memory for them.
enum sqz_status sqz_exchange_lay_out(struct sqz_exchange *exchange, int n, struct sqz_error *err);

#endif
