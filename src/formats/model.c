// Models: a network with its weights and all that using it takes; to and from archives and files.
#include "formats/common.h"
#include "formats/integer.h"
#include "formats/sqz.h"

#include <math.h>
#include <string.h>

void sqz_model_free(struct sqz_model *model)
{
    if (!model)
        return;
    if (model->net)
        sqz_model_set_classes(model, NULL, NULL, NULL);
    sqz_integer_net_free(model->integer);
    sqz_net_free(model->net);
    sqz_engine_cache_free(model->engines);
    sqz_free(model->weights);
    sqz_free(model->made_by);
    sqz_free(model);
}

void sqz_model_drop_integers(struct sqz_model *model)
{
    sqz_integer_net_free(model->integer);
    model->integer = NULL;
}

// Keeps the proportion of `resize` to the crop.
static void set_image_size(struct sqz_preprocess *preprocess, int size)
{
    if (size != preprocess->image_size)
        preprocess->resize = (int)((int64_t)size * preprocess->resize / preprocess->image_size);
    preprocess->image_size = size;
}

// A dialect's preprocessing is for colour images; gray ones take the mean of its numbers.
static void set_channels(struct sqz_preprocess *preprocess, int channels)
{
    if (channels == 1 && preprocess->channels == 3) {
        preprocess->mean[0] = (preprocess->mean[0] + preprocess->mean[1] + preprocess->mean[2]) / 3;
        preprocess->std[0] = (preprocess->std[0] + preprocess->std[1] + preprocess->std[2]) / 3;
        preprocess->mean[1] = preprocess->mean[2] = 0;
        preprocess->std[1] = preprocess->std[2] = 0;
        preprocess->bgr = false;
    }
    preprocess->channels = channels;
}

// A model without weights yet.
static enum sqz_status create_outline(const struct sqz_net_spec *spec, struct sqz_model **out,
                                      struct sqz_error *err)
{
    struct sqz_model *model = sqz_new_array(1, sizeof *model);
    if (!model)
        return sqz_fail_memory(err, "a model", sizeof *model);
    enum sqz_status status = sqz_net_new(spec, &model->net, err);
    if (!status)
        status = sqz_engine_cache_new(&model->engines, err);
    if (status) {
        sqz_model_free(model);
        return status;
    }
    model->preprocess = spec->dialect->preprocess;
    set_image_size(&model->preprocess, spec->image_h);
    set_channels(&model->preprocess, spec->channels);
    *out = model;
    return SQZ_OK;
}

static enum sqz_status take_weights(struct sqz_model *model, struct sqz_error *err)
{
    model->weights = sqz_new_aligned(model->net->n_weights, sizeof *model->weights);
    return model->weights
               ? SQZ_OK
               : sqz_fail_memory(err, "weights", model->net->n_weights * sizeof *model->weights);
}

enum sqz_status sqz_model_create(const struct sqz_net_spec *spec, struct sqz_model **out,
                                 struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    enum sqz_status status = create_outline(spec, &model, err);
    if (!status)
        status = take_weights(model, err);
    if (status)
        sqz_model_free(model);
    else
        *out = model;
    return status;
}

// --- From an archive ---

// The first loop has no way out, so that it becomes vector code.
size_t sqz_find_not_finite(const float *values, size_t n)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        found |= (bits & 0x7f800000) == 0x7f800000;
    }
    for (size_t i = 0; found && i < n; i++)
        if (!isfinite(values[i]))
            return i;
    return n;
}

enum sqz_status sqz_fail_not_finite(struct sqz_error *err, const char *path, const char *name,
                                    size_t element)
{
    return sqz_fail(err, SQZ_E_DATA,
                    "The array %s of %s holds a value that is not finite (element %zu).", name,
                    path, element);
}

static enum sqz_status read_parameter(const char *path, const struct sqz_array *array,
                                      const struct sqz_param *param, float *scratch, float *weights,
                                      struct sqz_error *err)
{
    const float *values = array->dtype == SQZ_F32 ? array->data : scratch;
    if (values == scratch && !sqz_array_to_floats(array, scratch))
        return sqz_fail(err, SQZ_E_DATA, "The array %s of %s does not hold floating-point numbers.",
                        array->name, path);
    size_t bad = sqz_find_not_finite(values, param->size);
    if (bad < param->size)
        return sqz_fail_not_finite(err, path, array->name, bad);
    sqz_param_from_oihw(param, values, weights);
    return SQZ_OK;
}

static enum sqz_status read_weights(const char *path, const struct sqz_array *const *arrays,
                                    struct sqz_model *model, struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    enum sqz_status status = take_weights(model, err);
    size_t largest = 0;
    if (status)
        return status;
    for (int i = 0; i < net->n_params; i++)
        largest = net->params[i].size > largest ? net->params[i].size : largest;
    float *scratch = sqz_new_array(largest, sizeof *scratch);
    if (!scratch)
        return sqz_fail_memory(err, "weights", largest * sizeof *scratch);
    for (int i = 0; i < net->n_params && !status; i++)
        status = read_parameter(path, arrays[i], &net->params[i], scratch, model->weights, err);
    sqz_free(scratch);
    return status;
}

