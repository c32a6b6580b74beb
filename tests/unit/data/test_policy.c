// Augmentation policies: their strings and levels against MindCV's, their draws against their
// distributions.
#include "image.h"

#include "data/augment/policy.h"

#include <jansson.h>
#include <math.h>

static json_t *load(const char *name)
{
    json_error_t why;
    json_t *root = json_load_file(golden(name), 0, &why);
    if (!root)
        fail_msg("%s: %s", name, why.text);
    return root;
}

static struct sqz_policy parse(const char *text)
{
    struct sqz_policy policy;
    struct sqz_error err = {0};
    if (sqz_policy_parse(text, &policy, &err))
        fail_msg("%s", err.text);
    return policy;
}

static void test_golden_levels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum sqz_level_scale scale;
    } scales[] = {{"normal", SQZ_SCALE_NORMAL},
                  {"normal_half_levels", SQZ_SCALE_NORMAL},
                  {"translate_pct_0.3", SQZ_SCALE_AUGMIX},
                  {"trivialaugwide", SQZ_SCALE_WIDE}};
    json_t *root = load("aug-levels.json");
    int compared = 0;
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        json_t *levels = json_object_get(json_object_get(root, "levels"), scales[s].name);
        json_t *table = json_object_get(json_object_get(root, "table"), scales[s].name);
        bool wide = scales[s].scale == SQZ_SCALE_WIDE;
        const char *name;
        json_t *value;
        json_object_foreach(table, name, value)
        {
            const struct sqz_policy_entry *entry = sqz_policy_entry_find(name);
            assert_non_null(entry);
            struct sqz_policy_step step;
            struct sqz_policy trivial = parse("trivialaugwide");
            bool reachable = !wide;
            for (int i = 0; !reachable && sqz_policy_step_at(&trivial, i, 0, &step); i++)
                reachable = step.entry == entry;
            if (!reachable || entry->level == SQZ_LEVEL_NONE)
                continue;
            for (size_t i = 0; i < json_array_size(levels); i++)
                for (int negated = 0; negated < 2; negated++) {
                    json_t *list = json_object_get(value, negated ? "negated" : "kept");
                    double magnitude = json_number_value(json_array_get(levels, i));
                    double expected = json_number_value(json_array_get(list, i));
                    double got =
                        sqz_level_argument(entry->level, scales[s].scale, magnitude, 31, negated);
                    if (!(fabs(got - expected) < 1e-12))
                        fail_msg("%s %s %g: %.17g, not %.17g", scales[s].name, name, magnitude, got,
                                 expected);
                    compared++;
                }
        }
    }
    assert_int_equal(compared, 20 * 11 * 2 + 20 * 10 * 2 + 2 * 11 * 2 + 11 * 32 * 2);
    json_decref(root);
}

static double noise_of(const json_t *step)
{
    const json_t *noise = json_object_get(step, "magnitude_std");
    return json_is_string(noise) ? INFINITY : json_number_value(noise);
}

static void compare_step(const char *text, const struct sqz_policy *policy, const json_t *expected,
                         int index, int at)
{
    struct sqz_policy_step step;
    if (!sqz_policy_step_at(policy, index, at, &step))
        fail_msg("%s has no operation %d, %d", text, index, at);
    json_t *cap = json_object_get(expected, "magnitude_max");
    // Purposely different: MindCV reads mstd and ignores it, and takes inc0 for inc1.
    bool own_noise = strstr(text, "mstd") && !strstr(text, "mstd0.5"), inc0 = strstr(text, "inc0");
    const char *name = json_string_value(json_object_get(expected, "name"));
    if (inc0 && strlen(name) > 10 && strstr(name, "Increasing"))
        assert_memory_equal(step.entry->name, name, strlen(name) - strlen("Increasing"));
    else
        assert_string_equal(step.entry->name, name);
    assert_true(step.probability == json_number_value(json_object_get(expected, "prob")));
    assert_true(step.magnitude == json_number_value(json_object_get(expected, "magnitude")));
    if (!own_noise)
        assert_true(policy->noise == noise_of(expected));
    assert_true(policy->cap == (json_is_null(cap) ? 10 : json_number_value(cap)));
}

