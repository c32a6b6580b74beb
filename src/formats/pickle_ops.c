// The pickle machine's opcodes: those of a state dict, and a fixed list of
// names. Nothing is imported or called: REDUCE only rearranges values.
#include "base/bytes.h"
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

// A piece of a hostile name made harmless for a message.
static const char *printable(const uint8_t *text, size_t n, char out[64])
{
    size_t kept = n < 63 ? n : 63;
    for (size_t i = 0; i < kept; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?';
    out[kept] = 0;
    return out;
}

static enum sqz_status push_global(struct sqz_unpickler *m, const uint8_t *module,
                                   size_t module_size, const uint8_t *name, size_t name_size)
{
    char shown_module[64], shown_name[64];
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (sqz_pickle_equal(module, module_size, globals[i].module) &&
            sqz_pickle_equal(name, name_size, globals[i].name))
            return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_GLOBAL,
                                                                   .number = globals[i].number});
    return sqz_fail(m->err, SQZ_E_DATA,
                    "%s asks for the Python object %s.%s, which no plain state dict needs; nothing "
                    "was run. Save the weights alone: torch.save(model.state_dict(), path).",
                    m->what, printable(module, module_size, shown_module),
                    printable(name, name_size, shown_name));
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

static enum sqz_status run_global(struct sqz_unpickler *m)
{
    const uint8_t *module, *name;
    size_t module_size, name_size;
    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size))
        return sqz_unpickler_damaged(m, "a name does not end");
    return push_global(m, module, module_size, name, name_size);
}

static enum sqz_status run_stack_global(struct sqz_unpickler *m)
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

static enum sqz_status make_tensor(struct sqz_unpickler *m,
                                   const struct sqz_pickle_value *arguments)
{
    struct sqz_pickle_value tensor = {.kind = SQZ_PICKLE_TENSOR};
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

static enum sqz_status run_reduce(struct sqz_unpickler *m)
{
    struct sqz_pickle *p = m->p;
    if (!sqz_unpickler_has(m, 2))
        return sqz_unpickler_damaged(m, "a call lacks its arguments");
    struct sqz_pickle_value arguments = p->values[p->stack[p->n_stack - 1]];
    struct sqz_pickle_value callee = p->values[p->stack[p->n_stack - 2]];
    if (arguments.kind != SQZ_PICKLE_TUPLE || callee.kind != SQZ_PICKLE_GLOBAL)
        return sqz_unpickler_damaged(m, "a call of something that is no name");
    p->n_stack -= 2;
    switch (callee.number) {
    case SQZ_GLOBAL_ORDERED_DICT:
        if (arguments.n != 0)
            return sqz_unpickler_damaged(m, "an OrderedDict is made from arguments");
        return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_DICT});
    case SQZ_GLOBAL_REBUILD_TENSOR:
    case SQZ_GLOBAL_REBUILD_TENSOR_V2:
        return make_tensor(m, &arguments);
    case SQZ_GLOBAL_REBUILD_PARAMETER:
        if (arguments.n < 1 || item(m, &arguments, 0)->kind != SQZ_PICKLE_TENSOR)
            return sqz_unpickler_damaged(m, "a parameter without its tensor");
        return sqz_unpickler_push_index(m, arguments.items[0]);
    default:
        return sqz_unpickler_damaged(m, "a call of a storage type");
    }
}

// Attributes (a dict's _metadata): the state is dropped.
static enum sqz_status run_build(struct sqz_unpickler *m)
{
    if (!sqz_unpickler_has(m, 2))
        return sqz_unpickler_damaged(m, "attributes are missing");
    m->p->n_stack--;
    if (sqz_unpickler_top(m)->kind != SQZ_PICKLE_DICT)
        return sqz_unpickler_damaged(m, "attributes of something that is no dict");
    return SQZ_OK;
}

