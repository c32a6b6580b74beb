// The texts of a model file that make it explain itself (docs/model-format.md).
#include "base/json.h"
#include "formats/common.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_VERSION "1"
#define MAX_SIDE       16384

static const char *const resize_modes[] = {
    [SQZ_RESIZE_SHORTER] = "shorter", [SQZ_RESIZE_EXACT] = "exact"};
// MindCV's words; "antialias" is Pillow's bilinear.
static const char *const interpolations[] = {
    [SQZ_NEAREST] = "nearest", [SQZ_BILINEAR] = "bilinear",      [SQZ_BICUBIC] = "bicubic",
    [SQZ_AREA] = "area",       [SQZ_PIL_BILINEAR] = "antialias", [SQZ_PIL_BICUBIC] = "pilcubic"};
enum {
    N_RESIZE_MODES = sizeof resize_modes / sizeof *resize_modes,
    N_INTERPOLATIONS = sizeof interpolations / sizeof *interpolations
};

// --- Writing ---

// 9 digits bring the same float back.
static void add_floats(struct sqz_text *out, const float *values, int n)
{
    for (int i = 0; i < n; i++) {
        sqz_text_add(out, i ? "," : "[");
        sqz_json_add_real(out, (double)values[i], 9);
    }
    sqz_text_add(out, "]");
}

static void add_preprocess(struct sqz_text *out, const struct sqz_preprocess *p)
{
    sqz_text_add(out,
                 "{\"resize_mode\":\"%s\",\"resize\":%d,\"image_size\":%d,"
                 "\"interpolation\":\"%s\",\"apply_exif\":%s,\"channel_order\":\"%s\","
                 "\"channels\":%d,\"mean\":",
                 resize_modes[p->resize_mode], p->resize, p->image_size,
                 interpolations[p->interpolation], p->apply_exif ? "true" : "false",
                 p->bgr ? "bgr" : "rgb", p->channels);
    add_floats(out, p->mean, p->channels);
    sqz_text_add(out, ",\"std\":");
    add_floats(out, p->std, p->channels);
    sqz_text_add(out, "}");
}

// Takes the text.
static enum sqz_status set_text(struct sqz_archive *archive, const char *key, struct sqz_text *text)
{
    enum sqz_status status =
        text->failed ? SQZ_E_NOMEM : sqz_archive_set(archive, key, sqz_text_get(text));
    sqz_text_release(text);
    return status;
}

static enum sqz_status set_strings(struct sqz_archive *archive, const char *key,
                                   char *const *strings, int n)
{
    struct sqz_text text = {0};
    for (int i = 0; i < n; i++) {
        sqz_text_add(&text, i ? "," : "[");
        if (!sqz_json_add_string(&text, strings[i])) {
            sqz_text_release(&text);
            return SQZ_E_DATA;
        }
    }
    sqz_text_add(&text, "]");
    return set_text(archive, key, &text);
}

static enum sqz_status set_real(struct sqz_archive *archive, const char *key, double value)
{
    struct sqz_text text = {0};
    sqz_json_add_real(&text, value, 17); // 17 digits bring the same double back
    return set_text(archive, key, &text);
}

static enum sqz_status add_calibration(const struct sqz_model *model, struct sqz_archive *archive)
{
    const struct sqz_unknown *unknown = &model->unknown;
    enum sqz_status status = SQZ_OK;
    if (model->temperature > 0)
        status = set_real(archive, "temperature", model->temperature);
    if (!status && unknown->score != SQZ_UNKNOWN_NONE)
        status = sqz_archive_set(archive, "unknown_score", sqz_unknown_name(unknown->score));
    if (!status && unknown->score != SQZ_UNKNOWN_NONE)
        status = set_real(archive, "unknown_threshold", unknown->threshold);
    return status;
}

