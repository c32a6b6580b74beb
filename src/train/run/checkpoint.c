// Training state to archive and back: weights and optimizer in MindCV's names and layout, counters
// and texts as metadata.
#include "train/run/checkpoint.h"

#include "train/run/kept.h"
#include "train/setup/param_arrays.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCUMULATOR   "grad_accumulation"
#define PREVIOUS_BEST "best"
#define AVERAGE       "ema"
// For networks with BN, beside the plain weights and their average, which everybody can read.
#define BN_WEIGHTS "norm"
#define BN_AVERAGE "norm_ema"
#define SAMPLES    "train_samples" // keys of the training images
// For quantization-aware training.
#define GRID "retrain_grid"

void sqz_train_state_release(struct sqz_train_state *state)
{
    sqz_text_release(&state->history);
    sqz_text_release(&state->step_rows);
    sqz_text_release(&state->kept);
    sqz_text_release(&state->recipe);
    sqz_free(state->samples.keys);
    sqz_free(state->previous_best);
    *state = (struct sqz_train_state){0};
}

// --- Numbers and texts, as one table for both directions ---

enum field_kind { FIELD_INT, FIELD_U64, FIELD_REAL, FIELD_TEXT };
struct field {
    const char *key;
    enum field_kind kind;
    size_t offset;
    bool later; // earlier versions' checkpoints may lack it; then it is 0
};
static const struct field fields[] = {
#define ENTRY(kind, name, member, later) \
    { \
        "train." #name, FIELD_##kind, offsetof(struct sqz_train_state, member), later \
    }
#define FIELD(kind, name) ENTRY(kind, name, name, false)
#define LATER(kind, name) ENTRY(kind, name, name, true)
#define WATCH(kind, name) ENTRY(kind, name, watch.name, true)
    FIELD(INT, epoch),           FIELD(INT, batch),
    FIELD(INT, steps),           FIELD(INT, finished),
    FIELD(REAL, loss_sum),       FIELD(INT, loss_samples),
    FIELD(REAL, final_loss),     FIELD(INT, best_epoch),
    FIELD(REAL, best_top1),      FIELD(REAL, best_top5),
    LATER(REAL, best_loss),      FIELD(INT, train_images),
    FIELD(INT, val_images),      FIELD(U64, train_fingerprint),
    FIELD(U64, val_fingerprint), FIELD(TEXT, history),
    FIELD(TEXT, step_rows),      FIELD(TEXT, kept),
    FIELD(TEXT, recipe),         WATCH(INT, suspicious),
    WATCH(INT, still),           WATCH(INT, idle),
    WATCH(REAL, idle_rate),      WATCH(REAL, gain),
#undef ENTRY
#undef FIELD
#undef LATER
#undef WATCH
};
static const struct field counters[] = {
#define COUNTER(kind, name, member) \
    { \
        "train." name, kind, offsetof(struct sqz_step_counters, member), false \
    }
    COUNTER(FIELD_INT, "group", group),
    COUNTER(FIELD_INT, "counted", counted),
    COUNTER(FIELD_INT, "ema_updates", ema_updates),
    COUNTER(FIELD_REAL, "loss_scale", scale.scale),
    COUNTER(FIELD_INT, "loss_scale_steps", scale.steps),
    COUNTER(FIELD_INT, "loss_scale_mark", scale.mark),
#undef COUNTER
};
enum { N_FIELDS = sizeof fields / sizeof *fields, N_COUNTERS = sizeof counters / sizeof *counters };

static enum sqz_status set_number(struct sqz_archive *archive, const char *key, const char *format,
                                  ...) __attribute__((format(printf, 3, 4)));
static enum sqz_status set_number(struct sqz_archive *archive, const char *key, const char *format,
                                  ...)
{
    char value[64];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    return sqz_archive_set(archive, key, value);
}

static enum sqz_status write_field(struct sqz_archive *archive, const struct field *field,
                                   const void *holder)
{
    const void *value = (const char *)holder + field->offset;
    switch (field->kind) {
    case FIELD_INT:
        return set_number(archive, field->key, "%lld", (long long)*(const int64_t *)value);
    case FIELD_U64:
        return set_number(archive, field->key, "%016llx",
                          (unsigned long long)*(const uint64_t *)value);
    case FIELD_REAL: // 17 digits bring the same double back
        return set_number(archive, field->key, "%.17g", *(const double *)value);
    case FIELD_TEXT:
        return sqz_archive_set(archive, field->key, sqz_text_get(value));
    }
    return SQZ_E_INTERNAL;
}

