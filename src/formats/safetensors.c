// safetensors, the native format: a JSON header, then the arrays' bytes.
#include "formats/common.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT ((uint64_t)100000000) // the format's own
#define MAX_VALUES   (32 * SQZ_MAX_ARRAYS)

static const char *const dtype_names[] = {
    [SQZ_F32] = "F32", [SQZ_F16] = "F16", [SQZ_BF16] = "BF16", [SQZ_F64] = "F64", [SQZ_I8] = "I8",
    [SQZ_U8] = "U8",   [SQZ_I16] = "I16", [SQZ_U16] = "U16",   [SQZ_I32] = "I32", [SQZ_U32] = "U32",
    [SQZ_I64] = "I64", [SQZ_U64] = "U64", [SQZ_BOOL] = "BOOL",
};

static bool probe(const char *path, const uint8_t *head, size_t size)
{
    (void)path;
    struct sqz_cursor cursor = {head, size, 0};
    uint64_t length;
    return size > 8 && sqz_take_u64(&cursor, &length) && length <= 100000000 && head[8] == '{';
}

static size_t front(const uint8_t *head)
{
    struct sqz_cursor cursor = {head, 8, 0};
    uint64_t length = 0;
    sqz_take_u64(&cursor, &length);
    return 8 + (size_t)length;
}

// One entry of the header, checked on its own.
struct entry {
    const char *name; // owned by the JSON
    enum sqz_dtype dtype;
    int rank;
    size_t shape[SQZ_MAX_RANK];
    uint64_t begin, end; // in the buffer
};

static enum sqz_status bad_entry(struct sqz_error *err, const char *path, const char *name,
                                 const char *what)
{
    return sqz_fail(err, SQZ_E_DATA, "The array %.100s of %s has %s.", name, path, what);
}

static bool json_to_u64(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static enum sqz_status parse_entry(const char *path, const char *name, const json_t *value,
                                   uint64_t buffer_size, struct entry *out, struct sqz_error *err)
{
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    size_t bytes;
    out->name = name;
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2)
        return bad_entry(err, path, name, "no usable dtype, shape and data_offsets in the header");
    int known = sqz_dtype_by_name(dtype_names, json_string_value(dtype));
    if (known < 0)
        return bad_entry(err, path, name, "an element type that is not supported");
    out->dtype = (enum sqz_dtype)known;
    if (json_array_size(shape) > SQZ_MAX_RANK)
        return bad_entry(err, path, name, "more than 4 dimensions");
    out->rank = (int)json_array_size(shape);
    for (int i = 0; i < out->rank; i++) {
        uint64_t n;
        if (!json_to_u64(json_array_get(shape, (size_t)i), &n))
            return bad_entry(err, path, name, "a shape that is no list of sizes");
        out->shape[i] = n;
    }
    if (!json_to_u64(json_array_get(offsets, 0), &out->begin) ||
        !json_to_u64(json_array_get(offsets, 1), &out->end) || out->begin > out->end ||
        out->end > buffer_size)
        return bad_entry(err, path, name, "data_offsets outside the file (is it truncated?)");
    if (!sqz_array_bytes(out->dtype, out->rank, out->shape, &bytes) ||
        bytes != out->end - out->begin)
        return bad_entry(err, path, name, "a shape that does not fit its data_offsets");
    return SQZ_OK;
}

static enum sqz_status parse_metadata(const char *path, const json_t *object,
                                      struct sqz_archive *out, struct sqz_error *err)
{
    const char *key;
    const json_t *value;
    if (!json_is_object(object))
        return sqz_fail(err, SQZ_E_DATA, "__metadata__ of %s is not a JSON object.", path);
    if (json_object_size(object) > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "__metadata__ of %s has more than %d entries.", path,
                        SQZ_MAX_ARRAYS);
    json_object_foreach((json_t *)object, key, value)
    {
        if (!json_is_string(value))
            return sqz_fail(err, SQZ_E_DATA, "The entry %.100s in __metadata__ of %s is no text.",
                            key, path);
        if (sqz_archive_set(out, key, json_string_value(value)))
            return sqz_fail_memory(err, "metadata", json_string_length(value));
    }
    return SQZ_OK;
}

