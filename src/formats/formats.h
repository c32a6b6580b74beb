// Model files: one registry of formats, each in a file of its own.
#ifndef SQZ_FORMATS_FORMATS_H
#define SQZ_FORMATS_FORMATS_H

#include "base/file.h"
#include "formats/unknown.h"
#include "net/integer.h"
#include "net/engine.h"
#include "net/net.h"

// A network, its weights, and everything needed to use it on an image.
struct sqz_model {
    struct sqz_net *net;
    float *weights; // net->n_weights, HWIO
    struct sqz_preprocess preprocess;
    char **classes; // net->spec.classes directory names, or NULL if unknown
    char **labels;  // readable names, or NULL (then the directory names serve)
    // What an integer engine runs; NULL: the model has none. The weights above are what it stands
    // for: whoever changes them drops it with sqz_model_drop_integers.
    struct sqz_integer_net *integer;
    struct sqz_engine_cache *engines; // what the engines that run this model share
    struct sqz_unknown unknown;       // when it answers "unknown"
    double temperature; // that calibration has folded into the last convolution; 0: none
    char *made_by;      // what made the file ("squeezenet 0.2.0, converted from ncnn")
};
void sqz_model_free(struct sqz_model *model);
void sqz_model_drop_integers(struct sqz_model *model);
// *out owns its new net and (zeroed) weights; preprocess from the dialect.
enum sqz_status sqz_model_create(const struct sqz_net_spec *spec, struct sqz_model **out,
                                 struct sqz_error *err);
// Replaces class names by those of a text file, one class a line in index order: directory name,
// TAB, label; without a TAB, a first word that is a wnid (n and 8 digits) is the directory name,
// and otherwise the whole line is: of equal ones, the later get their class's number as directory
// name. NULL path clears.
enum sqz_status sqz_model_read_classes(struct sqz_model *model, const char *path,
                                       struct sqz_error *err);
// net->spec.classes texts each; labels may be NULL. Empty or equal directory names and text that is
// not UTF-8 are errors. directories NULL clears.
enum sqz_status sqz_model_set_classes(struct sqz_model *model, const char *const *dirs,
                                      const char *const *labels, struct sqz_error *err);

// A bag of named arrays, as the files hold them (weights OIHW): what the readers produce and the
// writers take. The training state (optimizer, counters, history) travels in it, too.
enum sqz_dtype {
    SQZ_F32,
    SQZ_F16,
    SQZ_BF16,
    SQZ_F64,
    SQZ_I8,
    SQZ_U8,
    SQZ_I16,
    SQZ_U16,
    SQZ_I32,
    SQZ_U32,
    SQZ_I64,
    SQZ_U64,
    SQZ_BOOL
};
size_t sqz_dtype_size(enum sqz_dtype dtype);
struct sqz_array {
    char *name;
    enum sqz_dtype dtype;
    int rank; // 0..4
    size_t shape[4];
    void *data;    // C order, little-endian, aligned to the element
    bool borrowed; // `data` lies in the archive's file; else the array owns it
    size_t size;   // bytes
};
struct sqz_archive {
    struct sqz_bytes file; // what borrowed arrays lie in, or nothing
    struct sqz_array *arrays;
    size_t n_arrays;
    struct sqz_metadata {
        char *key, *value;
    } * metadata; // text values
    size_t n_metadata;
};
void sqz_archive_release(struct sqz_archive *archive);
// Adds an array with a copy of the data (data NULL: zeroed); valid until the next one is added.
// NULL when out of memory or when rank or shape are impossible.
struct sqz_array *sqz_archive_add(struct sqz_archive *archive, const char *name,
                                  enum sqz_dtype dtype, int rank, const size_t *shape,
                                  const void *data);
const struct sqz_array *sqz_archive_find(const struct sqz_archive *archive, const char *name);
enum sqz_status sqz_archive_set(struct sqz_archive *archive, const char *key, const char *value);
const char *sqz_archive_get(const struct sqz_archive *archive, const char *key); // NULL if none

