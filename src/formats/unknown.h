// When a model answers "unknown": a score of its logits, and the threshold that is stored in its
// file (docs/calibration.md).
#ifndef SQZ_FORMATS_UNKNOWN_H
#define SQZ_FORMATS_UNKNOWN_H

#include <stdbool.h>

enum sqz_unknown_score {
    SQZ_UNKNOWN_NONE,    // the model knows no threshold
    SQZ_UNKNOWN_SOFTMAX, // the largest probability
    SQZ_UNKNOWN_LOGIT,   // the largest logit
    SQZ_UNKNOWN_ENERGY,  // log of the sum of exp(logit)
    SQZ_UNKNOWN_SCORES
};
struct sqz_unknown {
    enum sqz_unknown_score score;
    double threshold; // an image whose score is below is unknown
};
const char *sqz_unknown_name(enum sqz_unknown_score score); // "softmax", "logit", "energy"; "none"
// Larger for images that are more likely of a class that the model knows.
double sqz_unknown_value(enum sqz_unknown_score score, const float *logits, int classes);
// False where there is no threshold.
bool sqz_unknown_is(const struct sqz_unknown *unknown, const float *logits, int classes);

#endif
