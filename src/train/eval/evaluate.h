// Top-1, top-5 and loss of a model on a split.
#ifndef SQZ_TRAIN_EVAL_EVALUATE_H
#define SQZ_TRAIN_EVAL_EVALUATE_H

#include "data/loader/loader.h"
#include "formats/formats.h"
#include "net/engine.h"
#include "train/eval/reliability.h"
#include "train/step/loss.h"
#include "train/setup/environment.h"

struct sqz_evaluation {
    int64_t samples, correct1, correct5; // correct5: label among the min(5, classes) largest
    double loss_sum;                     // over samples, in their order
    struct sqz_reliability reliability;  // of the plain softmax
    int64_t *confusion; // set by the caller, classes x classes, [label][most probable]; may be NULL
};

// Everything of *out but `confusion` is overwritten; that one is added to.
// Runs `loader`'s epoch 0 through the network. A NaN logit never counts as correct. The loss is
// taken without its class weights (and jsd as the cross-entropy that it is on clean images).
// PROGRESS events say "validate"; SQZ_E_STOPPED when the stop flag is seen. Ranks take their shares
// of every batch and all get the same numbers, to the bit those of one process.
// `engine` says what runs; kernels and pool are the environment's.
enum sqz_status sqz_evaluate(const struct sqz_environment *environment,
                             const struct sqz_engine_config *engine, struct sqz_loader *loader,
                             const struct sqz_loss *loss, struct sqz_evaluation *out,
                             struct sqz_error *err);

// Images that a substitute stood for, on all ranks.
size_t sqz_substituted(struct sqz_ranks *ranks, const struct sqz_loader *loader);

// The confusion matrix as CSV: a column a predicted class, a row a true one; and a line a class
// with samples, recall (its top-1), precision and F1. `classes` (names) may be NULL: then by index.
void sqz_confusion_csv(const int64_t *confusion, int n, char *const *classes, struct sqz_text *out);
void sqz_per_class_csv(const int64_t *confusion, int n, char *const *classes, struct sqz_text *out);

// Logits before the label's, ties resolved by index. A NaN on either side is never "not before".
int sqz_rank_of(const float *logits, int classes, int label);

#endif
