// Classification: images of every origin become inputs of the network, its logits become answers.
#include "api/classifier.h"
#include "api/pixels.h"
#include "api/samples.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "kernels/softmax.h"
#include <stdlib.h>
#include <string.h>

// Images of a batch that are prepared and run together: this many a thread, and enough that few
// threads wait for the last image to be decoded.
enum { IMAGES_PER_THREAD = 4, LEAST_TOGETHER = 16 };

// One call: the caller's images, and what may end it.
struct call {
    struct sqz_classifier *classifier;
    const char *inputs, *results; // structs of the caller, of this many bytes each:
    size_t input_size, result_size;
    size_t first; // image of the present run
    const struct sqz_cancel *cancel;
    double timeout, deadline; // seconds; 0: none
};

void sqz_cancel_request(struct sqz_cancel *cancel)
{
    __atomic_store_n(&cancel->requested, 1, __ATOMIC_RELEASE);
}

void sqz_cancel_reset(struct sqz_cancel *cancel)
{
    __atomic_store_n(&cancel->requested, 0, __ATOMIC_RELEASE);
}

static enum sqz_status check_stop(const struct call *call, struct sqz_error *err)
{
    if (call->cancel && __atomic_load_n(&call->cancel->requested, __ATOMIC_ACQUIRE))
        return sqz_fail(err, SQZ_E_STOPPED, "The classification was cancelled.");
    if (call->deadline > 0 && sqz_clock_seconds() >= call->deadline)
        return sqz_fail(err, SQZ_E_STOPPED, "The classification was not done after %g s.",
                        call->timeout);
    return SQZ_OK;
}

// --- From images to inputs ---

static enum sqz_status check_input(const struct sqz_input *input, struct sqz_error *err)
{
    int origins = !!input->path + !!input->data + !!input->pixels + !!input->samples;
    if (origins == 1)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_USAGE,
                    "An input is a path, data, pixels or a sample; this one is %s.",
                    origins ? "several of them" : "none of them");
}

static enum sqz_status check_room(size_t room, size_t needed, const void *buffer, const char *what,
                                  struct sqz_error *err)
{
    if (!buffer || room >= needed)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_USAGE, "There is room for %zu %s, but there are %zu.", room, what,
                    needed);
}

static size_t view_bytes(const struct sqz_classifier *classifier)
{
    size_t side = (size_t)classifier->model->preprocess.image_size;
    return side * side * 3;
}

static enum sqz_status check_result(const struct call *call, const struct sqz_classify_result *out,
                                    struct sqz_error *err)
{
    size_t classes = (size_t)call->classifier->model->net->spec.classes;
    if (out->best && out->best_count < 1)
        return sqz_fail(err, SQZ_E_USAGE, "There is room for %d of the best classes.",
                        out->best_count);
    enum sqz_status status = check_room(out->logit_count, classes, out->logits, "logits", err);
    if (!status)
        status =
            check_room(out->probability_count, classes, out->probabilities, "probabilities", err);
    const struct sqz_feature *features = call->classifier->features;
    if (!status)
        status = check_room(out->embedding_count, sqz_feature_size(&features[SQZ_EMBEDDING]),
                            out->embedding, "values of the embedding", err);
    if (!status)
        status = check_room(out->class_map_count, sqz_feature_size(&features[SQZ_CLASS_MAPS]),
                            out->class_maps, "values of the class maps", err);
    if (!status)
        status = check_room(out->view_size, view_bytes(call->classifier), out->view,
                            "bytes of the view", err);
    return status;
}

