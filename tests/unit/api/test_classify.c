// Classification from files, bytes and pixels, alone and in batches: equal images give equal
// logits.
#include "support.h"

#include "api/pixels.h"

enum { CLASSES = 7 };

static struct sqz_context *context;

static int set_up(void **state)
{
    struct sqz_error err;
    setenv("SQUEEZENET_OVERSUBSCRIBE", "1", 1);
    return make_root(state) || sqz_context_new(2, &context, &err);
}

static int tear_down(void **state)
{
    sqz_context_free(context);
    return remove_root(state);
}

static struct sqz_model *make_model(const char *dialect, int channels, int side)
{
    struct sqz_model *model = NULL;
    OK(sqz_model_new("squeezenet1_1", dialect, CLASSES, channels, side, 3, &model, err));
    return model;
}

static struct sqz_classifier *make_classifier(const struct sqz_model *model)
{
    struct sqz_classifier *classifier = NULL;
    OK(sqz_classifier_new(context, model, &classifier, err));
    return classifier;
}

static void logits_of(struct sqz_classifier *classifier, const struct sqz_input *input,
                      float *logits)
{
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    result.logits = logits;
    result.logit_count = CLASSES;
    OK(sqz_classify_batch(classifier, input, &result, 1, NULL, err));
    assert_int_equal(result.status, SQZ_OK);
}

static void check_size(struct sqz_classifier *classifier, int w, int h, int c)
{
    uint8_t *pixels = noise((size_t)w * (size_t)h * (size_t)c);
    const char *path = in_root("image.png");
    float of_file[CLASSES], other[CLASSES];
    size_t size;
    write_png(path, pixels, w, h, c);
    void *bytes = read_bytes(path, &size);
    struct sqz_input input = SQZ_INIT(sqz_input);
    input.path = path;
    logits_of(classifier, &input, of_file);
    struct sqz_input encoded = SQZ_INIT(sqz_input);
    encoded.data = bytes;
    encoded.size = size;
    logits_of(classifier, &encoded, other);
    assert_memory_equal(of_file, other, sizeof other);
    struct sqz_pixels view = SQZ_INIT(sqz_pixels);
    view.format = c == 3 ? SQZ_PIXELS_RGB : SQZ_PIXELS_GRAY;
    view.width = w;
    view.height = h;
    view.planes[0] = pixels;
    struct sqz_input raw = SQZ_INIT(sqz_input);
    raw.pixels = &view;
    logits_of(classifier, &raw, other);
    assert_memory_equal(of_file, other, sizeof other);
    free(bytes);
    free(pixels);
}

// Every dialect has a resize of its own; sizes below, at and above the input, wide and tall.
static void pixels_equal_files(void **state)
{
    static const char *const dialects[] = {"mindcv", "torchvision", "caffe"};
    static const int sizes[][2] = {{1, 1},     {7, 5},     {224, 224}, {256, 256},
                                   {300, 201}, {201, 300}, {641, 479}};
    const int side = getenv("SQZ_SANITIZED") ? 64 : 0; // 0: the published 224 and 227
    (void)state;
    for (size_t d = 0; d < sizeof dialects / sizeof *dialects; d++)
        for (int channels = 1; channels <= 3; channels += 2) {
            struct sqz_model *model = make_model(dialects[d], channels, side);
            struct sqz_classifier *classifier = make_classifier(model);
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                check_size(classifier, sizes[s][0], sizes[s][1], 3);
                check_size(classifier, sizes[s][0], sizes[s][1], 1);
            }
            sqz_classifier_free(classifier);
            sqz_model_free(model);
        }
}

// One image in every order of bytes, with padded rows and bottom up.
static void formats_are_one_image(void **state)
{
    enum { W = 45, H = 33, PAD = 7 };
    static const struct {
        enum sqz_pixel_format format;
        int bytes, order[3];
    } orders[] = {{SQZ_PIXELS_RGB, 3, {0, 1, 2}},
                  {SQZ_PIXELS_BGR, 3, {2, 1, 0}},
                  {SQZ_PIXELS_RGBA, 4, {0, 1, 2}},
                  {SQZ_PIXELS_BGRA, 4, {2, 1, 0}}};
    (void)state;
    uint8_t *rgb = noise(W * H * 3), *out = malloc((W * 4 + PAD) * H);
    struct sqz_image expected = {.w = W, .h = H, .c = 3, .pixels = rgb}, converted = {0}, got;
    for (int i = 0; i < 4; i++)
        for (int flipped = 0; flipped < 2; flipped++) {
            int bytes = orders[i].bytes, stride = W * bytes + PAD;
            memset(out, 99, (W * 4 + PAD) * H);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    for (int c = 0; c < 3; c++)
                        out[(flipped ? H - 1 - y : y) * stride + x * bytes + orders[i].order[c]] =
                            rgb[(y * W + x) * 3 + c];
            struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
            pixels.format = orders[i].format;
            pixels.width = W;
            pixels.height = H;
            pixels.planes[0] = flipped ? out + (H - 1) * stride : out;
            pixels.strides[0] = flipped ? -stride : stride;
            OK(sqz_pixels_view(&pixels, "x", &converted, &got, err));
            assert_int_equal(got.w, W);
            assert_int_equal(got.h, H);
            assert_memory_equal(got.pixels, expected.pixels, W * H * 3);
        }
    sqz_image_release(&converted);
    free(out);
    free(rgb);
}

