// The pickle machine's memory: values, stack, containers, all bounded; and looking at the result.
#include "base/memory.h"
#include "formats/pickle_machine.h"

#include <string.h>

void sqz_pickle_release(struct sqz_pickle *pickle)
{
    for (uint32_t i = 0; i < pickle->n_values; i++)
        sqz_free(pickle->values[i].items);
    sqz_free(pickle->values);
    sqz_free(pickle->stack);
    sqz_free(pickle->memo);
    memset(pickle, 0, sizeof *pickle);
}

enum sqz_status sqz_unpickler_damaged(struct sqz_unpickler *m, const char *why)
{
    return sqz_fail(m->err, SQZ_E_DATA, "The pickle in %s is damaged: %s at byte %zu.", m->what,
                    why, m->in->at);
}

enum sqz_status sqz_unpickler_too_large(struct sqz_unpickler *m)
{
    return sqz_fail(m->err, SQZ_E_DATA,
                    "The pickle in %s is too large for a SqueezeNet's state dict.", m->what);
}

// Makes room for `needed` elements, at most `limit`.
enum sqz_status sqz_unpickler_reserve(struct sqz_unpickler *m, void *pointer, uint32_t *capacity,
                                      uint32_t needed, uint32_t limit, size_t size)
{
    void *old;
    if (needed <= *capacity)
        return SQZ_OK;
    if (needed > limit)
        return sqz_unpickler_too_large(m);
    uint32_t wanted = *capacity ? *capacity : 16;
    while (wanted < needed)
        wanted *= 2;
    memcpy(&old, pointer, sizeof old);
    void *grown = sqz_grow_array(old, *capacity, wanted, size);
    if (!grown)
        return sqz_fail_memory(m->err, "the pickle", wanted * size);
    memcpy(pointer, &grown, sizeof grown);
    *capacity = wanted;
    return SQZ_OK;
}

enum sqz_status sqz_unpickler_push_index(struct sqz_unpickler *m, uint32_t index)
{
    struct sqz_pickle *p = m->p;
    enum sqz_status status = sqz_unpickler_reserve(m, &p->stack, &p->stack_capacity, p->n_stack + 1,
                                                   2 * SQZ_PICKLE_VALUES, sizeof *p->stack);
    if (!status)
        p->stack[p->n_stack++] = index;
    return status;
}

// Takes over value.items, also on failure.
enum sqz_status sqz_unpickler_push(struct sqz_unpickler *m, struct sqz_pickle_value value)
{
    struct sqz_pickle *p = m->p;
    enum sqz_status status = sqz_unpickler_reserve(
        m, &p->values, &p->values_capacity, p->n_values + 1, SQZ_PICKLE_VALUES, sizeof *p->values);
    if (status) {
        sqz_free(value.items);
        return status;
    }
    p->values[p->n_values] = value;
    return sqz_unpickler_push_index(m, p->n_values++);
}

struct sqz_pickle_value *sqz_unpickler_top(struct sqz_unpickler *m)
{
    if (m->p->n_stack == 0)
        return NULL;
    struct sqz_pickle_value *value = &m->p->values[m->p->stack[m->p->n_stack - 1]];
    return value->kind == SQZ_PICKLE_MARK ? NULL : value;
}

// Number of values above the topmost mark; false without a mark.
static bool above_mark(const struct sqz_unpickler *m, uint32_t *n)
{
    const struct sqz_pickle *p = m->p;
    for (uint32_t i = 0; i < p->n_stack; i++)
        if (p->values[p->stack[p->n_stack - 1 - i]].kind == SQZ_PICKLE_MARK) {
            *n = i;
            return true;
        }
    return false;
}

// Appends the n topmost values to the items of a container, and pops them.
static enum sqz_status move_items(struct sqz_unpickler *m, struct sqz_pickle_value *to, uint32_t n)
{
    struct sqz_pickle *p = m->p;
    if (n > SQZ_PICKLE_WORK - p->work)
        return sqz_unpickler_too_large(m);
    p->work += n;
    enum sqz_status status = sqz_unpickler_reserve(m, &to->items, &to->capacity, to->n + n,
                                                   2 * SQZ_PICKLE_VALUES, sizeof *to->items);
    if (status)
        return status;
    p->n_stack -= n;
    if (n)
        memcpy(to->items + to->n, p->stack + p->n_stack, n * sizeof *to->items);
    to->n += n;
    return SQZ_OK;
}

