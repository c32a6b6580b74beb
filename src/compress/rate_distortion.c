// A layer's curve: it is rounded with all candidates in one go, then encoded to learn the bytes.
#include "compress/rate_distortion.h"

#include "base/memory.h"
#include "compress/encoder.h"

#include <math.h>
#include <string.h>

#define FINEST          0.025 // the finest step, in deviations of the weights that are not 0
#define RATIO           0.2   // from step to step, in octaves
#define DROP            0.25  // from one zero_threshold to the next
#define USUAL_DROP      0.5   // about what the bits of a rare code are worth
#define PRUNED          0.1   // share of zeros from which on they are no accident
#define BIAS_DISTORTION 0.001 // of a bias's rounding, relative to the distortion by the weights
#define REFERENCE_AT    0.9 // of its bytes that a layer on a grid keeps at its reference candidate
enum {
    KEPT = 10,      // candidates that keep a grid's step
    REFERENCE = 17, // of a scale: about a quarter of a deviation
};

void sqz_rate_distortion_release(struct sqz_rate_distortion *curve)
{
    sqz_free(curve->oihw);
    for (int s = 0; s < SQZ_CANDIDATES; s++)
        sqz_free(curve->codes[s]);
    memset(curve, 0, sizeof *curve);
}

struct sizing {
    struct sqz_rate_distortion *curve;
    bool failed[SQZ_CANDIDATES];
};

static void measure_bytes(void *arg, int task, int worker)
{
    struct sizing *sizing = arg;
    const struct sqz_rate_distortion *curve = sizing->curve;
    const struct sqz_param *p = curve->weight;
    struct sqz_text payload = {0};
    uint32_t check;
    struct sqz_coded coded = {.rank = 4,
                              .dims = {(size_t)p->out, (size_t)p->in, (size_t)p->kh, (size_t)p->kw},
                              .rows = (size_t)curve->rows,
                              .columns = (size_t)curve->columns,
                              .coding = SQZ_CODING_STEP,
                              .codes = curve->codes[task]};
    (void)worker;
    sqz_coded_encode(&coded, &payload, &check);
    sizing->curve->bytes[task] = payload.length;
    sizing->failed[task] = payload.failed;
    sqz_text_release(&payload);
}

// The deviation of the weights that are not 0; *used says how many these are.
static double find_deviation(const struct sqz_rate_distortion *curve, size_t *used)
{
    double squares = 0;
    *used = 0;
    for (size_t i = 0; i < (size_t)curve->rows * (size_t)curve->columns; i++) {
        *used += curve->oihw[i] != 0;
        squares += (double)curve->oihw[i] * (double)curve->oihw[i];
    }
    return *used ? sqrt(squares / (double)*used) : 1;
}

static void list_scale(struct sqz_rate_distortion *curve, double deviation)
{
    for (int c = 0; c < SQZ_CANDIDATES; c++)
        curve->candidates[c].step = (float)(deviation * FINEST * exp2(RATIO * c));
}

// Weights on a grid lie in clumps. Another scale would meet them only where it is so fine that it
// writes every clump's place in several bits.
static void list_coarser(struct sqz_rate_distortion *curve, float step)
{
    for (int c = 0; c < KEPT; c++)
        curve->candidates[c] = (struct sqz_candidate){step, (float)(DROP * c)};
    for (int c = KEPT; c < SQZ_CANDIDATES; c++)
        curve->candidates[c] = (struct sqz_candidate){
            (float)((double)step * exp2(RATIO * (c - KEPT + 1))), (float)USUAL_DROP};
}

// On a grid the first candidates may change nothing.
static int choose_reference(const struct sqz_rate_distortion *curve)
{
    int c = 0;
    while (c < SQZ_CANDIDATES - 1 &&
           (double)curve->bytes[c] > REFERENCE_AT * (double)curve->bytes[0])
        c++;
    return c;
}

