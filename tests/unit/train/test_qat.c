// Whole small runs for small files: bounds are kept, and neither threads nor an interruption
// change a bit.
#include "run_support.h"

#include "compress/prune.h"
#include "formats/sqz.h"
#include "net/infer.h"
#include "train/qat/teacher.h"
#include "kernels/softmax.h"

#include <math.h>

static struct sqz_model *best_of(const char *dir)
{
    struct sqz_model *model = NULL;
    struct sqz_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s/best.safetensors", root, dir);
    if (sqz_model_read(path, NULL, 0, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

static void resume(const char *name, int threads)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    if (sqz_options_new(&options, &err))
        fail_msg("%s", err.text);
    put(options, "resume", in_root(name));
    if (run_with(options, threads, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

// The run whole; on other threads; and stopped after some steps, then resumed.
static void three_ways(const char *const *pairs, const char *name, const char *limit)
{
    char other[64], cut[64];
    const char *all[16];
    int n = 0;
    snprintf(other, sizeof other, "%s-threads", name);
    snprintf(cut, sizeof cut, "%s-cut", name);
    while (pairs[n]) {
        all[n] = pairs[n];
        n++;
    }
    all[n] = run_dir(name);
    all[n + 1] = limit;
    all[n + 2] = NULL;
    if (getenv("SQZ_SANITIZED")) { // where everything is slow: the third way alone
        run_well(all, 2, NULL, NULL);
        resume(name, 1);
        return;
    }
    all[n + 1] = NULL;
    run_well(all, 1, NULL, NULL);
    all[n] = run_dir(other);
    run_well(all, 3, NULL, NULL);
    same_run(name, other);
    all[n] = run_dir(cut);
    all[n + 1] = limit;
    all[n + 2] = NULL;
    run_well(all, 2, NULL, NULL);
    resume(cut, 1);
    same_run(name, cut);
}

static void test_prune(void **state)
{
    (void)state;
    const char *const pairs[] = {"prune=0.25", "opt=adamw", "ema=true", "ema_decay=0.9", NULL};
    three_ways(pairs, "pruned", "max_steps=7");
    struct sqz_model *model = best_of("pruned");
    double density = sqz_density(model->net, model->weights);
    assert_true(density <= 0.25 && density > 0.24);
    sqz_model_free(model);
}

static void test_compress(void **state)
{
    (void)state;
    // Epochs of ten steps: two to prune, one at more bytes, and it is that one which is cut.
    const char *const pairs[] = {"compress=true", "size=60kB", "epoch_size=6", NULL};
    three_ways(pairs, "small", "max_steps=25");
    struct sqz_model *model = best_of("small");
    size_t bytes = 0;
    assert_int_equal(sqz_model_packed_size(model, &bytes, NULL), SQZ_OK);
    assert_in_range(bytes, 50000, 60000);
    sqz_model_free(model);
}

static void test_deep(void **state)
{
    (void)state;
    const char *const pairs[] = {"compress=true", "compress_method=deep", "compress_bits=3",
                                 "prune=0.3",     "epoch_size=2",         NULL};
    three_ways(pairs, "deep", "max_steps=13");
    struct sqz_model *model = best_of("deep");
    for (int p = 0; p < model->net->n_params; p++) {
        const struct sqz_param *param = &model->net->params[p];
        float values[8];
        int n = 0;
        for (size_t i = 0; param->kind == SQZ_PARAM_WEIGHT && i < param->size; i++) {
            float value = model->weights[param->offset + i];
            int k = 0;
            while (k < n && values[k] != value)
                k++;
            if (k == n) {
                assert_true(n < 8); // 2^3 - 1 shared values, and 0
                values[n++] = value;
            }
        }
    }
    sqz_model_free(model);
}

static size_t patch_bytes(const char *base, const struct sqz_model *model)
{
    struct sqz_contents contents = {0};
    struct sqz_archive archive = {0};
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report;
    struct sqz_error err = {0};
    if (sqz_contents_open(base, &contents, &err) || sqz_model_to_archive(model, &archive, &err) ||
        sqz_patch_make(&contents, &archive, &patch, &report, &err))
        fail_msg("%s", err.text);
    assert_true(report.moved > 0);
    assert_true(report.deviation < 1e-3);
    size_t bytes = patch.size;
    sqz_bytes_release(&patch);
    sqz_archive_release(&archive);
    sqz_contents_release(&contents);
    return bytes;
}

static void test_update(void **state)
{
    (void)state;
    struct sqz_model *old = best_of("small");
    struct sqz_error err = {0};
    char base[256], ckpt[300];
    snprintf(base, sizeof base, "%s/base.sqz", root);
    snprintf(ckpt, sizeof ckpt, "ckpt_path=%s", base);
    if (sqz_model_write(old, base, SQZ_KEEP_EXISTING, &err))
        fail_msg("%s", err.text);
    const char *const pairs[] = {ckpt,     "update_budget=1500", "opt=adamw", "lr=0.004",
                                 "seed=8", "distill=0.25",       NULL};
    three_ways(pairs, "update", "max_steps=13");
    struct sqz_model *new = best_of("update");
    assert_true(patch_bytes(base, new) <= 1500);
    sqz_model_free(new);
    sqz_model_free(old);
}

// With maps the answers are the same, whichever rows are asked for, and the maps' means are the
// logits.
static void check_maps(const struct sqz_environment *environment, const struct sqz_net *net,
                       const float *images, const float *last_target)
{
    enum { ROWS = 3, CLASSES = 10 };
    const size_t each = sqz_tensor_size(net, 0), size = sqz_tensor_size(net, sqz_net_maps(net));
    const int labels[ROWS] = {4, 0, 9}, pixels = (int)size / CLASSES;
    struct sqz_teacher *teacher = NULL;
    struct sqz_error err = {0};
    if (sqz_teacher_open(environment, in_root("pruned/best.safetensors"), net, ROWS,
                         &(struct sqz_teaching){.share = 0.25, .maps = 2}, true, &teacher, &err))
        fail_msg("%s", err.text);
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = ROWS};
    assert_int_equal(sqz_teacher_teach(teacher, &batch, 0, batch.n, &err), SQZ_OK);
    assert_true(batch.map_weight == 2);
    float *last = sqz_new_array(size, sizeof *last);
    assert_non_null(last);
    memcpy(last, batch.maps + (ROWS - 1) * size, size * sizeof *last);
    batch.images = images + (ROWS - 1) * each;
    batch.targets = NULL;
    memset((float *)batch.maps, 0, ROWS * size * sizeof *last);
    assert_int_equal(sqz_teacher_teach(teacher, &batch, ROWS - 1, ROWS, &err), SQZ_OK);
    assert_memory_equal(last, batch.maps + (ROWS - 1) * size, size * sizeof *last);
    float mean[CLASSES] = {0}, answer[CLASSES];
    for (int i = 0; i < pixels * CLASSES; i++)
        mean[i % CLASSES] += last[i] / (float)pixels;
    sqz_softmax(mean, CLASSES, answer);
    for (int c = 0; c < CLASSES; c++) {
        assert_float_equal(last_target[c], batch.targets[(ROWS - 1) * CLASSES + c], 1e-6);
        assert_float_equal(last_target[c], 0.25F * answer[c] + (c == 9 ? 0.75F : 0), 1e-5);
    }
    sqz_free(last);
    sqz_teacher_close(teacher);
}

// A quarter of a target is the teacher's softmax, the rest what it was.
static void test_teacher(void **state)
{
    (void)state;
    enum { ROWS = 3, CLASSES = 10 };
    struct sqz_model *model = best_of("pruned");
    struct sqz_pool *pool = NULL;
    struct sqz_teacher *teacher = NULL;
    struct sqz_infer *infer = NULL;
    struct sqz_error err = {0};
    size_t each = sqz_tensor_size(model->net, 0);
    float logits[ROWS * CLASSES], answer[CLASSES];
    float *images = sqz_new_array(ROWS * each, sizeof *images);
    const int labels[ROWS] = {4, 0, 9};
    assert_non_null(images);
    for (size_t i = 0; i < ROWS * each; i++)
        images[i] = (float)(i * 37 % 101) / 50 - 1;
    if (sqz_pool_new(2, &pool, &err))
        fail_msg("%s", err.text);
    struct sqz_environment environment = {.kernels = sqz_kernels_get(sqz_cpu_level(NULL)),
                                          .pool = pool};
    if (sqz_teacher_open(&environment, in_root("pruned/best.safetensors"), model->net, ROWS,
                         &(struct sqz_teaching){.share = 0.25}, true, &teacher, &err) ||
        sqz_infer_new(model->net, model->weights, environment.kernels, pool, false, &infer, &err))
        fail_msg("%s", err.text);
    sqz_infer_run(infer, images, ROWS, logits);
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = ROWS};
    assert_int_equal(sqz_teacher_teach(teacher, &batch, 0, batch.n, &err), SQZ_OK);
    for (int row = 0; row < ROWS; row++) {
        sqz_softmax(logits + row * CLASSES, CLASSES, answer);
        for (int c = 0; c < CLASSES; c++)
            assert_float_equal(batch.targets[row * CLASSES + c],
                               0.25F * answer[c] + (c == labels[row] ? 0.75F : 0), 1e-6);
    }
    // A rank that has only the last image gives it the same target.
    float last[CLASSES];
    memcpy(last, batch.targets + (ROWS - 1) * CLASSES, sizeof last);
    batch.images = images + (ROWS - 1) * each;
    batch.targets = NULL;
    assert_int_equal(sqz_teacher_teach(teacher, &batch, ROWS - 1, ROWS, &err), SQZ_OK);
    assert_memory_equal(last, batch.targets + (ROWS - 1) * CLASSES, sizeof last);
    assert_null(batch.maps);
    sqz_infer_free(infer);
    sqz_teacher_close(teacher);
    check_maps(&environment, model->net, images, last);
    sqz_pool_free(pool);
    sqz_free(images);
    sqz_model_free(model);
}

static void refuse(const char *const *pairs, const char *what)
{
    struct sqz_error err = {0};
    assert_int_not_equal(run_with(options_of(pairs), 1, NULL, NULL, &err), SQZ_OK);
    if (!strstr(err.text, what))
        fail_msg("%s", err.text);
}

static void test_refused(void **state)
{
    (void)state;
    char base[300];
    snprintf(base, sizeof base, "ckpt_path=%s/pruned/best.safetensors", root);
    refuse((const char *const[]){"compress=true", NULL}, "--size");
    refuse((const char *const[]){"size=60kB", NULL}, "--compress");
    refuse((const char *const[]){"compress=true", "size=big", NULL}, "60kB");
    refuse((const char *const[]){"update_budget=1kB", NULL}, "ckpt_path");
    refuse((const char *const[]){"update_budget=1kB", "prune=0.5", base, NULL}, "excludes");
    refuse((const char *const[]){"distill=0.5", "loss=BCE", NULL}, "loss CE");
    refuse((const char *const[]){"distill_maps=1", NULL}, "needs a teacher");
    refuse((const char *const[]){"distill_maps=1", "norm=batch", base, NULL}, "--norm none");
    refuse((const char *const[]){"unlabelled_dir=/", "distill=0.5", base, NULL}, "distill 1");
    refuse((const char *const[]){"unlabelled_dir=/", "distill=1", NULL}, "teacher or ckpt_path");
    refuse((const char *const[]){"unlabelled_dir=/", "distill=1", "class_weights=balanced", base,
                                 NULL},
           "count labels");
    refuse((const char *const[]){"compress=true", "size=1kB", "epoch_size=1", NULL}, "1000 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune),   cmocka_unit_test(test_compress),
        cmocka_unit_test(test_deep),    cmocka_unit_test(test_update),
        cmocka_unit_test(test_teacher), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
