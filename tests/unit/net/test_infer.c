// Inference: right against a network in double, the same bits however the work is shared, and the
// memory that was promised.
#include "heap.h"
#include "support.h"

#include "net/infer.h"

static const struct sqz_kernels *kernels;

static struct sqz_pool *make_pool(int threads)
{
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(threads, &pool, &err), SQZ_OK);
    return pool;
}

static struct sqz_infer *make_infer(const struct sqz_net *net, const float *weights,
                                    struct sqz_pool *pool, bool low_memory)
{
    struct sqz_infer *infer = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_infer_new(net, weights, kernels, pool, low_memory, &infer, &err), SQZ_OK);
    return infer;
}

typedef void change_fn(const struct sqz_net *net, float *weights); // or NULL

static void compare_with_double(struct sqz_net_spec spec, bool low_memory, change_fn *change)
{
    int smallest = sqz_net_smallest_image(&spec);
    spec.image_h = smallest + 1;
    spec.image_w = smallest + 12;
    struct sqz_net *net = make_net(&spec);
    float *weights = make_weights(net, 3), *images = make_floats(2 * image_floats(net), 4);
    if (change)
        change(net, weights);
    struct sqz_pool *pool = make_pool(3);
    struct sqz_infer *infer = make_infer(net, weights, pool, low_memory);
    struct refnet ref = refnet_new(net, weights);
    const int classes = spec.classes;
    float *logits = make_floats(2 * (size_t)classes, 1);
    sqz_infer_run(infer, images, 2, logits);
    for (int i = 0; i < 2; i++) {
        const double *wanted = refnet_run(&ref, images + i * image_floats(net), 0, NULL);
        double most = 0;
        for (int c = 0; c < classes; c++)
            most = fmax(most, wanted[c]);
        assert_true(most > 0.01);
        for (int c = 0; c < classes; c++)
            assert_true(fabs(logits[i * classes + c] - wanted[c]) < 1e-5 * most);
    }
    sqz_free(logits);
    refnet_free(&ref);
    sqz_infer_free(infer);
    sqz_pool_free(pool);
    sqz_free(weights);
    sqz_free(images);
    sqz_net_free(net);
}

static void test_against_double(void **state)
{
    (void)state;
    for (int v = 0; sqz_variant_at(v); v++) {
        if (getenv("SQZ_SANITIZED") && sqz_variant_at(v + 1))
            continue; // the last one, complex bypass, has every kind of layer
        for (int d = 0; sqz_dialect_at(d); d++) {
            struct sqz_net_spec spec =
                make_spec(sqz_variant_at(v)->name, sqz_dialect_at(d)->name, 16, 1, 1);
            spec.channels = v == 1 ? 1 : 3;
            compare_with_double(spec, false, NULL);
            compare_with_double(spec, true, NULL);
            spec.stem = d == 0 ? SQZ_STEM_SMALL : SQZ_STEM_SMALL_NOPOOL;
            compare_with_double(spec, v % 2, NULL);
        }
    }
}

// 1 to 8 threads, batches of 1 to 9 images: every image's logits have the same bits.
static void same_bits(const char *variant, int classes, int side, change_fn *change)
{
    struct sqz_net_spec spec = make_spec(variant, "torchvision", classes, side, side + 9);
    struct sqz_net *net = make_net(&spec);
    float *weights = make_weights(net, 5), *images = make_floats(9 * image_floats(net), 6);
    float *first = make_floats(9 * (size_t)classes, 1);
    float *logits = make_floats(9 * (size_t)classes, 2);
    if (change)
        change(net, weights);
    static const int threads[] = {1, 2, 3, 4, 8}, batches[] = {9, 1, 2, 4};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        if (getenv("SQZ_SANITIZED") && t % 2 == 1)
            continue;
        struct sqz_pool *pool = make_pool(threads[t]);
        struct sqz_infer *infer = make_infer(net, weights, pool, false);
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            memset(logits, 0xff, 9 * (size_t)classes * sizeof *logits);
            for (int i = 0; i < 9; i += batches[b])
                sqz_infer_run(infer, images + i * image_floats(net),
                              9 - i < batches[b] ? 9 - i : batches[b], logits + i * classes);
            if (t == 0 && b == 0)
                memcpy(first, logits, 9 * (size_t)classes * sizeof *logits);
            assert_memory_equal(first, logits, 9 * (size_t)classes * sizeof *logits);
        }
        sqz_infer_free(infer);
        sqz_pool_free(pool);
    }
    sqz_free(weights);
    sqz_free(images);
    sqz_free(first);
    sqz_free(logits);
    sqz_net_free(net);
}

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    same_bits("squeezenet1_0_complex", 37, 64, NULL);
    same_bits("squeezenet1_1", 1000, 80, NULL);
    same_bits("squeezenet1_1_bypass", 1, 48, NULL);
}

