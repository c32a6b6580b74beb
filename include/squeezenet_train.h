// Training: options and recipes, training and fine-tuning, validation, comparison of two models.
// The rules of squeezenet.h about errors, ownership, struct_size and threads hold here, too.
#ifndef SQUEEZENET_TRAIN_H
#define SQUEEZENET_TRAIN_H

#include <squeezenet.h>

#ifdef __cplusplus
extern "C" {
#endif

// --- Options of train and validate -------------------------------------------------------------

// Values of every option that docs/options.md lists. Used by one thread at a time while it is
// written; then any number of threads may read it.
struct sqz_options;
// All options at their defaults. Gives *out, to be freed by sqz_options_free. Fails without memory.
SQZ_API enum sqz_status sqz_options_new(struct sqz_options **out, struct sqz_error *err);
SQZ_API void sqz_options_free(struct sqz_options *options);
// Sets an option to a value as typed on a command line. SQZ_E_USAGE for an unknown name, with the
// nearest known one in the sentence, and for a value that cannot be.
SQZ_API enum sqz_status sqz_options_put(struct sqz_options *options, const char *name,
                                        const char *value, struct sqz_error *err);
// Reads a recipe. Values that were put win, whichever comes first. Fails with SQZ_E_CONFIG for a
// bad recipe, SQZ_E_NOINPUT when there is none.
SQZ_API enum sqz_status sqz_options_load(struct sqz_options *options, const char *yaml_path,
                                         struct sqz_error *err);
// Writes an option's present value as text into `size` bytes, cut to fit; false for an unknown
// name.
SQZ_API bool sqz_options_get(const struct sqz_options *options, const char *name, char *value,
                             size_t size);
struct sqz_option_info { // the strings live for ever
    size_t struct_size;
    const char *name, *type; // type: "bool", "int", "float", "text", "list"
    const char *fallback, *group, *help;
    const char *choices; // "a b c" or NULL
};
// Options from index 0; false past the last or for a wrong struct_size. Any thread.
SQZ_API bool sqz_option_info(int index, struct sqz_option_info *out);
// Names that an option may have here when other programs call it `word`, from index 0, the
// likeliest first: epoch_size, epochs for num_epochs. NULL past the last. Any thread.
SQZ_API const char *sqz_option_synonym(const char *word, int index);

// --- Training and validation -------------------------------------------------------------------

// The calls below want the context to themselves, read `options` and the models, call the context's
// event function and can be stopped by sqz_context_stop.

struct sqz_train_result {
    size_t struct_size;
    char run_dir[4096];
    int epochs;
    int64_t steps;
    double seconds, ms_per_step, images_per_second, final_loss;
    int best_epoch;              // 0: never validated
    double best_top1, best_top5; // shares, 0 to 1
    char best_checkpoint[4096];
    // With ranks; 1 and zeros for one process. exposed_ms: what a step of rank 0 waited for others.
    int ranks, slowest_rank;
    char slowest_host[72];
    double bytes_per_step, exposed_ms;
    double efficiency; // share of the time that was spent computing
};
// Trains, fine-tunes (option ckpt_path) or resumes (option resume) and writes the run directory,
// which it names in *out. Fails with SQZ_E_CONFIG for options that contradict each other,
// SQZ_E_NOINPUT and SQZ_E_DATA for the dataset, SQZ_E_DIVERGED for a loss that is not finite, and
// SQZ_E_STOPPED, which leaves a run directory that can be resumed.
SQZ_API enum sqz_status sqz_train(struct sqz_context *context, const struct sqz_options *options,
                                  struct sqz_train_result *out, struct sqz_error *err);
// Tells what sqz_train would do: configuration with origins, network, learning-rate curve, memory
// and time, as a text to be freed by sqz_text_free. Writes no files but the curve (SVG) and the
// first batch (PNG) into run_dir, if that option is given. With option find_lr it is the outcome of
// a search for a learning rate instead.
SQZ_API enum sqz_status sqz_train_dry_run(struct sqz_context *context,
                                          const struct sqz_options *options, char **text,
                                          struct sqz_error *err);

struct sqz_reliability_bin { // of arrays: does not grow
    int64_t samples;
    double confidence, accuracy; // means; 0 without samples
};
enum { SQZ_RELIABILITY_BINS = 15 };
struct sqz_validate_result {
    size_t struct_size;
    int64_t samples, substituted;
    int classes;             // of the model
    double top1, top5, loss; // shares, 0 to 1; loss in nats
    // How far the probabilities can be believed; sqz_compare leaves these at 0. Bin b has the
    // samples whose largest probability is from b / 15 to (b + 1) / 15; ece (expected calibration
    // error) is the mean over samples of their bin's |confidence - accuracy|; nll in nats; brier:
    // the mean over samples of the sum of squared errors of the probabilities.
    double ece, nll, brier;
    struct sqz_reliability_bin reliability[SQZ_RELIABILITY_BINS];
};
// The shares between which the true accuracy lies with 95 % probability, when `correct` of
// `samples` images were right (Wilson's interval). Any thread.
SQZ_API void sqz_accuracy_interval(int64_t correct, int64_t samples, double *low, double *high);
// Measures the model on the options' data_dir and val_split. use_recipe false: with the model's own
// preprocessing and plain cross-entropy; true: with the options' transforms and loss.
SQZ_API enum sqz_status sqz_validate(struct sqz_context *context, const struct sqz_model *model,
                                     const struct sqz_options *options, bool use_recipe,
                                     struct sqz_validate_result *out, struct sqz_error *err);

struct sqz_compare_result {
    size_t struct_size;
    double kl;              // nats: mean of KL(against || model) of the softmax
    double agreement;       // share of images with the same most probable class
    double top1_difference; // model's minus against's, on the same images,
    double standard_error;  // and the standard error of that mean
};
// Measures two models on the same images, each with its own preprocessing and plain cross-entropy:
// *of_model and *of_against (each may be NULL) alone, *out beside each other. SQZ_E_USAGE when they
// do not have the same classes.
SQZ_API enum sqz_status sqz_compare(struct sqz_context *context, const struct sqz_model *model,
                                    const struct sqz_model *against,
                                    const struct sqz_options *options,
                                    struct sqz_validate_result *of_model,
                                    struct sqz_validate_result *of_against,
                                    struct sqz_compare_result *out, struct sqz_error *err);

// --- Calibration ---------------------------------------------------------------------------------

struct sqz_calibrate_options { // every member but options may stay 0 or NULL
    size_t struct_size;
    const struct sqz_options *options; // data_dir, val_split
    // What the threshold for "unknown" is chosen for: a share of images that get an answer, or a
    // share of answers that are right. Both 0: a coverage of 0.95 with unknown_dir, else no
    // threshold.
    double coverage, precision;
    const char *unknown_dir; // images of none of the classes; NULL: none
};
struct sqz_calibrate_figures { // of images that nothing was fitted to; as in sqz_validate_result
    double top1, ece, nll, brier;
};
struct sqz_trade_off { // of arrays: does not grow
    double threshold, coverage, precision;
};
enum { SQZ_TRADE_OFF_ROWS = 8 };
struct sqz_calibrate_result {
    size_t struct_size;
    int64_t fitted, held, unknown; // images: that fit, that report, of none of the classes
    double temperature;
    struct sqz_calibrate_figures before, after;
    int64_t top1_changed; // images whose most probable class has changed
    // The area under the ROC curve of known (held) against unknown images; NAN without unknown_dir.
    double auroc_softmax, auroc_logit, auroc_energy;
    const char *score; // "softmax", "logit", "energy": the best of them; "none": no threshold
    double threshold;
    double coverage, precision; // of the threshold, on the images that report
    double unknown_refused;     // share; NAN without unknown_dir
    struct sqz_trade_off trade_off[SQZ_TRADE_OFF_ROWS]; // of other thresholds of the same score
};
// Makes a calibrated copy of a model, to be freed by sqz_model_free. The temperature with the least
// NLL on every second image of each class is folded into the last convolution, so that files of any
// format have it; the other images report. SQZ_E_USAGE for models in 8-bit integers,
// SQZ_BELOW_BOUND when no threshold gives the precision.
SQZ_API enum sqz_status sqz_calibrate(struct sqz_context *context, const struct sqz_model *model,
                                      const struct sqz_calibrate_options *options,
                                      struct sqz_model **out, struct sqz_calibrate_result *result,
                                      struct sqz_error *err);

#ifdef __cplusplus
}
#endif

#endif