// The archive's variant by name; *out NULL when it does not say.
static enum sqz_status stated_variant(const struct sqz_archive *archive, const char *path,
                                      const struct sqz_variant **out, struct sqz_error *err)
{
    const char *version = sqz_archive_get(archive, "format_version");
    const char *name = sqz_archive_get(archive, "variant");
    *out = NULL;
    if (version && strcmp(version, "1") != 0)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s has format version %.20s; this program knows version 1 only.", path,
                        version);
    if (!name)
        return SQZ_OK;
    *out = sqz_variant_find(name);
    return *out ? SQZ_OK
                : sqz_fail(err, SQZ_E_DATA, "%s holds a network that is unknown here: %.100s.",
                           path, name);
}

// What the caller says, else the file, else its layer names, else its format.
static enum sqz_status choose_dialect(const struct sqz_archive *archive, const char *path,
                                      const char *asked, const char *usual, enum sqz_naming naming,
                                      const struct sqz_dialect **out, struct sqz_error *err)
{
    const char *stated = sqz_archive_get(archive, "dialect");
    const char *writer = sqz_archive_get(archive, "format");
    const char *name = asked ? asked : stated;
    if (!name && naming != SQZ_NAMING_MINDCV)
        name = "caffe";
    if (!name && writer && strcmp(writer, "ms") == 0) // a safetensors file of MindSpore
        name = "mindcv";
    if (!name)
        name = usual ? usual : "mindcv";
    *out = sqz_dialect_find(name);
    if (*out)
        return SQZ_OK;
    if (asked)
        return sqz_fail(err, SQZ_E_USAGE, "There is no dialect %.100s.", asked);
    return sqz_fail(err, SQZ_E_DATA, "%s is in a dialect that is unknown here: %.100s.", path,
                    name);
}

// The preprocessing that the file states, unless the caller asks for another dialect's.
static enum sqz_status choose_preprocess(const struct sqz_archive *archive, const char *path,
                                         const struct sqz_dialect *dialect, int channels,
                                         int image_size, struct sqz_preprocess *out,
                                         struct sqz_error *err)
{
    const char *stated = sqz_archive_get(archive, "dialect");
    bool found;
    enum sqz_status status = sqz_metadata_preprocess(archive, path, &found, out, err);
    if (status)
        return status;
    if (!found || (stated && strcmp(stated, dialect->name) != 0)) {
        *out = dialect->preprocess;
        set_channels(out, channels);
    }
    if (out->channels != channels)
        return sqz_fail(err, SQZ_E_DATA,
                        "The metadata of %s speak of %d channels, its weights of %d.", path,
                        out->channels, channels);
    if (image_size)
        set_image_size(out, image_size);
    return SQZ_OK;
}

static enum sqz_status find_parameters(const struct sqz_archive *archive, const struct sqz_net *net,
                                       enum sqz_naming naming, const struct sqz_array ***out,
                                       struct sqz_error *err)
{
    const int version = net->params[0].kh == 3 ? 1 : 0;
    *out = sqz_new_array((size_t)net->n_params, sizeof **out);
    if (!*out)
        return sqz_fail_memory(err, "the list of arrays", (size_t)net->n_params * sizeof **out);
    for (int i = 0; i < net->n_params; i++)
        (*out)[i] = sqz_find_parameter(archive, &net->params[i], naming, version);
    return SQZ_OK;
}

enum sqz_status sqz_model_outline(const struct sqz_archive *archive, const char *path,
                                  const char *dialect, const char *format_dialect, int image_size,
                                  struct sqz_model **out, const struct sqz_array ***arrays,
                                  struct sqz_error *err)
{
    const struct sqz_variant *variant;
    struct sqz_deduced deduced;
    struct sqz_net_spec spec = {0};
    struct sqz_preprocess preprocess;
    struct sqz_model *model = NULL;
    struct sqz_error problem = {0};
    if (image_size < 0)
        return sqz_fail(err, SQZ_E_USAGE, "An image size of %d pixels is impossible.", image_size);
    enum sqz_status status = stated_variant(archive, path, &variant, err);
    if (!status)
        status = sqz_deduce(archive, path, variant, &deduced, err);
    if (!status)
        status = choose_dialect(archive, path, dialect, format_dialect, deduced.naming,
                                &spec.dialect, err);
    if (!status)
        status = choose_preprocess(archive, path, spec.dialect, deduced.channels, image_size,
                                   &preprocess, err);
    if (!status)
        status =
            sqz_metadata_number(archive, path, "drop_rate", 0, 0.9999, 0.5, &spec.drop_rate, err);
    if (status)
        return status;
    spec.variant = deduced.variant;
    spec.stem = deduced.stem;
    spec.classes = deduced.classes;
    spec.channels = deduced.channels;
    spec.image_h = spec.image_w = preprocess.image_size;
    status = create_outline(&spec, &model, &problem);
    if (status) // without an asked size, an impossible one is the file's fault
        return sqz_fail(err, status == SQZ_E_USAGE && !image_size ? SQZ_E_DATA : status, "%s",
                        problem.text);
    model->preprocess = preprocess;
    const char *made_by = sqz_archive_get(archive, "made_by");
    model->made_by = sqz_copy_string(made_by);
    if (made_by && !model->made_by)
        status = sqz_fail_memory(err, "metadata", strlen(made_by));
    if (!status)
        status = sqz_metadata_classes(archive, path, model, err);
    if (!status)
        status = sqz_metadata_calibration(archive, path, model, err);
    if (!status)
        status = find_parameters(archive, model->net, deduced.naming, arrays, err);
    if (status)
        sqz_model_free(model);
    else
        *out = model;
    return status;
}

