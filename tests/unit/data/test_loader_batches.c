// What happens to whole batches: mixup and cutmix, repeated augmentation, augmentation splits.
#include "loader_support.h"

#include <math.h>

static struct sqz_augment policy_augment(const char *text)
{
    struct sqz_augment augment = everything;
    struct sqz_error err = {0};
    if (sqz_policy_parse(text, &augment.policy, &err))
        fail_msg("%s", err.text);
    augment.style = (struct sqz_operation_style){SQZ_BILINEAR, {124, 116, 104}};
    return augment;
}

// All options together, so that a resumed run sees what an uninterrupted one saw.
static struct sqz_loader_config full_config(const struct sqz_augment *augment, int workers)
{
    struct sqz_loader_config config = config_for(good, 4, workers);
    config.shuffle = true;
    config.augment = augment;
    config.mix = (struct sqz_mix){0.8, 1.0, 0.9, 0.5};
    config.repeats = 2;
    return config;
}

static void any_workers_and_any_start(void **state)
{
    (void)state;
    static const char *const policies[] = {"randaug-m7-mstd0.5-inc1", "augmix-m3", "autoaug", "3a",
                                           "trivialaugwide"};
    for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
        struct sqz_augment augment = policy_augment(policies[p]);
        augment.splits = p % 2 ? 3 : 0;
        struct trace whole = {0};
        for (int workers = 1; workers <= 4; workers += 3) {
            struct sqz_loader_config config = full_config(&augment, workers);
            struct sqz_loader *loader = new_or_fail(&config);
            struct trace trace = run_epoch(loader, 1, 0), tail = run_epoch(loader, 1, 3);
            if (workers == 1)
                whole = trace;
            expect_same(&whole, &trace, 0);
            expect_same(&whole, &tail, 3);
            struct trace other = run_epoch(loader, 2, 0);
            assert_true(other.batches[1] != whole.batches[1]);
            sqz_loader_free(loader);
        }
    }
}

// The mixed batch is the plain batch, mixed; its targets say how.
static void mixed_batches(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 6, 3);
    config.shuffle = true;
    struct sqz_loader *plain = new_or_fail(&config);
    config.mix = (struct sqz_mix){.mixup = 1, .probability = 0.7};
    struct sqz_loader *mixed = new_or_fail(&config);
    int unmixed = 0, batches = 0;
    for (int epoch = 0; epoch < 8; epoch++) {
        struct sqz_batch a, b;
        sqz_loader_start(plain, epoch, 0, NULL);
        sqz_loader_start(mixed, epoch, 0, NULL);
        while (a = next_or_fail(plain), b = next_or_fail(mixed), a.n > 0) {
            assert_int_equal(a.n, b.n);
            assert_memory_equal(a.samples, b.samples, (size_t)a.n * sizeof *a.samples);
            assert_memory_equal(a.labels, b.labels, (size_t)a.n * sizeof *a.labels);
            assert_null(a.targets);
            batches++;
            if (!b.targets) {
                unmixed++;
                assert_memory_equal(a.images, b.images, (size_t)a.n * FLOATS * sizeof(float));
                continue;
            }
            for (int i = 0; i < a.n; i++) {
                int own = a.labels[i], other = a.labels[a.n - 1 - i];
                const float *target = b.targets + i * CLASSES;
                assert_true(fabsf(target[0] + target[1] + target[2] - 1) < 1e-6f);
                if (own == other) {
                    assert_true(target[own] > 0.999999f);
                    continue;
                }
                const float *x = a.images + (size_t)i * FLOATS;
                const float *y = a.images + (size_t)(a.n - 1 - i) * FLOATS;
                float expected = target[own] * x[5] + target[other] * y[5];
                assert_true(fabsf(b.images[(size_t)i * FLOATS + 5] - expected) < 1e-3f);
            }
        }
    }
    assert_int_equal(batches, 8 * 5);
    assert_in_range(unmixed, 4, 22);
    sqz_loader_free(plain);
    sqz_loader_free(mixed);
    config.batch = 5;
    struct sqz_error err = {0};
    assert_int_equal(sqz_loader_new(&config, &mixed, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "must be even"));
    config.batch = 1; // a single image has no partner: nothing is mixed
    mixed = new_or_fail(&config);
    sqz_loader_start(mixed, 0, 0, NULL);
    assert_null(next_or_fail(mixed).targets);
    sqz_loader_free(mixed);
}