static bool read_field(const struct field *field, const char *text, void *holder)
{
    void *value = (char *)holder + field->offset;
    char *end = NULL;
    errno = 0;
    switch (field->kind) {
    case FIELD_INT:
        *(int64_t *)value = strtoll(text, &end, 10);
        return end != text && !*end && !errno && *(int64_t *)value >= 0;
    case FIELD_U64:
        *(uint64_t *)value = strtoull(text, &end, 16);
        return end != text && !*end && !errno;
    case FIELD_REAL:
        *(double *)value = strtod(text, &end);
        return end != text && !*end;
    case FIELD_TEXT:
        sqz_text_add(value, "%s", text);
        return true;
    }
    return false;
}

static enum sqz_status add_optimizer(struct sqz_archive *archive, const struct sqz_stepper *stepper,
                                     const char *before, struct sqz_error *err)
{
    const struct sqz_optimizer *optimizer = stepper->optimizer;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < optimizer->rule->n_states && !status; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", before, optimizer->rule->states[i]);
        status = sqz_param_arrays_add(archive, stepper->config.net, name, optimizer->state[i], err);
    }
    return status;
}

// The plain moving average, and what a network with BN is trained with.
static enum sqz_status add_weights(struct sqz_archive *archive, const struct sqz_stepper *stepper,
                                   const struct sqz_net *plain, struct sqz_error *err)
{
    const struct sqz_net *net = stepper->config.net;
    enum sqz_status status = SQZ_OK;
    if (stepper->ema)
        status =
            sqz_param_arrays_add(archive, plain, AVERAGE, sqz_stepper_eval_weights(stepper), err);
    if (!status && stepper->model)
        status = sqz_param_arrays_add(archive, net, BN_WEIGHTS, stepper->weights, err);
    if (!status && stepper->model && stepper->ema)
        status = sqz_param_arrays_add(archive, net, BN_AVERAGE, stepper->ema, err);
    return status;
}

enum sqz_status sqz_checkpoint_take_weights(const char *path, const struct sqz_archive *archive,
                                            struct sqz_stepper *stepper, struct sqz_error *err)
{
    const struct sqz_net *net = stepper->config.net;
    const char *average = stepper->model ? BN_AVERAGE : AVERAGE;
    enum sqz_status status = SQZ_OK;
    if (stepper->model)
        status = sqz_param_arrays_take(path, archive, net, BN_WEIGHTS, stepper->weights, err);
    if (!status && stepper->ema)
        status = sqz_param_arrays_take(path, archive, net, average, stepper->ema, err);
    return status;
}

// The quantizer's steps, then its dead zone. The array exists only once the quantizer is in the
// loop.
static enum sqz_status add_grid(struct sqz_archive *archive,
                                const struct sqz_uniform_quantizer *grid, struct sqz_error *err)
{
    size_t n = (size_t)grid->net->n_params, size = n + 1;
    struct sqz_array *array = sqz_archive_add(archive, GRID, SQZ_F32, 1, &size, NULL);
    if (!array)
        return sqz_fail_memory(err, GRID, size * sizeof(float));
    memcpy(array->data, grid->steps, n * sizeof(float));
    memcpy((float *)array->data + n, &grid->dead_zone, sizeof(float));
    return SQZ_OK;
}

static enum sqz_status take_grid(const char *path, const struct sqz_archive *archive,
                                 struct sqz_fake_quant *fake_quant, struct sqz_error *err)
{
    const struct sqz_array *array = sqz_archive_find(archive, GRID);
    size_t n = (size_t)fake_quant->grid.net->n_params;
    if (!array)
        return SQZ_OK;
    const float *values = array->data;
    bool good = array->dtype == SQZ_F32 && array->size == (n + 1) * sizeof *values &&
                fake_quant->planned_kind != SQZ_QUANT_NONE;
    for (size_t i = 0; good && i <= n; i++)
        good = values[i] >= 0 && values[i] < INFINITY;
    if (!good)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no usable %s.", path, GRID);
    memcpy(fake_quant->grid.steps, values, n * sizeof *values);
    fake_quant->grid.dead_zone = values[n];
    fake_quant->kind = fake_quant->planned_kind;
    return SQZ_OK;
}

static enum sqz_status add_samples(struct sqz_archive *archive,
                                   const struct sqz_sample_keys *samples, struct sqz_error *err)
{
    if (!samples->keys ||
        sqz_archive_add(archive, SAMPLES, SQZ_I64, 1, &samples->count, samples->keys))
        return SQZ_OK;
    return sqz_fail_memory(err, SAMPLES, samples->count * sizeof *samples->keys);
}

