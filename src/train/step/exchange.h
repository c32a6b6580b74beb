// The sum of a gradient over ranks, in the fixed tree's order, while the backward pass still runs.
#ifndef SQZ_TRAIN_STEP_EXCHANGE_H
#define SQZ_TRAIN_STEP_EXCHANGE_H

#include "dist/ranks.h"
#include "net/gradient.h"
#include "net/reduce.h"

struct sqz_exchange;

// What every rank tells the others once a step, beside the gradient.
struct sqz_rank_report {
    int32_t status;         // not SQZ_OK: it could not compute its share, and `text` says why
    int32_t stop;           // it was asked to stop
    int64_t zeros;          // among its logits
    double zero_fraction;   // of leaf 0's ReLU outputs, from the rank that has it
    double compute_seconds; // of its share of this step
    double exposed_seconds; // that it waited for others in the step before
    double losses[SQZ_TREE_NODES]; // of its nodes, from left to right
    char text[256];
};

struct sqz_exchange_cost { // of the last step, this rank's
    size_t bytes;          // sent
    double seconds;        // between the end of the backward pass and the end of the exchange
};

// bf16: gradients travel as 16 bits. Borrows all.
enum sqz_status sqz_exchange_new(struct sqz_ranks *ranks, const struct sqz_net *net,
                                 const struct sqz_kernels *kernels, struct sqz_gradient *engine,
                                 bool bf16, struct sqz_exchange **out, struct sqz_error *err);
void sqz_exchange_free(struct sqz_exchange *exchange);

// Before sqz_gradient_run of a batch of n rows: gets ready to receive into `gradient` (n_weights).
// computes: false when this rank will not run it, because something failed; it still takes part.
enum sqz_status sqz_exchange_begin(struct sqz_exchange *exchange, int n, float *gradient,
                                   bool computes, struct sqz_error *err);
// During it: the step's `poll`, with the exchange as its argument. Sends what is whole.
void sqz_exchange_poll(void *exchange);
// After it: `gradient` is the whole batch's, the same bits on all ranks; `all` (one a rank, valid
// until the next call) is what they tell. *loss: the leaves' losses, added by the same tree.
enum sqz_status sqz_exchange_finish(struct sqz_exchange *exchange,
                                    const struct sqz_rank_report *mine,
                                    const struct sqz_rank_report **all, double *loss,
                                    struct sqz_error *err);
struct sqz_exchange_cost sqz_exchange_cost(const struct sqz_exchange *exchange);

// Completes `rows` (n rows of `width` floats), of which this rank has filled its share.
enum sqz_status sqz_exchange_rows(struct sqz_ranks *ranks, const struct sqz_net *net, int n,
                                  size_t width, float *rows, struct sqz_error *err);
// Samples *first .. *end-1 of n, which are rank `rank`'s of `ranks`: as equal parts as can be.
void sqz_even_share(int n, int rank, int ranks, int *first, int *end);

#endif
