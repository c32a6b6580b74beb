// The engine of integer networks: floats become the bytes that they came from, sums become logits.
#include "net/engine_kind.h"

#include "base/memory.h"
#include "net/integer_engine.h"

enum { PERIOD = 48 }; // a multiple of 1 and 3 channels and of every vector

struct integers {
    struct sqz_integer_engine *engine;
    float mean[PERIOD], std[PERIOD]; // of the channels, again and again
    size_t image, channels, classes;
    int at_once;     // images whose floats become pixels together
    uint8_t *pixels; // they; NULL before the first
    int32_t *logits; // of at_once images
};

static bool integers_take(const struct sqz_engine_config *config)
{
    return config->integer != NULL && !config->source;
}

static void integers_free(void *state)
{
    struct integers *integers = state;
    if (!integers)
        return;
    sqz_integer_engine_free(integers->engine);
    sqz_free(integers->pixels);
    sqz_free(integers->logits);
    sqz_free(integers);
}

static enum sqz_status integers_create(const struct sqz_engine_config *config, void *shared,
                                       void **state, struct sqz_error *err)
{
    struct integers *integers = *state = sqz_new_array(1, sizeof *integers);
    if (!integers)
        return sqz_fail_memory(err, "inference", sizeof *integers);
    if (!config->preprocess)
        return sqz_fail(err, SQZ_E_INTERNAL, "An integer engine needs to know how pixels enter.");
    integers->image = sqz_tensor_size(config->net, 0);
    integers->channels = (size_t)config->net->spec.channels;
    integers->classes = (size_t)config->net->spec.classes;
    integers->at_once = SQZ_PIXEL_IMAGES * sqz_pool_size(config->pool);
    for (size_t i = 0; i < PERIOD; i++) {
        integers->mean[i] = config->preprocess->mean[i % integers->channels];
        integers->std[i] = config->preprocess->std[i % integers->channels];
    }
    integers->logits =
        sqz_new_array((size_t)integers->at_once * integers->classes, sizeof *integers->logits);
    if (!integers->logits)
        return sqz_fail_memory(err, "logits", integers->classes * sizeof *integers->logits);
    if (shared)
        return sqz_integer_engine_share(shared, config->pool, &integers->engine, err);
    return sqz_integer_engine_new(config->integer, sqz_integer_level(config->kernels->level),
                                  config->pool, &integers->engine, err);
}

static void *integers_plan(void *state)
{
    const struct integers *integers = state;
    return sqz_integer_engine_plan(integers->engine);
}

static bool plan_fits(const void *plan, const struct sqz_engine_config *config)
{
    const struct sqz_integer_plan *p = plan;
    return p->integer == config->integer && p->most == sqz_integer_level(config->kernels->level);
}

static void hold_plan(void *plan)
{
    sqz_integer_plan_hold(plan);
}

static void release_plan(void *plan)
{
    sqz_integer_plan_release(plan);
}

// Normalised floats came from bytes, and become the same bytes.
static enum sqz_status find_pixels(struct integers *integers, const float *images, size_t n,
                                   struct sqz_error *err)
{
    const size_t all = (size_t)integers->at_once * integers->image;
    if (!integers->pixels && !(integers->pixels = sqz_new_array(all, 1)))
        return sqz_fail_memory(err, "images", all);
    const size_t size = n * integers->image;
    size_t i = 0;
    for (; i + PERIOD <= size; i += PERIOD)
        for (size_t k = 0; k < PERIOD; k++)
            integers->pixels[i + k] =
                sqz_preprocess_pixel(images[i + k], integers->mean[k], integers->std[k]);
    for (size_t k = 0; i < size; i++, k++)
        integers->pixels[i] = sqz_preprocess_pixel(images[i], integers->mean[k], integers->std[k]);
    return SQZ_OK;
}

static enum sqz_status integers_run(void *state, const struct sqz_engine_job *job,
                                    struct sqz_error *err)
{
    struct integers *integers = state;
    enum sqz_status status = SQZ_OK;
    if (job->feature)
        return sqz_fail(err, SQZ_E_USAGE,
                        "An integer network gives logits only; features and class maps come with "
                        "precision fp32.");
    for (size_t first = 0; !status && first < (size_t)job->n; first += (size_t)integers->at_once) {
        const size_t left = (size_t)job->n - first, at = first * integers->image;
        const size_t n = left < (size_t)integers->at_once ? left : (size_t)integers->at_once;
        const uint8_t *pixels = job->pixels ? job->pixels + at : NULL;
        if (!pixels) {
            status = find_pixels(integers, job->images + at, n, err);
            pixels = integers->pixels;
        }
        if (status)
            break;
        sqz_integer_engine_run(integers->engine, pixels, (int)n, integers->logits);
        for (size_t i = 0; i < n * integers->classes; i++)
            job->logits[first * integers->classes + i] = (float)integers->logits[i] / 65536;
    }
    return status;
}

static enum sqz_status integers_memory(const struct sqz_engine_config *config, int threads,
                                       struct sqz_engine_memory *out, struct sqz_error *err)
{
    struct sqz_integer_plan *plan = NULL;
    enum sqz_status status = sqz_integer_plan_new(
        config->integer, sqz_integer_level(config->kernels->level), &plan, err);
    if (status)
        return status;
    *out = (struct sqz_engine_memory){.workers = (size_t)threads,
                                      .activations = plan->arena + plan->work,
                                      .packed_weights = sqz_integer_plan_weight_bytes(plan)};
    out->total = out->workers * out->activations + out->packed_weights;
    sqz_integer_plan_release(plan);
    return SQZ_OK;
}

static const struct sqz_engine_sharing sharing = {integers_plan, plan_fits, hold_plan,
                                                  release_plan};
const struct sqz_engine_kind sqz_engine_integer = {"integer",       integers_take,  true,
                                                   integers_create, &sharing,       integers_run,
                                                   integers_free,   integers_memory};