enum sqz_status sqz_metadata_add(const struct sqz_model *model, struct sqz_archive *archive,
                                 struct sqz_error *err)
{
    const struct sqz_net_spec *spec = &model->net->spec;
    const struct {
        const char *key, *value;
    } texts[] = {
        {"format_version", FORMAT_VERSION},
        {"variant", spec->variant->name},
        {"dialect", spec->dialect->name},
        {"made_by", model->made_by ? model->made_by : "squeezenet " SQZ_VERSION},
    };
    struct sqz_text text = {0};
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !status; i++)
        status = sqz_archive_set(archive, texts[i].key, texts[i].value);
    if (!status && spec->stem != SQZ_STEM_IMAGENET)
        status = sqz_archive_set(archive, "stem", sqz_stem_name(spec->stem));
    if (!status)
        status = set_real(archive, "drop_rate", spec->drop_rate);
    if (!status) {
        add_preprocess(&text, &model->preprocess);
        status = set_text(archive, "preprocessing", &text);
    }
    if (!status)
        status = add_calibration(model, archive);
    if (!status && model->classes)
        status = set_strings(archive, "classes", model->classes, spec->classes);
    if (!status && model->classes && model->labels)
        status = set_strings(archive, "labels", model->labels, spec->classes);
    if (status == SQZ_E_DATA)
        return sqz_fail(err, status, "A class name of the model is not valid UTF-8.");
    return status ? sqz_fail_memory(err, "metadata", 0) : SQZ_OK;
}

// --- Reading ---

static enum sqz_status bad(struct sqz_error *err, const char *path, const char *key)
{
    return sqz_fail(err, SQZ_E_DATA, "The metadata of %s hold an unusable value of %s.", path, key);
}

// SQZ_OK, SQZ_E_DATA or SQZ_E_NOMEM, with a sentence.
static enum sqz_status parse(const char *path, const char *key, const char *text, size_t max_values,
                             struct sqz_json_document *out, struct sqz_error *err)
{
    struct sqz_json_problem problem;
    enum sqz_status status = sqz_json_parse(text, strlen(text), max_values, out, &problem);
    if (status == SQZ_E_NOMEM)
        return sqz_fail_memory(err, "metadata", strlen(text));
    return status ? bad(err, path, key) : SQZ_OK;
}

