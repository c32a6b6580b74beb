// libsqueezenet: train, fine-tune, validate, classify with, convert and measure SqueezeNet image
// classifiers. This header is for programs that classify; squeezenet_train.h trains and validates,
// squeezenet_tools.h compresses, fetches, checks and measures, squeezenet_ranks.h runs several
// processes as one. The library never prints, never exits, and keeps no
// global state; every fallible function returns a status and explains a failure in *err.
//
//     struct sqz_error err;
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
    char text[1024]; // one full sentence; untouched on success
    enum sqz_status status;
};

SQZ_API const char *sqz_version(void); // "0.1.0"
// Frees a text that a function of the library handed out; NULL too.
SQZ_API void sqz_text_free(char *text);

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
enum sqz_mode {
    SQZ_MODE_SPEED, // many images: weights are enlarged when they are loaded
    SQZ_MODE_START, // one image: weights stay as they are
    SQZ_MODE_MEMORY // and one image at a time, slower: weights stay in their file, if
                    // sqz_classifier_open opens it
};
SQZ_API void sqz_context_set_mode(struct sqz_context *context, enum sqz_mode mode);
struct sqz_machine_info {
    const char *cpu;  // model name
    const char *simd; // "ref", "avx2", "avx512", "neon": the level in use
    int threads;
    const char *kernel; // "6x16": the GEMM tile in use
};
SQZ_API void sqz_context_machine(const struct sqz_context *context, struct sqz_machine_info *out);

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

#ifdef __cplusplus
}
#endif

#endif
