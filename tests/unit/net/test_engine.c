// The engine seam: both engines' logits, features and pixels, the same bits in every way of
// running, packed weights that are there once, and several engines at once in several threads.
#include "heap.h"
#include "support.h"

#include "kernels/winograd/winograd.h"
#include "net/activations.h"
#include "net/engine.h"
#include "net/infer.h"
#include "unit/integer_support.h"

#include <pthread.h>

enum { CLASSES = 21, IMAGES = 5 };

static const struct sqz_kernels *kernels;

struct bench {
    struct sqz_net *net;
    float *weights, *images;
    uint8_t *pixels; // from which the images are
    struct sqz_preprocess preprocess;
    struct sqz_integer_net *integer; // runs instead of the weights, if it is there
};

static struct bench make_bench(const char *variant, const char *dialect)
{
    struct sqz_net_spec spec = make_spec(variant, dialect, CLASSES, 1, 1);
    struct sqz_random random;
    spec.image_h = sqz_net_smallest_image(&spec) + 3;
    spec.image_w = spec.image_h + 9;
    struct bench b = {.net = make_net(&spec), .preprocess = spec.dialect->preprocess};
    const size_t n = IMAGES * image_floats(b.net);
    b.weights = make_weights(b.net, 3);
    b.images = sqz_new_aligned(n, sizeof(float));
    b.pixels = sqz_new_array(n, 1);
    sqz_random_init(&random, 5, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < n; i++) {
        b.pixels[i] = (uint8_t)sqz_random_uniform(&random, 0, 256);
        b.images[i] = ((float)b.pixels[i] - b.preprocess.mean[i % 3]) / b.preprocess.std[i % 3];
    }
    return b;
}

static void free_bench(struct bench *b)
{
    sqz_free(b->weights);
    sqz_free(b->images);
    sqz_free(b->pixels);
    sqz_integer_net_free(b->integer);
    sqz_net_free(b->net);
}

static struct sqz_pool *make_pool(int threads)
{
    struct sqz_pool *pool = NULL;
    assert_int_equal(sqz_pool_new(threads, &pool, NULL), SQZ_OK);
    return pool;
}

// Weights in memory, as if they came from a file.
static enum sqz_status give_rows(void *arg, int param, int first, int n, float *out,
                                 struct sqz_error *err)
{
    const struct bench *b = arg;
    const struct sqz_param *p = &b->net->params[param];
    float *oihw = sqz_new_array(p->size, sizeof *oihw);
    (void)err;
    if (p->kind == SQZ_PARAM_WEIGHT) {
        const size_t row = p->size / (size_t)p->out;
        sqz_param_to_oihw(p, b->weights, oihw);
        memcpy(out, oihw + (size_t)first * row, (size_t)n * row * sizeof *out);
    } else {
        memcpy(out, b->weights + p->offset, p->size * sizeof *out);
    }
    sqz_free(oihw);
    return SQZ_OK;
}

static struct sqz_engine *make_engine(const struct bench *b, struct sqz_pool *pool,
                                      const struct sqz_weight_source *source, bool low_memory,
                                      struct sqz_engine_cache *cache)
{
    struct sqz_engine *engine = NULL;
    struct sqz_engine_config config = {.net = b->net,
                                       .weights = source ? NULL : b->weights,
                                       .source = source,
                                       .kernels = kernels,
                                       .pool = pool,
                                       .low_memory = low_memory,
                                       .integer = b->integer,
                                       .preprocess = &b->preprocess,
                                       .cache = cache};
    assert_int_equal(sqz_engine_new(&config, &engine, NULL), SQZ_OK);
    return engine;
}

static void run(struct sqz_engine *engine, const struct sqz_engine_job *job)
{
    struct sqz_error err = {0};
    if (sqz_engine_run(engine, job, &err))
        fail_msg("%s", err.text);
}

static int feature_count(const struct sqz_net *net)
{
    return net->n_layers + 2;
}

static const char *feature_name(const struct sqz_net *net, int i)
{
    return i < net->n_layers    ? net->layers[i].name
           : i == net->n_layers ? SQZ_FEATURE_EMBEDDING
                                : SQZ_FEATURE_CLASS_MAPS;
}