static int find_word(const char *const *words, int n, const struct sqz_json *value)
{
    const char *word = sqz_json_string(value);
    for (int i = 0; i < n && word; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static bool take_int(const struct sqz_json *object, const char *key, int low, int high, int *out)
{
    int64_t value;
    if (!sqz_json_to_int64(sqz_json_get(object, key), &value) || value < low || value > high)
        return false;
    *out = (int)value;
    return true;
}

static bool take_floats(const struct sqz_json *object, const char *key, int n, float *out)
{
    const struct sqz_json *array = sqz_json_get(object, key);
    if (!sqz_json_is(array, SQZ_JSON_ARRAY) || array->n != (uint32_t)n)
        return false;
    for (int i = 0; i < n; i++) {
        double value;
        if (!sqz_json_to_double(sqz_json_at(array, (size_t)i), &value))
            return false;
        out[i] = (float)value;
        if (!isfinite(out[i]))
            return false;
    }
    return true;
}

static bool parse_preprocess(const struct sqz_json *object, struct sqz_preprocess *out)
{
    const char *order = sqz_json_string(sqz_json_get(object, "channel_order"));
    const struct sqz_json *exif = sqz_json_get(object, "apply_exif");
    int mode = find_word(resize_modes, N_RESIZE_MODES, sqz_json_get(object, "resize_mode"));
    int interpolation =
        find_word(interpolations, N_INTERPOLATIONS, sqz_json_get(object, "interpolation"));
    *out = (struct sqz_preprocess){.apply_exif = sqz_json_is(exif, SQZ_JSON_TRUE)};
    if (mode < 0 || interpolation < 0 || !order ||
        (!out->apply_exif && !sqz_json_is(exif, SQZ_JSON_FALSE)) ||
        !take_int(object, "resize", 1, MAX_SIDE, &out->resize) ||
        !take_int(object, "image_size", 1, MAX_SIDE, &out->image_size) ||
        !take_int(object, "channels", 1, 3, &out->channels) || out->channels == 2 ||
        !take_floats(object, "mean", out->channels, out->mean) ||
        !take_floats(object, "std", out->channels, out->std))
        return false;
    out->resize_mode = (enum sqz_resize_mode)mode;
    out->interpolation = (enum sqz_interpolation)interpolation;
    out->bgr = strcmp(order, "bgr") == 0;
    for (int i = 0; i < out->channels; i++)
        if (!(out->std[i] > 0))
            return false;
    return out->bgr || strcmp(order, "rgb") == 0;
}

enum sqz_status sqz_metadata_preprocess(const struct sqz_archive *archive, const char *path,
                                        bool *found, struct sqz_preprocess *out,
                                        struct sqz_error *err)
{
    struct sqz_json_document document;
    const char *text = sqz_archive_get(archive, "preprocessing");
    *found = text != NULL;
    if (!text)
        return SQZ_OK;
    enum sqz_status status = parse(path, "preprocessing", text, 64, &document, err);
    if (!status && !parse_preprocess(document.values, out))
        status = bad(err, path, "preprocessing");
    sqz_json_release(&document);
    return status;
}

// A JSON array of exactly n texts. *texts is the caller's to free; it points into the document.
static enum sqz_status take_strings(const char *path, const char *key, const char *text, int n,
                                    struct sqz_json_document *document, const char ***texts,
                                    struct sqz_error *err)
{
    enum sqz_status status = parse(path, key, text, (size_t)n + 2, document, err);
    if (status)
        return status;
    const struct sqz_json *array = document->values;
    if (!sqz_json_is(array, SQZ_JSON_ARRAY) || array->n != (uint32_t)n)
        return bad(err, path, key);
    *texts = sqz_new_array((size_t)n, sizeof **texts);
    if (!*texts)
        return sqz_fail_memory(err, "class names", (size_t)n * sizeof **texts);
    const struct sqz_json *element = array + 1;
    for (int i = 0; i < n; i++, element = sqz_json_next(element))
        if (!((*texts)[i] = sqz_json_string(element)))
            return bad(err, path, key);
    return SQZ_OK;
}

enum sqz_status sqz_metadata_classes(const struct sqz_archive *archive, const char *path,
                                     struct sqz_model *model, struct sqz_error *err)
{
    const char *dirs_text = sqz_archive_get(archive, "classes");
    const char *labels_text = sqz_archive_get(archive, "labels");
    const char **dirs = NULL, **labels = NULL;
    struct sqz_json_document dirs_json = {0}, labels_json = {0};
    struct sqz_error problem = {0};
    int n = model->net->spec.classes;
    if (!dirs_text)
        return SQZ_OK;
    enum sqz_status status = take_strings(path, "classes", dirs_text, n, &dirs_json, &dirs, err);
    if (!status && labels_text)
        status = take_strings(path, "labels", labels_text, n, &labels_json, &labels, err);
    if (!status) {
        status = sqz_model_set_classes(model, dirs, labels, &problem);
        if (status)
            sqz_fail(err, status, "The class names in %s are unusable: %s", path, problem.text);
    }
    sqz_free(dirs);
    sqz_free(labels);
    sqz_json_release(&dirs_json);
    sqz_json_release(&labels_json);
    return status;
}

enum sqz_status sqz_metadata_number(const struct sqz_archive *archive, const char *path,
                                    const char *key, double low, double high, double fallback,
                                    double *out, struct sqz_error *err)
{
    const char *text = sqz_archive_get(archive, key);
    struct sqz_json_document document;
    *out = fallback;
    if (!text)
        return SQZ_OK;
    enum sqz_status status = parse(path, key, text, 1, &document, err);
    if (!status && (!sqz_json_to_double(document.values, out) || *out < low || *out > high))
        status = bad(err, path, key);
    sqz_json_release(&document);
    return status;
}

enum sqz_status sqz_metadata_calibration(const struct sqz_archive *archive, const char *path,
                                         struct sqz_model *model, struct sqz_error *err)
{
    const char *name = sqz_archive_get(archive, "unknown_score");
    struct sqz_unknown *unknown = &model->unknown;
    enum sqz_status status =
        sqz_metadata_number(archive, path, "temperature", 1e-9, 1e9, 0, &model->temperature, err);
    if (status || !name)
        return status;
    if (!sqz_archive_get(archive, "unknown_threshold"))
        return bad(err, path, "unknown_threshold");
    for (int score = SQZ_UNKNOWN_SOFTMAX; score < SQZ_UNKNOWN_SCORES; score++)
        if (strcmp(name, sqz_unknown_name((enum sqz_unknown_score)score)) == 0)
            unknown->score = (enum sqz_unknown_score)score;
    if (unknown->score == SQZ_UNKNOWN_NONE)
        return bad(err, path, "unknown_score");
    return sqz_metadata_number(archive, path, "unknown_threshold", -1e9, 1e9, 0,
                               &unknown->threshold, err);
}
