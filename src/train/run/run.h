// One run in progress, shared by the trainer's files.
#ifndef SQZ_TRAIN_RUN_RUN_H
#define SQZ_TRAIN_RUN_RUN_H

#include "train/run/checkpoint.h"
#include "train/eval/evaluate.h"
#include "train/qat/qat.h"
#include "train/run/rates.h"
#include "train/run/run_dir.h"
#include "train/setup/setup.h"

// Times and counts of this process; nothing of it is saved.
struct sqz_run_clocks {
    double started, told; // clock: start of the training, last progress event
    double train_seconds; // in steps, validation not counted
    double waited;        // of the loader's waiting time, what earlier epochs' lines have told
    double epoch_seconds;
    int64_t epoch_images, images, steps;
};
// What the ranks have spent in the steps of this process (run_ranks.h).
struct sqz_rank_account {
    double *compute_seconds; // one a rank; NULL: one process
    double exposed_seconds, bytes;
};
struct sqz_run_limit {
    int64_t max_steps; // after which the run ends; 0: none
    bool planned;      // from max_seconds
};
// What an epoch's row and line say.
struct sqz_epoch_summary {
    int64_t epoch, steps; // 1-based; done since the run began
    double loss, rate;
    const struct sqz_evaluation *validated; // NULL: it was not
    bool is_best;
};

struct sqz_run {
    const struct sqz_environment *environment;
    struct sqz_setup setup;
    struct sqz_run_dir dir;
    struct sqz_train_state state;
    struct sqz_optimizer *optimizer;
    struct sqz_stepper stepper;
    struct sqz_qat *qat; // NULL: the training is not for a small file
    struct sqz_loader *loader;
    struct sqz_loader *val_loader; // NULL: nothing to validate on
    struct sqz_rate_table rates;
    int64_t steps_per_epoch;
    struct sqz_run_limit limit;
    struct sqz_run_clocks clocks;
    struct sqz_rank_account account;
    struct sqz_evaluation shown; // of the model that `best` in the result means
    int64_t shown_epoch;
};

// trainer.c
void sqz_run_release(struct sqz_run *run);

// run_note.c: a sentence for the user, as an event and in train.log.
void sqz_run_note(struct sqz_run *run, enum sqz_event_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// plan.c: what a run is made of, once options and data are known; `setup` is filled.
enum sqz_status sqz_run_prepare(struct sqz_run *run, struct sqz_error *err);
// Learning rate of the update that the next micro-batch belongs to, and that of the last one's.
double sqz_run_rate(const struct sqz_run *run);
double sqz_run_last_rate(const struct sqz_run *run);

// Turns max_seconds into max_steps once a few steps have been timed, and writes that into
// recipe.yaml, so that an interrupted run ends at the same step.
enum sqz_status sqz_run_plan_time(struct sqz_run *run, struct sqz_error *err);

// loop.c
enum sqz_status sqz_run_loop(struct sqz_run *run, struct sqz_error *err);

// save.c
// recipe.yaml, from which the run can be repeated from any working directory.
enum sqz_status sqz_run_write_recipe(struct sqz_run *run, struct sqz_error *err);
enum sqz_status sqz_run_save_last(struct sqz_run *run, struct sqz_error *err);
// Saves, and fails with SQZ_E_STOPPED and a sentence on how to go on.
enum sqz_status sqz_run_stopped(struct sqz_run *run, struct sqz_error *err);
// After trouble with an image, which ends the run but costs no more than its step: saves, and fails
// as `failure` says and with a sentence on how to go on.
enum sqz_status sqz_run_save_failed(struct sqz_run *run, enum sqz_status status,
                                    const struct sqz_error *failure, struct sqz_error *err);
// Writes best.safetensors: the weights that validation uses, or `weights` if not NULL.
enum sqz_status sqz_run_save_best(struct sqz_run *run, const float *weights, struct sqz_error *err);
// Keeps the weights of best.safetensors in the state, because the file is about to be replaced by a
// model that an uninterrupted run would not have validated.
enum sqz_status sqz_run_keep_previous_best(struct sqz_run *run, struct sqz_error *err);
// MindCV-style files, when ckpt_format asks for them; after the epoch's counters have advanced.
enum sqz_status sqz_run_save_ckpt(struct sqz_run *run, double top1, struct sqz_error *err);

// report.c
void sqz_run_report_start(struct sqz_run *run);
void sqz_run_progress(struct sqz_run *run, double rate);
void sqz_run_epoch_line(struct sqz_run *run, const struct sqz_epoch_summary *summary);
// The row of history.csv without timings.
void sqz_epoch_row(const struct sqz_epoch_summary *summary, struct sqz_text *row);

// epoch.c: validation, best model, rows and files at an epoch's end, and where a limit cuts one
// short. SQZ_E_STOPPED when it was asked for during the validation.
enum sqz_status sqz_run_end_epoch(struct sqz_run *run, struct sqz_error *err);
enum sqz_status sqz_run_end_early(struct sqz_run *run, struct sqz_error *err);

// find_lr.c: raises the learning rate on a fresh run and says which one fits; changes the weights
// in memory, writes nothing.
enum sqz_status sqz_run_find_lr(struct sqz_run *run, struct sqz_text *out, struct sqz_error *err);

// history.c: history.svg from the state's rows, and the same as lines of blocks.
enum sqz_status sqz_history_svg(const char *rows, const char *title, struct sqz_text *out,
                                struct sqz_error *err);
enum sqz_status sqz_history_plot(const struct sqz_run_dir *dir, const struct sqz_text *rows,
                                 const char *title, struct sqz_error *err);
void sqz_run_show_history(struct sqz_run *run);

// import_ckpt.c: with option resume_opt, optimizer state and position of ckpt_path's file.
enum sqz_status sqz_run_import_ckpt(struct sqz_run *run, struct sqz_error *err);

#endif
