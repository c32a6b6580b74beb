// The loader: the same batches for any number of workers and from any start; bad images; sizes.
#include "loader_support.h"

static void natural_order(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 5, 2);
    struct sqz_loader *loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_steps(loader), 6);
    assert_int_equal(sqz_loader_samples(loader), COUNT);
    assert_int_equal(next_or_fail(loader).n, 0); // nothing before start
    assert_int_equal(sqz_loader_start(loader, 0, 0, NULL), SQZ_OK);
    for (size_t step = 0, at = 0; step < 6; step++) {
        struct sqz_batch batch = next_or_fail(loader);
        assert_int_equal(batch.n, step < 5 ? 5 : 2);
        for (int i = 0; i < batch.n; i++, at++) {
            assert_int_equal(batch.samples[i], at);
            assert_int_equal(batch.labels[i], at / PER_CLASS);
            for (size_t f = 0; f < FLOATS; f++)
                assert_true(
                    batch.images[(size_t)i * FLOATS + f] ==
                    (float)(colour_of(batch.labels[i], (int)(at % PER_CLASS)) + (int)(f % 3)));
        }
    }
    assert_int_equal(next_or_fail(loader).n, 0);
    assert_int_equal(next_or_fail(loader).n, 0);
    assert_int_equal(sqz_loader_substituted(loader), 0);
    sqz_loader_free(loader);
}

static void any_number_of_workers(void **state)
{
    static const int workers[] = {1, 2, 5};
    struct trace first[2];
    (void)state;
    for (int w = 0; w < 3; w++) {
        struct sqz_loader_config config = config_for(good, 4, workers[w]);
        config.shuffle = true;
        config.augment = &everything;
        struct sqz_loader *loader = new_or_fail(&config);
        for (int epoch = 0; epoch < 2; epoch++) {
            struct trace trace = run_epoch(loader, epoch, 0);
            assert_int_equal(trace.samples, COUNT);
            for (int i = 0; i < COUNT; i++)
                assert_int_equal(trace.seen[i], 1);
            if (w == 0)
                first[epoch] = trace;
            else
                expect_same(&trace, &first[epoch], 0);
        }
        sqz_loader_free(loader);
    }
    for (size_t i = 0; i < first[0].n; i++)
        assert_true(first[0].batches[i] != first[1].batches[i]); // epochs differ
    struct sqz_loader_config config = config_for(good, 4, 2);
    config.shuffle = true;
    config.augment = &everything;
    config.seed = 8;
    struct sqz_loader *loader = new_or_fail(&config);
    struct trace other = run_epoch(loader, 0, 0);
    assert_true(other.batches[0] != first[0].batches[0]); // and so do seeds
    sqz_loader_free(loader);
}

static void any_start(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 4, 3);
    config.shuffle = true;
    config.augment = &everything;
    struct sqz_loader *loader = new_or_fail(&config), *fresh;
    struct trace whole = run_epoch(loader, 3, 0);
    for (size_t first = 1; first <= whole.n; first++) {
        fresh = new_or_fail(&config);
        struct trace part = run_epoch(fresh, 3, first);
        expect_same(&whole, &part, first);
        assert_int_equal(part.samples, first < whole.n ? COUNT - 4 * first : 0);
        sqz_loader_free(fresh);
    }
    // Leaving an epoch in its middle leaves no trace in the next.
    assert_int_equal(sqz_loader_start(loader, 0, 0, NULL), SQZ_OK);
    next_or_fail(loader);
    struct trace again = run_epoch(loader, 3, 0);
    expect_same(&whole, &again, 0);
    assert_int_not_equal(sqz_loader_start(loader, 0, whole.n + 1, NULL), SQZ_OK);
    sqz_loader_free(loader);
}

static void free_at_any_time(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 2, 4);
    config.augment = &everything;
    for (int round = 0; round < 60; round++) {
        struct sqz_loader *loader = new_or_fail(&config);
        if (round % 6)
            assert_int_equal(sqz_loader_start(loader, round, 0, NULL), SQZ_OK);
        for (int i = 0; i + 2 < round % 6; i++)
            assert_int_equal(next_or_fail(loader).n, 2);
        sqz_loader_free(loader);
    }
    sqz_loader_free(NULL);
}

