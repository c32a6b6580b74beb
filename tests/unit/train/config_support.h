// The configuration that some options mean, where a test has only these.
#ifndef TESTS_UNIT_TRAIN_CONFIG_SUPPORT_H
#define TESTS_UNIT_TRAIN_CONFIG_SUPPORT_H

#include "train/options/train_config.h"

// A pointer that is valid until the end of the enclosing block.
#define CONFIG(options) ((const struct sqz_train_config[]){sqz_train_config_of(options)})

#endif
