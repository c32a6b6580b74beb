// Classification of single images, and the thumbnails that are shown beside the answer.
#include "api/context.h"
#include "base/memory.h"
#include "data/sets/dataset.h"
#include "data/augment/transform.h"
#include "train/loss.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE_LIMIT = 256 << 20 }; // bytes of one image file

struct sqz_classifier {
    const struct sqz_model *model;
    struct sqz_model *own; // the same, without weights, where the classifier opened it; else NULL
    struct sqz_infer *infer;
    struct sqz_streamed *streamed; // in its place, for the least memory: weights in their file,
    struct sqz_stream *stream;     // and what runs on them
    float *input, *logits, *probabilities;
    int *order;
    char (*numbers)[32]; // names for classes without any
    struct sqz_transform_scratch scratch;
};

void sqz_classifier_free(struct sqz_classifier *classifier)
{
    if (!classifier)
        return;
    sqz_infer_free(classifier->infer);
    sqz_stream_free(classifier->stream);
    sqz_streamed_free(classifier->streamed);
    sqz_free(classifier->input);
    sqz_free(classifier->logits);
    sqz_free(classifier->probabilities);
    sqz_free(classifier->order);
    sqz_free(classifier->numbers);
    sqz_transform_scratch_release(&classifier->scratch);
    sqz_model_free(classifier->own);
    sqz_free(classifier);
}

// `streamed`: where the weights of a model are that has none; the classifier's from now on.
static enum sqz_status make_classifier(struct sqz_context *context, const struct sqz_model *model,
                                       struct sqz_streamed *streamed, struct sqz_classifier **out,
                                       struct sqz_error *err)
{
    size_t classes = (size_t)model->net->spec.classes;
    const struct sqz_tensor *input = &model->net->tensors[0];
    size_t pixels = (size_t)input->h * (size_t)input->w * (size_t)input->c;
    struct sqz_classifier *classifier = sqz_new_array(1, sizeof *classifier);
    if (!classifier) {
        sqz_streamed_free(streamed);
        return sqz_fail_memory(err, "a classifier", sizeof *classifier);
    }
    classifier->streamed = streamed;
    classifier->model = model;
    classifier->input = sqz_new_aligned(pixels, sizeof(float));
    classifier->logits = sqz_new_array(classes, sizeof(float));
    classifier->probabilities = sqz_new_array(classes, sizeof(float));
    classifier->order = sqz_new_array(classes, sizeof(int));
    classifier->numbers = sqz_new_array(classes, sizeof *classifier->numbers);
    enum sqz_status status = SQZ_OK;
    if (!classifier->input || !classifier->logits || !classifier->probabilities ||
        !classifier->order || !classifier->numbers)
        status = sqz_fail_memory(err, "a classifier", pixels * sizeof(float));
    for (size_t c = 0; !status && c < classes; c++)
        snprintf(classifier->numbers[c], sizeof classifier->numbers[c], "class %zu", c);
    if (!status && streamed)
        status = sqz_stream_new(model->net, context->kernels, sqz_streamed_source(streamed),
                                &classifier->stream, err);
    else if (!status)
        status = sqz_infer_new(model->net, model->weights, context->kernels, context->pool,
                               context->mode != SQZ_MODE_SPEED, &classifier->infer, err);
    if (status)
        sqz_classifier_free(classifier);
    else
        *out = classifier;
    return status;
}

enum sqz_status sqz_classifier_new(struct sqz_context *context, const struct sqz_model *model,
                                   struct sqz_classifier **out, struct sqz_error *err)
{
    return make_classifier(context, model, NULL, out, err);
}

enum sqz_status sqz_classifier_open(struct sqz_context *context, const char *path,
                                    const struct sqz_model_options *options,
                                    struct sqz_classifier **out, struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    struct sqz_streamed *streamed = NULL;
    const bool stream = context->mode == SQZ_MODE_MEMORY;
    enum sqz_status status = stream ? sqz_model_open_streamed(path, options, &model, &streamed, err)
                                    : sqz_model_open(path, options, &model, err);
    if (!status)
        status = make_classifier(context, model, streamed, out, err);
    if (status) {
        sqz_model_free(model);
        return status;
    }
    sqz_free(model->weights);
    model->weights = NULL;
    (*out)->own = model;
    return SQZ_OK;
}

enum sqz_status sqz_classifier_describe(const struct sqz_classifier *classifier,
                                        struct sqz_model_info *out, struct sqz_error *err)
{
    return sqz_model_describe(classifier->model, out, err);
}

// The n most probable classes; equal probabilities keep the lower index first.
static void pick_best(struct sqz_classifier *classifier, struct sqz_class_score *best, int *n)
{
    int classes = classifier->model->net->spec.classes;
    const float *p = classifier->probabilities;
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
        const char *name = sqz_model_class_name(classifier->model, order[i]);
        best[i].index = order[i];
        best[i].name = name ? name : classifier->numbers[order[i]];
        best[i].probability = p[order[i]];
    }
    *n = kept;
}

