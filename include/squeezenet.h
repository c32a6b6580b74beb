// libsqueezenet: train, fine-tune, validate, classify with, convert and measure SqueezeNet image
// classifiers. This is the whole public API. The library never prints, never exits, and keeps no
// global state; every fallible function returns a status and explains a failure in *err.
//
//     struct sqz_error err = {0};
//     struct sqz_context *context = NULL;
//     struct sqz_classifier *classifier = NULL;
//     struct sqz_class_score best[5];
//     int n = 5;
//     enum sqz_status status = sqz_context_new(0, &context, &err);
//     if (!status)
//         status = sqz_classifier_open(context, "model.safetensors", NULL, &classifier, &err);
//     if (!status) status = sqz_classify_file(classifier, "photo.jpg", best, &n, NULL, &err);
//     if (!status) printf("%s %.1f %%\n", best[0].name, 100 * best[0].probability);
//     else fprintf(stderr, "%s\n", err.text);
//     sqz_classifier_free(classifier);
//     sqz_context_free(context);
#ifndef SQUEEZENET_H
#define SQUEEZENET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && defined(SQZ_BUILDING_LIBRARY)
#define SQZ_API __attribute__((visibility("default")))
#else
#define SQZ_API
#endif

// The values are the program's exit statuses.
enum sqz_status {
    SQZ_OK = 0,
    SQZ_BELOW_BOUND = 1, // a result is worse than the caller asked for
    SQZ_E_USAGE = 2,     // a wrong argument
    SQZ_E_DATA = 65,     // a file's content is not what it should be
    SQZ_E_NOINPUT = 66,  // a file or directory is missing
    SQZ_E_INTERNAL = 70, // a bug of ours
    SQZ_E_NOMEM = 71,
    SQZ_E_CANTWRITE = 73, // cannot create or fill a file
    SQZ_E_IO = 74,
    SQZ_E_STOPPED = 75,  // stopped, can be resumed
    SQZ_E_DIVERGED = 76, // non-finite loss or dead start
    SQZ_E_CONFIG = 78    // a bad recipe
};

struct sqz_error {
    enum sqz_status status;
    char text[1024]; // one full sentence; untouched on success
};

SQZ_API const char *sqz_version(void); // "0.1.0"

// --- Context: threads, SIMD level, where messages go -------------------------------------------

enum sqz_event_kind { SQZ_EVENT_NOTE, SQZ_EVENT_WARNING, SQZ_EVENT_PROGRESS, SQZ_EVENT_EPOCH };
struct sqz_event {
    enum sqz_event_kind kind;
    const char *text;  // NOTE, WARNING: a sentence. EPOCH: the epoch's summary. PROGRESS: the phase
                       // ("train", "validate", "check")
    int epoch, epochs; // 1-based; 0 outside training
    int64_t step, steps;                   // within the phase
    double loss, lr;                       // NAN when not known
    double items_per_second, seconds_left; // NAN when not known
};
typedef void (*sqz_event_fn)(void *arg, const struct sqz_event *event);

struct sqz_context;
// threads 0 = SQUEEZENET_THREADS, else the physical cores this process may use; never more than
// the processors that it may use.
SQZ_API enum sqz_status sqz_context_new(int threads, struct sqz_context **out,
                                        struct sqz_error *err);
