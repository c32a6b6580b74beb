// The pickle machine's objects. Nothing is imported or called: REDUCE and its like only rearrange
// values, and know the few names that a state dict needs.
#include "base/memory.h"
#include "formats/pickle_machine.h"

#include <string.h>

// --- Names ---

static const struct {
    const char *module, *name;
    int64_t number;
} globals[] = {
    {"collections", "OrderedDict", SQZ_GLOBAL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor", SQZ_GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", SQZ_GLOBAL_REBUILD_TENSOR_V2},
    {"torch._utils", "_rebuild_parameter", SQZ_GLOBAL_REBUILD_PARAMETER},
    {"torch", "FloatStorage", SQZ_GLOBAL_STORAGE + SQZ_F32},
    {"torch", "HalfStorage", SQZ_GLOBAL_STORAGE + SQZ_F16},
    {"torch", "BFloat16Storage", SQZ_GLOBAL_STORAGE + SQZ_BF16},
    {"torch", "DoubleStorage", SQZ_GLOBAL_STORAGE + SQZ_F64},
    {"torch", "CharStorage", SQZ_GLOBAL_STORAGE + SQZ_I8},
    {"torch", "ByteStorage", SQZ_GLOBAL_STORAGE + SQZ_U8},
    {"torch", "ShortStorage", SQZ_GLOBAL_STORAGE + SQZ_I16},
    {"torch", "IntStorage", SQZ_GLOBAL_STORAGE + SQZ_I32},
    {"torch", "LongStorage", SQZ_GLOBAL_STORAGE + SQZ_I64},
    {"torch", "BoolStorage", SQZ_GLOBAL_STORAGE + SQZ_BOOL},
};

enum sqz_status sqz_unpickler_push_opaque(struct sqz_unpickler *m, const uint8_t *type, uint32_t n)
{
    return sqz_unpickler_push(
        m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_OPAQUE, .text = type, .n = n});
}

static enum sqz_status push_global(struct sqz_unpickler *m, const uint8_t *module,
                                   size_t module_size, const uint8_t *name, size_t name_size)
{
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (sqz_pickle_equal(module, module_size, globals[i].module) &&
            sqz_pickle_equal(name, name_size, globals[i].name))
            return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_GLOBAL,
                                                                   .number = globals[i].number});
    return sqz_unpickler_push_opaque(m, name, (uint32_t)name_size);
}

static bool take_line(struct sqz_unpickler *m, const uint8_t **line, size_t *size)
{
    size_t left = sqz_cursor_left(m->in);
    const uint8_t *begin = m->in->data + m->in->at;
    const uint8_t *end = left ? memchr(begin, '\n', left) : NULL;
    if (!end)
        return false;
    *size = (size_t)(end - begin);
    sqz_take_span(m->in, *size + 1, line);
    return true;
}

enum sqz_status sqz_unpickler_global(struct sqz_unpickler *m)
{
    const uint8_t *module, *name;
    size_t module_size, name_size;
    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size))
        return sqz_unpickler_damaged(m, "a name does not end");
    return push_global(m, module, module_size, name, name_size);
}

enum sqz_status sqz_unpickler_stack_global(struct sqz_unpickler *m)
{
    if (!sqz_unpickler_has(m, 2))
        return sqz_unpickler_damaged(m, "a name is missing");
    struct sqz_pickle *p = m->p;
    struct sqz_pickle_value name = p->values[p->stack[p->n_stack - 1]];
    struct sqz_pickle_value module = p->values[p->stack[p->n_stack - 2]];
    if (name.kind != SQZ_PICKLE_TEXT || module.kind != SQZ_PICKLE_TEXT)
        return sqz_unpickler_damaged(m, "a name is no text");
    p->n_stack -= 2;
    return push_global(m, module.text, module.n, name.text, name.n);
}

// --- What REDUCE knows ---

static const struct sqz_pickle_value *item(const struct sqz_unpickler *m,
                                           const struct sqz_pickle_value *value, uint32_t i)
{
    return &m->p->values[value->items[i]];
}

static enum sqz_status push_same_type(struct sqz_unpickler *m, const struct sqz_pickle_value *of)
{
    return sqz_unpickler_push_opaque(m, of->text, of->n);
}

static enum sqz_status make_tensor(struct sqz_unpickler *m,
                                   const struct sqz_pickle_value *arguments)
{
    struct sqz_pickle_value tensor = {.kind = SQZ_PICKLE_TENSOR};
    if (arguments->n > 0 && item(m, arguments, 0)->kind == SQZ_PICKLE_OPAQUE)
        return push_same_type(m, item(m, arguments, 0));
    if (arguments->n < 4 || item(m, arguments, 0)->kind != SQZ_PICKLE_STORAGE ||
        item(m, arguments, 1)->kind != SQZ_PICKLE_INT ||
        item(m, arguments, 2)->kind != SQZ_PICKLE_TUPLE ||
        item(m, arguments, 3)->kind != SQZ_PICKLE_TUPLE)
        return sqz_unpickler_damaged(m, "a tensor is not described as PyTorch does");
    tensor.items = sqz_new_array(4, sizeof *tensor.items);
    if (!tensor.items)
        return sqz_fail_memory(m->err, "the pickle", 4 * sizeof *tensor.items);
    tensor.n = tensor.capacity = 4;
    memcpy(tensor.items, arguments->items, 4 * sizeof *tensor.items);
    return sqz_unpickler_push(m, tensor);
}

