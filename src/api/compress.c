// Compression: a model's weights made cheap, then written as .sqz.
#include "api/struct_size.h"
#include "base/memory.h"
#include "compress/auto.h"
#include "api/context.h"
#include "compress/deep.h"
#include "compress/divergence_probe.h"
#include "compress/integer_calibrate.h"
#include "data/sets/image_dir.h"
#include "formats/sqz.h"
#include <squeezenet_tools.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_IMAGES = 500, DEFAULT_BITS = 6 };
static const double default_max_kl = 0.05;

struct run {
    struct sqz_context *context;
    const struct sqz_model *model;
    double phase_start;
    const char *phase;
    struct sqz_image_dir *images;    // INT8
    struct sqz_integer_net *integer; // INT8: the result
};

static enum sqz_status on_progress(void *arg, const char *phase, int step, int steps,
                                   struct sqz_error *err)
{
    struct run *run = arg;
    double now = sqz_clock_seconds();
    if (sqz_stop_asked(&run->context->stop))
        return sqz_fail(err, SQZ_E_STOPPED, "Compression was stopped; nothing was written.");
    if (phase != run->phase) {
        run->phase = phase;
        run->phase_start = now;
    }
    if (!run->context->on_event)
        return SQZ_OK;
    double seconds = now - run->phase_start;
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = phase,
                              .step = step,
                              .steps = steps,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = NAN,
                              .seconds_left = step ? seconds / step * (steps - step) : NAN};
    run->context->on_event(run->context->event_arg, &event);
    return SQZ_OK;
}

// --- What a file is made of ---

static bool is_class_names(const struct sqz_text_span *span)
{
    return (span->key_length == 7 && memcmp(span->key, "classes", 7) == 0) ||
           (span->key_length == 6 && memcmp(span->key, "labels", 6) == 0);
}

static uint64_t class_name_bytes(const struct sqz_packed *packed)
{
    struct sqz_text_span span;
    size_t at = 0, before = 0, sum = 0;
    while (sqz_next_text(packed->texts, packed->text_end - packed->directory_end, &at, &span)) {
        if (is_class_names(&span))
            sum += at - before;
        before = at;
    }
    return sum;
}

static void count_tensor(const struct sqz_packed *packed, const struct sqz_coded *coded,
                         uint64_t bytes, struct sqz_compress_result *out)
{
    size_t n = coded->rows * coded->columns, length = strlen(packed->name);
    if (length < 7 || strcmp(packed->name + length - 7, ".weight") != 0) {
        out->biases += n;
        out->bias_bytes += bytes;
        return;
    }
    struct sqz_compress_layer *layer = &out->layers[out->n_layers++];
    snprintf(layer->name, sizeof layer->name, "%.*s", (int)length - 7, packed->name);
    layer->weights = n;
    layer->bytes = bytes;
    for (size_t i = 0; i < n; i++)
        layer->nonzero += coded->bits ? coded->bits[i] != 0 : coded->codes[i] != 0;
    out->weights += n;
}

// Decodes a file that was just made, counts, and compares its identity with its content.
static enum sqz_status take_stock(const struct sqz_archive *archive, const struct sqz_bytes *file,
                                  struct sqz_compress_result *out, struct sqz_error *err)
{
    struct sqz_packed packed;
    enum sqz_status status = sqz_packed_check("The new file", file->data, file->size, &packed, err);
    if (status)
        return status;
    out->layers = sqz_new_array(packed.n_tensors, sizeof *out->layers);
    if (!out->layers)
        return sqz_fail_memory(err, "the table of layers", 0);
    for (uint32_t i = 0; i < packed.n_tensors && !status; i++) {
        struct sqz_coded coded = {0};
        const struct sqz_array *array = &archive->arrays[i];
        uint32_t before = packed.payload;
        status = sqz_packed_take("The new file", &packed, &coded, err);
        uint32_t *bits = status ? NULL : sqz_new_array(coded.rows * coded.columns, sizeof *bits);
        if (bits) {
            sqz_coded_to_bits(&coded, bits);
            count_tensor(&packed, &coded, packed.payload - before, out);
            if (memcmp(bits, array->data, array->size) != 0)
                status = sqz_fail(err, SQZ_E_INTERNAL,
                                  "The coded %s does not decode to what it was; nothing was "
                                  "written.",
                                  array->name);
        } else if (!status) {
            status = sqz_fail_memory(err, array->name, array->size);
        }
        sqz_free(bits);
        sqz_coded_release(&coded);
    }
    out->bytes = file->size;
    out->class_name_bytes = class_name_bytes(&packed);
    for (int i = 0; i < 32; i++)
        snprintf(out->identity + 2 * i, 3, "%02x", packed.identity[i]);
    return status;
}

