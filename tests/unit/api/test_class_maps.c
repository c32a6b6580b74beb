// Class maps are the decision: their cells average to the logit, for every network and dialect and
// through .sqz; their places; and the image as the network sees it.
#include "support.h"
#include <math.h>

enum { CLASSES = 6, SIDE = 256 };

static struct sqz_context *context;
static uint8_t *image;

static int set_up(void **state)
{
    struct sqz_error err;
    image = noise(SIDE * SIDE * 3);
    return make_root(state) || sqz_context_new(2, &context, &err);
}

static int tear_down(void **state)
{
    sqz_context_free(context);
    free(image);
    return remove_root(state);
}

static void check_averages(const float *maps, size_t area, const float *logits)
{
    int above = 0;
    for (int c = 0; c < CLASSES; c++) {
        double sum = 0;
        for (size_t p = 0; p < area; p++)
            sum += (double)maps[p * CLASSES + (size_t)c];
        double mean = sum / (double)area, logit = (double)logits[c];
        assert_true(fabs(mean - logit) <= 1e-5 * logit);
        above += logit > 0;
    }
    assert_true(above > 0);
}

static bool is_rim(int y, int x, int h, int w, int border)
{
    return y < border || x < border || y >= h - border || x >= w - border;
}

// The rim is the same everywhere, and what lies inside of it is not.
static void check_rim(const float *maps, int h, int w, int border)
{
    int differ = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < CLASSES; c++) {
                float cell = maps[(y * w + x) * CLASSES + c];
                if (is_rim(y, x, h, w, border))
                    assert_true(cell == maps[c]);
                else
                    differ += cell != maps[c];
            }
    assert_true(differ > 0);
}

// 256 x 256 pixels need no resizing, so that the view is the crop.
static void check_view(const uint8_t *view, int side)
{
    int at = (SIDE - side) / 2;
    for (int y = 0; y < side; y++)
        assert_memory_equal(view + y * side * 3, image + ((y + at) * SIDE + at) * 3,
                            (size_t)side * 3);
}

static void check_model(const struct sqz_model *model, float *logits)
{
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    struct sqz_input input = SQZ_INIT(sqz_input);
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    struct sqz_classifier *classifier = NULL;
    OK(sqz_classifier_new(context, model, &classifier, err));
    OK(sqz_model_describe(model, &info, err));
    size_t area = (size_t)info.class_map_height * (size_t)info.class_map_width;
    size_t bytes = (size_t)info.image_size * (size_t)info.image_size * 3;
    float *maps = malloc(area * CLASSES * sizeof *maps);
    uint8_t *view = malloc(bytes);
    pixels.width = pixels.height = SIDE;
    pixels.planes[0] = image;
    input.pixels = &pixels;
    result.logits = logits;
    result.logit_count = CLASSES;
    result.class_maps = maps;
    result.class_map_count = area * CLASSES;
    result.view = view;
    result.view_size = bytes;
    OK(sqz_classify_batch(classifier, &input, &result, 1, NULL, err));
    assert_int_equal(result.view_size, bytes);
    check_averages(maps, area, logits);
    check_rim(maps, info.class_map_height, info.class_map_width, info.class_map_border);
    check_view(view, info.image_size);
    // The cells lie around the middle of the input.
    double middle = info.class_map_start + info.class_map_step * (info.class_map_height - 1) / 2.0;
    assert_float_equal(middle, (info.image_size - 1) / 2.0, info.class_map_step);
    result.view_size = bytes - 1;
    FAILS(SQZ_E_USAGE, "bytes of the view",
          sqz_classify_batch(classifier, &input, &result, 1, NULL, err));
    free(maps);
    free(view);
    sqz_classifier_free(classifier);
}

static void cells_average_to_the_logit(void **state)
{
    int networks = 0;
    (void)state;
    for (int v = 0; sqz_variant_name(v, NULL); v++)
        for (int d = 0; sqz_dialect_name(d); d++, networks++) {
            struct sqz_model *model = NULL, *packed = NULL;
            float logits[CLASSES], again[CLASSES];
            OK(sqz_model_new(sqz_variant_name(v, NULL), sqz_dialect_name(d), CLASSES, 3, 0, 7,
                             &model, err));
            check_model(model, logits);
            OK(sqz_model_save(model, in_root("m.sqz"), true, err));
            OK(sqz_model_open(in_root("m.sqz"), NULL, &packed, err));
            check_model(packed, again);
            assert_memory_equal(logits, again, sizeof logits);
            sqz_model_free(packed);
            sqz_model_free(model);
        }
    assert_int_equal(networks, 6 * 3);
}

// By hand: 1.1 without padding has 13 cells, 15 + 16 i; conv10's padding adds one on each side.
static void places_of_the_cells(void **state)
{
    const struct {
        const char *variant, *dialect;
        double start;
        int border, cells;
    } known[] = {{"squeezenet1_1", "torchvision", 15, 0, 13},
                 {"squeezenet1_1", "mindcv", 14, 0, 13},
                 {"squeezenet1_0", "torchvision", 17, 0, 13},
                 {"squeezenet1_0", "caffe", 1, 1, 15}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct sqz_model *model = NULL;
        struct sqz_model_info info = SQZ_INIT(sqz_model_info);
        OK(sqz_model_new(known[i].variant, known[i].dialect, CLASSES, 3, 0, 1, &model, err));
        OK(sqz_model_describe(model, &info, err));
        assert_float_equal(info.class_map_start, known[i].start, 0);
        assert_float_equal(info.class_map_step, 16, 0);
        assert_int_equal(info.class_map_border, known[i].border);
        assert_int_equal(info.class_map_height, known[i].cells);
        sqz_model_free(model);
    }
}

static void png_files(void **state)
{
    (void)state;
    const char *path = in_root("written.png");
    int w = 16, h = 16;
    uint8_t rgb[16 * 16 * 3];
    OK(sqz_write_png(path, image, 16, 16, false, err));
    FAILS(SQZ_E_CANTWRITE, "--force", sqz_write_png(path, image, 16, 16, false, err));
    FAILS(SQZ_E_USAGE, "0 x 16", sqz_write_png(path, image, 0, 16, true, err));
    OK(sqz_write_png(path, image, 16, 16, true, err));
    OK(sqz_thumbnail_file(path, &w, &h, rgb, sizeof rgb, err));
    assert_memory_equal(rgb, image, sizeof rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_average_to_the_logit),
        cmocka_unit_test(places_of_the_cells),
        cmocka_unit_test(png_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