// Every feature of every layer against the tensors that nothing overwrites, and the same logits.
static void check_features(const struct bench *b, int threads, bool streamed, bool low_memory)
{
    struct sqz_pool *pool = make_pool(threads);
    const struct sqz_weight_source source = {(void *)b, give_rows};
    struct sqz_engine *engine = make_engine(b, pool, streamed ? &source : NULL, low_memory, NULL);
    struct sqz_activations *truth = NULL;
    float *plain = make_floats(IMAGES * CLASSES, 1), *logits = make_floats(IMAGES * CLASSES, 2);
    assert_int_equal(sqz_activations_new(b->net, b->weights, kernels, pool, IMAGES, &truth, NULL),
                     SQZ_OK);
    sqz_forward_all(truth, b->images, IMAGES);
    assert_string_equal(sqz_engine_name(engine), streamed ? "stream" : "infer");
    for (int n = 1; n <= IMAGES; n += IMAGES - 1) {
        run(engine, &(struct sqz_engine_job){.images = b->images, .n = n, .logits = plain});
        for (int f = 0; f < feature_count(b->net); f++) {
            struct sqz_feature feature;
            assert_int_equal(sqz_feature_find(b->net, feature_name(b->net, f), &feature, NULL),
                             SQZ_OK);
            const size_t size = sqz_feature_size(&feature);
            float *values = make_floats((size_t)n * size, 7), *wanted = make_floats(size, 8);
            run(engine, &(struct sqz_engine_job){.images = b->images,
                                                 .n = n,
                                                 .logits = logits,
                                                 .feature = &feature,
                                                 .features = values});
            assert_memory_equal(plain, logits, (size_t)(n * CLASSES) * sizeof *logits);
            // Large windows of Winograd's, which low memory goes without, have bits of their own.
            for (int i = 0; i < n && !streamed && !low_memory; i++) {
                sqz_feature_extract(&feature, b->net, kernels,
                                    sqz_activations_tensor(truth, i, feature.tensor), wanted);
                assert_memory_equal(values + (size_t)i * size, wanted, size * sizeof *wanted);
            }
            for (size_t i = 0; i < (size_t)n * size; i++)
                assert_true(isfinite(values[i]));
            sqz_free(values);
            sqz_free(wanted);
        }
    }
    sqz_free(plain);
    sqz_free(logits);
    sqz_activations_free(truth);
    sqz_engine_free(engine);
    sqz_pool_free(pool);
}

static void features_are_what_layers_write(void **state)
{
    (void)state;
    const char *variants[] = {"squeezenet1_1", "squeezenet1_0_complex"};
    const char *dialects[] = {"mindcv", "caffe"};
    for (int v = 0; v < 2; v++) {
        struct bench b = make_bench(variants[v], dialects[v]);
        for (int threads = 1; threads <= 3; threads++)
            check_features(&b, threads, false, threads == 2);
        check_features(&b, 1, true, true);
        free_bench(&b);
    }
}

// The two engines that go without enlarged weights have the same bits, also of their features.
static void engines_agree(void **state)
{
    (void)state;
    struct bench b = make_bench("squeezenet1_0_bypass", "caffe");
    struct sqz_pool *pool = make_pool(2);
    const struct sqz_weight_source source = {&b, give_rows};
    struct sqz_engine *engines[] = {make_engine(&b, pool, NULL, true, NULL),
                                    make_engine(&b, pool, &source, true, NULL)};
    float *logits[2] = {make_floats(IMAGES * CLASSES, 1), make_floats(IMAGES * CLASSES, 2)};
    for (int f = 0; f < feature_count(b.net); f++) {
        struct sqz_feature feature;
        float *values[2];
        assert_int_equal(sqz_feature_find(b.net, feature_name(b.net, f), &feature, NULL), SQZ_OK);
        const size_t n = IMAGES * sqz_feature_size(&feature);
        for (int e = 0; e < 2; e++) {
            values[e] = make_floats(n, (uint64_t)e);
            run(engines[e], &(struct sqz_engine_job){.images = b.images,
                                                     .n = IMAGES,
                                                     .logits = logits[e],
                                                     .feature = &feature,
                                                     .features = values[e]});
        }
        assert_memory_equal(values[0], values[1], n * sizeof(float));
        assert_memory_equal(logits[0], logits[1], IMAGES * CLASSES * sizeof(float));
        sqz_free(values[0]);
        sqz_free(values[1]);
    }
    for (int e = 0; e < 2; e++) {
        sqz_engine_free(engines[e]);
        sqz_free(logits[e]);
    }
    sqz_pool_free(pool);
    free_bench(&b);
}

