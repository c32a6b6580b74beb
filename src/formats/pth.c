// PyTorch's .pth: a pickled state dict and its storages, in a zip or the older stream.
#include "formats/pth.h"
#include "formats/common.h"

#include <string.h>

static const uint8_t zip_magic[] = {0x50, 0x4b, 0x03, 0x04};
static const uint8_t legacy_magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

static bool begins_with(const uint8_t *data, size_t size, const void *magic, size_t magic_size)
{
    return size >= magic_size && memcmp(data, magic, magic_size) == 0;
}

static bool is_tar(const uint8_t *data, size_t size)
{
    return size >= 262 && memcmp(data + 257, "ustar", 5) == 0;
}

static bool probe(const char *path, const uint8_t *head, size_t size)
{
    (void)path;
    return begins_with(head, size, zip_magic, sizeof zip_magic) ||
           begins_with(head, size, legacy_magic, sizeof legacy_magic) || is_tar(head, size);
}

// --- The stream ---

// Element width of a storage of the stream: that of the first tensor which names it.
static size_t stream_width(const struct sqz_pickle *pickle, const struct sqz_pickle_value *key)
{
    for (uint32_t i = 0; i < pickle->n_values; i++) {
        const struct sqz_pickle_value *value = &pickle->values[i];
        if (value->kind != SQZ_PICKLE_STORAGE)
            continue;
        const struct sqz_pickle_value *name = &pickle->values[value->items[2]];
        const struct sqz_pickle_value *type = &pickle->values[value->items[1]];
        if (name->n == key->n && memcmp(name->text, key->text, key->n) == 0)
            return sqz_dtype_size((enum sqz_dtype)(type->number - SQZ_GLOBAL_STORAGE));
    }
    return 0;
}

static enum sqz_status read_stream(struct sqz_pth *r, const uint8_t *data, size_t size,
                                   uint32_t *root, struct sqz_error *err)
{
    struct sqz_cursor cursor = {data, size, 0};
    uint32_t roots[5]; // magic, protocol, machine, the object, storage keys
    for (int i = 0; i < 5; i++) {
        enum sqz_status status = sqz_pickle_run(&r->pickle, r->path, &cursor, &roots[i], err);
        if (status)
            return status;
    }
    const struct sqz_pickle_value *values = r->pickle.values, *keys = &values[roots[4]];
    const struct sqz_pickle_value *order =
        values[roots[2]].kind == SQZ_PICKLE_DICT
            ? sqz_pickle_get(&r->pickle, &values[roots[2]], "little_endian")
            : NULL;
    if (!order || order->kind != SQZ_PICKLE_BOOL || !order->number ||
        keys->kind != SQZ_PICKLE_LIST || keys->n > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s is not a little-endian PyTorch file of the old form.",
                        r->path);
    for (uint32_t i = 0; i < keys->n; i++) {
        const struct sqz_pickle_value *key = &values[keys->items[i]];
        uint64_t count;
        size_t bytes, width = key->kind == SQZ_PICKLE_TEXT ? stream_width(&r->pickle, key) : 0;
        const uint8_t *span;
        if (width == 0)
            return sqz_fail(err, SQZ_E_DATA,
                            "Storage %u of %u in %s has elements of a type that is not known here.",
                            i + 1, keys->n, r->path);
        if (!sqz_take_u64(&cursor, &count) || !sqz_size_mul(count, width, &bytes) ||
            !sqz_take_span(&cursor, bytes, &span))
            return sqz_fail(err, SQZ_E_DATA,
                            "%s is truncated or damaged: storage %u of %u is not whole.", r->path,
                            i + 1, keys->n);
        struct sqz_pth_storage *storage;
        enum sqz_status status = sqz_pth_add_storage(r, key, &storage, err);
        if (status)
            return status;
        storage->data = span;
        storage->size = bytes;
    }
    *root = roots[3];
    return SQZ_OK;
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct sqz_pth r = {.path = path, .out = out};
    enum sqz_status status;
    uint32_t root;
    if (is_tar(data, size))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is in PyTorch's oldest form (a tar file), which is not supported; load "
                        "it in PyTorch and save its state dict again.",
                        path);
    // Tied weights count more than once; beyond this they are an attempt to fill the memory.
    if (!sqz_size_mul(size, 4, &r.bytes_left))
        r.bytes_left = size;
    if (begins_with(data, size, zip_magic, sizeof zip_magic))
        status = sqz_pth_zip_open(&r, data, size, &root, err);
    else
        status = read_stream(&r, data, size, &root, err);
    if (!status)
        status = sqz_pth_tensors(&r, root, err);
    for (size_t i = 0; i < r.n_storages; i++)
        sqz_free(r.storages[i].copy);
    sqz_free(r.storages);
    sqz_pickle_release(&r.pickle);
    sqz_pth_zip_close(&r);
    return status;
}

const struct sqz_format sqz_format_pth = {
    .name = "pth",
    .suffix = ".pth",
    .dialect = "torchvision",
    .summary = "PyTorch's state dict",
    .probe = probe,
    .read = read_file,
};
