// Distillation: part of every target is what another, mostly larger or denser network answers.
#ifndef SQZ_TRAIN_TEACHER_H
#define SQZ_TRAIN_TEACHER_H

#include "train/steps.h"
#include "train/trainer.h"

struct sqz_teacher;

// Loads the network of `path` for pictures of net's size; `rows` is the largest batch. `share` of a
// target is its softmax, the rest what the target was. *out NULL, and no error, where it knows
// another number of classes and `must_fit` is false.
enum sqz_status sqz_teacher_open(const struct sqz_environment *environment, const char *path,
                                 const struct sqz_net *net, int rows, double share, bool must_fit,
                                 struct sqz_teacher **out, struct sqz_error *err);
void sqz_teacher_close(struct sqz_teacher *teacher);
// Replaces batch->targets of the rows first .. end-1, whose images the batch holds; valid until the
// next call.
void sqz_teacher_teach(struct sqz_teacher *teacher, struct sqz_step_batch *batch, int first,
                       int end);
const float *sqz_teacher_weights(const struct sqz_teacher *teacher, size_t *n);

#endif
