// The training step's promises: the same bits on any number of threads, the memory as told.
#include "heap.h"
#include "support.h"

#include "net/gradient.h"
#include "net/reduce.h"

#include <unistd.h>

static const struct sqz_kernels *kernels;

static struct sqz_pool *make_pool(int threads)
{
    struct sqz_pool *pool = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_pool_new(threads, &pool, &err), SQZ_OK);
    return pool;
}

static struct sqz_gradient *make_gradient(const struct sqz_net *net, struct sqz_pool *pool,
                                          int batch)
{
    struct sqz_gradient *gradient = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_gradient_new(net, kernels, pool, batch, 1, &gradient, &err), SQZ_OK);
    return gradient;
}

static void same_bits(const char *variant, int side, int batch, int max_batch)
{
    struct sqz_net_spec spec = make_spec(variant, "mindcv", 10, side, side);
    spec.drop_rate = 0.5;
    struct sqz_net *net = make_net(&spec);
    float *weights = make_weights(net, 1);
    float *images = make_floats((size_t)batch * image_floats(net), 2);
    float *first = make_floats(net->n_weights, 3), *other = make_floats(net->n_weights, 4);
    int *labels = sqz_new_array((size_t)batch, sizeof *labels);
    for (int i = 0; i < batch; i++)
        labels[i] = i % 10;
    struct loss_arg loss = {10, batch, labels, 0.1};
    double first_loss = 0, first_zeros = 0, zeros;
    static const int threads[] = {1, 2, 3, 4, 8};
    for (int t = 0; t < 5; t++) {
        if (getenv("SQZ_SANITIZED") && t % 2 == 1)
            continue;
        struct sqz_pool *pool = make_pool(threads[t]);
        struct sqz_gradient *gradient = make_gradient(net, pool, max_batch);
        for (int again = 0; again < 2; again++) { // a step leaves nothing for the next one
            bool is_first = t == 0 && again == 0;
            struct sqz_gradient_step step = {.weights = weights,
                                             .images = images,
                                             .n = batch,
                                             .loss = batch_loss,
                                             .loss_arg = &loss,
                                             .seed = 1,
                                             .micro_step = 2,
                                             .gradient = is_first ? first : other,
                                             .zero_fraction = &zeros};
            sqz_gradient_run(gradient, &step);
            if (is_first) {
                first_loss = step.loss_value;
                first_zeros = zeros;
                continue;
            }
            assert_memory_equal(first, other, net->n_weights * sizeof *first);
            assert_true(step.loss_value == first_loss && zeros == first_zeros);
        }
        sqz_gradient_free(gradient);
        sqz_pool_free(pool);
    }
    assert_true(isfinite(first_loss) && first_loss > 0.1);
    assert_true(first_zeros > 0.2 && first_zeros < 0.8);
    sqz_free(weights);
    sqz_free(images);
    sqz_free(first);
    sqz_free(other);
    sqz_free(labels);
    sqz_net_free(net);
}

static void test_same_bits_on_any_threads(void **state)
{
    (void)state;
    same_bits("squeezenet1_1_complex", 48, 21, 21); // 7 leaves of 3
    same_bits("squeezenet1_1", 32, 13, 64);         // 7 leaves, the last one short
    same_bits("squeezenet1_1", 160, 5, 5);          // single samples
    same_bits("squeezenet1_0_bypass", 40, 1, 8);
}

// A network whose ReLUs are all dead has nothing but zeros; dropout's zeros do not count.
static void test_zero_fraction(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_1", "mindcv", 10, 32, 32);
    spec.drop_rate = 0.9;
    struct sqz_net *net = make_net(&spec);
    float *weights = make_floats(net->n_weights, 1), *images = make_floats(image_floats(net), 2);
    float *out = make_floats(net->n_weights, 3);
    int label = 0;
    struct loss_arg loss = {10, 1, &label, 0};
    double zeros = -1;
    struct sqz_pool *pool = make_pool(2);
    struct sqz_gradient *gradient = make_gradient(net, pool, 1);
    for (int alive = 0; alive < 2; alive++) {
        memset(weights, 0, net->n_weights * sizeof *weights);
        for (int p = 0; p < net->n_params; p++) {
            if (net->params[p].kind != SQZ_PARAM_BIAS)
                continue;
            for (size_t i = 0; i < net->params[p].size; i++)
                weights[net->params[p].offset + i] = alive ? 1 : -1;
        }
        struct sqz_gradient_step step = {.weights = weights,
                                         .images = images,
                                         .n = 1,
                                         .loss = batch_loss,
                                         .loss_arg = &loss,
                                         .gradient = out,
                                         .zero_fraction = &zeros};
        sqz_gradient_run(gradient, &step);
        assert_true(zeros == 1 - alive);
        assert_true(fabs(step.loss_value - log(10)) < 1e-6);
    }
    sqz_gradient_free(gradient);
    sqz_pool_free(pool);
    sqz_free(weights);
    sqz_free(images);
    sqz_free(out);
    sqz_net_free(net);
}