// Known colours, and one image as NV12, I420 and YUYV; odd sizes.
static void yuv_is_bt601(void **state)
{
    static const uint8_t known[][6] = {
        {16, 128, 128, 0, 0, 0},  {235, 128, 128, 255, 255, 255}, {126, 128, 128, 128, 128, 128},
        {81, 90, 240, 254, 0, 0}, {145, 54, 34, 0, 255, 1},       {41, 240, 110, 0, 0, 255},
        {0, 128, 128, 0, 0, 0}};
    enum { W = 5, H = 3, CW = 3, CH = 2 };
    struct sqz_image converted = {0}, of_nv12, got;
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint8_t *k = known[i], yuyv[] = {k[0], k[1], k[0], k[2]};
        struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
        pixels.format = SQZ_PIXELS_YUYV;
        pixels.width = 2;
        pixels.height = 1;
        pixels.planes[0] = yuyv;
        OK(sqz_pixels_view(&pixels, "x", &converted, &got, err));
        assert_memory_equal(got.pixels, k + 3, 3);
        assert_memory_equal(got.pixels + 3, k + 3, 3);
    }
    uint8_t *y = noise(W * H), *u = noise(CW * CH), *v = noise(CW * CH + 1), uv[CW * CH * 2];
    for (int i = 0; i < CW * CH; i++) {
        uv[2 * i] = u[i];
        uv[2 * i + 1] = v[i];
    }
    struct sqz_pixels nv12 = SQZ_INIT(sqz_pixels), i420 = SQZ_INIT(sqz_pixels);
    struct sqz_image second = {0};
    nv12.format = SQZ_PIXELS_NV12;
    i420.format = SQZ_PIXELS_I420;
    nv12.width = i420.width = W;
    nv12.height = i420.height = H;
    nv12.planes[0] = i420.planes[0] = y;
    nv12.planes[1] = uv;
    i420.planes[1] = u;
    i420.planes[2] = v;
    OK(sqz_pixels_view(&nv12, "x", &converted, &of_nv12, err));
    OK(sqz_pixels_view(&i420, "x", &second, &got, err));
    assert_memory_equal(of_nv12.pixels, got.pixels, W * H * 3);
    // The last pixel's colour comes from the last chroma sample.
    uint8_t last[] = {y[W * H - 1], u[CW * CH - 1], y[W * H - 1], v[CW * CH - 1]};
    struct sqz_pixels one = SQZ_INIT(sqz_pixels);
    one.format = SQZ_PIXELS_YUYV;
    one.width = 2;
    one.height = 1;
    one.planes[0] = last;
    OK(sqz_pixels_view(&one, "x", &second, &got, err));
    assert_memory_equal(of_nv12.pixels + (W * H - 1) * 3, got.pixels, 3);
    sqz_image_release(&converted);
    sqz_image_release(&second);
    free(y);
    free(u);
    free(v);
}