SQZ_API void sqz_context_free(struct sqz_context *context);
// Messages and progress of long calls; called from the calling thread only.
SQZ_API void sqz_context_on_event(struct sqz_context *context, sqz_event_fn fn, void *arg);
// Asks the long call that runs on this context to stop at the next step: it saves and returns
// SQZ_E_STOPPED. Async-signal-safe.
SQZ_API void sqz_context_stop(struct sqz_context *context);
// What classifiers that are made, and benchmarks that are run, from now on do without. Logits of
// SPEED differ from the others' in their last bits.
enum sqz_favor {
    SQZ_FAVOR_SPEED, // many images: weights are enlarged when they are loaded
    SQZ_FAVOR_START, // one image: weights stay as they are
    SQZ_FAVOR_MEMORY // and one image at a time, slower: weights stay in their file, if
                     // sqz_classifier_open opens it
};
SQZ_API void sqz_context_favor(struct sqz_context *context, enum sqz_favor favor);
struct sqz_machine {
    const char *cpu;  // model name
    const char *simd; // "ref", "avx2", "avx512", "neon": the level in use
    int threads;
    const char *kernel; // "6x16": the GEMM tile in use
};
SQZ_API void sqz_context_machine(const struct sqz_context *context, struct sqz_machine *out);

// --- Ranks: several processes that train one network, on one machine or many ------------------

// Whether mpirun or srun started this process as one of several; and whether there is a module for
// an MPI ("openmpi", "mpich").
SQZ_API bool sqz_is_rank(void);
SQZ_API bool sqz_has_mpi(const char *mpi);
// Joins the other processes, if sqz_is_rank and unless `options` (may be NULL) say distribute:
// false. sqz_train, sqz_validate and sqz_bench_run then work together; all ranks make the same
// calls and get the same results. sqz_context_free leaves; after a rank is lost, it ends the job.
struct sqz_options;
SQZ_API enum sqz_status sqz_context_join(struct sqz_context *context,
                                         const struct sqz_options *options, struct sqz_error *err);
SQZ_API int sqz_context_rank(const struct sqz_context *context, int *ranks); // 0 of 1 when alone
struct sqz_rank_place {
    char host[72], cpus[120]; // cpus: that it may use, "0-3,8"
    int threads, level;       // level: SIMD, lower is less
};
// Of a rank; NULL when alone. Lives as long as the context.
SQZ_API const struct sqz_rank_place *sqz_context_place(const struct sqz_context *context, int rank);
// Whether this process should show a result or a failure: only one of those that know it does.
SQZ_API bool sqz_context_speaks(const struct sqz_context *context);
// Runs this program with `arguments` (ended by NULL) as option worker_num's ranks under mpirun, to
// their end. When a rank is lost, up to max_restarts times again, with resume_arguments, into which
// *resume_slot (one of their places) "--resume=<run directory>" is put. Each argument is a word
// that mpirun cannot take for its own: --name, --name=value or a path ("./:", "./-x"). A failure
// that a rank has told itself comes back without a sentence.
SQZ_API enum sqz_status sqz_launch_ranks(struct sqz_context *context,
                                         const struct sqz_options *options,
                                         const char *const *arguments, const char **resume_slot,
                                         const char *const *resume_arguments,
                                         struct sqz_error *err);

// --- Models ----------------------------------------------------------------------------------

struct sqz_model;
struct sqz_model_options { // zero-initialise; every field may stay 0 / NULL
    const char *dialect; // "mindcv", "torchvision", "caffe": overrides the usual one of the format
    const char *classes_file; // class names, one a line
    int image_size;           // network input side, overrides the file's
};
// Reads any supported weight file (format found by content). Free with sqz_model_free.
SQZ_API enum sqz_status sqz_model_open(const char *path, const struct sqz_model_options *options,
                                       struct sqz_model **out, struct sqz_error *err);
// A fresh network with MindCV's initialisation from `seed`. dialect NULL = "mindcv".
SQZ_API enum sqz_status sqz_model_new(const char *variant, const char *dialect, int classes,
                                      int channels, int image_size, uint64_t seed,
                                      struct sqz_model **out, struct sqz_error *err);
SQZ_API void sqz_model_free(struct sqz_model *model); // NULL too
// The format follows the path's suffix. An existing file is replaced only with `force`.
SQZ_API enum sqz_status sqz_model_save(const struct sqz_model *model, const char *path, bool force,
                                       struct sqz_error *err);