// Makes the network's input of one image. The same function for every origin.
static enum sqz_status prepare(const struct call *call, const struct sqz_input *input,
                               struct sqz_classify_worker *worker, void *out, bool *exif_ignored,
                               struct sqz_error *err)
{
    const struct sqz_preprocess *preprocess = &call->classifier->model->preprocess;
    struct sqz_image_header header;
    struct sqz_bytes bytes = {0};
    struct sqz_image view = {0};
    const char *name = input->name ? input->name : "The image";
    struct sqz_source source = {.data = input->data, .size = input->size, .name = name};
    enum sqz_status status = SQZ_OK;
    if (input->path) {
        status = sqz_file_read(input->path, SQZ_IMAGE_FILE_LIMIT, &bytes, err);
        source = (struct sqz_source){.data = bytes.data, .size = bytes.size, .name = input->path};
    } else if (input->samples) {
        status = sqz_samples_read(input->samples, input->sample, &bytes, &view, &source, err);
    } else if (input->pixels) {
        status = sqz_pixels_view(input->pixels, name, &worker->converted, &view, err);
        source.image = &view;
    }
    if (!status && sqz_engine_reads_pixels(call->classifier->engine))
        status = sqz_preprocess_pixels(preprocess, &source, out, &worker->scratch, err);
    else if (!status)
        status = sqz_preprocess_run(preprocess, &source, out, &worker->scratch, err);
    *exif_ignored = !status && !preprocess->apply_exif && source.data &&
                    !sqz_image_probe(source.data, source.size, &header, NULL) &&
                    header.orientation > 1;
    sqz_bytes_release(&bytes);
    return status;
}

static void prepare_slot(void *arg, int task, int worker)
{
    const struct call *call = arg;
    struct sqz_classifier *classifier = call->classifier;
    struct sqz_classify_slot *slot = &classifier->slots[task];
    size_t image = call->first + (size_t)task;
    struct sqz_input input;
    struct sqz_classify_result result;
    void *out = classifier->inputs + (size_t)task * classifier->input_size;
    enum sqz_status status =
        SQZ_STRUCT_IN(sqz_input, &input, call->inputs + image * call->input_size, &slot->error);
    if (!status)
        status = SQZ_STRUCT_IN(sqz_classify_result, &result,
                               call->results + image * call->result_size, &slot->error);
    if (!status)
        status = check_input(&input, &slot->error);
    if (!status)
        status = check_result(call, &result, &slot->error);
    if (!status)
        status = check_stop(call, &slot->error);
    if (!status)
        status = prepare(call, &input, &classifier->workers[worker], out, &slot->exif_ignored,
                         &slot->error);
    slot->status = status;
    slot->wants[SQZ_EMBEDDING] = !status && result.embedding;
    slot->wants[SQZ_CLASS_MAPS] = !status && result.class_maps;
}

// --- From logits to answers ---

