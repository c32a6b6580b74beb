// What a run's training step is made from; the memory plan asks for it before there is a stepper.
#ifndef SQZ_TRAIN_RUN_STEPPER_CONFIG_H
#define SQZ_TRAIN_RUN_STEPPER_CONFIG_H

#include "train/step/steps.h"

struct sqz_run;
struct sqz_stepper_config sqz_run_stepper_config(const struct sqz_run *run);

#endif
