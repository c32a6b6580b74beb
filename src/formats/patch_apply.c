// Applies patches. Nothing is believed: the patch's own check, the base's digest, every size, and
// in the end the digest of what came out.
#include "compress/sha256.h"
#include "formats/common.h"
#include "formats/sqz.h"

#include <string.h>

struct applier {
    const char *path;
    const struct sqz_contents *old;
    struct sqz_cursor entries, texts, payloads;
    const uint8_t *result_digest;
    struct sqz_unpacker stream; // of differences
    uint32_t stream_size, check;
    struct sqz_contents result;
};

static enum sqz_status damaged(const struct applier *a, const char *what, struct sqz_error *err)
{
    return sqz_fail(err, SQZ_E_DATA, "The patch %s is damaged: %s.", a->path, what);
}

static enum sqz_status open_patch(struct applier *a, const uint8_t *data, size_t size,
                                  struct sqz_error *err)
{
    struct sqz_cursor header = {data, size, 8};
    const uint8_t *base;
    uint8_t digest[32];
    uint32_t version, flags, length, n, entries, texts, stream;
    if (size < SQZ_PATCH_HEADER + SQZ_PACKED_TRAILER || size > SQZ_PACKED_LIMIT ||
        memcmp(data, SQZ_PATCH_MAGIC, 8) != 0)
        return sqz_fail(err, SQZ_E_DATA, "%s is not a patch (.sqzp), or a truncated one.", a->path);
    sqz_sha256_of(data, size - SQZ_PACKED_TRAILER, digest);
    if (memcmp(digest, data + size - SQZ_PACKED_TRAILER, sizeof digest) != 0)
        return damaged(a, "its SHA-256 does not agree with its content", err);
    if (!sqz_take_u32(&header, &version) || !sqz_take_u32(&header, &flags) ||
        !sqz_take_u32(&header, &length) || !sqz_take_u32(&header, &n) ||
        !sqz_take_u32(&header, &entries) || !sqz_take_u32(&header, &texts) ||
        !sqz_take_u32(&header, &stream) || !sqz_take_u32(&header, &a->check) ||
        !sqz_take_span(&header, 32, &base) || !sqz_take_span(&header, 32, &a->result_digest))
        return damaged(a, "its header ends early", err);
    size_t room = size - SQZ_PATCH_HEADER - SQZ_PACKED_TRAILER;
    if ((version & 0xffff) != SQZ_PACKED_MAJOR || flags != 0 || length != size || entries > room ||
        texts > room - entries || stream > room - entries - texts)
        return damaged(a, "its header contradicts itself or is of a later version", err);
    if (memcmp(base, a->old->digest, 32) != 0 || n != a->old->n)
        return sqz_fail(err, SQZ_E_DATA,
                        "The patch %s was made for another base; nothing was changed.", a->path);
    const uint8_t *at = data + SQZ_PATCH_HEADER;
    a->entries = (struct sqz_cursor){at, entries, 0};
    a->texts = (struct sqz_cursor){at + entries, texts, 0};
    at += entries + texts;
    a->stream_size = stream;
    if (stream)
        sqz_differences_begin(&a->stream, at, stream);
    a->payloads = (struct sqz_cursor){at + stream, room - entries - texts - stream, 0};
    return SQZ_OK;
}

static enum sqz_status copy_coded(const struct sqz_coded *from, struct sqz_coded *to,
                                  struct sqz_error *err)
{
    size_t n = from->rows * from->columns;
    *to = *from;
    to->codes = from->codes ? sqz_new_array(n, sizeof *to->codes) : NULL;
    to->bits = from->bits ? sqz_new_array(n, sizeof *to->bits) : NULL;
    if (!to->codes && !to->bits)
        return sqz_fail_memory(err, "a tensor", n * sizeof *to->bits);
    if (to->codes)
        memcpy(to->codes, from->codes, n * sizeof *to->codes);
    else
        memcpy(to->bits, from->bits, n * sizeof *to->bits);
    return SQZ_OK;
}

