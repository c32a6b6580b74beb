// Sizes as they are typed, and batches that are cut up to fit.
#include "run_support.h"
#include "train/setup/memory_plan.h"

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
    } good[] = {{"1", 1},         {"500MB", 500000000}, {"2GiB", 2147483648},
                {"1.5kib", 1536}, {"0.5MiB", 524288},   {"800000000", 800000000},
                {"7kB", 7000},    {"3gb", 3000000000}};
    static const char *const bad[] = {
        "",      "MB", "-1MB", "1 MB",           "1TB",  "1e3MB", "infMB",
        "0x1MB", "0",  "0.1B", "99999999999GiB", "1MBs", "nan"};
    size_t bytes;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!sqz_parse_size(good[i].text, &bytes))
            fail_msg("%s was refused", good[i].text);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sqz_parse_size(bad[i], &bytes))
            fail_msg("\"%s\" was taken", bad[i]);
}

// Megabytes that a run said it plans for.
static double planned(const struct heard *heard)
{
    const char *at = strstr(heard->notes, "Memory    ");
    assert_non_null(at);
    return atof(at + 10);
}

// A run that has to save memory is the run whose recipe says the smaller batch and the groups.
// Two steps tell.
static void test_fit(void **state)
{
    (void)state;
    struct heard whole = {0}, parts = {0}, fitted = {0}, roomy = {0};
    struct sqz_error err = {0};
    char limit[64];
    const char *const common = "image_resize=96", *const steps = "max_steps=2";
    const char *const plain[] = {run_dir("plain"), common, steps, "batch_size=16", NULL};
    const char *const hand[] = {
        run_dir("hand"), common, steps, "batch_size=8", "gradient_accumulation_steps=2", NULL};
    run_well(plain, 2, &whole, NULL);
    run_well(hand, 2, &parts, NULL);
    assert_true(planned(&parts) < planned(&whole) - 2);
    snprintf(limit, sizeof limit, "memory=%.1fMB", planned(&parts) + 1);
    const char *const tight[] = {run_dir("tight"), common, steps, "batch_size=16", limit, NULL};
    run_well(tight, 2, &fitted, NULL);
    assert_non_null(strstr(fitted.notes, "the batch of 16 is computed as 2 of 8."));
    same_run("hand", "tight");
    const char *const wide[] = {run_dir("wide"), common,        steps,
                                "batch_size=16", "memory=4GiB", NULL};
    run_well(wide, 2, &roomy, NULL);
    assert_null(strstr(roomy.notes, "To fit into"));
    same_run("plain", "wide");
    const char *const small[] = {run_dir("small"), common, "memory=1MB", NULL};
    assert_int_equal(run_with(options_of(small), 2, NULL, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "the smallest batch, of 1"));
    const char *const odd[] = {run_dir("odd"), common, "memory=lots", NULL};
    assert_int_equal(run_with(options_of(odd), 2, NULL, NULL, &err), SQZ_E_CONFIG);
    // Mixing needs partners: the batch stays even.
    const char *const mixed[] = {run_dir("mixed"), common, "mixup=0.2", "memory=1MB", NULL};
    assert_int_equal(run_with(options_of(mixed), 2, NULL, NULL, &err), SQZ_E_CONFIG);
    assert_non_null(strstr(err.text, "the smallest batch, of 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_fit)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
