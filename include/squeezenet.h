// libsqueezenet: SqueezeNet image classifiers for programs that embed one. This header opens models
// and classifies images from files, from memory and from pixels. squeezenet_train.h trains and
// validates, squeezenet_tools.h compresses, converts, checks and measures, squeezenet_ranks.h runs
// several processes as one.
//
//     struct sqz_error err;
//     struct sqz_context *context = NULL;
//     struct sqz_classifier *classifier = NULL;
//     struct sqz_class_score best[5];
//     int n = 5;
//     enum sqz_status status = sqz_context_new(0, &context, &err);
//     if (!status)
//         status = sqz_classifier_open(context, "model.safetensors", NULL, &classifier, &err);
//     if (!status) status = sqz_classify_file(classifier, "photo.jpg", best, &n, &err);
//     if (!status) printf("%s %.1f %%\n", best[0].name, 100 * best[0].probability);
//     else fprintf(stderr, "%s\n", err.text);
//     sqz_classifier_free(classifier);
//     sqz_context_free(context);
//
// Rules for every function of the library
//
// Errors. A fallible function returns a status and takes `err` last, which may be NULL. On failure
// *err holds the status and one sentence that names the file, option or value; on success it is
// untouched. Results are written on success only. Pointers must not be NULL unless a comment says
// "may be NULL".
//
// Side effects. The library never prints. It never ends the process, but for one case: after a rank
// is lost, sqz_context_free ends the job (squeezenet_ranks.h). Its global state are tables that are
// written once. It reads the environment variables SQUEEZENET_CPU, SQUEEZENET_THREADS,
// SQUEEZENET_OVERSUBSCRIBE, XDG_CACHE_HOME and HOME; with ranks also SQUEEZENET_MODULES,
// SQUEEZENET_HOST, PATH and those of the launcher.
//
// Ownership. What a _new or _open function hands out is freed by the _free function of that type,
// which also takes NULL; structs of the caller that own memory after a call are emptied by their
// _release function; texts (char **) are freed by sqz_text_free. The library copies what it is
// given, unless a comment says "borrows": then the object must outlive the borrower.
//
// Structs that may grow begin with struct_size. Initialise each of them with SQZ_INIT, then set
// what you need; a program keeps running with a newer library, which sees members that the program
// does not know as zero:
//
//     struct sqz_model_options options = SQZ_INIT(sqz_model_options);
//
// A struct that was not initialised is refused, with SQZ_E_USAGE where the function returns a
// status. So is one in which a newer program sets members that an older library does not know.
//
// Thread safety
//
// - A model does not change once it is open: any number of threads may read it, and any number of
//   classifiers may borrow it.
// - A context may be shared by several threads, each with classifiers of its own. Its worker
//   threads then serve them in turn. The long calls of the other headers (sqz_train, sqz_compress,
//   ...) and sqz_context_on_event, _set_mode, _set_precision and _free want it to themselves.
// - A classifier is used by one thread at a time. For N threads make N classifiers of one model by
//   sqz_classifier_new: those on contexts of one SIMD level and mode share one copy of the prepared
//   weights, floats or integers. Those that sqz_classifier_open made have a copy each, because each
//   of them has opened a model of its own.
// - Functions on different objects never disturb each other. "Any thread" in a comment means that
//   the function may also run at the same time as others on the same object.
// - Results do not depend on the number of threads, down to the last bit.
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

// --- Version, status, error --------------------------------------------------------------------

// Of this header. SQZ_VERSION_NUMBER grows with every release: compare it with
// sqz_version_number(), which is the library's.
#define SQZ_VERSION_MAJOR  0
#define SQZ_VERSION_MINOR  2
#define SQZ_VERSION_PATCH  0
#define SQZ_VERSION_NUMBER (SQZ_VERSION_MAJOR * 10000 + SQZ_VERSION_MINOR * 100 + SQZ_VERSION_PATCH)

// The library's version, "0.2.0" and 200. Any thread.
SQZ_API const char *sqz_version(void);
SQZ_API int sqz_version_number(void);

// Initialises a struct that begins with struct_size, as in
//     struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
#ifdef __cplusplus
#define SQZ_INIT(type) \
    ([] { \
        struct type made = {}; \
        made.struct_size = sizeof made; \
        return made; \
    }())