static enum sqz_status classify(struct sqz_classifier *classifier, const struct sqz_source *source,
                                struct sqz_class_score *best, int *n, float *logits,
                                struct sqz_error *err)
{
    int classes = classifier->model->net->spec.classes;
    enum sqz_status status = sqz_preprocess_run(&classifier->model->preprocess, source,
                                                classifier->input, &classifier->scratch, err);
    if (status)
        return status;
    if (classifier->infer)
        sqz_infer_run(classifier->infer, classifier->input, 1, classifier->logits);
    else
        status = sqz_stream_run(classifier->stream, classifier->input, classifier->logits, err);
    if (status)
        return status;
    sqz_softmax(classifier->logits, classes, classifier->probabilities);
    if (logits)
        memcpy(logits, classifier->logits, (size_t)classes * sizeof *logits);
    pick_best(classifier, best, n);
    return SQZ_OK;
}

enum sqz_status sqz_classify_file(struct sqz_classifier *classifier, const char *path,
                                  struct sqz_class_score *best, int *n, float *logits,
                                  struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_file_read(path, IMAGE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = classify(classifier, &source, best, n, logits, err);
    }
    sqz_bytes_release(&bytes);
    return status;
}

// --- Samples of a data set ---

struct sqz_samples {
    struct sqz_dataset *set;
};

enum sqz_status sqz_samples_open(const char *dir, const char *split, struct sqz_samples **out,
                                 struct sqz_error *err)
{
    struct sqz_dataset_layout layout;
    enum sqz_status status = sqz_dataset_layout(dir, &layout, err);
    if (status)
        return status;
    struct sqz_samples *samples = sqz_new_array(1, sizeof *samples);
    if (!samples)
        return sqz_fail_memory(err, "a list of samples", sizeof *samples);
    struct sqz_dataset_request request = {.kind = layout.kind,
                                          .dir = dir,
                                          .split = split && split[0] ? split : layout.val,
                                          .threads = 1};
    status = sqz_dataset_open(&request, &samples->set, err);
    if (status)
        sqz_free(samples);
    else
        *out = samples;
    return status;
}

void sqz_samples_free(struct sqz_samples *samples)
{
    if (!samples)
        return;
    sqz_dataset_free(samples->set);
    sqz_free(samples);
}

size_t sqz_samples_count(const struct sqz_samples *samples)
{
    return samples->set->count;
}

const char *sqz_samples_class(const struct sqz_samples *samples, size_t index)
{
    return samples->set->classes[samples->set->samples[index].label];
}

const char *sqz_samples_file(const struct sqz_samples *samples, size_t index)
{
    return samples->set->samples[index].path;
}

enum sqz_status sqz_classify_sample(struct sqz_classifier *classifier,
                                    const struct sqz_samples *samples, size_t index,
                                    struct sqz_class_score *best, int *n, float *logits,
                                    struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    struct sqz_image view = {0};
    struct sqz_source source = {0};
    enum sqz_status status = sqz_dataset_read(samples->set, index, &bytes, &view, &source, err);
    if (!status)
        status = classify(classifier, &source, best, n, logits, err);
    sqz_bytes_release(&bytes);
    return status;
}

// --- Thumbnails ---

static enum sqz_status thumbnail(const struct sqz_source *source, int *w, int *h, uint8_t *rgb,
                                 struct sqz_error *err)
{
    struct sqz_transform_scratch scratch = {0};
    struct sqz_image decoded = {0}, small = {0};
    const struct sqz_image *image = source->image;
    enum sqz_status status = SQZ_OK;
    if (!image) {
        struct sqz_decode how = {.channels = 3, .apply_exif = true, .least_w = *w, .least_h = *h};
        status = sqz_image_decode(source->data, source->size, source->name, &how, &decoded, err);
        image = &decoded;
    }
    if (!status) {
        double scale = (double)*w / image->w;
        if (scale * image->h > *h)
            scale = (double)*h / image->h;
        int tw = (int)(scale * image->w + 0.5), th = (int)(scale * image->h + 0.5);
        tw = tw < 1 ? 1 : tw > *w ? *w : tw;
        th = th < 1 ? 1 : th > *h ? *h : th;
        status = sqz_image_resize(image, NULL, tw, th, SQZ_PIL_BILINEAR, &small, &scratch, err);
    }
    if (!status) {
        size_t pixels = (size_t)small.w * (size_t)small.h;
        for (size_t p = 0; p < pixels; p++)
            for (int c = 0; c < 3; c++)
                rgb[p * 3 + (size_t)c] =
                    small.pixels[p * (size_t)small.c + (size_t)(small.c == 3 ? c : 0)];
        *w = small.w;
        *h = small.h;
    }
    sqz_image_release(&decoded);
    sqz_image_release(&small);
    sqz_transform_scratch_release(&scratch);
    return status;
}

enum sqz_status sqz_thumbnail_file(const char *path, int *w, int *h, uint8_t *rgb,
                                   struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_file_read(path, IMAGE_LIMIT, &bytes, err);
    if (!status) {
        struct sqz_source source = {.data = bytes.data, .size = bytes.size, .name = path};
        status = thumbnail(&source, w, h, rgb, err);
    }
    sqz_bytes_release(&bytes);
    return status;
}

enum sqz_status sqz_thumbnail_sample(const struct sqz_samples *samples, size_t index, int *w,
                                     int *h, uint8_t *rgb, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    struct sqz_image view = {0};
    struct sqz_source source = {0};
    enum sqz_status status = sqz_dataset_read(samples->set, index, &bytes, &view, &source, err);
    if (!status)
        status = thumbnail(&source, w, h, rgb, err);
    sqz_bytes_release(&bytes);
    return status;
}
