// What the user left open in the options, filled in from the data, the weights to start from and
// the built-in recipes. Nothing writes options afterwards.
#ifndef SQZ_TRAIN_OPTIONS_RESOLVE_H
#define SQZ_TRAIN_OPTIONS_RESOLVE_H

#include "base/preprocess.h"
#include "data/sets/dataset.h"
#include "net/net.h"
#include "train/options/options.h"

// Kind and split names of `data_dir`; has to be known before the data can be opened.
enum sqz_status sqz_options_resolve_data(struct sqz_options *options,
                                         const struct sqz_dataset_layout *layout,
                                         struct sqz_error *err);

// Published weights, which lie in this file, become ckpt_path.
enum sqz_status sqz_options_resolve_weights(struct sqz_options *options, const char *path,
                                            struct sqz_error *err);
// The transforms alone, for data of this kind and a model that is there already.
enum sqz_status sqz_options_resolve_transforms(struct sqz_options *options, const char *kind,
                                               const struct sqz_preprocess *model, int channels,
                                               struct sqz_error *err);

struct sqz_run_facts {
    const struct sqz_dataset_layout *layout; // of data_dir
    int typical_side; // longest side of the training images; 0: unknown. Without a recipe file only
    int n_classes;    // of the training split
    bool validates;   // there is a split to validate on
    int ranks;
    bool resumed; // the options are a run's own, which name its model
    // Else what ckpt_path's file holds; NULL: there is none.
    const struct sqz_net_spec *spec;
    const struct sqz_preprocess *preprocess;
};
// Everything else. Without a recipe file, *recipe (NULL before) names the built-in one that was
// merged. Sentences for the user are appended to *notes. From here on batch_size means the whole
// batch of all ranks, also in recipe.yaml, so that a run may be resumed with another number of
// them.
enum sqz_status sqz_options_resolve(struct sqz_options *options, const struct sqz_run_facts *facts,
                                    const char **recipe, struct sqz_text *notes,
                                    struct sqz_error *err);

#endif
