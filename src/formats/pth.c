// PyTorch's .pth: a pickled state dict and its storages, in a zip or the older stream (formats.md 2).
#include "formats/common.h"
#include "formats/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

#define PICKLE_LIMIT ((zip_uint64_t)4 << 20)

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

// --- Storages ---

// One storage that some tensor has named: its bytes lie in the file (stream) or in `copy` (zip).
struct storage {
    const uint8_t *key; // into the pickle
    uint32_t key_size;
    const uint8_t *data;
    uint8_t *copy;
    size_t size;
};
struct reading {
    const char *path;
    struct sqz_archive *out;
    struct sqz_pickle pickle;
    struct storage *storages;
    size_t n_storages;
    size_t bytes_left; // how much the arrays may still take: many tensors can share one storage
    zip_t *zip;        // NULL: a stream, whose storages are all known
    char top[256];     // the zip's folder
};

static struct storage *find_storage(struct reading *r, const struct sqz_pickle_value *key)
{
    for (size_t i = 0; i < r->n_storages; i++)
        if (r->storages[i].key_size == key->n &&
            memcmp(r->storages[i].key, key->text, key->n) == 0)
            return &r->storages[i];
    return NULL;
}

static enum sqz_status add_storage(struct reading *r, const struct sqz_pickle_value *key,
                                   struct storage **out, struct sqz_error *err)
{
    if (r->n_storages >= SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d storages: that is no SqueezeNet.",
                        r->path, SQZ_MAX_ARRAYS);
    struct storage *grown =
        sqz_grow_array(r->storages, r->n_storages, r->n_storages + 1, sizeof *grown);
    if (!grown)
        return sqz_fail_memory(err, "the list of storages", (r->n_storages + 1) * sizeof *grown);
    r->storages = grown;
    *out = &grown[r->n_storages++];
    **out = (struct storage){.key = key->text, .key_size = key->n};
    return SQZ_OK;
}

// Reads one stored member of the zip whole. Its size is that of bytes in the file, as only stored
// (not compressed) members are taken.
static enum sqz_status read_member(struct reading *r, const char *name, zip_uint64_t limit,
                                   struct sqz_bytes *out, struct sqz_error *err)
{
    zip_stat_t info;
    zip_stat_init(&info);
    const zip_uint64_t wanted =
        ZIP_STAT_INDEX | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat(r->zip, name, 0, &info) || (info.valid & wanted) != wanted)
        return sqz_fail(err, SQZ_E_DATA, "%s lacks its part %s.", r->path, name);
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
        return sqz_fail(err, SQZ_E_DATA,
                        "The part %s of %s is compressed or encrypted, which PyTorch never does.",
                        name, r->path);
    if (info.size > limit)
        return sqz_fail(err, SQZ_E_DATA, "The part %s of %s is impossibly large.", name, r->path);
    out->size = (size_t)info.size;
    out->data = sqz_new_array(out->size, 1);
    if (!out->data)
        return sqz_fail_memory(err, name, out->size);
    zip_file_t *file = zip_fopen_index(r->zip, info.index, 0);
    uint8_t behind;
    // The read past the end is what makes libzip compare the checksum.
    bool ok = file && zip_fread(file, out->data, info.size) == (zip_int64_t)info.size &&
              zip_fread(file, &behind, 1) == 0;
    if (file)
        zip_fclose(file);
    if (!ok)
        return sqz_fail(err, SQZ_E_DATA, "The part %s of %s is damaged.", name, r->path);
    return SQZ_OK;
}

// A text value as a clean C string.
static bool key_text(const struct sqz_pickle_value *key, char out[SQZ_MAX_NAME + 1])
{
    if (key->kind != SQZ_PICKLE_TEXT || key->n > SQZ_MAX_NAME || memchr(key->text, 0, key->n))
        return false;
    memcpy(out, key->text, key->n);
    out[key->n] = 0;
    return sqz_name_is_clean(out);
}