// A class's map has the class's logit as its mean; the embedding is 512 averages.
static void features_by_name(void **state)
{
    (void)state;
    struct bench b = make_bench("squeezenet1_0", "caffe");
    struct sqz_pool *pool = make_pool(2);
    struct sqz_engine *engine = make_engine(&b, pool, NULL, false, NULL);
    struct sqz_feature feature, other;
    struct sqz_error err = {0};
    float logits[CLASSES], means[CLASSES];
    assert_int_equal(sqz_feature_find(b.net, "class_maps", &feature, &err), SQZ_OK);
    assert_int_equal(sqz_feature_find(b.net, "classifier.1", &other, &err), SQZ_OK);
    assert_memory_equal(&feature, &other, sizeof feature);
    float *maps = make_floats(sqz_feature_size(&feature), 1);
    run(engine,
        &(struct sqz_engine_job){
            .images = b.images, .n = 1, .logits = logits, .feature = &feature, .features = maps});
    kernels->channel_mean(maps, CLASSES, feature.h * feature.w, CLASSES, means);
    assert_memory_equal(means, logits, sizeof logits);
    sqz_free(maps);
    assert_int_equal(sqz_feature_find(b.net, "embedding", &feature, &err), SQZ_OK);
    assert_int_equal(sqz_feature_size(&feature), 512);
    assert_int_equal(sqz_feature_find(b.net, "nonsense", &feature, &err), SQZ_E_USAGE);
    assert_non_null(strstr(err.text, "nonsense"));
    sqz_engine_free(engine);
    sqz_pool_free(pool);
    free_bench(&b);
}

static void pixels_are_normalised(void **state)
{
    (void)state;
    struct bench b = make_bench("squeezenet1_1", "torchvision");
    const struct sqz_weight_source source = {&b, give_rows};
    float *wanted = make_floats(IMAGES * CLASSES, 1), *logits = make_floats(IMAGES * CLASSES, 2);
    for (int streamed = 0; streamed < 2; streamed++) {
        struct sqz_pool *pool = make_pool(2);
        struct sqz_engine *engine =
            make_engine(&b, pool, streamed ? &source : NULL, streamed, NULL);
        struct sqz_feature feature;
        assert_int_equal(sqz_feature_find(b.net, "embedding", &feature, NULL), SQZ_OK);
        float *values[2] = {make_floats(IMAGES * 512, 3), make_floats(IMAGES * 512, 4)};
        for (int n = 1; n <= IMAGES; n++) {
            run(engine, &(struct sqz_engine_job){.images = b.images,
                                                 .n = n,
                                                 .logits = wanted,
                                                 .feature = &feature,
                                                 .features = values[0]});
            run(engine, &(struct sqz_engine_job){.pixels = b.pixels,
                                                 .n = n,
                                                 .logits = logits,
                                                 .feature = &feature,
                                                 .features = values[1]});
            assert_memory_equal(wanted, logits, (size_t)(n * CLASSES) * sizeof(float));
            assert_memory_equal(values[0], values[1], (size_t)(n * 512) * sizeof(float));
        }
        sqz_free(values[0]);
        sqz_free(values[1]);
        sqz_engine_free(engine);
        sqz_pool_free(pool);
    }
    sqz_free(wanted);
    sqz_free(logits);
    free_bench(&b);
}

