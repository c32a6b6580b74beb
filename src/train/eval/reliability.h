// How far the probabilities of a model can be believed: calibration error, negative log-likelihood
// and Brier score.
#ifndef SQZ_TRAIN_EVAL_RELIABILITY_H
#define SQZ_TRAIN_EVAL_RELIABILITY_H

#include <squeezenet_train.h>

// Of one sample, from the softmax of its logits in double.
struct sqz_reliability_sample {
    double confidence; // the largest probability
    double nll, brier; // -log p(label); sum over classes of (p - [class is the label])^2
};
struct sqz_reliability_sample sqz_reliability_of(const float *logits, int classes, int label);

// Zero-initialise it. Samples are added in their order.
struct sqz_reliability {
    int64_t samples[SQZ_RELIABILITY_BINS], correct[SQZ_RELIABILITY_BINS];
    double confidence[SQZ_RELIABILITY_BINS], nll, brier; // sums
    int64_t n;
};
void sqz_reliability_add(struct sqz_reliability *sums, const struct sqz_reliability_sample *sample,
                         bool correct);
// Fills the figures of *out: ece, nll, brier, reliability.
void sqz_reliability_tell(const struct sqz_reliability *sums, struct sqz_validate_result *out);

#endif
