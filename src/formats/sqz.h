// What the compressed formats share: .sqz files with their checks made, and patches (patch.c).
#ifndef SQZ_FORMATS_SQZ_H
#define SQZ_FORMATS_SQZ_H

#include "compress/encoder.h"
#include "formats/formats.h"

// Checks header and trailer of a file in memory, which *out then points into.
enum sqz_status sqz_packed_check(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_packed *out, struct sqz_error *err);
// Decodes the next tensor; its name is packed->name.
enum sqz_status sqz_packed_take(const char *path, struct sqz_packed *packed, struct sqz_coded *out,
                                struct sqz_error *err);
// A file's texts and, instead of decoded tensors, how each lies in it: tensors[SQZ_PACKED_TENSORS].
// The arrays of *out have names and shapes; what they borrow are payloads, not floats.
enum sqz_status sqz_packed_list(const char *path, const uint8_t *data, size_t size,
                                struct sqz_archive *out, struct sqz_packed_tensor *tensors,
                                struct sqz_error *err);
// A whole file from float32 arrays, without any loss. HUFFMAN: where codebooks allow it.
enum sqz_status sqz_archive_to_sqz(const struct sqz_archive *archive, enum sqz_coder coder,
                                   struct sqz_bytes *out, struct sqz_error *err);

// Bytes of the .sqz file of a model, its class names left out.
enum sqz_status sqz_model_packed_size(const struct sqz_model *model, size_t *bytes,
                                      struct sqz_error *err);

// A .sqz file taken apart.
struct sqz_contents {
    size_t n, n_texts;
    struct sqz_coded *coded;
    char **names;                     // n
    struct sqz_key_value *texts;      // owned strings
    uint8_t identity[32], digest[32]; // of the decoded tensors; of the file (its trailer)
};
enum sqz_status sqz_contents_read(const char *path, const uint8_t *data, size_t size,
                                  struct sqz_contents *out, struct sqz_error *err);
enum sqz_status sqz_contents_open(const char *path, struct sqz_contents *out,
                                  struct sqz_error *err);
void sqz_contents_release(struct sqz_contents *contents);
enum sqz_status sqz_contents_write(const struct sqz_contents *contents, struct sqz_bytes *out,
                                   struct sqz_error *err);

// --- Patches (docs/sqz-format.md, "Patches"; patch.c, patch_apply.c) ---

// What changes in a tensor: nothing; its step; some codes; both; all of it.
enum sqz_patch_mode {
    SQZ_PATCH_SAME,
    SQZ_PATCH_STEP,
    SQZ_PATCH_CODES,
    SQZ_PATCH_STEP_AND_CODES,
    SQZ_PATCH_REPLACED,
    SQZ_PATCH_MODES
};
#define SQZ_PATCH_HEADER 104

struct sqz_patch_report {
    size_t tensors[SQZ_PATCH_MODES]; // how many of each mode
    uint64_t codes, moved;           // of tensors with codes: all, and those that differ
    double deviation;                // largest distance of a value from its new code, in steps
};
// What to do to `old` to make it `new` (an archive: its values on old's grid; texts that it does
// not have stay). Tensors have to have the same names and shapes.
enum sqz_status sqz_patch_make(const struct sqz_contents *old, const struct sqz_archive *new,
                               struct sqz_bytes *out, struct sqz_patch_report *report,
                               struct sqz_error *err);
// The patched file, verified: *out is the file whose digest the patch names. `path` is the patch's,
// for messages. SQZ_E_DATA when `old` is not the base that the patch was made for.
enum sqz_status sqz_patch_apply(const char *path, const uint8_t *patch, size_t size,
                                const struct sqz_contents *old, struct sqz_bytes *out,
                                struct sqz_error *err);

#endif