// The bytes of a storage value; *out is valid until the next one is loaded.
static enum sqz_status load_storage(struct reading *r, const struct sqz_pickle_value *key,
                                    const struct storage **out, struct sqz_error *err)
{
    char name[600], text[SQZ_MAX_NAME + 1];
    struct storage *found = find_storage(r, key);
    *out = found;
    if (found)
        return SQZ_OK;
    bool clean = r->zip && key_text(key, text);
    if (!clean)
        return sqz_fail(err, SQZ_E_DATA, "%s names a storage that it does not hold.", r->path);
    snprintf(name, sizeof name, "%s/data/%s", r->top, text);
    struct sqz_bytes bytes = {0};
    enum sqz_status status = read_member(r, name, r->bytes_left, &bytes, err);
    if (!status)
        status = add_storage(r, key, &found, err);
    if (status) {
        sqz_bytes_release(&bytes);
        return status;
    }
    // Members of a hostile zip may overlap, so that their sum exceeds the file.
    r->bytes_left -= bytes.size;
    found->copy = bytes.data;
    found->data = bytes.data;
    found->size = bytes.size;
    *out = found;
    return SQZ_OK;
}

// --- Tensors ---

struct view {
    enum sqz_dtype dtype;
    int rank;
    size_t shape[SQZ_MAX_RANK], stride[SQZ_MAX_RANK], offset, count;
};

static bool take_sizes(const struct sqz_pickle *pickle, const struct sqz_pickle_value *tuple,
                       size_t *out)
{
    for (uint32_t i = 0; i < tuple->n; i++) {
        const struct sqz_pickle_value *value = &pickle->values[tuple->items[i]];
        if (value->kind != SQZ_PICKLE_INT || value->number < 0)
            return false;
        out[i] = (size_t)value->number;
    }
    return true;
}

// The largest index that a view reaches must lie in its storage.
static bool view_fits(const struct view *view, size_t elements)
{
    size_t last = view->offset;
    if (view->count == 0)
        return true;
    for (int i = 0; i < view->rank; i++) {
        size_t reach;
        if (!sqz_size_mul(view->shape[i] - 1, view->stride[i], &reach) ||
            !sqz_size_add(last, reach, &last))
            return false;
    }
    return last < elements;
}

static enum sqz_status describe(struct reading *r, const char *name,
                                const struct sqz_pickle_value *tensor, struct view *view,
                                struct sqz_error *err)
{
    const struct sqz_pickle_value *values = r->pickle.values;
    const struct sqz_pickle_value *sizes = &values[tensor->items[2]];
    const struct sqz_pickle_value *strides = &values[tensor->items[3]];
    const struct sqz_pickle_value *type = &values[values[tensor->items[0]].items[1]];
    int64_t offset = values[tensor->items[1]].number;
    size_t bytes;
    view->dtype = (enum sqz_dtype)(type->number - SQZ_GLOBAL_STORAGE);
    if (sizes->n > SQZ_MAX_RANK || strides->n != sizes->n || offset < 0 ||
        !take_sizes(&r->pickle, sizes, view->shape) ||
        !take_sizes(&r->pickle, strides, view->stride))
        return sqz_fail(err, SQZ_E_DATA,
                        "The tensor %s of %s has more than 4 dimensions, or an impossible shape.",
                        name, r->path);
    view->rank = (int)sizes->n;
    view->offset = (size_t)offset;
    if (!sqz_array_bytes(view->dtype, view->rank, view->shape, &bytes) || bytes > r->bytes_left)
        return sqz_fail(err, SQZ_E_DATA, "The tensor %s of %s is larger than the file.", name,
                        r->path);
    view->count = bytes / sqz_dtype_size(view->dtype);
    r->bytes_left -= bytes;
    return SQZ_OK;
}