struct sqz_format {
    const char *name;    // "safetensors", "ckpt", "pth", "ncnn", "net"
    const char *suffix;  // ".safetensors"
    const char *dialect; // usual dialect of bare weights
    const char *summary; // for the help
    bool pair;           // a model is two files, which `read` finds by path
    bool (*probe)(const char *path, const uint8_t *head, size_t size);
    // `path` is for messages and for sibling files (ncnn's pair). Readers check every count against
    // the file's size before they allocate. Arrays may borrow from `data`. Names come out as
    // MindCV's (features.0.weight, ...), arrays OIHW, conv1's channel order as in the file.
    enum sqz_status (*read)(const char *path, const uint8_t *data, size_t size,
                            struct sqz_archive *out, struct sqz_error *err);
    // Bytes at the front of a file, which begins with head, without which `read` cannot do; the
    // arrays that borrow lie after them. NULL: all.
    size_t (*front)(const uint8_t *head);
    // NULL: cannot be written.
    enum sqz_status (*write)(const struct sqz_archive *archive, struct sqz_bytes *out,
                             struct sqz_error *err);
};
const struct sqz_format *sqz_format_at(int index); // NULL past the end
const struct sqz_format *sqz_format_find(const char *name);
const struct sqz_format *sqz_format_for_path(const char *path); // by suffix

// A training run's files that hold weights.
#define SQZ_LAST_CHECKPOINT "last.safetensors"
#define SQZ_BEST_CHECKPOINT "best.safetensors"
// The file that `path` means where weights are wanted: a run directory stands for its best
// checkpoint, else its last. SQZ_E_DATA for a directory with neither. *out: free with sqz_free.
enum sqz_status sqz_weights_path(const char *path, char **out, struct sqz_error *err);

// Any file by content; a run directory as sqz_weights_path has it.
enum sqz_status sqz_archive_read(const char *path, struct sqz_archive *out,
                                 const struct sqz_format **format, struct sqz_error *err);
// The same from bytes in memory, which are copied; `name` is for messages.
enum sqz_status sqz_archive_parse(const void *data, size_t size, const char *name,
                                  struct sqz_archive *out, const struct sqz_format **format,
                                  struct sqz_error *err);
// format NULL: by the path's suffix. SQZ_E_USAGE names the writable suffixes. Before the file takes
// its place it is read back and compared: an older file is never replaced by one that cannot be
// used (SQZ_E_IO).
enum sqz_status sqz_archive_write(const char *path, const struct sqz_format *format,
                                  const struct sqz_archive *archive, enum sqz_overwrite overwrite,
                                  struct sqz_error *err);

// Model <-> archive. Variant, classes and channels come from the metadata, or are deduced from
// names and shapes; `dialect` NULL = from the metadata, else the format's usual one. image_size 0 =
// from the metadata or the dialect. Missing, surplus or misshapen arrays and non-finite values are
// errors; optimizer state and EMA copies are ignored.
enum sqz_status sqz_model_from_archive(const struct sqz_archive *archive, const char *path,
                                       const char *dialect, const char *format_dialect,
                                       int image_size, struct sqz_model **out,
                                       struct sqz_error *err);
// SQZ_E_DIVERGED when a weight is not finite: such a model is never saved.
enum sqz_status sqz_model_to_archive(const struct sqz_model *model, struct sqz_archive *out,
                                     struct sqz_error *err);
enum sqz_status sqz_model_read(const char *path, const char *dialect, int image_size,
                               struct sqz_model **out, struct sqz_error *err);
// The same from bytes in memory, see sqz_archive_parse.
enum sqz_status sqz_model_parse(const void *data, size_t size, const char *name,
                                const char *dialect, int image_size, struct sqz_model **out,
                                struct sqz_error *err);
enum sqz_status sqz_model_write(const struct sqz_model *model, const char *path,
                                enum sqz_overwrite overwrite, struct sqz_error *err);

#endif