bool sqz_unpickler_has(const struct sqz_unpickler *m, uint32_t n)
{
    const struct sqz_pickle *p = m->p;
    if (p->n_stack < n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (p->values[p->stack[p->n_stack - 1 - i]].kind == SQZ_PICKLE_MARK)
            return false;
    return true;
}

enum sqz_status sqz_unpickler_tuple(struct sqz_unpickler *m, uint32_t n)
{
    struct sqz_pickle_value tuple = {.kind = SQZ_PICKLE_TUPLE};
    if (!sqz_unpickler_has(m, n))
        return sqz_unpickler_damaged(m, "a tuple lacks its items");
    enum sqz_status status = move_items(m, &tuple, n);
    return status ? status : sqz_unpickler_push(m, tuple);
}

enum sqz_status sqz_unpickler_marked_tuple(struct sqz_unpickler *m)
{
    struct sqz_pickle_value tuple = {.kind = SQZ_PICKLE_TUPLE};
    uint32_t n;
    if (!above_mark(m, &n))
        return sqz_unpickler_damaged(m, "a tuple has no begin");
    enum sqz_status status = move_items(m, &tuple, n);
    m->p->n_stack--;
    return status ? status : sqz_unpickler_push(m, tuple);
}

// APPEND(S), SETITEM(S): n values (or those above the mark) into the container below them.
enum sqz_status sqz_unpickler_fill(struct sqz_unpickler *m, enum sqz_pickle_kind kind, bool marked,
                                   uint32_t n)
{
    if (marked && !above_mark(m, &n))
        return sqz_unpickler_damaged(m, "items have no begin");
    uint32_t below = n + (marked ? 1 : 0);
    if (!marked && !sqz_unpickler_has(m, n))
        return sqz_unpickler_damaged(m, "an item is missing");
    if (m->p->n_stack <= below)
        return sqz_unpickler_damaged(m, "a container is missing");
    struct sqz_pickle_value *to = &m->p->values[m->p->stack[m->p->n_stack - 1 - below]];
    if (to->kind == SQZ_PICKLE_OPAQUE) {
        m->p->n_stack -= below;
        return SQZ_OK;
    }
    if (to->kind != kind || (kind == SQZ_PICKLE_DICT && n % 2))
        return sqz_unpickler_damaged(m, "items do not fit their container");
    enum sqz_status status = move_items(m, to, n);
    if (!status && marked)
        m->p->n_stack--;
    return status;
}

enum sqz_status sqz_unpickler_drop_marked(struct sqz_unpickler *m)
{
    uint32_t n;
    if (!above_mark(m, &n))
        return sqz_unpickler_damaged(m, "items have no begin");
    m->p->n_stack -= n + 1;
    return SQZ_OK;
}

// --- Looking at the result ---

const char *sqz_pickle_show(const struct sqz_pickle_value *value, char out[64])
{
    size_t kept = value->n < 63 ? value->n : 63;
    for (size_t i = 0; i < kept; i++)
        out[i] = value->text[i] >= 0x20 && value->text[i] < 0x7f ? (char)value->text[i] : '?';
    out[kept] = 0;
    return out;
}

bool sqz_pickle_equal(const uint8_t *text, size_t n, const char *other)
{
    return strlen(other) == n && memcmp(text, other, n) == 0;
}

bool sqz_pickle_is_text(const struct sqz_pickle_value *value, const char *text)
{
    return value->kind == SQZ_PICKLE_TEXT && sqz_pickle_equal(value->text, value->n, text);
}

const struct sqz_pickle_value *sqz_pickle_get(const struct sqz_pickle *pickle,
                                              const struct sqz_pickle_value *dict, const char *key)
{
    for (uint32_t i = 0; i + 1 < dict->n; i += 2)
        if (sqz_pickle_is_text(&pickle->values[dict->items[i]], key))
            return &pickle->values[dict->items[i + 1]];
    return NULL;
}