// By position; empty arrays before the one that begins at the same place.
static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

// Where an array's data lies in the file, if it may stay there; NULL if it must be copied to be
// aligned. The archive keeps the file, so casting const away gives nothing to others.
static void *place_in_file(const struct entry *entry, const uint8_t *buffer)
{
    uintptr_t place = (uintptr_t)(buffer + entry->begin);
    bool fits = entry->end > entry->begin && place % sqz_dtype_size(entry->dtype) == 0;
    return fits ? (void *)place : NULL;
}

static enum sqz_status read_arrays(const char *path, const struct entry *entries, size_t n,
                                   const uint8_t *buffer, uint64_t buffer_size,
                                   struct sqz_archive *out, struct sqz_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct entry *entry = &entries[i];
        struct sqz_array *array;
        if (entry->begin != at)
            return bad_entry(err, path, entry->name,
                             entry->begin < at ? "data that overlaps another array's"
                                               : "unused bytes before its data");
        enum sqz_status status =
            sqz_archive_put(out, path, entry->name, entry->dtype, entry->rank, entry->shape,
                            place_in_file(entry, buffer), &array, err);
        if (status)
            return status;
        if (!array->borrowed && array->size)
            memcpy(array->data, buffer + entry->begin, array->size);
        at = entry->end;
    }
    if (at != buffer_size)
        return sqz_fail(err, SQZ_E_DATA, "%s has %" PRIu64 " unused bytes after its last array.",
                        path, buffer_size - at);
    return SQZ_OK;
}

static enum sqz_status read_header(const char *path, const json_t *header, const uint8_t *buffer,
                                   uint64_t buffer_size, struct sqz_archive *out,
                                   struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    const char *name;
    const json_t *value;
    size_t n = 0;
    if (json_object_size(header) > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d arrays: that is no SqueezeNet.",
                        path, SQZ_MAX_ARRAYS);
    struct entry *entries = sqz_new_array(json_object_size(header), sizeof *entries);
    if (!entries)
        return sqz_fail_memory(err, "the list of arrays",
                               json_object_size(header) * sizeof *entries);
    json_object_foreach((json_t *)header, name, value)
    {
        if (!sqz_name_is_clean(name))
            status = sqz_fail_name(err, path, n);
        else if (strcmp(name, "__metadata__") == 0)
            status = parse_metadata(path, value, out, err);
        else
            status = parse_entry(path, name, value, buffer_size, &entries[n++], err);
        if (status)
            goto done;
    }
    qsort(entries, n, sizeof *entries, compare_entries);
    status = read_arrays(path, entries, n, buffer, buffer_size, out, err);
done:
    sqz_free(entries);
    return status;
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_cursor cursor = {data, size, 0};
    uint64_t length;
    const uint8_t *text;
    if (!sqz_take_u64(&cursor, &length) || length > sqz_cursor_left(&cursor))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s ends inside its safetensors header: the file is truncated.", path);
    if (length > HEADER_LIMIT)
        return sqz_fail(err, SQZ_E_DATA,
                        "The header of %s has %" PRIu64 " bytes; at most %" PRIu64
                        " are supported.",
                        path, length, HEADER_LIMIT);
    sqz_take_span(&cursor, (size_t)length, &text);
    if (length == 0 || text[0] != '{')
        return sqz_fail(err, SQZ_E_DATA, "The header of %s does not begin with {.", path);
    if (sqz_json_values((const char *)text, (size_t)length) > MAX_VALUES)
        return sqz_fail(err, SQZ_E_DATA,
                        "The header of %s is no SqueezeNet's: it has too many parts.", path);
    json_error_t problem;
    json_t *header =
        json_loadb((const char *)text, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
    // jansson's own text quotes the file, which may hold anything.
    if (!header && json_error_code(&problem) == json_error_duplicate_key)
        return sqz_fail(err, SQZ_E_DATA, "The header of %s has the same key twice at byte %d.",
                        path, problem.position + 8);
    if (!header)
        return sqz_fail(err, SQZ_E_DATA, "The header of %s is not valid JSON at byte %d.", path,
                        problem.position + 8);
    enum sqz_status status =
        read_header(path, header, data + cursor.at, sqz_cursor_left(&cursor), out, err);
    json_decref(header);
    return status;
}

// --- Writing ---

// Wider elements first keeps every array aligned to its element's size.
static void order_by_width(const struct sqz_archive *archive, size_t *order)
{
    size_t n = 0;
    for (size_t width = 8; width; width /= 2)
        for (size_t i = 0; i < archive->n_arrays; i++)
            if (sqz_dtype_size(archive->arrays[i].dtype) == width)
                order[n++] = i;
}

// jansson takes the reference of what it is given even when it fails.
static bool add_metadata(json_t *header, const struct sqz_archive *archive)
{
    json_t *metadata = json_object();
    if (json_object_set_new(header, "__metadata__", metadata))
        return false;
    for (size_t i = 0; i < archive->n_metadata; i++)
        if (json_object_set_new(metadata, archive->metadata[i].key,
                                json_string(archive->metadata[i].value)))
            return false;
    return true;
}

static bool add_array(json_t *header, const struct sqz_array *array, json_int_t at)
{
    json_t *shape = json_array();
    for (int i = 0; i < array->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)array->shape[i]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_names[array->dtype], "shape",
                              shape, "data_offsets", at, at + (json_int_t)array->size);
    return json_object_set_new(header, array->name, entry) == 0;
}