// The n most probable classes; equal probabilities keep the lower index first.
static void pick_best(struct sqz_classifier *classifier, const float *p,
                      struct sqz_class_score *best, int *n)
{
    int classes = classifier->model->net->spec.classes;
    int wanted = *n < classes ? *n : classes, kept = 0;
    int *order = classifier->order;
    for (int c = 0; c < classes; c++) {
        if (kept == wanted && (kept == 0 || p[c] <= p[order[kept - 1]]))
            continue;
        int at = kept < wanted ? kept++ : kept - 1;
        for (; at > 0 && p[c] > p[order[at - 1]]; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
    for (int i = 0; i < kept; i++) {
        best[i].index = order[i];
        best[i].name = sqz_classifier_class_name(classifier, order[i]);
        best[i].probability = p[order[i]];
    }
    *n = kept;
}

// Copies a feature of one image, if it is wanted. Returns the number of floats.
static size_t give_feature(const struct sqz_classifier *classifier, size_t row, int feature,
                           float *out, size_t otherwise)
{
    size_t floats = sqz_feature_size(&classifier->features[feature]);
    if (!out)
        return otherwise;
    memcpy(out, classifier->values[feature] + row * floats, floats * sizeof *out);
    return floats;
}

// Writes one image's results, or its failure.
static void give(const struct call *call, const struct sqz_classify_slot *slot, size_t image)
{
    struct sqz_classifier *classifier = call->classifier;
    void *theirs = (char *)call->results + image * call->result_size;
    struct sqz_classify_result result;
    if (SQZ_STRUCT_IN(sqz_classify_result, &result, theirs, NULL))
        return;
    result.status = slot->status;
    if (slot->status && result.error)
        *result.error = slot->error;
    if (!slot->status) {
        size_t classes = (size_t)classifier->model->net->spec.classes;
        const float *logits = classifier->logits + slot->row * classes;
        result.exif_ignored = slot->exif_ignored;
        result.unknown = sqz_unknown_is(&classifier->model->unknown, logits, (int)classes);
        if (result.logits)
            memcpy(result.logits, logits, classes * sizeof *logits);
        if (result.best || result.probabilities)
            sqz_softmax(logits, (int)classes, classifier->probabilities);
        if (result.probabilities)
            memcpy(result.probabilities, classifier->probabilities, classes * sizeof *logits);
        if (result.best)
            pick_best(classifier, classifier->probabilities, result.best, &result.best_count);
        result.logit_count = result.logits ? classes : result.logit_count;
        result.probability_count = result.probabilities ? classes : result.probability_count;
        if (result.view) {
            const void *input = classifier->inputs + slot->row * classifier->input_size;
            if (sqz_engine_reads_pixels(classifier->engine))
                sqz_view_from_pixels(&classifier->model->preprocess, input, 3, result.view);
            else
                sqz_view_from_input(&classifier->model->preprocess, input, 3, result.view);
            result.view_size = view_bytes(classifier);
        }
        result.embedding_count = give_feature(classifier, slot->row, SQZ_EMBEDDING,
                                              result.embedding, result.embedding_count);
        result.class_map_count = give_feature(classifier, slot->row, SQZ_CLASS_MAPS,
                                              result.class_maps, result.class_map_count);
        if (result.class_maps) {
            result.class_map_height = classifier->features[SQZ_CLASS_MAPS].h;
            result.class_map_width = classifier->features[SQZ_CLASS_MAPS].w;
        }
    }
    SQZ_STRUCT_OUT(sqz_classify_result, theirs, &result);
}

// --- Runs ---

// n rows; feature SQZ_N_FEATURES: logits only.
static enum sqz_status run_network(struct sqz_classifier *classifier, size_t n, int feature,
                                   struct sqz_error *err)
{
    const void *inputs = classifier->inputs;
    struct sqz_engine_job job = {.n = (int)n, .logits = classifier->logits};
    if (sqz_engine_reads_pixels(classifier->engine))
        job.pixels = inputs;
    else
        job.images = inputs;
    if (feature < SQZ_N_FEATURES) {
        size_t floats = n * sqz_feature_size(&classifier->features[feature]);
        if (n > classifier->room[feature]) {
            sqz_free(classifier->values[feature]);
            classifier->room[feature] = 0;
            classifier->values[feature] = sqz_new_array(floats, sizeof(float));
            if (!classifier->values[feature])
                return sqz_fail_memory(err, "features", floats * sizeof(float));
            classifier->room[feature] = n;
        }
        job.feature = &classifier->features[feature];
        job.features = classifier->values[feature];
    }
    return sqz_engine_run(classifier->engine, &job, err);
}

// Whether one of the n images is to be run, with this feature if it is one.
static bool anybody_wants(const struct sqz_classifier *classifier, size_t n, int feature)
{
    for (size_t i = 0; i < n; i++) {
        const struct sqz_classify_slot *slot = &classifier->slots[i];
        if (!slot->status && (feature == SQZ_N_FEATURES || slot->wants[feature]))
            return true;
    }
    return false;
}

// Fails those of the n images that waited for a run in vain.
static void fail_slots(struct sqz_classifier *classifier, size_t n, int feature,
                       enum sqz_status status, const struct sqz_error *why)
{
    for (size_t i = 0; i < n; i++) {
        struct sqz_classify_slot *slot = &classifier->slots[i];
        if (!slot->status && (feature == SQZ_N_FEATURES || slot->wants[feature])) {
            slot->status = status;
            slot->error = *why;
        }
    }
}

// Every feature that somebody wants takes a run, and each run gives the logits. Where none is
// wanted, or none can be had, a run gives the logits alone.
static void run_features(struct sqz_classifier *classifier, size_t n, size_t rows)
{
    bool done = false;
    for (int feature = 0; feature <= SQZ_N_FEATURES; feature++) {
        struct sqz_error why = {0};
        if (!anybody_wants(classifier, n, feature) || (feature == SQZ_N_FEATURES && done))
            continue;
        enum sqz_status status = run_network(classifier, rows, feature, &why);
        if (status)
            fail_slots(classifier, n, feature, status, &why);
        done = done || !status;
    }
}

// Images that could be prepared move together. Returns how many they are.
static size_t close_gaps(struct sqz_classifier *classifier, size_t n)
{
    const size_t size = classifier->input_size;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        struct sqz_classify_slot *slot = &classifier->slots[i];
        if (slot->status)
            continue;
        if (rows != i)
            memcpy(classifier->inputs + rows * size, classifier->inputs + i * size, size);
        slot->row = rows++;
    }
    return rows;
}

// Classifies images [call->first, call->first + n). Returns the first failure.
static enum sqz_status run(const struct call *call, size_t n, struct sqz_error *err)
{
    struct sqz_classifier *classifier = call->classifier;
    sqz_pool_run(classifier->context->pool, (int)n, prepare_slot, (void *)call);
    struct sqz_error why = {0};
    size_t rows = close_gaps(classifier, n);
    enum sqz_status status = rows ? check_stop(call, &why) : SQZ_OK, first = SQZ_OK;
    if (status)
        fail_slots(classifier, n, SQZ_N_FEATURES, status, &why);
    else if (rows)
        run_features(classifier, n, rows);
    for (size_t i = 0; i < n; i++) {
        struct sqz_classify_slot *slot = &classifier->slots[i];
        give(call, slot, call->first + i);
        if (slot->status && !first)
            first = sqz_fail(err, slot->status, "%s", slot->error.text);
    }
    return first;
}

enum sqz_status sqz_classify_batch(struct sqz_classifier *classifier,
                                   const struct sqz_input *inputs,
                                   struct sqz_classify_result *results, size_t n,
                                   const struct sqz_classify_options *options,
                                   struct sqz_error *err)
{
    struct sqz_classify_options how;
    enum sqz_status status = SQZ_STRUCT_IN(sqz_classify_options, &how, options, err);
    if (!status && n)
        status = SQZ_STRUCT_CHECK(sqz_input, inputs, err);
    if (!status && n)
        status = SQZ_STRUCT_CHECK(sqz_classify_result, results, err);
    if (status || !n)
        return status;
    if (!(how.timeout >= 0))
        return sqz_fail(err, SQZ_E_USAGE, "A timeout of %g s cannot be.", how.timeout);
    struct call call = {.classifier = classifier,
                        .inputs = (const char *)inputs,
                        .results = (const char *)results,
                        .input_size = inputs->struct_size,
                        .result_size = results->struct_size,
                        .cancel = how.cancel,
                        .timeout = how.timeout,
                        .deadline = how.timeout > 0 ? sqz_clock_seconds() + how.timeout : 0};
    size_t most = (size_t)sqz_pool_size(classifier->context->pool) * IMAGES_PER_THREAD;
    most = most < LEAST_TOGETHER ? LEAST_TOGETHER : most;
    size_t together = classifier->streamed ? 1 : n < most ? n : most;
    struct sqz_classify_slot none = {0};
    none.status = status = sqz_classifier_reserve(classifier, together, &none.error);
    if (status) { // no image was looked at, and each one's result tells
        for (size_t i = 0; i < n; i++)
            give(&call, &none, i);
        if (err)
            *err = none.error;
        return status;
    }
    for (; call.first < n; call.first += together) {
        size_t rest = n - call.first;
        enum sqz_status now = run(&call, rest < together ? rest : together, status ? NULL : err);
        status = status ? status : now;
    }
    return status;
}

static enum sqz_status classify_one(struct sqz_classifier *classifier,
                                    const struct sqz_input *input, struct sqz_class_score *best,
                                    int *n, struct sqz_error *err)
{
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    result.best = best;
    result.best_count = *n;
    enum sqz_status status = sqz_classify_batch(classifier, input, &result, 1, NULL, err);
    if (!status)
        *n = result.best_count;
    return status;
}

enum sqz_status sqz_classify_file(struct sqz_classifier *classifier, const char *path,
                                  struct sqz_class_score *best, int *n, struct sqz_error *err)
{
    struct sqz_input input = {.struct_size = sizeof input, .path = path};
    return classify_one(classifier, &input, best, n, err);
}

enum sqz_status sqz_classify_bytes(struct sqz_classifier *classifier, const void *data, size_t size,
                                   struct sqz_class_score *best, int *n, struct sqz_error *err)
{
    struct sqz_input input = {.struct_size = sizeof input, .data = data, .size = size};
    return classify_one(classifier, &input, best, n, err);
}

enum sqz_status sqz_classify_pixels(struct sqz_classifier *classifier,
                                    const struct sqz_pixels *pixels, struct sqz_class_score *best,
                                    int *n, struct sqz_error *err)
{
    struct sqz_input input = {.struct_size = sizeof input, .pixels = pixels};
    return classify_one(classifier, &input, best, n, err);
}