enum sqz_status sqz_model_from_archive(const struct sqz_archive *archive, const char *path,
                                       const char *dialect, const char *format_dialect,
                                       int image_size, struct sqz_model **out,
                                       struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    const struct sqz_array **arrays = NULL;
    enum sqz_status status =
        sqz_model_outline(archive, path, dialect, format_dialect, image_size, &model, &arrays, err);
    if (!status)
        status = read_weights(path, arrays, model, err);
    if (!status && sqz_integers_fit(archive, path, model))
        status = sqz_integers_from_archive(archive, path, model, err);
    sqz_free(arrays);
    if (status)
        sqz_model_free(model);
    else
        *out = model;
    return status;
}

static enum sqz_status add_parameter(const struct sqz_model *model, const struct sqz_param *param,
                                     struct sqz_archive *out, struct sqz_error *err)
{
    size_t shape[4] = {(size_t)param->out, (size_t)param->in, (size_t)param->kh, (size_t)param->kw};
    if (sqz_find_not_finite(model->weights + param->offset, param->size) < param->size)
        return sqz_fail(err, SQZ_E_DIVERGED,
                        "%s holds a value that is not finite; such a model is not saved.",
                        param->name);
    struct sqz_array *array = sqz_archive_add(out, param->name, SQZ_F32,
                                              param->kind == SQZ_PARAM_BIAS ? 1 : 4, shape, NULL);
    if (!array)
        return sqz_fail_memory(err, param->name, param->size * sizeof(float));
    sqz_param_to_oihw(param, model->weights, array->data);
    return SQZ_OK;
}

enum sqz_status sqz_model_to_archive(const struct sqz_model *model, struct sqz_archive *out,
                                     struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    *out = (struct sqz_archive){0};
    enum sqz_status status = model->integer ? sqz_integers_to_archive(model, out, err) : SQZ_OK;
    for (int i = 0; i < net->n_params && !status && !model->integer; i++)
        status = add_parameter(model, &net->params[i], out, err);
    if (!status)
        status = sqz_metadata_add(model, out, err);
    if (status)
        sqz_archive_release(out);
    return status;
}

// --- Files ---

// The model of an archive, which is released.
static enum sqz_status finish_reading(struct sqz_archive *archive, const char *path,
                                      const char *dialect, const struct sqz_format *format,
                                      int image_size, struct sqz_model **out, struct sqz_error *err)
{
    struct sqz_text made_by = {0};
    struct sqz_model *model = NULL;
    enum sqz_status status =
        sqz_model_from_archive(archive, path, dialect, format->dialect, image_size, &model, err);
    if (!status && !model->made_by) {
        sqz_text_add(&made_by, "squeezenet %s, converted from %s", SQZ_VERSION, format->name);
        model->made_by = made_by.failed ? NULL : sqz_copy_string(sqz_text_get(&made_by));
        sqz_text_release(&made_by);
        if (!model->made_by)
            status = sqz_fail_memory(err, "a model", 0);
    }
    sqz_archive_release(archive);
    if (status)
        sqz_model_free(model);
    else
        *out = model;
    return status;
}

enum sqz_status sqz_model_read(const char *path, const char *dialect, int image_size,
                               struct sqz_model **out, struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    const struct sqz_format *format;
    enum sqz_status status = sqz_archive_read(path, &archive, &format, err);
    return status ? status : finish_reading(&archive, path, dialect, format, image_size, out, err);
}

enum sqz_status sqz_model_parse(const void *data, size_t size, const char *name,
                                const char *dialect, int image_size, struct sqz_model **out,
                                struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    const struct sqz_format *format;
    enum sqz_status status = sqz_archive_parse(data, size, name, &archive, &format, err);
    return status ? status : finish_reading(&archive, name, dialect, format, image_size, out, err);
}

enum sqz_status sqz_model_packed_size(const struct sqz_model *model, size_t *bytes,
                                      struct sqz_error *err)
{
    struct sqz_model nameless = *model; // a borrowed view
    struct sqz_archive archive = {0};
    struct sqz_bytes file = {0};
    nameless.classes = nameless.labels = NULL;
    enum sqz_status status = sqz_model_to_archive(&nameless, &archive, err);
    if (!status)
        status = sqz_archive_to_sqz(&archive, SQZ_CODER_RANGE, &file, err);
    *bytes = file.size;
    sqz_bytes_release(&file);
    sqz_archive_release(&archive);
    return status;
}
