// Cross-entropy against MindCV's values and gradients, finite differences, and what must not
// matter.
#include "golden.h"
#include "train/loss.h"

#include <math.h>
#include <string.h>

enum { ROWS_MAX = 8, CLASSES_MAX = 8 };

static void compare(const json_t *run, const float *logits, const int *labels, int n, int classes)
{
    double smoothing = json_number_value(json_object_get(run, "label_smoothing"));
    const char *reduction = json_string_value(json_object_get(run, "reduction"));
    double expected = json_number_value(json_object_get(run, "value"));
    float gradient[ROWS_MAX * CLASSES_MAX], expected_gradient[ROWS_MAX * CLASSES_MAX];
    int total = reduction && strcmp(reduction, "sum") == 0 ? 1 : n;
    double loss = sqz_loss_cross_entropy(logits, labels, n, classes, total, smoothing, 1, gradient);

    assert_true(fabs(loss - expected) <= 3e-7 * fabs(expected));
    if (!json_object_get(run, "gradient"))
        return;
    assert_int_equal(golden_floats(json_object_get(run, "gradient"), expected_gradient),
                     n * classes);
    for (int i = 0; i < n * classes; i++)
        assert_true(fabsf(gradient[i] - expected_gradient[i]) <= 2e-6F);
}

static void test_golden(void **state)
{
    json_t *root = golden_load("losses.json");
    float logits[ROWS_MAX * CLASSES_MAX], example[ROWS_MAX * CLASSES_MAX];
    int labels[ROWS_MAX], compared = 0;
    static const int example_labels[] = {1, 0};
    const json_t *run;
    size_t i, n;

    (void)state;
    if (!root)
        skip();
    n = json_array_size(json_object_get(root, "labels"));
    assert_int_equal(golden_floats(json_object_get(root, "logits"), logits), n * 7);
    golden_floats(json_object_get(root, "example_logits"), example);
    for (i = 0; i < n; i++)
        labels[i] = (int)json_integer_value(json_array_get(json_object_get(root, "labels"), i));
    json_array_foreach(json_object_get(root, "runs"), i, run)
    {
        const char *target = json_string_value(json_object_get(run, "target"));
        if (strcmp(json_string_value(json_object_get(run, "loss")), "CE") != 0 ||
            json_object_get(run, "weight") || json_is_array(json_object_get(run, "value")))
            continue;
        if (strcmp(target, "labels") == 0)
            compare(run, logits, labels, (int)n, 7);
        else if (strcmp(target, "example labels [1, 0]") == 0)
            compare(run, example, example_labels, 2, 3);
        else
            continue;
        compared++;
    }
    assert_true(compared >= 7);
    json_decref(root);
}

static void test_gradient_is_the_slope(void **state)
{
    float logits[6] = {1, 2, .5F, .1F, -1, 3}, gradient[6];
    static const int labels[] = {1, 0};

    (void)state;
    sqz_loss_cross_entropy(logits, labels, 2, 3, 2, 0.1, 4, gradient);
    for (int i = 0; i < 6; i++) {
        float was = logits[i], h = 1.0F / 1024;
        double up, down;
        logits[i] = was + h;
        up = sqz_loss_cross_entropy(logits, labels, 2, 3, 2, 0.1, 1, NULL);
        logits[i] = was - h;
        down = sqz_loss_cross_entropy(logits, labels, 2, 3, 2, 0.1, 1, NULL);
        logits[i] = was;
        assert_true(fabs((up - down) / (2 * (double)h) * 4 - (double)gradient[i]) < 1e-5);
    }
}

// Leaves of a batch add up to the batch: the trainer cuts it into pieces.
static void test_pieces(void **state)
{
    float logits[8 * 5], whole[8 * 5], pieces[8 * 5];
    int labels[8];
    double all, sum;

    (void)state;
    for (int i = 0; i < 40; i++)
        logits[i] = (float)((i * 37) % 23) / 4 - 2;
    for (int i = 0; i < 8; i++)
        labels[i] = (i * 3) % 5;
    all = sqz_loss_cross_entropy(logits, labels, 8, 5, 8, 0.1, 1, whole);
    sum = sqz_loss_cross_entropy(logits, labels, 3, 5, 8, 0.1, 1, pieces) +
          sqz_loss_cross_entropy(logits + 15, labels + 3, 5, 5, 8, 0.1, 1, pieces + 15);
    assert_true(fabs(all - sum) < 1e-14);
    assert_memory_equal(whole, pieces, sizeof whole);
}

static void test_extremes(void **state)
{
    float logits[3] = {3e38F, -3e38F, 0}, p[3], gradient[3];
    static const int first[] = {0}, second[] = {1};

    (void)state;
    assert_true(sqz_loss_cross_entropy(logits, first, 1, 3, 1, 0, 1, gradient) == 0);
    assert_true(gradient[0] == 0 && gradient[1] == 0 && gradient[2] == 0);
    assert_true(isfinite(sqz_loss_cross_entropy(logits, second, 1, 3, 1, 0.1, 1, gradient)));
    sqz_softmax(logits, 3, p);
    assert_true(p[0] == 1 && p[1] == 0 && p[2] == 0);
    logits[1] = NAN;
    assert_true(isnan(sqz_loss_cross_entropy(logits, first, 1, 3, 1, 0, 1, gradient)));
    sqz_softmax(logits, 3, p);
    assert_true(isnan(p[0]));
}

static void test_softmax(void **state)
{
    static const float logits[] = {1, 2, 3, 4};
    float p[4];
    double sum = 0;

    (void)state;
    sqz_softmax(logits, 4, p);
    for (int i = 0; i < 4; i++) {
        sum += (double)p[i];
        if (i)
            assert_true(fabs((double)p[i] / (double)p[i - 1] - exp(1)) < 1e-6);
    }
    assert_true(fabs(sum - 1) < 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_gradient_is_the_slope),
        cmocka_unit_test(test_pieces),  cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
