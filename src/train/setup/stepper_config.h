// What a training step is made from; the memory plan asks for it before there is a stepper.
#ifndef SQZ_TRAIN_SETUP_STEPPER_CONFIG_H
#define SQZ_TRAIN_SETUP_STEPPER_CONFIG_H

#include "train/setup/setup.h"
#include "train/step/steps.h"

struct sqz_stepper_config sqz_setup_stepper_config(const struct sqz_environment *environment,
                                                   const struct sqz_setup *setup);

#endif
