// One run in progress, shared by the trainer's files.
#ifndef SQZ_TRAIN_RUN_RUN_H
#define SQZ_TRAIN_RUN_RUN_H

#include "train/run/checkpoint.h"
#include "train/eval/evaluate.h"
#include "train/qat/qat.h"
#include "train/run/run_dir.h"
#include "train/step/schedule.h"
#include "train/setup/setup.h"

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
    double *rates;                 // one per batch of the whole run
    size_t n_rates;
    double whole_rate; // the sum over all steps of the rates that they take (sqz_rate_at)
    int64_t steps_per_epoch;
    char *last_path, *best_path;
    bool saved;        // last.safetensors is there
    int64_t max_steps; // after which the run ends; 0: no limit
    bool time_planned; // max_steps was set from max_seconds

    // For this process only; nothing of it is saved.
    double started, told; // clock: start of the training, last progress event
    double train_seconds; // in steps, validation not counted
    double waited;        // of the loader's waiting time, what earlier epochs' lines have told
    double epoch_seconds;
    int64_t epoch_images, images, steps_here;
    struct sqz_evaluation shown; // of the model that `best` in the result means
    int64_t shown_epoch;
    struct sqz_rank_sums *ranks; // one a rank, over the steps of this process; NULL: alone
    double exposed_seconds, comm_bytes;
};

struct sqz_rank_sums {
    double compute_seconds;
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
// The same for the micro-batch after `counted` ones, from a table with one entry a batch.
double sqz_rate_at(const struct sqz_train_config *config, const double *rates, size_t n_rates,
                   int64_t counted);

// Turns max_seconds into max_steps once a few steps have been timed, and writes that into
// recipe.yaml, so that an interrupted run ends at the same step.
enum sqz_status sqz_run_plan_time(struct sqz_run *run, struct sqz_error *err);

// loop.c
enum sqz_status sqz_run_loop(struct sqz_run *run, struct sqz_error *err);

// save.c
// recipe.yaml, from which the run can be repeated from any working directory.
enum sqz_status sqz_run_write_recipe(struct sqz_run *run, struct sqz_error *err);
enum sqz_status sqz_run_save_last(struct sqz_run *run, struct sqz_error *err);
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
// One epoch's line; `validated` NULL when it was not.
void sqz_run_epoch_line(struct sqz_run *run, int64_t epoch, double loss, double rate,
                        const struct sqz_evaluation *validated, bool is_best);
// The row of history.csv without timings.
void sqz_run_history_row(const struct sqz_run *run, int64_t epoch, double loss, double rate,
                         const struct sqz_evaluation *validated, struct sqz_text *row);

// run_ranks.c: what a run does because of other ranks; nothing for one process.
// `status` is that of this rank's preparations. Makes sure that all ranks are about to do the same
// from the same state, and lets only rank 0 write.
enum sqz_status sqz_run_agree_on_start(struct sqz_run *run, enum sqz_status status,
                                       struct sqz_error *err);
void sqz_run_report_ranks(struct sqz_run *run);
void sqz_run_count_ranks(struct sqz_run *run, const struct sqz_step_result *result);
// The last step's columns after those of steps.csv's row, and its part of the log line.
void sqz_run_rank_columns(struct sqz_run *run, const struct sqz_step_result *result, double seconds,
                          struct sqz_text *row, struct sqz_text *log);
// max_steps as rank 0 has planned it: a clock is nothing that ranks agree on.
enum sqz_status sqz_run_share_plan(struct sqz_run *run, int64_t *limit, struct sqz_error *err);
void sqz_run_fill_ranks(const struct sqz_run *run, struct sqz_train_result *out);

// find_lr.c: raises the learning rate on a fresh run and says which one fits; changes the weights
// in memory, writes nothing.
enum sqz_status sqz_run_find_lr(struct sqz_run *run, struct sqz_text *out, struct sqz_error *err);

// history.c: history.svg from the state's rows, and the same as lines of blocks.
enum sqz_status sqz_run_plot_history(struct sqz_run *run, struct sqz_error *err);
void sqz_run_show_history(struct sqz_run *run);

// resume.c: options of the run to continue, with what the command line may change; the
// checkpoint's model and state if there is one (else *model NULL), its arrays for the restoring.
enum sqz_status sqz_resume_open(const struct sqz_options *given, struct sqz_run_dir *dir,
                                struct sqz_options **options, struct sqz_archive *archive,
                                struct sqz_model **model, struct sqz_train_state *state,
                                char **checkpoint, struct sqz_error *err);
// import_ckpt.c: with option resume_opt, optimizer state and position of ckpt_path's file.
enum sqz_status sqz_run_import_ckpt(struct sqz_run *run, struct sqz_error *err);

#endif
