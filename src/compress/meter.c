// The KL meter: images and the original's answers in memory, one inference pass a reading.
#include "compress/meter.h"

#include "base/memory.h"
#include "compress/answers.h"
#include "net/infer.h"

#define SURE    0.85 // mean probability of the original's choice from which on it is softened
#define SOFTEST 16.0

struct sqz_meter {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    int n;
    float *images, *original, *changed; // logits [n][classes]
    double softness;                    // what logits are divided by
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
        sqz_infer_new(meter->net, weights, meter->kernels, meter->pool, false, &infer, err);
    if (!status)
        sqz_infer_run(infer, meter->images, meter->n, logits);
    sqz_infer_free(infer);
    return status;
}

static void find_softness(struct sqz_meter *meter)
{
    int classes = meter->net->spec.classes;
    for (meter->softness = 1; meter->softness < SOFTEST; meter->softness *= 2) {
        double sure = 0;
        for (int i = 0; i < meter->n; i++) {
            const float *a = meter->original + (size_t)i * (size_t)classes;
            sure += sqz_probability(a, classes, sqz_most_probable(a, classes), meter->softness);
        }
        if (sure <= SURE * meter->n)
            return;
    }
}

enum sqz_status sqz_meter_new(const struct sqz_net *net, const float *weights,
                              const struct sqz_kernels *kernels, struct sqz_pool *pool,
                              sqz_images_fn images, void *images_arg, int n, struct sqz_meter **out,
                              struct sqz_error *err)
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
        status = sqz_fail_memory(err, "images", (size_t)n * pixels * sizeof(float));
    if (!status)
        status = images(images_arg, 0, n, meter->images, err);
    if (!status)
        status = answer(meter, weights, meter->original, err);
    if (status) {
        sqz_meter_free(meter);
        return status;
    }
    find_softness(meter);
    *out = meter;
    return status;
}

enum sqz_status sqz_meter_read(struct sqz_meter *meter, const float *weights,
                               struct sqz_reading *out, struct sqz_error *err)
{
    enum sqz_status status = answer(meter, weights, meter->changed, err);
    int classes = meter->net->spec.classes;
    struct sqz_reading sum = {0, 0, 0, 0};
    for (int i = 0; i < meter->n && !status; i++) {
        const float *a = meter->original + (size_t)i * (size_t)classes;
        const float *b = meter->changed + (size_t)i * (size_t)classes;
        int best_a = sqz_most_probable(a, classes), best_b = sqz_most_probable(b, classes);
        sum.kl += sqz_kl(a, b, classes, 1);
        sum.soft_kl += sqz_kl(a, b, classes, meter->softness);
        sum.agreement += best_a == best_b;
        sum.drop += sqz_probability(a, classes, best_a, 1) - sqz_probability(a, classes, best_b, 1);
    }
    *out = (struct sqz_reading){sum.kl / meter->n, sum.soft_kl / meter->n, sum.agreement / meter->n,
                                sum.drop / meter->n};
    return status;
}