#else
#define SQZ_INIT(type) \
    { \
        .struct_size = sizeof(struct type) \
    }
#endif

// The values are the program's exit statuses.
enum sqz_status {
    SQZ_OK = 0,
    SQZ_BELOW_BOUND = 1, // a result is worse than the caller asked for
    SQZ_E_USAGE = 2,     // a wrong argument
    SQZ_E_DATA = 65,     // a file's content is not what it should be
    SQZ_E_NOINPUT = 66,  // a file or directory is missing
    SQZ_E_INTERNAL = 70, // a bug in the library
    SQZ_E_NOMEM = 71,
    SQZ_E_CANTWRITE = 73, // cannot create or fill a file
    SQZ_E_IO = 74,
    SQZ_E_STOPPED = 75,  // stopped, cancelled or timed out; can be resumed or tried again
    SQZ_E_DIVERGED = 76, // non-finite loss or dead start
    SQZ_E_CONFIG = 78    // a bad recipe
};
// "SQZ_E_DATA" and so on; "unknown status" for any other number. Any thread.
SQZ_API const char *sqz_status_name(enum sqz_status status);

struct sqz_error {
    char text[1024]; // one full sentence, ended by a zero byte
    enum sqz_status status;
};

// Frees a text that the library handed out; NULL too. Any thread.
SQZ_API void sqz_text_free(char *text);

// --- Text that is shown ------------------------------------------------------------------------

// Names of files and classes, and sentences that quote them, may come from somebody else. Where
// they are shown decides what is harmless there. "Controls" are C0, DEL, C1 (also as UTF-8), marks
// of direction, line separators; bytes that are no UTF-8 are treated alike.
enum sqz_text_target {
    SQZ_TEXT_LINE,      // a line of a terminal: controls become '?'
    SQZ_TEXT_PARAGRAPH, // a terminal or a log: the same, and lines after the first are indented
    SQZ_TEXT_CSV,    // a cell: the same as a line, quoted as RFC 4180 has it; one that would be a
                     // formula of a spreadsheet (=+-@) begins with an apostrophe
    SQZ_TEXT_JSON,   // within the quotes: controls as \uXXXX, bytes that are no UTF-8 as U+FFFD
    SQZ_TEXT_PERCENT // every byte outside of printable ASCII, blanks and % as %XX: exact
};
// Writes at most `size` bytes, NUL included, and cuts between characters. Returns the length that
// the whole has (without NUL), as snprintf does. May be called from any thread.
SQZ_API size_t sqz_text_escape(enum sqz_text_target target, const char *text, char *out,
                               size_t size);
SQZ_API bool sqz_text_is_utf8(const char *text);
// Insertions, deletions, replacements and swaps of neighbouring bytes that turn a into b: how far a
// mistyped word is from a known one. 1000 for words of more than 63 bytes. Any thread.
SQZ_API int sqz_edit_distance(const char *a, const char *b);

// --- Context: threads, SIMD level, where messages go -------------------------------------------

enum sqz_event_kind { SQZ_EVENT_NOTE, SQZ_EVENT_WARNING, SQZ_EVENT_PROGRESS, SQZ_EVENT_EPOCH };
// Made by the library: later versions may append members.
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
// Starts the worker threads that everything else computes on. threads 0: the number in
// SQUEEZENET_THREADS, else the physical cores that this process may use; never more than its
// processors. Gives *out, to be freed by sqz_context_free. Fails when memory or threads are missing
// (SQZ_E_NOMEM) or threads is not in 0..1024 (SQZ_E_USAGE). Any thread.
SQZ_API enum sqz_status sqz_context_new(int threads, struct sqz_context **out,
                                        struct sqz_error *err);
// Ends the threads. Every classifier of the context has to be freed before.
SQZ_API void sqz_context_free(struct sqz_context *context);
// Calls fn(arg, event) with messages and progress of long calls, from the thread that made the call
// and only while it lasts. fn NULL: nobody listens. Not while another thread uses the context.
SQZ_API void sqz_context_on_event(struct sqz_context *context, sqz_event_fn fn, void *arg);
// Asks a long call (training, compression, benchmark, dataset work, download) to stop at its next
// step: it saves what can be resumed and returns SQZ_E_STOPPED. A stop that is asked for before
// such a call begins stops the next one; the call that returns SQZ_E_STOPPED takes the request with
// it. Classification has a cancellation of its own, struct sqz_cancel. Any thread, and from signal
// handlers.
SQZ_API void sqz_context_stop(struct sqz_context *context);

