// Weights that stay in their file, and come out some output channels at a time.
#include "formats/streamed.h"

#include "formats/common.h"
#include "formats/integer.h"
#include "formats/sqz.h"

#include <string.h>
#include <unistd.h>

struct sqz_streamed {
    struct sqz_archive archive;
    char *path;
    const struct sqz_array **arrays; // per parameter
    const struct sqz_net *net;       // the model's
    int file;                        // where the arrays' data lie, or -1: in memory
    struct sqz_weight_source source;
    uint8_t *raw; // one row as a file of other than float32 holds it
    // .sqz: how each array is coded, else NULL; and the one that is being decoded.
    struct sqz_packed_tensor *tensors;
    struct sqz_unpacker unpacker;
    struct sqz_coded row;
    int16_t *codes[2]; // the row, and the one above it
};

static int row_count(const struct sqz_param *param)
{
    return param->kind == SQZ_PARAM_WEIGHT ? param->out : 1;
}

static size_t row_length(const struct sqz_param *param)
{
    return param->size / (size_t)row_count(param);
}

static size_t longest_row(const struct sqz_net *net)
{
    size_t longest = 0;
    for (int p = 0; p < net->n_params; p++) {
        const size_t length = row_length(&net->params[p]);
        longest = length > longest ? length : longest;
    }
    return longest;
}

// --- Coded rows ---

static enum sqz_status fail_codes(const struct sqz_streamed *s, int param, struct sqz_error *err)
{
    return sqz_fail(err, SQZ_E_DATA, "The tensor %s of %s is damaged: its codes are.",
                    s->arrays[param]->name, s->path);
}

static bool decode_row(struct sqz_streamed *s, uint32_t row, float *out)
{
    if (s->row.coding == SQZ_CODING_FLOAT) {
        if (!sqz_unpack_floats(&s->unpacker, s->row.bits))
            return false;
        memcpy(out, s->row.bits, s->row.columns * sizeof *out);
        return true;
    }
    s->row.codes = s->codes[row % 2];
    if (!sqz_unpack_codes(&s->unpacker, row ? s->codes[1 - row % 2] : NULL, NULL, s->row.codes))
        return false;
    sqz_coded_to_bits(&s->row, s->row.bits);
    memcpy(out, s->row.bits, s->row.columns * sizeof *out);
    return true;
}

static enum sqz_status coded_rows(struct sqz_streamed *s, int param, int first, int n, float *out,
                                  struct sqz_error *err)
{
    const struct sqz_packed_tensor *tensor = &s->tensors[s->arrays[param] - s->archive.arrays];
    if (first == 0) {
        s->row.columns = tensor->columns;
        s->row.coding = tensor->coding;
        s->row.parameter = tensor->parameter;
        if (!sqz_unpack_begin(&s->unpacker, tensor, s->row.codebook))
            return fail_codes(s, param, err);
    }
    for (int r = first; r < first + n; r++, out += s->row.columns)
        if (!decode_row(s, (uint32_t)r, out))
            return fail_codes(s, param, err);
    if ((uint32_t)(first + n) == tensor->rows && !sqz_unpack_end(&s->unpacker))
        return fail_codes(s, param, err);
    return SQZ_OK;
}

// --- Plain rows ---

static enum sqz_status plain_rows(struct sqz_streamed *s, int param, int first, int n, float *out,
                                  struct sqz_error *err)
{
    const struct sqz_array *array = s->arrays[param];
    const size_t length = row_length(&s->net->params[param]);
    const size_t row_bytes = length * sqz_dtype_size(array->dtype);
    const uint8_t *at = (const uint8_t *)array->data + (size_t)first * row_bytes;
    const size_t offset = s->file >= 0 ? (size_t)(at - s->archive.file.data) : 0;
    struct sqz_array row = {.dtype = array->dtype, .size = row_bytes};
    enum sqz_status status = SQZ_OK;
    if (s->file >= 0 && array->dtype == SQZ_F32)
        return sqz_file_read_at(s->path, s->file, offset, out, (size_t)n * row_bytes, err);
    for (int r = 0; r < n && !status; r++, out += length) {
        row.data = (void *)(at + r * row_bytes);
        if (s->file >= 0) {
            row.data = s->raw;
            status =
                sqz_file_read_at(s->path, s->file, offset + r * row_bytes, s->raw, row_bytes, err);
        }
        if (!status && !sqz_array_to_floats(&row, out))
            status = sqz_fail(err, SQZ_E_DATA,
                              "The array %s of %s does not hold floating-point numbers.",
                              array->name, s->path);
    }
    return status;
}

static enum sqz_status rows(void *arg, int param, int first, int n, float *out,
                            struct sqz_error *err)
{
    struct sqz_streamed *s = arg;
    return s->tensors ? coded_rows(s, param, first, n, out, err)
                      : plain_rows(s, param, first, n, out, err);
}

// --- Opening ---

