// Version, context, models, samples and thumbnails through the public functions.
#include "support.h"

static struct sqz_context *context;

static int set_up(void **state)
{
    struct sqz_error err;
    return make_root(state) || sqz_context_new(1, &context, &err) ||
           sqz_synthesize_data(in_root("data"), 3, 2, 32, 5, &err);
}

static int tear_down(void **state)
{
    sqz_context_free(context);
    return remove_root(state);
}

static void version_and_statuses(void **state)
{
    char version[32];
    (void)state;
    snprintf(version, sizeof version, "%d.%d.%d", SQZ_VERSION_MAJOR, SQZ_VERSION_MINOR,
             SQZ_VERSION_PATCH);
    assert_string_equal(sqz_version(), version);
    assert_int_equal(sqz_version_number(), SQZ_VERSION_NUMBER);
    assert_string_equal(sqz_status_name(SQZ_OK), "SQZ_OK");
    assert_string_equal(sqz_status_name(SQZ_E_CONFIG), "SQZ_E_CONFIG");
    assert_string_equal(sqz_status_name((enum sqz_status)50), "unknown status");
}

static void everything_frees_null(void **state)
{
    (void)state;
    sqz_text_free(NULL);
    sqz_context_free(NULL);
    sqz_model_free(NULL);
    sqz_classifier_free(NULL);
    sqz_samples_free(NULL);
    sqz_options_free(NULL);
}

static void contexts(void **state)
{
    struct sqz_context *other = NULL;
    struct sqz_machine_info info = SQZ_INIT(sqz_machine_info);
    (void)state;
    FAILS(SQZ_E_USAGE, "between 1 and 1024", sqz_context_new(-1, &other, err));
    assert_null(other);
    OK(sqz_context_machine(context, &info, err));
    assert_int_equal(info.threads, 1);
    assert_true(info.cpu && *info.cpu && info.simd && *info.simd && strchr(info.kernel, 'x'));
    info.struct_size = 0;
    FAILS(SQZ_E_USAGE, "sqz_machine_info", sqz_context_machine(context, &info, err));
}

static void names(void **state)
{
    const char *summary = NULL, *suffix = NULL;
    bool writable = false;
    int n = 0;
    (void)state;
    assert_non_null(sqz_variant_name(0, &summary));
    assert_non_null(summary);
    while (sqz_variant_name(n, NULL))
        n++;
    assert_true(n > 3);
    assert_null(sqz_variant_name(-1, NULL));
    assert_string_equal(sqz_dialect_name(0), "mindcv");
    assert_null(sqz_dialect_name(3));
    assert_string_equal(sqz_format_name(0, &suffix, &summary, &writable), "safetensors");
    assert_string_equal(suffix, ".safetensors");
    assert_true(writable);
    assert_null(sqz_format_name(-1, NULL, NULL, NULL));
}

