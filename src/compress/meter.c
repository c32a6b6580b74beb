// The KL meter: pictures and the original's answers in memory, one inference pass a reading.
#include "compress/meter.h"

#include "base/memory.h"
#include "net/infer.h"

#include <math.h>

struct sqz_meter {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    int n;
    float *images, *original, *changed; // logits [n][classes]
};

void sqz_meter_free(struct sqz_meter *meter)
{
    if (!meter)
        return;
    sqz_free(meter->images);
    sqz_free(meter->original);
    sqz_free(meter->changed);
    sqz_free(meter);
}

static enum sqz_status answer(const struct sqz_meter *meter, const float *weights, float *logits,
                              struct sqz_error *err)
{
    struct sqz_infer *infer = NULL;
    enum sqz_status status =
        sqz_infer_new(meter->net, weights, meter->kernels, meter->pool, &infer, err);
    if (!status)
        sqz_infer_run(infer, meter->images, meter->n, logits);
    sqz_infer_free(infer);
    return status;
}

enum sqz_status sqz_meter_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              sqz_pictures_fn pictures, void *pictures_arg, int n,
                              struct sqz_meter **out, struct sqz_error *err)
{
    const struct sqz_tensor *in = &net->tensors[0];
    size_t pixels = (size_t)in->h * (size_t)in->w * (size_t)in->c;
    size_t logits = (size_t)n * (size_t)net->spec.classes;
    struct sqz_meter *meter = sqz_new_array(1, sizeof *meter);
    if (!meter)
        return sqz_fail_memory(err, "a meter", sizeof *meter);
    *meter = (struct sqz_meter){.net = net, .kernels = kernels, .pool = pool, .n = n};
    meter->images = sqz_new_aligned((size_t)n * pixels, sizeof(float));
    meter->original = sqz_new_array(logits, sizeof(float));
    meter->changed = sqz_new_array(logits, sizeof(float));
    enum sqz_status status = SQZ_OK;
    if (!meter->images || !meter->original || !meter->changed)
        status = sqz_fail_memory(err, "pictures", (size_t)n * pixels * sizeof(float));
    if (!status)
        status = pictures(pictures_arg, 0, n, meter->images, err);
    if (!status)
        status = answer(meter, weights, meter->original, err);
    if (status)
        sqz_meter_free(meter);
    else
        *out = meter;
    return status;
}

static double log_of_sum(const float *logits, int classes, int *best)
{
    double sum = 0;
    *best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[*best])
            *best = c;
    for (int c = 0; c < classes; c++)
        sum += exp((double)logits[c] - (double)logits[*best]);
    return (double)logits[*best] + log(sum);
}

enum sqz_status sqz_meter_read(struct sqz_meter *meter, const float *weights,
                               struct sqz_reading *out, struct sqz_error *err)
{
    enum sqz_status status = answer(meter, weights, meter->changed, err);
    int classes = meter->net->spec.classes, same = 0;
    double kl = 0, drop = 0;
    for (int i = 0; i < meter->n && !status; i++) {
        const float *a = meter->original + (size_t)i * (size_t)classes;
        const float *b = meter->changed + (size_t)i * (size_t)classes;
        int best_a, best_b;
        double log_a = log_of_sum(a, classes, &best_a), log_b = log_of_sum(b, classes, &best_b);
        for (int c = 0; c < classes; c++) {
            double p = (double)a[c] - log_a;
            kl += exp(p) * (p - ((double)b[c] - log_b));
        }
        same += best_a == best_b;
        drop += exp((double)a[best_a] - log_a) - exp((double)a[best_b] - log_a);
    }
    *out = (struct sqz_reading){kl / meter->n, (double)same / meter->n, drop / meter->n};
    return status;
}
