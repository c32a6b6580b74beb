// Everything that is fixed before the first step: merged options, datasets, model, transforms.
#ifndef SQZ_TRAIN_SETUP_SETUP_H
#define SQZ_TRAIN_SETUP_SETUP_H

#include "data/loader/loader.h"
#include "formats/formats.h"
#include "train/setup/environment.h"
#include "train/options/transforms.h"
#include "train/step/loss.h"

// The training data of a run to continue, and what has become of them.
struct sqz_began {
    struct sqz_sample_keys keys; // borrowed; keys NULL: a new run, or one that kept none
    bool fits;                   // the same samples, apart from `removed`
    size_t removed;
};

struct sqz_setup {
    const struct sqz_options *options;     // merged and resolved: what recipe.yaml says
    const struct sqz_train_config *config; // made of them: what the run does
    struct sqz_dataset *train;
    struct sqz_dataset *balanced; // what the training loader draws from, if not `train` itself
    struct sqz_dataset *val;      // NULL: nothing to validate on
    struct sqz_model *model;      // the starting point, with its preprocessing and class names
    struct sqz_net *norm_net;     // what is trained, with norm batch; else NULL: the model's
    struct sqz_augment augment;
    struct sqz_loss loss;
    float *class_weights; // of the loss; NULL: none
    struct sqz_began began;
    uint64_t *sample_keys;   // of `train`, for the training state; NULL: it has none
    const char *kind;        // of the dataset
    struct sqz_ranks *ranks; // the environment's
    bool divided;            // train and val are parts of one directory
    const char *recipe;      // name of the built-in recipe, NULL when one was given
    struct sqz_text notes;   // sentences for the user, one a line
};
void sqz_setup_release(struct sqz_setup *setup);
// `resumed` (may be NULL) is the model of a checkpoint; it is taken over, also on failure. `began`
// (may be NULL): the samples that the checkpoint's run began with, borrowed for the setup's life.
enum sqz_status sqz_setup_open(const struct sqz_environment *environment,
                               const struct sqz_options *given, struct sqz_model *resumed,
                               const struct sqz_sample_keys *began, struct sqz_setup *out,
                               struct sqz_error *err);
// pretrained.c: with option pretrained, sees to it that the published weights lie on this machine
// (progress and stop through the environment); *path (sqz_free) is the file, else NULL.
enum sqz_status sqz_setup_pretrained(const struct sqz_environment *environment,
                                     const struct sqz_options *options, char **path,
                                     struct sqz_error *err);
// The same for one address, as struct sqz_published_request describes.
enum sqz_status sqz_pretrained_fetch(const struct sqz_environment *environment, const char *url,
                                     const char *dir, char **path, struct sqz_error *err);
// Makes the model and the transforms as configured; part of sqz_setup_open. `from` is ckpt_path's
// model, whose weights may give way to their moving average, or, `resumed`, that of the run; NULL:
// fresh weights.
enum sqz_status sqz_setup_model(struct sqz_setup *setup, struct sqz_model *from, bool resumed,
                                struct sqz_error *err);

// A new model with another number of classes, size or dropout: weights copied by name, the
// classifier fresh from `seed` when the classes differ, conv1 summed when `channels` falls to 1.
enum sqz_status sqz_model_adapt(const struct sqz_model *from, const struct sqz_net_spec *spec,
                                uint64_t seed, struct sqz_model **out, struct sqz_error *err);
// The loader of the training split, or of `set` with the evaluation transform.
enum sqz_status sqz_setup_train_loader(const struct sqz_setup *setup, int threads,
                                       struct sqz_loader **out, struct sqz_error *err);
enum sqz_status sqz_setup_val_loader(const struct sqz_train_config *config,
                                     const struct sqz_dataset *set,
                                     const struct sqz_preprocess *preprocess,
                                     const struct sqz_environment *environment,
                                     struct sqz_loader **out, struct sqz_error *err);
struct sqz_loader_config sqz_setup_val_loader_config(const struct sqz_train_config *config,
                                                     const struct sqz_dataset *set,
                                                     const struct sqz_preprocess *preprocess,
                                                     const struct sqz_environment *environment);
struct sqz_loader_config sqz_setup_loader_config(const struct sqz_setup *setup, int threads);

#endif
