// Exports of models, and images as the exported model takes them.
#include "api/classifier.h"
#include "api/samples.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "data/augment/transform.h"
#include "formats/export.h"
#include <squeezenet_tools.h>

#include <stdio.h>
#include <string.h>

const char *sqz_export_format_name(int index)
{
    const struct sqz_export_format *format = sqz_export_format_at(index);
    return format ? format->name : NULL;
}

const char *sqz_export_format_summary(int index)
{
    const struct sqz_export_format *format = sqz_export_format_at(index);
    return format ? format->summary : NULL;
}

enum sqz_status sqz_export_model(const struct sqz_model *model, const char *path,
                                 const struct sqz_export_options *options,
                                 struct sqz_export_result *out, struct sqz_error *err)
{
    struct sqz_export_options how;
    struct sqz_flat flat = {0};
    enum sqz_status status = SQZ_STRUCT_IN(sqz_export_options, &how, options, err);
    if (!status && out)
        status = SQZ_STRUCT_CHECK(sqz_export_result, out, err);
    if (status)
        return status;
    const struct sqz_export_format *format = sqz_export_format_find(how.format ? how.format : "c");
    if (!format)
        return sqz_fail(err, SQZ_E_USAGE, "Unknown export format \"%s\".", how.format);
    if (how.unit != 0 && how.unit != SQZ_FLAT_UNIT_4 && how.unit != SQZ_FLAT_UNIT_16)
        return sqz_fail(err, SQZ_E_USAGE, "Weights are packed in units of 4 or 16 bytes, not %d.",
                        how.unit);
    size_t bytes = 0;
    if (format->flat)
        status = sqz_flat_make(
            model, how.unit == SQZ_FLAT_UNIT_16 ? SQZ_FLAT_UNIT_16 : SQZ_FLAT_UNIT_4, &flat, err);
    if (!status)
        status = format->write(&flat, model, path,
                               how.force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, &bytes, err);
    if (!status && out) {
        const struct sqz_export_result result = {.bytes = bytes,
                                                 .weight_bytes = flat.weights,
                                                 .bias_bytes = flat.biases,
                                                 .name_bytes = flat.names,
                                                 .arena_bytes = flat.arena};
        SQZ_STRUCT_OUT(sqz_export_result, out, &result);
    }
    sqz_bytes_release(&flat.bytes);
    return status;
}

enum sqz_status sqz_export_image(const struct sqz_model *model, const char *image, const char *path,
                                 bool force, struct sqz_error *err)
{
    const struct sqz_tensor *t = &model->net->tensors[0];
    const size_t n = sqz_tensor_size(model->net, 0);
    struct sqz_transform_scratch scratch = {0};
    struct sqz_bytes encoded = {0};
    char header[48];
    const int head =
        snprintf(header, sizeof header, "P%c\n%d %d\n255\n", t->c == 3 ? '6' : '5', t->w, t->h);
    uint8_t *pixels = sqz_new_array(n, 1);
    uint8_t *file = sqz_new_array((size_t)head + n, 1);
    enum sqz_status status = pixels && file
                                 ? sqz_file_read(image, SQZ_IMAGE_FILE_LIMIT, &encoded, err)
                                 : sqz_fail_memory(err, "an image", n);
    if (!status) {
        struct sqz_source source = {.data = encoded.data, .size = encoded.size, .name = image};
        status = sqz_preprocess_pixels(&model->preprocess, &source, pixels, &scratch, err);
    }
    if (!status) {
        memcpy(file, header, (size_t)head);
        sqz_view_from_pixels(&model->preprocess, pixels, t->c, file + head);
        status = sqz_file_write(path, file, (size_t)head + n,
                                force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, err);
    }
    sqz_free(pixels);
    sqz_free(file);
    sqz_bytes_release(&encoded);
    sqz_transform_scratch_release(&scratch);
    return status;
}
