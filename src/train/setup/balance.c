// Class weights and balanced views.
#include "train/setup/balance.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t *count_classes(const struct sqz_dataset *set, int classes)
{
    size_t *counts = sqz_new_array((size_t)classes, sizeof *counts);
    for (size_t i = 0; counts && i < set->count; i++)
        counts[set->samples[i].label]++;
    return counts;
}

// "1,0.5,2": as many numbers as there are classes.
static bool parse_weights(const char *text, int classes, float *out)
{
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        char *end;
        double value = strtod(text, &end);
        if (end == text || !(value >= 0) || value > 1e6 || (*end != ',' && c + 1 < classes))
            return false;
        out[c] = (float)value;
        sum += value;
        text = end + (*end == ',' && c + 1 < classes);
    }
    return !*text && sum > 0;
}

enum sqz_status sqz_class_weights(const struct sqz_train_config *config,
                                  const struct sqz_dataset *set, int classes, float **out,
                                  struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    size_t *counts = NULL;
    *out = NULL;
    if (!*config->class_weights)
        return SQZ_OK;
    float *weights = sqz_new_array((size_t)classes, sizeof *weights);
    if (weights)
        counts = count_classes(set, classes);
    if (!counts) {
        sqz_free(weights);
        return sqz_fail_memory(err, "class weights", (size_t)classes * sizeof *weights);
    }
    if (config->balances_loss) {
        for (int c = 0; c < classes; c++)
            if (counts[c] > 0)
                weights[c] = (float)((double)set->count / ((double)classes * (double)counts[c]));
    } else if (!parse_weights(config->class_weights, classes, weights)) {
        status =
            sqz_fail(err, SQZ_E_CONFIG,
                     "Option class_weights is \"%.80s\", but it must be balanced, or %d numbers "
                     "of at least 0 separated by commas, one for each class.",
                     config->class_weights, classes);
    }
    sqz_free(counts);
    if (status)
        sqz_free(weights);
    else
        *out = weights;
    return status;
}

enum sqz_status sqz_balanced_view(const struct sqz_dataset *set, struct sqz_dataset **out,
                                  struct sqz_error *err)
{
    int classes = 0;
    for (size_t i = 0; i < set->count; i++)
        classes = set->samples[i].label >= classes ? set->samples[i].label + 1 : classes;
    size_t *counts = count_classes(set, classes), most = 0, total = 0, present = 0, at = set->count;
    for (int c = 0; counts && c < classes; c++) {
        most = counts[c] > most ? counts[c] : most;
        present += counts[c] > 0;
    }
    // The loader numbers samples with ints.
    if (counts && (!sqz_size_mul(most, present, &total) || total > INT_MAX)) {
        sqz_free(counts);
        return sqz_fail(err, SQZ_E_CONFIG,
                        "The classes of \"%s\" differ too much for balanced_sampling: the largest "
                        "has %zu images; use class_weights instead.",
                        set->name, most);
    }
    struct sqz_dataset *view = counts ? sqz_new_array(1, sizeof *view) : NULL;
    struct sqz_sample *samples = view ? sqz_new_array(total, sizeof *samples) : NULL;
    if (!samples) {
        sqz_free(counts);
        sqz_free(view);
        return sqz_fail_memory(err, "the balanced list", total * sizeof *samples);
    }
    *view = *set;
    memcpy(samples, set->samples, set->count * sizeof *samples);
    // Round after round, a sample each of the classes that still lack some.
    while (at < total)
        for (size_t i = 0; i < set->count && at < total; i++)
            if (counts[set->samples[i].label] < most) {
                samples[at++] = set->samples[i];
                counts[set->samples[i].label]++;
            }
    view->samples = samples;
    view->count = total;
    sqz_free(counts);
    *out = view;
    return SQZ_OK;
}

void sqz_free_view(struct sqz_dataset *view)
{
    if (view)
        sqz_free(view->samples);
    sqz_free(view);
}
