// MindSpore's .ckpt: protobuf messages one after the other, one per array.
#include "checkpoint.pb-c.h"
#include "base/bytes.h"
#include "base/json.h"
#include "formats/common.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_TAG    "squeezenet_metadata" // our texts as a JSON object; MindSpore ignores it
#define METADATA_VALUES 4097                  // texts and their object; lists are JSON in a text
#define TRAILER_SIZE    17
// MindSpore cuts longer arrays into several entries; we only join them.
#define SLICE_LIMIT ((size_t)512 << 20)

static const char *const dtype_names[] = {
    [SQZ_F32] = "Float32", [SQZ_F16] = "Float16", [SQZ_BF16] = "BFloat16", [SQZ_F64] = "Float64",
    [SQZ_I8] = "Int8",     [SQZ_U8] = "UInt8",    [SQZ_I16] = "Int16",     [SQZ_U16] = "UInt16",
    [SQZ_I32] = "Int32",   [SQZ_U32] = "UInt32",  [SQZ_I64] = "Int64",     [SQZ_U64] = "UInt64",
    [SQZ_BOOL] = "Bool",
};

static bool is_encrypted(const uint8_t *data, size_t size)
{
    struct sqz_cursor cursor = {data, size, 0};
    uint32_t magic;
    return sqz_take_u32(&cursor, &magic) && (magic == 0x7f3a5ed8 || magic == 0x7f3a5ed9);
}