enum sqz_status sqz_rate_distortion_new(const struct sqz_net *net, const float *weights,
                                        const float *grid,
                                        const struct sqz_input_statistics *statistics,
                                        struct sqz_pool *pool, struct sqz_rate_distortion *out,
                                        struct sqz_error *err)
{
    const struct sqz_layer *layer = &net->layers[statistics->layer];
    struct sqz_rate_distortion curve = {.layer = layer,
                                        .weight = &net->params[layer->weight],
                                        .bias = &net->params[layer->bias],
                                        .statistics = statistics,
                                        .rows = net->params[layer->weight].out,
                                        .columns = statistics->columns,
                                        .bias_step = grid ? grid[layer->bias] : 0};
    const float step = grid ? grid[layer->weight] : 0;
    size_t n = (size_t)curve.rows * (size_t)curve.columns, used;
    bool ok = (curve.oihw = sqz_new_array(n, sizeof(float))) != NULL;
    for (int s = 0; s < SQZ_CANDIDATES && ok; s++)
        ok = (curve.codes[s] = sqz_new_array(n, sizeof(int16_t))) != NULL;
    enum sqz_status status =
        ok ? SQZ_OK : sqz_fail_memory(err, "a layer's codes", SQZ_CANDIDATES * n * sizeof(int16_t));
    if (!status) {
        sqz_param_to_oihw(curve.weight, weights, curve.oihw);
        double deviation = find_deviation(&curve, &used);
        curve.sparse = (double)used < (1 - PRUNED) * (double)n;
        if (step > 0)
            list_coarser(&curve, step);
        else
            list_scale(&curve, deviation);
        struct sqz_gptq_job job = {.weights = curve.oihw,
                                   .rows = curve.rows,
                                   .statistics = statistics,
                                   .keep_zeros = curve.sparse,
                                   .candidates = curve.candidates,
                                   .n_candidates = SQZ_CANDIDATES,
                                   .codes = curve.codes,
                                   .distortion = curve.distortion};
        status = sqz_gptq_run(&job, pool, err);
    }
    if (!status) {
        struct sizing sizing = {.curve = &curve};
        sqz_pool_run(pool, SQZ_CANDIDATES, measure_bytes, &sizing);
        for (int s = 0; s < SQZ_CANDIDATES && !status; s++)
            if (sizing.failed[s])
                status = sqz_fail_memory(err, "a layer's payload", n);
        curve.reference = step > 0 ? choose_reference(&curve) : REFERENCE;
    }
    if (status)
        sqz_rate_distortion_release(&curve);
    else
        *out = curve;
    return status;
}

float sqz_rate_distortion_bias_step(const struct sqz_rate_distortion *curve, int choice)
{
    // Mean squared error of an output.
    double distortion = curve->distortion[choice] / curve->rows;
    return fmaxf(curve->bias_step, (float)sqrt(12 * BIAS_DISTORTION * distortion));
}

void sqz_rate_distortion_apply(const struct sqz_rate_distortion *curve, int choice, float bias_step,
                               float *weights)
{
    const struct sqz_param *p = curve->weight;
    float step = curve->candidates[choice].step, *to = weights + p->offset;
    float *bias = weights + curve->bias->offset;
    int taps = p->kh * p->kw;
    for (int o = 0; o < curve->rows; o++) {
        size_t at = (size_t)o * (size_t)curve->columns;
        double shift = 0; // of the output's mean
        for (int c = 0; c < curve->columns; c++) {
            float value = (float)curve->codes[choice][at + (size_t)c] * step;
            shift +=
                ((double)value - (double)curve->oihw[at + (size_t)c]) * curve->statistics->mean[c];
            to[((size_t)(c % taps) * (size_t)p->in + (size_t)(c / taps)) * (size_t)p->out +
               (size_t)o] = value;
        }
        bias[o] = (float)((double)bias[o] - shift);
        if (bias_step > 0) {
            float code = rintf(bias[o] / bias_step);
            code = fmaxf(fminf(code, SQZ_MAX_CODE), -SQZ_MAX_CODE);
            bias[o] = code != 0 ? code * bias_step : 0; // never -0.0, which is no multiple
        }
    }
}