// The archive as far as names and shapes go; of the data as little as the format allows.
static enum sqz_status read_outline(struct sqz_streamed *s, const struct sqz_format **format,
                                    struct sqz_error *err)
{
    struct sqz_bytes *file = &s->archive.file;
    size_t front;
    enum sqz_status status = sqz_format_probe(s->path, format, &front, err);
    if (status)
        return status;
    if (*format == &sqz_format_sqz) {
        status = sqz_file_read(s->path, SQZ_FILE_LIMIT, file, err);
        s->tensors = sqz_new_array(SQZ_PACKED_TENSORS, sizeof *s->tensors);
        if (!status && !s->tensors)
            status = sqz_fail_memory(err, "the directory", SQZ_PACKED_TENSORS * sizeof *s->tensors);
        if (!status)
            status = sqz_packed_list(s->path, file->data, file->size, &s->archive, s->tensors, err);
        if (status || !sqz_archive_has_integers(&s->archive))
            return status;
        sqz_archive_release(&s->archive); // its weights in floating point have to be made
        sqz_free(s->tensors);
        s->tensors = NULL;
        return sqz_archive_read(s->path, &s->archive, NULL, err);
    }
    if (!front)
        return sqz_archive_read(s->path, &s->archive, NULL, err);
    status = sqz_file_read_front(s->path, SQZ_FILE_LIMIT, front, file, &s->file, err);
    if (!status)
        status = (*format)->read(s->path, file->data, file->size, &s->archive, err);
    bool in_place = !sqz_archive_has_integers(&s->archive);
    for (size_t i = 0; i < s->archive.n_arrays; i++)
        in_place &= s->archive.arrays[i].borrowed || s->archive.arrays[i].size == 0;
    if (status || in_place)
        return status;
    sqz_archive_release(&s->archive); // it was copied to be aligned, from where there is nothing
    close(s->file);
    s->file = -1;
    return sqz_archive_read(s->path, &s->archive, NULL, err);
}

static enum sqz_status take_rows(struct sqz_streamed *s, struct sqz_error *err)
{
    const size_t longest = longest_row(s->net);
    s->raw = sqz_new_array(longest, sizeof(double));
    s->row.rows = 1;
    s->row.bits = sqz_new_array(longest, sizeof *s->row.bits);
    for (int i = 0; i < 2; i++)
        s->codes[i] = sqz_new_array(longest, sizeof *s->codes[i]);
    return s->raw && s->row.bits && s->codes[0] && s->codes[1]
               ? SQZ_OK
               : sqz_fail_memory(err, "a row of weights", longest * sizeof(double));
}

// Reads every value once.
static enum sqz_status check_values(struct sqz_streamed *s, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    const size_t longest = longest_row(s->net);
    float *values = sqz_new_array(longest, sizeof *values);
    if (!values)
        return sqz_fail_memory(err, "a row of weights", longest * sizeof *values);
    for (int p = 0; p < s->net->n_params && !status; p++) {
        const struct sqz_param *param = &s->net->params[p];
        const size_t n = row_length(param);
        for (int r = 0; r < row_count(param) && !status; r++) {
            status = rows(s, p, r, 1, values, err);
            size_t bad = status ? n : sqz_find_not_finite(values, n);
            if (bad < n)
                status = sqz_fail_not_finite(err, s->path, s->arrays[p]->name, r * n + bad);
        }
    }
    sqz_free(values);
    return status;
}

enum sqz_status sqz_streamed_open(const char *path, const char *dialect, int image_size,
                                  struct sqz_model **model, struct sqz_streamed **out,
                                  struct sqz_error *err)
{
    const struct sqz_format *format;
    struct sqz_streamed *s = sqz_new_array(1, sizeof *s);
    if (!s)
        return sqz_fail_memory(err, "a model", sizeof *s);
    s->file = -1;
    s->source = (struct sqz_weight_source){s, rows};
    enum sqz_status status = sqz_weights_path(path, &s->path, err);
    if (!status)
        status = read_outline(s, &format, err);
    *model = NULL;
    if (!status)
        status = sqz_model_outline(&s->archive, s->path, dialect, format->dialect, image_size,
                                   model, &s->arrays, err);
    if (!status) {
        s->net = (*model)->net;
        status = take_rows(s, err);
    }
    if (!status)
        status = check_values(s, err);
    if (status) {
        sqz_model_free(*model);
        sqz_streamed_free(s);
        return status;
    }
    *out = s;
    return SQZ_OK;
}

void sqz_streamed_free(struct sqz_streamed *s)
{
    if (!s)
        return;
    if (s->file >= 0)
        close(s->file);
    sqz_archive_release(&s->archive);
    sqz_free(s->arrays);
    sqz_free(s->tensors);
    sqz_free(s->raw);
    sqz_free(s->row.bits);
    sqz_free(s->codes[0]);
    sqz_free(s->codes[1]);
    sqz_free(s->path);
    sqz_free(s);
}

const struct sqz_weight_source *sqz_streamed_source(const struct sqz_streamed *streamed)
{
    return &streamed->source;
}
