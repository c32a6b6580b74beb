// Whole runs with batch normalisation: resumed to the same bits, the same on any number of threads,
// saved as plain models, warm starts, frozen parts, and what is refused.
#include "run_support.h"

#include "data/loader/loader.h"
#include "net/infer.h"
#include <math.h>

static void resume(const char *name, int threads)
{
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    put(options, "resume", in_root(name));
    put(options, "max_steps", "0");
    if (run_with(options, threads, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static struct sqz_model *read_model(const char *path)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    if (sqz_model_read(in_root(path), NULL, 0, &model, &err))
        fail_msg("%s", err.text);
    return model;
}

// Everything of the list, cut in mid-epoch and in the middle of an accumulation group, on
// other numbers of threads; the last batch of an epoch is short.
static void check_resumes(const char *name, const char *model, const char *opt)
{
    char other[64];
    snprintf(other, sizeof other, "%s-cut", name);
    const char *const whole[] = {run_dir(name),
                                 model,
                                 opt,
                                 "norm=batch",
                                 "norm_group=4",
                                 "batch_size=12",
                                 "drop_remainder=false",
                                 "ema=true",
                                 "ema_decay=0.9",
                                 "mixup=0.4",
                                 "auto_augment=randaug-m7-mstd0.5-inc1",
                                 "gradient_accumulation_steps=3",
                                 "drop_rate=0.5",
                                 NULL};
    const char *cut[18];
    size_t n = sizeof whole / sizeof *whole;
    run_well(whole, 2, NULL, NULL);
    memcpy(cut, whole, sizeof whole);
    cut[0] = run_dir(other);
    cut[n - 1] = "max_steps=9";
    cut[n] = NULL;
    run_well(cut, 1, NULL, NULL);
    resume(other, 4);
    same_run(name, other);
}

static void test_resumes(void **state)
{
    (void)state;
    check_resumes("plain", "model=squeezenet1_1", "opt=adamw");
    if (!getenv("SQZ_SANITIZED")) // where everything is slow
        check_resumes("complex", "model=squeezenet1_1_complex", "opt=lamb");
}

// The files are those of a plain network, and hold what the evaluated weights are.
static void test_models_are_plain(void **state)
{
    (void)state;
    struct sqz_model *best = read_model("plain/best.safetensors");
    struct sqz_model *last = read_model("plain/last.safetensors");
    assert_int_equal(best->net->n_params, 52);
    assert_int_equal(last->net->n_weights, best->net->n_weights);
    assert_int_equal(best->net->spec.norm_group, 0);
    assert_true(memcmp(best->weights, last->weights, best->net->n_weights * sizeof(float)) != 0);
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    if (sqz_archive_read(in_root("plain/last.safetensors"), &archive, NULL, &err))
        fail_msg("%s", err.text);
    // The average in the state is plain, too: whoever starts from it finds best's weights.
    float *average = sqz_new_array(best->net->n_weights, sizeof *average);
    if (sqz_param_arrays_take("last", &archive, last->net, "ema", average, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < best->net->n_weights; i++)
        assert_true(isfinite(average[i]));
    assert_true(sqz_archive_find(&archive, "norm.features.0.moving_variance") != NULL);
    sqz_free(average);
    sqz_archive_release(&archive);
    sqz_model_free(best);
    sqz_model_free(last);
}

// A few images are learned; the runs below start from this one.
static void test_learns(void **state)
{
    (void)state;
    const bool few = getenv("SQZ_SANITIZED"); // too few epochs to learn
    struct sqz_train_result result;
    const char *const pairs[] = {run_dir("learns"),
                                 "norm=batch",
                                 "norm_group=16",
                                 "batch_size=16",
                                 "lr=0.002",
                                 "opt=adam",
                                 "decay_epochs=29",
                                 "classifier_bias=1",
                                 "drop_rate=0",
                                 "val_interval=10",
                                 few ? "epoch_size=3" : "epoch_size=30",
                                 NULL};
    run_well(pairs, 2, NULL, &result);
    assert_true(few || result.final_loss < 1.5); // ln(10) is 2.3
}

// --- The folded model against the network with BN in evaluation mode ---

// The network that a state's "norm" arrays belong to, which never drops anything.
struct eval {
    struct sqz_model *model; // folded
    struct sqz_net *net;
    float *weights, *gradient, *logits, *folded;
    bool *fixed;
    struct sqz_pool *pool;
    struct sqz_gradient *engine;
    struct sqz_infer *infer;
    double furthest;
    int images, other_class;
};

enum { EVAL_BATCH = 32 };

static double keep_logits(void *arg, int first, int n, const float *logits, float *dlogits)
{
    struct eval *eval = arg;
    size_t classes = (size_t)eval->net->spec.classes, size = (size_t)n * classes;
    memcpy(eval->logits + (size_t)first * classes, logits, size * sizeof *logits);
    memset(dlogits, 0, size * sizeof *dlogits);
    return 0;
}

static void open_eval(struct eval *eval, const char *path)
{
    struct sqz_error err = {0};
    struct sqz_archive archive = {0};
    const struct sqz_kernels *kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    *eval = (struct eval){0};
    if (sqz_model_read(path, NULL, 0, &eval->model, &err) ||
        sqz_archive_read(path, &archive, NULL, &err) || sqz_pool_new(2, &eval->pool, &err))
        fail_msg("%s", err.text);
    struct sqz_net_spec spec = eval->model->net->spec;
    spec.norm_group = EVAL_BATCH;
    spec.drop_rate = 0;
    assert_int_equal(sqz_net_new(&spec, &eval->net, &err), SQZ_OK);
    eval->weights = sqz_new_aligned(eval->net->n_weights, sizeof(float));
    eval->gradient = sqz_new_aligned(eval->net->n_weights, sizeof(float));
    eval->logits = sqz_new_array(EVAL_BATCH * (size_t)spec.classes, sizeof(float));
    eval->folded = sqz_new_array(EVAL_BATCH * (size_t)spec.classes, sizeof(float));
    eval->fixed = sqz_new_array((size_t)eval->net->n_layers, sizeof(bool));
    memset(eval->fixed, true, (size_t)eval->net->n_layers * sizeof(bool));
    if (sqz_param_arrays_take(path, &archive, eval->net, "norm", eval->weights, &err) ||
        sqz_gradient_new(eval->net, kernels, eval->pool, EVAL_BATCH, 1, &eval->engine, &err) ||
        sqz_infer_new(eval->model->net, eval->model->weights, kernels, eval->pool, false,
                      &eval->infer, &err))
        fail_msg("%s", err.text);
    sqz_archive_release(&archive);
}

static void close_eval(struct eval *eval)
{
    sqz_gradient_free(eval->engine);
    sqz_infer_free(eval->infer);
    sqz_pool_free(eval->pool);
    sqz_net_free(eval->net);
    sqz_model_free(eval->model);
    sqz_free(eval->weights);
    sqz_free(eval->gradient);
    sqz_free(eval->logits);
    sqz_free(eval->folded);
    sqz_free(eval->fixed);
}

static int largest(const float *logits, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static void predict_batch(struct eval *eval, const struct sqz_batch *batch)
{
    int classes = eval->net->spec.classes;
    struct sqz_gradient_step step = {.weights = eval->weights,
                                     .images = batch->images,
                                     .n = batch->n,
                                     .loss = keep_logits,
                                     .loss_arg = eval,
                                     .gradient = eval->gradient,
                                     .fixed = eval->fixed};
    sqz_gradient_run(eval->engine, &step);
    sqz_infer_run(eval->infer, batch->images, batch->n, eval->folded);
    for (int s = 0; s < batch->n; s++) {
        const float *a = eval->logits + s * classes, *b = eval->folded + s * classes;
        eval->other_class += largest(a, classes) != largest(b, classes);
        for (int c = 0; c < classes; c++)
            eval->furthest = fmax(eval->furthest, fabs((double)a[c] - b[c]));
    }
    eval->images += batch->n;
}

// The run "learns" and its validation images; or $SQZ_TEST_NORM_RUN, a run directory, and the
// images of its dataset, $SQZ_TEST_NORM_DATA.
static void test_folded(void **state)
{
    (void)state;
    struct eval eval;
    struct sqz_error err = {0};
    struct sqz_dataset *set = NULL;
    struct sqz_dataset_layout layout;
    struct sqz_loader *loader = NULL;
    struct sqz_batch batch;
    const char *run = getenv("SQZ_TEST_NORM_RUN"), *data = getenv("SQZ_TEST_NORM_DATA");
    char path[512];
    snprintf(path, sizeof path, "%s/last.safetensors", run ? run : in_root("learns"));
    data = run && data ? data : in_root("data");
    open_eval(&eval, path);
    if (sqz_dataset_layout(data, &layout, &err))
        fail_msg("%s", err.text);
    struct sqz_dataset_request request = {
        .kind = layout.kind, .dir = data, .split = layout.val, .threads = 2};
    if (sqz_dataset_open(&request, &set, &err))
        fail_msg("%s", err.text);
    struct sqz_loader_config config = {
        .dataset = set, .preprocess = eval.model->preprocess, .batch = EVAL_BATCH, .workers = 2};
    if (sqz_loader_new(&config, &loader, &err) || sqz_loader_start(loader, 0, 0, &err))
        fail_msg("%s", err.text);
    while (!sqz_loader_next(loader, &batch, &err) && batch.n > 0)
        predict_batch(&eval, &batch);
    print_message("%d images, logits within %.3g\n", eval.images, eval.furthest);
    assert_int_equal((size_t)eval.images, set->count);
    assert_int_equal(eval.other_class, 0);
    assert_true(eval.furthest < 1e-3);
    sqz_loader_free(loader);
    sqz_dataset_free(set);
    close_eval(&eval);
}

// From plain weights with a learning rate of 0: what comes out is what went in, and the first loss
// is the same as without normalisation.
static void test_warm_start(void **state)
{
    (void)state;
    struct sqz_train_result with, without;
    char from[300];
    snprintf(from, sizeof from, "ckpt_path=%s", in_root("learns/best.safetensors"));
    const char *const norm[] = {run_dir("warm"),  from,       "norm=batch",  "norm_group=8",
                                "lr=0",           "min_lr=0", "max_steps=1", "drop_rate=0",
                                "weight_decay=0", NULL};
    const char *const none[] = {run_dir("cold"), from,          "lr=0",           "min_lr=0",
                                "max_steps=1",   "drop_rate=0", "weight_decay=0", NULL};
    run_well(norm, 2, NULL, &with);
    run_well(none, 2, NULL, &without);
    assert_true(fabs(with.final_loss - without.final_loss) < 1e-4 * without.final_loss);
    struct sqz_model *before = read_model("learns/best.safetensors");
    struct sqz_model *after = read_model("warm/last.safetensors");
    double difference = 0, norm2 = 0;
    for (size_t i = 0; i < before->net->n_weights; i++) {
        difference += pow((double)after->weights[i] - before->weights[i], 2);
        norm2 += pow(before->weights[i], 2);
    }
    // The moving variances are a tenth on their way from this batch's to the unbiased ones.
    assert_true(sqrt(difference) < 2e-2 * sqrt(norm2));
    sqz_model_free(before);
    sqz_model_free(after);
}

// What is frozen stays as it was in the plain model, its normalisation included.
static void test_frozen(void **state)
{
    (void)state;
    char from[300];
    snprintf(from, sizeof from, "ckpt_path=%s", in_root("learns/best.safetensors"));
    const char *const frozen[] = {run_dir("frozen"),
                                  from,
                                  "norm=batch",
                                  "norm_group=8",
                                  "lr=0.01",
                                  "opt=adam",
                                  "freeze=features.0,features.3",
                                  "epoch_size=1",
                                  NULL};
    run_well(frozen, 2, NULL, NULL);
    struct sqz_model *before = read_model("learns/best.safetensors");
    struct sqz_model *after = read_model("frozen/last.safetensors");
    for (int p = 0; p < before->net->n_params; p++) {
        const struct sqz_param *param = &before->net->params[p];
        bool stays = strncmp(param->name, "features.0.", 11) == 0 ||
                     strncmp(param->name, "features.3.", 11) == 0;
        double difference = 0, size = 0;
        for (size_t i = param->offset; i < param->offset + param->size; i++) {
            difference += pow((double)after->weights[i] - before->weights[i], 2);
            size += pow(before->weights[i], 2);
        }
        if (stays != (sqrt(difference) <= 1e-5 * sqrt(size) + 1e-6))
            fail_msg("%s moved by %g of %g", param->name, sqrt(difference), sqrt(size));
    }
    sqz_model_free(before);
    sqz_model_free(after);
}

static void check_refused(const char *batch, const char *group, const char *words)
{
    struct sqz_error err = {0};
    char size[32], of[32];
    snprintf(size, sizeof size, "batch_size=%s", batch);
    snprintf(of, sizeof of, "norm_group=%s", group);
    const char *const pairs[] = {run_dir("refused"), "norm=batch", size, *group ? of : NULL, NULL};
    assert_int_equal(run_with(options_of(pairs), 1, NULL, NULL, &err), SQZ_E_CONFIG);
    if (!strstr(err.text, words))
        fail_msg("no \"%s\" in: %s", words, err.text);
    assert_false(exists("refused", "recipe.yaml"));
}

static void test_group_sizes(void **state)
{
    (void)state;
    struct heard heard = {0};
    check_refused("12", "8", "are 8 and 16");
    check_refused("4", "8", "norm_group 4");
    check_refused("34", "8", "are 32 and 40");
    check_refused("37", "", "are 32 and 64");
    const char *const fitted[] = {run_dir("fitted"), "norm=batch", "batch_size=12", "epoch_size=1",
                                  NULL};
    run_well(fitted, 1, &heard, NULL);
    assert_non_null(strstr(heard.notes, "norm_group is 12"));
    // Parts of a batch are whole groups.
    struct sqz_error err = {0};
    struct heard parts = {0};
    const char *const memory[] = {
        run_dir("memory"), "norm=batch", "batch_size=64", "norm_group=16", "memory=40MB",
        "epoch_size=1",    NULL};
    run_well(memory, 1, &parts, NULL);
    assert_true(strstr(parts.notes, "computed as 4 of 16") ||
                strstr(parts.notes, "computed as 2 of 32"));
    const char *const less[] = {run_dir("less"), "norm=batch",  "batch_size=32",
                                "norm_group=16", "memory=20MB", NULL};
    assert_int_equal(run_with(options_of(less), 1, NULL, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "smallest batch, of 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes),     cmocka_unit_test(test_models_are_plain),
        cmocka_unit_test(test_learns),      cmocka_unit_test(test_folded),
        cmocka_unit_test(test_warm_start),  cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_group_sizes),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
