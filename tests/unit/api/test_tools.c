// Compression, updates, datasets, weights and benchmarks through the public functions.
#include "support.h"

static struct sqz_context *context;
static struct sqz_model *model;

static int set_up(void **state)
{
    struct sqz_error err;
    return make_root(state) || sqz_context_new(2, &context, &err) ||
           sqz_synthesize_data(in_root("data"), 4, 2, 32, 5, &err) ||
           sqz_model_new("squeezenet1_1", NULL, 10, 3, 32, 1, &model, &err);
}

static int tear_down(void **state)
{
    sqz_model_free(model);
    sqz_context_free(context);
    return remove_root(state);
}

static void compression(void **state)
{
    struct sqz_compress_options options = SQZ_INIT(sqz_compress_options);
    struct sqz_compress_result result = SQZ_INIT(sqz_compress_result);
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    const char *path = in_root("a.sqz");
    (void)state;
    FAILS(SQZ_E_USAGE, "size", sqz_compress(context, model, path, &options, &result, err));
    options.method = SQZ_METHOD_DEEP;
    options.bits = 4;
    OK(sqz_compress(context, model, path, &options, &result, err));
    OK(sqz_model_describe(model, &info, err));
    assert_int_equal(result.weights + result.biases, info.parameters);
    assert_true(result.n_layers > 20 && result.layers[0].weights > 0);
    sqz_compress_result_release(&result);
    assert_null(result.layers);
    FAILS(SQZ_E_CANTWRITE, "exists", sqz_compress(context, model, path, &options, &result, err));
    // A missing directory is said before the work.
    options.images = 1;
    FAILS(SQZ_E_CANTWRITE, "no directory",
          sqz_compress(context, model, in_root("missing/a.sqz"), &options, &result, err));
    options.images = 0;
    options.force = true;
    // A stop from before the call.
    sqz_context_stop(context);
    options.method = SQZ_METHOD_AUTO;
    options.size = 200000;
    struct sqz_error why;
    assert_int_equal(sqz_compress(context, model, path, &options, &result, &why), SQZ_E_STOPPED);
    options.method = SQZ_METHOD_LOSSLESS;
    OK(sqz_compress(context, model, in_root("b.sqz"), &options, &result, err));
    sqz_compress_result_release(&result);
    options.struct_size = 0;
    FAILS(SQZ_E_USAGE, "sqz_compress_options",
          sqz_compress(context, model, path, &options, &result, err));
}

// An integer network goes out in every format; a network in floats in none.
static void exports(void **state)
{
    struct sqz_export_options options = SQZ_INIT(sqz_export_options);
    struct sqz_export_result result = SQZ_INIT(sqz_export_result);
    struct sqz_compress_options how = SQZ_INIT(sqz_compress_options);
    struct sqz_model *integers = NULL;
    int formats = 0;
    (void)state;
    while (sqz_export_format_name(formats)) {
        assert_non_null(sqz_export_format_summary(formats));
        formats++;
    }
    assert_true(formats >= 3);
    assert_null(sqz_export_format_summary(formats));
    FAILS(SQZ_E_USAGE, "no integer network",
          sqz_export_model(model, in_root("no"), NULL, NULL, err));
    how.method = SQZ_METHOD_INT8;
    how.calibrate_dir = in_root("data/val");
    struct sqz_compress_result made = SQZ_INIT(sqz_compress_result);
    OK(sqz_compress(context, model, in_root("i.sqz"), &how, &made, err));
    sqz_compress_result_release(&made);
    OK(sqz_model_open(in_root("i.sqz"), NULL, &integers, err));
    for (int i = 0; i < formats; i++) {
        options.format = sqz_export_format_name(i);
        OK(sqz_export_model(integers, in_root(options.format), &options, &result, err));
        const bool is_page = strcmp(options.format, "web") == 0;
        assert_true(result.bytes > result.weight_bytes);
        assert_true(is_page ? result.arena_bytes == 0 : result.arena_bytes > 1000);
    }
    FAILS(SQZ_E_CANTWRITE, "exists",
          sqz_export_model(integers, in_root("flat"), &options, NULL, err));
    options.format = "coreml";
    FAILS(SQZ_E_USAGE, "coreml", sqz_export_model(integers, in_root("x"), &options, NULL, err));
    OK(sqz_export_image(integers, in_root("data/val/circle/0000.png"), in_root("a.ppm"), false,
                        err));
    FAILS(SQZ_E_NOINPUT, "0999.png",
          sqz_export_image(integers, in_root("data/val/circle/0999.png"), in_root("b.ppm"), false,
                           err));
    sqz_model_free(integers);
}

static void updates(void **state)
{
    struct sqz_update_result result = SQZ_INIT(sqz_update_result);
    size_t a;
    (void)state;
    OK(sqz_update_make(in_root("a.sqz"), in_root("b.sqz"), in_root("p.sqzp"), false, &result, err));
    assert_true(result.bytes > 0 && result.codes >= result.moved);
    FAILS(SQZ_E_CANTWRITE, "p.sqzp",
          sqz_update_make(in_root("a.sqz"), in_root("b.sqz"), in_root("p.sqzp"), false, &result,
                          err));
    FAILS(
        SQZ_E_NOINPUT, "none",
        sqz_update_make(in_root("none"), in_root("b.sqz"), in_root("q.sqzp"), false, &result, err));
    OK(sqz_update_apply(in_root("p.sqzp"), in_root("a.sqz"), in_root("c.sqz"), false, err));
    void *made = read_bytes(in_root("c.sqz"), &a);
    assert_true(a > 1000);
    free(made);
    FAILS(SQZ_E_DATA, "p.sqzp",
          sqz_update_apply(in_root("p.sqzp"), in_root("b.sqz"), in_root("d.sqz"), false, err));
}