static void gather(const struct view *view, const uint8_t *from, uint8_t *to)
{
    size_t width = sqz_dtype_size(view->dtype), index[SQZ_MAX_RANK] = {0}, at = view->offset;
    for (size_t n = 0; n < view->count; n++) {
        memcpy(to + n * width, from + at * width, width);
        for (int d = view->rank - 1; d >= 0; d--) {
            at += view->stride[d];
            if (++index[d] < view->shape[d])
                break;
            at -= index[d] * view->stride[d];
            index[d] = 0;
        }
    }
}

static enum sqz_status read_tensor(struct reading *r, const char *name,
                                   const struct sqz_pickle_value *tensor, struct sqz_error *err)
{
    const struct sqz_pickle_value *id = &r->pickle.values[tensor->items[0]];
    const struct storage *storage;
    struct view view = {0};
    struct sqz_array *array;
    enum sqz_status status = describe(r, name, tensor, &view, err);
    if (!status)
        status = load_storage(r, &r->pickle.values[id->items[2]], &storage, err);
    if (status)
        return status;
    if (!view_fits(&view, storage->size / sqz_dtype_size(view.dtype)))
        return sqz_fail(err, SQZ_E_DATA, "The tensor %s of %s reaches beyond its storage.", name,
                        r->path);
    status = sqz_archive_put(r->out, r->path, name, view.dtype, view.rank, view.shape, &array, err);
    if (!status)
        gather(&view, storage->data, array->data);
    return status;
}

// The dict that holds the weights: the root itself, or its entry `state_dict` or `model`.
static const struct sqz_pickle_value *state_dict(const struct sqz_pickle *pickle, uint32_t root)
{
    static const char *const wrappers[] = {"state_dict", "model"};
    const struct sqz_pickle_value *dict = &pickle->values[root];
    if (dict->kind != SQZ_PICKLE_DICT)
        return NULL;
    for (int i = 0; i < 2; i++) {
        const struct sqz_pickle_value *inner = sqz_pickle_get(pickle, dict, wrappers[i]);
        if (inner && inner->kind == SQZ_PICKLE_DICT)
            return inner;
    }
    return dict;
}

static enum sqz_status read_tensors(struct reading *r, uint32_t root, struct sqz_error *err)
{
    const struct sqz_pickle_value *dict = state_dict(&r->pickle, root);
    if (!dict)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s does not hold a state dict; save it with "
                        "torch.save(model.state_dict(), path).",
                        r->path);
    for (uint32_t i = 0; i + 1 < dict->n; i += 2) {
        const struct sqz_pickle_value *key = &r->pickle.values[dict->items[i]];
        const struct sqz_pickle_value *value = &r->pickle.values[dict->items[i + 1]];
        char name[SQZ_MAX_NAME + 1];
        if (value->kind != SQZ_PICKLE_TENSOR)
            continue;
        if (!key_text(key, name))
            return sqz_fail_name(err, r->path, r->out->n_arrays);
        const char *plain = strncmp(name, "module.", 7) == 0 ? name + 7 : name;
        enum sqz_status status = read_tensor(r, plain, value, err);
        if (status)
            return status;
    }
    return SQZ_OK;
}

// --- The two containers ---

// Finds "<top>/data.pkl".
static bool find_top(struct reading *r)
{
    zip_int64_t n = zip_get_num_entries(r->zip, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(r->zip, (zip_uint64_t)i, 0);
        const char *slash = name ? strchr(name, '/') : NULL;
        size_t length = slash ? (size_t)(slash - name) : 0;
        if (slash && strcmp(slash, "/data.pkl") == 0 && length > 0 && length < sizeof r->top) {
            memcpy(r->top, name, length);
            return true;
        }
    }
    return false;
}

