// Batches of the losses: targets, reductions, and the divergence of three views of an image.
#include "train/step/loss.h"

#include "train/step/loss_rows.h"
#include "kernels/softmax.h"
#include <math.h>
#include <string.h>

// Rows of more classes need the heap.
enum { CLASSES_ON_STACK = 1024 };

struct sqz_loss sqz_loss_of(const struct sqz_train_config *config, int classes)
{
    bool mean = config->reduction == SQZ_REDUCTION_MEAN;
    return (struct sqz_loss){.kind = config->loss,
                             .reduction = mean ? SQZ_REDUCE_MEAN : SQZ_REDUCE_SUM,
                             .classes = classes,
                             .smoothing = config->label_smoothing};
}

void sqz_loss_begin(const struct sqz_loss *loss, const int *labels, const float *dense, int n,
                    struct sqz_loss_batch *out)
{
    double divisor = n;
    if (loss->kind == SQZ_LOSS_BCE)
        divisor *= loss->classes;
    // With integer labels a weighted mean is divided by the weights, with dense targets by the
    // rows.
    if (loss->kind == SQZ_LOSS_CE && loss->class_weights && !dense) {
        divisor = 0;
        for (int i = 0; i < n; i++)
            divisor += (double)loss->class_weights[labels[i]];
    }
    bool sum = loss->reduction == SQZ_REDUCE_SUM || loss->kind == SQZ_LOSS_ASL_MULTI;
    *out = (struct sqz_loss_batch){.loss = loss,
                                   .labels = labels,
                                   .dense = dense,
                                   .n = n,
                                   .mean_divisor = divisor,
                                   .gradient_divisor = sum ? 1 : divisor};
}

// The smoothed target of a row; asl_multi_label is never smoothed.
static void fill_target(const struct sqz_loss_batch *batch, int row, double *target)
{
    const struct sqz_loss *loss = batch->loss;
    int classes = loss->classes;
    double s = loss->kind == SQZ_LOSS_ASL_MULTI ? 0 : loss->smoothing;
    const float *dense = batch->dense ? batch->dense + (size_t)row * (size_t)classes : NULL;
    for (int c = 0; c < classes; c++) {
        double t = dense ? (double)dense[c] : c == batch->labels[row];
        target[c] = (1 - s) * t + s / classes;
    }
}

static double one_row(const struct sqz_loss_batch *batch, int row, const float *logits,
                      double *target, double *gradient)
{
    const struct sqz_loss *loss = batch->loss;
    fill_target(batch, row, target);
    switch (loss->kind) {
    case SQZ_LOSS_BCE:
        return sqz_row_bce(logits, target, loss->class_weights, loss->classes, gradient);
    case SQZ_LOSS_ASL_SINGLE:
        return sqz_row_asl_single(logits, target, batch->labels[row], loss->classes, gradient);
    case SQZ_LOSS_ASL_MULTI:
        return sqz_row_asl_multi(logits, target, loss->classes, gradient);
    case SQZ_LOSS_CE:
    case SQZ_LOSS_JSD:
        break;
    }
    return sqz_row_ce(logits, target, loss->class_weights, loss->classes, gradient);
}

static bool is_plain(const struct sqz_loss_batch *batch)
{
    const struct sqz_loss *loss = batch->loss;
    return (loss->kind == SQZ_LOSS_CE || loss->kind == SQZ_LOSS_JSD) && !loss->class_weights &&
           !batch->dense && batch->gradient_divisor == batch->n;
}

double sqz_loss_rows(const struct sqz_loss_batch *batch, int first, int n, const float *logits,
                     double scale, float *dlogits)
{
    const struct sqz_loss *loss = batch->loss;
    size_t classes = (size_t)loss->classes;
    if (is_plain(batch))
        return sqz_loss_cross_entropy(logits, batch->labels + first, n, loss->classes, batch->n,
                                      loss->smoothing, scale, dlogits);
    double small[2 * CLASSES_ON_STACK], *target = small, sum = 0;
    double factor = scale / batch->gradient_divisor;
    if (classes > CLASSES_ON_STACK && !(target = sqz_new_array(2 * classes, sizeof *target)))
        return NAN; // the trainer stops on a loss that is no number
    double *gradient = target + classes;
    for (int row = 0; row < n; row++) {
        sum += one_row(batch, first + row, logits + (size_t)row * classes, target,
                       dlogits ? gradient : NULL);
        for (size_t c = 0; dlogits && c < classes; c++)
            dlogits[(size_t)row * classes + c] = (float)(gradient[c] * factor);
    }
    if (target != small)
        sqz_free(target);
    return sum / batch->mean_divisor;
}

// --- Jensen-Shannon divergence of three views ---

