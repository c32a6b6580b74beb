// Makes patches: what has to change in a .sqz file to make it another one.
#include "base/bytes.h"
#include "compress/sha256.h"
#include "formats/common.h"
#include "formats/sqz.h"

#include <string.h>

struct maker {
    const struct sqz_contents *old;
    const struct sqz_archive *new;
    struct sqz_contents result;
    struct sqz_text entries, texts, stream, payloads;
    struct sqz_range_encoder encoder; // of the stream
    struct sqz_sums sums;
    bool begun; // there are differences
    struct sqz_patch_report *report;
};

static enum sqz_status find_values(const struct maker *maker, size_t index,
                                   const struct sqz_array **out, struct sqz_error *err)
{
    const struct sqz_coded *old = &maker->old->coded[index];
    const struct sqz_array *array = sqz_archive_find(maker->new, maker->old->names[index]);
    if (!array || array->dtype != SQZ_F32 || array->rank != old->rank ||
        memcmp(array->shape, old->dims, (size_t)old->rank * sizeof *old->dims) != 0)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The new model has no tensor %s of the base's shape: a patch is for the "
                        "same network with the same classes.",
                        maker->old->names[index]);
    *out = array;
    return SQZ_OK;
}

static void put_replaced(struct maker *maker, const struct sqz_coded *new)
{
    size_t before = maker->payloads.length;
    uint32_t check;
    sqz_coded_encode(new, &maker->payloads, &check);
    sqz_text_add_le(&maker->entries, new->coding, 1);
    sqz_text_add_le(&maker->entries, new->coder, 1);
    sqz_text_add_le(&maker->entries, new->parameter, 4);
    sqz_text_add_le(&maker->entries, (uint32_t)(maker->payloads.length - before), 4);
    sqz_text_add_le(&maker->entries, check, 4);
}

static void put_differences(struct maker *maker, const struct sqz_coded *old,
                            const struct sqz_coded *new)
{
    if (!maker->begun)
        sqz_range_start(&maker->encoder, &maker->stream);
    maker->begun = true;
    sqz_differences_encode(old, new, &maker->encoder, &maker->sums);
}

static void put_tensor(struct maker *maker, const struct sqz_coded *old,
                       const struct sqz_coded *new)
{
    bool same_codes = sqz_coded_same_codes(old, new), same_step = old->parameter == new->parameter;
    enum sqz_patch_mode mode = SQZ_PATCH_REPLACED;
    if (same_codes && same_step && memcmp(old->codebook, new->codebook, sizeof old->codebook) == 0)
        mode = SQZ_PATCH_SAME;
    else if (same_codes && new->coding == SQZ_CODING_STEP)
        mode = SQZ_PATCH_STEP;
    else if (sqz_coded_can_differ(old, new))
        mode = same_step ? SQZ_PATCH_CODES : SQZ_PATCH_STEP_AND_CODES;
    maker->report->tensors[mode]++;
    sqz_text_add_le(&maker->entries, mode, 1);
    if (mode == SQZ_PATCH_STEP || mode == SQZ_PATCH_STEP_AND_CODES)
        sqz_text_add_le(&maker->entries, new->parameter, 4);
    if (mode == SQZ_PATCH_CODES || mode == SQZ_PATCH_STEP_AND_CODES)
        put_differences(maker, old, new);
    if (mode == SQZ_PATCH_REPLACED)
        put_replaced(maker, new);
    for (size_t i = 0; old->codes && new->codes &&i < old->rows * old->columns; i++) {
        maker->report->codes++;
        maker->report->moved += old->codes[i] != new->codes[i];
    }
}

static enum sqz_status make_tensors(struct maker *maker, struct sqz_error *err)
{
    const struct sqz_contents *old = maker->old;
    struct sqz_contents *result = &maker->result;
    enum sqz_status status = SQZ_OK;
    result->coded = sqz_new_array(old->n, sizeof *result->coded);
    result->names = sqz_new_array(old->n, sizeof *result->names);
    if (!result->coded || !result->names)
        return sqz_fail_memory(err, "tensors", old->n * sizeof *result->coded);
    for (size_t i = 0; i < maker->new->n_arrays && !status; i++) {
        bool known = false;
        for (size_t k = 0; k < old->n && !known; k++)
            known = strcmp(maker->new->arrays[i].name, old->names[k]) == 0;
        if (!known)
            status = sqz_fail(err, SQZ_E_USAGE, "The base has no tensor %s.",
                              maker->new->arrays[i].name);
    }
    for (size_t i = 0; i < old->n && !status; i++) {
        const struct sqz_array *array = NULL;
        double deviation = 0;
        status = find_values(maker, i, &array, err);
        if (!status)
            status =
                sqz_coded_follow(&old->coded[i], array->data, &result->coded[i], &deviation, err);
        if (status)
            break;
        result->n++;
        result->names[i] = sqz_copy_string(old->names[i]);
        if (!result->names[i])
            status = sqz_fail_memory(err, "a name", 0);
        if (deviation > maker->report->deviation)
            maker->report->deviation = deviation;
        put_tensor(maker, &old->coded[i], &result->coded[i]);
    }
    if (maker->begun)
        sqz_range_end(&maker->encoder);
    return status;
}

