// safetensors, the native format: a JSON header, then the arrays' bytes.
#include "base/bytes.h"
#include "base/json.h"
#include "formats/common.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The format's own. The history of a long run takes tens of megabytes.
#define HEADER_LIMIT ((uint64_t)100000000)
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
    return size > 8 && sqz_take_u64(&cursor, &length) && length <= HEADER_LIMIT && head[8] == '{';
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
    const char *name; // the document's
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

static bool json_to_u64(const struct sqz_json *value, uint64_t *out)
{
    int64_t number;
    if (!sqz_json_to_int64(value, &number) || number < 0)
        return false;
    *out = (uint64_t)number;
    return true;
}

static enum sqz_status parse_entry(const char *path, const char *name, const struct sqz_json *value,
                                   uint64_t buffer_size, struct entry *out, struct sqz_error *err)
{
    const char *dtype = sqz_json_string(sqz_json_get(value, "dtype"));
    const struct sqz_json *shape = sqz_json_get(value, "shape");
    const struct sqz_json *offsets = sqz_json_get(value, "data_offsets");
    size_t bytes;
    out->name = name;
    if (!dtype || !sqz_json_is(shape, SQZ_JSON_ARRAY) || !sqz_json_is(offsets, SQZ_JSON_ARRAY) ||
        offsets->n != 2)
        return bad_entry(err, path, name, "no usable dtype, shape and data_offsets in the header");
    int known = sqz_dtype_by_name(dtype_names, dtype);
    if (known < 0)
        return bad_entry(err, path, name, "an element type that is not supported");
    out->dtype = (enum sqz_dtype)known;
    if (shape->n > SQZ_MAX_RANK)
        return bad_entry(err, path, name, "more than 4 dimensions");
    out->rank = (int)shape->n;
    for (int i = 0; i < out->rank; i++) {
        uint64_t n;
        if (!json_to_u64(sqz_json_at(shape, (size_t)i), &n))
            return bad_entry(err, path, name, "a shape that is no list of sizes");
        out->shape[i] = n;
    }
    if (!json_to_u64(sqz_json_at(offsets, 0), &out->begin) ||
        !json_to_u64(sqz_json_at(offsets, 1), &out->end) || out->begin > out->end ||
        out->end > buffer_size)
        return bad_entry(err, path, name, "data_offsets outside the file (is it truncated?)");
    if (!sqz_array_bytes(out->dtype, out->rank, out->shape, &bytes) ||
        bytes != out->end - out->begin)
        return bad_entry(err, path, name, "a shape that does not fit its data_offsets");
    return SQZ_OK;
}

static enum sqz_status parse_metadata(const char *path, const struct sqz_json *object,
                                      struct sqz_archive *out, struct sqz_error *err)
{
    if (!sqz_json_is(object, SQZ_JSON_OBJECT))
        return sqz_fail(err, SQZ_E_DATA, "__metadata__ of %s is not a JSON object.", path);
    if (object->n > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "__metadata__ of %s has more than %d entries.", path,
                        SQZ_MAX_ARRAYS);
    const struct sqz_json *key = object + 1;
    for (uint32_t i = 0; i < object->n; i++) {
        const struct sqz_json *value = sqz_json_next(key);
        if (!sqz_json_is(value, SQZ_JSON_STRING))
            return sqz_fail(err, SQZ_E_DATA, "The entry %.100s in __metadata__ of %s is no text.",
                            key->text, path);
        if (sqz_archive_set(out, key->text, value->text))
            return sqz_fail_memory(err, "metadata", strlen(value->text));
        key = sqz_json_next(value);
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

static enum sqz_status read_header(const char *path, const struct sqz_json *header,
                                   const uint8_t *buffer, uint64_t buffer_size,
                                   struct sqz_archive *out, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    const struct sqz_json *key = header + 1;
    size_t n = 0;
    if (header->n > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d arrays: that is no SqueezeNet.",
                        path, SQZ_MAX_ARRAYS);
    struct entry *entries = sqz_new_array(header->n, sizeof *entries);
    if (!entries)
        return sqz_fail_memory(err, "the list of arrays", header->n * sizeof *entries);
    for (uint32_t i = 0; i < header->n; i++) {
        const char *name = key->text;
        const struct sqz_json *value = sqz_json_next(key);
        if (!sqz_name_is_clean(name))
            status = sqz_fail_name(err, path, n);
        else if (strcmp(name, "__metadata__") == 0)
            status = parse_metadata(path, value, out, err);
        else
            status = parse_entry(path, name, value, buffer_size, &entries[n++], err);
        if (status)
            goto done;
        key = sqz_json_next(value);
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
    struct sqz_json_document header;
    struct sqz_json_problem problem;
    enum sqz_status status =
        sqz_json_parse((const char *)text, (size_t)length, MAX_VALUES, &header, &problem);
    if (status == SQZ_E_NOMEM)
        return sqz_fail_memory(err, "the header", (size_t)length);
    if (status)
        return sqz_fail(err, status, "The header of %s %s at byte %zu.", path, problem.what,
                        problem.at + 8);
    status = read_header(path, header.values, data + cursor.at, sqz_cursor_left(&cursor), out, err);
    sqz_json_release(&header);
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

static bool add_metadata(struct sqz_text *out, const struct sqz_archive *archive)
{
    for (size_t i = 0; i < archive->n_metadata; i++) {
        sqz_text_add(out, i ? "," : "\"__metadata__\":{");
        if (!sqz_json_add_string(out, archive->metadata[i].key))
            return false;
        sqz_text_add(out, ":");
        if (!sqz_json_add_string(out, archive->metadata[i].value))
            return false;
    }
    sqz_text_add(out, archive->n_metadata ? "}" : "");
    return true;
}

static bool add_array(struct sqz_text *out, const struct sqz_array *array, size_t at)
{
    if (!sqz_json_add_string(out, array->name))
        return false;
    sqz_text_add(out, ":{\"dtype\":\"%s\",\"shape\":[", dtype_names[array->dtype]);
    for (int i = 0; i < array->rank; i++)
        sqz_text_add(out, "%s%zu", i ? "," : "", array->shape[i]);
    sqz_text_add(out, "],\"data_offsets\":[%zu,%zu]}", at, at + array->size);
    return true;
}

// False when a name or text is not UTF-8.
static bool make_header(const struct sqz_archive *archive, const size_t *order,
                        struct sqz_text *out)
{
    size_t at = 0;
    sqz_text_add(out, "{");
    bool ok = add_metadata(out, archive);
    for (size_t i = 0; ok && i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[order[i]];
        sqz_text_add(out, i || archive->n_metadata ? "," : "");
        ok = add_array(out, array, at);
        at += array->size;
    }
    sqz_text_add(out, "}");
    return ok;
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
    sqz_put_le(out->data, padded, 8);
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
    struct sqz_text header = {0};
    enum sqz_status status;
    size_t *order = sqz_new_array(archive->n_arrays, sizeof *order);
    if (!order)
        return sqz_fail_memory(err, "the list of arrays", archive->n_arrays * sizeof *order);
    order_by_width(archive, order);
    if (!make_header(archive, order, &header))
        status = sqz_fail(err, SQZ_E_DATA,
                          "A name or text of the model (a class name?) is not valid UTF-8, so that "
                          "it cannot be stored as safetensors.");
    else if (header.failed)
        status = sqz_fail_memory(err, "the header", header.length);
    else
        status = assemble(archive, order, sqz_text_get(&header), out, err);
    sqz_text_release(&header);
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