static void remainder_and_counts(void **state)
{
    struct sqz_loader *loader = NULL;
    struct sqz_error err = {0};
    (void)state;
    struct sqz_loader_config config = config_for(good, 4, 2);
    config.drop_remainder = true;
    loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_steps(loader), 6);
    assert_int_equal(sqz_loader_samples(loader), 24);
    assert_int_equal(run_epoch(loader, 0, 0).samples, 24);
    sqz_loader_free(loader);

    config.num_samples = 10; // the first ten
    loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_steps(loader), 2);
    struct trace trace = run_epoch(loader, 0, 0);
    assert_int_equal(trace.samples, 8);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(trace.seen[i], i < 8);
    sqz_loader_free(loader);

    config.drop_remainder = false;
    config.shuffle = true; // ten distinct ones, drawn again every epoch
    loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_steps(loader), 3);
    struct trace traces[2] = {run_epoch(loader, 0, 0), run_epoch(loader, 1, 0)};
    for (int e = 0; e < 2; e++) {
        int distinct = 0;
        for (int i = 0; i < COUNT; i++)
            distinct += traces[e].seen[i] == 1;
        assert_int_equal(distinct, 10);
    }
    assert_memory_not_equal(traces[0].seen, traces[1].seen, sizeof traces[0].seen);
    sqz_loader_free(loader);

    config.num_samples = 1000; // more than there are: all
    loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_samples(loader), COUNT);
    sqz_loader_free(loader);

    config = config_for(good, COUNT + 1, 1);
    config.drop_remainder = true;
    loader = NULL;
    assert_int_equal(sqz_loader_new(&config, &loader, &err), SQZ_E_USAGE);
    assert_non_null(strstr(err.text, "The 27 images of"));
    assert_non_null(strstr(err.text, "--drop_remainder false"));
    config.batch = 0;
    assert_int_equal(sqz_loader_new(&config, &loader, &err), SQZ_E_USAGE);
    config.batch = 1 << 30;
    config.drop_remainder = false;
    config.preprocess.image_size = 1 << 30;
    assert_int_equal(sqz_loader_new(&config, &loader, &err), SQZ_E_NOMEM);
    assert_null(loader);
}

static void memory(void **state)
{
    (void)state;
    struct sqz_loader_config config = config_for(good, 4, 2);
    size_t batch = 4 * (FLOATS * sizeof(float) + sizeof(int) + sizeof(size_t));
    assert_in_range(sqz_loader_memory(&config), 4 * batch, 4 * batch + 16384);
    config.batch = COUNT; // a single batch needs no ring
    batch = COUNT * (FLOATS * sizeof(float) + sizeof(int) + sizeof(size_t));
    assert_in_range(sqz_loader_memory(&config), batch, batch + 16384);
}

// Sample 13 (b/4) and 16 (b/7) are cut short, and so are all of c but its first, 18.
static struct sqz_dataset *make_bad_set(const char *name)
{
    struct sqz_dataset *set = make_set(name);
    make_cut_png(in_scratch("%s/b/4.png", name), 20, 24);
    make_cut_png(in_scratch("%s/b/7.png", name), 20, 24);
    for (int i = 1; i < PER_CLASS; i++)
        make_cut_png(in_scratch("%s/c/%d.png", name, i), 20, 24);
    return set;
}