static void models(void **state)
{
    struct sqz_model *model = NULL, *again = NULL;
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    struct sqz_layer_info layer = SQZ_INIT(sqz_layer_info);
    struct sqz_model_options options = SQZ_INIT(sqz_model_options);
    char path[512];
    uint64_t parameters = 0;
    size_t size;
    (void)state;
    snprintf(path, sizeof path, "%s", in_root("model.safetensors"));
    FAILS(SQZ_E_USAGE, "Unknown network", sqz_model_new("vgg", NULL, 4, 3, 0, 1, &model, err));
    FAILS(SQZ_E_USAGE, "Unknown dialect",
          sqz_model_new("squeezenet1_1", "keras", 4, 3, 0, 1, &model, err));
    OK(sqz_model_new("squeezenet1_1", NULL, 4, 3, 64, 1, &model, err));
    OK(sqz_model_save(model, path, false, err));
    FAILS(SQZ_E_CANTWRITE, "exists", sqz_model_save(model, path, false, err));
    FAILS(SQZ_E_USAGE, "suffix", sqz_model_save(model, in_root("model.xyz"), false, err));
    OK(sqz_model_save(model, path, true, err));
    OK(sqz_model_describe(model, &info, err));
    assert_string_equal(info.variant, "squeezenet1_1");
    assert_string_equal(info.dialect, "mindcv");
    assert_int_equal(info.classes, 4);
    assert_int_equal(info.image_size, 64);
    for (int i = 0; sqz_model_layer(model, i, &layer); i++)
        parameters += layer.parameters;
    assert_int_equal(parameters, info.parameters);
    assert_false(sqz_model_layer(model, info.layers, &layer));
    layer.struct_size = 0;
    assert_false(sqz_model_layer(model, 0, &layer));
    assert_null(sqz_model_class_name(model, 0));

    // From a file, with class names; from its bytes at an odd address.
    write_bytes(in_root("classes.txt"), "ant\nbee\ncat\ndog\n", 16);
    options.classes_file = in_root("classes.txt");
    OK(sqz_model_open(path, &options, &again, err));
    assert_string_equal(sqz_model_class_name(again, 1), "bee");
    assert_null(sqz_model_class_name(again, 4));
    sqz_model_free(again);
    char *bytes = read_bytes(path, &size), *odd = malloc(size + 1);
    memcpy(odd + 1, bytes, size);
    OK(sqz_model_open_memory(odd + 1, size, NULL, &options, &again, err));
    assert_string_equal(sqz_model_class_name(again, 3), "dog");
    OK(sqz_model_save(again, in_root("copy.safetensors"), false, err));
    options.classes_file = NULL;
    sqz_model_free(again);
    OK(sqz_model_open_memory(bytes, size, "mine", NULL, &again, err));
    OK(sqz_model_save(again, in_root("copy.safetensors"), true, err));
    size_t copied;
    void *copy = read_bytes(in_root("copy.safetensors"), &copied);
    assert_int_equal(copied, size);
    assert_memory_equal(copy, bytes, size);
    free(copy);
    sqz_model_free(again);
    again = NULL;
    FAILS(SQZ_E_DATA, "mine", sqz_model_open_memory(bytes, size - 1, "mine", NULL, &again, err));
    FAILS(SQZ_E_DATA, "is empty", sqz_model_open_memory(bytes, 0, NULL, NULL, &again, err));
    FAILS(SQZ_E_USAGE, "pair", sqz_model_open_memory("7767517\n1 1\n", 12, "x", NULL, &again, err));
    FAILS(SQZ_E_NOINPUT, "none.sqz", sqz_model_open(in_root("none.sqz"), NULL, &again, err));
    FAILS(SQZ_E_DATA, "classes.txt", sqz_model_open(in_root("classes.txt"), NULL, &again, err));
    options.dialect = "keras";
    FAILS(SQZ_E_USAGE, "dialect", sqz_model_open(path, &options, &again, err));
    FAILS(SQZ_E_USAGE, "dialect", sqz_model_open_memory(bytes, size, "x", &options, &again, err));
    options.dialect = NULL;
    options.classes_file = in_root("nowhere.txt");
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_model_open(path, &options, &again, err));
    assert_null(again);
    free(bytes);
    free(odd);
    sqz_model_free(model);
}

// The same answer in every way that a classifier is made; the least memory included.
static void classifiers(void **state)
{
    struct sqz_model *model = NULL;
    struct sqz_classifier *classifier = NULL;
    struct sqz_class_score best[4][1];
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    const char *path = in_root("classifier.safetensors"), *image = in_root("image.png");
    uint8_t *pixels = noise(50 * 40 * 3);
    size_t size;
    int n = 1;
    (void)state;
    write_png(image, pixels, 50, 40, 3);
    free(pixels);
    OK(sqz_model_new("squeezenet1_0", "caffe", 6, 3, 64, 1, &model, err));
    OK(sqz_model_save(model, path, false, err));
    sqz_context_set_precision(context, SQZ_PRECISION_INT8);
    FAILS(SQZ_E_USAGE, "--int8", sqz_classifier_new(context, model, &classifier, err));
    sqz_context_set_precision(context, SQZ_PRECISION_AUTO);
    sqz_context_set_mode(context, SQZ_MODE_START);
    OK(sqz_classifier_new(context, model, &classifier, err));
    OK(sqz_classify_file(classifier, image, best[0], &n, err));
    sqz_classifier_free(classifier);
    OK(sqz_classifier_open(context, path, NULL, &classifier, err));
    OK(sqz_classify_file(classifier, image, best[1], &n, err));
    OK(sqz_classifier_describe(classifier, &info, err));
    assert_non_null(sqz_classifier_class_name(classifier, info.classes - 1));
    assert_null(sqz_classifier_class_name(classifier, info.classes));
    assert_null(sqz_classifier_class_name(classifier, -1));
    assert_int_equal(info.classes, 6);
    info.struct_size = 3;
    FAILS(SQZ_E_USAGE, "sqz_model_info", sqz_classifier_describe(classifier, &info, err));
    sqz_classifier_free(classifier);
    void *bytes = read_bytes(path, &size);
    OK(sqz_classifier_open_memory(context, bytes, size, NULL, NULL, &classifier, err));
    OK(sqz_classify_file(classifier, image, best[2], &n, err));
    sqz_classifier_free(classifier);
    sqz_context_set_mode(context, SQZ_MODE_MEMORY);
    OK(sqz_classifier_open(context, path, NULL, &classifier, err));
    OK(sqz_classify_file(classifier, image, best[3], &n, err));
    sqz_classifier_free(classifier);
    sqz_context_set_mode(context, SQZ_MODE_SPEED);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(best[i][0].index, best[0][0].index);
        assert_true(best[i][0].probability == best[0][0].probability);
    }
    classifier = NULL;
    FAILS(SQZ_E_DATA, "image.png", sqz_classifier_open(context, image, NULL, &classifier, err));
    FAILS(SQZ_E_DATA, "here",
          sqz_classifier_open_memory(context, bytes, 9, "here", NULL, &classifier, err));
    assert_null(classifier);
    free(bytes);
    sqz_model_free(model);
}

