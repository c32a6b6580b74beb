// From MindSpore's checkpoint file to MindCV's logits, through the reader that users have.
#include "support.h"

#include "golden.h"
#include "net/infer.h"

#include <math.h>

static void check_logits(const char *variant, int side, int n)
{
    char name[64];
    struct sqz_model *model = NULL;
    struct sqz_pool *pool = NULL;
    struct sqz_infer *infer = NULL;
    struct sqz_error err = {0};
    float logits[40], wanted[40];
    size_t pixels = (size_t)side * (size_t)side, count = (size_t)n * 3 * pixels;
    snprintf(name, sizeof name, "logits-input-%d.u8.npy", side);
    struct golden_file input = golden_read(name);
    snprintf(name, sizeof name, "logits-%s-%d.npy", variant, side);
    struct golden_file output = golden_read(name);
    snprintf(name, sizeof name, "mindcv-golden/%s-c10.ckpt", variant);
    const char *path = test_data(name);
    if (!path || !input.data || !output.data)
        skip();
    const uint8_t *bytes = golden_npy(input.data, input.size, count);
    memcpy(wanted, golden_npy(output.data, output.size, (size_t)n * 40), (size_t)n * 40);
    float *images = sqz_new_aligned(count, sizeof *images);
    assert_non_null(images);
    for (size_t i = 0; i < count; i++) {
        size_t image = i / (3 * pixels), c = i / pixels % 3, pixel = i % pixels;
        images[(image * pixels + pixel) * 3 + c] = ((float)bytes[i] - 127.5f) / 64;
    }
    if (sqz_model_read(path, NULL, side, &model, &err) || sqz_pool_new(2, &pool, &err) ||
        sqz_infer_new(model->net, model->weights, sqz_kernels_get(sqz_cpu_level(NULL)), pool, false,
                      &infer, &err))
        fail_msg("%s", err.text);
    assert_string_equal(model->net->spec.variant->name, variant);
    assert_string_equal(model->net->spec.dialect->name, "mindcv");
    sqz_infer_run(infer, images, n, logits);
    for (int i = 0; i < 10 * n; i++)
        assert_true(fabsf(logits[i] - wanted[i]) <= 3e-6f);
    sqz_infer_free(infer);
    sqz_pool_free(pool);
    sqz_model_free(model);
    sqz_free(images);
    free(input.data);
    free(output.data);
}

static void test_logits(void **state)
{
    (void)state;
    check_logits("squeezenet1_0", 64, 4);
    check_logits("squeezenet1_1", 64, 4);
    check_logits("squeezenet1_0", 224, 2);
    check_logits("squeezenet1_1", 224, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
