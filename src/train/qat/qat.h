// Training for a small file: gradual pruning, the quantizer in the loop, distillation, and patches
// that stay small (options prune, compress, distill, update_budget; docs/compression.md). The
// trainer calls these functions at fixed points; without such an option they do nothing. Of several
// ranks each does the same to its copy of the weights, which are the same bits everywhere; the
// teacher answers for the rank's own images.
#ifndef SQZ_TRAIN_QAT_QAT_H
#define SQZ_TRAIN_QAT_QAT_H

#include "formats/sqz.h"
#include "train/qat/teacher.h"

struct sqz_run;

struct sqz_qat {
    struct sqz_fake_quant fake_quant;
    double density;         // share of the weights that stays in the end; 1: nothing is pruned
    int64_t prune_steps;    // until the density is reached
    int64_t prune_interval; // steps from pruning to pruning
    int64_t quantize_epoch; // in which the quantizer goes into the loop; -1: never
    int64_t coarsen_epochs; // from then until its steps are as coarse as `size` asks for
    size_t size;            // bound of the file without class names; 0: none
    size_t budget;          // bound of the patch from `base`; 0: none
    struct sqz_contents base;
    struct sqz_teacher *teacher; // NULL: none
    float *export_weights;       // the weights in the form that a file will hold
};
// When the stepper is ready: fills run->qat and hooks it into the stepper, or leaves NULL.
enum sqz_status sqz_qat_new(struct sqz_run *run, struct sqz_error *err);
void sqz_qat_free(struct sqz_qat *qat);
// At the beginning of an epoch, before its loader starts.
enum sqz_status sqz_qat_epoch(struct sqz_run *run, struct sqz_error *err);
// Before every step.
enum sqz_status sqz_qat_step(struct sqz_run *run, struct sqz_step_batch *batch,
                             struct sqz_error *err);
// Before a validation or a saving of the best model: what that model is.
enum sqz_status sqz_qat_export(struct sqz_run *run, struct sqz_error *err);
// Whether pruning has ended and the quantizer is in the loop: before, no model can be the best.
bool sqz_qat_is_final(const struct sqz_run *run);

// --- qat_fit.c: what only the real codec can tell ---

// Puts the quantizer into the loop: steps chosen by sqz_auto_run on training images to meet
// `size` bytes (weights that become 0 stay 0), or shared weights.
enum sqz_status sqz_qat_quantize(struct sqz_run *run, size_t size, struct sqz_error *err);
// Takes steps and old weights from option ckpt_path's file, the base of update_budget.
enum sqz_status sqz_qat_read_base(struct sqz_run *run, struct sqz_error *err);
// Raises the grid's dead zone until the file (with a base: the patch) of `weights` fits into
// `bytes`, and leaves its values in qat->export_weights. With `keep` the training goes on with that
// dead zone.
enum sqz_status sqz_qat_fit(struct sqz_run *run, const float *weights, size_t bytes, bool keep,
                            struct sqz_error *err);

#endif