// The memory that an engine says it takes is what it takes; a second one of the same model does not
// take the weights again, and they leave with the last one.
static void check_weights_are_there_once(const struct bench *b)
{
    struct sqz_pool *pool = make_pool(2);
    struct sqz_engine_cache *cache = NULL;
    struct sqz_engine_memory memory;
    struct sqz_engine_config config = {
        .net = b->net, .kernels = kernels, .integer = b->integer, .preprocess = &b->preprocess};
    assert_int_equal(sqz_engine_cache_new(&cache, NULL), SQZ_OK);
    assert_int_equal(sqz_engine_memory(&config, 2, &memory, NULL), SQZ_OK);
    const size_t slack = memory.total / 50 + (64 << 10), before = heap_bytes();
    for (int round = 0; round < 2; round++) {
        struct sqz_engine *engines[4];
        for (int e = 0; e < 4; e++) {
            engines[e] = make_engine(b, pool, NULL, false, cache);
            const size_t taken = heap_bytes() - before;
            const size_t wanted =
                memory.packed_weights + (size_t)(e + 1) * (memory.total - memory.packed_weights);
            assert_true(taken >= wanted && taken < wanted + slack * (size_t)(e + 1));
        }
        struct sqz_engine *low =
            make_engine(b, pool, NULL, true, cache); // floats: packed otherwise
        sqz_engine_free(low);
        for (int e = 0; e < 4; e++) // the first one, which packed them, leaves first
            sqz_engine_free(engines[e]);
        assert_true(heap_bytes() - before < slack);
    }
    sqz_engine_cache_free(cache);
    sqz_pool_free(pool);
}

// Floats, then integers.
static void weights_are_there_once(void **state)
{
    (void)state;
    struct bench b = make_bench("squeezenet1_1", "mindcv");
    check_weights_are_there_once(&b);
    struct sqz_random random;
    sqz_random_init(&random, 7, 0, 0, SQZ_RANDOM_TEST);
    b.integer = new_integers(b.net, &random);
    check_weights_are_there_once(&b);
    free_bench(&b);
}

struct caller {
    const struct bench *b;
    struct sqz_pool *pool;
    struct sqz_engine_cache *cache;
    const float *wanted;
    int bad;
};

// Engines come and go while others run.
static void *run_engines(void *arg)
{
    struct caller *caller = arg;
    const size_t bytes = IMAGES * CLASSES * sizeof(float);
    float *logits = sqz_new_array(IMAGES * CLASSES, sizeof *logits);
    for (int round = 0; round < 4; round++) {
        struct sqz_engine *engine =
            make_engine(caller->b, caller->pool, NULL, false, caller->cache);
        for (int i = 0; i < 3; i++) {
            struct sqz_engine_job job = {
                .images = caller->b->images, .n = i == 1 ? 1 : IMAGES, .logits = logits};
            caller->bad += sqz_engine_run(engine, &job, NULL) != SQZ_OK;
            caller->bad += memcmp(logits, caller->wanted, bytes) != 0;
        }
        sqz_engine_free(engine);
    }
    sqz_free(logits);
    return NULL;
}

static void threads_run_one_model(void **state)
{
    (void)state;
    enum { CALLERS = 4 };
    struct bench b = make_bench("squeezenet1_1", "mindcv");
    struct sqz_pool *pool = make_pool(2), *alone = make_pool(1);
    struct sqz_engine_cache *cache = NULL;
    struct sqz_engine *engine = make_engine(&b, alone, NULL, false, NULL);
    float *wanted = make_floats(IMAGES * CLASSES, 1);
    pthread_t threads[CALLERS];
    struct caller callers[CALLERS];
    run(engine, &(struct sqz_engine_job){.images = b.images, .n = IMAGES, .logits = wanted});
    assert_int_equal(sqz_engine_cache_new(&cache, NULL), SQZ_OK);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){&b, pool, cache, wanted, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, run_engines, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].bad, 0);
    }
    sqz_free(wanted);
    sqz_engine_free(engine);
    sqz_engine_cache_free(cache);
    sqz_pool_free(pool);
    sqz_pool_free(alone);
    free_bench(&b);
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_what_layers_write),
        cmocka_unit_test(engines_agree),
        cmocka_unit_test(features_by_name),
        cmocka_unit_test(pixels_are_normalised),
        cmocka_unit_test(weights_are_there_once),
        cmocka_unit_test(threads_run_one_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
