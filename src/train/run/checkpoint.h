// The training state on disk: one safetensors file that a run continues from, bit for bit.
#ifndef SQZ_TRAIN_RUN_CHECKPOINT_H
#define SQZ_TRAIN_RUN_CHECKPOINT_H

#include "data/sets/dataset.h"
#include "formats/formats.h"
#include "train/step/steps.h"
#include "train/run/watchdog.h"

// Where a run stands, apart from weights and optimizer. Nothing in it depends on the machine or the
// time.
struct sqz_train_state {
    int64_t epoch;    // epochs done = index of the current one
    int64_t batch;    // batches done in the current epoch
    int64_t steps;    // batches done in all
    int64_t finished; // 1 when the last epoch is over
    double loss_sum;  // of the current epoch's samples
    int64_t loss_samples;
    double final_loss;           // mean of the last epoch that was completed; NAN before
    int64_t best_epoch;          // 1-based; 0: never validated
    double best_top1, best_top5; // fractions
    double best_loss;            // of the validation images; decides where top-1 is the same
    int64_t train_images, val_images;
    uint64_t train_fingerprint, val_fingerprint;
    struct sqz_sample_keys samples; // of the training images; owned; keys NULL: none are kept
    struct sqz_text history;        // rows of history.csv without their timings
    struct sqz_text step_rows;      // rows of steps.csv
    struct sqz_text kept;           // MindCV-style checkpoints: "name<TAB>top1" lines, oldest first
    struct sqz_text recipe;         // what of the configuration decides the result, as YAML
    float *previous_best; // weights of the best epoch, when best.safetensors holds a later
                          // model of a run that was cut short; else NULL
    char simd[16];        // SIMD level of the last run
    struct sqz_watchdog watch;
};
void sqz_train_state_release(struct sqz_train_state *state);

// Brings the model's weights up to date (sqz_stepper_fold).
enum sqz_status sqz_checkpoint_write(const char *path, const struct sqz_train_state *state,
                                     const struct sqz_stepper *stepper,
                                     const struct sqz_model *model, struct sqz_error *err);
// Reads model and state; *archive keeps the arrays for sqz_checkpoint_restore. SQZ_E_DATA for a
// file that is no training state.
enum sqz_status sqz_checkpoint_read(const char *path, struct sqz_archive *archive,
                                    struct sqz_model **model, struct sqz_train_state *state,
                                    struct sqz_error *err);
// Optimizer state, accumulator, counters and what else is trained into a stepper made from the same
// recipe.
enum sqz_status sqz_checkpoint_restore(const char *path, const struct sqz_archive *archive,
                                       const struct sqz_train_state *state,
                                       struct sqz_stepper *stepper, struct sqz_error *err);
// What a network with BN is trained with, and the moving average if there is one: into the
// stepper.
enum sqz_status sqz_checkpoint_take_weights(const char *path, const struct sqz_archive *archive,
                                            struct sqz_stepper *stepper, struct sqz_error *err);
// The weights of the best epoch, when best.safetensors holds another model; *out NULL if not.
enum sqz_status sqz_checkpoint_previous_best(const char *path, const struct sqz_archive *archive,
                                             const struct sqz_net *net, float **out,
                                             struct sqz_error *err);
// MindCV's checkpoint: weights, optimizer state, moving average and step count. From a with_bn
// network MindCV reads the plain weights; the rest is added to them, and the optimizer's state,
// which is that of other parameters, has this before its names.
#define SQZ_CHECKPOINT_BN "norm_"
enum sqz_status sqz_checkpoint_write_ckpt(const char *path, const struct sqz_stepper *stepper,
                                          const struct sqz_model *model, struct sqz_error *err);

#endif