// The model with other weights, or with integers, as a file.
static enum sqz_status make_file(const struct sqz_model *model, const float *weights,
                                 struct sqz_integer_net *integer, enum sqz_coder coder,
                                 struct sqz_bytes *out, struct sqz_compress_result *stock,
                                 struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    struct sqz_model changed = *model; // a borrowed view
    changed.weights = (float *)weights;
    changed.integer = integer;
    enum sqz_status status = sqz_model_to_archive(&changed, &archive, err);
    if (!status)
        status = sqz_archive_to_sqz(&archive, coder, out, err);
    if (!status)
        status = take_stock(&archive, out, stock, err);
    sqz_archive_release(&archive);
    return status;
}

static enum sqz_status measure_size(void *arg, const float *weights, size_t *bytes,
                                    struct sqz_error *err)
{
    const struct run *run = arg;
    struct sqz_model changed = *run->model; // a borrowed view
    changed.weights = (float *)weights;
    changed.integer = NULL;
    return sqz_model_packed_size(&changed, bytes, err);
}

// --- Methods ---

static enum sqz_status open_calibration(const struct run *run,
                                        const struct sqz_compress_options *options,
                                        struct sqz_image_dir **out, struct sqz_error *err)
{
    enum sqz_status status =
        sqz_image_dir_open(run->context->pool, options->calibrate_dir, &run->model->preprocess,
                           options->images ? options->images : DEFAULT_IMAGES, out, err);
    return status || !options->skip_bad ? status : sqz_image_dir_skip_bad(*out, err);
}

static void tell_bad(const struct run *run, const struct sqz_image_dir *images)
{
    const char *first = NULL;
    const int n = images ? sqz_image_dir_bad(images, &first) : 0;
    struct sqz_text text = {0};
    if (n == 0)
        return;
    sqz_text_add(&text,
                 "%d of the images could not be decoded, the first is %s; others took "
                 "their places.",
                 n, first);
    sqz_context_say(run->context, SQZ_EVENT_WARNING, sqz_text_get(&text));
    sqz_text_release(&text);
}

