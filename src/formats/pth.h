// Inside the reader of .pth: its two containers, and the tensors that both describe in a pickle.
#ifndef SQZ_FORMATS_PTH_H
#define SQZ_FORMATS_PTH_H

#include "formats/pickle.h"

struct zip;     // libzip's archive
struct sqz_zip; // and its functions (zip_library.h)

// One storage that some tensor has named: its bytes lie in the file (stream) or in `copy` (zip).
struct sqz_pth_storage {
    const uint8_t *key; // into the pickle
    uint32_t key_size;
    const uint8_t *data;
    uint8_t *copy;
    size_t size;
};
struct sqz_pth {
    const char *path;
    struct sqz_archive *out;
    struct sqz_pickle pickle;
    struct sqz_pth_storage *storages;
    size_t n_storages;
    size_t bytes_left; // how much the arrays may still take: many tensors can share one storage
    const struct sqz_zip *libzip;
    struct zip *zip;             // NULL: a stream, whose storages are all known
    char top[256];               // the zip's directory
    struct sqz_bytes zip_pickle; // its data.pkl, which the pickle's values point into
};

// A new storage under a key's name; *out is valid until the next one is added.
enum sqz_status sqz_pth_add_storage(struct sqz_pth *r, const struct sqz_pickle_value *key,
                                    struct sqz_pth_storage **out, struct sqz_error *err);
// Reads one stored member of the zip whole. Its size is that of bytes in the file, as only stored
// (not compressed) members are taken.
enum sqz_status sqz_pth_member(struct sqz_pth *r, const char *name, uint64_t limit,
                               struct sqz_bytes *out, struct sqz_error *err);
// Opens the zip and runs its pickle, whose result *root is. Close after success and after failure.
enum sqz_status sqz_pth_zip_open(struct sqz_pth *r, const uint8_t *data, size_t size,
                                 uint32_t *root, struct sqz_error *err);
void sqz_pth_zip_close(struct sqz_pth *r);
// pth_state_dict.c: the dictionary of weights that `root` is or holds, with at most SQZ_MAX_ARRAYS
// entries. `path` for messages.
enum sqz_status sqz_pth_state_dict(const struct sqz_pickle *pickle, uint32_t root, const char *path,
                                   const struct sqz_pickle_value **out, struct sqz_error *err);
bool sqz_pth_names_weight(const struct sqz_pickle_value *key); // "... .weight" or "... .bias"
// The tensors of that dictionary into r->out.
enum sqz_status sqz_pth_tensors(struct sqz_pth *r, uint32_t root, struct sqz_error *err);

#endif