static bool take_varint(struct sqz_cursor *cursor, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        uint8_t byte;
        if (!sqz_take_u8(cursor, &byte))
            return false;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool probe(const char *path, const uint8_t *head, size_t size)
{
    (void)path;
    struct sqz_cursor cursor = {head, size, 0};
    uint64_t key, length;
    if (is_encrypted(head, size))
        return true;
    // A Value whose first field is a tag of plausible text: "0a <length> 0a <length> name".
    if (!take_varint(&cursor, &key) || key != 0x0a || !take_varint(&cursor, &length) ||
        !take_varint(&cursor, &key) || key != 0x0a || !take_varint(&cursor, &length) ||
        length == 0 || length > SQZ_MAX_NAME)
        return false;
    for (uint64_t i = 0; i < length && cursor.at + i < size; i++)
        if (head[cursor.at + i] < 0x20 || head[cursor.at + i] > 0x7e)
            return false;
    return true;
}

// protobuf-c takes up to some 40 bytes for each two bytes of a hostile message, so its memory is
// drawn from a budget.
struct budget {
    size_t left;
    bool no_memory; // it was the system that had none
};
static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    if (size > budget->left)
        return NULL;
    budget->left -= size;
    void *memory = malloc(size);
    budget->no_memory = budget->no_memory || !memory;
    return memory;
}
static void budget_free(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

// The array that the latest entry belongs to, while its slices are being joined.
struct reading {
    const char *path;
    struct sqz_archive *out;
    struct sqz_array *open; // NULL: none is unfinished
    size_t filled;
};

static enum sqz_status fail_entry(struct sqz_error *err, const struct reading *r, const char *tag,
                                  const char *what)
{
    return sqz_fail(err, SQZ_E_DATA, "The entry %s of %s %s.", tag, r->path, what);
}

static enum sqz_status read_metadata(const struct reading *r, const SqzPb__TensorProto *tensor,
                                     struct sqz_error *err)
{
    const char *text = (const char *)tensor->tensor_content.data;
    size_t length = tensor->tensor_content.len;
    struct sqz_json_document document;
    struct sqz_json_problem problem;
    enum sqz_status status = sqz_json_parse(text, length, METADATA_VALUES, &document, &problem);
    if (status == SQZ_E_NOMEM)
        return sqz_fail_memory(err, "metadata", length);
    if (status)
        return fail_entry(err, r, METADATA_TAG, problem.what);
    const struct sqz_json *object = document.values, *key = object + 1;
    if (object->kind != SQZ_JSON_OBJECT)
        status = fail_entry(err, r, METADATA_TAG, "is not a JSON object");
    for (uint32_t i = 0; !status && i < object->n; i++) {
        const struct sqz_json *value = sqz_json_next(key);
        if (value->kind != SQZ_JSON_STRING)
            status = fail_entry(err, r, METADATA_TAG, "holds something else than texts");
        else if (sqz_archive_set(r->out, key->text, value->text))
            status = sqz_fail_memory(err, "metadata", strlen(value->text));
        key = sqz_json_next(value);
    }
    sqz_json_release(&document);
    return status;
}

static enum sqz_status entry_shape(const struct reading *r, const char *tag, enum sqz_dtype dtype,
                                   const SqzPb__TensorProto *tensor, size_t *shape, int *rank,
                                   struct sqz_error *err)
{
    if (tensor->n_dims > SQZ_MAX_RANK)
        return fail_entry(err, r, tag, "has more than 4 dimensions");
    *rank = (int)tensor->n_dims;
    for (int i = 0; i < *rank; i++) {
        if (tensor->dims[i] < 0)
            return fail_entry(err, r, tag, "has a negative dimension");
        shape[i] = (size_t)tensor->dims[i];
    }
    // MindSpore's loader takes dims [0] with one element for a scalar.
    if (*rank == 1 && shape[0] == 0 && tensor->tensor_content.len == sqz_dtype_size(dtype))
        *rank = 0;
    return SQZ_OK;
}

// The tag without a leading "optimizer.", as MindSpore loads it; classifier.1's other name is
// replaced.
static const char *plain_name(const char *tag)
{
    if (strncmp(tag, "optimizer.", 10) == 0)
        tag += 10;
    if (strcmp(tag, "final_conv.weight") == 0)
        return "classifier.1.weight";
    if (strcmp(tag, "final_conv.bias") == 0)
        return "classifier.1.bias";
    return tag;
}

static enum sqz_status append_content(struct reading *r, const char *tag,
                                      const SqzPb__TensorProto *tensor, struct sqz_error *err)
{
    size_t length = tensor->tensor_content.len;
    if (length > r->open->size - r->filled)
        return fail_entry(err, r, tag, "holds more data than its shape says");
    if (length)
        memcpy((uint8_t *)r->open->data + r->filled, tensor->tensor_content.data, length);
    r->filled += length;
    if (r->filled == r->open->size)
        r->open = NULL;
    else if (length == 0)
        return fail_entry(err, r, tag, "holds less data than its shape says");
    return SQZ_OK;
}

static enum sqz_status read_value(struct reading *r, const SqzPb__Value *value, size_t file_size,
                                  struct sqz_error *err)
{
    const SqzPb__TensorProto *tensor = value->tensor;
    size_t shape[SQZ_MAX_RANK], bytes;
    int rank = 0;
    if (!tensor || !value->tag)
        return SQZ_OK; // hash tables and the like
    const char *tag = plain_name(value->tag);
    if (!sqz_name_is_clean(tag))
        return sqz_fail_name(err, r->path, r->out->n_arrays);
    if (r->open) {
        if (strcmp(tag, r->open->name) != 0)
            return fail_entry(err, r, r->open->name, "holds less data than its shape says");
        return append_content(r, tag, tensor, err);
    }
    if (strcmp(tag, METADATA_TAG) == 0)
        return read_metadata(r, tensor, err);
    const char *type = tensor->tensor_type ? tensor->tensor_type : "";
    if (strcmp(type, "str") == 0)
        return SQZ_OK; // a text parameter: nothing of a network
    int dtype = sqz_dtype_by_name(dtype_names, type);
    if (dtype < 0)
        return fail_entry(err, r, tag, "has an element type that is not supported");
    enum sqz_status status = entry_shape(r, tag, (enum sqz_dtype)dtype, tensor, shape, &rank, err);
    if (status)
        return status;
    if (!sqz_array_bytes((enum sqz_dtype)dtype, rank, shape, &bytes) || bytes > file_size)
        return fail_entry(err, r, tag, "has a shape larger than the file (is it truncated?)");
    status = sqz_archive_put(r->out, r->path, tag, (enum sqz_dtype)dtype, rank, shape, NULL,
                             &r->open, err);
    if (status)
        return status;
    r->filled = 0;
    return append_content(r, tag, tensor, err);
}

// Cuts the trailer off *size, after verifying it.
static enum sqz_status strip_trailer(const char *path, const uint8_t *data, size_t *size,
                                     struct sqz_error *err)
{
    if (*size < TRAILER_SIZE || memcmp(data + *size - TRAILER_SIZE, "crc_num", 7) != 0)
        return SQZ_OK;
    *size -= TRAILER_SIZE;
    uint64_t stored = sqz_get_be(data + *size + 9, 8);
    if (data[*size + 7] || data[*size + 8] || stored != sqz_crc32(data, *size))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s does not match the checksum at its end: it was damaged on its way.",
                        path);
    return SQZ_OK;
}

