// Class weights, balanced views, and the curves.
#include "config_support.h"
#include "run_support.h"
#include "train/setup/balance.h"
#include "train/run/plot.h"
#include <math.h>

enum { N = 7 };
static struct sqz_sample samples[N]; // classes of 4, 0, 1 and 2

static struct sqz_dataset lopsided(void)
{
    static const int labels[N] = {0, 0, 0, 0, 2, 3, 3};
    for (int i = 0; i < N; i++)
        samples[i] = (struct sqz_sample){.label = labels[i], .hash = (uint64_t)i};
    return (struct sqz_dataset){
        .name = (char *)"set", .samples = samples, .count = N, .n_classes = 4};
}

static void test_weights(void **state)
{
    static const struct {
        const char *text;
        float weights[4];
    } good[] = {{"balanced", {7.0F / 16, 0, 7.0F / 4, 7.0F / 8}}, {"1,0.5,2,3", {1, .5F, 2, 3}}};
    static const char *const bad[] = {"1,2,3",   "1,2,3,4,5", "1,2,3,-4",  "1,2,3,x",    "0,0,0,0",
                                      "unequal", "1,2,3,4,",  "nan,1,1,1", "1,2,3,1e300"};
    struct sqz_dataset set = lopsided();
    struct sqz_options *options = NULL;
    struct sqz_error err = {0};
    float *weights;
    (void)state;
    assert_int_equal(sqz_options_new(&options, NULL), SQZ_OK);
    assert_int_equal(sqz_class_weights(CONFIG(options), &set, 4, &weights, &err), SQZ_OK);
    assert_null(weights);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        put(options, "class_weights", good[i].text);
        assert_int_equal(sqz_class_weights(CONFIG(options), &set, 4, &weights, &err), SQZ_OK);
        assert_memory_equal(weights, good[i].weights, sizeof good[i].weights);
        sqz_free(weights);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(options, "class_weights", bad[i]);
        if (sqz_class_weights(CONFIG(options), &set, 4, &weights, &err) != SQZ_E_CONFIG)
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(err.text, "class_weights"));
    }
    sqz_options_free(options);
}

static void test_view(void **state)
{
    struct sqz_dataset set = lopsided(), *view = NULL;
    int counts[4] = {0}, single = 0;
    (void)state;
    assert_int_equal(sqz_balanced_view(&set, &view, NULL), SQZ_OK);
    assert_int_equal(view->count, 12);
    for (size_t i = 0; i < view->count; i++) {
        counts[view->samples[i].label]++;
        single += view->samples[i].hash == 5;
    }
    assert_true(counts[0] == 4 && counts[1] == 0 && counts[2] == 4 && counts[3] == 4);
    assert_int_equal(single, 2); // the two of class 3 come twice each
    assert_int_equal(set.count, N);
    sqz_free_view(view);
    sqz_free_view(NULL);
}

static void test_sparkline(void **state)
{
    static const double values[] = {0, 1, 2, 3, 4, 5, 6, NAN, 7};
    static const double flat[] = {3, 3};
    struct sqz_text line = {0};
    (void)state;
    sqz_sparkline(values, 9, 9, false, &line);
    assert_string_equal(sqz_text_get(&line), "▁▂▃▄▅▆▇█"); // nothing where there is no number
    sqz_text_release(&line);
    sqz_sparkline(values, 4, 2, false, &line); // means 0.5 and 2.5
    assert_string_equal(sqz_text_get(&line), "▁█");
    sqz_text_release(&line);
    sqz_sparkline(flat, 2, 5, true, &line);
    assert_string_equal(sqz_text_get(&line), "██");
    sqz_text_release(&line);
}

// Curves that are empty, flat, of one point or full of holes are drawn, too.
static void test_svg(void **state)
{
    static const double x[] = {1, 2, 3}, y[] = {NAN, 2e-7, NAN}, flat[] = {0, 0, 0};
    struct sqz_panel panels[] = {
        {.title = "a", .curves = {{"one", x, y, 3}, {"none", x, y, 1}}, .n_curves = 2},
        {.title = "b", .curves = {{"flat", x, flat, 3}}, .n_curves = 1, .from_zero = true}};
    struct sqz_text svg = {0};
    (void)state;
    sqz_plot_svg("title", "epoch", panels, 2, &svg);
    const char *text = sqz_text_get(&svg);
    assert_non_null(strstr(text, "<circle"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_true(svg.length < 20000);
    sqz_text_release(&svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights), cmocka_unit_test(test_view),
                                       cmocka_unit_test(test_sparkline),
                                       cmocka_unit_test(test_svg)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
