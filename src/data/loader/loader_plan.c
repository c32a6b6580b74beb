// Checks what is asked of a loader, and counts samples, batches and bytes.
#include "data/loader/loader_plan.h"
#include "base/memory.h"

#include <limits.h>

static int count_views(const struct sqz_loader_config *config)
{
    return config->augment && config->augment->splits > 1 ? config->augment->splits : 1;
}

void sqz_loader_need(const struct sqz_loader_config *config, int samples, struct sqz_need *out)
{
    int views = count_views(config), first = 0, end = samples * views;
    if (config->share.rows)
        config->share.rows(&config->share, samples * views, &first, &end);
    *out = (struct sqz_need){.first = first, .own = end - first};
    if (!config->share.rows || views > 1) {
        out->end[0] = samples;
    } else if (first < end && sqz_mix_is_on(&config->mix, config->batch)) {
        // The partner of sample i is samples - 1 - i: what is loaded mirrors itself.
        int mirror_first = samples - end, mirror_end = samples - first;
        int low = first < mirror_first ? first : mirror_first;
        int high = end > mirror_end ? end : mirror_end;
        int inner_low = end < mirror_end ? end : mirror_end;
        int inner_high = first > mirror_first ? first : mirror_first;
        bool apart = inner_low < inner_high;
        out->begin[0] = low;
        out->end[0] = apart ? inner_low : high;
        out->begin[1] = apart ? inner_high : high;
        out->end[1] = high;
    } else {
        out->begin[0] = first;
        out->end[0] = end;
    }
    out->n = out->end[0] - out->begin[0] + out->end[1] - out->begin[1];
}

int sqz_need_place(const struct sqz_need *need, int at)
{
    if (at >= need->begin[0] && at < need->end[0])
        return at - need->begin[0];
    if (at >= need->begin[1] && at < need->end[1])
        return at - need->begin[1] + need->end[0] - need->begin[0];
    return -1;
}

// Samples to be loaded of the batch that takes most; a short one may take more than a full one.
static size_t most_needed(const struct sqz_loader_config *config)
{
    struct sqz_need need;
    int most = 0;
    if (!config->share.rows)
        return (size_t)config->batch;
    for (int samples = 1; samples <= config->batch; samples++) {
        sqz_loader_need(config, samples, &need);
        most = need.n > most ? need.n : most;
    }
    return (size_t)most;
}

// false: too large for a size_t.
static bool count(const struct sqz_loader_config *config, struct sqz_loader_plan *out)
{
    size_t count = config->dataset->count, batch = (size_t)config->batch;
    size_t side = (size_t)config->preprocess.image_size, floats, bytes, order;
    out->samples = config->num_samples && config->num_samples < count ? config->num_samples : count;
    out->steps = config->drop_remainder ? out->samples / batch : (out->samples + batch - 1) / batch;
    out->ring = out->steps < SQZ_LOADER_RING ? out->steps : SQZ_LOADER_RING;
    out->views = count_views(config);
    out->target_floats = 0;
    out->classes = (size_t)(config->classes > 0 ? config->classes : config->dataset->n_classes);
    if (!sqz_size_mul(batch, (size_t)out->views, &out->rows) || out->rows > INT_MAX ||
        !sqz_size_mul(most_needed(config), (size_t)out->views, &out->image_rows) ||
        !sqz_size_mul(side, side, &out->image_floats) ||
        !sqz_size_mul(out->image_floats, (size_t)config->preprocess.channels, &out->image_floats) ||
        !sqz_size_mul(out->image_floats, out->image_rows, &floats))
        return false;
    if (sqz_mix_is_on(&config->mix, config->batch) &&
        (!sqz_size_mul(out->rows, out->classes, &out->target_floats) ||
         !sqz_size_add(floats, out->target_floats, &floats)))
        return false;
    return sqz_size_mul(floats, sizeof(float), &bytes) &&
           sqz_size_add(bytes, out->rows * (sizeof(int) + sizeof(size_t)), &bytes) &&
           sqz_size_mul(bytes, out->ring, &bytes) && sqz_size_mul(count, sizeof(int), &order) &&
           sqz_size_add(bytes, order, &out->memory);
}

enum sqz_status sqz_loader_plan(const struct sqz_loader_config *config, struct sqz_loader_plan *out,
                                struct sqz_error *err)
{
    if (config->batch < 1 || config->workers < 1)
        return sqz_fail(
            err, SQZ_E_USAGE,
            "A batch of %d images with %d loader threads is not possible: both must be at "
            "least 1.",
            config->batch, config->workers);
    if (config->preprocess.image_size < 1 ||
        (config->preprocess.channels != 1 && config->preprocess.channels != 3))
        return sqz_fail(err, SQZ_E_USAGE, "Images of %d pixels and %d channels cannot be made.",
                        config->preprocess.image_size, config->preprocess.channels);
    if (config->dataset->count == 0 || config->dataset->count > INT_MAX)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no images.", config->dataset->name);
    if (!count(config, out))
        return sqz_fail_memory(err, "batches of images", SIZE_MAX);
    if (out->steps == 0)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The %zu images of \"%s\" do not fill one batch of %d: choose a smaller "
                        "--batch_size, or --drop_remainder false.",
                        out->samples, config->dataset->name, config->batch);
    if (sqz_mix_is_on(&config->mix, config->batch) && config->batch % 2)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Mixup and cutmix take the images of a batch in pairs, so --batch_size "
                        "must be even, not %d.",
                        config->batch);
    return SQZ_OK;
}

size_t sqz_loader_memory(const struct sqz_loader_config *config)
{
    struct sqz_loader_plan plan;
    return count(config, &plan) ? plan.memory : SIZE_MAX;
}
