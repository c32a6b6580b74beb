// A bag of named arrays and texts: what every format is read into and written from.
#include "formats/common.h"

#include <string.h>

size_t sqz_dtype_size(enum sqz_dtype dtype)
{
    static const unsigned char sizes[] = {
        [SQZ_F32] = 4, [SQZ_F16] = 2, [SQZ_BF16] = 2, [SQZ_F64] = 8, [SQZ_I8] = 1,
        [SQZ_U8] = 1,  [SQZ_I16] = 2, [SQZ_U16] = 2,  [SQZ_I32] = 4, [SQZ_U32] = 4,
        [SQZ_I64] = 8, [SQZ_U64] = 8, [SQZ_BOOL] = 1,
    };
    return sizes[dtype];
}

int sqz_dtype_by_name(const char *const *names, const char *name)
{
    for (int i = 0; i <= SQZ_BOOL; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

bool sqz_array_bytes(enum sqz_dtype dtype, int rank, const size_t *shape, size_t *bytes)
{
    size_t product = sqz_dtype_size(dtype);
    for (int i = 0; i < rank; i++)
        if (!sqz_size_mul(product, shape[i], &product))
            return false;
    *bytes = product;
    return true;
}

void sqz_archive_release(struct sqz_archive *archive)
{
    for (size_t i = 0; i < archive->n_arrays; i++) {
        sqz_free(archive->arrays[i].name);
        if (!archive->arrays[i].borrowed)
            sqz_free(archive->arrays[i].data);
    }
    for (size_t i = 0; i < archive->n_metadata; i++) {
        sqz_free(archive->metadata[i].key);
        sqz_free(archive->metadata[i].value);
    }
    sqz_free(archive->arrays);
    sqz_free(archive->metadata);
    sqz_bytes_release(&archive->file);
    memset(archive, 0, sizeof *archive);
}

// Room for one more. The capacity is not stored: it is the power of two at or above the count.
static void *make_room(void *items, size_t n, size_t size)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return items;
    return sqz_grow_array(items, n, n ? 2 * n : 1, size);
}

// Appends an array that owns zeroed memory, or borrows `data`.
static struct sqz_array *append(struct sqz_archive *archive, const char *name, enum sqz_dtype dtype,
                                int rank, const size_t *shape, void *data)
{
    size_t bytes;
    if (rank < 0 || rank > SQZ_MAX_RANK || !sqz_array_bytes(dtype, rank, shape, &bytes))
        return NULL;
    struct sqz_array *arrays =
        make_room(archive->arrays, archive->n_arrays, sizeof *archive->arrays);
    if (!arrays)
        return NULL;
    archive->arrays = arrays;
    struct sqz_array array = {.name = sqz_copy_string(name),
                              .dtype = dtype,
                              .rank = rank,
                              .data = data ? data : sqz_new_array(bytes, 1),
                              .borrowed = data != NULL,
                              .size = bytes};
    if (!array.name || !array.data) {
        sqz_free(array.name);
        if (!data)
            sqz_free(array.data);
        return NULL;
    }
    for (int i = 0; i < rank; i++)
        array.shape[i] = shape[i];
    arrays[archive->n_arrays] = array;
    return &arrays[archive->n_arrays++];
}

struct sqz_array *sqz_archive_add(struct sqz_archive *archive, const char *name,
                                  enum sqz_dtype dtype, int rank, const size_t *shape,
                                  const void *data)
{
    struct sqz_array *array = append(archive, name, dtype, rank, shape, NULL);
    if (array && data && array->size)
        memcpy(array->data, data, array->size);
    return array;
}

const struct sqz_array *sqz_archive_find(const struct sqz_archive *archive, const char *name)
{
    for (size_t i = 0; i < archive->n_arrays; i++)
        if (strcmp(archive->arrays[i].name, name) == 0)
            return &archive->arrays[i];
    return NULL;
}

static struct sqz_metadata *find_metadata(const struct sqz_archive *archive, const char *key)
{
    for (size_t i = 0; i < archive->n_metadata; i++)
        if (strcmp(archive->metadata[i].key, key) == 0)
            return &archive->metadata[i];
    return NULL;
}

enum sqz_status sqz_archive_set(struct sqz_archive *archive, const char *key, const char *value)
{
    char *copy = sqz_copy_string(value);
    if (!copy)
        return SQZ_E_NOMEM;
    struct sqz_metadata *old = find_metadata(archive, key);
    if (old) {
        sqz_free(old->value);
        old->value = copy;
        return SQZ_OK;
    }
    struct sqz_metadata *metadata =
        make_room(archive->metadata, archive->n_metadata, sizeof *archive->metadata);
    char *key_copy = sqz_copy_string(key);
    if (metadata)
        archive->metadata = metadata;
    if (!metadata || !key_copy) {
        sqz_free(copy);
        sqz_free(key_copy);
        return SQZ_E_NOMEM;
    }
    metadata[archive->n_metadata].key = key_copy;
    metadata[archive->n_metadata++].value = copy;
    return SQZ_OK;
}

const char *sqz_archive_get(const struct sqz_archive *archive, const char *key)
{
    const struct sqz_metadata *found = find_metadata(archive, key);
    return found ? found->value : NULL;
}

bool sqz_name_is_clean(const char *name)
{
    size_t length = strnlen(name, SQZ_MAX_NAME + 1);
    if (length == 0 || length > SQZ_MAX_NAME)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return true;
}

enum sqz_status sqz_fail_name(struct sqz_error *err, const char *path, size_t index)
{
    return sqz_fail(err, SQZ_E_DATA,
                    "Array %zu of %s has a name that is empty, longer than %d bytes, or holds "
                    "control characters.",
                    index, path, SQZ_MAX_NAME);
}

enum sqz_status sqz_archive_put(struct sqz_archive *archive, const char *path, const char *name,
                                enum sqz_dtype dtype, int rank, const size_t *shape, void *data,
                                struct sqz_array **out, struct sqz_error *err)
{
    size_t bytes;
    if (!sqz_name_is_clean(name))
        return sqz_fail_name(err, path, archive->n_arrays);
    if (rank > SQZ_MAX_RANK)
        return sqz_fail(err, SQZ_E_DATA,
                        "The array %s of %s has %d dimensions; at most %d are supported.", name,
                        path, rank, SQZ_MAX_RANK);
    if (archive->n_arrays >= SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d arrays: that is no SqueezeNet.",
                        path, SQZ_MAX_ARRAYS);
    if (sqz_archive_find(archive, name))
        return sqz_fail(err, SQZ_E_DATA, "%s holds two arrays named %s.", path, name);
    if (!sqz_array_bytes(dtype, rank, shape, &bytes))
        return sqz_fail(err, SQZ_E_DATA, "The shape of the array %s of %s is impossibly large.",
                        name, path);
    struct sqz_array *array = append(archive, name, dtype, rank, shape, data);
    if (!array)
        return sqz_fail_memory(err, name, bytes);
    if (out)
        *out = array;
    return SQZ_OK;
}