static void datasets(void **state)
{
    struct sqz_check_result check = SQZ_INIT(sqz_check_result);
    struct sqz_pack_options options = SQZ_INIT(sqz_pack_options);
    struct sqz_pack_result packed = SQZ_INIT(sqz_pack_result);
    struct sqz_imagenet_result laid_out = SQZ_INIT(sqz_imagenet_result);
    const char *train = in_root("data/train");
    (void)state;
    OK(sqz_check_data(context, train, &check, err));
    assert_int_equal(check.images, 40);
    assert_int_equal(check.n_classes, 10);
    assert_int_equal(check.classes[0].images, 4);
    sqz_check_result_release(&check);
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_check_data(context, in_root("nowhere"), &check, err));
    check.struct_size = 0;
    FAILS(SQZ_E_USAGE, "sqz_check_result", sqz_check_data(context, train, &check, err));

    OK(sqz_pack_data(context, train, in_root("train.sqzdata"), NULL, &packed, err));
    assert_int_equal(packed.images, 40);
    FAILS(SQZ_E_CANTWRITE, "train.sqzdata",
          sqz_pack_data(context, train, in_root("train.sqzdata"), NULL, &packed, err));
    options.force = true;
    options.quality = 101;
    FAILS(SQZ_E_USAGE, "101",
          sqz_pack_data(context, train, in_root("train.sqzdata"), &options, &packed, err));
    options.quality = 0;
    sqz_context_stop(context);
    struct sqz_error why;
    assert_int_equal(
        sqz_pack_data(context, train, in_root("train.sqzdata"), &options, &packed, &why),
        SQZ_E_STOPPED);
    OK(sqz_pack_data(context, train, in_root("train.sqzdata"), &options, &packed, err));

    FAILS(SQZ_E_NOINPUT, "c.tar.gz",
          sqz_lay_out_imagenet(context, in_root("a.tar"), in_root("b.tar"), in_root("c.tar.gz"),
                               in_root("imagenet"), &laid_out, err));
    write_bytes(in_root("file"), "x", 1);
    struct sqz_error no;
    assert_int_not_equal(sqz_synthesize_data(in_root("file"), 1, 1, 32, 1, &no), SQZ_OK);
    assert_int_not_equal(sqz_synthesize_data(in_root("file"), 1, 1, 32, 1, NULL), SQZ_OK);
}

static void weights_without_a_network(void **state)
{
    struct sqz_published_info info = SQZ_INIT(sqz_published_info);
    char *path = NULL;
    (void)state;
    assert_true(sqz_published_info(0, &info));
    assert_true(sqz_is_url(info.url));
    assert_false(sqz_is_url("model.sqz"));
    assert_false(sqz_published_info(1000, &info));
    info.struct_size = 0;
    assert_false(sqz_published_info(0, &info));
    FAILS(SQZ_E_NOINPUT, "w.safetensors",
          sqz_fetch_weights(context, "https://example.invalid/w.safetensors", in_root("data"),
                            &path, err));
    write_bytes(in_root("data/w.safetensors"), "x", 1);
    OK(sqz_fetch_weights(context, "https://example.invalid/w.safetensors", in_root("data"), &path,
                         err));
    assert_string_equal(path, in_root("data/w.safetensors"));
    sqz_text_free(path);
}

static void benchmarks(void **state)
{
    struct sqz_bench_options options = SQZ_INIT(sqz_bench_options);
    struct sqz_bench_result result = SQZ_INIT(sqz_bench_result);
    (void)state;
    options.seconds = 0.01;
    OK(sqz_bench_run(context, model, &options, &result, err));
    assert_true(result.runs >= 3 && result.latency_ms_median > 0 && result.rss_mb > 1);
    sqz_context_stop(context);
    struct sqz_error why;
    assert_int_equal(sqz_bench_run(context, model, &options, &result, &why), SQZ_E_STOPPED);
    OK(sqz_bench_run(context, model, &options, &result, err));
    FAILS(SQZ_E_USAGE, "a model", sqz_bench_run(context, NULL, &options, &result, err));
    options.batch = -1;
    FAILS(SQZ_E_USAGE, "-1", sqz_bench_run(context, model, &options, &result, err));
    options.batch = 0;
    options.images = in_root("nowhere");
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_bench_run(context, model, &options, &result, err));
    options.images = NULL;
    options.task = SQZ_BENCH_LOAD;
    FAILS(SQZ_E_USAGE, "options", sqz_bench_run(context, NULL, &options, &result, err));
    options.task = SQZ_BENCH_ALLREDUCE;
    FAILS(SQZ_E_USAGE, "ranks", sqz_bench_run(context, model, &options, &result, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compression),
        cmocka_unit_test(exports),
        cmocka_unit_test(updates),
        cmocka_unit_test(datasets),
        cmocka_unit_test(weights_without_a_network),
        cmocka_unit_test(benchmarks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