static enum sqz_status check_byte_order(struct reading *r, struct sqz_error *err)
{
    char name[600];
    struct sqz_bytes text = {0};
    snprintf(name, sizeof name, "%s/byteorder", r->top);
    if (zip_name_locate(r->zip, name, 0) < 0)
        return SQZ_OK;
    enum sqz_status status = read_member(r, name, 64, &text, err);
    if (!status && (text.size != 6 || memcmp(text.data, "little", 6) != 0))
        status = sqz_fail(err, SQZ_E_DATA,
                          "%s was written by a big-endian machine, which is not supported.",
                          r->path);
    sqz_bytes_release(&text);
    return status;
}

static enum sqz_status read_zip(struct reading *r, const uint8_t *data, size_t size,
                                struct sqz_error *err)
{
    enum sqz_status status;
    struct sqz_bytes pickle = {0};
    char name[600];
    uint32_t root;
    zip_error_t problem;
    zip_error_init(&problem);
    zip_source_t *source = zip_source_buffer_create(data, size, 0, &problem);
    r->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &problem) : NULL;
    if (!r->zip) {
        zip_source_free(source);
        status = sqz_fail(err, SQZ_E_DATA, "%s is a damaged or truncated zip file: %s.", r->path,
                          zip_error_strerror(&problem));
        goto done;
    }
    if (!find_top(r)) {
        status = sqz_fail(err, SQZ_E_DATA,
                          "%s is a zip file, but holds no data.pkl: PyTorch did not save it.",
                          r->path);
        goto done;
    }
    status = check_byte_order(r, err);
    if (status)
        goto done;
    snprintf(name, sizeof name, "%s/data.pkl", r->top);
    status = read_member(r, name, PICKLE_LIMIT, &pickle, err);
    struct sqz_cursor cursor = {pickle.data, pickle.size, 0};
    if (!status)
        status = sqz_pickle_run(&r->pickle, r->path, &cursor, &root, err);
    if (!status)
        status = read_tensors(r, root, err);
done:
    sqz_bytes_release(&pickle);
    zip_error_fini(&problem);
    if (r->zip)
        zip_discard(r->zip);
    return status;
}

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

static enum sqz_status read_stream(struct reading *r, const uint8_t *data, size_t size,
                                   struct sqz_error *err)
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
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is not a little-endian PyTorch file of the old form.", r->path);
    for (uint32_t i = 0; i < keys->n; i++) {
        const struct sqz_pickle_value *key = &values[keys->items[i]];
        uint64_t count;
        size_t bytes, width = key->kind == SQZ_PICKLE_TEXT ? stream_width(&r->pickle, key) : 0;
        const uint8_t *span;
        if (width == 0 || !sqz_take_u64(&cursor, &count) || !sqz_size_mul(count, width, &bytes) ||
            !sqz_take_span(&cursor, bytes, &span))
            return sqz_fail(err, SQZ_E_DATA,
                            "%s is truncated or damaged: storage %u of %u is not whole.", r->path,
                            i + 1, keys->n);
        struct storage *storage;
        enum sqz_status status = add_storage(r, key, &storage, err);
        if (status)
            return status;
        storage->data = span;
        storage->size = bytes;
    }
    return read_tensors(r, roots[3], err);
}

static enum sqz_status read_file(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_archive *out, struct sqz_error *err)
{
    struct reading r = {.path = path, .out = out};
    enum sqz_status status;
    if (is_tar(data, size))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is in PyTorch's oldest form (a tar file), which is not supported; load "
                        "it in PyTorch and save its state dict again.",
                        path);
    // Tied weights count more than once; beyond this they are an attempt to fill the memory.
    if (!sqz_size_mul(size, 4, &r.bytes_left))
        r.bytes_left = size;
    if (begins_with(data, size, zip_magic, sizeof zip_magic))
        status = read_zip(&r, data, size, err);
    else
        status = read_stream(&r, data, size, err);
    for (size_t i = 0; i < r.n_storages; i++)
        sqz_free(r.storages[i].copy);
    sqz_free(r.storages);
    sqz_pickle_release(&r.pickle);
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