static void test_golden_strings(void **state)
{
    (void)state;
    json_t *root = load("policies.json"), *expected;
    const char *text;
    int accepted = 0, refused = 0;
    json_object_foreach(json_object_get(root, "policies"), text, expected)
    {
        struct sqz_policy policy;
        struct sqz_error err = {0};
        enum sqz_status status = sqz_policy_parse(text, &policy, &err);
        if (json_object_get(expected, "error")) {
            if (status != SQZ_E_CONFIG)
                fail_msg("%s should be refused", text);
            assert_non_null(strstr(err.text, text));
            refused++;
            continue;
        }
        if (status)
            fail_msg("%s", err.text);
        json_t *pairs = json_object_get(expected, "sub_policies"), *item, *step;
        json_t *list = pairs ? pairs : json_object_get(expected, "ops");
        size_t i, k;
        json_array_foreach(list, i, item)
        {
            if (pairs)
                json_array_foreach(item, k, step) compare_step(text, &policy, step, (int)i, (int)k);
            else
                compare_step(text, &policy, item, (int)i, 0);
        }
        struct sqz_policy_step unused;
        assert_false(sqz_policy_step_at(&policy, (int)json_array_size(list), 0, &unused));
        accepted++;
    }
    assert_int_equal(accepted + refused, 32);
    assert_true(accepted >= 20);
    json_decref(root);
}

