// Compression-aware training: gradual pruning, the quantizer in the loop, distillation, and patches
// that stay small (options prune, compress, distill, update_budget). The trainer calls these
// functions at fixed points; without such an option there is no struct sqz_qat and they do nothing
// with NULL. Every rank does the same to its copy of the weights, which are the same bits
// everywhere; the teacher answers for the rank's own images.
#ifndef SQZ_TRAIN_QAT_QAT_H
#define SQZ_TRAIN_QAT_QAT_H

#include "formats/sqz.h"
#include "train/qat/prune_schedule.h"
#include "train/qat/teacher.h"
#include "train/setup/setup.h"

// What the trainer lends; all borrowed.
struct sqz_qat_host {
    const struct sqz_environment *environment;
    struct sqz_setup *setup;
    struct sqz_stepper *stepper; // ready
    int64_t steps_per_epoch;
    void (*note)(void *arg, const char *sentence); // tells the user
    void *note_arg;
};
struct sqz_qat {
    struct sqz_qat_host host;
    struct sqz_fake_quant fake_quant;
    struct sqz_prune_schedule pruning;
    int64_t quantize_epoch; // in which the quantizer goes into the loop; -1: never
    int64_t coarsen_epochs; // from then until its steps are as coarse as `size` asks for
    size_t size;            // bound of the file without class names; 0: none
    size_t budget;          // bound of the patch from `base`; 0: none
    struct sqz_contents base;
    struct sqz_teacher *teacher; // NULL: none
    float *export_weights;       // the weights in the form that a file will hold
};
// Makes *out and hooks it into the stepper; leaves NULL when no option asks for it.
enum sqz_status sqz_qat_new(const struct sqz_qat_host *host, struct sqz_qat **out,
                            struct sqz_error *err);
void sqz_qat_free(struct sqz_qat *qat);
// At the beginning of epoch `epoch` (0-based), before its loader starts.
enum sqz_status sqz_qat_epoch(struct sqz_qat *qat, int64_t epoch, struct sqz_error *err);
// Before step `step` of the run.
enum sqz_status sqz_qat_step(struct sqz_qat *qat, int64_t step, struct sqz_step_batch *batch,
                             struct sqz_error *err);
// Before a validation, or before the best model is saved: makes the weights that it will hold.
enum sqz_status sqz_qat_export(struct sqz_qat *qat, int64_t epoch, struct sqz_error *err);
// Whether pruning has ended and the quantizer is in the loop after so many epochs and steps:
// before, no model can be the best.
bool sqz_qat_is_final(const struct sqz_qat *qat, int64_t epochs, int64_t steps);

// --- qat_fit.c: what only the real codec can tell ---

// Puts the quantizer into the loop: steps chosen by sqz_auto_run on training images to meet
// `size` bytes (weights that become 0 stay 0), or shared weights.
enum sqz_status sqz_qat_quantize(struct sqz_qat *qat, size_t size, struct sqz_error *err);
// Takes steps and old weights from option ckpt_path's file, the base of update_budget.
enum sqz_status sqz_qat_read_base(struct sqz_qat *qat, struct sqz_error *err);
// Raises the grid's dead zone until the file (with a base: the patch) of `weights` fits into
// `bytes`, and leaves its values in qat->export_weights. With `keep` the training goes on with that
// dead zone.
enum sqz_status sqz_qat_fit(struct sqz_qat *qat, const float *weights, size_t bytes, bool keep,
                            struct sqz_error *err);

#endif