struct sqz_model_info { // strings live as long as the model
    const char *variant, *dialect, *made_by;
    const char *stem; // "imagenet" (as published), "small", "small_nopool"
    int classes, channels, image_size, layers;
    uint64_t parameters, macs; // MACs per image
    size_t weight_bytes;       // float32
    size_t activation_bytes;   // arena of one inference thread
    bool has_class_names;
    char preprocess[256]; // one readable line
};
SQZ_API enum sqz_status sqz_model_describe(const struct sqz_model *model,
                                           struct sqz_model_info *out, struct sqz_error *err);
struct sqz_layer_info {
    const char *name, *kind; // kind: "conv", "maxpool", "add", "dropout", "mean"
    int h, w, c;             // output
    int kernel, stride, pad;
    uint64_t parameters, macs;
};
SQZ_API bool sqz_model_layer(const struct sqz_model *model, int layer, struct sqz_layer_info *out);
SQZ_API const char *sqz_model_class_name(const struct sqz_model *model,
                                         int index); // NULL if unknown

// Published weights: the table, and any address. Fetched once into $XDG_CACHE_HOME/squeezenet (else
// ~/.cache/squeezenet), checked against the SHA-256 that the table or the file's name holds, and
// continued after an interruption. dir (may be NULL): a directory that holds the files (nothing is
// fetched then), or the address of a mirror. Progress comes as events; sqz_context_stop stops it.
struct sqz_published_info {
    const char *variant, *dialect, *url, *summary;
};
SQZ_API bool sqz_published_info(int index, struct sqz_published_info *out); // false behind the last
SQZ_API bool sqz_is_url(const char *text); // begins with http:// or https://
// *path: where the file lies; free with sqz_text_free. Needs libcurl at run time.
SQZ_API enum sqz_status sqz_fetch_weights(struct sqz_context *context, const char *url,
                                          const char *dir, char **path, struct sqz_error *err);

// Tables for help texts: NULL behind the last.
SQZ_API const char *sqz_variant_name(int index, const char **summary);
SQZ_API const char *sqz_dialect_name(int index);
SQZ_API const char *sqz_format_name(int index, const char **suffix, const char **summary,
                                    bool *writable);

// --- Classification --------------------------------------------------------------------------

struct sqz_class_score {
    int index;
    const char *name; // readable; never NULL; lives as long as the classifier
    float probability;
};
// A model made ready to run: weights packed, memory taken. Borrows context and model. Not to be
// used by two threads at once.
struct sqz_classifier;
SQZ_API enum sqz_status sqz_classifier_new(struct sqz_context *context,
                                           const struct sqz_model *model,
                                           struct sqz_classifier **out, struct sqz_error *err);
// Opens a model only to classify with (options may be NULL): it is kept inside, and its weights
// leave memory once they are packed.
SQZ_API enum sqz_status sqz_classifier_open(struct sqz_context *context, const char *path,
                                            const struct sqz_model_options *options,
                                            struct sqz_classifier **out, struct sqz_error *err);
SQZ_API void sqz_classifier_free(struct sqz_classifier *classifier); // NULL too
// Of its model; strings live as long as the classifier and the model.
SQZ_API enum sqz_status sqz_classifier_describe(const struct sqz_classifier *classifier,
                                                struct sqz_model_info *out, struct sqz_error *err);
// The *n most probable classes of an image file, best first; *n is cut to the number of classes.
// logits (may be NULL): one float per class.
SQZ_API enum sqz_status sqz_classify_file(struct sqz_classifier *classifier, const char *path,
                                          struct sqz_class_score *best, int *n, float *logits,
                                          struct sqz_error *err);

// The labelled images of one split of a data set ("" or NULL: val, else test, else the directory).
struct sqz_samples;
SQZ_API enum sqz_status sqz_samples_open(const char *dir, const char *split,
                                         struct sqz_samples **out, struct sqz_error *err);