static void repeated_samples(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 3, 2);
    config.shuffle = true;
    config.repeats = 3;
    config.augment = &everything;
    struct sqz_loader *loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_samples(loader), COUNT); // an epoch keeps its length
    sqz_loader_start(loader, 0, 0, NULL);
    int seen[COUNT] = {0}, distinct = 0;
    struct sqz_batch batch;
    while (batch = next_or_fail(loader), batch.n > 0) {
        assert_int_equal(batch.n, 3);
        for (int i = 0; i < 3; i++)
            seen[batch.samples[i]]++;
        // One image three times, each time augmented afresh.
        assert_true(batch.samples[0] == batch.samples[1] && batch.samples[1] == batch.samples[2]);
        assert_memory_not_equal(batch.images, batch.images + FLOATS, FLOATS * sizeof(float));
        assert_memory_not_equal(batch.images + FLOATS, batch.images + 2 * FLOATS,
                                FLOATS * sizeof(float));
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(seen[i] == 0 || seen[i] == 3);
        distinct += seen[i] > 0;
    }
    assert_int_equal(distinct, COUNT / 3);
    sqz_loader_free(loader);
}

static void split_views(void **state)
{
    (void)state;
    struct sqz_augment augment = policy_augment("randaug-m9-n3");
    augment.erase_prob = 0;
    augment.splits = 3;
    struct sqz_loader_config config = config_for(good, 4, 2);
    config.augment = &augment;
    struct sqz_loader *loader = new_or_fail(&config);
    // The clean view is what comes without a policy and without jitter.
    struct sqz_augment clean = augment;
    clean.policy.kind = SQZ_POLICY_NONE;
    clean.splits = 0;
    clean.brightness = clean.contrast = clean.saturation = clean.hue = 0;
    config.augment = &clean;
    struct sqz_loader *without = new_or_fail(&config);
    sqz_loader_start(loader, 0, 0, NULL);
    sqz_loader_start(without, 0, 0, NULL);
    assert_int_equal(sqz_loader_samples(loader), COUNT);
    struct sqz_batch a, b;
    int changed = 0, different = 0, rows = 0;
    while (a = next_or_fail(loader), b = next_or_fail(without), a.n > 0) {
        assert_int_equal(a.n, 3 * b.n); // the last batch holds 3 samples
        assert_memory_equal(a.images, b.images, (size_t)b.n * FLOATS * sizeof(float));
        for (int i = 0; i < a.n; i++) {
            assert_int_equal(a.labels[i], b.labels[i % b.n]);
            assert_int_equal(a.samples[i], b.samples[i % b.n]);
        }
        for (int i = 0; i < b.n; i++, rows++) {
            const float *first = a.images + (size_t)i * FLOATS,
                        *second = first + (size_t)b.n * FLOATS;
            const float *third = second + (size_t)b.n * FLOATS;
            changed += memcmp(first, second, FLOATS * sizeof(float)) != 0;
            different += memcmp(second, third, FLOATS * sizeof(float)) != 0;
        }
    }
    assert_int_equal(rows, COUNT);
    assert_true(changed > COUNT / 2 && different > COUNT / 2);
    sqz_loader_free(loader);
    sqz_loader_free(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_workers_and_any_start), cmocka_unit_test(mixed_batches),
        cmocka_unit_test(repeated_samples), cmocka_unit_test(split_views)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