static void test_memory_is_as_promised(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_0_complex", "mindcv", 100, 96, 96);
    spec.drop_rate = 0.5;
    struct sqz_net *net = make_net(&spec);
    float *weights = make_weights(net, 1), *images = make_floats(9 * image_floats(net), 2);
    float *out = make_floats(net->n_weights, 3);
    int labels[9] = {0};
    struct loss_arg loss = {100, 9, labels, 0};
    for (int threads = 1; threads <= 3; threads += 2) {
        struct sqz_gradient_memory memory;
        struct sqz_error err = {0};
        assert_int_equal(sqz_gradient_memory(net, kernels, threads, 32, 1, &memory, &err), SQZ_OK);
        assert_int_equal(memory.workers, threads);
        assert_int_equal(memory.total, memory.activations * memory.workers + memory.gradients +
                                           memory.packed_weights + memory.scratch);
        struct sqz_pool *pool = make_pool(threads);
        size_t before = heap_bytes();
        struct sqz_gradient *gradient = make_gradient(net, pool, 32);
        size_t taken = heap_bytes() - before;
        // A large block begins a huge page: up to 2 MB of addresses, not of memory, before each.
        size_t blocks = 3 + memory.gradients / (net->n_weights * sizeof(float));
        size_t aligning = blocks * ((size_t)2 << 20);
        assert_true(taken >= memory.total && taken < memory.total + aligning + (64u << 10));
        struct sqz_gradient_step step = {.weights = weights,
                                         .images = images,
                                         .n = 9,
                                         .loss = batch_loss,
                                         .loss_arg = &loss,
                                         .gradient = out};
        size_t idle = heap_bytes();
        sqz_gradient_run(gradient, &step);
        assert_int_equal(heap_bytes(), idle);
        sqz_gradient_free(gradient);
        assert_true(heap_bytes() < before + (16u << 10)); // glibc keeps small freed blocks
        sqz_pool_free(pool);
    }
    sqz_free(weights);
    sqz_free(images);
    sqz_free(out);
    sqz_net_free(net);
}

static void test_leaf_sizes(void **state)
{
    (void)state;
    assert_int_equal(sqz_gradient_leaf(224, 32), 4);
    assert_int_equal(sqz_gradient_leaf(224, 256), 4);
    assert_int_equal(sqz_gradient_leaf(227, 256), 3);
    assert_int_equal(sqz_gradient_leaf(64, 128), 16);
    assert_int_equal(sqz_gradient_leaf(32, 128), 16);
    assert_int_equal(sqz_gradient_leaf(224, 1), 1);
    assert_int_equal(sqz_gradient_leaf(1000, 64), 1);
    for (int batch = 1; batch < 300; batch++)
        assert_true((batch + sqz_gradient_leaf(64, batch) - 1) / sqz_gradient_leaf(64, batch) <= 8);
}

// --- The tree alone ---

static const struct sqz_bucket buckets[2] = {{2, 3, 0}, {0, 2, 0}};

struct tree {
    struct sqz_reduce *reduce;
    int leaves, slow; // slow: the leaf that lasts long
};

static void run_tree_leaf(void *arg, int task, int worker)
{
    (void)task;
    (void)worker;
    struct tree *tree = arg;
    struct sqz_leaf leaf;
    sqz_reduce_take(tree->reduce, &leaf);
    assert_true(leaf.index >= 0 && leaf.index < tree->leaves);
    for (int i = 0; i < 3; i++) {
        assert_true(leaf.gradient[i] == 0);
        leaf.gradient[i] = (float)pow(1.7, leaf.index % 13) / (float)(i + 3);
    }
    if (leaf.index == tree->slow)
        usleep(2000);
    sqz_reduce_put(tree->reduce, &leaf, 0, -1);
    sqz_reduce_put(tree->reduce, &leaf, 1, leaf.gradient[0]);
}

