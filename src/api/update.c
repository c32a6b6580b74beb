// Small updates between .sqz files.
#include "api/context.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "formats/sqz.h"
#include <squeezenet_tools.h>
#include <string.h>

// A model's tensors under the names of our own files. Texts are only those that the file states.
static enum sqz_status read_new(const char *path, struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_archive stated = {0};
    struct sqz_model *model = NULL;
    enum sqz_status status = sqz_model_read(path, NULL, 0, &model, err);
    if (!status)
        status = sqz_model_to_archive(model, out, err);
    if (!status)
        status = sqz_archive_read(path, &stated, NULL, err);
    for (size_t i = out->n_metadata; !status && i-- > 0;) {
        if (sqz_archive_get(&stated, out->metadata[i].key))
            continue;
        sqz_free(out->metadata[i].key);
        sqz_free(out->metadata[i].value);
        out->metadata[i] = out->metadata[--out->n_metadata];
    }
    sqz_archive_release(&stated);
    sqz_model_free(model);
    return status;
}

enum sqz_status sqz_update_make(const char *base_path, const char *new_path, const char *patch_path,
                                bool force, struct sqz_update_result *out, struct sqz_error *err)
{
    struct sqz_contents base = {0};
    struct sqz_archive new = {0};
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report = {0};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_update_result, out, err);
    if (!status)
        status = sqz_contents_open(base_path, &base, err);
    if (!status)
        status = read_new(new_path, &new, err);
    if (!status)
        status = sqz_patch_make(&base, &new, &patch, &report, err);
    if (!status)
        status = sqz_file_write(patch_path, patch.data, patch.size,
                                force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, err);
    struct sqz_update_result result = {.bytes = patch.size,
                                       .codes = report.codes,
                                       .moved = report.moved,
                                       .same = (int)report.tensors[SQZ_PATCH_SAME],
                                       .step = (int)report.tensors[SQZ_PATCH_STEP],
                                       .changed = (int)(report.tensors[SQZ_PATCH_CODES] +
                                                        report.tensors[SQZ_PATCH_STEP_AND_CODES]),
                                       .replaced = (int)report.tensors[SQZ_PATCH_REPLACED],
                                       .deviation = report.deviation};
    if (!status)
        SQZ_STRUCT_OUT(sqz_update_result, out, &result);
    sqz_contents_release(&base);
    sqz_archive_release(&new);
    sqz_bytes_release(&patch);
    return status;
}

enum sqz_status sqz_update_apply(const char *patch_path, const char *base_path,
                                 const char *out_path, bool force, struct sqz_error *err)
{
    struct sqz_contents base = {0};
    struct sqz_bytes patch = {0}, file = {0};
    enum sqz_status status = sqz_contents_open(base_path, &base, err);
    if (!status)
        status = sqz_file_read(patch_path, SQZ_PACKED_LIMIT, &patch, err);
    if (!status)
        status = sqz_patch_apply(patch_path, patch.data, patch.size, &base, &file, err);
    if (!status)
        status = sqz_file_write(out_path, file.data, file.size,
                                force ? SQZ_REPLACE_EXISTING : SQZ_KEEP_EXISTING, err);
    sqz_contents_release(&base);
    sqz_bytes_release(&patch);
    sqz_bytes_release(&file);
    return status;
}
