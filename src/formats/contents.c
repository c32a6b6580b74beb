// A .sqz file taken apart into codes and texts, and put together again.
#include "formats/sqz.h"

#include "compress/sha256.h"
#include "formats/common.h"

#include <string.h>

void sqz_contents_release(struct sqz_contents *contents)
{
    for (size_t i = 0; i < contents->n; i++) {
        sqz_coded_release(&contents->coded[i]);
        sqz_free(contents->names[i]);
    }
    for (size_t i = 0; i < contents->n_texts; i++) {
        sqz_free((char *)contents->texts[i].key);
        sqz_free((char *)contents->texts[i].value);
    }
    sqz_free(contents->coded);
    sqz_free(contents->names);
    sqz_free(contents->texts);
    memset(contents, 0, sizeof *contents);
}

static enum sqz_status take_texts(const struct sqz_packed *packed, struct sqz_contents *out,
                                  struct sqz_error *err)
{
    struct sqz_text_span span;
    size_t at = 0, size = packed->text_end - packed->directory_end, n = 0;
    while (sqz_next_text(packed->texts, size, &at, &span))
        n++;
    out->texts = sqz_new_array(n, sizeof *out->texts);
    if (!out->texts)
        return sqz_fail_memory(err, "texts", n * sizeof *out->texts);
    for (at = 0; sqz_next_text(packed->texts, size, &at, &span);) {
        struct sqz_key_value *text = &out->texts[out->n_texts++];
        text->key = sqz_copy_string_n(span.key, span.key_length);
        text->value = sqz_copy_string_n(span.value, span.value_length);
        if (!text->key || !text->value)
            return sqz_fail_memory(err, "texts", span.value_length);
    }
    return SQZ_OK;
}

enum sqz_status sqz_contents_read(const char *path, const uint8_t *data, size_t size,
                                  struct sqz_contents *out, struct sqz_error *err)
{
    struct sqz_packed packed;
    *out = (struct sqz_contents){0};
    enum sqz_status status = sqz_packed_check(path, data, size, &packed, err);
    if (status)
        return status;
    memcpy(out->identity, packed.identity, sizeof out->identity);
    memcpy(out->digest, data + size - SQZ_PACKED_TRAILER, sizeof out->digest);
    out->coded = sqz_new_array(packed.n_tensors, sizeof *out->coded);
    out->names = sqz_new_array(packed.n_tensors, sizeof *out->names);
    status = out->coded && out->names ? take_texts(&packed, out, err)
                                      : sqz_fail_memory(err, "tensors", 0);
    while (!status && out->n < packed.n_tensors) {
        status = sqz_packed_take(path, &packed, &out->coded[out->n], err);
        if (status)
            break;
        out->names[out->n] = sqz_copy_string(packed.name);
        if (!out->names[out->n++])
            status = sqz_fail_memory(err, "a name", 256);
    }
    if (status)
        sqz_contents_release(out);
    return status;
}

enum sqz_status sqz_contents_open(const char *path, struct sqz_contents *out, struct sqz_error *err)
{
    struct sqz_bytes file = {0};
    enum sqz_status status = sqz_file_read(path, SQZ_PACKED_LIMIT, &file, err);
    if (!status)
        status = sqz_contents_read(path, file.data, file.size, out, err);
    sqz_bytes_release(&file);
    return status;
}

enum sqz_status sqz_contents_write(const struct sqz_contents *contents, struct sqz_bytes *out,
                                   struct sqz_error *err)
{
    struct sqz_text file = {0};
    struct sqz_named *tensors = sqz_new_array(contents->n, sizeof *tensors);
    if (!tensors)
        return sqz_fail_memory(err, "the list of arrays", contents->n * sizeof *tensors);
    for (size_t i = 0; i < contents->n; i++)
        tensors[i] = (struct sqz_named){contents->names[i], &contents->coded[i]};
    enum sqz_status status =
        sqz_encode_file(tensors, contents->n, contents->texts, contents->n_texts, &file, err);
    sqz_free(tensors);
    if (status)
        sqz_text_release(&file);
    else
        *out = (struct sqz_bytes){(uint8_t *)file.data, file.length};
    return status;
}
