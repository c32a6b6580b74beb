// A run's directory: recipe.yaml, history.csv, steps.csv, split.csv, train.log and the checkpoints.
#ifndef SQZ_TRAIN_RUN_RUN_DIR_H
#define SQZ_TRAIN_RUN_RUN_DIR_H

#include "base/file.h"
#include "base/memory.h"
#include "data/sets/dataset.h"
#include "train/options/train_config.h"
#include <dirent.h>
#include <stdio.h>

struct sqz_run_dir {
    char *path;
    char *last, *best;       // the checkpoints' paths, from sqz_run_dir_start on
    bool has_last;           // the former is there
    DIR *lock;               // held while this process writes there; NULL: not locked
    bool ranks;              // steps.csv has their columns
    bool mute;               // another rank writes: nothing is written here
    FILE *steps, *log;       // open while the run goes; NULL until sqz_run_dir_start
    struct sqz_text late;    // rows of steps.csv that are not in the file yet
    FILE *events;            // TensorBoard's, if asked for (sqz_events_open)
    struct sqz_text history; // history.csv's rows with their timings
};
// Opens a file for appending. What stands there and is no file (a link, a pipe) is removed first: a
// run directory may come from a stranger, and lines must not go elsewhere.
enum sqz_status sqz_run_dir_append(const char *path, FILE **out, struct sqz_error *err);
void sqz_run_dir_release(struct sqz_run_dir *dir);

// The directory of a new run: `run_dir`, or the next free number below ckpt_save_dir. A directory
// with something in it (but what a dry run leaves) is refused without `force`; with it, an older
// run's files are removed.
enum sqz_status sqz_run_dir_create(const struct sqz_train_config *config, struct sqz_run_dir *out,
                                   struct sqz_error *err);
// Claims the directory for this process until it is released. SQZ_E_CANTWRITE when another process
// trains in it. A file system without locks lets everybody in.
enum sqz_status sqz_run_dir_lock(struct sqz_run_dir *dir, struct sqz_error *err);
// The directory of a run to continue. `resume` is the directory or a checkpoint in it; *checkpoint
// (sqz_free) is the file to continue from, NULL when there is none yet.
enum sqz_status sqz_run_dir_find(const char *resume, struct sqz_run_dir *out, char **checkpoint,
                                 struct sqz_error *err);
char *sqz_run_dir_file(const struct sqz_run_dir *dir, const char *name); // sqz_free
enum sqz_status sqz_run_dir_write(const struct sqz_run_dir *dir, const char *name, const char *text,
                                  struct sqz_error *err);
// Which file is on which side of a divided directory.
enum sqz_status sqz_run_dir_write_split(const struct sqz_run_dir *dir,
                                        const struct sqz_dataset *train,
                                        const struct sqz_dataset *val, struct sqz_error *err);
// Removes what a killed process left half written.
void sqz_run_dir_remove_leftovers(const struct sqz_run_dir *dir);

// --- run_files.c ---

// Appends the state's rows, each with the timings that `old`, a former history.csv, has for it.
void sqz_run_dir_merge_history(struct sqz_text *out, const char *rows, const char *old);

// Opens the logs. `steps` and `history` are the rows that the training state knows, without
// timings; rows that history.csv holds keep theirs. Both files are rewritten to agree with the
// state.
enum sqz_status sqz_run_dir_start(struct sqz_run_dir *dir, const char *steps, const char *history,
                                  struct sqz_error *err);
// One more row, on disk at once.
void sqz_run_dir_step(struct sqz_run_dir *dir, const char *row);
// `row` without timings; *_seconds and images_per_second are appended.
enum sqz_status sqz_run_dir_epoch(struct sqz_run_dir *dir, const char *row, double seconds,
                                  double images_per_second, struct sqz_error *err);
void sqz_run_dir_log(struct sqz_run_dir *dir, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define SQZ_EVENTS_DIR    "summary"
#define SQZ_DRY_RUN_CURVE "learning_rate.svg" // what a dry run leaves
#define SQZ_DRY_RUN_BATCH "first_batch.png"

#endif
