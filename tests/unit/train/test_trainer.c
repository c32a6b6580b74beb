// Whole small runs: equal files whatever the threads and interruptions, and what is refused.
#include "run_support.h"

#include "train/run/run_dir.h"
#include "paths.h"
#include <math.h>

static char dirs[8][192]; // "resume=..." texts, and the like

static const char *resume_dir(int slot, const char *name)
{
    snprintf(dirs[slot], sizeof dirs[slot], "resume=%s/%s", root, name);
    return dirs[slot];
}

// A --resume with nothing else, as on a fresh command line.
static enum sqz_status resume(const char *name, int threads, struct heard *heard,
                              struct sqz_train_result *result, struct sqz_error *err)
{
    struct sqz_options *options = NULL;
    if (sqz_options_new(&options, err))
        fail_msg("%s", err->text);
    put(options, "resume", in_root(name));
    return run_with(options, threads, heard, result, err);
}

static void resume_well(const char *name, int threads)
{
    struct sqz_error err = {0};
    if (resume(name, threads, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

// The run that the others are compared with.
static int make_reference(void **state)
{
    if (make_root(state))
        return -1;
    const char *const pairs[] = {run_dir("reference"), NULL};
    struct sqz_train_result result;
    struct heard heard = {0};
    run_well(pairs, 1, &heard, &result);
    assert_int_equal(result.epochs, 2);
    assert_int_equal(result.steps, 20);
    assert_int_equal(heard.epochs, 2);
    assert_true(result.best_epoch == 1 || result.best_epoch == 2);
    assert_true(result.final_loss > 0 && result.final_loss < 10);
    assert_non_null(strstr(heard.notes, "80 images in 10 classes; 30 to validate on"));
    assert_non_null(strstr(heard.notes, "727,626 parameters"));
    return 0;
}

static void test_threads(void **state)
{
    (void)state;
    const char *const two[] = {run_dir("two"), "threads=2", NULL};
    const char *const four[] = {run_dir("four"), "threads=4", "num_parallel_workers=3", NULL};
    run_well(two, 2, NULL, NULL);
    run_well(four, 4, NULL, NULL);
    same_run("reference", "two");
    same_run("reference", "four");
}

// The files speak of no machine: neither the run directory nor the data's place, nor threads.
static void test_no_machine(void **state)
{
    (void)state;
    const char *const files[] = {"last.safetensors", "best.safetensors"};
    for (int i = 0; i < 2; i++) {
        struct sqz_bytes bytes = slurp("reference", files[i]);
        assert_null(memmem(bytes.data, bytes.size, root, strlen(root)));
        assert_null(memmem(bytes.data, bytes.size, "threads", 7));
        assert_null(memmem(bytes.data, bytes.size, "run_dir", 7));
        sqz_bytes_release(&bytes);
    }
}

static void test_stop_and_resume(void **state)
{
    (void)state;
    const char *const pairs[] = {run_dir("stopped"), NULL};
    struct heard heard = {.stop_after = 1}; // the first progress event comes with the first step
    struct sqz_error err = {0};
    assert_int_equal(run_with(options_of(pairs), 2, &heard, NULL, &err), SQZ_E_STOPPED);
    assert_non_null(strstr(err.text, "squeezenet train --resume"));
    assert_true(exists("stopped", "last.safetensors"));
    resume_well("stopped", 1);
    same_run("reference", "stopped");
}

// Limits end a run early, with a validated best, and do not change what comes after.
static void test_limits(void **state)
{
    (void)state;
    static const char *const limits[] = {"max_steps=3", "max_steps=10", "max_steps=14",
                                         "max_seconds=1e-9"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char name[32];
        snprintf(name, sizeof name, "limit%zu", i);
        const char *const pairs[] = {run_dir(name), limits[i], NULL};
        struct sqz_train_result result;
        run_well(pairs, 2, NULL, &result);
        assert_true(result.steps < 20 && result.best_epoch > 0);
        assert_true(exists(name, "best.safetensors"));
        assert_true(exists(name, "last.safetensors"));
        resume_well(name, 2);
        same_run("reference", name);
    }
}

static void test_accumulation_across_epochs(void **state)
{
    (void)state;
    // 10 steps an epoch in groups of 4: the third group begins in one epoch and ends in the next.
    const char *const whole[] = {run_dir("groups"), "gradient_accumulation_steps=4", "opt=adamw",
                                 NULL};
    const char *const cut[] = {run_dir("groups-cut"), "gradient_accumulation_steps=4", "opt=adamw",
                               "max_steps=11", NULL};
    run_well(whole, 2, NULL, NULL);
    run_well(cut, 1, NULL, NULL);
    resume_well("groups-cut", 2);
    same_run("groups", "groups-cut");
}

static void copy_file(const char *from, const char *to, const char *name)
{
    struct sqz_bytes bytes = slurp(from, name);
    struct sqz_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", root, to, name);
    if (sqz_file_write(path, bytes.data, bytes.size, SQZ_REPLACE_EXISTING, &err))
        fail_msg("%s", err.text);
    sqz_bytes_release(&bytes);
}

// What a kill leaves: no checkpoint yet, or texts that are older or newer than the checkpoint.
static void test_killed(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    assert_int_equal(mkdir(in_root("killed-early"), 0700), 0);
    copy_file("reference", "killed-early", "recipe.yaml");
    resume_well("killed-early", 2);
    same_run("reference", "killed-early");

    const char *const pairs[] = {run_dir("killed"), "max_steps=10", NULL};
    run_well(pairs, 2, NULL, NULL);
    const char *texts[] = {"history.csv", "steps.csv"};
    for (int i = 0; i < 2; i++)
        copy_file("reference", "killed", texts[i]); // ahead
    copy_file("reference", "killed", "best.safetensors");
    resume_well("killed", 2);
    same_run("reference", "killed");
    for (int i = 0; i < 2; i++) { // older, and the run is over
        char path[256];
        snprintf(path, sizeof path, "%s/killed/%s", root, texts[i]);
        if (sqz_file_write(path, "x", 1, SQZ_REPLACE_EXISTING, &err))
            fail_msg("%s", err.text);
    }
    resume_well("killed", 2);
    same_run("reference", "killed");
}

// A model that was the best only because a limit ended the run gives its place back.
static void test_previous_best(void **state)
{
    (void)state;
    const char *const common[] = {"epoch_size=4", "decay_epochs=3", "lr=0.01"};
    const char *const whole[] = {run_dir("four-epochs"), common[0], common[1], common[2], NULL};
    run_well(whole, 2, NULL, NULL);
    for (int steps = 13; steps < 40; steps += 9) {
        char name[32], limit[32];
        snprintf(name, sizeof name, "previous%d", steps);
        snprintf(limit, sizeof limit, "max_steps=%d", steps);
        const char *const cut[] = {run_dir(name), common[0], common[1], common[2], limit, NULL};
        run_well(cut, 2, NULL, NULL);
        resume_well(name, 2);
        same_run("four-epochs", name);
    }
}

static void refuses(const char *const *pairs, enum sqz_status status, const char *words)
{
    struct sqz_error err = {0};
    assert_int_equal(run_with(options_of(pairs), 1, NULL, NULL, &err), status);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void test_refusals(void **state)
{
    (void)state;
    const char *const busy[] = {run_dir("reference"), NULL};
    refuses(busy, SQZ_E_CANTWRITE, "--force");
    const char *const nothing[] = {resume_dir(1, "nowhere"), NULL};
    refuses(nothing, SQZ_E_NOINPUT, "nowhere");
    const char *const other_rate[] = {resume_dir(2, "reference"), "lr=0.5", NULL};
    refuses(other_rate, SQZ_E_USAGE, "Option lr");
    const char *const model[] = {resume_dir(3, "reference/best.safetensors"), NULL};
    refuses(model, SQZ_E_DATA, "--ckpt_path");
    const char *const few[] = {run_dir("few"), "num_classes=4", NULL};
    refuses(few, SQZ_E_CONFIG, "num_classes");
    const char *const no_val[] = {run_dir("no-val"), "val_split=validation", NULL};
    refuses(no_val, SQZ_E_NOINPUT, "validation");
    assert_false(exists("few", "") || exists("no-val", ""));
}

static void test_changed_data(void **state)
{
    (void)state;
    const char *const pairs[] = {run_dir("moved"), "max_steps=4", NULL};
    run_well(pairs, 1, NULL, NULL);
    struct sqz_synth_options how = {
        .per_class_train = 9, .per_class_val = 3, .size = 32, .seed = 5};
    struct sqz_error err = {0};
    if (sqz_data_synth(in_root("other-data"), &how, &err))
        fail_msg("%s", err.text);
    struct sqz_options *options = NULL;
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "resume", in_root("moved"));
    put(options, "data_dir", in_root("other-data"));
    assert_int_equal(run_with(options, 1, NULL, NULL, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "80 then, 90 now"));
}

static void test_divergence(void **state)
{
    (void)state;
    const char *const pairs[] = {run_dir("diverged"), "lr=1e30", "warmup_epochs=0", NULL};
    struct sqz_error err = {0};
    assert_int_equal(run_with(options_of(pairs), 2, NULL, NULL, &err), SQZ_E_DIVERGED);
    assert_non_null(strstr(err.text, "lower --lr"));
    assert_false(exists("diverged", "last.safetensors"));
    assert_false(exists("diverged", "best.safetensors"));
}

static void test_fine_tuning(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "ckpt_path=%s/reference/best.safetensors", root);
    const char *const same[] = {run_dir("tuned"), path, "max_steps=2", NULL};
    struct heard heard = {0};
    run_well(same, 2, &heard, NULL);
    assert_non_null(strstr(heard.notes, "with its classifier"));
    // Two of the ten directories: a new classifier, and the file's image size without asking.
    assert_int_equal(mkdir(in_root("two-classes"), 0700), 0);
    const char *const sides[] = {"train", "val"};
    struct sqz_dir classes = {0};
    struct sqz_error err = {0};
    if (sqz_dir_read(in_root("data/train"), &classes, &err))
        fail_msg("%s", err.text);
    for (int s = 0; s < 2; s++) {
        char from[256], to[256];
        snprintf(to, sizeof to, "%s/two-classes/%s", root, sides[s]);
        assert_int_equal(mkdir(to, 0700), 0);
        for (size_t c = 0; c < 2; c++) {
            snprintf(from, sizeof from, "%s/data/%s/%s", root, sides[s], classes.entries[c].name);
            snprintf(to, sizeof to, "%s/two-classes/%s/%s", root, sides[s],
                     classes.entries[c].name);
            assert_int_equal(symlink(from, to), 0);
        }
    }
    sqz_dir_release(&classes);
    snprintf(dirs[7], sizeof dirs[7], "data_dir=%s/two-classes", root);
    const char *const fewer[] = {run_dir("tuned2"), path, dirs[7], "max_steps=2", NULL};
    struct heard again = {0};
    run_well(fewer, 2, &again, NULL);
    assert_non_null(
        strstr(again.notes, "classifier for 10 classes is replaced by a fresh one for 2"));
    struct sqz_model *model = NULL;
    if (sqz_model_read(in_root("tuned2/best.safetensors"), NULL, 0, &model, &err))
        fail_msg("%s", err.text);
    assert_int_equal(model->net->spec.classes, 2);
    assert_int_equal(model->net->spec.image_h, 32);
    assert_non_null(model->classes);
    sqz_model_free(model);
}

// Without a recipe: the directory is divided, small images get their recipe, and the result
// resumes.
static void test_built_in(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct heard heard = {0};
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data/train"));
    put(options, "ckpt_save_dir", in_root("runs"));
    put(options, "image_resize", "32");
    put(options, "batch_size", "16");
    put(options, "epoch_size", "1");
    struct sqz_train_result result;
    if (run_with(options, 2, &heard, &result, &err))
        fail_msg("%s", err.text);
    assert_non_null(strstr(heard.notes, "built-in recipe small_images"));
    assert_true(exists("runs/run-0001", "best.safetensors"));
    struct sqz_bytes split = slurp("runs/run-0001", "split.csv");
    int rows = 0, held = 0;
    for (size_t i = 0; i < split.size; i++) {
        rows += split.data[i] == '\n';
        held += i >= 4 && memcmp(split.data + i - 4, ",val\n", 5) == 0;
    }
    assert_int_equal(rows, 81);
    assert_int_equal(held, 20); // a fifth of eight, rounded, in each of ten classes
    sqz_bytes_release(&split);
    struct heard again = {0};
    if (resume("runs/run-0001", 1, &again, &result, &err))
        fail_msg("%s", err.text);
    assert_non_null(strstr(again.notes, "already reached its end"));
}

// A recipe counts as given even when the command line overrides every line of it.
static void test_recipe_overridden(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct heard heard = {0};
    if (sqz_options_new(&options, &err) ||
        sqz_options_parse_yaml(options, "epoch_size: 5\n", 14, "test", SQZ_FROM_YAML, &err))
        fail_msg("%s", err.text);
    put(options, "data_dir", in_root("data"));
    put(options, "ckpt_save_dir", in_root("runs"));
    put(options, "image_resize", "32");
    put(options, "batch_size", "16");
    put(options, "epoch_size", "1");
    put(options, "max_steps", "1");
    if (run_with(options, 2, &heard, NULL, &err))
        fail_msg("%s", err.text);
    assert_null(strstr(heard.notes, "built-in recipe"));
    assert_non_null(strstr(heard.notes, "Optimizer adam,")); // MindCV's default
}

static void test_mindcv_checkpoints(void **state)
{
    (void)state;
    const char *const pairs[] = {run_dir("kept"), "ckpt_format=ckpt", "keep_checkpoint_max=2",
                                 "epoch_size=4", NULL};
    run_well(pairs, 2, NULL, NULL);
    assert_false(exists("kept", "squeezenet1_1-1_10.ckpt") ||
                 exists("kept", "squeezenet1_1-2_10.ckpt"));
    assert_true(exists("kept", "squeezenet1_1-3_10.ckpt") &&
                exists("kept", "squeezenet1_1-4_10.ckpt"));
    struct sqz_error err = {0};
    struct sqz_model *model = NULL, *last = NULL;
    if (sqz_model_read(in_root("kept/squeezenet1_1-4_10.ckpt"), NULL, 0, &model, &err) ||
        sqz_model_read(in_root("kept/last.safetensors"), NULL, 0, &last, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(model->weights, last->weights, model->net->n_weights * sizeof(float));
    sqz_model_free(model);
    sqz_model_free(last);
}

// last.safetensors of `name` with another list of kept checkpoints.
static void forge_kept(const char *name, const char *list)
{
    struct sqz_error err = {0};
    struct sqz_archive archive = {0};
    const struct sqz_format *format = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s/last.safetensors", in_root(name));
    if (sqz_archive_read(path, &archive, &format, &err))
        fail_msg("%s", err.text);
    assert_int_equal(sqz_archive_set(&archive, "train.kept", list), SQZ_OK);
    if (sqz_archive_write(path, format, &archive, SQZ_REPLACE_EXISTING, &err))
        fail_msg("%s", err.text);
    sqz_archive_release(&archive);
}

// The names in the list of kept checkpoints are files that the run removes. A run directory may
// come from a stranger.
static void test_forged_checkpoint_names(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "../precious\t0.1\n../precious\t0.1\n",
        "precious\t0.1\n",
        "squeezenet1_1-1_10.ckpt/../../precious\t0.1\n",
        "squeezenet1_1-../precious-1_10.ckpt\t0.1\n",
        "../squeezenet1_1-1_10.ckpt\t0.1\n",
        "squeezenet1_1-1_10.ckpt\t0.1\n/precious\t0.1\n",
        "squeezenet1_1-1_10.ckpt.\t0.1\n",
        "squeezenet1_1-_10.ckpt\t0.1\n",
        "squeezenet1_1-1_10.ckpt\t0.1",
        "squeezenet1_1-1_10.ckpt\n",
    };
    const char *const pairs[] = {run_dir("forged"), "ckpt_format=ckpt", "keep_checkpoint_max=1",
                                 "epoch_size=3",    "max_steps=10",     NULL};
    run_well(pairs, 1, NULL, NULL);
    assert_int_equal(sqz_file_write(in_root("precious"), "x", 1, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct sqz_error err = {0};
        forge_kept("forged", lists[i]);
        if (resume("forged", 1, NULL, NULL, &err) != SQZ_E_DATA)
            fail_msg("list %zu was taken: %s", i, lists[i]);
        assert_non_null(strstr(err.text, "names that this program does not give"));
        assert_true(path_exists(in_root("precious")));
    }
    forge_kept("forged", "squeezenet1_1-1_10.ckpt\t0.1\n");
    resume_well("forged", 1);
    assert_false(exists("forged", "squeezenet1_1-1_10.ckpt"));
}

// What the built-in recipe makes possible is not refused before it is read; what it does not, is.
static void test_built_in_is_checked(void **state)
{
    (void)state;
    static const char *const given[][2] = {
        {"early_stopping", "3"}, {"ckpt_save_policy", "top_k"}, {"val_while_train", "false"}};
    for (int i = 0; i < 3; i++) {
        struct sqz_error err = {0};
        struct sqz_options *options = NULL;
        assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
        put(options, "data_dir", in_root("data"));
        put(options, "ckpt_save_dir", in_root("checked"));
        put(options, "image_resize", "32");
        put(options, "batch_size", "16");
        put(options, "max_steps", "1");
        put(options, given[i][0], given[i][1]);
        if (i == 2)
            put(options, "early_stopping", "3");
        enum sqz_status status = run_with(options, 2, NULL, NULL, &err);
        if (status != (i == 2 ? SQZ_E_CONFIG : SQZ_OK))
            fail_msg("%s %s: %s", given[i][0], given[i][1], err.text);
    }
}

// Epochs that were not validated are part of the curves.
static void test_history_is_whole(void **state)
{
    (void)state;
    struct heard heard = {0};
    const char *const pairs[] = {run_dir("curve"), "epoch_size=4", "val_interval=2", NULL};
    run_well(pairs, 1, &heard, NULL);
    struct sqz_text history = history_of("curve");
    double first = NAN, last = NAN;
    int rows = 0;
    for (const char *line = strchr(sqz_text_get(&history), '\n') + 1; *line;
         line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "%*d,%*d,%*f,%lf", &last), 1);
        first = rows++ == 0 ? last : first;
    }
    assert_int_equal(rows, 4);
    char expected[64];
    snprintf(expected, sizeof expected, "  %.4g to %.4g\n", first, last);
    const char *spark = strstr(heard.notes, "Loss      ");
    if (!spark || !strstr(spark, expected))
        fail_msg("not%sin:\n%s", expected, heard.notes);
    sqz_text_release(&history);
}

// Two runs in one directory would write over each other; a link leads nowhere; what a killed start
// leaves is no run.
static void test_run_dir_is_ours(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    const char *const pairs[] = {run_dir("ours"), "max_steps=2", NULL};
    assert_int_equal(sqz_dir_make(in_root("ours"), NULL), SQZ_OK);
    assert_int_equal(
        sqz_file_write(in_root("ours/.sqz-abc123.tmp"), "x", 1, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    run_well(pairs, 1, NULL, NULL);
    assert_false(exists("ours", ".sqz-abc123.tmp"));
    struct sqz_run_dir other = {.path = sqz_copy_string(in_root("ours"))};
    assert_int_equal(sqz_run_dir_lock(&other, NULL), SQZ_OK);
    assert_int_equal(resume("ours", 1, NULL, NULL, &err), SQZ_E_CANTWRITE);
    assert_non_null(strstr(err.text, "Another process is training"));
    sqz_run_dir_release(&other);
    assert_int_equal(sqz_file_write(in_root("log"), "mine\n", 5, SQZ_KEEP_EXISTING, NULL), SQZ_OK);
    assert_int_equal(sqz_dir_make(in_root("elsewhere"), NULL), SQZ_OK);
    assert_int_equal(unlink(in_root("ours/train.log")), 0);
    assert_int_equal(symlink("../log", in_root("ours/train.log")), 0);
    assert_int_equal(symlink("../elsewhere", in_root("ours/summary")), 0);
    struct sqz_options *options = NULL;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root("ours"));
    put(options, "tensorboard", "true");
    if (run_with(options, 1, NULL, NULL, &err))
        fail_msg("%s", err.text);
    struct sqz_bytes log = slurp(".", "log");
    assert_int_equal(log.size, 5);
    sqz_bytes_release(&log);
    assert_int_equal(rmdir(in_root("elsewhere")), 0); // still empty
    assert_true(exists("ours", "train.log") && exists("ours", "summary"));
}

// A run that fails before its first step leaves nothing that the same command has to ask about; one
// that made a step does, and so does a file that is not of a run.
static void test_failed_start_is_free(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    const char *const pairs[] = {run_dir("failed"), "max_steps=1", "tensorboard=true", NULL};
    run_well(pairs, 1, NULL, NULL);
    assert_int_equal(unlink(in_root("failed/last.safetensors")), 0);
    assert_int_equal(unlink(in_root("failed/best.safetensors")), 0);
    struct sqz_options *again = options_of(pairs);
    assert_int_equal(run_with(again, 1, NULL, NULL, &err), SQZ_E_CANTWRITE);
    struct sqz_bytes steps = slurp("failed", "steps.csv");
    size_t head = (size_t)((char *)memchr(steps.data, '\n', steps.size) - (char *)steps.data) + 1;
    assert_true(head < steps.size);
    assert_int_equal(truncate(in_root("failed/steps.csv"), (off_t)head), 0);
    sqz_bytes_release(&steps);
    assert_int_equal(sqz_file_write(in_root("failed/notes"), "x", 1, SQZ_KEEP_EXISTING, NULL),
                     SQZ_OK);
    again = options_of(pairs);
    assert_int_equal(run_with(again, 1, NULL, NULL, &err), SQZ_E_CANTWRITE);
    assert_non_null(strstr(err.text, "is not empty"));
    assert_int_equal(unlink(in_root("failed/notes")), 0);
    run_well(pairs, 1, NULL, NULL);
    assert_true(exists("failed", "last.safetensors"));
}

static void test_dry_run(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct sqz_pool *pool = NULL;
    struct sqz_text text = {0};
    const char *const pairs[] = {run_dir("planned"), NULL};
    struct sqz_options *options = options_of(pairs);
    if (sqz_pool_new(2, &pool, &err))
        fail_msg("%s", err.text);
    struct sqz_environment environment = {.kernels = sqz_kernels_get(sqz_cpu_level(NULL)),
                                          .pool = pool};
    if (sqz_trainer_dry_run(&environment, options, &text, &err))
        fail_msg("%s", err.text);
    const char *const expected[] = {"lr: 0.002", "727626 parameters", "█",
                                    "in all",    "20 steps",          "150 steps"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(sqz_text_get(&text), expected[i]))
            fail_msg("the plan does not say \"%s\":\n%s", expected[i], sqz_text_get(&text));
    assert_true(exists("planned", "learning_rate.svg"));
    assert_false(exists("planned", "recipe.yaml"));
    sqz_text_release(&text);
    sqz_options_free(options);
    sqz_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_machine),
        cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_accumulation_across_epochs),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_previous_best),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_changed_data),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_fine_tuning),
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_mindcv_checkpoints),
        cmocka_unit_test(test_forged_checkpoint_names),
        cmocka_unit_test(test_recipe_overridden),
        cmocka_unit_test(test_built_in_is_checked),
        cmocka_unit_test(test_history_is_whole),
        cmocka_unit_test(test_run_dir_is_ours),
        cmocka_unit_test(test_failed_start_is_free),
        cmocka_unit_test(test_dry_run),
    };
    return cmocka_run_group_tests(tests, make_reference, remove_root);
}
