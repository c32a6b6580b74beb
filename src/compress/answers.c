// What two networks' logits for one image say about each other.
#include "compress/answers.h"

#include <math.h>

int sqz_most_probable(const float *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best])
            best = c;
    return best;
}

static double log_of_sum(const float *logits, int classes, double softness)
{
    double most = (double)logits[sqz_most_probable(logits, classes)], sum = 0;
    for (int c = 0; c < classes; c++)
        sum += exp(((double)logits[c] - most) / softness);
    return most / softness + log(sum);
}

double sqz_probability(const float *logits, int classes, int class, double softness)
{
    return exp((double)logits[class] / softness - log_of_sum(logits, classes, softness));
}

double sqz_kl(const float *p, const float *q, int classes, double softness)
{
    double log_p = log_of_sum(p, classes, softness), log_q = log_of_sum(q, classes, softness);
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        double l = (double)p[c] / softness - log_p;
        sum += exp(l) * (l - ((double)q[c] / softness - log_q));
    }
    return sum;
}
