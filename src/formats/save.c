// Saving: an archive becomes a file only after the file has been read back and holds the same.
#include "formats/common.h"
#include "formats/integer.h"

#include <string.h>

static const char *compare_array(const struct sqz_array *a, const struct sqz_array *b)
{
    if (!b || a->dtype != b->dtype || a->rank != b->rank || a->size != b->size)
        return a->name;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return a->name;
    return a->size && memcmp(a->data, b->data, a->size) != 0 ? a->name : NULL;
}

// The name of what differs, NULL if nothing does. The order may.
static const char *find_difference(const struct sqz_archive *a, const struct sqz_archive *b)
{
    if (a->n_arrays != b->n_arrays || a->n_metadata != b->n_metadata)
        return "the list of arrays and texts";
    for (size_t i = 0; i < a->n_arrays; i++) {
        const char *name = compare_array(&a->arrays[i], sqz_archive_find(b, a->arrays[i].name));
        if (name)
            return name;
    }
    for (size_t i = 0; i < a->n_metadata; i++) {
        const char *value = sqz_archive_get(b, a->metadata[i].key);
        if (!value || strcmp(value, a->metadata[i].value) != 0)
            return a->metadata[i].key;
    }
    return NULL;
}

// Whether a model's texts can be used: what is compared with itself only may be wrong on both
// sides.
static enum sqz_status check_model(struct sqz_archive *archive, const char *path,
                                   const struct sqz_format *format, struct sqz_error *err)
{
    struct sqz_model *model = NULL;
    const struct sqz_array **arrays = NULL;
    if (!sqz_archive_get(archive, "format_version"))
        return SQZ_OK;
    enum sqz_status status = sqz_integers_expand(archive, path, err);
    if (!status)
        status = sqz_model_outline(archive, path, NULL, format->dialect, 0, &model, &arrays, err);
    sqz_free(arrays);
    sqz_model_free(model);
    return status;
}

static enum sqz_status read_back(struct sqz_writer *writer, const char *path,
                                 const struct sqz_format *format, const struct sqz_archive *archive,
                                 struct sqz_error *err)
{
    struct sqz_archive copy = {0};
    struct sqz_error problem = {0};
    enum sqz_status status = sqz_writer_read(writer, SQZ_FILE_LIMIT, &copy.file, err);
    if (status)
        return status;
    status = format->read(path, copy.file.data, copy.file.size, &copy, &problem);
    const char *difference = status ? NULL : find_difference(archive, &copy);
    if (!status && !difference)
        status = check_model(&copy, path, format, &problem);
    if (status == SQZ_E_NOMEM)
        sqz_fail(err, status, "%s", problem.text);
    else if (status)
        status = sqz_fail(err, SQZ_E_IO,
                          "What was written for %s cannot be used, so it was not "
                          "put there: %s",
                          path, problem.text);
    else if (difference)
        status = sqz_fail(err, SQZ_E_IO,
                          "What was written for %s reads back differently, so it "
                          "was not put there: %.100s.",
                          path, difference);
    sqz_archive_release(&copy);
    return status;
}

static enum sqz_status fail_format(const char *path, struct sqz_error *err)
{
    struct sqz_text list = {0};
    sqz_format_list(&list, true);
    enum sqz_status status = sqz_fail(err, SQZ_E_USAGE,
                                      "Cannot write %s: the suffix decides the format, and those "
                                      "that can be written are %s.",
                                      path, sqz_text_get(&list));
    sqz_text_release(&list);
    return status;
}

enum sqz_status sqz_archive_write(const char *path, const struct sqz_format *format,
                                  const struct sqz_archive *archive, enum sqz_overwrite overwrite,
                                  struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    struct sqz_writer *writer = NULL;
    if (!format)
        format = sqz_format_for_path(path);
    if (!format || !format->write)
        return fail_format(path, err);
    enum sqz_status status = format->write(archive, &bytes, err);
    if (!status)
        status = sqz_writer_open(path, overwrite, &writer, err);
    if (!status)
        status = sqz_writer_add(writer, bytes.data, bytes.size, err);
    sqz_bytes_release(&bytes);
    if (!status)
        status = read_back(writer, path, format, archive, err);
    if (!status)
        return sqz_writer_commit(writer, err);
    sqz_writer_abort(writer);
    return status;
}

enum sqz_status sqz_model_write(const struct sqz_model *model, const char *path,
                                enum sqz_overwrite overwrite, struct sqz_error *err)
{
    struct sqz_archive archive = {0};
    enum sqz_status status = sqz_model_to_archive(model, &archive, err);
    if (!status)
        status = sqz_archive_write(path, NULL, &archive, overwrite, err);
    sqz_archive_release(&archive);
    return status;
}
