// PyTorch's tensors: views of storages, copied out in C order.
#include "formats/common.h"
#include "formats/pth.h"

#include <stdio.h>
#include <string.h>

// --- Storages ---

static struct sqz_pth_storage *find_storage(struct sqz_pth *r, const struct sqz_pickle_value *key)
{
    for (size_t i = 0; i < r->n_storages; i++)
        if (r->storages[i].key_size == key->n && memcmp(r->storages[i].key, key->text, key->n) == 0)
            return &r->storages[i];
    return NULL;
}

enum sqz_status sqz_pth_add_storage(struct sqz_pth *r, const struct sqz_pickle_value *key,
                                    struct sqz_pth_storage **out, struct sqz_error *err)
{
    if (r->n_storages >= SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d storages: that is no SqueezeNet.",
                        r->path, SQZ_MAX_ARRAYS);
    struct sqz_pth_storage *grown =
        sqz_grow_array(r->storages, r->n_storages, r->n_storages + 1, sizeof *grown);
    if (!grown)
        return sqz_fail_memory(err, "the list of storages", (r->n_storages + 1) * sizeof *grown);
    r->storages = grown;
    *out = &grown[r->n_storages++];
    **out = (struct sqz_pth_storage){.key = key->text, .key_size = key->n};
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
static enum sqz_status load_storage(struct sqz_pth *r, const struct sqz_pickle_value *key,
                                    const struct sqz_pth_storage **out, struct sqz_error *err)
{
    char name[600], text[SQZ_MAX_NAME + 1];
    struct sqz_pth_storage *found = find_storage(r, key);
    *out = found;
    if (found)
        return SQZ_OK;
    bool clean = r->zip && key_text(key, text);
    if (!clean)
        return sqz_fail(err, SQZ_E_DATA, "%s names a storage that it does not hold.", r->path);
    snprintf(name, sizeof name, "%s/data/%s", r->top, text);
    struct sqz_bytes bytes = {0};
    enum sqz_status status = sqz_pth_member(r, name, r->bytes_left, &bytes, err);
    if (!status)
        status = sqz_pth_add_storage(r, key, &found, err);
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

static enum sqz_status describe(struct sqz_pth *r, const char *name,
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

static enum sqz_status read_tensor(struct sqz_pth *r, const char *name,
                                   const struct sqz_pickle_value *tensor, struct sqz_error *err)
{
    const struct sqz_pickle_value *id = &r->pickle.values[tensor->items[0]];
    const struct sqz_pth_storage *storage;
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
    status = sqz_archive_put(r->out, r->path, name, view.dtype, view.rank, view.shape, NULL, &array,
                             err);
    if (!status)
        gather(&view, storage->data, array->data);
    return status;
}

// Whether what a training script counts in its tensors, and no layer uses, stands under a name.
static bool is_counter(const char *name)
{
    static const char *const counters[] = {"total_ops", "total_params", "n_averaged"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        if (strcmp(dot ? dot + 1 : name, counters[i]) == 0)
            return true;
    return false;
}

// A name without what wrappers of the network put in front of it. A prefix stays when the name
// without it is there, too: it then tells a copy from the weights.
static const char *plain_name(const struct sqz_pickle *pickle, const struct sqz_pickle_value *dict,
                              const char *name)
{
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0];) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], length) != 0) {
            i++;
            continue;
        }
        if (sqz_pickle_get(pickle, dict, name + length))
            break;
        name += length;
        i = 0;
    }
    return name;
}

static enum sqz_status read_entry(struct sqz_pth *r, const struct sqz_pickle_value *dict,
                                  const struct sqz_pickle_value *key,
                                  const struct sqz_pickle_value *value, struct sqz_error *err)
{
    char name[SQZ_MAX_NAME + 1], type[64];
    bool opaque = value->kind == SQZ_PICKLE_OPAQUE && sqz_pth_names_weight(key);
    if (key->kind != SQZ_PICKLE_TEXT || (value->kind != SQZ_PICKLE_TENSOR && !opaque))
        return SQZ_OK;
    if (!key_text(key, name))
        return sqz_fail_name(err, r->path, r->out->n_arrays);
    if (opaque)
        return sqz_fail(err, SQZ_E_DATA,
                        "The array %s of %s is a Python object (%s), which is not read; nothing "
                        "was run. Only plain tensors can be read.",
                        name, r->path, sqz_pickle_show(value, type));
    if (is_counter(name))
        return SQZ_OK;
    return read_tensor(r, plain_name(&r->pickle, dict, name), value, err);
}

enum sqz_status sqz_pth_tensors(struct sqz_pth *r, uint32_t root, struct sqz_error *err)
{
    const struct sqz_pickle_value *dict;
    enum sqz_status status = sqz_pth_state_dict(&r->pickle, root, r->path, &dict, err);
    for (uint32_t i = 0; !status && i + 1 < dict->n; i += 2)
        status = read_entry(r, dict, &r->pickle.values[dict->items[i]],
                            &r->pickle.values[dict->items[i + 1]], err);
    return status;
}
