// Distillation: part of every target is what another, mostly larger or denser network answers, and
// part of the loss how far the classes' maps are from that one's.
#ifndef SQZ_TRAIN_QAT_TEACHER_H
#define SQZ_TRAIN_QAT_TEACHER_H

#include "train/step/steps.h"
#include "train/setup/environment.h"

struct sqz_teacher;

struct sqz_teaching {
    double share; // of a target that is the teacher's softmax; the rest is what the target was
    double maps;  // weight of the maps' difference (sqz_step_batch); 0: not looked at
};
// Loads the network of `path` for images of net's size; `rows` is the largest batch. *out NULL,
// and no error, where it knows another number of classes and `must_fit` is false.
enum sqz_status sqz_teacher_open(const struct sqz_environment *environment, const char *path,
                                 const struct sqz_net *net, int rows,
                                 const struct sqz_teaching *teaching, bool must_fit,
                                 struct sqz_teacher **out, struct sqz_error *err);
void sqz_teacher_close(struct sqz_teacher *teacher);
// Replaces batch->targets of the rows first .. end-1, whose images the batch holds, and gives their
// maps if they are wanted; valid until the next call.
enum sqz_status sqz_teacher_teach(struct sqz_teacher *teacher, struct sqz_step_batch *batch,
                                  int first, int end, struct sqz_error *err);
const float *sqz_teacher_weights(const struct sqz_teacher *teacher, size_t *n);

#endif
