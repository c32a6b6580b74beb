// Probabilities with a temperature, in double, and KL divergence from logits.
#include "compress/predictions.h"

#include "kernels/softmax.h"

#include <math.h>

int sqz_most_probable(const float *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best])
            best = c;
    return best;
}

static double log_of_sum(const float *logits, int classes, double temperature)
{
    double most, sum = sqz_exp_sum(logits, classes, temperature, &most);
    return most / temperature + log(sum);
}

double sqz_probability(const float *logits, int classes, int class, double temperature)
{
    return exp((double)logits[class] / temperature - log_of_sum(logits, classes, temperature));
}

double sqz_kl(const float *p, const float *q, int classes, double temperature)
{
    double log_p = log_of_sum(p, classes, temperature), log_q = log_of_sum(q, classes, temperature);
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        double l = (double)p[c] / temperature - log_p;
        sum += exp(l) * (l - ((double)q[c] / temperature - log_q));
    }
    return sum;
}