static json_t *make_header(const struct sqz_archive *archive, const size_t *order)
{
    json_t *header = json_object();
    json_int_t at = 0;
    bool ok = archive->n_metadata == 0 || add_metadata(header, archive);
    for (size_t i = 0; ok && i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[order[i]];
        ok = add_array(header, array, at);
        at += (json_int_t)array->size;
    }
    if (ok)
        return header;
    json_decref(header);
    return NULL;
}

static enum sqz_status assemble(const struct sqz_archive *archive, const size_t *order,
                                const char *text, struct sqz_bytes *out, struct sqz_error *err)
{
    size_t length = strlen(text), padded = (length + 7) / 8 * 8, total = 8 + padded;
    if (padded > HEADER_LIMIT)
        return sqz_fail(err, SQZ_E_DATA,
                        "The model's texts are longer than a safetensors header may be (%" PRIu64
                        " bytes).",
                        HEADER_LIMIT);
    for (size_t i = 0; i < archive->n_arrays; i++)
        if (!sqz_size_add(total, archive->arrays[i].size, &total))
            return sqz_fail_memory(err, "the file", SIZE_MAX);
    out->data = sqz_new_array(total, 1);
    if (!out->data)
        return sqz_fail_memory(err, "the file", total);
    out->size = total;
    for (int i = 0; i < 8; i++)
        out->data[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    memcpy(out->data + 8, text, length);
    memset(out->data + 8 + length, ' ', padded - length);
    uint8_t *to = out->data + 8 + padded;
    for (size_t i = 0; i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[order[i]];
        memcpy(to, array->data, array->size);
        to += array->size;
    }
    return SQZ_OK;
}

static enum sqz_status write_file(const struct sqz_archive *archive, struct sqz_bytes *out,
                                  struct sqz_error *err)
{
    enum sqz_status status;
    json_t *header = NULL;
    char *text = NULL;
    size_t *order = sqz_new_array(archive->n_arrays, sizeof *order);
    if (!order) {
        status = sqz_fail_memory(err, "the list of arrays", archive->n_arrays * sizeof *order);
        goto done;
    }
    order_by_width(archive, order);
    header = make_header(archive, order);
    if (header)
        text = json_dumps(header, JSON_COMPACT);
    if (!text) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "A name or text of the model (a class name?) is not valid UTF-8, so that "
                          "it cannot be stored as safetensors.");
        goto done;
    }
    status = assemble(archive, order, text, out, err);
done:
    free(text);
    json_decref(header);
    sqz_free(order);
    return status;
}

const struct sqz_format sqz_format_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .dialect = "torchvision",
    .summary = "the native format: weights with everything needed to use them",
    .probe = probe,
    .read = read_file,
    .front = front,
    .write = write_file,
};