SQZ_API void sqz_samples_free(struct sqz_samples *samples);
SQZ_API size_t sqz_samples_count(const struct sqz_samples *samples);
// Name of sample `index`'s class, and of its file (NULL for sets that are not made of files).
SQZ_API const char *sqz_samples_class(const struct sqz_samples *samples, size_t index);
SQZ_API const char *sqz_samples_file(const struct sqz_samples *samples, size_t index);
SQZ_API enum sqz_status sqz_classify_sample(struct sqz_classifier *classifier,
                                            const struct sqz_samples *samples, size_t index,
                                            struct sqz_class_score *best, int *n, float *logits,
                                            struct sqz_error *err);
// The image squeezed into at most w x h pixels, aspect kept: *w and *h become its size; rgb: at
// least *w * *h * 3 bytes.
SQZ_API enum sqz_status sqz_thumbnail_file(const char *path, int *w, int *h, uint8_t *rgb,
                                           struct sqz_error *err);
SQZ_API enum sqz_status sqz_thumbnail_sample(const struct sqz_samples *samples, size_t index,
                                             int *w, int *h, uint8_t *rgb, struct sqz_error *err);

// --- Options of train and validate -------------------------------------------------------------

struct sqz_options;
SQZ_API enum sqz_status sqz_options_new(struct sqz_options **out, struct sqz_error *err);
SQZ_API void sqz_options_free(struct sqz_options *options);
// As typed on a command line; an unknown name is SQZ_E_USAGE with the nearest known one.
SQZ_API enum sqz_status sqz_options_put(struct sqz_options *options, const char *name,
                                        const char *value, struct sqz_error *err);
// A recipe. Values put on the command line win, whichever comes first.
SQZ_API enum sqz_status sqz_options_load(struct sqz_options *options, const char *yaml_path,
                                         struct sqz_error *err);
// An option's present value as text, cut to fit; false for an unknown name.
SQZ_API bool sqz_options_get(const struct sqz_options *options, const char *name, char *value,
                             size_t size);
struct sqz_option_info {
    const char *name, *type, *fallback, *group,
        *help;           // type: "bool", "int", "float", "text", "list"
    const char *choices; // "a b c" or NULL
};
SQZ_API bool sqz_option_info(int index, struct sqz_option_info *out); // false behind the last

// --- Training and validation -------------------------------------------------------------------

struct sqz_train_result {
    char run_dir[4096];
    int epochs;
    int64_t steps;
    double seconds, ms_per_step, images_per_second, final_loss;
    int best_epoch; // 0: never validated
    double best_top1, best_top5;
    char best_checkpoint[4096];
    // Of ranks; 1 and zeros for one process. Exposed: what a step waited for others, of rank 0.
    int ranks, slowest_rank;
    char slowest_host[72];
    double bytes_per_step, exposed_ms, efficiency; // efficiency: share of the time spent computing
};
// Trains (or fine-tunes, or resumes: option `resume`). SQZ_E_STOPPED leaves a resumable run
// directory.
SQZ_API enum sqz_status sqz_train(struct sqz_context *context, const struct sqz_options *options,
                                  struct sqz_train_result *out, struct sqz_error *err);
// What sqz_train would do: configuration with origins, network, learning-rate curve, memory, time
// estimate, as text (free with sqz_text_free). Writes no files but the curve (SVG) and the first
// batch (PNG) into run_dir, if that option is given. With option `find_lr`: the outcome of a search
// for a learning rate instead.
SQZ_API enum sqz_status sqz_train_dry_run(struct sqz_context *context,
                                          const struct sqz_options *options, char **text,
                                          struct sqz_error *err);
SQZ_API void sqz_text_free(char *text);

struct sqz_validate_result {
    int64_t samples, substituted;
    int classes; // of the model
    double top1, top5, loss;
};
// On options' data_dir and val_split. use_recipe false: the model's own preprocessing and plain
// cross-entropy; true: the options' transforms and loss (a recipe was given).
SQZ_API enum sqz_status sqz_validate(struct sqz_context *context, const struct sqz_model *model,
                                     const struct sqz_options *options, bool use_recipe,
                                     struct sqz_validate_result *out, struct sqz_error *err);

