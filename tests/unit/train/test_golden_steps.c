// Training steps against those of the real MindCV: losses, updates, gradients, weights, momentum.
#include "config_support.h"
#include "golden.h"

#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/formats.h"
#include "train/step/steps.h"
#include "train/run/rates.h"
#include "train/setup/setup.h"
#include <math.h>
#include <string.h>
#include <zip.h>

enum { STEPS = 6, BATCH = 4, CLASSES = 10 };

struct golden_run {
    json_t *json;
    struct sqz_model *model;
    struct sqz_pool *pool;
    struct sqz_optimizer *optimizer;
    struct sqz_stepper stepper;
    float *images;
    int labels[STEPS * BATCH];
    double rates[STEPS];
    struct sqz_options *options;
    int side;
};

static const char *text_of(const struct golden_run *run, const char *key)
{
    return json_string_value(json_object_get(run->json, key));
}

static double number_of(const json_t *object, const char *key, double otherwise)
{
    json_t *value = json_object_get(object, key);
    return value ? json_number_value(value) : otherwise;
}

// The data of a .npy file; its header is skipped, because the shapes are known.
static struct sqz_bytes read_npy(const char *name, const uint8_t **data)
{
    char relative[128];
    struct sqz_bytes bytes = {0};
    struct sqz_error err = {0};
    snprintf(relative, sizeof relative, "mindcv-golden/%s", name);
    const char *path = test_data(relative);
    assert_non_null(path);
    if (sqz_file_read(path, 1 << 26, &bytes, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(bytes.data, "\x93NUMPY", 6);
    *data = bytes.data + 10 + bytes.data[8] + 256 * bytes.data[9];
    return bytes;
}

static void read_inputs(struct golden_run *run)
{
    char name[64];
    const uint8_t *data;
    size_t area = (size_t)run->side * (size_t)run->side;
    snprintf(name, sizeof name, "train-input-%d.u8.npy", run->side);
    struct sqz_bytes bytes = read_npy(name, &data);
    assert_true(bytes.size >= STEPS * BATCH * 3 * area);
    run->images = sqz_new_aligned(STEPS * BATCH * 3 * area, sizeof(float));
    for (size_t n = 0; n < STEPS * BATCH; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < area; p++)
                run->images[(n * area + p) * 3 + c] =
                    ((float)data[(n * 3 + c) * area + p] - 127.5f) / 64;
    sqz_bytes_release(&bytes);
    bytes = read_npy("train-labels.npy", &data);
    memcpy(run->labels, data, sizeof run->labels);
    sqz_bytes_release(&bytes);
}

static struct sqz_model *read_start(const struct golden_run *run)
{
    char relative[128];
    struct sqz_error err = {0};
    struct sqz_model *file = NULL, *model = NULL;
    snprintf(relative, sizeof relative, "mindcv-golden/%s-c10.ckpt", text_of(run, "model"));
    if (sqz_model_read(test_data(relative), NULL, 0, &file, &err))
        fail_msg("%s", err.text);
    struct sqz_net_spec spec = file->net->spec;
    spec.image_h = spec.image_w = run->side;
    spec.drop_rate = 0;
    if (sqz_model_adapt(file, &spec, 1, &model, &err))
        fail_msg("%s", err.text);
    sqz_model_free(file);
    return model;
}

static void set(struct sqz_options *options, const char *name, const char *value)
{
    struct sqz_error err = {0};
    if (sqz_options_set(options, name, value, SQZ_FROM_COMMAND_LINE, &err))
        fail_msg("%s", err.text);
}

static void start_stepper(struct golden_run *run, double clip, double ema_decay,
                          enum sqz_cpu_level level)
{
    struct sqz_error err = {0};
    struct sqz_loss_scale scale = sqz_loss_scale_of(CONFIG(run->options));
    if (sqz_optimizer_new(CONFIG(run->options), run->model->net, &run->optimizer, &err))
        fail_msg("%s", err.text);
    struct sqz_stepper_config config = {.net = run->model->net,
                                        .kernels = sqz_kernels_get(level),
                                        .pool = run->pool,
                                        .max_batch = BATCH,
                                        .loss = sqz_loss_of(CONFIG(run->options), CLASSES),
                                        .clip_value = clip,
                                        .accumulate =
                                            (int)run->options->gradient_accumulation_steps,
                                        .ema_decay = ema_decay};
    if (sqz_stepper_init(&run->stepper, &config, &scale, run->optimizer, run->model->weights, &err))
        fail_msg("%s", err.text);
}

static void open_run(struct golden_run *run, const char *file, enum sqz_cpu_level level,
                     int threads)
{
    struct sqz_error err = {0};
    char decay[32];
    memset(run, 0, sizeof *run);
    run->json = golden_load(file);
    if (!run->json)
        skip();
    run->side = (int)number_of(run->json, "side", 0);
    const json_t *trainer = json_object_get(run->json, "trainer_options");
    const json_t *table = json_object_get(run->json, "lr_table");
    for (size_t i = 0; i < STEPS; i++)
        run->rates[i] = json_number_value(json_array_get(table, i));
    read_inputs(run);
    run->model = read_start(run);
    if (sqz_pool_new(threads, &run->pool, &err) || sqz_options_new(&run->options, &err))
        fail_msg("%s", err.text);
    snprintf(decay, sizeof decay, "%.9g", number_of(run->json, "weight_decay", 0));
    struct sqz_options *options = run->options;
    set(options, "opt", text_of(run, "opt"));
    set(options, "momentum", "0.9");
    set(options, "weight_decay", decay);
    set(options, "weight_decay_filter", text_of(run, "weight_decay_filter"));
    set(options, "label_smoothing", "0.1");
    set(options, "loss_scale", "1024");
    set(options, "mindcv_accumulation", "true");
    if (strstr(file, "bce"))
        set(options, "loss", "BCE");
    options->gradient_accumulation_steps =
        (int64_t)number_of(trainer, "gradient_accumulation_steps", 1);
    start_stepper(run, number_of(trainer, "clip_value", 0),
                  json_is_true(json_object_get(trainer, "ema")) ? number_of(trainer, "ema_decay", 0)
                                                                : 0,
                  level);
}

static void close_run(struct golden_run *run)
{
    sqz_stepper_release(&run->stepper);
    sqz_optimizer_free(run->optimizer);
    sqz_options_free(run->options);
    sqz_model_free(run->model);
    sqz_pool_free(run->pool);
    sqz_free(run->images);
    json_decref(run->json);
}

static void one_step(struct golden_run *run, int step, struct sqz_step_result *result)
{
    size_t image = (size_t)run->side * (size_t)run->side * 3;
    struct sqz_step_batch batch = {.images = run->images + (size_t)step * BATCH * image,
                                   .labels = run->labels + step * BATCH,
                                   .n = BATCH};
    const struct sqz_rate_table rates = {.values = run->rates, .n = STEPS};
    double rate = sqz_rate_at(CONFIG(run->options), &rates, run->stepper.counters.counted);
    sqz_stepper_run(&run->stepper, &batch, rate, result);
    assert_true(result->finite);
}

static void near_to(double value, double golden, double tolerance, const char *what, int step)
{
    if (!(fabs(value - golden) <= tolerance))
        fail_msg("%s, step %d: %.9g, but MindCV has %.9g (tolerance %g)", what, step, value, golden,
                 tolerance);
}

static const float *parameter(const struct golden_run *run, const float *buffer, const char *name,
                              size_t *size)
{
    int index = sqz_net_find_param(run->model->net, name);
    assert_true(index >= 0);
    *size = run->model->net->params[index].size;
    return buffer + run->model->net->params[index].offset;
}

static void check_biases(const struct golden_run *run, const json_t *golden, const char *key,
                         const char *name, int step, double tolerance)
{
    size_t size;
    const float *values = parameter(run, run->model->weights, name, &size);
    const json_t *array = json_object_get(golden, key);
    assert_true(json_array_size(array) > 0);
    for (size_t i = 0; i < json_array_size(array); i++)
        near_to(values[i], json_number_value(json_array_get(array, i)), tolerance, name, step);
}

// Losses before, counters and (bias_tolerance > 0) biases after each step.
static void check_steps(struct golden_run *run, double late_loss_tolerance, double bias_tolerance)
{
    const json_t *steps = json_object_get(run->json, "steps");
    assert_int_equal(json_array_size(steps), STEPS);
    for (int i = 0; i < STEPS; i++) {
        const json_t *golden = json_array_get(steps, (size_t)i);
        struct sqz_step_result result;
        one_step(run, i, &result);
        near_to(result.loss, number_of(golden, "loss", NAN), i < 2 ? 1e-5 : late_loss_tolerance,
                "loss", i + 1);
        // MindCV's own adamw counts batches, also where it does not update.
        bool batches = strcmp(run->options->opt, "adamw") == 0;
        assert_int_equal(batches ? (uint64_t)run->stepper.counters.counted
                                 : run->optimizer->updates,
                         (int)number_of(golden, "global_step", -1));
        if (bias_tolerance == 0)
            continue;
        check_biases(run, golden, "features_0_bias", "features.0.bias", i + 1, bias_tolerance);
        check_biases(run, golden, "classifier_bias", "classifier.1.bias", i + 1, bias_tolerance);
        const struct sqz_kernels *ref = sqz_kernels_get(SQZ_CPU_REF);
        double norm = sqrt(ref->sum_of_squares(run->model->weights, run->model->net->n_weights));
        near_to(norm, number_of(golden, "l2_all", NAN), 1e-4, "norm of all parameters", i + 1);
    }
}

// Digests of `buffer`, found under `prefix` and the parameters' names.
static void check_digests(const struct golden_run *run, const char *key, const char *prefix,
                          const float *buffer, double norm_tolerance, double value_tolerance)
{
    const json_t *final = json_object_get(run->json, key);
    const struct sqz_net *net = run->model->net;
    for (int p = 0; p < net->n_params; p++) {
        const struct sqz_param *param = &net->params[p];
        // With accumulation MindSpore prefixes every name.
        char plain[128], prefixed[160];
        snprintf(plain, sizeof plain, "%s%s", prefix, param->name);
        snprintf(prefixed, sizeof prefixed, "optimizer.%s", plain);
        const json_t *golden = json_object_get(final, plain);
        if (!golden)
            golden = json_object_get(final, prefixed);
        assert_non_null(golden);
        float *oihw = sqz_new_array(param->size, sizeof *oihw);
        double squares = 0;
        sqz_param_to_oihw(param, buffer, oihw);
        for (size_t i = 0; i < param->size; i++)
            squares += (double)oihw[i] * oihw[i];
        double norm = number_of(golden, "l2", NAN);
        near_to(sqrt(squares), norm, norm_tolerance * norm + value_tolerance, param->name, STEPS);
        for (size_t i = 0; i < 4; i++)
            near_to(oihw[i], json_number_value(json_array_get(json_object_get(golden, "first"), i)),
                    value_tolerance, param->name, STEPS);
        sqz_free(oihw);
    }
}

static void check_final(const struct golden_run *run, double norm_tolerance, double value_tolerance)
{
    assert_int_equal(json_object_size(json_object_get(run->json, "final")),
                     run->model->net->n_params);
    check_digests(run, "final", "", run->model->weights, norm_tolerance, value_tolerance);
}

static void test_within(const char *file, double tolerance)
{
    struct golden_run run;
    open_run(&run, file, sqz_cpu_level(NULL), 2);
    check_steps(&run, 1e-5, tolerance);
    check_final(&run, tolerance, tolerance);
    if (run.stepper.ema) {
        assert_true(run.stepper.ema[0] != run.model->weights[0]);
        check_digests(&run, "final_others", "ema.", run.stepper.ema, 1e-6, 1e-6);
    }
    close_run(&run);
}

static void test_like(const char *file)
{
    test_within(file, 1e-6);
}

static void test_clip(void **state)
{
    (void)state;
    test_like("train-11-clip.json");
}

static void test_accumulation(void **state)
{
    (void)state;
    test_like("train-11-accum2.json");
}

static void test_accumulation_adamw(void **state)
{
    (void)state;
    // MindSpore's own error is above the README's 1e-6 here, and the README has no float64 figures
    // for this run. Repeated in float64 with PyTorch, in the order of train/step/steps.h, its
    // values part from float64 by up to 2.18e-6 (features.0.bias[2]; it may be one ReLU within
    // rounding of zero, and AdamW divides gradients by their size). Ours equal float64 there with
    // ref and AVX2 (3.337e-5 for its 3.119e-5), and MindSpore with SSE2 and AVX-512, which round
    // like it.
    test_within("train-11-accum2_adamw.json", 2.5e-6);
}

static void test_ema(void **state)
{
    (void)state;
    test_like("train-11-ema.json");
}

static void test_accumulation_clip_ema(void **state)
{
    (void)state;
    test_like("train-11-accum2_clip_ema.json");
}

static void test_bce(void **state)
{
    (void)state;
    test_like("train-11-bce.json");
}

// MindSpore computed this one in half precision; here amp_level changes nothing. Six steps apart by
// rounding in half precision: the losses differ by up to 7e-4 (two half-precision programs: 3e-4).
static void test_o2(void **state)
{
    (void)state;
    struct golden_run run;
    open_run(&run, "train-11-o2.json", sqz_cpu_level(NULL), 2);
    for (int i = 0; i < STEPS; i++) {
        struct sqz_step_result result;
        one_step(&run, i, &result);
        near_to(
            result.loss,
            number_of(json_array_get(json_object_get(run.json, "steps"), (size_t)i), "loss", NAN),
            1e-3, "loss", i + 1);
    }
    check_final(&run, 1e-3, 1e-3);
    close_run(&run);
}

static void test_decay_without_biases(void **state)
{
    (void)state;
    test_like("train-11-norm_and_bias.json");
}

static void test_decay_of_everything(void **state)
{
    (void)state;
    test_like("train-11-disable_wd5.json");
}

// squeezenet1_0 amplifies rounding: the golden README's tolerances grow after the second step.
static void test_version_1_0(void **state)
{
    (void)state;
    struct golden_run run;
    open_run(&run, "train-10-base.json", sqz_cpu_level(NULL), 2);
    check_steps(&run, 5e-4, 0);
    check_final(&run, 1e-2, INFINITY);
    close_run(&run);
}

// `relative`: compared to the largest of the array, as gradients are; else absolutely, as weights.
static void compare_array(const struct golden_run *run, const struct sqz_archive *archive,
                          const char *prefix, const float *buffer, int p, bool relative)
{
    const struct sqz_param *param = &run->model->net->params[p];
    char name[128];
    snprintf(name, sizeof name, "%s%s", prefix, param->name);
    const struct sqz_array *golden = sqz_archive_find(archive, name);
    assert_non_null(golden);
    assert_int_equal(golden->size, param->size * sizeof(float));
    const float *values = golden->data;
    float *oihw = sqz_new_array(param->size, sizeof *oihw), largest = 0;
    sqz_param_to_oihw(param, buffer, oihw);
    for (size_t i = 0; i < param->size; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    for (size_t i = 0; i < param->size; i++)
        near_to(oihw[i], values[i], relative ? 2e-5 * largest : 1e-6, name, STEPS);
    sqz_free(oihw);
}

// Every weight and every momentum after six steps, at every SIMD level of this machine.
static void test_base(void **state)
{
    (void)state;
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        if (sqz_kernels_get((enum sqz_cpu_level)level)->level != (enum sqz_cpu_level)level)
            continue;
        struct golden_run run;
        struct sqz_archive archive = {0};
        struct sqz_error err = {0};
        open_run(&run, "train-11-base.json", (enum sqz_cpu_level)level, 1 + level);
        check_steps(&run, 1e-5, 1e-6);
        check_final(&run, 1e-6, 1e-6);
        if (sqz_archive_read(test_data("mindcv-golden/squeezenet1_1-c10-after6.ckpt"), &archive,
                             NULL, &err))
            fail_msg("%s", err.text);
        for (int p = 0; p < run.model->net->n_params; p++) {
            compare_array(&run, &archive, "", run.model->weights, p, false);
            compare_array(&run, &archive, "moments.", run.optimizer->state[0], p, true);
        }
        sqz_archive_release(&archive);
        close_run(&run);
    }
}

// One array of the .npz (a stored zip of .npy files).
static float *read_npz(zip_t *archive, const char *name, size_t n)
{
    char member[128], head[10];
    snprintf(member, sizeof member, "%s.npy", name);
    zip_file_t *file = zip_fopen(archive, member, 0);
    assert_non_null(file);
    assert_int_equal(zip_fread(file, head, sizeof head), sizeof head);
    size_t skipped = (size_t)(uint8_t)head[8] + 256 * (size_t)(uint8_t)head[9];
    char *header = sqz_new_array(skipped, 1);
    assert_int_equal(zip_fread(file, header, skipped), skipped);
    float *values = sqz_new_array(n, sizeof *values);
    assert_int_equal(zip_fread(file, values, n * sizeof *values), n * sizeof *values);
    zip_fclose(file);
    sqz_free(header);
    return values;
}

static void test_first_gradients(void **state)
{
    (void)state;
    struct golden_run run;
    struct sqz_step_result result;
    open_run(&run, "train-11-base.json", sqz_cpu_level(NULL), 2);
    zip_t *archive =
        zip_open(test_data("mindcv-golden/train-11-first-gradients.npz"), ZIP_RDONLY, NULL);
    assert_non_null(archive);
    one_step(&run, 0, &result);
    near_to(result.gradient_norm, number_of(run.json, "first_step_gradient_global_norm", NAN), 1e-4,
            "gradient norm", 1);
    for (int p = 0; p < run.model->net->n_params; p++) {
        const struct sqz_param *param = &run.model->net->params[p];
        float *golden = read_npz(archive, param->name, param->size), largest = 0;
        float *own = sqz_new_array(param->size, sizeof *own);
        sqz_param_to_oihw(param, run.stepper.gradient, own);
        for (size_t i = 0; i < param->size; i++)
            largest = fmaxf(largest, fabsf(golden[i]));
        for (size_t i = 0; i < param->size; i++)
            near_to(own[i], golden[i], 2e-5 * largest, param->name, 1);
        sqz_free(golden);
        sqz_free(own);
    }
    zip_discard(archive);
    close_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_gradients),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_accumulation_adamw),
        cmocka_unit_test(test_accumulation_clip_ema),
        cmocka_unit_test(test_ema),
        cmocka_unit_test(test_bce),
        cmocka_unit_test(test_o2),
        cmocka_unit_test(test_decay_without_biases),
        cmocka_unit_test(test_decay_of_everything),
        cmocka_unit_test(test_version_1_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
