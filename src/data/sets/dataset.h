// Labelled images: class directories, idx (MNIST family, also .gz), CIFAR-10/100 binary.
#ifndef SQZ_DATA_DATASET_H
#define SQZ_DATA_DATASET_H

#include "data/image/image.h"

struct sqz_pack;
struct sqz_path_block;
struct sqz_sample {
    char *path; // directories: of the file, in `paths`; packed sets: for messages only; in memory:
                // NULL
    int label;
    bool removed;  // the run that is continued began with it, and its file is gone: reading fails
    size_t offset; // in-memory sets: first byte of its pixels; packed ones: number in the pack
    uint64_t hash; // of its name and size (in-memory sets: of its pixels), for the fingerprint
};
struct sqz_dataset {
    char *name; // for messages: the directory
    struct sqz_sample *samples;
    size_t count;
    char **classes; // directory names (or digits / CIFAR names), label order
    int n_classes;
    struct sqz_pack *pack; // packed sets, which own their samples' paths; else NULL
    struct sqz_path_block *paths;
    uint8_t *pixels;       // in-memory sets: NHWC u8
    int w, h, c;           // of in-memory samples, else 0
    size_t skipped;        // files that are no images we read, found by the header check
    char *skipped_example; // a sentence about the first of them; NULL when there is none
    uint64_t fingerprint;  // of the list: names, sizes, labels; not of absolute paths or times
};
void sqz_dataset_free(struct sqz_dataset *set);

// The samples of a split in their order, for a later opening that tells what has changed: one key
// each, of file name and label. NULL: the dataset is of a kind or a size that keeps none.
struct sqz_sample_keys {
    uint64_t *keys;
    size_t count;
};
enum { SQZ_SAMPLE_KEYS_MOST = 100000 }; // 8 bytes each go into every checkpoint

struct sqz_dataset_request {
    // "imagenet" or "" = class directories; "mnist", "cifar10", "cifar100"; NULL = found by content
    const char *kind;
    const char *dir;   // or, for class directories, a packed dataset
    const char *split; // directory name ("train", "val") or usage; "" = dir itself
    // For a directory that holds class directories directly, without splits: which part of the
    // held-out division (one in five of each class by hash of file name and seed) to take.
    bool divide, held_out;
    uint64_t seed;
    // The training samples that a run to continue began with: the division keeps to them. NULL or
    // keys NULL: a new run.
    const struct sqz_sample_keys *began;
    bool every_class;   // class directories: one without images is an error
    bool check_headers; // look at every file's signature and header (cached by name, size, time
                        // under $XDG_CACHE_HOME/squeezenet)
    int threads;
};
enum sqz_status sqz_dataset_open(const struct sqz_dataset_request *request,
                                 struct sqz_dataset **out, struct sqz_error *err);
// Finds out how `dir` is laid out.
struct sqz_dataset_layout {
    const char *kind;        // as above, never NULL
    bool is_pack;            // one file with the class directories' images
    bool has_splits;         // train/ and val/ (or test/) below dir; always true for idx and CIFAR
    char train[32], val[32]; // their names ("" when there is none)
};
enum sqz_status sqz_dataset_layout(const char *dir, struct sqz_dataset_layout *out,
                                   struct sqz_error *err);
// Whether class directories (or a pack) have this split.
enum sqz_status sqz_dataset_has_split(const char *dir, const char *split, bool *out,
                                      struct sqz_error *err);
// The size of a sample's image from its header; SQZ_E_DATA when that does not tell it.
enum sqz_status sqz_dataset_peek(const struct sqz_dataset *set, size_t index, int *w, int *h,
                                 struct sqz_error *err);
// Renumbers the labels so that they are indices into `classes` (matching by directory name; a
// subset is fine). A class that is not there is an error that names it and the nearest one.
enum sqz_status sqz_dataset_map_classes(struct sqz_dataset *set, const char *const *classes,
                                        int n_classes, struct sqz_error *err);
// The keys of a set of class directories as it was opened (labels not renumbered), count of them;
// sqz_free. *out NULL: there are none for this set.
enum sqz_status sqz_dataset_keys(const struct sqz_dataset *set, uint64_t **out,
                                 struct sqz_error *err);
// Gives samples of `began` that are gone their places back, as removed ones. *fits false, and the
// set is as before: it holds others than those of `began`.
enum sqz_status sqz_dataset_restore(struct sqz_dataset *set, const struct sqz_sample_keys *began,
                                    bool *fits, size_t *removed, struct sqz_error *err);
// Appends the images of `directory` and of the directories in it to a set of class directories,
// with label 0, for a loss that does not look at labels. SQZ_E_CONFIG for other kinds of sets,
// SQZ_E_DATA when there is no image.
enum sqz_status sqz_dataset_add_unlabelled(struct sqz_dataset *set, const char *dir, int threads,
                                           struct sqz_error *err);
// Loads one sample's bytes or points at its pixels; *bytes belongs to the caller (a reusable
// buffer).
enum sqz_status sqz_dataset_read(const struct sqz_dataset *set, size_t index,
                                 struct sqz_bytes *bytes, struct sqz_image *view,
                                 struct sqz_source *out, struct sqz_error *err);

// data check: full decoding of every split. `problem` is called once a problem, from the calling
// thread, in the order of the files: a path, and what is wrong with it ("is a GIF image: ..."). A
// class that validation has and train lacks counts as empty; a directory inside a class directory
// as no image.
struct sqz_data_check_result {
    size_t images, corrupt, not_images, tiny, empty_classes;
    size_t *histogram; // images per class, n_classes; sqz_free
    char **classes;    // sqz_data_check_result_release
    int n_classes;
};
typedef void (*sqz_data_problem_fn)(void *arg, const char *path, const char *problem);
enum sqz_status sqz_data_check(const char *dir, int threads, sqz_data_problem_fn problem, void *arg,
                               struct sqz_data_check_result *out, struct sqz_error *err);
void sqz_data_check_result_release(struct sqz_data_check_result *report);

// data synth: 10 classes of shapes and textures as PNG files in dir/{train,val}/<class>/NNNN.png,
// deterministic from the seed. SQZ_E_CANTWRITE when `dir` exists and is not empty.
struct sqz_synth_options {
    int per_class_train, per_class_val; // 0: 500 and 100
    int size;                           // 0: 32 pixels
    uint64_t seed;
};
enum sqz_status sqz_data_synth(const char *dir, const struct sqz_synth_options *how,
                               struct sqz_error *err);

// data pack: a dataset of any kind as one file at `out` (pack.h), split by split.
struct sqz_data_pack_options {
    int shorter;   // larger images are shrunk until their shorter side has this many pixels; 0: 256
    int quality;   // of the JPEG encoding of those that are shrunk; 0: 90
    bool raw;      // store pixels (turned as EXIF says) instead of files
    bool skip_bad; // leave out images that do not decode, and tell them to `problem`
    enum sqz_overwrite overwrite;
    const int *stop; // may be NULL; set: SQZ_E_STOPPED, and nothing is left
};
struct sqz_data_pack_result {
    size_t images, shrunk, skipped; // skipped: files that are no images or, with skip_bad, damaged
    uint64_t bytes;
};
enum sqz_status sqz_data_pack(const char *dir, const char *out,
                              const struct sqz_data_pack_options *how, int threads,
                              sqz_data_problem_fn problem, void *arg,
                              struct sqz_data_pack_result *report, struct sqz_error *err);

#endif