static bool step_is_good(uint32_t bits)
{
    return bits > 0 && bits < 0x7f800000;
}

static bool parameter_is_good(enum sqz_coding coding, enum sqz_coder coder, uint32_t parameter)
{
    if (coding == SQZ_CODING_FLOAT)
        return parameter <= 23 && coder == SQZ_CODER_RANGE;
    if (coding == SQZ_CODING_STEP)
        return step_is_good(parameter);
    return (parameter & 0xffff) + (parameter >> 16) <= SQZ_CODEBOOK;
}

static enum sqz_status take_replaced(struct applier *a, const struct sqz_coded *old,
                                     struct sqz_coded *out, struct sqz_error *err)
{
    uint8_t coding, coder;
    struct sqz_packed_tensor tensor = {
        .rank = old->rank, .rows = (uint32_t)old->rows, .columns = (uint32_t)old->columns};
    struct sqz_error problem = {0};
    if (!sqz_take_u8(&a->entries, &coding) || !sqz_take_u8(&a->entries, &coder) ||
        !sqz_take_u32(&a->entries, &tensor.parameter) ||
        !sqz_take_u32(&a->entries, &tensor.payload_size) ||
        !sqz_take_u32(&a->entries, &tensor.check))
        return damaged(a, "its entries end early", err);
    tensor.coding = (enum sqz_coding)coding;
    tensor.coder = (enum sqz_coder)coder;
    if (coding > SQZ_CODING_CODEBOOK || coder > SQZ_CODER_HUFFMAN ||
        !parameter_is_good(tensor.coding, tensor.coder, tensor.parameter) ||
        !sqz_take_span(&a->payloads, tensor.payload_size, &tensor.payload))
        return damaged(a, "an entry is impossible", err);
    for (int i = 0; i < 4; i++)
        tensor.dims[i] = (uint32_t)old->dims[i];
    enum sqz_status status = sqz_coded_decode(&tensor, out, &problem);
    if (status == SQZ_E_DATA)
        return damaged(a, problem.text, err);
    return status ? sqz_fail(err, status, "%s", problem.text) : SQZ_OK;
}

static enum sqz_status take_tensor(struct applier *a, const struct sqz_coded *old,
                                   struct sqz_coded *out, struct sqz_error *err)
{
    uint8_t mode;
    struct sqz_error problem = {0};
    if (!sqz_take_u8(&a->entries, &mode))
        return damaged(a, "its entries end early", err);
    if (mode >= SQZ_PATCH_MODES)
        return damaged(a, "an entry is of an unknown kind", err);
    if (mode == SQZ_PATCH_REPLACED)
        return take_replaced(a, old, out, err);
    bool step = mode == SQZ_PATCH_STEP || mode == SQZ_PATCH_STEP_AND_CODES;
    bool codes = mode == SQZ_PATCH_CODES || mode == SQZ_PATCH_STEP_AND_CODES;
    enum sqz_status status = copy_coded(old, out, err);
    if (!status && step &&
        (!sqz_take_u32(&a->entries, &out->parameter) || old->coding != SQZ_CODING_STEP ||
         !step_is_good(out->parameter)))
        status = damaged(a, "a step is impossible", err);
    if (!status && codes && !a->stream_size)
        status = damaged(a, "it has no differences", err);
    if (!status && codes && sqz_differences_decode(&a->stream, old, out, &problem))
        status = damaged(a, problem.text, err);
    if (status)
        sqz_coded_release(out);
    return status;
}

