// Calibration error, negative log-likelihood and Brier score.
#include "train/eval/reliability.h"

#include <math.h>

struct sqz_reliability_sample sqz_reliability_of(const float *logits, int classes, int label)
{
    double largest = -INFINITY, sum = 0, squares = 0, at_label = 0;
    for (int c = 0; c < classes; c++)
        largest = fmax(largest, (double)logits[c]);
    for (int c = 0; c < classes; c++) {
        double e = exp((double)logits[c] - largest);
        sum += e;
        squares += e * e;
        at_label = c == label ? e : at_label;
    }
    double p = at_label / sum;
    return (struct sqz_reliability_sample){
        .confidence = 1 / sum,
        .nll = log(sum) - ((double)logits[label] - largest),
        .brier = squares / (sum * sum) - 2 * p + 1,
    };
}

void sqz_reliability_add(struct sqz_reliability *sums, const struct sqz_reliability_sample *sample,
                         bool correct)
{
    int bin = (int)(sample->confidence * SQZ_RELIABILITY_BINS); // NaN logits: 0, never correct
    if (!(sample->confidence >= 0))
        bin = 0;
    bin = bin < SQZ_RELIABILITY_BINS ? bin : SQZ_RELIABILITY_BINS - 1;
    sums->samples[bin]++;
    sums->correct[bin] += correct;
    sums->confidence[bin] += sample->confidence;
    sums->nll += sample->nll;
    sums->brier += sample->brier;
    sums->n++;
}

void sqz_reliability_tell(const struct sqz_reliability *sums, struct sqz_validate_result *out)
{
    double n = (double)sums->n;
    out->ece = 0;
    out->nll = sums->nll / n;
    out->brier = sums->brier / n;
    for (int b = 0; b < SQZ_RELIABILITY_BINS; b++) {
        double samples = (double)sums->samples[b];
        struct sqz_reliability_bin *bin = &out->reliability[b];
        *bin = (struct sqz_reliability_bin){.samples = sums->samples[b]};
        if (!sums->samples[b])
            continue;
        bin->confidence = sums->confidence[b] / samples;
        bin->accuracy = (double)sums->correct[b] / samples;
        out->ece += samples / n * fabs(bin->confidence - bin->accuracy);
    }
}
