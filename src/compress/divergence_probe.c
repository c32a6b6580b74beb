// Images and the original's logits stay in memory: one inference pass for each measurement.
#include "compress/divergence_probe.h"

#include "base/memory.h"
#include "compress/predictions.h"
#include "net/engine.h"

// Mean probability of the original's choice above which the temperature rises.
#define SURE            0.85
#define MAX_TEMPERATURE 16.0

struct sqz_divergence_probe {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    struct sqz_pool *pool;
    int n;
    float *images, *original, *changed; // logits [n][classes]
    double temperature;                 // what logits are divided by
};

void sqz_divergence_probe_free(struct sqz_divergence_probe *probe)
{
    if (!probe)
        return;
    sqz_free(probe->images);
    sqz_free(probe->original);
    sqz_free(probe->changed);
    sqz_free(probe);
}

static enum sqz_status run(const struct sqz_divergence_probe *probe,
                           const struct sqz_engine_config *config, float *logits,
                           struct sqz_error *err)
{
    struct sqz_engine *engine = NULL;
    const struct sqz_engine_job job = {.images = probe->images, .n = probe->n, .logits = logits};
    enum sqz_status status = sqz_engine_new(config, &engine, err);
    if (!status)
        status = sqz_engine_run(engine, &job, err);
    sqz_engine_free(engine);
    return status;
}

static struct sqz_engine_config config_of(const struct sqz_divergence_probe *probe,
                                          const float *weights)
{
    return (struct sqz_engine_config){
        .net = probe->net, .weights = weights, .kernels = probe->kernels, .pool = probe->pool};
}

static void find_temperature(struct sqz_divergence_probe *probe)
{
    int classes = probe->net->spec.classes;
    for (probe->temperature = 1; probe->temperature < MAX_TEMPERATURE; probe->temperature *= 2) {
        double sure = 0;
        for (int i = 0; i < probe->n; i++) {
            const float *a = probe->original + (size_t)i * (size_t)classes;
            sure += sqz_probability(a, classes, sqz_most_probable(a, classes), probe->temperature);
        }
        if (sure <= SURE * probe->n)
            return;
    }
}

enum sqz_status sqz_divergence_probe_new(const struct sqz_net *net, const float *weights,
                                         const struct sqz_kernels *kernels, struct sqz_pool *pool,
                                         sqz_images_fn images, void *images_arg, int n,
                                         struct sqz_divergence_probe **out, struct sqz_error *err)
{
    const struct sqz_tensor *in = &net->tensors[0];
    size_t pixels = (size_t)in->h * (size_t)in->w * (size_t)in->c;
    size_t logits = (size_t)n * (size_t)net->spec.classes;
    struct sqz_divergence_probe *probe = sqz_new_array(1, sizeof *probe);
    if (!probe)
        return sqz_fail_memory(err, "a probe", sizeof *probe);
    *probe = (struct sqz_divergence_probe){.net = net, .kernels = kernels, .pool = pool, .n = n};
    probe->images = sqz_new_aligned((size_t)n * pixels, sizeof(float));
    probe->original = sqz_new_array(logits, sizeof(float));
    probe->changed = sqz_new_array(logits, sizeof(float));
    enum sqz_status status = SQZ_OK;
    if (!probe->images || !probe->original || !probe->changed)
        status = sqz_fail_memory(err, "images", (size_t)n * pixels * sizeof(float));
    if (!status)
        status = images(images_arg, 0, n, probe->images, err);
    const struct sqz_engine_config config = config_of(probe, weights);
    if (!status)
        status = run(probe, &config, probe->original, err);
    if (status) {
        sqz_divergence_probe_free(probe);
        return status;
    }
    find_temperature(probe);
    *out = probe;
    return status;
}

static struct sqz_divergence compare(const struct sqz_divergence_probe *probe)
{
    int classes = probe->net->spec.classes;
    struct sqz_divergence sum = {0, 0, 0, 0};
    for (int i = 0; i < probe->n; i++) {
        const float *a = probe->original + (size_t)i * (size_t)classes;
        const float *b = probe->changed + (size_t)i * (size_t)classes;
        int best_a = sqz_most_probable(a, classes), best_b = sqz_most_probable(b, classes);
        sum.kl += sqz_kl(a, b, classes, 1);
        sum.soft_kl += sqz_kl(a, b, classes, probe->temperature);
        sum.agreement += best_a == best_b;
        sum.drop += sqz_probability(a, classes, best_a, 1) - sqz_probability(a, classes, best_b, 1);
    }
    return (struct sqz_divergence){sum.kl / probe->n, sum.soft_kl / probe->n,
                                   sum.agreement / probe->n, sum.drop / probe->n};
}

enum sqz_status sqz_divergence_probe_measure(struct sqz_divergence_probe *probe,
                                             const float *weights, struct sqz_divergence *out,
                                             struct sqz_error *err)
{
    const struct sqz_engine_config config = config_of(probe, weights);
    enum sqz_status status = run(probe, &config, probe->changed, err);
    if (!status)
        *out = compare(probe);
    return status;
}

enum sqz_status sqz_divergence_probe_measure_integers(struct sqz_divergence_probe *probe,
                                                      const struct sqz_integer_net *integer,
                                                      const struct sqz_preprocess *preprocess,
                                                      struct sqz_divergence *out,
                                                      struct sqz_error *err)
{
    struct sqz_engine_config config = config_of(probe, NULL);
    config.integer = integer;
    config.preprocess = preprocess;
    enum sqz_status status = run(probe, &config, probe->changed, err);
    if (!status)
        *out = compare(probe);
    return status;
}