static void wrong_pixels_are_refused(void **state)
{
    struct sqz_model *model = make_model("mindcv", 3, 32);
    struct sqz_classifier *classifier = make_classifier(model);
    struct sqz_class_score best[2];
    uint8_t rgb[12] = {0};
    struct sqz_pixels good = SQZ_INIT(sqz_pixels), bad;
    int n = 2;
    (void)state;
    good.width = good.height = 2;
    good.planes[0] = rgb;
    OK(sqz_classify_pixels(classifier, &good, best, &n, err));
    assert_int_equal(n, 2);
#define REFUSED(words) \
    FAILS(SQZ_E_USAGE, words, sqz_classify_pixels(classifier, &bad, best, &n, err))
    bad = good, bad.width = 0;
    REFUSED("0 x 2");
    bad = good, bad.height = 65501;
    REFUSED("65501");
    bad = good, bad.format = (enum sqz_pixel_format)8;
    REFUSED("no pixel format");
    bad = good, bad.planes[0] = NULL;
    REFUSED("plane 0");
    bad = good, bad.strides[0] = -5;
    REFUSED("stride");
    bad = good, bad.format = SQZ_PIXELS_YUYV, bad.width = 1;
    REFUSED("even");
    bad = good, bad.format = SQZ_PIXELS_I420, bad.planes[1] = rgb;
    REFUSED("plane 2");
    bad = good, bad.struct_size = 0;
    REFUSED("SQZ_INIT");
#undef REFUSED
    sqz_classifier_free(classifier);
    sqz_model_free(model);
}

// More images than fit into one run, one of them broken, of every origin.
static void batch_equals_single(void **state)
{
    enum { N = 21, BROKEN = 13 };
    struct sqz_model *model = make_model("mindcv", 3, 64);
    struct sqz_classifier *classifier = make_classifier(model);
    struct sqz_input inputs[N];
    struct sqz_classify_result results[N];
    struct sqz_pixels pixels[N];
    struct sqz_class_score best[N][3];
    struct sqz_error errors[N], why;
    float logits[N][CLASSES], probabilities[N][CLASSES], alone[CLASSES];
    uint8_t *images[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        int w = 20 + 7 * i, h = 90 - 2 * i;
        inputs[i] = (struct sqz_input)SQZ_INIT(sqz_input);
        pixels[i] = (struct sqz_pixels)SQZ_INIT(sqz_pixels);
        images[i] = noise((size_t)w * (size_t)h * 3);
        pixels[i].width = w;
        pixels[i].height = h;
        pixels[i].planes[0] = images[i];
        inputs[i].pixels = &pixels[i];
        results[i] = (struct sqz_classify_result)SQZ_INIT(sqz_classify_result);
        results[i].best = best[i];
        results[i].best_count = 3;
        results[i].logits = logits[i];
        results[i].logit_count = CLASSES;
        results[i].probabilities = probabilities[i];
        results[i].probability_count = CLASSES + 5;
        results[i].error = &errors[i];
    }
    write_png(in_root("first.png"), images[0], 20, 90, 3);
    inputs[0].pixels = NULL;
    inputs[0].path = in_root("first.png");
    inputs[BROKEN].pixels = NULL;
    inputs[BROKEN].data = "no image at all";
    inputs[BROKEN].size = 15;
    inputs[BROKEN].name = "the broken one";
    assert_int_equal(sqz_classify_batch(classifier, inputs, results, N, NULL, &why), SQZ_E_DATA);
    assert_non_null(strstr(why.text, "the broken one"));
    for (int i = 0; i < N; i++) {
        if (i == BROKEN) {
            assert_int_equal(results[i].status, SQZ_E_DATA);
            assert_string_equal(errors[i].text, why.text);
            continue;
        }
        assert_int_equal(results[i].status, SQZ_OK);
        assert_int_equal(results[i].best_count, 3);
        assert_int_equal(results[i].probability_count, CLASSES);
        logits_of(classifier, &inputs[i], alone);
        assert_memory_equal(alone, logits[i], sizeof alone);
        float sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += probabilities[i][c];
        assert_float_equal(sum, 1, 1e-5);
        assert_true(best[i][0].probability == probabilities[i][best[i][0].index]);
        assert_true(best[i][0].probability >= best[i][1].probability);
        assert_int_equal(best[i][0].name[6], '0' + best[i][0].index); // "class 4"
    }
    assert_int_equal(sqz_classify_batch(classifier, NULL, NULL, 0, NULL, NULL), SQZ_OK);
    for (int i = 0; i < N; i++)
        free(images[i]);
    sqz_classifier_free(classifier);
    sqz_model_free(model);
}