// The same tree by recursion over powers of two.
static float tree_sum(int first, int end, int width, int i)
{
    if (width == 1)
        return (float)pow(1.7, first % 13) / (float)(i + 3);
    int middle = first + width / 2;
    float left = tree_sum(first, middle < end ? middle : end, width / 2, i);
    return middle < end ? left + tree_sum(middle, end, width / 2, i) : left;
}

// Every number of leaves, with the fewest buffers that suffice and a straggler at every place: no
// deadlock, and always the same sum.
static void test_tree(void **state)
{
    (void)state;
    struct sqz_error err = {0};
    for (int threads = 1; threads <= 4; threads++) {
        struct sqz_pool *pool = make_pool(threads);
        for (int leaves = 1; leaves <= 40; leaves += 1 + leaves / 9) {
            struct tree tree = {.leaves = leaves};
            int buffers = sqz_reduce_buffers(1, leaves, false); // fewer than threads would get
            assert_int_equal(
                sqz_reduce_new(kernels, buckets, 2, leaves, buffers, &tree.reduce, &err), SQZ_OK);
            int width = 1;
            while (width < leaves)
                width *= 2;
            for (tree.slow = 0; tree.slow < leaves; tree.slow += 1 + leaves / 7) {
                float out[3];
                sqz_reduce_begin(tree.reduce, leaves, 0, leaves, out);
                sqz_pool_run(pool, leaves, run_tree_leaf, &tree);
                for (int i = 0; i < 3; i++)
                    assert_true(out[i] == tree_sum(0, leaves, width, i));
                assert_true(fabs(sqz_reduce_loss(tree.reduce) - out[0]) < 1e-5 * out[0]);
            }
            sqz_reduce_free(tree.reduce);
        }
        sqz_pool_free(pool);
    }
}

struct parts { // the nodes of all ranks, from left to right
    struct sqz_node nodes[400];
    float values[400][3];
    double losses[400];
    int n;
};

static void add_parts(void *arg, int a, int b)
{
    struct parts *parts = arg;
    for (int i = 0; i < 3; i++)
        parts->values[a][i] += parts->values[b][i];
    parts->losses[a] += parts->losses[b];
}

// Every rank's part alone, with the fewest buffers that suffice, then the nodes of all: the same
// bits as the whole tree, also where a part is no subtree, and where ranks outnumber leaves.
static void test_parts(void **state)
{
    (void)state;
    static struct parts parts;
    struct sqz_error err = {0};
    struct sqz_pool *pool = make_pool(3);
    for (int leaves = 1; leaves <= 40; leaves++)
        for (int ranks = 1; ranks <= 11; ranks += 1 + ranks / 5) {
            struct tree tree = {.leaves = leaves};
            int buffers = sqz_reduce_buffers(1, leaves, true), width = 1, covered = 0;
            assert_int_equal(
                sqz_reduce_new(kernels, buckets, 2, leaves, buffers, &tree.reduce, &err), SQZ_OK);
            parts.n = 0;
            for (int rank = 0; rank < ranks; rank++) {
                int first, end;
                sqz_tree_share(leaves, rank, ranks, &first, &end);
                assert_int_equal(first, covered);
                covered = end;
                sqz_reduce_begin(tree.reduce, leaves, first, end, NULL);
                sqz_pool_run(pool, end - first, run_tree_leaf, &tree);
                assert_true(sqz_reduce_ready(tree.reduce, 0) && sqz_reduce_ready(tree.reduce, 1));
                int n = sqz_tree_nodes(leaves, first, end, parts.nodes + parts.n);
                for (int i = 0; i < n; i++, parts.n++)
                    memcpy(parts.values[parts.n],
                           sqz_reduce_node(tree.reduce, i, &parts.losses[parts.n]),
                           3 * sizeof(float));
            }
            assert_int_equal(covered, leaves);
            sqz_tree_add(leaves, parts.nodes, parts.n, add_parts, &parts);
            while (width < leaves)
                width *= 2;
            for (int i = 0; i < 3; i++)
                assert_true(parts.values[0][i] == tree_sum(0, leaves, width, i));
            assert_true(fabs(parts.losses[0] - parts.values[0][0]) < 1e-5 * parts.losses[0]);
            sqz_reduce_free(tree.reduce);
        }
    sqz_pool_free(pool);
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),          cmocka_unit_test(test_parts),
        cmocka_unit_test(test_leaf_sizes),    cmocka_unit_test(test_same_bits_on_any_threads),
        cmocka_unit_test(test_zero_fraction), cmocka_unit_test(test_memory_is_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
