// The training step below the loader: gradient, unscaling, clipping, accumulation, update, moving
// average, in this order.
#ifndef SQZ_TRAIN_STEP_STEPS_H
#define SQZ_TRAIN_STEP_STEPS_H

#include "net/gradient.h"
#include "net/bn.h"
#include "train/step/exchange.h"
#include "train/step/loss.h"
#include "train/step/loss_scale.h"
#include "train/step/optimizer.h"
#include "train/step/fake_quant.h"

struct sqz_stepper_config {
    const struct sqz_net *net;   // what is trained; borrowed, as the next three
    const struct sqz_net *plain; // NULL; or, where `net` has BN, the same without
    bool warm; // with BN: the weights come from a file, whose logits the first step keeps
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    int max_batch;           // rows, all augmentation splits counted
    struct sqz_loss loss;    // its class weights are borrowed
    double clip_value;       // bound of the global norm; 0 = no clipping
    int accumulate;          // micro-batches per update, >= 1
    double ema_decay;        // 0 = no moving average
    uint64_t seed;           // of the dropout masks
    struct sqz_ranks *ranks; // that share every batch; NULL: one process. Borrowed
    bool bf16;               // how gradients travel between them
};
// What has to be saved of a stepper, apart from its buffers.
struct sqz_step_counters {
    int64_t group;       // micro-batches in the accumulator
    int64_t counted;     // micro-batches that were used: not those whose gradient overflowed
    int64_t ema_updates; // of the moving average
    struct sqz_loss_scale scale;
};
struct sqz_stepper {
    struct sqz_stepper_config config;
    struct sqz_gradient *engine;
    struct sqz_exchange *exchange;     // NULL: one process
    struct sqz_optimizer *optimizer;   // borrowed
    struct sqz_fake_quant *fake_quant; // of compression-aware training; borrowed; NULL: none
    float *weights;                    // what is trained; borrowed, unless there is `model`
    float *model;                      // with BN: the plain network's weights, borrowed
    float *folded;                     // with BN: plain weights of the moving average
    float *statistics;                 // with BN: of the last micro-batch
    bool *fixed;                       // with BN, per layer: frozen, so its statistics stay, too
    bool calibrated;                   // a warm start has been
    float *gradient;                   // of the last micro-batch, after clipping
    float *accumulator;                // NULL without accumulation
    float *ema;                        // moving average of the weights; NULL without
    float *logits, *dlogits;           // of a whole batch, for the jsd loss only
    struct sqz_step_counters counters;
    uint64_t micro_steps;   // done so far: key of the dropout masks
    int overflows;          // running
    struct sqz_error error; // of a step that failed
};
// `scale` is where the loss scale begins (zero-initialised: none). `weights` are plain; those of a
// network with BN are made of them, and sqz_stepper_eval_weights and sqz_stepper_fold bring them
// back.
enum sqz_status sqz_stepper_init(struct sqz_stepper *stepper,
                                 const struct sqz_stepper_config *config,
                                 const struct sqz_loss_scale *scale,
                                 struct sqz_optimizer *optimizer, float *weights,
                                 struct sqz_error *err);
void sqz_stepper_release(struct sqz_stepper *stepper);
// Bytes that init takes, the optimizer's state not counted.
enum sqz_status sqz_stepper_memory(const struct sqz_stepper_config *config,
                                   struct sqz_gradient_memory *engine, size_t *total,
                                   struct sqz_error *err);

struct sqz_step_batch {
    const float *images;  // n x H x W x C
    const int *labels;    // n
    const float *targets; // n x classes, where labels are mixed; else NULL
    int n;                // for the jsd loss: three equal parts
    // NULL, or n times a teacher's maps (sqz_net_maps), and the weight of the difference: its
    // square as a share of the teacher's. Not of networks with BN.
    const float *maps;
    double map_weight;
    // With ranks, all of this is of the whole batch, but images are those of this rank's share
    // (sqz_gradient_share), and only its maps are there; this is what the others are told:
    const struct sqz_error *failed; // why this rank has no images; NULL: it has
    bool stop;                      // it was asked to stop
};
struct sqz_step_result {
    double loss;          // before the update, unscaled, mean over the micro-batch
    double gradient_norm; // before clipping
    double zero_fraction; // of the ReLU outputs of leaf 0
    double zero_logits;   // share of the batch's logits that are 0: closed by the last ReLU
    bool updated;         // false: went into the accumulator only, or was not finite
    bool skipped;         // its gradient overflowed, and the loss scale says to leave such out
    bool finite;          // loss, gradient and weights, or skipped; when false nothing was updated
                          // unless the update itself overflowed
    enum sqz_status status; // not SQZ_OK: a rank failed (stepper's `error`); nothing else is set
    bool stop;              // a rank was asked to stop
    const struct sqz_rank_report *reports; // one a rank; NULL: one process. Until the next step
    struct sqz_exchange_cost cost;
};
// One micro-batch. `rate` is used when the group is complete. A non-finite loss or gradient leaves
// weights, optimizer, average and accumulator as they were.
void sqz_stepper_run(struct sqz_stepper *stepper, const struct sqz_step_batch *batch, double rate,
                     struct sqz_step_result *out);
// The weights that validation uses: those of compression-aware training as a file will hold them,
// else their moving average, if there is one. Valid until the next step.
const float *sqz_stepper_eval_weights(const struct sqz_stepper *stepper);
// Brings the plain weights (sqz_stepper_init's) up to date: networks with BN are trained apart.
void sqz_stepper_fold(const struct sqz_stepper *stepper);

#endif