// The array is missing in states of earlier versions and of large datasets.
static enum sqz_status take_samples(const char *path, const struct sqz_archive *archive,
                                    struct sqz_train_state *state, struct sqz_error *err)
{
    const struct sqz_array *array = sqz_archive_find(archive, SAMPLES);
    if (!array)
        return SQZ_OK;
    const size_t n = array->size / sizeof(uint64_t);
    if (array->dtype != SQZ_I64 || n == 0 || n > SQZ_SAMPLE_KEYS_MOST ||
        (int64_t)n != state->train_images)
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no usable %s.", path, SAMPLES);
    uint64_t *keys = sqz_new_array(n, sizeof *keys);
    if (!keys)
        return sqz_fail_memory(err, SAMPLES, array->size);
    memcpy(keys, array->data, array->size);
    state->samples = (struct sqz_sample_keys){keys, n};
    return SQZ_OK;
}

enum sqz_status sqz_checkpoint_write(const char *path, const struct sqz_train_state *state,
                                     const struct sqz_stepper *stepper,
                                     const struct sqz_model *model, struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    sqz_stepper_fold(stepper);
    enum sqz_status status = sqz_model_to_archive(model, &archive, err);
    if (!status)
        status = add_optimizer(&archive, stepper, "", err);
    if (!status && stepper->counters.group > 0)
        status = sqz_param_arrays_add(&archive, stepper->config.net, ACCUMULATOR,
                                      stepper->accumulator, err);
    if (!status)
        status = add_weights(&archive, stepper, model->net, err);
    if (!status && state->previous_best)
        status =
            sqz_param_arrays_add(&archive, model->net, PREVIOUS_BEST, state->previous_best, err);
    if (!status && stepper->fake_quant && stepper->fake_quant->kind != SQZ_QUANT_NONE)
        status = add_grid(&archive, &stepper->fake_quant->grid, err);
    if (!status)
        status = add_samples(&archive, &state->samples, err);
    if (status)
        goto done;
    for (int i = 0; i < N_FIELDS && !status; i++)
        status = write_field(&archive, &fields[i], state);
    if (!status)
        status = sqz_archive_set(&archive, "train.simd", state->simd);
    for (int i = 0; i < N_COUNTERS && !status; i++)
        status = write_field(&archive, &counters[i], &stepper->counters);
    if (!status)
        status = set_number(&archive, "train.updates", "%llu",
                            (unsigned long long)stepper->optimizer->updates);
    if (status) {
        status = sqz_fail_memory(err, "a checkpoint", state->history.length);
        goto done;
    }
    status = sqz_archive_write(path, sqz_format_find("safetensors"), &archive, SQZ_REPLACE_EXISTING,
                               err);
done:
    sqz_archive_release(&archive);
    return status;
}

enum sqz_status sqz_checkpoint_read(const char *path, struct sqz_archive *archive,
                                    struct sqz_model **model, struct sqz_train_state *state,
                                    struct sqz_error *err)
{
    const struct sqz_format *format = NULL;
    *archive = (struct sqz_archive){0};
    *state = (struct sqz_train_state){0};
    enum sqz_status status = sqz_archive_read(path, archive, &format, err);
    if (status)
        return status;
    if (!sqz_archive_get(archive, "train.epoch")) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "\"%s\" holds a model, but no training state to resume; "
                          "start a new run from it with --ckpt_path %s.",
                          path, path);
        goto failed;
    }
    for (int i = 0; i < N_FIELDS; i++) {
        const char *text = sqz_archive_get(archive, fields[i].key);
        if (text ? !read_field(&fields[i], text, state) : !fields[i].later) {
            status = sqz_fail(err, SQZ_E_DATA,
                              "\"%s\" holds no usable %s; the training state is "
                              "damaged.",
                              path, fields[i].key);
            goto failed;
        }
    }
    if (sqz_kept_count(sqz_text_get(&state->kept)) < 0) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "\"%s\" lists checkpoints under names that this program does not give; "
                          "the training state is damaged or forged.",
                          path);
        goto failed;
    }
    if ((status = take_samples(path, archive, state, err)))
        goto failed;
    const char *simd = sqz_archive_get(archive, "train.simd");
    snprintf(state->simd, sizeof state->simd, "%s", simd ? simd : "");
    status = sqz_model_from_archive(archive, path, NULL, format->dialect, 0, model, err);
    if (!status)
        return SQZ_OK;