// One triple's sum of KL(p_k || M); `factor` of its gradient is added to dlogits.
static double one_triple(const float *const logits[SQZ_JSD_SPLITS], int classes, double factor,
                         float *const dlogits[SQZ_JSD_SPLITS])
{
    static const double least = 1e-7;
    double maximum[SQZ_JSD_SPLITS], log_sum[SQZ_JSD_SPLITS], mean[SQZ_JSD_SPLITS] = {0}, sum = 0;
    for (int k = 0; k < SQZ_JSD_SPLITS; k++)
        log_sum[k] = log(sqz_exp_sum(logits[k], classes, 1, &maximum[k]));
    // Twice over the classes: the softmax's gradient needs the mean of the first pass.
    for (int pass = 0; pass < (dlogits ? 2 : 1); pass++) {
        for (int c = 0; c < classes; c++) {
            double log_p[SQZ_JSD_SPLITS], p[SQZ_JSD_SPLITS], m = 0;
            for (int k = 0; k < SQZ_JSD_SPLITS; k++) {
                log_p[k] = (double)logits[k][c] - maximum[k] - log_sum[k];
                p[k] = exp(log_p[k]);
                m += p[k] / SQZ_JSD_SPLITS;
            }
            double clipped = fmin(fmax(m, least), 1), log_m = log(clipped);
            for (int k = 0; k < SQZ_JSD_SPLITS; k++) {
                // d/dp of sum_k p log(p/m): log(p/m) + 1 - (m's share, 1 unless it is clipped).
                double slope = log_p[k] - log_m + 1 - (clipped == m ? 1 : 0);
                if (pass == 0) {
                    sum += p[k] > 0 ? p[k] * (log_p[k] - log_m) : 0;
                    mean[k] += p[k] > 0 ? p[k] * slope : 0;
                } else if (p[k] > 0) {
                    double sofar = (double)dlogits[k][c];
                    dlogits[k][c] = (float)(sofar + factor * p[k] * (slope - mean[k]));
                }
            }
        }
    }
    return sum;
}

double sqz_loss_jsd(const struct sqz_loss_batch *batch, const float *logits, double scale,
                    float *dlogits)
{
    static const double alpha = 12;
    const struct sqz_loss *loss = batch->loss;
    int rows = batch->n / SQZ_JSD_SPLITS;
    size_t part = (size_t)rows * (size_t)loss->classes, classes = (size_t)loss->classes;
    struct sqz_loss_batch clean;
    sqz_loss_begin(loss, batch->labels, batch->dense, rows, &clean);
    if (dlogits)
        memset(dlogits, 0, SQZ_JSD_SPLITS * part * sizeof *dlogits);
    double value = sqz_loss_rows(&clean, 0, rows, logits, scale, dlogits), sum = 0;
    double share = alpha / SQZ_JSD_SPLITS / rows;
    for (int row = 0; row < rows; row++) {
        const float *views[SQZ_JSD_SPLITS];
        float *gradients[SQZ_JSD_SPLITS] = {NULL};
        for (int k = 0; k < SQZ_JSD_SPLITS; k++) {
            views[k] = logits + (size_t)k * part + (size_t)row * classes;
            if (dlogits)
                gradients[k] = dlogits + (size_t)k * part + (size_t)row * classes;
        }
        sum += one_triple(views, loss->classes, scale * share, dlogits ? gradients : NULL);
    }
    return value + share * sum;
}

static double mean_weight(const struct sqz_loss *loss)
{
    double sum = 0;
    for (int c = 0; c < loss->classes; c++)
        sum += loss->class_weights ? (double)loss->class_weights[c] : 1;
    return sum / loss->classes;
}

double sqz_loss_at_zero(const struct sqz_loss *loss, const int *labels, int n)
{
    double p = 1.0 / loss->classes, other = loss->smoothing * p, weight = 0, mixture;
    if (!labels && (loss->kind == SQZ_LOSS_ASL_SINGLE || loss->kind == SQZ_LOSS_ASL_MULTI))
        return NAN;
    switch (loss->kind) {
    case SQZ_LOSS_CE:
    case SQZ_LOSS_JSD:
        if (!loss->class_weights)
            return log(loss->classes);
        if (!labels)
            return NAN;
        for (int i = 0; i < n; i++)
            weight += (double)loss->class_weights[labels[i]] / n;
        mixture = (1 - loss->smoothing) * weight + loss->smoothing * mean_weight(loss);
        return log(loss->classes) * (loss->kind == SQZ_LOSS_CE ? mixture / weight : mixture);
    case SQZ_LOSS_BCE:
        return mean_weight(loss) * log(2);
    case SQZ_LOSS_ASL_SINGLE:
        return sqz_loss_reducible(loss) - log(p) * (loss->classes - 1) * other * p * p * p * p;
    case SQZ_LOSS_ASL_MULTI: // one true class; q = 0.55
        return sqz_loss_reducible(loss) - (loss->classes - 1) * log(0.55) * pow(0.45, 4);
    }
    return 0;
}

double sqz_loss_reducible(const struct sqz_loss *loss)
{
    double p = 1.0 / loss->classes;
    switch (loss->kind) {
    case SQZ_LOSS_CE:
    case SQZ_LOSS_JSD:
        break;
    case SQZ_LOSS_BCE:
        return mean_weight(loss) * log(2) * p;
    case SQZ_LOSS_ASL_SINGLE:
        return -log(p) * (1 - loss->smoothing + loss->smoothing * p) * (1 - p);
    case SQZ_LOSS_ASL_MULTI: // p = 0.5
        return -log(0.5) * 0.5;
    }
    return log(loss->classes);
}

// --- The plain case, which training and validation spend their time in ---

double sqz_loss_cross_entropy(const float *logits, const int *labels, int n, int classes, int total,
                              double smoothing, double scale, float *dlogits)
{
    double spread = smoothing / classes, factor = scale / total, loss = 0;

    for (int row = 0; row < n; row++) {
        const float *z = logits + (size_t)row * (size_t)classes;
        double maximum, log_sum = log(sqz_exp_sum(z, classes, 1, &maximum)), targets = 0;
        for (int c = 0; c < classes; c++)
            targets += (double)z[c] - maximum;
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