// Most of what conv10 reads is zero after a trained network's ReLUs; then the zeros are skipped.
static int skipping_rows; // counted by all threads
static void count_row(const struct sqz_sparse_row *row)
{
    __atomic_fetch_add(&skipping_rows, 1, __ATOMIC_RELAXED);
    sqz_kernels_get(kernels->level)->sparse(row);
}

// One channel in `step` of the last Fire opens, the others close.
static void bias_last_fire(const struct sqz_net *net, float *weights, int step)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct sqz_layer *layer = &net->layers[i];
        if (!strstr(layer->name, "features.12.expand"))
            continue;
        const struct sqz_param *bias = &net->params[layer->bias];
        for (size_t k = 0; k < bias->size; k++)
            weights[bias->offset + k] = k % (size_t)step == 0 ? 0.2f : -10.0f;
    }
}

static void close_last_fire(const struct sqz_net *net, float *weights)
{
    bias_last_fire(net, weights, 8);
}

static void open_last_fire(const struct sqz_net *net, float *weights)
{
    bias_last_fire(net, weights, 1);
}

static void test_zeros_are_skipped(void **state)
{
    (void)state;
    const struct sqz_kernels *own = kernels;
    struct sqz_kernels counting = *kernels;
    counting.sparse = count_row;
    kernels = &counting;
    for (int d = 0; sqz_dialect_at(d); d++) { // MindCV's 1.0 pads conv10
        struct sqz_net_spec spec = make_spec("squeezenet1_0", sqz_dialect_at(d)->name, 300, 1, 1);
        skipping_rows = 0;
        compare_with_double(spec, false, close_last_fire);
        assert_true(skipping_rows > 0);
    }
    skipping_rows = 0;
    compare_with_double(make_spec("squeezenet1_1", "torchvision", 300, 1, 1), false,
                        open_last_fire);
    assert_int_equal(skipping_rows, 0);
    same_bits("squeezenet1_1", 1000, 80, close_last_fire);
    assert_true(skipping_rows > 0);
    kernels = own;
}

static void test_memory_is_as_promised(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_1", "torchvision", 1000, 224, 224);
    struct sqz_net *net = make_net(&spec);
    float *weights = make_weights(net, 5);
    for (int threads = 1; threads <= 4; threads += 3) {
        struct sqz_infer_memory memory;
        struct sqz_error err = {0};
        assert_int_equal(sqz_infer_memory(net, kernels, threads, false, &memory, &err), SQZ_OK);
        assert_int_equal(memory.workers, threads);
        assert_int_equal(memory.total, memory.activations * memory.workers + memory.scratch +
                                           memory.packed_weights);
        assert_true(memory.activations < 5u << 20); // conv1 and its pooling: 3.9 MB
        struct sqz_pool *pool = make_pool(threads);
        size_t before = heap_bytes();
        struct sqz_infer *infer = make_infer(net, weights, pool, false);
        size_t taken = heap_bytes() - before;
        // A large block begins a huge page: up to 2 MB of addresses, not of memory, before each.
        size_t aligning = 3 * ((size_t)2 << 20);
        assert_true(taken >= memory.total && taken < memory.total + aligning + (64u << 10));
        float *image = make_floats(image_floats(net), 1), logits[1000];
        size_t idle = heap_bytes();
        sqz_infer_run(infer, image, 1, logits);
        assert_int_equal(heap_bytes(), idle);
        sqz_free(image);
        sqz_infer_free(infer);
        assert_true(heap_bytes() < before + (16u << 10)); // glibc keeps small freed blocks
        sqz_pool_free(pool);
    }
    sqz_free(weights);
    sqz_net_free(net);
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double),
        cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_zeros_are_skipped),
        cmocka_unit_test(test_memory_is_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
