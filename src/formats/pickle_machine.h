// Inside the pickle machine: what its opcodes do to its stack.
#ifndef SQZ_FORMATS_PICKLE_MACHINE_H
#define SQZ_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

// A state dict of SqueezeNet has some 2,000 values. Each opcode makes at most one value, and each
// value is put into at most one tuple, list or dict for every time that it is pushed.
#define SQZ_PICKLE_VALUES (1u << 16)
#define SQZ_PICKLE_MEMO   (1u << 17)
#define SQZ_PICKLE_WORK   (1u << 20)

struct sqz_unpickler {
    struct sqz_pickle *p;
    struct sqz_cursor *in;
    const char *what; // the file, for messages
    struct sqz_error *err;
};

// Two failures: at the cursor, because of `why`; and by size.
enum sqz_status sqz_unpickler_damaged(struct sqz_unpickler *m, const char *why);
enum sqz_status sqz_unpickler_too_large(struct sqz_unpickler *m);
// Makes room for `needed` elements in the array whose address `pointer` holds; at most `limit`.
enum sqz_status sqz_unpickler_reserve(struct sqz_unpickler *m, void *pointer, uint32_t *capacity,
                                      uint32_t needed, uint32_t limit, size_t size);
enum sqz_status sqz_unpickler_push_index(struct sqz_unpickler *m, uint32_t index);
// Takes over value.items, also on failure.
enum sqz_status sqz_unpickler_push(struct sqz_unpickler *m, struct sqz_pickle_value value);
// The topmost value, NULL when there is none above the topmost mark.
struct sqz_pickle_value *sqz_unpickler_top(struct sqz_unpickler *m);
// Whether n values lie above the topmost mark.
bool sqz_unpickler_has(const struct sqz_unpickler *m, uint32_t n);
enum sqz_status sqz_unpickler_tuple(struct sqz_unpickler *m, uint32_t n);
enum sqz_status sqz_unpickler_marked_tuple(struct sqz_unpickler *m);
// APPEND(S), SETITEM(S): n values (or those above the mark) into the container below them.
enum sqz_status sqz_unpickler_fill(struct sqz_unpickler *m, enum sqz_pickle_kind kind, bool marked,
                                   uint32_t n);
// POP_MARK: drops the values above the topmost mark, and the mark.
enum sqz_status sqz_unpickler_drop_marked(struct sqz_unpickler *m);
bool sqz_pickle_equal(const uint8_t *text, size_t n, const char *other);

// pickle_objects.c: what would import or call something in Python. Here it makes dicts and tensors
// of the names that it knows, and an opaque value of any other.
enum sqz_status sqz_unpickler_global(struct sqz_unpickler *m);
enum sqz_status sqz_unpickler_stack_global(struct sqz_unpickler *m);
enum sqz_status sqz_unpickler_reduce(struct sqz_unpickler *m);
// NEWOBJ with n = 2 operands (class and arguments), NEWOBJ_EX with 3 (keywords).
enum sqz_status sqz_unpickler_new_object(struct sqz_unpickler *m, uint32_t n);
enum sqz_status sqz_unpickler_build(struct sqz_unpickler *m);
enum sqz_status sqz_unpickler_persistent_id(struct sqz_unpickler *m);
enum sqz_status sqz_unpickler_push_opaque(struct sqz_unpickler *m, const uint8_t *type, uint32_t n);

#endif