static void samples_and_thumbnails(void **state)
{
    struct sqz_samples *samples = NULL;
    struct sqz_model *model = NULL;
    struct sqz_classifier *classifier = NULL;
    struct sqz_input input = SQZ_INIT(sqz_input);
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    struct sqz_class_score of_sample[1], of_file[1];
    uint8_t rgb[16 * 8 * 3], again[16 * 8 * 3];
    int w = 16, h = 8, n = 1;
    (void)state;
    FAILS(SQZ_E_NOINPUT, "nowhere", sqz_samples_open(in_root("nowhere"), NULL, &samples, err));
    OK(sqz_samples_open(in_root("data"), "val", &samples, err));
    assert_int_equal(sqz_samples_count(samples), 20);
    assert_non_null(sqz_samples_class(samples, 19));
    assert_null(sqz_samples_class(samples, 20));
    assert_null(sqz_samples_file(samples, 20));
    const char *file = sqz_samples_file(samples, 7);
    assert_non_null(strstr(file, sqz_samples_class(samples, 7)));

    OK(sqz_thumbnail_sample(samples, 7, &w, &h, rgb, sizeof rgb, err));
    assert_int_equal(w, 8);
    assert_int_equal(h, 8);
    w = 16;
    OK(sqz_thumbnail_file(file, &w, &h, again, sizeof again, err));
    bool is_image = false;
    assert_int_equal(sqz_is_image_file(file, &is_image, NULL), SQZ_OK);
    assert_true(is_image);
    assert_int_equal(sqz_is_image_file(SQZ_TEST_SOURCE "/CMakeLists.txt", &is_image, NULL), SQZ_OK);
    assert_false(is_image);
    assert_int_equal(sqz_is_image_file(in_root("nowhere"), &is_image, NULL), SQZ_E_NOINPUT);
    assert_int_equal(sqz_is_image_file("/", &is_image, NULL), SQZ_OK);
    assert_false(is_image);
    assert_memory_equal(rgb, again, 8 * 8 * 3);
    w = 16;
    FAILS(SQZ_E_USAGE, "383 bytes", sqz_thumbnail_file(file, &w, &h, rgb, 383, err));
    FAILS(SQZ_E_USAGE, "no sample 20",
          sqz_thumbnail_sample(samples, 20, &w, &h, rgb, sizeof rgb, err));
    FAILS(SQZ_E_NOINPUT, "nowhere",
          sqz_thumbnail_file(in_root("nowhere"), &w, &h, rgb, sizeof rgb, err));

    OK(sqz_model_new("squeezenet1_1", NULL, 10, 3, 32, 1, &model, err));
    OK(sqz_classifier_new(context, model, &classifier, err));
    input.samples = samples;
    input.sample = 7;
    result.best = of_sample;
    result.best_count = 1;
    OK(sqz_classify_batch(classifier, &input, &result, 1, NULL, err));
    OK(sqz_classify_file(classifier, file, of_file, &n, err));
    assert_true(of_sample[0].probability == of_file[0].probability);
    input.sample = 20;
    FAILS(SQZ_E_USAGE, "no sample 20",
          sqz_classify_batch(classifier, &input, &result, 1, NULL, err));
    sqz_classifier_free(classifier);
    sqz_model_free(model);
    sqz_samples_free(samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_and_statuses),
        cmocka_unit_test(everything_frees_null),
        cmocka_unit_test(contexts),
        cmocka_unit_test(names),
        cmocka_unit_test(models),
        cmocka_unit_test(classifiers),
        cmocka_unit_test(samples_and_thumbnails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
