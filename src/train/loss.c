// Softmax and cross-entropy, summed in double: the loss is compared across runs to the last digit.
#include "train/loss.h"

#include <math.h>
#include <stddef.h>

static double row_maximum(const float *logits, int classes)
{
    float maximum = logits[0];

    for (int c = 1; c < classes; c++)
        if (logits[c] > maximum)
            maximum = logits[c];
    return (double)maximum;
}

double sqz_loss_cross_entropy(const float *logits, const int *labels, int n, int classes, int total,
                              double smoothing, double scale, float *dlogits)
{
    double spread = smoothing / classes, factor = scale / total, loss = 0;

    for (int row = 0; row < n; row++) {
        const float *z = logits + (size_t)row * (size_t)classes;
        double maximum = row_maximum(z, classes), sum = 0, targets = 0, log_sum;
        for (int c = 0; c < classes; c++) {
            sum += exp((double)z[c] - maximum);
            targets += (double)z[c] - maximum;
        }
        log_sum = log(sum);
        // -sum of target * log_softmax; the targets of a row add up to one.
        loss += log_sum - spread * targets - (1 - smoothing) * ((double)z[labels[row]] - maximum);
        if (!dlogits)
            continue;
        for (int c = 0; c < classes; c++) {
            double target = spread + (c == labels[row] ? 1 - smoothing : 0);
            double p = exp((double)z[c] - maximum - log_sum);
            dlogits[(size_t)row * (size_t)classes + (size_t)c] = (float)((p - target) * factor);
        }
    }
    return loss / total;
}

void sqz_softmax(const float *logits, int classes, float *probabilities)
{
    double maximum = row_maximum(logits, classes), sum = 0;

    for (int c = 0; c < classes; c++)
        sum += exp((double)logits[c] - maximum);
    for (int c = 0; c < classes; c++)
        probabilities[c] = (float)(exp((double)logits[c] - maximum) / sum);
}
