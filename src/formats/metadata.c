// The texts of a model file that make it explain itself (docs/model-format.md).
#include "formats/common.h"

#include <jansson.h>
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

static json_t *floats(const float *values, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(array, json_real((double)values[i]));
    return array;
}

static json_t *preprocess_json(const struct sqz_preprocess *p)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:b, s:s, s:i, s:o, s:o}", "resize_mode",
                     resize_modes[p->resize_mode], "resize", p->resize, "image_size", p->image_size,
                     "interpolation", interpolations[p->interpolation], "apply_exif",
                     (int)p->apply_exif, "channel_order", p->bgr ? "bgr" : "rgb", "channels",
                     p->channels, "mean", floats(p->mean, p->channels), "std",
                     floats(p->std, p->channels));
}

static json_t *strings(char *const *texts, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++)
        if (json_array_append_new(array, json_string(texts[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

// Takes the reference. 9 digits bring the same float back, 17 the same double.
static enum sqz_status set_json(struct sqz_archive *archive, const char *key, json_t *value,
                                size_t digits)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
    char *text = value ? json_dumps(value, flags) : NULL;
    enum sqz_status status = text ? sqz_archive_set(archive, key, text) : SQZ_E_NOMEM;
    free(text);
    json_decref(value);
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
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !status; i++)
        status = sqz_archive_set(archive, texts[i].key, texts[i].value);
    if (!status && spec->stem != SQZ_STEM_IMAGENET)
        status = sqz_archive_set(archive, "stem", sqz_stem_name(spec->stem));
    if (!status)
        status = set_json(archive, "drop_rate", json_real(spec->drop_rate), 17);
    if (!status)
        status = set_json(archive, "preprocessing", preprocess_json(&model->preprocess), 9);
    if (!status && model->classes)
        status = set_json(archive, "classes", strings(model->classes, spec->classes), 9);
    if (!status && model->classes && model->labels)
        status = set_json(archive, "labels", strings(model->labels, spec->classes), 9);
    return status ? sqz_fail_memory(err, "metadata", 0) : SQZ_OK;
}

// --- Reading ---

size_t sqz_json_values(const char *text, size_t length)
{
    size_t n = 1;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
            n++;
    }
    return n;
}

static json_t *parse(const char *text, size_t max_values)
{
    size_t length = strlen(text);
    return sqz_json_values(text, length) > max_values ? NULL : json_loadb(text, length, 0, NULL);
}

static enum sqz_status bad(struct sqz_error *err, const char *path, const char *key)
{
    return sqz_fail(err, SQZ_E_DATA, "The metadata of %s hold an unusable value of %s.", path, key);
}

static int find_word(const char *const *words, int n, const json_t *value)
{
    for (int i = 0; i < n && json_is_string(value); i++)
        if (strcmp(words[i], json_string_value(value)) == 0)
            return i;
    return -1;
}

static bool take_int(const json_t *object, const char *key, int low, int high, int *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < low ||
        json_integer_value(value) > high)
        return false;
    *out = (int)json_integer_value(value);
    return true;
}

static bool take_floats(const json_t *object, const char *key, int n, float *out)
{
    const json_t *array = json_object_get(object, key);
    if (!json_is_array(array) || json_array_size(array) != (size_t)n)
        return false;
    for (int i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, (size_t)i);
        out[i] = (float)json_number_value(value);
        if (!json_is_number(value) || !isfinite(out[i]))
            return false;
    }
    return true;
}

static bool parse_preprocess(const json_t *object, struct sqz_preprocess *out)
{
    const json_t *order = json_object_get(object, "channel_order");
    const json_t *exif = json_object_get(object, "apply_exif");
    int mode = find_word(resize_modes, N_RESIZE_MODES, json_object_get(object, "resize_mode"));
    int interpolation =
        find_word(interpolations, N_INTERPOLATIONS, json_object_get(object, "interpolation"));
    *out = (struct sqz_preprocess){0};
    if (mode < 0 || interpolation < 0 || !json_is_string(order) || !json_is_boolean(exif) ||
        !take_int(object, "resize", 1, MAX_SIDE, &out->resize) ||
        !take_int(object, "image_size", 1, MAX_SIDE, &out->image_size) ||
        !take_int(object, "channels", 1, 3, &out->channels) || out->channels == 2 ||
        !take_floats(object, "mean", out->channels, out->mean) ||
        !take_floats(object, "std", out->channels, out->std))
        return false;
    out->resize_mode = (enum sqz_resize_mode)mode;
    out->interpolation = (enum sqz_interpolation)interpolation;
    out->apply_exif = json_is_true(exif);
    out->bgr = strcmp(json_string_value(order), "bgr") == 0;
    for (int i = 0; i < out->channels; i++)
        if (!(out->std[i] > 0))
            return false;
    return out->bgr || strcmp(json_string_value(order), "rgb") == 0;
}

enum sqz_status sqz_metadata_preprocess(const struct sqz_archive *archive, const char *path,
                                        bool *found, struct sqz_preprocess *out,
                                        struct sqz_error *err)
{
    const char *text = sqz_archive_get(archive, "preprocessing");
    *found = text != NULL;
    if (!text)
        return SQZ_OK;
    json_t *object = parse(text, 64);
    enum sqz_status status =
        parse_preprocess(object, out) ? SQZ_OK : bad(err, path, "preprocessing");
    json_decref(object);
    return status;
}

// The texts of a JSON array of exactly n; NULL if it is something else. Points into the JSON.
static const char **take_strings(const json_t *array, int n)
{
    if (!json_is_array(array) || json_array_size(array) != (size_t)n)
        return NULL;
    const char **texts = sqz_new_array((size_t)n, sizeof *texts);
    for (int i = 0; texts && i < n; i++) {
        texts[i] = json_string_value(json_array_get(array, (size_t)i));
        if (!texts[i]) {
            sqz_free(texts);
            return NULL;
        }
    }
    return texts;
}

enum sqz_status sqz_metadata_classes(const struct sqz_archive *archive, const char *path,
                                     struct sqz_model *model, struct sqz_error *err)
{
    const char *dirs_text = sqz_archive_get(archive, "classes");
    const char *labels_text = sqz_archive_get(archive, "labels");
    int n = model->net->spec.classes;
    struct sqz_error problem = {0};
    enum sqz_status status = SQZ_OK;
    if (!dirs_text)
        return SQZ_OK;
    json_t *dirs = parse(dirs_text, (size_t)n + 2);
    json_t *labels = labels_text ? parse(labels_text, (size_t)n + 2) : NULL;
    const char **dir_texts = take_strings(dirs, n);
    const char **label_texts = labels_text ? take_strings(labels, n) : NULL;
    if (!dir_texts || (labels_text && !label_texts))
        status = bad(err, path, dir_texts ? "labels" : "classes");
    else if (sqz_model_set_classes(model, dir_texts, label_texts, &problem))
        status =
            sqz_fail(err, SQZ_E_DATA, "The class names in %s are unusable: %s", path, problem.text);
    sqz_free(dir_texts);
    sqz_free(label_texts);
    json_decref(dirs);
    json_decref(labels);
    return status;
}

enum sqz_status sqz_metadata_number(const struct sqz_archive *archive, const char *path,
                                    const char *key, double low, double high, double fallback,
                                    double *out, struct sqz_error *err)
{
    const char *text = sqz_archive_get(archive, key);
    char *end;
    *out = fallback;
    if (!text)
        return SQZ_OK;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= low && *out <= high))
        return bad(err, path, key);
    return SQZ_OK;
}
