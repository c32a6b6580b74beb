// Tools around models and datasets: published weights, compression, small updates, dataset checks
// and archives, benchmarks. The rules of squeezenet.h about errors, ownership, struct_size and
// threads hold here, too. Calls that take a context want it to themselves, call its event function
// and, unless a comment says otherwise, can be stopped by sqz_context_stop.
#ifndef SQUEEZENET_TOOLS_H
#define SQUEEZENET_TOOLS_H

#include <squeezenet_train.h>

#ifdef __cplusplus
extern "C" {
#endif

// --- Published weights ---------------------------------------------------------------------------

struct sqz_published_info { // the strings live for ever
    size_t struct_size;
    const char *variant, *dialect, *url, *summary;
};
// The table of published weights from index 0; false past the last or for a wrong struct_size. Any
// thread.
SQZ_API bool sqz_published_info(int index, struct sqz_published_info *out);
// Whether a text begins with http:// or https://. Any thread.
SQZ_API bool sqz_is_url(const char *text);
// Fetches weights once into $XDG_CACHE_HOME/squeezenet (else ~/.cache/squeezenet), checks them
// against the SHA-256 that the table or the file's name holds, and continues after an interruption.
// dir (may be NULL): a directory that holds the files (nothing is fetched then), or the address of
// a mirror. Gives *path, where the file lies, to be freed by sqz_text_free. Needs libcurl at run
// time. Fails with SQZ_E_IO without a connection, SQZ_E_DATA for a wrong SHA-256.
SQZ_API enum sqz_status sqz_fetch_weights(struct sqz_context *context, const char *url,
                                          const char *dir, char **path, struct sqz_error *err);

// --- Compression -------------------------------------------------------------------------------

enum sqz_method {
    SQZ_METHOD_AUTO,     // second-order rounding, steps by measured loss; no training
    SQZ_METHOD_DEEP,     // Deep Compression: pruning by magnitude, shared weights; no training
    SQZ_METHOD_LOSSLESS, // the same weights to the last bit
    // A network in 8-bit integers (docs/integer-network.md), which computes the same bits
    // everywhere; no training. Needs calibrate_dir.
    SQZ_METHOD_INT8
};
struct sqz_compress_options { // every member may stay 0 or NULL
    size_t struct_size;
    enum sqz_method method;
    bool force; // replace an existing file
    // AUTO, INT8. Images (no labels needed) below this directory; NULL: none, then `size` must be
    // given.
    const char *calibrate_dir;
    int images; // at most; 0: 500
    // What to reach: bytes of the file without class names, if that is not 0; else both of the
    // others as far as they are not 0. All 0: max_kl 0.05.
    uint64_t size;
    double max_kl;   // nats, of the softmax, mean over images
    double max_drop; // points of top-1 accuracy that may be lost, estimated without labels
    // DEEP.
    double density; // share of the weights that stay; 0: all that are not zero
    int bits;       // of a shared weight; 0: 6
    bool huffman;   // instead of the range coder
    bool skip_bad;  // an image that does not decode: a warning, and another takes its place
};
struct sqz_compress_layer { // of an array: does not grow
    char name[48];
    uint64_t weights, nonzero, bytes;
};
struct sqz_compress_result { // sqz_compress_result_release
    size_t struct_size;
    uint64_t bytes, class_name_bytes; // of the file; those of them for class names
    uint64_t weights, biases;         // how many
    uint64_t bias_bytes;
    char identity[65];    // SHA-256 of the decoded tensors
    int images;           // that were looked at
    double kl, agreement; // on some of the images (INT8: on others); NAN without
    double drop;          // points of top-1 accuracy; NAN without images
    int n_layers;
    struct sqz_compress_layer *layers;
    int unseen_images; // INT8: images that kl, agreement and drop come from; else 0
};
// Writes `path` (.sqz), after having read it back from memory and compared. Fails with
// SQZ_E_CANTWRITE when the file exists and force is not set, SQZ_E_USAGE when AUTO has neither
// images nor a size.
SQZ_API enum sqz_status sqz_compress(struct sqz_context *context, const struct sqz_model *model,
                                     const char *path, const struct sqz_compress_options *options,
                                     struct sqz_compress_result *out, struct sqz_error *err);
SQZ_API void sqz_compress_result_release(struct sqz_compress_result *result);

// Small updates. A patch holds what differs between a base (.sqz) and a new model of the same
// network and classes, whose weights are taken as codes of the base's steps and codebooks.
struct sqz_update_result {
    size_t struct_size;
    uint64_t bytes;                    // of the patch
    uint64_t codes, moved;             // of tensors with codes: all, and those that differ
    int same, step, changed, replaced; // tensors: as they were, a new step only, codes, everything
    double deviation;                  // largest distance of a value from what it becomes, in steps
};
// Writes the patch from base_path (.sqz) to new_path (any supported weight file). SQZ_E_DATA when
// the two are not of the same network. Cannot be stopped. Any thread.
SQZ_API enum sqz_status sqz_update_make(const char *base_path, const char *new_path,
                                        const char *patch_path, bool force,
                                        struct sqz_update_result *out, struct sqz_error *err);
// Writes out_path, byte for byte the file that the patch was made for, or nothing: the wrong base,
// damage, and a result that is not the promised one are SQZ_E_DATA. out_path may be base_path with
// `force`. Cannot be stopped. Any thread.
SQZ_API enum sqz_status sqz_update_apply(const char *patch_path, const char *base_path,
                                         const char *out_path, bool force, struct sqz_error *err);

// --- Exports -------------------------------------------------------------------------------------

// The formats of sqz_export_model and what each is for; NULL past the last. Any thread.
SQZ_API const char *sqz_export_format_name(int index);
SQZ_API const char *sqz_export_format_summary(int index);

struct sqz_export_options { // every member may stay 0 or NULL
    size_t struct_size;
    const char *format; // a name of sqz_export_format_name; NULL: "c"
    int unit;           // how weights are packed: 4 (also 0), or 16 for cores with Arm's MVE
    bool force;         // replace what is at the path
};
struct sqz_export_result {
    size_t struct_size;
    uint64_t bytes;                                // of the model in flash, or of the web page
    uint64_t weight_bytes, bias_bytes, name_bytes; // of these; biases with multipliers
    uint64_t arena_bytes;                          // what the runtime takes to run it
};
// Writes a model that holds an integer network (SQZ_COMPRESS_INT8) for the runtime of
// deploy/squeezenet_rt.h: a file, or for "c" a directory with everything that a program needs. With
// "web", any model as an HTML file that classifies by itself (in floating point), of which *out
// tells the bytes only; the model goes in as a .sqz, so that a compressed one makes a small page.
// Fails with SQZ_E_USAGE without integers or for an unknown format, SQZ_E_CANTWRITE when something
// is at the path and force is not set. options and out may be NULL. Any thread.
SQZ_API enum sqz_status sqz_export_model(const struct sqz_model *model, const char *path,
                                         const struct sqz_export_options *options,
                                         struct sqz_export_result *out, struct sqz_error *err);
// Writes an image file as the exported model takes it: resized and cropped as for classification,
// RGB or gray, as PPM or PGM. Fails like sqz_classify_file and sqz_export_model. Any thread.
SQZ_API enum sqz_status sqz_export_image(const struct sqz_model *model, const char *image,
                                         const char *path, bool force, struct sqz_error *err);

// --- Data --------------------------------------------------------------------------------------

struct sqz_check_class { // of an array: does not grow
    char *name;
    size_t images;
};
struct sqz_check_result { // sqz_check_result_release
    size_t struct_size;
    size_t images, corrupt, not_images, tiny, empty_classes;
    int n_classes;
    struct sqz_check_class *classes;
};
// Decodes every image below dir; each problem is one SQZ_EVENT_WARNING on the context. Cannot be
// stopped.
SQZ_API enum sqz_status sqz_check_data(struct sqz_context *context, const char *dir,
                                       struct sqz_check_result *out, struct sqz_error *err);
SQZ_API void sqz_check_result_release(struct sqz_check_result *result);

struct sqz_pack_options { // every member may stay 0
    size_t struct_size;
    int shorter;   // larger images are shrunk until their shorter side has this many pixels; 0: 256
    int quality;   // JPEG quality of those that are shrunk, 1 to 100; 0: 90
    bool raw;      // store pixels instead of JPEG files: larger, but nothing to decode
    bool force;    // replace an existing file
    bool skip_bad; // leave out images that do not decode, each with a warning
};
struct sqz_pack_result {
    size_t struct_size;
    size_t images, shrunk;
    size_t skipped; // files that are no images (the first is a warning), and with skip_bad damaged
                    // ones
    uint64_t bytes;
};
// Writes a dataset of class directories as one file, which is taken wherever a dataset is. options
// may be NULL.
SQZ_API enum sqz_status sqz_pack_data(struct sqz_context *context, const char *dir,
                                      const char *path, const struct sqz_pack_options *options,
                                      struct sqz_pack_result *out, struct sqz_error *err);

struct sqz_imagenet_result {
    size_t struct_size;
    size_t train, val; // images written
    int classes;
};
// Lays out ImageNet-1K from its three published archives as out_dir/train and out_dir/val, one
// directory a class, with out_dir/synset_words.txt. What is there already and whole is kept.
SQZ_API enum sqz_status sqz_lay_out_imagenet(struct sqz_context *context, const char *train_tar,
                                             const char *val_tar, const char *devkit_tar_gz,
                                             const char *out_dir, struct sqz_imagenet_result *out,
                                             struct sqz_error *err);
// Draws the synthetic dataset into dir: 10 classes of shapes and textures. 0 = defaults: 500
// training and 100 validation images a class of 32 pixels. Cannot be stopped. Any thread.
SQZ_API enum sqz_status sqz_synthesize_data(const char *dir, int train_per_class, int val_per_class,
                                            int image_size, uint64_t seed, struct sqz_error *err);

// --- Measuring ---------------------------------------------------------------------------------

enum sqz_bench_task { SQZ_BENCH_INFER, SQZ_BENCH_TRAIN, SQZ_BENCH_LOAD, SQZ_BENCH_ALLREDUCE };
struct sqz_bench_options { // every member may stay 0 or NULL
    size_t struct_size;
    enum sqz_bench_task task;
    int batch;                         // of each rank; 0: 1 (32 for all but INFER)
    double seconds;                    // 0: 5
    const struct sqz_options *options; // LOAD: data_dir, train_split, transforms
    bool bf16;                         // with ranks: how gradients travel
    const char *images;                // INFER, TRAIN: a directory to take them from; NULL: noise
    bool norm;                         // TRAIN: batch normalisation, in groups of at most 32
};
struct sqz_bench_result {
    size_t struct_size;
    double latency_ms_median, latency_ms_min, latency_ms_p99; // of a batch (step)
    double latency_ms_first; // of the first of all, which the others leave out
    double images_per_second, gflops, peak_gflops, peak_fraction;
    double rss_mb; // peak, in 1e6 bytes
    int64_t runs;
    int ranks;
    double bytes_per_run, exposed_ms; // sent by this rank; waited for others
};
// Measures one task beside the machine's FMA peak, which is measured in the same run on all of the
// context's threads. model: for all tasks but LOAD, where it is NULL. TRAIN is a step with label
// smoothing and SGD momentum. With ranks, TRAIN's step and ALLREDUCE (its exchange alone) are those
// of all ranks together. On noise fewer values are zero after the ReLUs than on photographs, which
// are faster (kernels/sparse.h). A stop ends the measurement early; before the first run it is
// SQZ_E_STOPPED.
SQZ_API enum sqz_status sqz_bench_run(struct sqz_context *context, const struct sqz_model *model,
                                      const struct sqz_bench_options *options,
                                      struct sqz_bench_result *out, struct sqz_error *err);

#ifdef __cplusplus
}
#endif

#endif