// What classifiers that are made, and benchmarks that are run, from now on do without. Logits of
// SPEED differ from the others' in their last bits.
enum sqz_mode {
    SQZ_MODE_SPEED, // many images: weights are enlarged when they are loaded
    SQZ_MODE_START, // one image: weights stay as they are
    SQZ_MODE_MEMORY // and one image at a time, slower: weights stay in their file, if
                    // sqz_classifier_open opens it
};
// Not while another thread uses the context.
SQZ_API void sqz_context_set_mode(struct sqz_context *context, enum sqz_mode mode);
// What classifiers, validation and benchmarks that begin from now on compute in. INT8 needs a model
// that was compressed with --int8 (SQZ_METHOD_INT8), and fails with SQZ_E_USAGE for others; AUTO
// takes integers where a model has them. Not while another thread uses the context.
enum sqz_precision { SQZ_PRECISION_AUTO, SQZ_PRECISION_FP32, SQZ_PRECISION_INT8 };
SQZ_API void sqz_context_set_precision(struct sqz_context *context, enum sqz_precision precision);

struct sqz_machine_info { // the strings live as long as the context
    size_t struct_size;
    const char *cpu;  // model name
    const char *simd; // level in use: "ref", "avx2", "avxvnni", "avx512", "avx512vnni", "amx",
                      // "neon", "neondot"
    int threads;
    const char *kernel; // "6x16": the GEMM tile in use
};
// What the context computes on. Fails only for a wrong struct_size. Any thread.
SQZ_API enum sqz_status sqz_context_machine(const struct sqz_context *context,
                                            struct sqz_machine_info *out, struct sqz_error *err);

// --- Models ----------------------------------------------------------------------------------

struct sqz_model;
struct sqz_model_options { // every member may stay 0 or NULL
    size_t struct_size;
    const char *dialect; // "mindcv", "torchvision", "caffe": overrides the usual one of the format
    const char *classes_file; // class names, one a line
    int image_size;           // side of the network's input in pixels; overrides the file's
    int apply_exif; // 1: images are turned as their EXIF orientation says, -1: not; 0: the file's
};
// Reads a weight file of any supported format, which is found by its content. options may be NULL.
// Gives *out, to be freed by sqz_model_free. Fails with SQZ_E_NOINPUT or SQZ_E_IO when the file
// cannot be read, SQZ_E_DATA when it is no such file or damaged. Any thread.
SQZ_API enum sqz_status sqz_model_open(const char *path, const struct sqz_model_options *options,
                                       struct sqz_model **out, struct sqz_error *err);
// The same from `size` bytes of a weight file in memory, which are not needed after the call.
// `name` (may be NULL) is what error sentences call them. A format of two files (ncnn) cannot be
// opened in this way.
SQZ_API enum sqz_status sqz_model_open_memory(const void *data, size_t size, const char *name,
                                              const struct sqz_model_options *options,
                                              struct sqz_model **out, struct sqz_error *err);
// A fresh network with MindCV's initialisation from `seed`. variant: a name of sqz_variant_name.
// dialect NULL: "mindcv". channels: 1 or 3. image_size 0: the dialect's. Fails with SQZ_E_USAGE for
// values that no network has. Any thread.
SQZ_API enum sqz_status sqz_model_new(const char *variant, const char *dialect, int classes,
                                      int channels, int image_size, uint64_t seed,
                                      struct sqz_model **out, struct sqz_error *err);
// Every classifier that borrows the model has to be freed before.
SQZ_API void sqz_model_free(struct sqz_model *model);
// Writes a file whose format follows from the path's suffix. An existing file is replaced only with
// `force` (else SQZ_E_CANTWRITE); a file is written whole or not at all. Any thread.
SQZ_API enum sqz_status sqz_model_save(const struct sqz_model *model, const char *path, bool force,
                                       struct sqz_error *err);

