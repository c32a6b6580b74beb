// Models whose weights stay in their file: the logits of the resident ones, bit for bit, from every
// format; and files that are damaged, or change while they are in use.
#include "support.h"

#include "base/threads.h"
#include "formats/streamed.h"
#include "net/infer.h"
#include "net/stream.h"

#include <math.h>
#include <unistd.h>

static const struct sqz_kernels *kernels;

// With biases of which nothing stays at zero.
static struct sqz_model *make_biased(const char *variant, const char *dialect, int classes)
{
    struct sqz_model *model = make_model(variant, dialect, classes, 3, 64);
    for (int p = 0; p < model->net->n_params; p++) {
        const struct sqz_param *param = &model->net->params[p];
        for (size_t i = 0; param->kind == SQZ_PARAM_BIAS && i < param->size; i++)
            model->weights[param->offset + i] = 0.01f * (float)(i % 7);
    }
    return model;
}

static float *make_image(const struct sqz_net *net)
{
    const size_t n = sqz_tensor_size(net, 0);
    float *image = sqz_new_aligned(n, sizeof *image);
    assert_non_null(image);
    for (size_t i = 0; i < n; i++)
        image[i] = (float)((i * 7919) % 1000) * 0.002f - 1;
    return image;
}

// What the file at `path` answers with its weights in memory, and left where they are.
static void compare(const char *path)
{
    struct sqz_error err = {0};
    struct sqz_model *resident = NULL, *model = NULL;
    struct sqz_streamed *streamed = NULL;
    struct sqz_stream *stream = NULL;
    struct sqz_infer *infer = NULL;
    struct sqz_pool *pool = NULL;
    if (sqz_model_read(path, NULL, 0, &resident, &err) ||
        sqz_streamed_open(path, NULL, 0, &model, &streamed, &err) ||
        sqz_stream_new(model->net, kernels, sqz_streamed_source(streamed), &stream, &err) ||
        sqz_pool_new(1, &pool, &err) ||
        sqz_infer_new(resident->net, resident->weights, kernels, pool, true, &infer, &err))
        fail_msg("%s", err.text);
    assert_null(model->weights);
    assert_ptr_equal(model->net->spec.variant, resident->net->spec.variant);
    const size_t classes = (size_t)model->net->spec.classes;
    float *image = make_image(model->net), *logits = sqz_new_array(2 * classes, sizeof *logits);
    assert_non_null(logits);
    sqz_infer_run(infer, image, 1, logits);
    size_t open = 0;
    for (size_t c = 0; c < classes; c++)
        open += logits[c] > 0;
    assert_true(open > 0);              // else the comparison says nothing
    for (int run = 0; run < 2; run++) { // the second finds what the first left
        if (sqz_stream_run(stream, image, logits + classes, &err))
            fail_msg("%s", err.text);
        assert_memory_equal(logits, logits + classes, classes * sizeof *logits);
    }
    sqz_free(image);
    sqz_free(logits);
    sqz_infer_free(infer);
    sqz_pool_free(pool);
    sqz_stream_free(stream);
    sqz_streamed_free(streamed);
    sqz_model_free(model);
    sqz_model_free(resident);
}

static const char *write_model(const struct sqz_model *model, const char *name)
{
    struct sqz_error err = {0};
    if (sqz_model_write(model, scratch(name), SQZ_REPLACE_EXISTING, &err))
        fail_msg("%s", err.text);
    return scratch(name);
}

static void test_every_network(void **state)
{
    (void)state;
    for (int v = 0; sqz_variant_at(v); v++)
        for (int d = 0; sqz_dialect_at(d); d++) {
            struct sqz_model *model =
                make_biased(sqz_variant_at(v)->name, sqz_dialect_at(d)->name, v % 2 ? 130 : 3);
            compare(write_model(model, "model.safetensors"));
            sqz_model_free(model);
        }
}

static void test_every_format(void **state)
{
    (void)state;
    struct sqz_model *model = make_biased("squeezenet1_1", "mindcv", 37);
    for (int i = 0; sqz_format_at(i); i++) {
        if (!sqz_format_at(i)->write)
            continue;
        char name[64];
        snprintf(name, sizeof name, "model%s", sqz_format_at(i)->suffix);
        compare(write_model(model, name));
    }
    // A .sqz of the other codings: multiples of a step, and a codebook.
    for (size_t i = 0; i < model->net->n_weights; i++)
        model->weights[i] = (float)lrint(40 * model->weights[i]) / 40;
    compare(write_model(model, "steps.sqz"));
    for (size_t i = 0; i < model->net->n_weights; i++)
        model->weights[i] = (float)sin(model->weights[i]);
    compare(write_model(model, "codebook.sqz"));
    sqz_model_free(model);
}

