// Whole runs with the options beyond the plain recipe: each must do what it says, and be resumable
// to the same bits.
#include "run_support.h"

#include <math.h>

static void resume(const char *name)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root(name));
    put(options, "max_steps", "0");
    if (run_with(options, 1, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

// Cut in mid-epoch and in the middle of an accumulation group, on another number of threads.
static void test_everything_resumes(void **state)
{
    (void)state;
    const char *const whole[] = {run_dir("all"),
                                 "ema=true",
                                 "ema_decay=0.9",
                                 "gradient_accumulation_steps=3",
                                 "clip_grad=true",
                                 "clip_value=1",
                                 "loss=BCE",
                                 "class_weights=balanced",
                                 "balanced_sampling=true",
                                 "loss_scale_type=dynamic",
                                 "drop_overflow_update=true",
                                 "loss_scale=128",
                                 "freeze=features.0",
                                 "layer_decay=0.9",
                                 "re_prob=0.5",
                                 NULL};
    const char *cut[20];
    memcpy(cut, whole, sizeof whole);
    run_well(whole, 2, NULL, NULL);
    cut[0] = run_dir("cut");
    size_t n = sizeof whole / sizeof *whole;
    cut[n - 1] = "max_steps=7";
    cut[n] = NULL;
    run_well(cut, 2, NULL, NULL);
    resume("cut");
    same_run("all", "cut");
    // best, here of the last epoch, is the average, not the weights of the last step.
    struct sqz_error err = {0};
    struct sqz_model *best = NULL, *last = NULL;
    struct sqz_archive archive = {0};
    if (sqz_model_read(in_root("all/best.safetensors"), NULL, 0, &best, &err) ||
        sqz_model_read(in_root("all/last.safetensors"), NULL, 0, &last, &err) ||
        sqz_archive_read(in_root("all/last.safetensors"), &archive, NULL, &err))
        fail_msg("%s", err.text);
    const struct sqz_param *first = &best->net->params[0];
    size_t bytes = best->net->n_weights * sizeof(float);
    float *average = sqz_new_array(bytes, 1);
    // Frozen: still what it was at the start, in both.
    assert_memory_equal(best->weights + first->offset, last->weights + first->offset,
                        first->size * sizeof(float));
    assert_true(memcmp(best->weights, last->weights, bytes) != 0);
    if (sqz_param_arrays_take("test", &archive, best->net, "ema", average, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(best->weights, average, bytes);
    sqz_free(average);
    sqz_archive_release(&archive);
    sqz_model_free(best);
    sqz_model_free(last);
}

// The issue's own list: moving average, mixup, RandAugment, accumulation, dropout; CutMix, erasing
// and more outputs than classes on top.
static void test_augmented_resumes(void **state)
{
    (void)state;
    const char *const whole[] = {run_dir("mixed"),
                                 "ema=true",
                                 "mixup=0.4",
                                 "cutmix=1",
                                 "auto_augment=randaug-m7-mstd0.5-inc1",
                                 "gradient_accumulation_steps=3",
                                 "drop_rate=0.5",
                                 "re_prob=0.5",
                                 "label_smoothing=0.1",
                                 "num_classes=13",
                                 NULL};
    const char *cut[16];
    memcpy(cut, whole, sizeof whole);
    run_well(whole, 2, NULL, NULL);
    cut[0] = run_dir("mixed-cut");
    size_t n = sizeof whole / sizeof *whole;
    cut[n - 1] = "max_steps=7";
    cut[n] = NULL;
    run_well(cut, 1, NULL, NULL);
    resume("mixed-cut");
    same_run("mixed", "mixed-cut");
}

// jsd on three views of every image, in groups, cut and resumed.
static void test_jsd_resumes(void **state)
{
    (void)state;
    const char *const whole[] = {run_dir("views"),      "loss=jsd",     "aug_splits=3",
                                 "auto_augment=augmix", "batch_size=6", NULL};
    const char *const cut[] = {
        run_dir("views-cut"), "loss=jsd", "aug_splits=3", "auto_augment=augmix", "batch_size=6",
        "max_steps=9",        NULL};
    run_well(whole, 2, NULL, NULL);
    run_well(cut, 2, NULL, NULL);
    resume("views-cut");
    same_run("views", "views-cut");
}

// A new directory that goes on from MindCV's checkpoint ends where the uninterrupted run does.
static void test_resume_opt(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    char path[320];
    const char *const whole[] = {run_dir("long"), "ckpt_format=ckpt", "epoch_size=3",
                                 "ema=true",      "opt=adamw",        NULL};
    snprintf(path, sizeof path, "ckpt_path=%s", in_root("long/squeezenet1_1-2_10.ckpt"));
    const char *const rest[] = {run_dir("rest"), "ckpt_format=ckpt", "epoch_size=3", "ema=true",
                                "opt=adamw",     "resume_opt=true",  path,           NULL};
    struct heard heard = {0};
    run_well(whole, 2, NULL, NULL);
    run_well(rest, 2, &heard, NULL);
    assert_non_null(strstr(heard.notes, "Continuing after epoch 2"));
    same_file("long", "rest", "squeezenet1_1-3_10.ckpt");
    assert_false(exists("rest", "squeezenet1_1-1_10.ckpt"));

    const char *const over[] = {run_dir("over"),   "epoch_size=2", "ema=true", "opt=adamw",
                                "resume_opt=true", path,           NULL};
    assert_int_equal(run_with(options_of(over), 1, NULL, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "nothing is left"));
    const char *const other[] = {run_dir("other"),  "epoch_size=3", "opt=lion",
                                 "resume_opt=true", path,           NULL};
    assert_int_equal(run_with(options_of(other), 1, NULL, NULL, &err), SQZ_E_NOINPUT);
    const char *const without[] = {run_dir("without"), "resume_opt=true", NULL};
    assert_int_equal(run_with(options_of(without), 1, NULL, NULL, &err), SQZ_E_CONFIG);
    assert_false(exists("without", "recipe.yaml"));
}

// The same with normalisation, whose parameters the checkpoint also holds; another's checkpoint
// does not.
static void test_resume_opt_normalised(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    char path[320];
    for (int ema = 0; ema < 2; ema++) {
        const char *average = ema ? "ema=true" : "ema=false";
        const char *const whole[] = {run_dir("norm"), "ckpt_format=ckpt", "epoch_size=3", average,
                                     "norm=batch",    "norm_group=4",     "force=true",   NULL};
        snprintf(path, sizeof path, "ckpt_path=%s", in_root("norm/squeezenet1_1-2_10.ckpt"));
        const char *const rest[] = {
            run_dir("norm-rest"), "ckpt_format=ckpt", "epoch_size=3", average, "norm=batch",
            "norm_group=4",       "resume_opt=true",  "force=true",   path,    NULL};
        run_well(whole, 2, NULL, NULL);
        run_well(rest, 1, NULL, NULL);
        same_file("norm", "norm-rest", "squeezenet1_1-3_10.ckpt");
    }
    snprintf(path, sizeof path, "ckpt_path=%s", in_root("long/squeezenet1_1-2_10.ckpt"));
    const char *const plain[] = {run_dir("plain"), "epoch_size=3",    "opt=adamw", "norm=batch",
                                 "norm_group=4",   "resume_opt=true", path,        NULL};
    assert_int_equal(run_with(options_of(plain), 1, NULL, NULL, &err), SQZ_E_NOINPUT);
    assert_non_null(strstr(err.text, "with \"--norm batch\""));
}

// With ema a new run starts from a checkpoint's average, without it from its weights; a learning
// rate of 0 shows where it started. The checkpoint is test_resume_opt's.
static void test_start_from_average(void **state)
{
    (void)state;
    char path[320];
    struct sqz_error err = {0};
    struct sqz_archive archive = {0};
    snprintf(path, sizeof path, "ckpt_path=%s", in_root("long/squeezenet1_1-2_10.ckpt"));
    if (sqz_archive_read(path + 10, &archive, NULL, &err))
        fail_msg("%s", err.text);
    for (int with = 0; with < 2; with++) {
        struct sqz_model *best = NULL;
        const char *name = with ? "from-average" : "from-weights";
        char file[64];
        const char *const pairs[] = {run_dir(name),  path,   with ? "ema=true" : "ema=false",
                                     "epoch_size=1", "lr=0", "warmup_epochs=0",
                                     "min_lr=0",     NULL};
        run_well(pairs, 2, NULL, NULL);
        snprintf(file, sizeof file, "%s/best.safetensors", name);
        if (sqz_model_read(in_root(file), NULL, 0, &best, &err))
            fail_msg("%s", err.text);
        size_t bytes = best->net->n_weights * sizeof(float);
        float *average = sqz_new_array(bytes, 1);
        if (sqz_param_arrays_take("test", &archive, best->net, "ema", average, &err))
            fail_msg("%s", err.text);
        assert_int_equal(memcmp(average, best->weights, bytes) == 0, with);
        sqz_free(average);
        sqz_model_free(best);
    }
    sqz_archive_release(&archive);
}

// At a learning rate of 0 no validation is better than the first.
static void test_early_stopping(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct sqz_train_result result;
    const char *const pairs[] = {run_dir("early"), "epoch_size=20",    "lr=0", "min_lr=0",
                                 "val_interval=2", "early_stopping=2", NULL};
    run_well(pairs, 2, &heard, &result);
    // Validated after epochs 1, 3 and 5; the second one without a gain ends the run.
    assert_int_equal(result.epochs, 5);
    assert_non_null(strstr(heard.notes, "Ended after epoch 5: nothing was better since epoch 1"));
    memset(&heard, 0, sizeof heard);
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root("early"));
    assert_int_equal(run_with(options, 1, &heard, NULL, &err), SQZ_OK);
    assert_non_null(strstr(heard.notes, "already reached its end"));
}

// What every epoch's validation gave, from history.csv; 0 where there was none.
enum { VAL_LOSS = 4, VAL_TOP1 = 5 };
static int read_column(const char *name, int column, double *out, int room)
{
    struct sqz_text rows = history_of(name);
    const char *line = strchr(sqz_text_get(&rows), '\n');
    int n = 0;
    while (line && line[1] && n < room) {
        const char *at = ++line;
        for (int i = 0; i < column; i++)
            at = strchr(at, ',') + 1;
        out[n++] = *at == ',' ? 0 : atof(at);
        line = strchr(line, '\n');
    }
    sqz_text_release(&rows);
    return n;
}

// The best of every epoch's checkpoints are kept: a new one is written only if it beats the worst.
static void test_top_k(void **state)
{
    (void)state;
    enum { EPOCHS = 6, KEEP = 2 };
    const char *const pairs[] = {run_dir("top"),
                                 "ckpt_format=ckpt",
                                 "epoch_size=6",
                                 "ckpt_save_policy=top_k",
                                 "decay_epochs=5",
                                 "keep_checkpoint_max=2",
                                 "val_interval=2",
                                 "lr=0.01",
                                 "clip_grad=true",
                                 "clip_value=1",
                                 NULL};
    double top1[EPOCHS];
    int kept[KEEP] = {0};
    run_well(pairs, 2, NULL, NULL);
    assert_int_equal(read_column("top", VAL_TOP1, top1, EPOCHS), EPOCHS);
    // Epochs without a validation count as 0, but the first ones fill the list.
    for (int e = 1; e <= EPOCHS; e++) {
        int free_one = !kept[0] ? 0 : !kept[1] ? 1 : -1, worst = 0;
        if (free_one < 0 && top1[kept[1] - 1] < top1[kept[0] - 1])
            worst = 1;
        if (free_one >= 0)
            kept[free_one] = e;
        else if (top1[e - 1] > top1[kept[worst] - 1])
            kept[worst] = e;
    }
    for (int e = 1; e <= EPOCHS; e++) {
        char name[64];
        snprintf(name, sizeof name, "squeezenet1_1-%d_10.ckpt", e);
        if (exists("top", name) != (kept[0] == e || kept[1] == e))
            fail_msg("%s is%s there", name, exists("top", name) ? "" : " not");
    }
    const char *const all[] = {run_dir("keep-all"),     "ckpt_format=ckpt",      "epoch_size=5",
                               "decay_epochs=4",        "ckpt_save_interval=2",  "lr=0.0001",
                               "keep_checkpoint_max=1", "ckpt_save_policy=none", NULL};
    run_well(all, 2, NULL, NULL);
    assert_true(exists("keep-all", "squeezenet1_1-2_10.ckpt") &&
                exists("keep-all", "squeezenet1_1-4_10.ckpt") &&
                exists("keep-all", "squeezenet1_1-5_10.ckpt"));
    assert_false(exists("keep-all", "squeezenet1_1-1_10.ckpt") ||
                 exists("keep-all", "squeezenet1_1-3_10.ckpt"));
}

// The time becomes a number of steps, which recipe.yaml keeps: an interrupted run ends at the same
// one, with the same files as a run that was told the number.
static void test_max_seconds(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    struct heard heard = {.stop_after = 1}, went = {0};
    struct sqz_train_result result;
    const char *const timed[] = {run_dir("timed"), "max_seconds=0.2", "epoch_size=1000",
                                 "val_while_train=false", NULL};
    // Stopped at the first step that is told after the plan was made, or the run would never plan.
    enum sqz_status status = run_with(options_of(timed), 1, &heard, NULL, &err);
    assert_true(status == SQZ_E_STOPPED || status == SQZ_OK);
    struct sqz_options *options = NULL;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root("timed"));
    if (status == SQZ_E_STOPPED && strstr(heard.notes, "the run gets to step"))
        put(options, "max_seconds", "0"); // the plan of the first command stands
    else
        put(options, "max_seconds", "0.2");
    if (run_with(options, 1, &went, &result, &err))
        fail_msg("%s", err.text);
    assert_true(result.steps > 0 && result.steps < 10000);
    struct sqz_bytes yaml = slurp("timed", "recipe.yaml");
    char line[64], steps[64];
    snprintf(line, sizeof line, "\nmax_steps: %lld\n", (long long)result.steps);
    assert_non_null(memmem(yaml.data, yaml.size, line, strlen(line)));
    sqz_bytes_release(&yaml);
    snprintf(steps, sizeof steps, "max_steps=%lld", (long long)result.steps);
    const char *const told[] = {run_dir("told"), steps, "epoch_size=1000", "val_while_train=false",
                                NULL};
    run_well(told, 2, NULL, NULL);
    same_file("timed", "told", "last.safetensors");
    same_file("timed", "told", "best.safetensors");
}

static void test_keep_global_batch(void **state)
{
    (void)state;
    const char *const by_hand[] = {run_dir("hand"), "gradient_accumulation_steps=4", NULL};
    const char *const fitted[] = {run_dir("fitted"), "recipe_devices=4", "keep_global_batch=true",
                                  NULL};
    run_well(by_hand, 2, NULL, NULL);
    run_well(fitted, 2, NULL, NULL);
    same_file("hand", "fitted", "best.safetensors");
    same_run("hand", "fitted");
}

// At equal top-1 the lower loss is better: few images to validate on often give the same.
static void test_best(void **state)
{
    (void)state;
    enum { EPOCHS = 12 };
    const char *const pairs[] = {run_dir("ties"), "epoch_size=12", "lr=0.00001", NULL};
    double top1[EPOCHS], loss[EPOCHS];
    struct sqz_train_result result;
    int first = 0, best = 0;
    run_well(pairs, 2, NULL, &result);
    assert_int_equal(read_column("ties", VAL_TOP1, top1, EPOCHS), EPOCHS);
    assert_int_equal(read_column("ties", VAL_LOSS, loss, EPOCHS), EPOCHS);
    for (int e = 1; e < EPOCHS; e++) {
        first = top1[e] > top1[first] ? e : first;
        if (top1[e] > top1[best] || (top1[e] == top1[best] && loss[e] < loss[best]))
            best = e;
    }
    assert_true(best > first); // or the test would not see it
    assert_int_equal(result.best_epoch, best + 1);
}

static void test_history(void **state)
{
    (void)state;
    struct heard heard = {0};
    const char *const pairs[] = {run_dir("drawn"), NULL};
    run_well(pairs, 2, &heard, NULL);
    struct sqz_bytes svg = slurp("drawn", "history.svg");
    struct sqz_text text = {0};
    sqz_text_add_bytes(&text, svg.data, svg.size);
    const char *svg_text = sqz_text_get(&text);
    assert_int_equal(strncmp(svg_text, "<svg ", 5), 0);
    assert_non_null(strstr(svg_text, "</svg>\n"));
    assert_non_null(strstr(svg_text, "validation"));
    assert_null(strstr(svg_text, "nan"));
    assert_non_null(strstr(heard.notes, "Top-1     "));
    sqz_text_release(&text);
    sqz_bytes_release(&svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_resumes),
        cmocka_unit_test(test_augmented_resumes),
        cmocka_unit_test(test_jsd_resumes),
        cmocka_unit_test(test_resume_opt),
        cmocka_unit_test(test_resume_opt_normalised),
        cmocka_unit_test(test_start_from_average),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_keep_global_batch),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_max_seconds),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
