// The one table of weight formats: found by content when reading, by suffix when writing.
#include "formats/common.h"
#include "formats/integer.h"

#include <string.h>

#define HEAD_SIZE 512 // the tar magic, the farthest of all, ends at byte 262

static const struct sqz_format *const formats[] = {
    &sqz_format_safetensors, &sqz_format_ckpt, &sqz_format_pth,
    &sqz_format_ncnn,        &sqz_format_net,  &sqz_format_sqz,
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

const struct sqz_format *sqz_format_at(int index)
{
    return index >= 0 && index < N_FORMATS ? formats[index] : NULL;
}

const struct sqz_format *sqz_format_find(const char *name)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

const struct sqz_format *sqz_format_for_path(const char *path)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (sqz_has_suffix(path, formats[i]->suffix))
            return formats[i];
    return NULL;
}

// What a file that is no weight file looks like.
static const char *guess(const uint8_t *head, size_t size)
{
    static const struct {
        const char *magic, *what;
    } known[] = {
        {"<!DOCTYPE", "a web page (was the download redirected?)"},
        {"<!doctype", "a web page (was the download redirected?)"},
        {"<html", "a web page (was the download redirected?)"},
        {"version https://git-lfs", "a Git LFS pointer (run git lfs pull)"},
        {"\xff\xd8\xff", "a JPEG image"},
        {"\x89PNG", "a PNG image"},
        {"\x1f\x8b", "a gzip archive (unpack it first)"},
        {"\x28\xb5\x2f\xfd", "a zstd archive (unpack it first)"},
        {"\x89HDF", "an HDF5 file"},
        {"{", "a JSON text"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t n = strlen(known[i].magic);
        if (size >= n && memcmp(head, known[i].magic, n) == 0)
            return known[i].what;
    }
    for (size_t i = 0; i < size; i++)
        if (head[i] < 0x20 && head[i] != '\n' && head[i] != '\r' && head[i] != '\t')
            return NULL;
    return "a text file";
}

void sqz_format_list(struct sqz_text *text, bool writable)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!writable || formats[i]->write)
            sqz_text_add(text, "%s%s", text->length ? ", " : "", formats[i]->suffix);
}

static enum sqz_status fail_unknown(struct sqz_error *err, const char *path, const uint8_t *head,
                                    size_t size)
{
    struct sqz_text list = {0};
    const char *looks = guess(head, size);
    if (size == 0)
        return sqz_fail(err, SQZ_E_DATA, "%s is empty.", path);
    sqz_format_list(&list, false);
    enum sqz_status status =
        sqz_fail(err, SQZ_E_DATA, "%s is not a weight file of a known format (%s)%s%s.", path,
                 sqz_text_get(&list), looks ? ": it looks like " : "", looks ? looks : "");
    sqz_text_release(&list);
    return status;
}

static enum sqz_status find_format(const char *path, const uint8_t *head, size_t size,
                                   const struct sqz_format **out, struct sqz_error *err)
{
    if (size > HEAD_SIZE)
        size = HEAD_SIZE;
    for (int i = 0; i < N_FORMATS && size; i++) {
        if (formats[i]->probe(path, head, size)) {
            *out = formats[i];
            return SQZ_OK;
        }
    }
    return fail_unknown(err, path, head, size);
}

enum sqz_status sqz_format_probe(const char *path, const struct sqz_format **out, size_t *front,
                                 struct sqz_error *err)
{
    uint8_t head[HEAD_SIZE];
    size_t size;
    enum sqz_status status = sqz_file_read_head(path, head, sizeof head, &size, err);
    if (!status)
        status = find_format(path, head, size, out, err);
    if (!status)
        *front = (*out)->front ? (*out)->front(head) : 0;
    return status;
}

enum sqz_status sqz_weights_path(const char *path, char **out, struct sqz_error *err)
{
    static const char *const names[] = {SQZ_BEST_CHECKPOINT, SQZ_LAST_CHECKPOINT};
    enum sqz_path_kind kind = SQZ_PATH_DIR;
    const char *found = NULL;
    enum sqz_status status = sqz_path_look(path, &kind, err);
    const bool is_dir = !status && kind == SQZ_PATH_DIR;
    for (size_t i = 0; is_dir && i < sizeof names / sizeof *names && !status && !found; i++) {
        status = sqz_path_look_in(path, names[i], &kind, err);
        found = !status && kind == SQZ_PATH_FILE ? names[i] : NULL;
    }
    if (status)
        return status;
    if (is_dir && !found)
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" is a directory with neither " SQZ_BEST_CHECKPOINT
                        " nor " SQZ_LAST_CHECKPOINT
                        "; name a weight file, or a training run's directory.",
                        path);
    *out = found ? sqz_path_join(path, found) : sqz_copy_string(path);
    return *out ? SQZ_OK : sqz_fail_memory(err, "a path", strlen(path));
}

static enum sqz_status read_file(const char *path, struct sqz_archive *out,
                                 const struct sqz_format **format, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    const struct sqz_format *found;
    size_t front;
    enum sqz_status status = sqz_format_probe(path, &found, &front, err);
    if (status)
        return status;
    *out = (struct sqz_archive){0};
    status = sqz_file_read(path, SQZ_FILE_LIMIT, &bytes, err);
    if (!status)
        status = found->read(path, bytes.data, bytes.size, out, err);
    if (!status)
        status = sqz_integers_expand(out, path, err);
    out->file = bytes;
    if (status)
        sqz_archive_release(out);
    else if (format)
        *format = found;
    return status;
}

enum sqz_status sqz_archive_read(const char *path, struct sqz_archive *out,
                                 const struct sqz_format **format, struct sqz_error *err)
{
    char *file = NULL;
    enum sqz_status status = sqz_weights_path(path, &file, err);
    if (!status)
        status = read_file(file, out, format, err);
    sqz_free(file);
    return status;
}

enum sqz_status sqz_archive_parse(const void *data, size_t size, const char *name,
                                  struct sqz_archive *out, const struct sqz_format **format,
                                  struct sqz_error *err)
{
    const struct sqz_format *found;
    *out = (struct sqz_archive){0};
    enum sqz_status status = find_format(name, data, size, &found, err);
    if (status)
        return status;
    if (found->pair)
        return sqz_fail(err, SQZ_E_USAGE,
                        "%s is one of a pair of %s files, which can only be opened by path.", name,
                        found->name);
    // Readers want the alignment of their own memory.
    out->file.data = sqz_new_array(size, 1);
    if (!out->file.data)
        return sqz_fail_memory(err, name, size);
    memcpy(out->file.data, data, size);
    out->file.size = size;
    status = found->read(name, out->file.data, size, out, err);
    if (!status)
        status = sqz_integers_expand(out, name, err);
    if (status)
        sqz_archive_release(out);
    else
        *format = found;
    return status;
}
