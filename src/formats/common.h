// What the format files share among themselves: the registry's entries, names, element types.
#ifndef SQZ_FORMATS_COMMON_H
#define SQZ_FORMATS_COMMON_H

#include "base/memory.h"
#include "base/words.h"
#include "formats/formats.h"

// A SqueezeNet file is 5 MB and a training state a few times that; more is a mistake or an attack.
#define SQZ_FILE_LIMIT ((size_t)1 << 30)
// Arrays of one file. Look-ups are linear, so this bounds their cost, too.
#define SQZ_MAX_ARRAYS 4096
#define SQZ_MAX_NAME   255
#define SQZ_MAX_RANK   4

extern const struct sqz_format sqz_format_safetensors, sqz_format_ckpt, sqz_format_pth,
    sqz_format_ncnn, sqz_format_net, sqz_format_sqz;

// Whose file this is, by content; *front: what its `front` says, 0 if it has none.
enum sqz_status sqz_format_probe(const char *path, const struct sqz_format **out, size_t *front,
                                 struct sqz_error *err);

// Appends the suffixes of the formats, with commas between them.
void sqz_format_list(struct sqz_text *text, bool writable);

uint32_t sqz_crc32(const void *data, size_t size);
// Bytes of an array; false when the product overflows.
bool sqz_array_bytes(enum sqz_dtype dtype, int rank, const size_t *shape, size_t *bytes);
// An element type's index in a format's table of names, -1 if none.
int sqz_dtype_by_name(const char *const *names, const char *name);

// Names reach terminals and logs in messages: not empty, at most SQZ_MAX_NAME bytes, no control
// characters. Readers ask before they name an array in a message.
bool sqz_name_is_clean(const char *name);
// The sentence for a name that is not.
enum sqz_status sqz_fail_name(struct sqz_error *err, const char *path, size_t index);
// Checks an array's name and shape and appends the array; *out is valid until the next array is
// added. It borrows `data`, a place in the file's bytes, or with NULL owns zeroed memory. The size
// is for the caller to compare with what its file holds, before this.
enum sqz_status sqz_archive_put(struct sqz_archive *archive, const char *path, const char *name,
                                enum sqz_dtype dtype, int rank, const size_t *shape, void *data,
                                struct sqz_array **out, struct sqz_error *err);

float sqz_float_from_half(uint16_t bits);
// count = number of elements of `out`; false for integer types.
bool sqz_array_to_floats(const struct sqz_array *array, float *out);

// The 26 convolutions of a plain SqueezeNet in storage order: the first, then squeeze, expand1x1
// and expand3x3 of fire2..fire9, then the last.
#define SQZ_N_CONVS 26
enum sqz_naming { SQZ_NAMING_MINDCV, SQZ_NAMING_CAFFE, SQZ_NAMING_DEEP_COMPRESSION };
// version 0 or 1 for squeezenet1_0, 1_1 (only MindCV's names depend on it); out holds 48 bytes.
void sqz_conv_name(enum sqz_naming naming, int version, int conv, char *out);

// Exposed for ncnn's tests: both files' bytes, `path` for messages.
enum sqz_status sqz_ncnn_decode(const char *path, const uint8_t *param, size_t param_size,
                                const uint8_t *bin, size_t bin_size, struct sqz_archive *out,
                                struct sqz_error *err);

// metadata.c: the model's side of the metadata, as JSON texts.
enum sqz_status sqz_metadata_add(const struct sqz_model *model, struct sqz_archive *archive,
                                 struct sqz_error *err);
// true and *out filled when the archive has it. `path` for messages.
enum sqz_status sqz_metadata_preprocess(const struct sqz_archive *archive, const char *path,
                                        bool *found, struct sqz_preprocess *out,
                                        struct sqz_error *err);
enum sqz_status sqz_metadata_classes(const struct sqz_archive *archive, const char *path,
                                     struct sqz_model *model, struct sqz_error *err);
// Fills the model's threshold for "unknown" and its temperature, if the archive has them.
enum sqz_status sqz_metadata_calibration(const struct sqz_archive *archive, const char *path,
                                         struct sqz_model *model, struct sqz_error *err);
enum sqz_status sqz_metadata_number(const struct sqz_archive *archive, const char *path,
                                    const char *key, double low, double high, double fallback,
                                    double *out, struct sqz_error *err);

// deduce.c: which network's weights an archive holds.
struct sqz_deduced {
    const struct sqz_variant *variant;
    enum sqz_stem stem;
    enum sqz_naming naming;
    int classes, channels;
};
// `variant` NULL: tried one after the other.
enum sqz_status sqz_deduce(const struct sqz_archive *archive, const char *path,
                           const struct sqz_variant *variant, struct sqz_deduced *out,
                           struct sqz_error *err);
// The array of a parameter under its own or a foreign name; NULL if there is none.
const struct sqz_array *sqz_find_parameter(const struct sqz_archive *archive,
                                           const struct sqz_param *param, enum sqz_naming naming,
                                           int version);
// An array that is neither a parameter of the net nor training state; NULL if there is none.
const struct sqz_array *sqz_find_surplus(const struct sqz_archive *archive,
                                         const struct sqz_net *net, enum sqz_naming naming,
                                         int version);
bool sqz_array_fits(const struct sqz_array *array, const struct sqz_param *param);

// model.c: the model without its weights, and the array of each parameter, their shapes checked;
// *arrays is the caller's to free. No array's data is looked at.
enum sqz_status sqz_model_outline(const struct sqz_archive *archive, const char *path,
                                  const char *dialect, const char *format_dialect, int image_size,
                                  struct sqz_model **out, const struct sqz_array ***arrays,
                                  struct sqz_error *err);
size_t sqz_find_not_finite(const float *values, size_t n); // its index, or n
enum sqz_status sqz_fail_not_finite(struct sqz_error *err, const char *path, const char *name,
                                    size_t element);

#endif