// float16 and float64, which are converted row by row.
static void test_other_element_types(void **state)
{
    (void)state;
    struct sqz_model *model = make_biased("squeezenet1_1", "mindcv", 10);
    struct sqz_archive archive = {0}, other = {0};
    struct sqz_error err = {0};
    assert_int_equal(sqz_model_to_archive(model, &archive, &err), SQZ_OK);
    for (size_t i = 0; i < archive.n_arrays; i++) {
        const struct sqz_array *from = &archive.arrays[i];
        const size_t n = from->size / sizeof(float);
        struct sqz_array *to = sqz_archive_add(&other, from->name, i % 2 ? SQZ_F64 : SQZ_BF16,
                                               from->rank, from->shape, NULL);
        assert_non_null(to);
        for (size_t k = 0; k < n; k++) {
            uint32_t word;
            memcpy(&word, (const float *)from->data + k, sizeof word);
            if (i % 2)
                ((double *)to->data)[k] = ((const float *)from->data)[k];
            else
                ((uint16_t *)to->data)[k] = (uint16_t)(word >> 16);
        }
    }
    for (size_t i = 0; i < archive.n_metadata; i++)
        sqz_archive_set(&other, archive.metadata[i].key, archive.metadata[i].value);
    assert_int_equal(
        sqz_archive_write(scratch("mixed.safetensors"), NULL, &other, SQZ_REPLACE_EXISTING, &err),
        SQZ_OK);
    compare(scratch("mixed.safetensors"));
    sqz_archive_release(&archive);
    sqz_archive_release(&other);
    sqz_model_free(model);
}

static void expect_no_opening(const char *path, const char *part)
{
    struct sqz_model *model = NULL;
    struct sqz_streamed *streamed = NULL;
    struct sqz_error err = {0};
    assert_int_equal(sqz_streamed_open(path, NULL, 0, &model, &streamed, &err), SQZ_E_DATA);
    assert_non_null(strstr(err.text, path));
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void test_damage_is_known_from_the_beginning(void **state)
{
    (void)state;
    struct sqz_model *model = make_biased("squeezenet1_1", "mindcv", 5);
    struct sqz_bytes bytes = read_bytes(write_model(model, "good.safetensors"));
    // The last weight of the last array in the file, made infinite.
    memcpy(bytes.data + bytes.size - 4, "\0\0\x80\x7f", 4);
    expect_no_opening(write_scratch("infinite.safetensors", bytes.data, bytes.size), "not finite");
    expect_no_opening(write_scratch("cut.safetensors", bytes.data, bytes.size - 1), "truncated");
    expect_no_opening(write_scratch("header.safetensors", bytes.data, 30), "truncated");
    sqz_bytes_release(&bytes);
    bytes = read_bytes(write_model(model, "good.sqz"));
    bytes.data[bytes.size / 2] ^= 1;
    expect_no_opening(write_scratch("bad.sqz", bytes.data, bytes.size), "damaged");
    sqz_bytes_release(&bytes);
    sqz_model_free(model);
}

static void test_file_that_shrinks_in_use(void **state)
{
    (void)state;
    struct sqz_model *model = make_biased("squeezenet1_1", "mindcv", 5), *opened = NULL;
    const char *path = write_model(model, "shrinks.safetensors");
    struct sqz_streamed *streamed = NULL;
    struct sqz_stream *stream = NULL;
    struct sqz_error err = {0};
    float logits[5], *image = make_image(model->net);
    assert_int_equal(sqz_streamed_open(path, NULL, 0, &opened, &streamed, &err), SQZ_OK);
    assert_int_equal(
        sqz_stream_new(opened->net, kernels, sqz_streamed_source(streamed), &stream, &err), SQZ_OK);
    assert_int_equal(truncate(path, 100000), 0);
    assert_int_equal(sqz_stream_run(stream, image, logits, &err), SQZ_E_IO);
    assert_non_null(strstr(err.text, "shorter"));
    sqz_free(image);
    sqz_stream_free(stream);
    sqz_streamed_free(streamed);
    sqz_model_free(opened);
    sqz_model_free(model);
}

static int remove_files(void **state)
{
    (void)state;
    remove_scratch();
    return 0;
}

int main(void)
{
    kernels = sqz_kernels_get(sqz_cpu_level(NULL));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_network),
        cmocka_unit_test(test_every_format),
        cmocka_unit_test(test_other_element_types),
        cmocka_unit_test(test_damage_is_known_from_the_beginning),
        cmocka_unit_test(test_file_that_shrinks_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