static enum sqz_status take_tensors(struct applier *a, struct sqz_error *err)
{
    struct sqz_contents *result = &a->result;
    enum sqz_status status = SQZ_OK;
    result->coded = sqz_new_array(a->old->n, sizeof *result->coded);
    result->names = sqz_new_array(a->old->n, sizeof *result->names);
    if (!result->coded || !result->names)
        return sqz_fail_memory(err, "tensors", a->old->n * sizeof *result->coded);
    for (size_t i = 0; i < a->old->n && !status; i++) {
        status = take_tensor(a, &a->old->coded[i], &result->coded[i], err);
        if (status)
            break;
        result->n++;
        result->names[i] = sqz_copy_string(a->old->names[i]);
        if (!result->names[i])
            status = sqz_fail_memory(err, "a name", 0);
    }
    if (!status && a->stream_size && !sqz_differences_end(&a->stream, a->check))
        status = damaged(a, "its differences do not end where they should", err);
    if (!status && (sqz_cursor_left(&a->entries) || sqz_cursor_left(&a->payloads)))
        status = damaged(a, "bytes are left over", err);
    return status;
}

// The patch's text for a key of the base, or NULL.
static bool find_text(const struct sqz_cursor *texts, const char *key, struct sqz_text_span *out)
{
    size_t at = 0, length = strlen(key);
    while (sqz_next_text(texts->data, texts->size, &at, out))
        if (out->key_length == length && memcmp(out->key, key, length) == 0)
            return true;
    return false;
}

static enum sqz_status take_texts(struct applier *a, struct sqz_error *err)
{
    struct sqz_contents *result = &a->result;
    struct sqz_text_span span;
    size_t at = 0, n = 0;
    bool ok = true;
    while (sqz_next_text(a->texts.data, a->texts.size, &at, &span))
        n++;
    if (at != a->texts.size || n > SQZ_MAX_ARRAYS)
        return damaged(a, "its texts end early", err);
    result->texts = sqz_new_array(a->old->n_texts + n, sizeof *result->texts);
    if (!result->texts)
        return sqz_fail_memory(err, "texts", n * sizeof *result->texts);
    for (size_t i = 0; i < a->old->n_texts && ok; i++) {
        const struct sqz_key_value *old = &a->old->texts[i];
        struct sqz_key_value *text = &result->texts[result->n_texts++];
        bool changed = find_text(&a->texts, old->key, &span);
        text->key = sqz_copy_string(old->key);
        text->value = changed ? sqz_copy_string_n(span.value, span.value_length)
                              : sqz_copy_string(old->value);
        ok = text->key && text->value;
    }
    for (at = 0; ok && sqz_next_text(a->texts.data, a->texts.size, &at, &span);) {
        bool known = false;
        for (size_t i = 0; i < a->old->n_texts && !known; i++)
            known = strlen(a->old->texts[i].key) == span.key_length &&
                    memcmp(a->old->texts[i].key, span.key, span.key_length) == 0;
        if (known)
            continue;
        struct sqz_key_value *text = &result->texts[result->n_texts++];
        text->key = sqz_copy_string_n(span.key, span.key_length);
        text->value = sqz_copy_string_n(span.value, span.value_length);
        ok = text->key && text->value;
    }
    return ok ? SQZ_OK : sqz_fail_memory(err, "texts", 0);
}

enum sqz_status sqz_patch_apply(const char *path, const uint8_t *patch, size_t size,
                                const struct sqz_contents *old, struct sqz_bytes *out,
                                struct sqz_error *err)
{
    struct applier a = {.path = path, .old = old};
    struct sqz_bytes file = {0};
    struct sqz_error problem = {0};
    enum sqz_status status = open_patch(&a, patch, size, err);
    if (!status)
        status = take_tensors(&a, err);
    if (!status)
        status = take_texts(&a, err);
    if (!status) {
        status = sqz_contents_write(&a.result, &file, &problem);
        if (status == SQZ_E_DATA)
            status = damaged(&a, "its texts do not fit a .sqz file", err);
        else if (status)
            status = sqz_fail(err, status, "%s", problem.text);
    }
    if (!status && memcmp(file.data + file.size - SQZ_PACKED_TRAILER, a.result_digest, 32) != 0)
        status = damaged(&a, "the result is not the file that it promises", err);
    sqz_contents_release(&a.result);
    if (status)
        sqz_bytes_release(&file);
    else
        *out = file;
    return status;
}
