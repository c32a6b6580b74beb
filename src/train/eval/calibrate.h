// Calibration: the temperature that makes probabilities mean something, folded into the last
// convolution, and the threshold below which an image is unknown.
#ifndef SQZ_TRAIN_EVAL_CALIBRATE_H
#define SQZ_TRAIN_EVAL_CALIBRATE_H

#include "formats/formats.h"
#include "train/options/options.h"
#include "train/setup/environment.h"

// What sqz_calibrate calls.
enum sqz_status sqz_calibrate_model(const struct sqz_environment *environment,
                                    const struct sqz_model *model,
                                    const struct sqz_calibrate_options *how, struct sqz_model **out,
                                    struct sqz_calibrate_result *result, struct sqz_error *err);

// --- calibrate_fit.c: the arithmetic, on rows of logits ---

// Which rows of a labelled set: every second one of each class fits, the others report.
struct sqz_logit_rows {
    const float *logits; // n x classes
    const int *labels;   // n
    const bool *fits;    // n
    size_t n;
    int classes;
};
// The temperature in [1/20, 20] at which the softmax of logits / temperature has the least NLL.
double sqz_fit_temperature(const struct sqz_logit_rows *rows);
// The probability that a known image has the larger score than an unknown one (ties: half).
enum sqz_status sqz_auroc(const double *known, size_t n_known, const double *unknown,
                          size_t n_unknown, double *out, struct sqz_error *err);
// Scores of the rows that fit (`fits` true) or report.
size_t sqz_scores_of(const struct sqz_logit_rows *rows, bool fits, enum sqz_unknown_score score,
                     double *out, bool *correct);
// The threshold that a share `coverage` of the scores reaches.
enum sqz_status sqz_threshold_of_coverage(const double *scores, size_t n, double coverage,
                                          double *out, struct sqz_error *err);
// The smallest one above which a share `precision` of the answers is correct; SQZ_BELOW_BOUND when
// there is none.
enum sqz_status sqz_threshold_of_precision(const double *scores, const bool *correct, size_t n,
                                           double precision, double *out, struct sqz_error *err);
// The last convolution, weights and bias, divided by the temperature. Weights that are multiples of
// one step stay so, and those of a codebook keep theirs: a .sqz file does not grow.
enum sqz_status sqz_fold_temperature(struct sqz_model *model, double temperature,
                                     struct sqz_error *err);

#endif
