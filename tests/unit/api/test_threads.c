// Several threads: two classifiers on one context, one model in four threads; all give the answers
// of one thread, while the pool serves them in turn.
#include "support.h"

#include "base/cpu.h"
#include <pthread.h>

enum { CLASSES = 10, IMAGES = 3, ROUNDS = 12, THREADS = 4 };

static struct sqz_context *context;
static struct sqz_model *model;
static uint8_t *images[IMAGES];
static float expected[IMAGES][CLASSES];

struct worker {
    pthread_t thread;
    struct sqz_context *context;
    struct sqz_classifier *classifier; // NULL: makes its own
    int first;                         // image
    int wrong;
    struct sqz_error err;
};

static enum sqz_status classify(struct sqz_classifier *classifier, int image, float *logits,
                                struct sqz_error *err)
{
    struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    struct sqz_input input = SQZ_INIT(sqz_input);
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    pixels.width = 70 + image;
    pixels.height = 50;
    pixels.planes[0] = images[image];
    input.pixels = &pixels;
    result.logits = logits;
    result.logit_count = CLASSES;
    return sqz_classify_batch(classifier, &input, &result, 1, NULL, err);
}

static int set_up(void **state)
{
    struct sqz_error err;
    struct sqz_context *alone = NULL;
    struct sqz_classifier *classifier = NULL;
    (void)state;
    setenv("SQUEEZENET_OVERSUBSCRIBE", "1", 1);
    if (sqz_context_new(2, &context, &err) || sqz_context_new(1, &alone, &err) ||
        sqz_model_new("squeezenet1_1", NULL, CLASSES, 3, 64, 1, &model, &err) ||
        sqz_classifier_new(alone, model, &classifier, &err))
        return -1;
    for (int i = 0; i < IMAGES; i++) {
        images[i] = noise((size_t)(70 + i) * 50 * 3);
        if (classify(classifier, i, expected[i], &err))
            return -1;
    }
    sqz_classifier_free(classifier);
    sqz_context_free(alone);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < IMAGES; i++)
        free(images[i]);
    sqz_model_free(model);
    sqz_context_free(context);
    return 0;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct sqz_classifier *classifier = worker->classifier;
    float logits[CLASSES];
    if (!classifier && sqz_classifier_new(worker->context, model, &classifier, &worker->err))
        worker->wrong++;
    for (int i = 0; classifier && i < ROUNDS; i++) {
        int image = (worker->first + i) % IMAGES;
        if (classify(classifier, image, logits, &worker->err) ||
            memcmp(logits, expected[image], sizeof logits) != 0)
            worker->wrong++;
    }
    if (!worker->classifier)
        sqz_classifier_free(classifier);
    return NULL;
}

static void run(struct worker *workers, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].wrong)
            fail_msg("thread %d: %d of %d answers are wrong (%s)", i, workers[i].wrong, ROUNDS,
                     workers[i].err.text);
    }
}

static void two_classifiers_on_one_context(void **state)
{
    struct worker workers[2] = {{.first = 0}, {.first = 1}};
    (void)state;
    for (int i = 0; i < 2; i++)
        OK(sqz_classifier_new(context, model, &workers[i].classifier, err));
    run(workers, 2);
    for (int i = 0; i < 2; i++)
        sqz_classifier_free(workers[i].classifier);
}

static void one_model_in_four_threads(void **state)
{
    struct worker workers[THREADS] = {{.context = NULL}};
    (void)state;
    for (int i = 0; i < THREADS; i++)
        workers[i] = (struct worker){.context = context, .first = i % IMAGES};
    run(workers, THREADS);
}

// Another thread asks, this one sees it.
static void *ask(void *arg)
{
    sqz_cancel_request(arg);
    return NULL;
}

static void cancelled_by_another_thread(void **state)
{
    enum { N = 64 };
    struct sqz_classifier *classifier = NULL;
    struct sqz_cancel cancel = {0};
    struct sqz_classify_options options = SQZ_INIT(sqz_classify_options);
    struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    static struct sqz_input inputs[N];
    static struct sqz_classify_result results[N];
    pthread_t thread;
    (void)state;
    OK(sqz_classifier_new(context, model, &classifier, err));
    options.cancel = &cancel;
    pixels.width = 70;
    pixels.height = 50;
    pixels.planes[0] = images[0];
    for (int i = 0; i < N; i++) {
        inputs[i] = (struct sqz_input)SQZ_INIT(sqz_input);
        inputs[i].pixels = &pixels;
        results[i] = (struct sqz_classify_result)SQZ_INIT(sqz_classify_result);
    }
    pthread_create(&thread, NULL, ask, &cancel);
    enum sqz_status status = SQZ_OK;
    for (int round = 0; !status && round < 10000; round++)
        status = sqz_classify_batch(classifier, inputs, results, N, &options, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(status, SQZ_E_STOPPED);
    sqz_classifier_free(classifier);
}

static void *stop(void *arg)
{
    sqz_context_stop(arg);
    return NULL;
}

// A measurement that would last for a minute ends, before its first run or after one.
static void stopped_by_another_thread(void **state)
{
    struct sqz_bench_options options = SQZ_INIT(sqz_bench_options);
    struct sqz_bench_result result = SQZ_INIT(sqz_bench_result);
    double begin = sqz_clock_seconds();
    pthread_t thread;
    (void)state;
    options.seconds = 60;
    pthread_create(&thread, NULL, stop, context);
    enum sqz_status status = sqz_bench_run(context, model, &options, &result, NULL);
    pthread_join(thread, NULL);
    assert_true(status == SQZ_OK || status == SQZ_E_STOPPED);
    assert_true(sqz_clock_seconds() - begin < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_classifiers_on_one_context),
        cmocka_unit_test(one_model_in_four_threads),
        cmocka_unit_test(cancelled_by_another_thread),
        cmocka_unit_test(stopped_by_another_thread),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
