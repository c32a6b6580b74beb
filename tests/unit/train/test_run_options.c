// Whole runs with the options beyond the plain recipe: each must do what it says, and be resumable
// to the same bits.
#include "run_support.h"

#include <math.h>

static const char *run_dir(const char *name)
{
    static char pairs[4][320];
    static int next;
    char *pair = pairs[next++ % 4];
    snprintf(pair, sizeof pairs[0], "run_dir=%s", in_root(name));
    return pair;
}

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
    // best is the average, not the weights of the last step.
    struct sqz_error err = {0};
    struct sqz_model *best = NULL, *last = NULL;
    if (sqz_model_read(in_root("all/best.safetensors"), NULL, 0, &best, &err) ||
        sqz_model_read(in_root("all/last.safetensors"), NULL, 0, &last, &err))
        fail_msg("%s", err.text);
    const struct sqz_param *first = &best->net->params[0], *second = &best->net->params[2];
    // Frozen: still what it was at the start, in both.
    assert_memory_equal(best->weights + first->offset, last->weights + first->offset,
                        first->size * sizeof(float));
    assert_true(memcmp(best->weights + second->offset, last->weights + second->offset,
                       second->size * sizeof(float)) != 0);
    sqz_model_free(best);
    sqz_model_free(last);
}

// A new folder that goes on from MindCV's checkpoint ends where the uninterrupted run does.
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
    assert_non_null(strstr(heard.notes, "Going on behind epoch 2"));
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
    assert_non_null(strstr(heard.notes, "Ended after epoch 5: top-1 has not risen since epoch 1"));
    memset(&heard, 0, sizeof heard);
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root("early"));
    assert_int_equal(run_with(options, 1, &heard, NULL, &err), SQZ_OK);
    assert_non_null(strstr(heard.notes, "already reached its end"));
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
        cmocka_unit_test(test_resume_opt),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_keep_global_batch),
        cmocka_unit_test(test_history),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