static enum sqz_status run_persistent_id(struct sqz_unpickler *m)
{
    struct sqz_pickle *p = m->p;
    struct sqz_pickle_value *id = sqz_unpickler_top(m);
    struct sqz_pickle_value storage = {.kind = SQZ_PICKLE_STORAGE};
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

// --- Memo, numbers and texts ---

static enum sqz_status put_memo(struct sqz_unpickler *m, uint32_t slot)
{
    struct sqz_pickle *p = m->p;
    if (!sqz_unpickler_top(m))
        return sqz_unpickler_damaged(m, "nothing to remember");
    if (slot >= SQZ_PICKLE_MEMO)
        return sqz_unpickler_damaged(m, "an impossible memo index");
    enum sqz_status status = sqz_unpickler_reserve(m, &p->memo, &p->memo_capacity, slot + 1,
                                                   SQZ_PICKLE_MEMO, sizeof *p->memo);
    if (!status)
        p->memo[slot] = p->stack[p->n_stack - 1] + 1;
    return status;
}

static enum sqz_status get_memo(struct sqz_unpickler *m, uint32_t slot)
{
    if (slot >= m->p->memo_capacity || m->p->memo[slot] == 0)
        return sqz_unpickler_damaged(m, "a memo entry that was never made");
    return sqz_unpickler_push_index(m, m->p->memo[slot] - 1);
}

static enum sqz_status push_number(struct sqz_unpickler *m, enum sqz_pickle_kind kind,
                                   int64_t number)
{
    return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = kind, .number = number});
}

static enum sqz_status push_span(struct sqz_unpickler *m, enum sqz_pickle_kind kind, uint64_t size)
{
    const uint8_t *span;
    if (size > UINT32_MAX || !sqz_take_span(m->in, (size_t)size, &span))
        return sqz_unpickler_damaged(m, "a text is cut off");
    return sqz_unpickler_push(
        m, (struct sqz_pickle_value){.kind = kind, .text = span, .n = (uint32_t)size});
}

static enum sqz_status push_long(struct sqz_unpickler *m, uint8_t size)
{
    const uint8_t *span;
    if (size > 8)
        return push_span(m, SQZ_PICKLE_BIG_INT, size);
    if (!sqz_take_span(m->in, size, &span))
        return sqz_unpickler_damaged(m, "a number is cut off");
    uint64_t number = sqz_get_le(span, size);
    if (size > 0 && size < 8 && span[size - 1] & 0x80) // two's complement, as short as it can be
        number |= UINT64_MAX << 8 * size;
    return push_number(m, SQZ_PICKLE_INT, (int64_t)number);
}

static enum sqz_status push_double(struct sqz_unpickler *m)
{
    const uint8_t *span;
    if (!sqz_take_span(m->in, 8, &span))
        return sqz_unpickler_damaged(m, "a number is cut off");
    return sqz_unpickler_push(m, (struct sqz_pickle_value){.kind = SQZ_PICKLE_FLOAT});
}

// Opcodes whose argument is a number of 1, 2, 4 or 8 bytes, by that size.
static int argument_size(uint8_t opcode)
{
    switch (opcode) {
    case 0x80:
    case 'q':
    case 'h':
    case 'K':
    case 0x8a:
    case 'U':
    case 0x8c:
        return 1;
    case 'M':
        return 2;
    case 'r':
    case 'j':
    case 'X':
    case 'J':
    case 'T':
        return 4;
    case 0x95:
        return 8;
    default:
        return 0;
    }
}

static bool take_argument(struct sqz_unpickler *m, int size, uint64_t *out)
{
    const uint8_t *span;
    if (!sqz_take_span(m->in, (size_t)size, &span))
        return false;
    *out = sqz_get_le(span, size);
    return true;
}

