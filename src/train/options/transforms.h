// From options to what the loader does with an image. Values that the user did not give come from
// the dataset's preset (MNIST, CIFAR) or the model's file; they are written back into the options,
// so that recipe.yaml says what happened and a restart from it does the same.
#ifndef SQZ_TRAIN_OPTIONS_TRANSFORMS_H
#define SQZ_TRAIN_OPTIONS_TRANSFORMS_H

#include "data/loader/loader.h"
#include "train/options/train_config.h"

// MNIST's and CIFAR's preset transforms; nothing for other kinds of data.
enum sqz_status sqz_transforms_preset(struct sqz_options *options, const char *kind,
                                      struct sqz_error *err);
// Takes size, crop, interpolation, mean and std from a model's preprocessing (below YAML). Without
// a file (from_file false) the dialect's values fill in only what nobody gave.
enum sqz_status sqz_transforms_from_model(struct sqz_options *options,
                                          const struct sqz_preprocess *model, bool from_file,
                                          struct sqz_error *err);
// The transforms as configured. `base` gives what no option names: resize mode and
// channel order.
enum sqz_status sqz_transforms_build(const struct sqz_train_config *config,
                                     const struct sqz_preprocess *base,
                                     struct sqz_preprocess *preprocess, struct sqz_augment *augment,
                                     struct sqz_error *err);
// What single values of the augmentation options cannot tell; part of sqz_options_check.
enum sqz_status sqz_transforms_check(const struct sqz_options *options, struct sqz_error *err);
// What happens to whole batches: mixup, cutmix, repeated augmentation.
void sqz_transforms_batches(const struct sqz_train_config *config,
                            struct sqz_loader_config *loader);

#endif
