// The one softmax of losses, teachers, divergences and answers.
#include "kernels/softmax.h"

#include <math.h>

double sqz_exp_sum(const float *logits, int classes, double temperature, double *maximum)
{
    float most = logits[0];
    double sum = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > most)
            most = logits[c];
    *maximum = (double)most;
    for (int c = 0; c < classes; c++)
        sum += exp(((double)logits[c] - *maximum) / temperature);
    return sum;
}

void sqz_softmax(const float *logits, int classes, float *probabilities)
{
    double maximum, sum = sqz_exp_sum(logits, classes, 1, &maximum);
    for (int c = 0; c < classes; c++)
        probabilities[c] = (float)(exp((double)logits[c] - maximum) / sum);
}
