// A pickle machine that builds plain data and tensors' descriptions, and can run nothing.
#ifndef SQZ_FORMATS_PICKLE_H
#define SQZ_FORMATS_PICKLE_H

#include "base/file.h"
#include "formats/formats.h"

enum sqz_pickle_kind {
    SQZ_PICKLE_NONE,
    SQZ_PICKLE_MARK,
    SQZ_PICKLE_BOOL,
    SQZ_PICKLE_INT,
    SQZ_PICKLE_FLOAT,
    SQZ_PICKLE_BYTES, // bytes, or an integer of more than 64 bits, in `text`
    SQZ_PICKLE_TEXT,
    SQZ_PICKLE_TUPLE,
    SQZ_PICKLE_LIST,
    SQZ_PICKLE_DICT,    // items: key, value, key, value ...
    SQZ_PICKLE_GLOBAL,  // number: enum sqz_pickle_global
    SQZ_PICKLE_STORAGE, // items: the persistent id's tuple
    SQZ_PICKLE_TENSOR,  // items: storage, offset, sizes, strides
    SQZ_PICKLE_OPAQUE   // a Python object or type that is passed over unread; text: the type's name
};
enum sqz_pickle_global {
    SQZ_GLOBAL_ORDERED_DICT,
    SQZ_GLOBAL_REBUILD_TENSOR,
    SQZ_GLOBAL_REBUILD_TENSOR_V2,
    SQZ_GLOBAL_REBUILD_PARAMETER,
    SQZ_GLOBAL_STORAGE // + enum sqz_dtype
};
struct sqz_pickle_value {
    enum sqz_pickle_kind kind;
    int64_t number;
    const uint8_t *text;  // into the pickle; not terminated
    uint32_t n, capacity; // of text or items
    uint32_t *items;      // indices of values
};
// Values refer to each other by index and may form cycles: never walk them without a bound.
struct sqz_pickle {
    struct sqz_pickle_value *values;
    uint32_t n_values, values_capacity;
    uint32_t *stack;
    uint32_t n_stack, stack_capacity;
    uint32_t *memo; // index + 1, 0 = unset
    uint32_t memo_capacity, memo_next;
    uint32_t work; // opcodes run and items moved so far, bounded
};
void sqz_pickle_release(struct sqz_pickle *pickle);
// Runs one pickle from the cursor up to its STOP; *root is the result's index. May be called again
// for the next pickle of a stream; earlier values stay. `what` names the file in messages.
enum sqz_status sqz_pickle_run(struct sqz_pickle *pickle, const char *what,
                               struct sqz_cursor *cursor, uint32_t *root, struct sqz_error *err);
// The value of a dict's text key, NULL if it is not there.
const struct sqz_pickle_value *sqz_pickle_get(const struct sqz_pickle *pickle,
                                              const struct sqz_pickle_value *dict, const char *key);
// A text, or an opaque value's type, cut to 63 bytes and made harmless for a message.
const char *sqz_pickle_show(const struct sqz_pickle_value *value, char out[64]);
bool sqz_pickle_is_text(const struct sqz_pickle_value *value, const char *text);

#endif