static enum sqz_status run_auto(struct run *run, const struct sqz_compress_options *options,
                                float *weights, struct sqz_compress_result *out,
                                struct sqz_error *err)
{
    const struct sqz_model *model = run->model;
    struct sqz_image_dir *images = NULL;
    struct sqz_auto_result result = {{NAN, NAN, NAN, NAN}, 0};
    struct sqz_auto_job job = {.net = model->net,
                               .weights = model->weights,
                               .kernels = run->context->kernels,
                               .pool = run->context->pool,
                               .progress = on_progress,
                               .progress_arg = run,
                               .size = (size_t)options->size,
                               .max_kl = options->max_kl,
                               .max_drop = options->max_drop / 100,
                               .measure_size = measure_size,
                               .measure_arg = run};
    if (!job.size && job.max_kl <= 0 && job.max_drop <= 0)
        job.max_kl = default_max_kl;
    if (!options->calibrate_dir && !options->size)
        return sqz_fail(err, SQZ_E_USAGE,
                        "Without images the loss cannot be measured: give some hundred with "
                        "--calibrate DIR (no labels needed), or a --size.");
    enum sqz_status status = SQZ_OK;
    if (options->calibrate_dir) {
        status = open_calibration(run, options, &images, err);
        job.images = sqz_image_dir_read;
        job.images_arg = images;
        job.n_images = images ? sqz_image_dir_count(images) : 0;
    } else {
        sqz_context_say(run->context, SQZ_EVENT_WARNING,
                        "without images (--calibrate DIR) rounding errors are not steered away "
                        "from what the layers see; expect several times the loss at this size.");
    }
    if (!status)
        status = sqz_auto_run(&job, weights, &result, err);
    out->images = job.n_images;
    out->kl = result.divergence.kl;
    out->agreement = result.divergence.agreement;
    out->drop = 100 * result.divergence.drop;
    tell_bad(run, images);
    sqz_image_dir_free(images);
    return status;
}

// Every fifth image is kept from the calibration and measured on.
enum { HELD_OUT = 5 };

static enum sqz_status read_calibration(void *arg, int first, int n, float *out,
                                        struct sqz_error *err)
{
    const struct run *run = arg;
    const size_t floats = sqz_tensor_size(run->model->net, 0);
    enum sqz_status status = SQZ_OK;
    for (int done = 0, some; done < n && !status; done += some) {
        const int at = first + done, left = HELD_OUT - 1 - at % (HELD_OUT - 1);
        some = n - done < left ? n - done : left;
        status = sqz_image_dir_read(run->images, at + at / (HELD_OUT - 1), some,
                                    out + (size_t)done * floats, err);
    }
    return status;
}

static enum sqz_status read_held_out(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    const struct run *run = arg;
    const size_t floats = sqz_tensor_size(run->model->net, 0);
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < n && !status; i++)
        status = sqz_image_dir_read(run->images, (first + i) * HELD_OUT + HELD_OUT - 1, 1,
                                    out + (size_t)i * floats, err);
    return status;
}

static enum sqz_status measure_integers(struct run *run, struct sqz_compress_result *out,
                                        struct sqz_error *err)
{
    const struct sqz_model *model = run->model;
    struct sqz_divergence_probe *probe = NULL;
    struct sqz_divergence divergence;
    enum sqz_status status = sqz_divergence_probe_new(
        model->net, model->weights, run->context->kernels, run->context->pool, read_held_out, run,
        out->unseen_images, &probe, err);
    if (!status)
        status = sqz_divergence_probe_measure_integers(probe, run->integer, &model->preprocess,
                                                       &divergence, err);
    if (!status) {
        out->kl = divergence.kl;
        out->agreement = divergence.agreement;
        out->drop = 100 * divergence.drop;
    }
    sqz_divergence_probe_free(probe);
    return status;
}

static enum sqz_status run_int8(struct run *run, const struct sqz_compress_options *options,
                                struct sqz_compress_result *out, struct sqz_error *err)
{
    enum { MOST_UNSEEN = 100 };
    const struct sqz_model *model = run->model;
    if (!options->calibrate_dir)
        return sqz_fail(err, SQZ_E_USAGE,
                        "Integers need the range of every activation: give some hundred images "
                        "with --calibrate DIR (no labels needed).");
    enum sqz_status status = open_calibration(run, options, &run->images, err);
    if (status)
        return status;
    const int n = sqz_image_dir_count(run->images), unseen = n / HELD_OUT;
    out->images = n - unseen;
    out->unseen_images = unseen < MOST_UNSEEN ? unseen : MOST_UNSEEN;
    const struct sqz_calibration calibration = {.net = model->net,
                                                .weights = model->weights,
                                                .preprocess = &model->preprocess,
                                                .kernels = run->context->kernels,
                                                .pool = run->context->pool,
                                                .images = read_calibration,
                                                .images_arg = run,
                                                .n_images = out->images,
                                                .progress = on_progress,
                                                .progress_arg = run};
    status = sqz_integer_calibrate(&calibration, &run->integer, err);
    if (!status && out->unseen_images > 0)
        status = measure_integers(run, out, err);
    tell_bad(run, run->images);
    return status;
}