struct sqz_model_info { // the strings live as long as what they were asked of
    size_t struct_size;
    const char *variant, *dialect, *made_by;
    const char *stem; // "imagenet" (as published), "small", "small_nopool"
    int classes, channels, image_size, layers;
    uint64_t parameters, macs; // MACs: multiply-accumulates of one image
    size_t weight_bytes;       // as float32
    size_t activation_bytes;   // memory for the activations of one inference thread
    bool has_class_names;
    char preprocess[256]; // how an image becomes the network's input, as one readable line
    bool has_integers;    // also a network in 8-bit integers: see sqz_context_set_precision
    int embedding_size, class_map_height, class_map_width; // see struct sqz_classify_result
    // Where the cells of a class map lie in the network's input: the centre of cell (0, 0) along
    // either axis, and the distance of neighbours, in pixels (the first pixel's centre is at 0).
    double class_map_start, class_map_step;
    // From sqz_calibrate: the score ("softmax", "logit", "energy") below whose threshold an image
    // is of none of the classes; NULL: the model answers always. And the temperature that was
    // folded into the weights; 0: none.
    const char *unknown_score;
    double unknown_threshold, temperature;
    int class_map_border; // rings of cells at the rim that see padding only: the bias alone
};
// Fails only for a wrong struct_size or without memory. Any thread.
SQZ_API enum sqz_status sqz_model_describe(const struct sqz_model *model,
                                           struct sqz_model_info *out, struct sqz_error *err);
struct sqz_layer_info { // the strings live as long as the model
    size_t struct_size;
    const char *name, *kind; // kind: "conv", "maxpool", "add", "dropout", "mean"
    int h, w, c;             // of the output
    int kernel, stride, pad;
    uint64_t parameters, macs;
};
// Layer 0 to layers - 1; false past the last or for a wrong struct_size. Any thread.
SQZ_API bool sqz_model_layer(const struct sqz_model *model, int layer, struct sqz_layer_info *out);
// NULL if the model does not know it. Lives as long as the model. Any thread.
SQZ_API const char *sqz_model_class_name(const struct sqz_model *model, int index);

// The names that the library knows, from index 0; NULL past the last. Pointers to what else is told
// may be NULL. All live for ever. Any thread.
SQZ_API const char *sqz_variant_name(int index, const char **summary);
SQZ_API const char *sqz_dialect_name(int index);
SQZ_API const char *sqz_format_name(int index, const char **suffix, const char **summary,
                                    bool *writable);

// --- Classifiers -------------------------------------------------------------------------------

// A model made ready to run, with memory of its own for one image (of each worker thread, for
// batches).
struct sqz_classifier;
// Borrows context and model; gives *out, to be freed by sqz_classifier_free. Shares prepared
// weights with other classifiers of the model, see Thread safety. Fails without memory, and with
// SQZ_E_USAGE when the context wants integers that the model does not have. Any thread.
SQZ_API enum sqz_status sqz_classifier_new(struct sqz_context *context,
                                           const struct sqz_model *model,
                                           struct sqz_classifier **out, struct sqz_error *err);
// Opens a model only to classify with: the classifier keeps it, and its weights leave memory once
// they are prepared. options may be NULL. Borrows context. Fails like sqz_model_open. Any thread.
SQZ_API enum sqz_status sqz_classifier_open(struct sqz_context *context, const char *path,
                                            const struct sqz_model_options *options,
                                            struct sqz_classifier **out, struct sqz_error *err);
// The same from a weight file in memory, see sqz_model_open_memory.
SQZ_API enum sqz_status sqz_classifier_open_memory(struct sqz_context *context, const void *data,
                                                   size_t size, const char *name,
                                                   const struct sqz_model_options *options,
                                                   struct sqz_classifier **out,
                                                   struct sqz_error *err);
SQZ_API void sqz_classifier_free(struct sqz_classifier *classifier);
// Describes the classifier's model. Any thread.
SQZ_API enum sqz_status sqz_classifier_describe(const struct sqz_classifier *classifier,
                                                struct sqz_model_info *out, struct sqz_error *err);