static void test_settings(void **state)
{
    (void)state;
    struct sqz_policy policy = parse("randaug-m7-n3-mstd0.25-mmax20-inc1-w0");
    assert_true(policy.magnitude == 7 && policy.count == 3 && policy.noise == 0.25);
    assert_true(policy.cap == 20 && policy.increasing && policy.weighted);
    assert_true(isinf(parse("randaug-mstd101").noise));
    assert_false(parse("randaug-inc0").increasing);
    policy = parse("augmix-m5-w4-d2-a0.5");
    assert_true(policy.magnitude == 5 && policy.width == 4 && policy.depth == 2);
    assert_true(policy.alpha == 0.5 && isinf(policy.noise));
    assert_true(parse("trivialaugwide-m20").cap == 20);
    assert_int_equal(parse("").kind, SQZ_POLICY_NONE);
    assert_int_equal(parse("none").kind, SQZ_POLICY_NONE);
    assert_int_equal(parse("randaug-foo").kind, SQZ_POLICY_RANDAUG); // no digit: ignored
    struct sqz_error err = {0};
    static const char *const wrong[] = {"randaug-n99", "augmix-w9",  "augmix-d0", "randaug-m1e9",
                                        "randaug-mx1", "autoaug-n1", "rand",      "augmix-a0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (sqz_policy_parse(wrong[i], &policy, &err) != SQZ_E_CONFIG)
            fail_msg("%s was accepted", wrong[i]);
}

struct counts {
    int operations, by_kind[SQZ_OPERATIONS];
    double argument[SQZ_OPERATIONS], squares[SQZ_OPERATIONS];
};

static struct counts draw_many(const char *text, int n)
{
    struct counts counts = {0};
    struct sqz_policy policy = parse(text);
    for (int i = 0; i < n; i++) {
        struct sqz_random random;
        static struct sqz_policy_draw draw;
        sqz_random_init(&random, 3, 1, (uint64_t)i, SQZ_RANDOM_POLICY);
        sqz_policy_draw(&policy, &random, &draw);
        assert_true(draw.n <= SQZ_POLICY_MOST);
        for (int k = 0; k < draw.n; k++) {
            const struct sqz_operation *operation = &draw.operations[k];
            counts.operations++;
            counts.by_kind[operation->kind]++;
            counts.argument[operation->kind] += operation->argument;
            counts.squares[operation->kind] += operation->argument * operation->argument;
        }
    }
    return counts;
}

// Two of fourteen, half of them carried out; signs and noise as they should be.
static void test_randaug_draws(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct counts counts = draw_many("randaug-m7-mstd0.5", N);
    assert_true(abs(counts.operations - N) < 400);
    for (int kind = 0; kind < SQZ_OPERATIONS; kind++) {
        bool there = kind != SQZ_DESATURATE && kind != SQZ_BLUR;
        assert_true(abs(counts.by_kind[kind] - (there ? N / 14 : 0)) < (there ? 220 : 1));
    }
    double n = counts.by_kind[SQZ_ROTATE], mean = counts.argument[SQZ_ROTATE] / n;
    assert_true(fabs(mean) < 1.5); // signs cancel
    // E(30 L)^2 = 9 (49 + 0.25)
    assert_true(fabs(counts.squares[SQZ_ROTATE] / n - 9 * 49.25) < 9);
    n = counts.by_kind[SQZ_ADJUST_BRIGHTNESS];
    mean = counts.argument[SQZ_ADJUST_BRIGHTNESS] / n;
    assert_true(fabs(mean - (0.7 * 1.8 + 0.1)) < 0.01);
    assert_true(fabs(counts.squares[SQZ_ADJUST_BRIGHTNESS] / n - mean * mean - 0.09 * 0.09) <
                0.001);
    // Without noise every magnitude is the one that was asked for.
    counts = draw_many("randaug-m5-mstd0", 1000);
    n = counts.by_kind[SQZ_SOLARIZE];
    assert_true(counts.argument[SQZ_SOLARIZE] == 127 * n);
}

static void test_weighted_draws(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct counts counts = draw_many("randaug-w0-n1", N);
    assert_true(fabs(counts.by_kind[SQZ_ROTATE] / (0.5 * N) - 0.3) < 0.02);
    assert_true(fabs(counts.by_kind[SQZ_SHEAR_X] / (0.5 * N) - 0.2) < 0.02);
    assert_true(fabs(counts.by_kind[SQZ_COLOR] / (0.5 * N) - 0.025) < 0.006);
    assert_int_equal(counts.by_kind[SQZ_INVERT], 0);
    // Without replacement: with 13 of 14 wished for each comes once (half of them are carried out).
    counts = draw_many("randaug-w0-n16", N);
    assert_true(abs(counts.by_kind[SQZ_COLOR] - N / 2) < 300);
    assert_int_equal(counts.by_kind[SQZ_INVERT], 0);
}

static void test_other_draws(void **state)
{
    (void)state;
    enum { N = 25000 };
    struct counts counts = draw_many("trivialaugwide", N);
    assert_int_equal(counts.operations, N);
    double n = counts.by_kind[SQZ_TRANSLATE_X];
    assert_true(fabs(n - N / 14.0) < 200);
    assert_true(fabs(counts.argument[SQZ_TRANSLATE_X] / n - 0.075) < 0.004); // never negated
    counts = draw_many("autoaug", N);
    // Pairs with Posterize: 1 (.4), 4 (.6 + .6), 8 (.8), 10 (.4) of 25.
    assert_true(fabs(counts.by_kind[SQZ_POSTERIZE] - N * 2.8 / 25) < 200);
    counts = draw_many("3a", N);
    assert_int_equal(counts.operations, N);
    assert_true(abs(counts.by_kind[SQZ_BLUR] - N / 3) < 300);
    n = counts.by_kind[SQZ_BLUR];
    // sigma is uniform on 0.1 .. 2 f, and f = min(1, 1 + noise) has the mean 1 - 0.05 / sqrt(2 pi).
    assert_true(fabs(counts.argument[SQZ_BLUR] / n - (0.1 + 2 * (1 - 0.01995)) / 2) < 0.02);
}

static void test_augmix_draws(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct sqz_policy policy = parse("augmix-m3");
    double mix = 0, mix_squares = 0, weight = 0, weight_squares = 0, operations = 0;
    for (int i = 0; i < N; i++) {
        struct sqz_random random;
        static struct sqz_policy_draw draw;
        sqz_random_init(&random, 4, 1, (uint64_t)i, SQZ_RANDOM_POLICY);
        sqz_policy_draw(&policy, &random, &draw);
        assert_int_equal(draw.chains, 3);
        assert_true(draw.ends[0] >= 1 && draw.ends[0] <= 3 && draw.ends[2] == draw.n);
        assert_true(fabsf(draw.weights[0] + draw.weights[1] + draw.weights[2] - 1) < 1e-6f);
        mix += draw.mix;
        mix_squares += (double)draw.mix * draw.mix;
        weight += draw.weights[1];
        weight_squares += (double)draw.weights[1] * draw.weights[1];
        operations += draw.n;
    }
    assert_true(fabs(operations / N - 6) < 0.05);
    assert_true(fabs(mix / N - 0.5) < 0.01 && fabs(mix_squares / N - 1.0 / 3) < 0.01);
    assert_true(fabs(weight / N - 1.0 / 3) < 0.01 && fabs(weight_squares / N - 1.0 / 6) < 0.01);
}

// Old runs must be repeatable: these change only when the order of the draws does.
static void test_first_draws(void **state)
{
    (void)state;
    static const struct {
        int n;
        enum sqz_operation_kind kind;
        double argument;
    } expected[] = {
        {2, SQZ_ADJUST_BRIGHTNESS, 1.42543198},
        {1, SQZ_SHEAR_Y, -0.203766048},
        {0, SQZ_AUTO_CONTRAST, 0},
        {1, SQZ_TRANSLATE_Y, 0.320099188},
    };
    struct sqz_policy policy = parse("randaug-m7");
    for (uint64_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct sqz_random random;
        static struct sqz_policy_draw draw;
        sqz_random_init(&random, 42, 0, i, SQZ_RANDOM_POLICY);
        sqz_policy_draw(&policy, &random, &draw);
        assert_int_equal(draw.n, expected[i].n);
        if (draw.n == 0)
            continue;
        assert_int_equal(draw.operations[0].kind, expected[i].kind);
        assert_true(fabs(draw.operations[0].argument - expected[i].argument) < 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_levels),  cmocka_unit_test(test_golden_strings),
        cmocka_unit_test(test_settings),       cmocka_unit_test(test_randaug_draws),
        cmocka_unit_test(test_weighted_draws), cmocka_unit_test(test_other_draws),
        cmocka_unit_test(test_augmix_draws),   cmocka_unit_test(test_first_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
