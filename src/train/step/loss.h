// Losses on logits: values and exact gradients, summed in double.
#ifndef SQZ_TRAIN_STEP_LOSS_H
#define SQZ_TRAIN_STEP_LOSS_H

#include "train/options/train_config.h"

// What the gradient is divided by; reported losses are always means, so that runs can be compared.
// MindCV's "none" is trained on the sum, too.
enum sqz_reduction { SQZ_REDUCE_MEAN, SQZ_REDUCE_SUM };
struct sqz_loss {
    enum sqz_choice_loss kind;
    enum sqz_reduction reduction;
    int classes;
    double smoothing;
    const float *class_weights; // one a class (CE and BCE); NULL: all 1. Borrowed
};
enum { SQZ_JSD_SPLITS = 3 }; // parts of a batch that the jsd loss compares

// Kind, reduction and smoothing as configured; no class weights.
struct sqz_loss sqz_loss_of(const struct sqz_train_config *config, int classes);

// One batch's targets. `dense` (n x classes, rows of mixed or soft labels) goes before `labels`;
// both are of the whole batch and borrowed.
struct sqz_loss_batch {
    const struct sqz_loss *loss;
    const int *labels;
    const float *dense; // NULL: the labels alone
    int n;
    double mean_divisor;     // turns the rows' sum into the reported mean
    double gradient_divisor; // 1 for sums
};
void sqz_loss_begin(const struct sqz_loss *loss, const int *labels, const float *dense, int n,
                    struct sqz_loss_batch *out);
// Rows first .. first+n-1, whose logits are given: returns their share of the reported mean;
// dlogits (may be NULL) = the gradient of the reduced loss, times `scale`. A row's share depends on
// its logits and target only. Not for SQZ_LOSS_JSD in training (it counts as cross-entropy here).
double sqz_loss_rows(const struct sqz_loss_batch *batch, int first, int n, const float *logits,
                     double scale, float *dlogits);
// The jsd loss of a whole batch of three equal parts (clean, copy, copy; n divisible by 3):
// smoothed cross-entropy of the first part + 12 times the Jensen-Shannon divergence of the three.
// The gradient is the full one: MindSpore's flows through the mixture only, where it cancels to
// zero, so that MindCV's consistency term trains nothing.
double sqz_loss_jsd(const struct sqz_loss_batch *batch, const float *logits, double scale,
                    float *dlogits);
// The reported loss of logits that are all zero, as a network with its last ReLU closed has them.
// Class weights beside smoothing make it depend on the batch's n labels (for jsd: the clean
// part's). labels NULL: for any targets; NAN where it depends on them.
double sqz_loss_at_zero(const struct sqz_loss *loss, const int *labels, int n);
// The part of that loss that training can reduce: the true class's. The last ReLU lets no logit go
// below zero, so the other classes' parts in bce and asl_multi_label stay.
double sqz_loss_reducible(const struct sqz_loss *loss);

// Softmax cross-entropy with label smoothing over n rows; the mean is over `total` rows (the whole
// batch). Returns the rows' share of the loss; dlogits (may be NULL) = its gradient * scale.
// labels: n class indices.
double sqz_loss_cross_entropy(const float *logits, const int *labels, int n, int classes, int total,
                              double smoothing, double scale, float *dlogits);

#endif
