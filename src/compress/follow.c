// Small updates: new values on an old tensor's grid.
#include "compress/encoder.h"

#include <math.h>
#include <string.h>

#define SCALED_ENOUGH 0.02 // of a step: values this near to the old codes, in new steps, keep them

static size_t count_of(const struct sqz_coded *coded)
{
    return coded->rows * coded->columns;
}

static void set_step(struct sqz_coded *coded, float step)
{
    memcpy(&coded->parameter, &step, sizeof step);
}

static int clamp_code(double code)
{
    return code > SQZ_MAX_CODE ? SQZ_MAX_CODE : code < -SQZ_MAX_CODE ? -SQZ_MAX_CODE : (int)code;
}

static double follow_step(const struct sqz_coded *old, const float *values, struct sqz_coded *out)
{
    double step = (double)sqz_coded_step(old), products = 0, squares = 0, farthest = 0;
    size_t n = count_of(old);
    for (size_t i = 0; i < n; i++) {
        products += (double)values[i] * old->codes[i];
        squares += (double)old->codes[i] * old->codes[i];
    }
    // All values scaled by one factor: the codes stay.
    float scaled = squares > 0 ? (float)(products / squares) : 0;
    if (scaled > 0 && isfinite(scaled)) {
        for (size_t i = 0; i < n; i++)
            farthest = fmax(farthest, fabs((double)values[i] / (double)scaled - old->codes[i]));
        if (farthest <= SCALED_ENOUGH) {
            if (fabs((double)scaled / step - 1) > 1e-6)
                set_step(out, scaled);
            memcpy(out->codes, old->codes, n * sizeof *out->codes);
            return farthest;
        }
    }
    farthest = 0;
    for (size_t i = 0; i < n; i++) {
        double exact = (double)values[i] / step;
        out->codes[i] = (int16_t)clamp_code(rint(exact));
        farthest = fmax(farthest, fabs(exact - out->codes[i]));
    }
    return farthest;
}

static double entry_value(const struct sqz_coded *coded, uint32_t entry)
{
    float value;
    memcpy(&value, &coded->codebook[entry], sizeof value);
    return (double)value;
}

static void follow_codebook(const struct sqz_coded *old, const float *values, struct sqz_coded *out)
{
    uint32_t negative = old->parameter & 0xffff, positive = old->parameter >> 16;
    for (size_t i = 0; i < count_of(old); i++) {
        double value = (double)values[i], best = fabs(value);
        out->codes[i] = 0;
        for (uint32_t e = 0; e < negative + positive; e++) {
            double distance = fabs(entry_value(old, e) - value);
            if (distance < best) {
                best = distance;
                out->codes[i] = (int16_t)(e < negative ? -(int)e - 1 : (int)(e - negative) + 1);
            }
        }
    }
}

enum sqz_status sqz_coded_follow(const struct sqz_coded *old, const float *values,
                                 struct sqz_coded *out, double *deviation, struct sqz_error *err)
{
    *deviation = 0;
    if (old->coding == SQZ_CODING_FLOAT)
        return sqz_coded_from_floats(values, old->rank, old->dims, SQZ_CODER_RANGE, out, err);
    *out = *old;
    out->codes = sqz_new_array(count_of(old), sizeof *out->codes);
    if (!out->codes)
        return sqz_fail_memory(err, "codes", count_of(old) * sizeof *out->codes);
    if (old->coding == SQZ_CODING_STEP)
        *deviation = follow_step(old, values, out);
    else
        follow_codebook(old, values, out);
    return SQZ_OK;
}

bool sqz_coded_same_codes(const struct sqz_coded *a, const struct sqz_coded *b)
{
    if (a->coding != b->coding || a->coder != b->coder || a->rank != b->rank ||
        a->rows != b->rows || a->columns != b->columns)
        return false;
    size_t n = count_of(a);
    if (a->coding == SQZ_CODING_FLOAT)
        return memcmp(a->bits, b->bits, n * sizeof *a->bits) == 0;
    return memcmp(a->codes, b->codes, n * sizeof *a->codes) == 0;
}

bool sqz_coded_can_differ(const struct sqz_coded *old, const struct sqz_coded *new)
{
    if (!old->codes || !new->codes || old->coding != new->coding || new->coder != SQZ_CODER_RANGE ||
        old->rows != new->rows || old->columns != new->columns)
        return false;
    for (size_t i = 0; i < count_of(old); i++)
        if (new->codes[i] - old->codes[i] > SQZ_MAX_CODE ||
            new->codes[i] - old->codes[i] < -SQZ_MAX_CODE)
            return false;
    return true;
}
