// Training: options and recipes, training and fine-tuning, validation, comparison of two models.
#ifndef SQUEEZENET_TRAIN_H
#define SQUEEZENET_TRAIN_H

#include <squeezenet.h>

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