// Two models on the same images, each with its own preprocessing and plain cross-entropy.
struct sqz_compare_result {
    struct sqz_validate_result model, against;
    double kl;              // nats: mean of KL(against || model) of the softmax
    double agreement;       // share of images with the same most probable class
    double top1_difference; // model's minus against's, of the same images,
    double standard_error;  // and the standard error of that mean
};
// SQZ_E_USAGE when the models do not have the same classes.
SQZ_API enum sqz_status sqz_compare(struct sqz_context *context, const struct sqz_model *model,
                                    const struct sqz_model *against,
                                    const struct sqz_options *options,
                                    struct sqz_compare_result *out, struct sqz_error *err);

// --- Compression -------------------------------------------------------------------------------

enum sqz_method {
    SQZ_METHOD_AUTO,    // second-order rounding, steps by measured loss; no retraining
    SQZ_METHOD_DEEP,    // Deep Compression: pruning by magnitude, shared weights; no retraining
    SQZ_METHOD_LOSSLESS // the same weights to the last bit
};
struct sqz_compress_options { // zero-initialise
    enum sqz_method method;
    bool force; // replace an existing file
    // AUTO. Images (no labels needed) below this directory; NULL: none, then a size has to be
    // given.
    const char *calibrate_dir;
    int images; // at most; 0: 500
    // What to reach: bytes of the file without class names, if that is not 0; else both of the
    // others as far as they are not 0. All 0: max_kl 0.05.
    uint64_t size;
    double max_kl;   // nats, of the softmax, mean over images
    double max_drop; // top-1 accuracy that may be lost, 0.01 = one point, estimated without labels
    // DEEP.
    double density; // share of the weights that stay; 0: all that are not zero
    int bits;       // of a shared weight; 0: 6
    bool huffman;   // instead of the range coder
};
struct sqz_compress_result {
    uint64_t bytes, class_name_bytes; // of the file; of them for class names
    uint64_t weights, biases;         // how many
    uint64_t bias_bytes;
    char identity[65];          // SHA-256 of the decoded tensors
    int images;                 // looked at
    double kl, agreement, drop; // on some of the images; NAN without
    int n_layers;
    struct sqz_compress_layer {
        char name[48];
        uint64_t weights, nonzero, bytes;
    } * layers;
};
// Writes `path` (.sqz), after having read it back from memory and compared.
SQZ_API enum sqz_status sqz_compress(struct sqz_context *context, const struct sqz_model *model,
                                     const char *path, const struct sqz_compress_options *options,
                                     struct sqz_compress_result *out, struct sqz_error *err);
SQZ_API void sqz_compress_result_release(struct sqz_compress_result *result);

// Small updates. A patch holds what differs between a base (.sqz) and a new model of the same
// network and classes, whose weights are taken as codes of the base's steps and codebooks.
struct sqz_update_result {
    uint64_t bytes;                    // of the patch
    uint64_t codes, moved;             // of tensors with codes: all, and those that differ
    int same, step, changed, replaced; // tensors: as they were, a new step only, codes, everything
    double deviation;                  // largest distance of a value from what it becomes, in steps
};
// new_path: any supported weight file.
SQZ_API enum sqz_status sqz_update_make(const char *base_path, const char *new_path,
                                        const char *patch_path, bool force,
                                        struct sqz_update_result *out, struct sqz_error *err);
// Writes out_path, byte for byte the file that the patch was made for, or nothing: the wrong base,
// damage, and a result that is not the promised one are SQZ_E_DATA. out_path may be base_path with
// `force`.
SQZ_API enum sqz_status sqz_update_apply(const char *patch_path, const char *base_path,
                                         const char *out_path, bool force, struct sqz_error *err);

// --- Data --------------------------------------------------------------------------------------