failed:
    sqz_archive_release(archive);
    sqz_train_state_release(state);
    return status;
}

static bool read_updates(const struct sqz_archive *archive, uint64_t *out)
{
    const char *text = sqz_archive_get(archive, "train.updates");
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && end != text && !*end && !errno && *text != '-' && *out <= INT64_MAX;
}

// The counters, which have to fit the recipe that the stepper was made from.
static enum sqz_status read_counters(const char *path, const struct sqz_archive *archive,
                                     const struct sqz_stepper *stepper,
                                     const struct sqz_train_state *state,
                                     struct sqz_step_counters *out, struct sqz_error *err)
{
    *out = stepper->counters;
    for (int i = 0; i < N_COUNTERS; i++) {
        const char *text = sqz_archive_get(archive, counters[i].key);
        if (!text || !read_field(&counters[i], text, out))
            return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no usable %s.", path, counters[i].key);
    }
    if (out->group >= stepper->config.accumulate || out->counted > state->steps ||
        out->ema_updates > out->counted || out->scale.mark > out->scale.steps ||
        !(out->scale.scale >= 1 && out->scale.scale <= 1e300))
        return sqz_fail(err, SQZ_E_DATA, "\"%s\" holds counters that contradict each other.", path);
    return SQZ_OK;
}

enum sqz_status sqz_checkpoint_restore(const char *path, const struct sqz_archive *archive,
                                       const struct sqz_train_state *state,
                                       struct sqz_stepper *stepper, struct sqz_error *err)
{
    const struct sqz_net *net = stepper->config.net;
    struct sqz_optimizer *optimizer = stepper->optimizer;
    struct sqz_step_counters read;
    uint64_t updates;
    enum sqz_status status = read_counters(path, archive, stepper, state, &read, err);
    if (!status && !read_updates(archive, &updates))
        status = sqz_fail(err, SQZ_E_DATA, "\"%s\" holds no usable train.updates.", path);
    for (int i = 0; !status && i < optimizer->rule->n_states; i++)
        status = sqz_param_arrays_take(path, archive, net, optimizer->rule->states[i],
                                       optimizer->state[i], err);
    if (!status && read.group > 0)
        status = sqz_param_arrays_take(path, archive, net, ACCUMULATOR, stepper->accumulator, err);
    if (!status)
        status = sqz_checkpoint_take_weights(path, archive, stepper, err);
    if (!status && stepper->fake_quant)
        status = take_grid(path, archive, stepper->fake_quant, err);
    if (status)
        return status;
    stepper->counters = read;
    stepper->calibrated = state->steps > 0;
    stepper->micro_steps = (uint64_t)state->steps;
    optimizer->updates = updates;
    return SQZ_OK;
}

enum sqz_status sqz_checkpoint_previous_best(const char *path, const struct sqz_archive *archive,
                                             const struct sqz_net *net, float **out,
                                             struct sqz_error *err)
{
    *out = NULL;
    if (!sqz_param_arrays_has(archive, net, PREVIOUS_BEST))
        return SQZ_OK;
    float *weights = sqz_new_aligned(net->n_weights, sizeof *weights);
    if (!weights)
        return sqz_fail_memory(err, "weights", net->n_weights * sizeof *weights);
    enum sqz_status status = sqz_param_arrays_take(path, archive, net, PREVIOUS_BEST, weights, err);
    if (status)
        sqz_free(weights);
    else
        *out = weights;
    return status;
}

enum sqz_status sqz_checkpoint_write_ckpt(const char *path, const struct sqz_stepper *stepper,
                                          const struct sqz_model *model, struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    const size_t one = 1;
    int32_t step = (int32_t)stepper->optimizer->updates;
    sqz_stepper_fold(stepper);
    enum sqz_status status = sqz_model_to_archive(model, &archive, err);
    if (!status && !sqz_archive_add(&archive, "global_step", SQZ_I32, 1, &one, &step))
        status = sqz_fail_memory(err, "a checkpoint", sizeof step);
    if (!status)
        status = add_optimizer(&archive, stepper, stepper->model ? SQZ_CHECKPOINT_BN : "", err);
    if (!status)
        status = add_weights(&archive, stepper, model->net, err);
    if (!status)
        status =
            sqz_archive_write(path, sqz_format_find("ckpt"), &archive, SQZ_REPLACE_EXISTING, err);
    sqz_archive_release(&archive);
    return status;
}
