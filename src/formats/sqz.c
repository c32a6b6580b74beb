// .sqz, the compressed sibling of safetensors (docs/sqz-format.md): the archive's side of it.
#include "formats/sqz.h"

#include "base/cpu.h"
#include "base/threads.h"
#include "compress/sha256.h"
#include "formats/common.h"

#include <string.h>

#define THREADED 200000 // elements

// A byte can stand for thousands of elements, each of which takes 10 bytes of memory while a model
// is read. The largest variant with 10,000 classes has 5.9 million elements; more are believed of
// files that are larger in proportion: 64 MB and 40 times the file are never exceeded.
#define FREE_ELEMENTS     ((uint64_t)6400000)
#define ELEMENTS_PER_BYTE 4

static bool probe(const char *path, const uint8_t *head, size_t size)
{
    (void)path;
    return size >= 8 && memcmp(head, SQZ_PACKED_MAGIC, 8) == 0;
}

static enum sqz_status fail_header(const char *path, const struct sqz_packed *packed,
                                   const uint8_t *data, size_t size, struct sqz_error *err)
{
    if (size >= 10 && packed->at == 8 && data[8] + 256 * data[9] != SQZ_PACKED_MAJOR)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is a .sqz file of version %d; this program reads version %d.", path,
                        data[8] + 256 * data[9], SQZ_PACKED_MAJOR);
    return sqz_fail(err, SQZ_E_DATA, "The header of %s is damaged at byte %u.", path,
                    (unsigned)packed->at);
}

enum sqz_status sqz_packed_check(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_packed *out, struct sqz_error *err)
{
    uint8_t digest[32];
    if (size < SQZ_PACKED_HEADER + SQZ_PACKED_TRAILER)
        return sqz_fail(err, SQZ_E_DATA, "%s is truncated: it ends inside its header.", path);
    if (!sqz_packed_open(out, data, size))
        return fail_header(path, out, data, size, err);
    sqz_sha256_of(data, size - SQZ_PACKED_TRAILER, digest);
    if (memcmp(digest, data + size - SQZ_PACKED_TRAILER, sizeof digest) != 0)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is damaged: its SHA-256 does not agree with its content.", path);
    return SQZ_OK;
}

static enum sqz_status check_elements(const char *path, const struct sqz_packed *packed,
                                      struct sqz_error *err)
{
    if (packed->elements <= FREE_ELEMENTS + (uint64_t)ELEMENTS_PER_BYTE * packed->size)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_DATA,
                    "%s claims %u or more weights in %u bytes: that is no SqueezeNet.", path,
                    (unsigned)packed->elements, (unsigned)packed->size);
}

static enum sqz_status take_entry(const char *path, struct sqz_packed *packed,
                                  struct sqz_packed_tensor *out, struct sqz_error *err)
{
    if (!sqz_packed_next(packed, out))
        return sqz_fail(
            err, SQZ_E_DATA, "The directory of %s is damaged: tensor %u of %u, before byte %u.",
            path, (unsigned)packed->next + 1, (unsigned)packed->n_tensors, (unsigned)packed->at);
    if (!sqz_name_is_clean(packed->name))
        return sqz_fail_name(err, path, packed->next - 1);
    return check_elements(path, packed, err);
}

static enum sqz_status fail_tensor(const char *path, const char *name, enum sqz_status status,
                                   struct sqz_error *err)
{
    if (status == SQZ_E_DATA)
        return sqz_fail(err, status, "The tensor %s of %s is damaged: its codes are.", name, path);
    return sqz_fail(err, status, "There is not enough memory for the tensor %s of %s.", name, path);
}

enum sqz_status sqz_packed_take(const char *path, struct sqz_packed *packed, struct sqz_coded *out,
                                struct sqz_error *err)
{
    struct sqz_packed_tensor tensor;
    enum sqz_status status = take_entry(path, packed, &tensor, err);
    if (status)
        return status;
    status = sqz_coded_decode(&tensor, out, NULL);
    return status ? fail_tensor(path, packed->name, status, err) : SQZ_OK;
}

static enum sqz_status read_texts(const char *path, const struct sqz_packed *packed,
                                  struct sqz_archive *out, struct sqz_error *err)
{
    size_t at = 0, size = packed->text_end - packed->directory_end;
    struct sqz_text_span span;
    enum sqz_status status = SQZ_OK;
    while (!status && sqz_next_text(packed->texts, size, &at, &span)) {
        char *key = sqz_copy_string_n(span.key, span.key_length);
        char *value = sqz_copy_string_n(span.value, span.value_length);
        if (!key || !value)
            status = sqz_fail_memory(err, "metadata", span.value_length);
        else if (strlen(key) != span.key_length || strlen(value) != span.value_length ||
                 !sqz_name_is_clean(key) || sqz_archive_get(out, key) ||
                 out->n_metadata >= SQZ_MAX_ARRAYS)
            status = sqz_fail(err, SQZ_E_DATA,
                              "The texts of %s are damaged: number %zu has an unusable name or "
                              "value.",
                              path, out->n_metadata + 1);
        else if (sqz_archive_set(out, key, value))
            status = sqz_fail_memory(err, "metadata", span.value_length);
        sqz_free(key);
        sqz_free(value);
    }
    if (!status && at != size)
        status = sqz_fail(err, SQZ_E_DATA, "The texts of %s are damaged after byte %zu.", path,
                          packed->directory_end + at);
    return status;
}