static void wrong_inputs_are_refused(void **state)
{
    struct sqz_model *model = make_model("mindcv", 3, 32);
    struct sqz_classifier *classifier = make_classifier(model);
    struct sqz_input input = SQZ_INIT(sqz_input);
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    struct sqz_classify_options options = SQZ_INIT(sqz_classify_options);
    struct sqz_class_score best[9];
    float logits[CLASSES];
    int n = 9;
    (void)state;
#define REFUSED(words) \
    FAILS(SQZ_E_USAGE, words, sqz_classify_batch(classifier, &input, &result, 1, &options, err))
    REFUSED("none of them");
    input.path = "a.jpg";
    input.data = "a";
    REFUSED("several of them");
    input.data = NULL;
    result.logits = logits;
    result.logit_count = CLASSES - 1;
    REFUSED("room for 6 logits, but there are 7");
    result.logits = NULL;
    result.probabilities = logits;
    REFUSED("probabilities");
    result.probabilities = NULL;
    result.best = best;
    REFUSED("room for 0");
    options.timeout = -1;
    REFUSED("timeout");
    options.struct_size = 1;
    REFUSED("SQZ_INIT");
    options.struct_size = sizeof options;
    options.timeout = 0;
    input.struct_size = 0;
    REFUSED("sqz_input");
    input.struct_size = sizeof input;
    result.struct_size = (size_t)1 << 40;
    REFUSED("sqz_classify_result");
#undef REFUSED
    FAILS(SQZ_E_NOINPUT, "missing.png",
          sqz_classify_file(classifier, in_root("missing.png"), best, &n, err));
    FAILS(SQZ_E_DATA, "The image", sqz_classify_bytes(classifier, "x", 1, best, &n, err));
    assert_int_equal(n, 9);
    uint8_t *pixels = noise(30 * 30 * 3);
    size_t size;
    write_png(in_root("a.png"), pixels, 30, 30, 3);
    OK(sqz_classify_file(classifier, in_root("a.png"), best, &n, err));
    assert_int_equal(n, CLASSES); // cut from 9
    void *bytes = read_bytes(in_root("a.png"), &size);
    struct sqz_class_score again[1];
    n = 1;
    OK(sqz_classify_bytes(classifier, bytes, size, again, &n, err));
    assert_int_equal(again[0].index, best[0].index);
    assert_true(again[0].probability == best[0].probability);
    free(bytes);
    free(pixels);
    sqz_classifier_free(classifier);
    sqz_model_free(model);
}

// Features change no bit of the logits, and a class map's mean is the logit. In a batch, only some
// images want them.
static void features_agree_with_logits(void **state)
{
    static const char *const dialects[] = {"mindcv", "torchvision", "caffe"};
    enum { N = 3, EMBEDDING = 512 };
    uint8_t *rgb = noise(90 * 70 * 3);
    (void)state;
    for (size_t d = 0; d < sizeof dialects / sizeof *dialects; d++) {
        struct sqz_model *model = make_model(dialects[d], 3, 0);
        struct sqz_classifier *classifier = make_classifier(model);
        struct sqz_model_info info = SQZ_INIT(sqz_model_info);
        struct sqz_input inputs[N];
        struct sqz_classify_result results[N];
        struct sqz_pixels pixels[N];
        float plain[N][CLASSES], logits[N][CLASSES], embedding[EMBEDDING + 3], alone[EMBEDDING];
        OK(sqz_model_describe(model, &info, err));
        assert_int_equal(info.embedding_size, EMBEDDING);
        size_t area = (size_t)info.class_map_height * (size_t)info.class_map_width;
        assert_true(area > 100);
        float *maps = calloc(area * CLASSES, sizeof *maps);
        for (int i = 0; i < N; i++) {
            inputs[i] = (struct sqz_input)SQZ_INIT(sqz_input);
            results[i] = (struct sqz_classify_result)SQZ_INIT(sqz_classify_result);
            pixels[i] = (struct sqz_pixels)SQZ_INIT(sqz_pixels);
            pixels[i].width = 90 - i;
            pixels[i].height = 70;
            pixels[i].planes[0] = rgb;
            inputs[i].pixels = &pixels[i];
            results[i].logits = logits[i];
            results[i].logit_count = CLASSES;
            logits_of(classifier, &inputs[i], plain[i]);
        }
        results[0].embedding = embedding;
        results[0].embedding_count = EMBEDDING + 3;
        results[1].class_maps = maps;
        results[1].class_map_count = area * CLASSES;
        OK(sqz_classify_batch(classifier, inputs, results, N, NULL, err));
        assert_memory_equal(plain, logits, sizeof plain);
        assert_int_equal(results[0].embedding_count, EMBEDDING);
        assert_int_equal(results[1].class_map_count, area * CLASSES);
        assert_int_equal(results[1].class_map_height, info.class_map_height);
        assert_int_equal(results[1].class_map_width, info.class_map_width);
        double most = 0;
        for (int c = 0; c < CLASSES; c++) {
            double sum = 0;
            for (size_t p = 0; p < area; p++)
                sum += maps[p * CLASSES + (size_t)c];
            most = sum > most ? sum : most;
            assert_float_equal(sum / (double)area, logits[1][c],
                               1e-5 * (logits[1][c] > 0 ? logits[1][c] : 1e-30));
        }
        assert_true(most > 0);
        results[0].embedding = alone;
        OK(sqz_classify_batch(classifier, inputs, results, 1, NULL, err));
        assert_memory_equal(alone, embedding, sizeof alone);
        results[0].embedding_count = EMBEDDING - 1;
        FAILS(SQZ_E_USAGE, "room for 511 values of the embedding, but there are 512",
              sqz_classify_batch(classifier, inputs, results, 1, NULL, err));
        results[1].class_map_count--;
        FAILS(SQZ_E_USAGE, "class maps",
              sqz_classify_batch(classifier, inputs + 1, results + 1, 1, NULL, err));
        free(maps);
        sqz_classifier_free(classifier);
        sqz_model_free(model);
    }
    free(rgb);
}