static enum sqz_status run_with_argument(struct sqz_unpickler *m, uint8_t opcode, uint64_t argument)
{
    switch (opcode) {
    case 0x80: // PROTO
        return argument <= 5 ? SQZ_OK : sqz_unpickler_damaged(m, "an unknown pickle protocol");
    case 0x95: // FRAME: its length is of use for buffering only
        return SQZ_OK;
    case 'q':
    case 'r':
        return put_memo(m, (uint32_t)argument);
    case 'h':
    case 'j':
        return get_memo(m, (uint32_t)argument);
    case 'K':
    case 'M':
        return push_number(m, SQZ_PICKLE_INT, (int64_t)argument);
    case 'J':
        return push_number(m, SQZ_PICKLE_INT, (int32_t)(uint32_t)argument);
    case 0x8a:
        return push_long(m, (uint8_t)argument);
    default: // the four texts
        return push_span(m, SQZ_PICKLE_TEXT, argument);
    }
}

static enum sqz_status run_plain(struct sqz_unpickler *m, uint8_t opcode)
{
    switch (opcode) {
    case 'c':
        return run_global(m);
    case 0x93:
        return run_stack_global(m);
    case '(':
        return push_number(m, SQZ_PICKLE_MARK, 0);
    case ')':
        return sqz_unpickler_tuple(m, 0);
    case 0x85:
    case 0x86:
    case 0x87:
        return sqz_unpickler_tuple(m, opcode - 0x84u);
    case 't':
        return sqz_unpickler_marked_tuple(m);
    case '}':
        return push_number(m, SQZ_PICKLE_DICT, 0);
    case ']':
        return push_number(m, SQZ_PICKLE_LIST, 0);
    case 's':
        return sqz_unpickler_fill(m, SQZ_PICKLE_DICT, false, 2);
    case 'u':
        return sqz_unpickler_fill(m, SQZ_PICKLE_DICT, true, 0);
    case 'a':
        return sqz_unpickler_fill(m, SQZ_PICKLE_LIST, false, 1);
    case 'e':
        return sqz_unpickler_fill(m, SQZ_PICKLE_LIST, true, 0);
    case 'R':
        return run_reduce(m);
    case 'b':
        return run_build(m);
    case 'Q':
        return run_persistent_id(m);
    case 'N':
        return push_number(m, SQZ_PICKLE_NONE, 0);
    case 0x88:
    case 0x89:
        return push_number(m, SQZ_PICKLE_BOOL, opcode == 0x88);
    case 'G':
        return push_double(m);
    case 0x94:
        return put_memo(m, m->p->memo_next++);
    default:
        return sqz_fail(m->err, SQZ_E_DATA,
                        "The pickle in %s uses the opcode 0x%02x at byte %zu, which no state dict "
                        "needs.",
                        m->what, opcode, m->in->at - 1);
    }
}

enum sqz_status sqz_pickle_run(struct sqz_pickle *pickle, const char *what,
                               struct sqz_cursor *cursor, uint32_t *root, struct sqz_error *err)
{
    struct sqz_unpickler m = {pickle, cursor, what, err};
    uint8_t opcode;
    uint64_t argument = 0;
    pickle->n_stack = 0;
    pickle->memo_next = 0;
    if (pickle->memo)
        memset(pickle->memo, 0, pickle->memo_capacity * sizeof *pickle->memo);
    for (;;) {
        if (pickle->work++ >= SQZ_PICKLE_WORK)
            return sqz_unpickler_too_large(&m);
        if (!sqz_take_u8(cursor, &opcode))
            return sqz_unpickler_damaged(&m, "it does not end");
        if (opcode == '.')
            break;
        int size = argument_size(opcode);
        if (size && !take_argument(&m, size, &argument))
            return sqz_unpickler_damaged(&m, "it is cut off");
        enum sqz_status status =
            size ? run_with_argument(&m, opcode, argument) : run_plain(&m, opcode);
        if (status)
            return status;
    }
    if (!sqz_unpickler_top(&m))
        return sqz_unpickler_damaged(&m, "it has no result");
    *root = pickle->stack[pickle->n_stack - 1];
    return SQZ_OK;
}