struct sqz_check_result {
    size_t images, corrupt, not_images, tiny, empty_classes;
    int n_classes;
    struct sqz_check_class {
        char *name;
        size_t images;
    } * classes;
};
// Decodes every image below dir; each problem is one SQZ_EVENT_WARNING on the context.
SQZ_API enum sqz_status sqz_check_data(struct sqz_context *context, const char *dir,
                                       struct sqz_check_result *out, struct sqz_error *err);
SQZ_API void sqz_check_result_release(struct sqz_check_result *result);
// Writes a data set of class directories as one file, which is taken wherever a data set is.
struct sqz_data_packing {
    int shorter; // larger images are shrunk until their shorter side has so many pixels; 0: 256
    int quality; // JPEG quality of those that are shrunk, 1 to 100; 0: 90
    int raw;     // 1: store pixels instead of JPEG files: larger, but nothing to decode
    int force;   // 1: replace an existing file
};
struct sqz_data_packing_result {
    size_t images, shrunk, skipped; // skipped: files that are no images; the first is a warning
    uint64_t bytes;
};
SQZ_API enum sqz_status sqz_pack_data(struct sqz_context *context, const char *dir, const char *out,
                                      const struct sqz_data_packing *how,
                                      struct sqz_data_packing_result *result,
                                      struct sqz_error *err);
// Lays out ImageNet-1K from its three published archives as out/train and out/val, one directory a
// class, with out/synset_words.txt. What is there already and whole is kept.
struct sqz_imagenet_result {
    size_t train, val; // images written
    int classes;
};
SQZ_API enum sqz_status sqz_lay_out_imagenet(struct sqz_context *context, const char *train_tar,
                                             const char *val_tar, const char *devkit_tar_gz,
                                             const char *out, struct sqz_imagenet_result *result,
                                             struct sqz_error *err);
// Draws the synthetic data set: 10 classes of shapes and textures; 0 = defaults (500 train and 100
// val a class, 32 pixels).
SQZ_API enum sqz_status sqz_synthesize_data(const char *dir, int train_per_class, int val_per_class,
                                            int image_size, uint64_t seed, struct sqz_error *err);

// --- Measuring ---------------------------------------------------------------------------------

enum sqz_bench_task { SQZ_BENCH_INFER, SQZ_BENCH_TRAIN, SQZ_BENCH_LOAD, SQZ_BENCH_ALLREDUCE };
struct sqz_bench {
    enum sqz_bench_task task;
    int batch;                         // of each rank; 0: 1 (32 for all but INFER)
    double seconds;                    // 0: 5
    const struct sqz_options *options; // LOAD: data_dir, train_split, transforms
    bool bf16;                         // with ranks: how gradients travel
    const char *images;                // INFER, TRAIN: a directory to take them from; NULL: noise
    bool norm;                         // TRAIN: batch normalisation, in groups of at most 32
};
struct sqz_bench_result {
    double latency_ms_median, latency_ms_min, latency_ms_p99; // per batch (step)
    double latency_ms_first; // of the first of all, which the others leave out
    double images_per_second, gflops, peak_gflops, peak_fraction, rss_mb;
    int64_t runs;
    int ranks;
    double bytes_per_run, exposed_ms; // sent by this rank; waited for others
};
// model: for all but LOAD; NULL there. With ranks, TRAIN's step and ALLREDUCE, its exchange alone,
// are theirs together. The FMA peak is measured in the same run, on all the
// context's threads; TRAIN is a step with label smoothing and SGD momentum. On noise fewer values
// are zero behind the ReLUs than on photographs, which are faster (kernels/sparse.h).
SQZ_API enum sqz_status sqz_bench_run(struct sqz_context *context, const struct sqz_model *model,
                                      const struct sqz_bench *how, struct sqz_bench_result *out,
                                      struct sqz_error *err);

#ifdef __cplusplus
}
#endif

#endif
