// Value and gradient of each loss for one row of logits, in double.
#include "train/step/loss_rows.h"

#include "kernels/softmax.h"

#include <math.h>
#include <stddef.h>

double sqz_row_ce(const float *logits, const double *target, const float *weights, int classes,
                  double *gradient)
{
    double maximum, log_sum = log(sqz_exp_sum(logits, classes, 1, &maximum)), loss = 0, mass = 0;

    for (int c = 0; c < classes; c++) {
        double t = weights ? target[c] * (double)weights[c] : target[c];
        loss -= t * ((double)logits[c] - maximum - log_sum);
        mass += t;
    }
    for (int c = 0; gradient && c < classes; c++) {
        double t = weights ? target[c] * (double)weights[c] : target[c];
        gradient[c] = mass * exp((double)logits[c] - maximum - log_sum) - t;
    }
    return loss;
}

double sqz_row_bce(const float *logits, const double *target, const float *weights, int classes,
                   double *gradient)
{
    double loss = 0;

    for (int c = 0; c < classes; c++) {
        double z = (double)logits[c], w = weights ? (double)weights[c] : 1;
        double tail = exp(-fabs(z)); // never overflows
        loss += w * (fmax(z, 0) - z * target[c] + log1p(tail));
        if (gradient)
            gradient[c] = w * ((z >= 0 ? 1 : tail) / (1 + tail) - target[c]);
    }
    return loss;
}

// Asymmetric focusing: the true class is weighted by (1 - p)^1, every other one by p^4; the
// gradient goes through these weights, too.
double sqz_row_asl_single(const float *logits, const double *target, int label, int classes,
                          double *gradient)
{
    double maximum, log_sum = log(sqz_exp_sum(logits, classes, 1, &maximum)), loss = 0, mean = 0;

    for (int c = 0; c < classes; c++) {
        double log_p = (double)logits[c] - maximum - log_sum, p = exp(log_p);
        double w = c == label ? 1 - p : p * p * p * p;
        double slope = c == label ? -1 : 4 * p * p * p; // dw/dp
        double t = target[c];
        loss -= t * w * log_p;
        // p * dL/dp, which stays finite when p vanishes.
        if (gradient) {
            gradient[c] = -t * (p * slope * log_p + w);
            mean += gradient[c];
        }
    }
    for (int c = 0; gradient && c < classes; c++)
        gradient[c] -= mean * exp((double)logits[c] - maximum - log_sum);
    return loss;
}

double sqz_row_asl_multi(const float *logits, const double *target, int classes, double *gradient)
{
    static const double clip = 0.05, least = 1e-8, gamma_pos = 1, gamma_neg = 4;
    double loss = 0;

    for (int c = 0; c < classes; c++) {
        double z = (double)logits[c], t = target[c], tail = exp(-fabs(z));
        double p = (z >= 0 ? 1 : tail) / (1 + tail);
        double q = fmin((z >= 0 ? tail : 1) / (1 + tail) + clip, 1);
        double dp = tail / ((1 + tail) * (1 + tail)), dq = q < 1 ? -dp : 0;
        double likelihood = t * log(fmax(p, least)) + (1 - t) * log(fmax(q, least));
        double miss = fmax(1 - (p * t + q * (1 - t)), 0);
        double gamma = gamma_pos * t + gamma_neg * (1 - t);
        double focus = pow(miss, gamma);
        loss -= likelihood * focus;
        if (!gradient)
            continue;
        double slope = (p > least ? t * dp / p : 0) + (1 - t) * dq / q;
        double hit_slope = t * dp + (1 - t) * dq;
        gradient[c] = -slope * focus + likelihood * gamma * pow(miss, gamma - 1) * hit_slope;
    }
    return loss;
}
