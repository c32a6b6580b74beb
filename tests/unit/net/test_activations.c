// sqz_forward_all keeps what inference computes, on any number of threads.
#include "support.h"

#include "base/random.h"
#include "net/infer.h"
#include "net/activations.h"

enum { SIDE = 48, IMAGES = 3, CLASSES = 7 };

static void test_same_as_inference(void **state)
{
    (void)state;
    for (int variant = 0; sqz_variant_at(variant); variant++) {
        struct sqz_net_spec spec = {.variant = sqz_variant_at(variant),
                                    .dialect = sqz_dialect_at(0),
                                    .classes = CLASSES,
                                    .channels = 3,
                                    .image_h = SIDE,
                                    .image_w = SIDE};
        struct sqz_net *net = NULL;
        assert_int_equal(sqz_net_new(&spec, &net, NULL), SQZ_OK);
        float *weights = sqz_new_array(net->n_weights, sizeof *weights);
        float *images = sqz_new_array(IMAGES * SIDE * SIDE * 3, sizeof *images);
        struct sqz_random random;
        sqz_random_init(&random, 3, 0, 0, SQZ_RANDOM_TEST);
        sqz_net_initialize(net, 1, weights);
        for (size_t i = 0; i < (size_t)IMAGES * SIDE * SIDE * 3; i++)
            images[i] = (float)sqz_random_normal(&random);
        for (int threads = 1; threads < 4; threads++) {
            float logits[IMAGES * CLASSES];
            struct sqz_pool *pool = NULL;
            struct sqz_activations *activations = NULL;
            struct sqz_infer *infer = NULL;
            const struct sqz_kernels *kernels = sqz_kernels_get(sqz_cpu_level(NULL));
            assert_int_equal(sqz_pool_new(threads, &pool, NULL), SQZ_OK);
            assert_int_equal(
                sqz_activations_new(net, weights, kernels, pool, IMAGES, &activations, NULL),
                SQZ_OK);
            assert_int_equal(sqz_infer_new(net, weights, kernels, pool, false, &infer, NULL),
                             SQZ_OK);
            sqz_infer_run(infer, images, IMAGES, logits);
            sqz_forward_all(activations, images, IMAGES);
            for (int i = 0; i < IMAGES; i++) {
                assert_memory_equal(sqz_activations_tensor(activations, i, net->n_tensors - 1),
                                    logits + i * CLASSES, CLASSES * sizeof(float));
                assert_ptr_equal(sqz_activations_tensor(activations, i, 0),
                                 images + i * SIDE * SIDE * 3);
            }
            sqz_infer_free(infer);
            sqz_activations_free(activations);
            sqz_pool_free(pool);
        }
        sqz_free(weights);
        sqz_free(images);
        sqz_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_inference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
