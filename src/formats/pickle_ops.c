// The pickle machine's opcodes: those of plain data, and those of objects in pickle_objects.c.
#include "base/bytes.h"
#include "base/memory.h"
#include "formats/pickle_machine.h"

#include <string.h>

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
        return push_span(m, SQZ_PICKLE_BYTES, size);
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
    case 'C':
    case 0x8c:
        return 1;
    case 'M':
        return 2;
    case 'r':
    case 'j':
    case 'X':
    case 'J':
    case 'T':
    case 'B':
    case 0x8b:
        return 4;
    case 0x95:
    case 0x8d:
    case 0x8e:
    case 0x96:
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
    case 'C':
    case 'B':
    case 0x8b: // a long integer
    case 0x8e:
    case 0x96:
        return push_span(m, SQZ_PICKLE_BYTES, argument);
    default: // the five texts
        return push_span(m, SQZ_PICKLE_TEXT, argument);
    }
}

static enum sqz_status drop_one(struct sqz_unpickler *m)
{
    if (!sqz_unpickler_has(m, 1))
        return sqz_unpickler_damaged(m, "nothing to drop");
    m->p->n_stack--;
    return SQZ_OK;
}

static enum sqz_status push_type(struct sqz_unpickler *m, const char *type)
{
    return sqz_unpickler_push_opaque(m, (const uint8_t *)type, (uint32_t)strlen(type));
}

static enum sqz_status push_frozen_set(struct sqz_unpickler *m)
{
    enum sqz_status status = sqz_unpickler_drop_marked(m);
    return status ? status : push_type(m, "frozenset");
}

// What stands only in objects beside the weights.
static enum sqz_status run_rare(struct sqz_unpickler *m, uint8_t opcode)
{
    switch (opcode) {
    case '0':
        return drop_one(m);
    case '1':
        return sqz_unpickler_drop_marked(m);
    case '2':
        return sqz_unpickler_top(m) ? sqz_unpickler_push_index(m, m->p->stack[m->p->n_stack - 1])
                                    : sqz_unpickler_damaged(m, "nothing to double");
    case 0x8f:
        return push_type(m, "set");
    case 0x90:
        return sqz_unpickler_fill(m, SQZ_PICKLE_OPAQUE, true, 0);
    case 0x91:
        return push_frozen_set(m);
    default:
        return sqz_fail(m->err, SQZ_E_DATA,
                        "The pickle in %s uses the opcode 0x%02x at byte %zu, which no state dict "
                        "needs.",
                        m->what, opcode, m->in->at - 1);
    }
}

static enum sqz_status run_plain(struct sqz_unpickler *m, uint8_t opcode)
{
    switch (opcode) {
    case 'c':
        return sqz_unpickler_global(m);
    case 0x93:
        return sqz_unpickler_stack_global(m);
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
        return sqz_unpickler_reduce(m);
    case 0x81:
        return sqz_unpickler_new_object(m, 2);
    case 0x92:
        return sqz_unpickler_new_object(m, 3);
    case 'b':
        return sqz_unpickler_build(m);
    case 'Q':
        return sqz_unpickler_persistent_id(m);
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
        return run_rare(m, opcode);
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