enum sqz_status sqz_unpickler_reduce(struct sqz_unpickler *m)
{
    struct sqz_pickle *p = m->p;
    if (!sqz_unpickler_has(m, 2))
        return sqz_unpickler_damaged(m, "a call lacks its arguments");
    struct sqz_pickle_value arguments = p->values[p->stack[p->n_stack - 1]];
    struct sqz_pickle_value callee = p->values[p->stack[p->n_stack - 2]];
    bool opaque = callee.kind == SQZ_PICKLE_OPAQUE;
    if (arguments.kind != SQZ_PICKLE_TUPLE || (callee.kind != SQZ_PICKLE_GLOBAL && !opaque))
        return sqz_unpickler_damaged(m, "a call of something that is no name");
    p->n_stack -= 2;
    if (opaque)
        return push_same_type(m, &callee);
    switch (callee.number) {
    case SQZ_GLOBAL_ORDERED_DICT:
        if (arguments.n != 0)
            return sqz_unpickler_damaged(m, "an OrderedDict is made from arguments");
        return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_DICT});
    case SQZ_GLOBAL_REBUILD_TENSOR:
    case SQZ_GLOBAL_REBUILD_TENSOR_V2:
        return make_tensor(m, &arguments);
    case SQZ_GLOBAL_REBUILD_PARAMETER:
        if (arguments.n < 1 || (item(m, &arguments, 0)->kind != SQZ_PICKLE_TENSOR &&
                                item(m, &arguments, 0)->kind != SQZ_PICKLE_OPAQUE))
            return sqz_unpickler_damaged(m, "a parameter without its tensor");
        return sqz_unpickler_push_index(m, arguments.items[0]);
    default:
        return sqz_unpickler_damaged(m, "a call of a storage type");
    }
}

enum sqz_status sqz_unpickler_new_object(struct sqz_unpickler *m, uint32_t n)
{
    struct sqz_pickle *p = m->p;
    if (!sqz_unpickler_has(m, n))
        return sqz_unpickler_damaged(m, "an object lacks its class");
    struct sqz_pickle_value type = p->values[p->stack[p->n_stack - n]];
    if (type.kind != SQZ_PICKLE_OPAQUE)
        return sqz_unpickler_damaged(m, "an object of something that is no class");
    p->n_stack -= n;
    return push_same_type(m, &type);
}

// Attributes (a dict's _metadata): the state is dropped.
enum sqz_status sqz_unpickler_build(struct sqz_unpickler *m)
{
    if (!sqz_unpickler_has(m, 2))
        return sqz_unpickler_damaged(m, "attributes are missing");
    m->p->n_stack--;
    enum sqz_pickle_kind kind = sqz_unpickler_top(m)->kind;
    if (kind != SQZ_PICKLE_DICT && kind != SQZ_PICKLE_OPAQUE)
        return sqz_unpickler_damaged(m, "attributes of something that has none");
    return SQZ_OK;
}

enum sqz_status sqz_unpickler_persistent_id(struct sqz_unpickler *m)
{
    struct sqz_pickle *p = m->p;
    struct sqz_pickle_value *id = sqz_unpickler_top(m);
    struct sqz_pickle_value storage = {.kind = SQZ_PICKLE_STORAGE};
    // A storage of an element type that is not known here, or a class with its source text.
    if (id && id->kind == SQZ_PICKLE_TUPLE && id->n >= 2 &&
        item(m, id, 0)->kind == SQZ_PICKLE_TEXT && item(m, id, 1)->kind == SQZ_PICKLE_OPAQUE) {
        p->n_stack--;
        return push_same_type(m, item(m, id, 1));
    }
    if (!id || id->kind != SQZ_PICKLE_TUPLE || (id->n != 5 && id->n != 6) ||
        !sqz_pickle_is_text(item(m, id, 0), "storage") ||
        item(m, id, 1)->kind != SQZ_PICKLE_GLOBAL || item(m, id, 1)->number < SQZ_GLOBAL_STORAGE ||
        item(m, id, 2)->kind != SQZ_PICKLE_TEXT || item(m, id, 4)->kind != SQZ_PICKLE_INT)
        return sqz_unpickler_damaged(m, "a storage is not described as PyTorch does");
    if (id->n == 6 && item(m, id, 5)->kind != SQZ_PICKLE_NONE)
        return sqz_fail(m->err, SQZ_E_DATA,
                        "%s holds views of storages, as old versions of PyTorch wrote; load it in "
                        "PyTorch and save its state dict again.",
                        m->what);
    storage.n = storage.capacity = id->n;
    storage.items = sqz_new_array(id->n, sizeof *storage.items);
    if (!storage.items)
        return sqz_fail_memory(m->err, "the pickle", id->n * sizeof *storage.items);
    memcpy(storage.items, id->items, id->n * sizeof *storage.items);
    p->n_stack--;
    return sqz_unpickler_push(m, storage);
}