static enum sqz_status read_span(struct reading *r, const uint8_t *span, size_t length,
                                 size_t file_size, struct sqz_error *err)
{
    struct budget budget = {4 * length + 4096, false};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    SqzPb__Value *value = sqz_pb__value__unpack(&allocator, length, span);
    if (!value && budget.no_memory)
        return sqz_fail_memory(err, "an entry", length);
    if (!value)
        return sqz_fail(err, SQZ_E_DATA, "Entry %zu of %s is not a MindSpore checkpoint entry.",
                        r->out->n_arrays, r->path);
    enum sqz_status status = read_value(r, value, file_size, err);
    sqz_pb__value__free_unpacked(value, &allocator);
    return status;
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct reading r = {.path = path, .out = out};
    if (is_encrypted(data, size))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is an encrypted checkpoint, which is not supported: save it again in "
                        "MindSpore without enc_key.",
                        path);
    enum sqz_status status = strip_trailer(path, data, &size, err);
    struct sqz_cursor cursor = {data, size, 0};
    while (!status && sqz_cursor_left(&cursor)) {
        uint64_t key, length;
        const uint8_t *span;
        size_t at = cursor.at;
        // Every top-level field that MindSpore writes is 1, length-delimited.
        if (!take_varint(&cursor, &key) || key != 0x0a || !take_varint(&cursor, &length) ||
            length > sqz_cursor_left(&cursor))
            return sqz_fail(err, SQZ_E_DATA,
                            "%s is damaged or truncated: no whole entry at byte %zu.", path, at);
        sqz_take_span(&cursor, (size_t)length, &span);
        status = read_span(&r, span, (size_t)length, size, err);
    }
    if (!status && r.open)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is truncated: the entry %s holds less data than its shape says.", path,
                        r.open->name);
    return status;
}

// --- Writing ---

static size_t checkpoint_of(const char *tag, const struct sqz_array *array, int64_t *dims,
                            uint8_t *to)
{
    SqzPb__TensorProto tensor = SQZ_PB__TENSOR_PROTO__INIT;
    SqzPb__Value value = SQZ_PB__VALUE__INIT, *values[1] = {&value};
    SqzPb__Checkpoint checkpoint = SQZ_PB__CHECKPOINT__INIT;
    for (int i = 0; i < array->rank; i++)
        dims[i] = (int64_t)array->shape[i];
    tensor.n_dims = (size_t)array->rank;
    tensor.dims = dims;
    tensor.tensor_type = (char *)dtype_names[array->dtype];
    tensor.has_tensor_content = true;
    tensor.tensor_content = (ProtobufCBinaryData){array->size, array->data};
    value.tag = (char *)tag;
    value.tensor = &tensor;
    checkpoint.n_value = 1;
    checkpoint.value = values;
    return to ? sqz_pb__checkpoint__pack(&checkpoint, to)
              : sqz_pb__checkpoint__get_packed_size(&checkpoint);
}

// False when one of the texts is not UTF-8.
static bool metadata_text(const struct sqz_archive *archive, struct sqz_text *out)
{
    for (size_t i = 0; i < archive->n_metadata; i++) {
        sqz_text_add(out, i ? "," : "{");
        if (!sqz_json_add_string(out, archive->metadata[i].key))
            return false;
        sqz_text_add(out, ":");
        if (!sqz_json_add_string(out, archive->metadata[i].value))
            return false;
    }
    sqz_text_add(out, "}");
    return true;
}

static enum sqz_status write_file(const struct sqz_archive *archive, struct sqz_bytes *out,
                                  struct sqz_error *err)
{
    struct sqz_array metadata = {.dtype = SQZ_U8, .rank = 1};
    int64_t dims[SQZ_MAX_RANK];
    size_t total = 0, at = 0;
    struct sqz_text text = {0};
    enum sqz_status status = SQZ_OK;
    if (archive->n_metadata) {
        if (!metadata_text(archive, &text))
            status = sqz_fail(err, SQZ_E_DATA,
                              "A text of the model (a class name?) is not valid UTF-8, so that it "
                              "cannot be stored.");
        else if (text.failed)
            status = sqz_fail_memory(err, "metadata", text.length);
        if (status)
            goto done;
        metadata.data = text.data;
        metadata.size = metadata.shape[0] = text.length;
        total = checkpoint_of(METADATA_TAG, &metadata, dims, NULL);
    }
    for (size_t i = 0; i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[i];
        if (array->size > SLICE_LIMIT) {
            status = sqz_fail(err, SQZ_E_USAGE,
                              "The array %s is larger than the 512 MiB that one entry of a "
                              "checkpoint may have.",
                              array->name);
            goto done;
        }
        total += checkpoint_of(array->name, array, dims, NULL);
    }
    out->data = sqz_new_array(total, 1);
    if (!out->data) {
        status = sqz_fail_memory(err, "the file", total);
        goto done;
    }
    out->size = total;
    for (size_t i = 0; i < archive->n_arrays; i++)
        at += checkpoint_of(archive->arrays[i].name, &archive->arrays[i], dims, out->data + at);
    if (metadata.data)
        checkpoint_of(METADATA_TAG, &metadata, dims, out->data + at);
done:
    sqz_text_release(&text);
    return status;
}

const struct sqz_format sqz_format_ckpt = {
    .name = "ckpt",
    .suffix = ".ckpt",
    .dialect = "mindcv",
    .summary = "MindSpore's checkpoint, as MindCV saves and loads it",
    .probe = probe,
    .read = read_file,
    .write = write_file,
};