// The readable name of class 0 to classes - 1, "class 7" where the model has no names; NULL past
// the last. Lives as long as the classifier. Any thread.
SQZ_API const char *sqz_classifier_class_name(const struct sqz_classifier *classifier, int index);

// --- Classification ------------------------------------------------------------------------------

struct sqz_class_score { // of arrays: does not grow
    int index;
    const char *name; // readable; never NULL; lives as long as the classifier
    float probability;
};

// Pixels of 8 bits in memory.
enum sqz_pixel_format {
    SQZ_PIXELS_RGB,  // 3 bytes a pixel
    SQZ_PIXELS_BGR,  // 3 bytes: OpenCV's order
    SQZ_PIXELS_RGBA, // 4 bytes; alpha is ignored
    SQZ_PIXELS_BGRA, // 4 bytes; alpha is ignored
    SQZ_PIXELS_GRAY, // 1 byte
    SQZ_PIXELS_NV12, // a plane of Y, then one of U and V in turn for every 2 x 2 pixels
    SQZ_PIXELS_I420, // a plane of Y, one of U, one of V
    SQZ_PIXELS_YUYV  // 4 bytes for two pixels: Y0 U Y1 V; the width is even
};
struct sqz_pixels {
    size_t struct_size;
    enum sqz_pixel_format format;
    int width, height; // 1 to 65500
    // Where each plane begins. Only NV12 has a second one, only I420 a second and a third.
    const uint8_t *planes[3];
    // Bytes from a row to the next one of each plane, which may be more than a row holds or, for an
    // image stored bottom up, negative (the plane then begins at the last row in memory). 0: rows
    // are contiguous.
    ptrdiff_t strides[3];
};

// The *n most probable classes of one image, best first, into best[0 .. *n - 1]; *n becomes the
// number written, which is smaller if there are fewer classes. All take a classifier that no other
// thread uses now. They fail with SQZ_E_DATA for what is no readable image, SQZ_E_NOINPUT for a
// missing file, SQZ_E_USAGE for pixels that cannot be.
SQZ_API enum sqz_status sqz_classify_file(struct sqz_classifier *classifier, const char *path,
                                          struct sqz_class_score *best, int *n,
                                          struct sqz_error *err);
// `size` bytes of an encoded image (JPEG, PNG).
SQZ_API enum sqz_status sqz_classify_bytes(struct sqz_classifier *classifier, const void *data,
                                           size_t size, struct sqz_class_score *best, int *n,
                                           struct sqz_error *err);
// The same function prepares pixels and decoded files: equal pixels give equal results, to the last
// bit. Y, U and V are taken as BT.601 in video range, which cameras send; they become RGB as OpenCV
// does it.
SQZ_API enum sqz_status sqz_classify_pixels(struct sqz_classifier *classifier,
                                            const struct sqz_pixels *pixels,
                                            struct sqz_class_score *best, int *n,
                                            struct sqz_error *err);

struct sqz_samples; // below

// One image, as exactly one of: a file; encoded bytes; pixels; a sample of a dataset.
struct sqz_input {
    size_t struct_size;
    const char *path;
    const void *data; // encoded, `size` bytes
    size_t size;
    const struct sqz_pixels *pixels;
    const struct sqz_samples *samples;
    size_t sample;    // its index
    const char *name; // what error sentences call bytes and pixels; may be NULL
};

// Where the results of one image go. Every buffer comes with the number of elements that it can
// hold, and that number becomes how many were written. A buffer that is NULL is not wanted. `best`
// may be of any size; the others must hold all, or the image fails with SQZ_E_USAGE.
struct sqz_classify_result {
    size_t struct_size;
    enum sqz_status status;       // out: of this image
    struct sqz_error *error;      // may be NULL; gets the sentence if this image fails
    struct sqz_class_score *best; // the most probable classes, best first
    int best_count;
    float *logits; // one a class
    size_t logit_count;
    float *probabilities; // one a class: softmax of the logits
    size_t probability_count;
    // Features. Each of the two takes a run of the network when both are wanted; logits do not
    // change. Classifiers in 8-bit integers have none: an image that wants one fails with
    // SQZ_E_USAGE.
    float *embedding; // 512: the average of each channel that the last convolution reads
    size_t embedding_count;
    // What the last convolution writes, after the ReLU: height x width x classes, the class moving
    // fastest. The average of a class over height and width is its logit.
    float *class_maps;
    size_t class_map_count;                // floats; to ask for it: struct sqz_model_info
    int class_map_height, class_map_width; // out
    // The image as the network sees it, after resizing and cropping: image_size x image_size x RGB.
    uint8_t *view;
    size_t view_size;  // bytes
    bool unknown;      // out: below the model's threshold, see struct sqz_model_info
    bool exif_ignored; // out: the image asks to be turned, and the model's preprocessing does not
};

