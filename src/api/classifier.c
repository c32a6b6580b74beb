// Classifiers: a model made ready to run.
#include "api/classifier.h"
#include "base/memory.h"
#include "formats/integer.h"
#include <stdio.h>

void sqz_classifier_free(struct sqz_classifier *classifier)
{
    if (!classifier)
        return;
    sqz_engine_free(classifier->engine);
    sqz_streamed_free(classifier->streamed);
    for (int i = 0; classifier->workers && i < sqz_pool_size(classifier->context->pool); i++) {
        sqz_transform_scratch_release(&classifier->workers[i].scratch);
        sqz_image_release(&classifier->workers[i].converted);
    }
    sqz_free(classifier->workers);
    sqz_free(classifier->slots);
    sqz_free(classifier->inputs);
    sqz_free(classifier->logits);
    for (int f = 0; f < SQZ_N_FEATURES; f++)
        sqz_free(classifier->values[f]);
    sqz_free(classifier->probabilities);
    sqz_free(classifier->order);
    sqz_free(classifier->numbers);
    sqz_model_free(classifier->own);
    sqz_free(classifier);
}

enum sqz_status sqz_classifier_reserve(struct sqz_classifier *classifier, size_t n,
                                       struct sqz_error *err)
{
    if (n <= classifier->capacity)
        return SQZ_OK;
    const size_t classes = (size_t)classifier->model->net->spec.classes;
    struct sqz_classify_slot *slots = sqz_new_array(n, sizeof *slots);
    unsigned char *inputs = sqz_new_aligned(n, classifier->input_size);
    float *logits = sqz_new_array(n * classes, sizeof *logits);
    if (!slots || !inputs || !logits) {
        sqz_free(slots);
        sqz_free(inputs);
        sqz_free(logits);
        return sqz_fail_memory(err, "images to classify", n * classifier->input_size);
    }
    sqz_free(classifier->slots);
    sqz_free(classifier->inputs);
    sqz_free(classifier->logits);
    classifier->slots = slots;
    classifier->inputs = inputs;
    classifier->logits = logits;
    classifier->capacity = n;
    return SQZ_OK;
}

// `streamed`: where the weights of a model are that has none; the classifier's from now on.
static enum sqz_status make_classifier(struct sqz_context *context, const struct sqz_model *model,
                                       struct sqz_streamed *streamed, struct sqz_classifier **out,
                                       struct sqz_error *err)
{
    size_t classes = (size_t)model->net->spec.classes;
    size_t workers = (size_t)sqz_pool_size(context->pool);
    struct sqz_classifier *classifier = sqz_new_array(1, sizeof *classifier);
    if (!classifier) {
        sqz_streamed_free(streamed);
        return sqz_fail_memory(err, "a classifier", sizeof *classifier);
    }
    classifier->streamed = streamed;
    classifier->model = model;
    classifier->context = context;
    classifier->workers = sqz_new_array(workers, sizeof *classifier->workers);
    classifier->probabilities = sqz_new_array(classes, sizeof(float));
    classifier->order = sqz_new_array(classes, sizeof(int));
    classifier->numbers = sqz_new_array(classes, sizeof *classifier->numbers);
    enum sqz_status status = SQZ_OK;
    if (!classifier->workers || !classifier->probabilities || !classifier->order ||
        !classifier->numbers)
        status = sqz_fail_memory(err, "a classifier", classes * sizeof *classifier->numbers);
    for (size_t c = 0; !status && c < classes; c++)
        snprintf(classifier->numbers[c], sizeof classifier->numbers[c], "class %zu", c);
    if (!status)
        status = sqz_feature_find(model->net, SQZ_FEATURE_EMBEDDING,
                                  &classifier->features[SQZ_EMBEDDING], err);
    if (!status)
        status = sqz_feature_find(model->net, SQZ_FEATURE_CLASS_MAPS,
                                  &classifier->features[SQZ_CLASS_MAPS], err);
    const struct sqz_integer_net *integer = NULL;
    if (!status && !streamed)
        status = sqz_model_integers(model, context->precision, &integer, err);
    const struct sqz_engine_config config = {.net = model->net,
                                             .weights = model->weights,
                                             .source =
                                                 streamed ? sqz_streamed_source(streamed) : NULL,
                                             .kernels = context->kernels,
                                             .pool = context->pool,
                                             .low_memory = context->mode != SQZ_MODE_SPEED,
                                             .preprocess = &model->preprocess,
                                             .integer = integer,
                                             .cache = model->engines};
    if (!status)
        status = sqz_engine_new(&config, &classifier->engine, err);
    if (!status) {
        const size_t element = sqz_engine_reads_pixels(classifier->engine) ? 1 : sizeof(float);
        classifier->input_size = sqz_tensor_size(model->net, 0) * element;
        status = sqz_classifier_reserve(classifier, 1, err);
    }
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

// Takes over the model and `streamed`, where the weights of a model are that has none.
static enum sqz_status make_owner(struct sqz_context *context, struct sqz_model *model,
                                  struct sqz_streamed *streamed, struct sqz_classifier **out,
                                  struct sqz_error *err)
{
    enum sqz_status status = make_classifier(context, model, streamed, out, err);
    if (status) {
        sqz_model_free(model);
        return status;
    }
    sqz_free(model->weights);
    model->weights = NULL;
    (*out)->own = model;
    return SQZ_OK;
}

enum sqz_status sqz_classifier_open(struct sqz_context *context, const char *path,
                                    const struct sqz_model_options *options,
                                    struct sqz_classifier **out, struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    struct sqz_streamed *streamed = NULL;
    enum sqz_status status = context->mode == SQZ_MODE_MEMORY
                                 ? sqz_model_open_streamed(path, options, &model, &streamed, err)
                                 : sqz_model_open(path, options, &model, err);
    return status ? status : make_owner(context, model, streamed, out, err);
}

enum sqz_status sqz_classifier_open_memory(struct sqz_context *context, const void *data,
                                           size_t size, const char *name,
                                           const struct sqz_model_options *options,
                                           struct sqz_classifier **out, struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    enum sqz_status status = sqz_model_open_memory(data, size, name, options, &model, err);
    return status ? status : make_owner(context, model, NULL, out, err);
}

enum sqz_status sqz_classifier_describe(const struct sqz_classifier *classifier,
                                        struct sqz_model_info *out, struct sqz_error *err)
{
    return sqz_model_describe(classifier->model, out, err);
}

const char *sqz_classifier_class_name(const struct sqz_classifier *classifier, int index)
{
    if (index < 0 || index >= classifier->model->net->spec.classes)
        return NULL;
    const char *name = sqz_model_class_name(classifier->model, index);
    return name ? name : classifier->numbers[index];
}
