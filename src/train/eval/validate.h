// `validate`: a model on the split of a dataset, alone or side by side with another model.
#ifndef SQZ_TRAIN_EVAL_VALIDATE_H
#define SQZ_TRAIN_EVAL_VALIDATE_H

#include "train/eval/evaluate.h"
#include "train/options/options.h"

// What sqz_validate calls: data_dir and val_split of the options (a directory without splits is
// taken whole). use_recipe false: the model's own preprocessing and plain cross-entropy; true: the
// options' transforms and loss. Directories are mapped to the model's classes by name. Options
// confusion and per_class name files that are written, too.
enum sqz_status sqz_evaluate_model(const struct sqz_environment *environment,
                                   const struct sqz_model *model, const struct sqz_options *options,
                                   bool use_recipe, struct sqz_validate_result *out,
                                   struct sqz_error *err);

// A model and the split that it is to be validated on. Release it also after a failure.
struct sqz_session {
    const struct sqz_model *model; // the given one, or `resized`
    struct sqz_model *resized;
    struct sqz_dataset *set;
    struct sqz_loader *loader;
};
enum sqz_status sqz_session_open(const struct sqz_environment *environment,
                                 const struct sqz_model *model, const struct sqz_options *options,
                                 bool use_recipe, struct sqz_session *out, struct sqz_error *err);
void sqz_session_release(struct sqz_session *session);

// What sqz_compare calls: two models, each with its own preprocessing, on the same images.
struct sqz_comparison {
    struct sqz_validate_result model, against;
    struct sqz_compare_result difference;
};
enum sqz_status sqz_compare_models(const struct sqz_environment *environment,
                                   const struct sqz_model *model, const struct sqz_model *against,
                                   const struct sqz_options *options, struct sqz_comparison *out,
                                   struct sqz_error *err);

#endif