// All tensors of a file; they are independent of each other.
struct decoding {
    struct sqz_packed_tensor tensors[SQZ_PACKED_TENSORS];
    enum sqz_status status[SQZ_PACKED_TENSORS];
    struct sqz_archive *out;
    int n;
};

static void decode_tensor(void *arg, int task, int worker)
{
    struct decoding *decoding = arg;
    int i = decoding->n - 1 - task; // the last ones are the longest work
    struct sqz_coded coded = {0};
    (void)worker;
    decoding->status[i] = sqz_coded_decode(&decoding->tensors[i], &coded, NULL);
    if (!decoding->status[i])
        sqz_coded_to_bits(&coded, decoding->out->arrays[i].data);
    sqz_coded_release(&coded);
}

// Threads are worth their start for a whole network only.
static enum sqz_status decode_tensors(const char *path, struct decoding *decoding, size_t elements,
                                      struct sqz_error *err)
{
    struct sqz_pool *pool = NULL;
    int threads = elements < THREADED ? 1 : sqz_cpu_default_threads();
    enum sqz_status status = sqz_pool_new(threads, &pool, err);
    if (status)
        return status;
    sqz_pool_run(pool, decoding->n, decode_tensor, decoding);
    sqz_pool_free(pool);
    for (int i = 0; i < decoding->n; i++)
        if (decoding->status[i])
            return fail_tensor(path, decoding->out->arrays[i].name, decoding->status[i], err);
    return SQZ_OK;
}

// Header, texts and directory. Arrays own zeroed memory, or borrow the payloads.
static enum sqz_status read_directory(const char *path, const uint8_t *data, size_t size,
                                      bool borrow, struct sqz_packed *packed,
                                      struct sqz_archive *out, struct sqz_packed_tensor *tensors,
                                      struct sqz_error *err)
{
    enum sqz_status status = sqz_packed_check(path, data, size, packed, err);
    if (!status)
        status = read_texts(path, packed, out, err);
    for (uint32_t i = 0; !status && i < packed->n_tensors; i++) {
        struct sqz_packed_tensor *tensor = &tensors[i];
        size_t shape[4];
        status = take_entry(path, packed, tensor, err);
        for (int k = 0; k < 4; k++)
            shape[k] = tensor->dims[k];
        if (!status)
            status = sqz_archive_put(out, path, packed->name, SQZ_F32, tensor->rank, shape,
                                     borrow ? (void *)tensor->payload : NULL, NULL, err);
    }
    return status;
}

enum sqz_status sqz_packed_list(const char *path, const uint8_t *data, size_t size,
                                struct sqz_archive *out, struct sqz_packed_tensor *tensors,
                                struct sqz_error *err)
{
    struct sqz_packed packed;
    return read_directory(path, data, size, true, &packed, out, tensors, err);
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_packed packed;
    struct decoding *decoding = sqz_new_array(1, sizeof *decoding);
    if (!decoding)
        return sqz_fail_memory(err, "the directory", sizeof *decoding);
    enum sqz_status status =
        read_directory(path, data, size, false, &packed, out, decoding->tensors, err);
    if (!status) {
        decoding->out = out;
        decoding->n = (int)packed.n_tensors;
        status = decode_tensors(path, decoding, packed.elements, err);
    }
    sqz_free(decoding);
    return status;
}

// --- Writing ---

enum sqz_status sqz_archive_to_sqz(const struct sqz_archive *archive, enum sqz_coder coder,
                                   struct sqz_bytes *out, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    struct sqz_text file = {0};
    size_t n = archive->n_arrays, done = 0;
    struct sqz_named *tensors = sqz_new_array(n, sizeof *tensors);
    struct sqz_coded *coded = sqz_new_array(n, sizeof *coded);
    struct sqz_key_value *texts = sqz_new_array(archive->n_metadata, sizeof *texts);
    if (!tensors || !coded || !texts)
        status = sqz_fail_memory(err, "the list of arrays", n * sizeof *coded);
    for (; done < n && !status; done++) {
        const struct sqz_array *array = &archive->arrays[done];
        if (array->dtype != SQZ_F32)
            status = sqz_fail(err, SQZ_E_DATA,
                              "A .sqz file holds float32 arrays only; %s is something else.",
                              array->name);
        else
            status = sqz_coded_from_floats(array->data, array->rank, array->shape, coder,
                                           &coded[done], err);
        tensors[done] = (struct sqz_named){array->name, &coded[done]};
    }
    for (size_t i = 0; i < archive->n_metadata && !status; i++)
        texts[i] = (struct sqz_key_value){archive->metadata[i].key, archive->metadata[i].value};
    if (!status)
        status = sqz_encode_file(tensors, n, texts, archive->n_metadata, &file, err);
    if (status)
        sqz_text_release(&file);
    else
        *out = (struct sqz_bytes){(uint8_t *)file.data, file.length};
    for (size_t i = 0; i < done; i++)
        sqz_coded_release(&coded[i]);
    sqz_free(tensors);
    sqz_free(coded);
    sqz_free(texts);
    return status;
}

static enum sqz_status write_file(const struct sqz_archive *archive, struct sqz_bytes *out,
                                  struct sqz_error *err)
{
    return sqz_archive_to_sqz(archive, SQZ_CODER_RANGE, out, err);
}

const struct sqz_format sqz_format_sqz = {
    .name = "sqz",
    .suffix = ".sqz",
    .dialect = "torchvision",
    .summary = "compressed: what `squeezenet compress` writes",
    .probe = probe,
    .read = read_file,
    .write = write_file,
};