// Set by another thread or a signal handler, read while a call runs. Zero-initialise it.
struct sqz_cancel {
    int requested; // only through the functions below
};
// Any thread, and from signal handlers.
SQZ_API void sqz_cancel_request(struct sqz_cancel *cancel);
SQZ_API void sqz_cancel_reset(struct sqz_cancel *cancel);

struct sqz_classify_options { // every member may stay 0 or NULL
    size_t struct_size;
    double timeout;                  // seconds that the call may take; 0: no limit
    const struct sqz_cancel *cancel; // borrowed until the call returns
};
// Classifies n images, which are decoded on all of the context's threads; each one's results equal
// those of a call of its own, to the last bit. options may be NULL. An image that fails does not
// stop the others: its result tells. Returns SQZ_OK if all images succeeded, else the status of the
// first that did not, with its sentence in *err. After a cancellation, also one from before the
// call, or a time-out, the images that were not done have SQZ_E_STOPPED; both are looked for before
// each image is decoded and before each run of the network, which is not interrupted itself. Takes
// a classifier that no other thread uses now.
SQZ_API enum sqz_status sqz_classify_batch(struct sqz_classifier *classifier,
                                           const struct sqz_input *inputs,
                                           struct sqz_classify_result *results, size_t n,
                                           const struct sqz_classify_options *options,
                                           struct sqz_error *err);

// --- Samples and thumbnails ----------------------------------------------------------------------

// The labelled images of one split of a dataset ("" or NULL: val, else test, else the directory).
// Gives *out, to be freed by sqz_samples_free. Fails with SQZ_E_NOINPUT or SQZ_E_DATA when there is
// no dataset. Any thread; the samples may be shared by all threads.
SQZ_API enum sqz_status sqz_samples_open(const char *dir, const char *split,
                                         struct sqz_samples **out, struct sqz_error *err);
SQZ_API void sqz_samples_free(struct sqz_samples *samples);
SQZ_API size_t sqz_samples_count(const struct sqz_samples *samples);
// Name of a sample's class, and of its file (NULL for datasets that are not made of files). NULL
// past the last. Live as long as the samples.
SQZ_API const char *sqz_samples_class(const struct sqz_samples *samples, size_t index);
SQZ_API const char *sqz_samples_file(const struct sqz_samples *samples, size_t index);
// Writes 3 * w * h bytes of RGB pixels as a PNG file, whole or not at all. An existing file is
// replaced only with `force` (else SQZ_E_CANTWRITE). Any thread.
SQZ_API enum sqz_status sqz_write_png(const char *path, const uint8_t *rgb, int w, int h,
                                      bool force, struct sqz_error *err);
// Whether a file begins as an image of a kind that is read, if only a damaged one. Fails with
// SQZ_E_NOINPUT or SQZ_E_IO when the file cannot be read, which is no answer. Any thread.
SQZ_API enum sqz_status sqz_is_image_file(const char *path, bool *out, struct sqz_error *err);
// An image shrunk or enlarged into at most *w x *h pixels, aspect kept; *w and *h become its size.
// rgb holds `capacity` bytes, at least 3 * *w * *h. Fails like sqz_classify_file. Any thread.
SQZ_API enum sqz_status sqz_thumbnail_file(const char *path, int *w, int *h, uint8_t *rgb,
                                           size_t capacity, struct sqz_error *err);
SQZ_API enum sqz_status sqz_thumbnail_sample(const struct sqz_samples *samples, size_t index,
                                             int *w, int *h, uint8_t *rgb, size_t capacity,
                                             struct sqz_error *err);

#ifdef __cplusplus
}
#endif

#endif
