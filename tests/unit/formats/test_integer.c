// Integer networks in files: what is written comes back, and what cannot run is refused.
#include "base/memory.h"
#include "formats/formats.h"
#include "formats/integer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/integer_support.h"

#include <math.h>
#include <stdio.h>

static char path[64];

static struct sqz_model *new_model(const char *variant, const char *dialect)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find(variant),
                                .dialect = sqz_dialect_find(dialect),
                                .classes = 3,
                                .channels = 3,
                                .image_h = 64,
                                .image_w = 64};
    struct sqz_model *model = NULL;
    struct sqz_random random;
    sqz_random_init(&random, 3, 0, 0, 0);
    assert_int_equal(sqz_model_create(&spec, &model, NULL), SQZ_OK);
    model->integer = new_integers(model->net, &random);
    return model;
}

static void same_integers(const struct sqz_integer_net *a, const struct sqz_integer_net *b)
{
    assert_int_equal(a->n_convs, b->n_convs);
    assert_int_equal(a->n_adds, b->n_adds);
    assert_memory_equal(a->pad_pixel, b->pad_pixel, 3);
    for (int i = 0; i < a->n_convs; i++) {
        const struct sqz_integer_conv *x = &a->convs[i], *y = &b->convs[i];
        size_t n = (size_t)a->net->layers[x->layer].channels;
        size_t columns = (size_t)sqz_integer_columns(a->net, x->layer);
        assert_int_equal(x->shift, y->shift);
        assert_memory_equal(x->weights, y->weights, n * columns);
        assert_memory_equal(x->bias, y->bias, n * sizeof *x->bias);
        assert_memory_equal(x->multipliers, y->multipliers, n * sizeof *x->multipliers);
        assert_memory_equal(x->steps, y->steps, n * sizeof *x->steps);
        assert_memory_equal(x->units, y->units, n * sizeof *x->units);
    }
    for (int i = 0; i < a->n_adds; i++)
        assert_memory_equal(&a->adds[i], &b->adds[i], sizeof a->adds[i]);
}

// The weights in floating point of a later layer: code times step; of conv1 over grey levels.
static void check_floats(const struct sqz_model *model)
{
    for (int i = 0; i < 2; i++) {
        const struct sqz_integer_conv *conv = &model->integer->convs[i];
        const struct sqz_layer *layer = &model->net->layers[conv->layer];
        const struct sqz_param *weight = &model->net->params[layer->weight];
        static float oihw[96 * 3 * 49]; // conv1 of 1.0 is the largest
        assert_true(weight->size <= sizeof oihw / sizeof *oihw);
        sqz_param_to_oihw(weight, model->weights, oihw);
        const int taps = weight->kh * weight->kw;
        for (int o = 0; o < weight->out; o++)
            for (int c = 0; c < weight->in; c++)
                for (int t = 0; t < taps; t++) {
                    double code = conv->weights[(o * taps + t) * weight->in + c];
                    double wanted = code * (double)conv->steps[o] *
                                    (i == 0 ? (double)model->preprocess.std[c] : 1);
                    double found = oihw[(o * weight->in + c) * taps + t];
                    assert_true(fabs(found - wanted) <= 1e-6 * fabs(wanted));
                }
    }
}

static void round_trip(const char *variant, const char *dialect, const char *suffix)
{
    struct sqz_model *model = new_model(variant, dialect), *back = NULL;
    struct sqz_error err = {0};
    snprintf(path, sizeof path, "/tmp/sqz-integer-%d%s", (int)getpid(), suffix);
    if (sqz_model_write(model, path, SQZ_REPLACE_EXISTING, &err) ||
        sqz_model_read(path, NULL, 0, &back, &err))
        fail_msg("%s", err.text);
    assert_non_null(back->integer);
    same_integers(model->integer, back->integer);
    check_floats(back);
    remove(path);
    sqz_model_free(model);
    sqz_model_free(back);
}

static void test_round_trips(void **state)
{
    (void)state;
    round_trip("squeezenet1_1", "mindcv", ".sqz");
    round_trip("squeezenet1_1", "torchvision", ".safetensors");
    round_trip("squeezenet1_0_bypass", "caffe", ".sqz");
}

// Changes element `element` of an array, or leaves the array out; the file must be refused.
static void refuses(const char *name, int element, float value, const char *words)
{
    struct sqz_model *model = new_model("squeezenet1_1_bypass", "mindcv"), *back = NULL;
    struct sqz_archive archive = {0};
    struct sqz_error err = {0};
    assert_int_equal(sqz_model_to_archive(model, &archive, &err), SQZ_OK);
    struct sqz_array *array = (struct sqz_array *)sqz_archive_find(&archive, name);
    assert_non_null(array);
    if (element >= 0)
        ((float *)array->data)[element] = value;
    else
        array->name[0] = '_';
    snprintf(path, sizeof path, "/tmp/sqz-integer-%d.safetensors", (int)getpid());
    // sqz_archive_write reads back what it wrote, and refuses some of these itself.
    struct sqz_bytes bytes = {0};
    assert_int_equal(sqz_format_for_path(path)->write(&archive, &bytes, &err), SQZ_OK);
    assert_int_equal(sqz_file_write(path, bytes.data, bytes.size, SQZ_REPLACE_EXISTING, &err),
                     SQZ_OK);
    sqz_bytes_release(&bytes);
    assert_int_equal(sqz_model_read(path, NULL, 0, &back, &err), SQZ_E_DATA);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    remove(path);
    sqz_archive_release(&archive);
    sqz_model_free(model);
}

static void test_refusals(void **state)
{
    (void)state;
    refuses("features.3.squeeze.int8.weight", 5, -128, "no integer of its range");
    refuses("features.3.squeeze.int8.weight", 5, 0.5f, "no integer of its range");
    refuses("features.3.squeeze.int8.multiplier", 1, 2, "a multiplier is out of range");
    refuses("features.3.squeeze.int8.shift", 0, 12, "a shift is out of range");
    refuses("features.3.squeeze.int8.bias", 0, 16777216, "a sum could overflow");
    refuses("classifier.1.int8.bias", 0, 1e30f, "no integer of its range");
    refuses("classifier.1.int8.unit", -1, 0, "is missing");
    refuses("classifier.1.int8.step", 2, INFINITY, "not finite");
    refuses("image.int8.pad", 0, -3, "no pixel");
    refuses("features.4.add.int8.multiplier", 0, 40000, "no integer of its range");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
