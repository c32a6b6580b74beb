// Temperature, thresholds and the area under the ROC curve.
#include "train/eval/calibrate.h"

#include "compress/encoder.h"
#include "kernels/softmax.h"
#include "train/eval/evaluate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- Temperature ---

static double mean_nll(const struct sqz_logit_rows *rows, double temperature)
{
    double total = 0;
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const float *row = rows->logits + i * (size_t)rows->classes;
        if (!rows->fits[i])
            continue;
        double largest, sum = sqz_exp_sum(row, rows->classes, temperature, &largest);
        total += log(sum) - ((double)row[rows->labels[i]] - largest) / temperature;
        n++;
    }
    return n ? total / (double)n : 0;
}

// Golden section on the logarithm: the NLL has one minimum.
double sqz_fit_temperature(const struct sqz_logit_rows *rows)
{
    enum { STEPS = 40 };
    const double ratio = (sqrt(5) - 1) / 2;
    double low = -log(20), high = log(20);
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double at_a = mean_nll(rows, exp(a)), at_b = mean_nll(rows, exp(b));
    for (int i = 0; i < STEPS; i++)
        if (at_a < at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - ratio * (high - low);
            at_a = mean_nll(rows, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + ratio * (high - low);
            at_b = mean_nll(rows, exp(b));
        }
    return exp((low + high) / 2);
}

// Values that a .sqz file holds as codes keep their codes: only the step or the codebook changes.
static enum sqz_status scale_coded(float *values, const struct sqz_param *param, float factor,
                                   struct sqz_error *err)
{
    size_t dims[4] = {(size_t)param->out, (size_t)param->in, (size_t)param->kh, (size_t)param->kw};
    struct sqz_coded coded = {0};
    enum sqz_status status = sqz_coded_from_floats(values, 4, dims, SQZ_CODER_RANGE, &coded, err);
    if (!status && coded.coding == SQZ_CODING_STEP) {
        float step = sqz_coded_step(&coded) * factor;
        memcpy(&coded.parameter, &step, sizeof step);
        sqz_coded_to_bits(&coded, (uint32_t *)values);
    } else if (!status) {
        for (size_t i = 0; i < param->size; i++)
            values[i] *= factor;
    }
    sqz_coded_release(&coded);
    return status;
}

enum sqz_status sqz_fold_temperature(struct sqz_model *model, double temperature,
                                     struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    const struct sqz_layer *layer = &net->layers[net->n_layers - 1];
    float factor = (float)(1 / temperature);
    while (layer->kind != SQZ_LAYER_CONV)
        layer--;
    const struct sqz_param *weight = &net->params[layer->weight];
    const struct sqz_param *bias = &net->params[layer->bias];
    float *values = sqz_new_array(weight->size, sizeof *values);
    if (!values)
        return sqz_fail_memory(err, "weights", weight->size * sizeof *values);
    sqz_param_to_oihw(weight, model->weights, values);
    enum sqz_status status = scale_coded(values, weight, factor, err);
    if (!status)
        sqz_param_from_oihw(weight, values, model->weights);
    for (size_t i = 0; !status && i < bias->size; i++)
        model->weights[bias->offset + i] *= factor;
    sqz_free(values);
    return status;
}

// --- Scores ---

size_t sqz_scores_of(const struct sqz_logit_rows *rows, bool fits, enum sqz_unknown_score score,
                     double *out, bool *correct)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const float *row = rows->logits + i * (size_t)rows->classes;
        if (rows->fits[i] != fits)
            continue;
        out[n] = sqz_unknown_value(score, row, rows->classes);
        correct[n++] = sqz_rank_of(row, rows->classes, rows->labels[i]) == 0;
    }
    return n;
}

struct scored {
    double score;
    bool flag;
};

// Larger scores first.
static int compare(const void *a, const void *b)
{
    double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x < y) - (x > y);
}

static struct scored *sort(const double *scores, const bool *flags, size_t n, struct sqz_error *err)
{
    struct scored *list = sqz_new_array(n + 1, sizeof *list);
    if (!list) {
        sqz_fail_memory(err, "scores", n * sizeof *list);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        list[i] = (struct scored){scores[i], flags ? flags[i] : false};
    qsort(list, n, sizeof *list, compare);
    return list;
}

enum sqz_status sqz_threshold_of_coverage(const double *scores, size_t n, double coverage,
                                          double *out, struct sqz_error *err)
{
    struct scored *list = sort(scores, NULL, n, err);
    if (!list)
        return SQZ_E_NOMEM;
    size_t kept = (size_t)ceil(coverage * (double)n - 1e-9);
    kept = kept < 1 ? 1 : kept > n ? n : kept;
    *out = list[kept - 1].score;
    sqz_free(list);
    return SQZ_OK;
}

enum sqz_status sqz_threshold_of_precision(const double *scores, const bool *correct, size_t n,
                                           double precision, double *out, struct sqz_error *err)
{
    struct scored *list = sort(scores, correct, n, err);
    size_t right = 0;
    bool found = false;
    if (!list)
        return SQZ_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        right += list[i].flag;
        bool last_of_equals = i + 1 == n || list[i + 1].score < list[i].score;
        if (last_of_equals && (double)right >= precision * (double)(i + 1)) {
            *out = list[i].score;
            found = true;
        }
    }
    sqz_free(list);
    return found
               ? SQZ_OK
               : sqz_fail(err, SQZ_BELOW_BOUND,
                          "No threshold makes a share of %.4g of the answers correct.", precision);
}

enum sqz_status sqz_auroc(const double *known, size_t n_known, const double *unknown,
                          size_t n_unknown, double *out, struct sqz_error *err)
{
    struct scored *list = sqz_new_array(n_known + n_unknown + 1, sizeof *list);
    double above = 0, won = 0; // unknown ones passed so far; pairs that the known one wins
    size_t n = n_known + n_unknown;
    if (!list)
        return sqz_fail_memory(err, "scores", n * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = i < n_known ? (struct scored){known[i], true}
                              : (struct scored){unknown[i - n_known], false};
    qsort(list, n, sizeof *list, compare);
    for (size_t i = 0; i < n;) {
        size_t end = i, equal_known = 0;
        for (; end < n && !(list[end].score < list[i].score); end++)
            equal_known += list[end].flag;
        double equal_unknown = (double)(end - i - equal_known);
        won += (double)equal_known * ((double)n_unknown - above - equal_unknown / 2);
        above += equal_unknown;
        i = end;
    }
    *out = won / ((double)n_known * (double)n_unknown);
    sqz_free(list);
    return SQZ_OK;
}
