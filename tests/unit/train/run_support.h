// Small whole runs for the tests: a drawn dataset in a temporary directory, and runs on it.
#ifndef SQZ_TESTS_TRAIN_RUN_SUPPORT_H
#define SQZ_TESTS_TRAIN_RUN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/sets/dataset.h"
#include "train/run/checkpoint.h"
#include "train/run/trainer.h"
#include "train/setup/param_arrays.h"
#include "paths.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64]; // of everything that the tests write

static inline int remove_entry(const char *path, const struct stat *info, int kind,
                               struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

// 10 classes of 8 training and 3 validation images, 32 pixels.
static inline int make_root(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    char path[128];
    strcpy(root, "/tmp/sqz-train-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    setenv("XDG_CACHE_HOME", root, 1);
    snprintf(path, sizeof path, "%s/data", root);
    struct sqz_synth_options how = {
        .per_class_train = 8, .per_class_val = 3, .size = 32, .seed = 5};
    if (sqz_data_synth(path, &how, &err))
        fail_msg("%s", err.text);
    return 0;
}

static inline int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// A path below the root; four at a time.
static inline const char *in_root(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

// The option that names a run directory there; four at a time.
static inline const char *run_dir(const char *name)
{
    static char pairs[4][320];
    static int next;
    char *pair = pairs[next++ % 4];
    snprintf(pair, sizeof pairs[0], "run_dir=%s", in_root(name));
    return pair;
}

static inline void put(struct sqz_options *options, const char *name, const char *value)
{
    struct sqz_error err = {0};
    if (sqz_options_set(options, name, value, SQZ_FROM_COMMAND_LINE, &err))
        fail_msg("%s", err.text);
}

// "name=value" pairs, NULL past the end, over what makes a run short.
static inline struct sqz_options *options_of(const char *const *pairs)
{
    static const char yaml[] = "model: squeezenet1_1\nimage_resize: 32\npad_crop: 2\nhflip: 0.5\n"
                               "color_jitter: null\ncrop_pct: 1\nbatch_size: 8\nepoch_size: 2\n"
                               "opt: momentum\nlr: 0.002\nwarmup_epochs: 1\ndecay_epochs: 1\n"
                               "val_while_train: true\nlog_interval: 3\nseed: 7\n";
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    if (sqz_options_new(&options, &err) ||
        sqz_options_parse_yaml(options, yaml, strlen(yaml), "test", SQZ_FROM_YAML, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data"));
    for (; pairs && *pairs; pairs++) {
        char name[64];
        const char *value = strchr(*pairs, '=');
        snprintf(name, sizeof name, "%.*s", (int)(value - *pairs), *pairs);
        put(options, name, value + 1);
    }
    return options;
}

struct heard {      // what a run said
    int stop_after; // progress events until the stop flag is set; 0: never
    int progress, epochs;
    char notes[8192];
    int stop;
};

static inline void listen_to(void *arg, const struct sqz_event *event)
{
    struct heard *heard = arg;
    size_t used = strlen(heard->notes);
    if (event->kind == SQZ_EVENT_NOTE || event->kind == SQZ_EVENT_WARNING)
        snprintf(heard->notes + used, sizeof heard->notes - used, "%s\n", event->text);
    heard->epochs += event->kind == SQZ_EVENT_EPOCH;
    heard->progress += event->kind == SQZ_EVENT_PROGRESS;
    if (heard->stop_after && heard->progress >= heard->stop_after)
        heard->stop = 1;
}

// Runs with `threads`; takes the options over.
static inline enum sqz_status run_with(struct sqz_options *options, int threads,
                                       struct heard *heard, struct sqz_train_result *result,
                                       struct sqz_error *err)
{
    struct heard silent = {0};
    struct sqz_train_result unused;
    struct sqz_pool *pool = NULL;
    heard = heard ? heard : &silent;
    if (sqz_pool_new(threads, &pool, err))
        fail_msg("%s", err->text);
    struct sqz_environment environment = {.kernels = sqz_kernels_get(sqz_cpu_level(NULL)),
                                          .pool = pool,
                                          .on_event = listen_to,
                                          .event_arg = heard,
                                          .stop = &heard->stop};
    enum sqz_status status = sqz_trainer_run(&environment, options, result ? result : &unused, err);
    sqz_pool_free(pool);
    sqz_options_free(options);
    return status;
}

static inline void run_well(const char *const *pairs, int threads, struct heard *heard,
                            struct sqz_train_result *result)
{
    struct sqz_error err = {0};
    if (run_with(options_of(pairs), threads, heard, result, &err))
        fail_msg("%s", err.text);
}

static inline struct sqz_bytes slurp(const char *dir, const char *name)
{
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", root, dir, name);
    if (sqz_file_read(path, 1 << 28, &bytes, &err))
        fail_msg("%s", err.text);
    return bytes;
}

static inline void same_file(const char *a, const char *b, const char *name)
{
    struct sqz_bytes x = slurp(a, name), y = slurp(b, name);
    if (x.size != y.size || memcmp(x.data, y.data, x.size) != 0)
        fail_msg("%s/%s and %s/%s differ", a, name, b, name);
    sqz_bytes_release(&x);
    sqz_bytes_release(&y);
}

// history.csv without its last two columns.
static inline struct sqz_text history_of(const char *dir)
{
    struct sqz_bytes bytes = slurp(dir, "history.csv");
    struct sqz_text out = {0}, whole = {0};
    sqz_text_add_bytes(&whole, bytes.data, bytes.size);
    for (const char *line = sqz_text_get(&whole); *line;) {
        const char *at = line;
        for (int commas = 0; *at && *at != '\n' && commas < 7; at++)
            commas += *at == ',';
        sqz_text_add_bytes(&out, line, (size_t)(at - line));
        sqz_text_add(&out, "\n");
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    sqz_bytes_release(&bytes);
    sqz_text_release(&whole);
    return out;
}

static inline void same_run(const char *a, const char *b)
{
    same_file(a, b, "last.safetensors");
    same_file(a, b, "best.safetensors");
    same_file(a, b, "steps.csv");
    struct sqz_text x = history_of(a), y = history_of(b);
    assert_string_equal(sqz_text_get(&x), sqz_text_get(&y));
    sqz_text_release(&x);
    sqz_text_release(&y);
}

static inline bool exists(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", root, dir, name);
    return path_exists(path);
}

#endif