static void put_text(struct sqz_text *out, const char *key, const char *value)
{
    sqz_text_add_le(out, (uint32_t)strlen(key), 1);
    sqz_text_add_bytes(out, key, strlen(key));
    sqz_text_add_le(out, (uint32_t)strlen(value), 4);
    sqz_text_add_bytes(out, value, strlen(value));
}

// The base's texts, those that the new model has otherwise, and new ones after them.
static enum sqz_status make_texts(struct maker *maker, struct sqz_error *err)
{
    const struct sqz_contents *old = maker->old;
    const struct sqz_archive *new = maker->new;
    struct sqz_contents *result = &maker->result;
    bool ok = (result->texts =
                   sqz_new_array(old->n_texts + new->n_metadata, sizeof *result->texts)) != NULL;
    for (size_t i = 0; i < old->n_texts + new->n_metadata &&ok; i++) {
        bool is_old = i < old->n_texts;
        const char *key = is_old ? old->texts[i].key : new->metadata[i - old->n_texts].key;
        const char *value = sqz_archive_get(new, key), *before = NULL;
        for (size_t k = 0; k < old->n_texts; k++)
            if (strcmp(old->texts[k].key, key) == 0)
                before = old->texts[k].value;
        if (!is_old && before)
            continue;
        if (value && (!before || strcmp(value, before) != 0))
            put_text(&maker->texts, key, value);
        struct sqz_key_value *text = &result->texts[result->n_texts++];
        text->key = sqz_copy_string(key);
        text->value = sqz_copy_string(value ? value : before);
        ok = text->key && text->value;
    }
    return ok ? SQZ_OK : sqz_fail_memory(err, "texts", 0);
}

static enum sqz_status assemble(const struct maker *maker, struct sqz_bytes *out,
                                struct sqz_error *err)
{
    struct sqz_text file = {0};
    struct sqz_bytes result = {0};
    uint8_t digest[32];
    enum sqz_status status = sqz_contents_write(&maker->result, &result, err);
    if (status)
        return status;
    size_t size = SQZ_PATCH_HEADER + maker->entries.length + maker->texts.length +
                  maker->stream.length + maker->payloads.length + SQZ_PACKED_TRAILER;
    sqz_text_add_bytes(&file, SQZ_PATCH_MAGIC, 8);
    sqz_text_add_le(&file, SQZ_PACKED_MAJOR, 4);
    sqz_text_add_le(&file, 0, 4);
    sqz_text_add_le(&file, (uint32_t)size, 4);
    sqz_text_add_le(&file, (uint32_t)maker->old->n, 4);
    sqz_text_add_le(&file, (uint32_t)maker->entries.length, 4);
    sqz_text_add_le(&file, (uint32_t)maker->texts.length, 4);
    sqz_text_add_le(&file, (uint32_t)maker->stream.length, 4);
    sqz_text_add_le(&file, sqz_sums_check(&maker->sums), 4);
    sqz_text_add_bytes(&file, maker->old->digest, 32);
    sqz_text_add_bytes(&file, result.data + result.size - SQZ_PACKED_TRAILER, 32);
    sqz_text_add_bytes(&file, sqz_text_get(&maker->entries), maker->entries.length);
    sqz_text_add_bytes(&file, sqz_text_get(&maker->texts), maker->texts.length);
    sqz_text_add_bytes(&file, sqz_text_get(&maker->stream), maker->stream.length);
    sqz_text_add_bytes(&file, sqz_text_get(&maker->payloads), maker->payloads.length);
    sqz_sha256_of(sqz_text_get(&file), file.length, digest);
    sqz_text_add_bytes(&file, digest, sizeof digest);
    sqz_bytes_release(&result);
    if (file.failed || maker->entries.failed || maker->texts.failed || maker->stream.failed ||
        maker->payloads.failed) {
        sqz_text_release(&file);
        return sqz_fail_memory(err, "the patch", size);
    }
    *out = (struct sqz_bytes){(uint8_t *)file.data, file.length};
    return SQZ_OK;
}

enum sqz_status sqz_patch_make(const struct sqz_contents *old, const struct sqz_archive *new,
                               struct sqz_bytes *out, struct sqz_patch_report *report,
                               struct sqz_error *err)
{
    struct maker maker = {.old = old, .new = new, .report = report};
    struct sqz_bytes file = {0}, result = {0};
    *report = (struct sqz_patch_report){0};
    enum sqz_status status = make_tensors(&maker, err);
    if (!status)
        status = make_texts(&maker, err);
    if (!status)
        status = assemble(&maker, &file, err);
    // The proof of the patch.
    if (!status)
        status = sqz_patch_apply("The new patch", file.data, file.size, old, &result, err);
    sqz_bytes_release(&result);
    sqz_contents_release(&maker.result);
    sqz_text_release(&maker.entries);
    sqz_text_release(&maker.texts);
    sqz_text_release(&maker.stream);
    sqz_text_release(&maker.payloads);
    if (status)
        sqz_bytes_release(&file);
    else
        *out = file;
    return status;
}
