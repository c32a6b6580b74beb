// Scores of logits, and the threshold below which a model answers "unknown".
#include "formats/unknown.h"

#include "kernels/softmax.h"

#include <math.h>

const char *sqz_unknown_name(enum sqz_unknown_score score)
{
    static const char *const names[] = {"none", "softmax", "logit", "energy"};
    return names[score];
}

static double largest_of(const float *logits, int classes)
{
    double largest = -INFINITY;
    for (int c = 0; c < classes; c++)
        largest = fmax(largest, (double)logits[c]);
    return largest;
}

double sqz_unknown_value(enum sqz_unknown_score score, const float *logits, int classes)
{
    if (score == SQZ_UNKNOWN_LOGIT)
        return largest_of(logits, classes);
    double largest, sum = sqz_exp_sum(logits, classes, 1, &largest);
    return score == SQZ_UNKNOWN_ENERGY ? largest + log(sum) : 1 / sum;
}

bool sqz_unknown_is(const struct sqz_unknown *unknown, const float *logits, int classes)
{
    return unknown->score != SQZ_UNKNOWN_NONE &&
           !(sqz_unknown_value(unknown->score, logits, classes) >= unknown->threshold);
}
