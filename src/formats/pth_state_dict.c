// Where the weights are in a PyTorch checkpoint: training scripts save them beside counters,
// options and the optimizer's state, each under names of their own.
#include "formats/common.h"
#include "formats/pth.h"

#include <string.h>

// A checkpoint has a dozen entries. The bound keeps a hostile file from having one large dictionary
// looked through for each of many entries.
#define MAX_ENTRIES 256

static bool ends_with(const struct sqz_pickle_value *text, const char *end)
{
    size_t n = strlen(end);
    return text->n > n && memcmp(text->text + text->n - n, end, n) == 0;
}

bool sqz_pth_names_weight(const struct sqz_pickle_value *key)
{
    return key->kind == SQZ_PICKLE_TEXT && (ends_with(key, ".weight") || ends_with(key, ".bias"));
}

// Whether a value is a dictionary with a tensor under a text, or with some layer's weights.
static bool holds(const struct sqz_pickle *pickle, const struct sqz_pickle_value *dict,
                  bool weights)
{
    if (!dict || dict->kind != SQZ_PICKLE_DICT)
        return false;
    for (uint32_t i = 0; i + 1 < dict->n; i += 2) {
        const struct sqz_pickle_value *key = &pickle->values[dict->items[i]];
        enum sqz_pickle_kind kind = pickle->values[dict->items[i + 1]].kind;
        if (weights ? sqz_pth_names_weight(key) &&
                          (kind == SQZ_PICKLE_TENSOR || kind == SQZ_PICKLE_OPAQUE)
                    : key->kind == SQZ_PICKLE_TEXT && kind == SQZ_PICKLE_TENSOR)
            return true;
    }
    return false;
}

// An optimizer's state may have a tensor for each weight, under its name.
static bool is_optimizer(const struct sqz_pickle_value *key)
{
    return key->kind == SQZ_PICKLE_TEXT && memmem(key->text, key->n, "optim", 5) != NULL;
}

// The only entry that holds weights; *out NULL: there is none.
static enum sqz_status find_only(const struct sqz_pickle *pickle,
                                 const struct sqz_pickle_value *root, const char *path,
                                 const struct sqz_pickle_value **out, struct sqz_error *err)
{
    const struct sqz_pickle_value *first = NULL;
    *out = NULL;
    for (uint32_t i = 0; i + 1 < root->n && i < 2 * MAX_ENTRIES; i += 2) {
        const struct sqz_pickle_value *key = &pickle->values[root->items[i]];
        const struct sqz_pickle_value *value = &pickle->values[root->items[i + 1]];
        char one[64], other[64];
        if (value == *out || key->kind != SQZ_PICKLE_TEXT || is_optimizer(key) ||
            !holds(pickle, value, true))
            continue;
        if (*out)
            return sqz_fail(err, SQZ_E_DATA,
                            "%s holds weights under more than one name (%s, %s), so that it is not "
                            "known which are wanted; save those alone.",
                            path, sqz_pickle_show(first, one), sqz_pickle_show(key, other));
        first = key;
        *out = value;
    }
    return SQZ_OK;
}

static enum sqz_status fail_no_dict(const struct sqz_pickle_value *root, const char *path,
                                    struct sqz_error *err)
{
    static const char *const advice =
        "Save the weights alone: torch.save(model.state_dict(), path).";
    char type[64];
    if (root->kind == SQZ_PICKLE_OPAQUE)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s holds a Python object (%s) instead of a state dict; nothing was run. "
                        "%s",
                        path, sqz_pickle_show(root, type), advice);
    if (root->kind == SQZ_PICKLE_DICT)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s holds no weights as plain tensors, neither at its top nor one level "
                        "below it. %s",
                        path, advice);
    return sqz_fail(err, SQZ_E_DATA, "%s does not hold a state dict. %s", path, advice);
}

enum sqz_status sqz_pth_state_dict(const struct sqz_pickle *pickle, uint32_t root, const char *path,
                                   const struct sqz_pickle_value **out, struct sqz_error *err)
{
    // Names that say which of several dictionaries is the network's.
    static const char *const names[] = {"state_dict", "model_state_dict", "model", "net"};
    const struct sqz_pickle_value *top = &pickle->values[root], *found = NULL;
    if (top->kind != SQZ_PICKLE_DICT)
        return fail_no_dict(top, path, err);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
        const struct sqz_pickle_value *inner = sqz_pickle_get(pickle, top, names[i]);
        if (holds(pickle, inner, false) || holds(pickle, inner, true))
            found = inner;
    }
    if (!found && holds(pickle, top, true))
        found = top;
    if (!found) {
        enum sqz_status status = find_only(pickle, top, path, &found, err);
        if (status)
            return status;
    }
    if (!found && holds(pickle, top, false))
        found = top;
    if (!found)
        return fail_no_dict(top, path, err);
    if (found->n / 2 > SQZ_MAX_ARRAYS)
        return sqz_fail(err, SQZ_E_DATA, "%s holds more than %d arrays: that is no SqueezeNet.",
                        path, SQZ_MAX_ARRAYS);
    *out = found;
    return SQZ_OK;
}