static void stops_at_the_first_bad_image(void **state)
{
    static const int workers[] = {1, 2, 5};
    char texts[3][1024];
    (void)state;
    struct sqz_dataset *set = make_bad_set("bad");
    for (int w = 0; w < 3; w++) {
        struct sqz_loader_config config = config_for(set, 10, workers[w]);
        struct sqz_loader *loader = new_or_fail(&config);
        struct sqz_error err = {0};
        struct sqz_batch batch;
        assert_int_equal(sqz_loader_start(loader, 0, 0, NULL), SQZ_OK);
        assert_int_equal(next_or_fail(loader).n, 10);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(sqz_loader_next(loader, &batch, &err), SQZ_E_DATA);
            assert_int_equal(err.status, SQZ_E_DATA);
            assert_non_null(strstr(err.text, "bad/b/4.png"));
        }
        snprintf(texts[w], sizeof texts[w], "%s", err.text);
        assert_string_equal(texts[w], texts[0]);
        assert_int_equal(sqz_loader_start(loader, 1, 0, NULL), SQZ_OK); // it can be used on
        assert_int_equal(next_or_fail(loader).n, 10);
        sqz_loader_free(loader);
    }
    assert_int_equal(unlink(in_scratch("bad/a/0.png")), 0);
    struct sqz_loader_config config = config_for(set, 10, 2);
    struct sqz_loader *loader = new_or_fail(&config);
    struct sqz_error err = {0};
    struct sqz_batch batch;
    assert_int_equal(sqz_loader_start(loader, 0, 0, NULL), SQZ_OK);
    assert_int_equal(sqz_loader_next(loader, &batch, &err), SQZ_E_NOINPUT);
    assert_non_null(strstr(err.text, "bad/a/0.png"));
    sqz_loader_free(loader);
    sqz_dataset_free(set);
}

static void substitutes(void **state)
{
    (void)state;
    struct sqz_dataset *set = make_bad_set("skip");
    make_cut_png(in_scratch("skip/b/5.png"), 20, 24);
    struct sqz_loader_config config = config_for(set, 5, 3);
    config.on_bad = SQZ_BAD_SKIP;
    struct sqz_loader *loader = new_or_fail(&config);
    assert_int_equal(sqz_loader_start(loader, 0, 0, NULL), SQZ_OK);
    // 13 and 14 -> 15, 16 -> 17; all of c -> 18, also from after it, round the end of the set.
    static const size_t bad[][2] = {{13, 15}, {14, 15}, {16, 17}};
    for (size_t at = 0; at < COUNT;) {
        struct sqz_batch batch = next_or_fail(loader);
        for (int i = 0; i < batch.n; i++, at++) {
            size_t want = at < 18 ? at : 18;
            for (int b = 0; b < 3; b++)
                want = at == bad[b][0] ? bad[b][1] : want;
            assert_int_equal(batch.samples[i], want);
            assert_int_equal(batch.labels[i], at / PER_CLASS);
            assert_true(batch.images[(size_t)i * FLOATS] ==
                        (float)colour_of(batch.labels[i], (int)(want % PER_CLASS)));
        }
    }
    assert_int_equal(sqz_loader_substituted(loader), 3 + 8);
    sqz_loader_free(loader);

    struct trace traces[2];
    for (int i = 0; i < 2; i++) { // with augmentation too, whatever the workers do
        config.workers = i ? 5 : 1;
        config.shuffle = true;
        config.augment = &everything;
        loader = new_or_fail(&config);
        traces[i] = run_epoch(loader, 2, 0);
        sqz_loader_free(loader);
    }
    expect_same(&traces[0], &traces[1], 0);

    make_cut_png(in_scratch("skip/c/0.png"), 20, 24);
    config.shuffle = false;
    loader = new_or_fail(&config);
    struct sqz_error err = {0};
    struct sqz_batch batch;
    assert_int_equal(sqz_loader_start(loader, 0, 4, NULL), SQZ_OK);
    assert_int_equal(sqz_loader_next(loader, &batch, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, "No image of the class \"c\""));
    sqz_loader_free(loader);
    sqz_dataset_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(natural_order),
                                       cmocka_unit_test(any_number_of_workers),
                                       cmocka_unit_test(any_start),
                                       cmocka_unit_test(free_at_any_time),
                                       cmocka_unit_test(remainder_and_counts),
                                       cmocka_unit_test(memory),
                                       cmocka_unit_test(stops_at_the_first_bad_image),
                                       cmocka_unit_test(substitutes)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