static enum sqz_status run_method(struct run *run, const struct sqz_compress_options *options,
                                  float *weights, struct sqz_compress_result *out,
                                  struct sqz_error *err)
{
    if (options->method == SQZ_METHOD_AUTO)
        return run_auto(run, options, weights, out, err);
    if (options->method == SQZ_METHOD_INT8)
        return run_int8(run, options, out, err);
    if (options->method == SQZ_METHOD_LOSSLESS)
        return SQZ_OK;
    struct sqz_deep_job job = {.net = run->model->net,
                               .density = options->density > 0 ? options->density : 1,
                               .bits = options->bits ? options->bits : DEFAULT_BITS,
                               .pool = run->context->pool};
    return sqz_deep_run(&job, weights, err);
}

// That the file will have a place is known before minutes of work.
static enum sqz_status check_place(const char *path, struct sqz_error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return SQZ_OK;
    char *dir = sqz_copy_string_n(path, (size_t)(slash - path));
    if (!dir)
        return sqz_fail_memory(err, "a path", (size_t)(slash - path));
    enum sqz_path_kind kind;
    enum sqz_status status = sqz_path_look(dir, &kind, err);
    if (!status && kind != SQZ_PATH_DIR)
        status = sqz_fail(err, SQZ_E_CANTWRITE, "%s cannot be written: there is no directory %s.",
                          path, dir);
    sqz_free(dir);
    return status;
}

enum sqz_status sqz_compress(struct sqz_context *context, const struct sqz_model *model,
                             const char *path, const struct sqz_compress_options *theirs,
                             struct sqz_compress_result *out, struct sqz_error *err)
{
    struct sqz_compress_options how;
    const struct sqz_compress_options *options = &how;
    enum sqz_status status = SQZ_STRUCT_IN(sqz_compress_options, &how, theirs, err);
    if (!status)
        status = SQZ_STRUCT_CHECK(sqz_compress_result, out, err);
    if (status)
        return status;
    struct run run = {.context = context, .model = model};
    struct sqz_compress_result result = {.kl = NAN, .agreement = NAN, .drop = NAN};
    struct sqz_bytes file = {0};
    enum sqz_coder coder = options->method == SQZ_METHOD_DEEP && options->huffman
                               ? SQZ_CODER_HUFFMAN
                               : SQZ_CODER_RANGE;
    enum sqz_overwrite overwrite = options->force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING;
    size_t n = model->net->n_weights;
    if (!options->force)
        status = sqz_path_refuse_existing(path, err);
    if (!status)
        status = check_place(path, err);
    if (status)
        return status;
    float *weights = sqz_new_array(n, sizeof *weights);
    if (!weights)
        return sqz_fail_memory(err, "weights", n * sizeof *weights);
    memcpy(weights, model->weights, n * sizeof *weights);
    status = run_method(&run, options, weights, &result, err);
    if (!status)
        status = make_file(model, weights, run.integer, coder, &file, &result, err);
    if (!status)
        status = sqz_file_write(path, file.data, file.size, overwrite, err);
    sqz_free(weights);
    sqz_integer_net_free(run.integer);
    sqz_image_dir_free(run.images);
    sqz_bytes_release(&file);
    if (status)
        sqz_compress_result_release(&result);
    else
        SQZ_STRUCT_OUT(sqz_compress_result, out, &result);
    return sqz_context_end(context, status);
}

void sqz_compress_result_release(struct sqz_compress_result *result)
{
    sqz_free(result->layers);
    result->layers = NULL;
    result->n_layers = 0;
}