// A newer program may only set members that the library knows; an older one knows fewer.
static void struct_sizes_of_other_versions(void **state)
{
    struct {
        struct sqz_model_options known;
        uint64_t newer;
    } options = {.known = SQZ_INIT(sqz_model_options)};
    struct sqz_model *model = make_model("mindcv", 3, 32), *opened = NULL;
    (void)state;
    OK(sqz_model_save(model, in_root("m.safetensors"), false, err));
    options.known.struct_size = sizeof options;
    OK(sqz_model_open(in_root("m.safetensors"), &options.known, &opened, err));
    sqz_model_free(opened);
    options.newer = 1;
    FAILS(SQZ_E_USAGE, "does not have",
          sqz_model_open(in_root("m.safetensors"), &options.known, &opened, err));
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    info.struct_size = offsetof(struct sqz_model_info, classes);
    info.classes = -1;
    OK(sqz_model_describe(model, &info, err));
    assert_string_equal(info.variant, "squeezenet1_1");
    assert_int_equal(info.classes, -1);
    assert_int_equal(info.struct_size, offsetof(struct sqz_model_info, classes));
    info.struct_size = 0;
    FAILS(SQZ_E_USAGE, "SQZ_INIT", sqz_model_describe(model, &info, err));
    sqz_model_free(model);
}

static void cancelled_and_timed_out(void **state)
{
    enum { N = 3 };
    struct sqz_model *model = make_model("mindcv", 3, 32);
    struct sqz_classifier *classifier = make_classifier(model);
    uint8_t *rgb = noise(40 * 40 * 3);
    struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    struct sqz_cancel cancel = {0};
    struct sqz_classify_options options = SQZ_INIT(sqz_classify_options);
    struct sqz_input inputs[N];
    struct sqz_classify_result results[N];
    struct sqz_class_score best[N];
    (void)state;
    pixels.width = pixels.height = 40;
    pixels.planes[0] = rgb;
    for (int i = 0; i < N; i++) {
        inputs[i] = (struct sqz_input)SQZ_INIT(sqz_input);
        inputs[i].pixels = &pixels;
        results[i] = (struct sqz_classify_result)SQZ_INIT(sqz_classify_result);
        results[i].best = &best[i];
        results[i].best_count = 1;
    }
    options.cancel = &cancel;
    OK(sqz_classify_batch(classifier, inputs, results, N, &options, err));
    sqz_cancel_request(&cancel); // before the call: not lost, for as many calls as come
    FAILS(SQZ_E_STOPPED, "cancelled",
          sqz_classify_batch(classifier, inputs, results, N, &options, err));
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i].status, SQZ_E_STOPPED);
    sqz_cancel_reset(&cancel);
    OK(sqz_classify_batch(classifier, inputs, results, N, &options, err));
    options.timeout = 1e-9;
    FAILS(SQZ_E_STOPPED, "1e-09 s",
          sqz_classify_batch(classifier, inputs, results, N, &options, err));
    options.timeout = 1000;
    OK(sqz_classify_batch(classifier, inputs, results, N, &options, err));
    free(rgb);
    sqz_classifier_free(classifier);
    sqz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_equal_files),
        cmocka_unit_test(formats_are_one_image),
        cmocka_unit_test(yuv_is_bt601),
        cmocka_unit_test(wrong_pixels_are_refused),
        cmocka_unit_test(batch_equals_single),
        cmocka_unit_test(wrong_inputs_are_refused),
        cmocka_unit_test(features_agree_with_logits),
        cmocka_unit_test(struct_sizes_of_other_versions),
        cmocka_unit_test(cancelled_and_timed_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
