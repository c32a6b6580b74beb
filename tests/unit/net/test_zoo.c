// The tables: names, shapes, sizes, counts, conventions.
#include "support.h"

static uint64_t total_macs(const struct sqz_net *net)
{
    uint64_t macs = 0;
    for (int i = 0; i < net->n_layers; i++)
        macs += sqz_layer_macs(net, i);
    return macs;
}

static void test_parameter_counts(void **state)
{
    (void)state;
    static const struct {
        const char *variant;
        int classes;
        size_t count;
    } cases[] = {
        {"squeezenet1_0", 1000, 1248424},
        {"squeezenet1_1", 1000, 1235496},
        {"squeezenet1_0", 10, 740554},
        {"squeezenet1_1", 10, 727626},
        {"squeezenet1_0_bypass", 1000, 1248424},
        {"squeezenet1_1_bypass", 1000, 1235496},
        {"squeezenet1_0_complex", 1000, 1248424 + 341248},
        // conv1 has 64 channels in 1.1, not 96: 32 * 128 weights less in fire2's bypass
        {"squeezenet1_1_complex", 1000, 1235496 + 341248 - 32 * 128},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_net_spec spec =
            make_spec(cases[i].variant, "mindcv", cases[i].classes, 224, 224);
        struct sqz_net *net = make_net(&spec);
        size_t sum = 0;
        for (int p = 0; p < net->n_params; p++) {
            assert_int_equal(net->params[p].offset, sum);
            sum += net->params[p].size;
        }
        assert_int_equal(sum, cases[i].count);
        assert_int_equal(net->n_weights, cases[i].count);
        sqz_net_free(net);
    }
}

static void test_macs(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_0", "mindcv", 1000, 224, 224);
    struct sqz_net *net = make_net(&spec);
    assert_int_equal((total_macs(net) + 500000) / 1000000, 777);
    sqz_net_free(net);
    spec = make_spec("squeezenet1_1", "mindcv", 1000, 224, 224);
    net = make_net(&spec);
    assert_int_equal((total_macs(net) + 500000) / 1000000, 350);
    sqz_net_free(net);
}

// The sides after conv1 and the three poolings, for each dialect.
static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *variant, *dialect;
        int image, sides[4], scores;
    } cases[] = {
        {"squeezenet1_0", "mindcv", 224, {109, 54, 26, 12}, 12},
        {"squeezenet1_0", "torchvision", 224, {109, 54, 27, 13}, 13},
        {"squeezenet1_0", "mindcv", 227, {111, 55, 27, 13}, 13},
        {"squeezenet1_0", "torchvision", 227, {111, 55, 27, 13}, 13},
        {"squeezenet1_0", "caffe", 227, {111, 55, 27, 13}, 15},
        {"squeezenet1_1", "mindcv", 224, {112, 55, 27, 13}, 13},
        {"squeezenet1_1", "torchvision", 224, {111, 55, 27, 13}, 13},
        {"squeezenet1_1", "mindcv", 227, {114, 56, 27, 13}, 13},
        {"squeezenet1_1", "torchvision", 227, {113, 56, 28, 14}, 14},
        {"squeezenet1_1", "caffe", 227, {113, 56, 28, 14}, 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        // Height and width differ, so that they cannot be confused.
        struct sqz_net_spec spec =
            make_spec(cases[i].variant, cases[i].dialect, 7, cases[i].image, 3 * cases[i].image);
        struct sqz_net *net = make_net(&spec);
        int found = 0;
        for (int l = 0; l < net->n_layers; l++) {
            const struct sqz_tensor *out = &net->tensors[net->layers[l].output];
            if (l == 0 || net->layers[l].kind == SQZ_LAYER_MAXPOOL)
                assert_int_equal(out->h, cases[i].sides[found++]);
            if (strcmp(net->layers[l].name, "classifier.1") == 0)
                assert_int_equal(out->h, cases[i].scores);
        }
        assert_int_equal(found, 4);
        const struct sqz_tensor *logits = &net->tensors[net->n_tensors - 1];
        assert_int_equal(logits->h * logits->w, 1);
        assert_int_equal(logits->c, 7);
        sqz_net_free(net);
    }
}

static void test_names_in_storage_order(void **state)
{
    (void)state;
    static const char *const first[] = {
        "features.0.weight",           "features.0.bias",
        "features.3.squeeze.weight",   "features.3.squeeze.bias",
        "features.3.expand1x1.weight", "features.3.expand1x1.bias",
        "features.3.expand3x3.weight", "features.3.expand3x3.bias",
        "features.3.bypass.weight",    "features.3.bypass.bias",
        "features.4.squeeze.weight",
    };
    struct sqz_net_spec spec = make_spec("squeezenet1_0_complex", "mindcv", 10, 64, 64);
    struct sqz_net *net = make_net(&spec);
    assert_int_equal(net->n_params, 52 + 8);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        assert_string_equal(net->params[i].name, first[i]);
        assert_int_equal(sqz_net_find_param(net, first[i]), i);
    }
    assert_string_equal(net->params[58].name, "classifier.1.weight");
    assert_string_equal(net->params[59].name, "classifier.1.bias");
    assert_int_equal(sqz_net_find_param(net, "features.4.bypass.weight"), -1);
    sqz_net_free(net);
}

// A layer reads only what the layers above it have written, and slices cover every tensor once.
static void test_layers_are_executable_in_order(void **state)
{
    (void)state;
    for (int v = 0; sqz_variant_at(v); v++) {
        struct sqz_net_spec spec = make_spec(sqz_variant_at(v)->name, "torchvision", 5, 64, 80);
        struct sqz_net *net = make_net(&spec);
        int *written = sqz_new_array((size_t)net->n_tensors, sizeof *written);
        written[0] = net->tensors[0].c;
        for (int l = 0; l < net->n_layers; l++) {
            const struct sqz_layer *layer = &net->layers[l];
            assert_int_equal(written[layer->input], net->tensors[layer->input].c);
            if (layer->addend >= 0)
                assert_int_equal(written[layer->addend], net->tensors[layer->addend].c);
            if (layer->kind == SQZ_LAYER_DROPOUT) {
                assert_int_equal(layer->input, layer->output);
                continue;
            }
            assert_int_equal(layer->channel, written[layer->output]);
            written[layer->output] += layer->channels;
        }
        for (int t = 0; t < net->n_tensors; t++)
            assert_int_equal(written[t], net->tensors[t].c);
        sqz_free(written);
        sqz_net_free(net);
    }
}

static void test_bypasses(void **state)
{
    (void)state;
    static const struct {
        const char *variant;
        int adds, convs;
    } cases[] = {
        {"squeezenet1_0", 0, 0},         {"squeezenet1_1", 0, 0},
        {"squeezenet1_0_bypass", 4, 0},  {"squeezenet1_1_bypass", 4, 0},
        {"squeezenet1_0_complex", 8, 4}, {"squeezenet1_1_complex", 8, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_net_spec spec = make_spec(cases[i].variant, "mindcv", 10, 64, 64);
        struct sqz_net *net = make_net(&spec);
        int adds = 0, convs = 0;
        for (int l = 0; l < net->n_layers; l++) {
            adds += net->layers[l].kind == SQZ_LAYER_ADD;
            if (!strstr(net->layers[l].name, ".bypass"))
                continue;
            convs++;
            assert_false(net->layers[l].relu);
        }
        assert_int_equal(adds, cases[i].adds);
        assert_int_equal(convs, cases[i].convs);
        sqz_net_free(net);
    }
}

static void test_smallest_images(void **state)
{
    (void)state;
    struct sqz_net_spec spec = make_spec("squeezenet1_0", "torchvision", 10, 64, 64);
    assert_int_equal(sqz_net_smallest_image(&spec), 21);
    spec.variant = sqz_variant_find("squeezenet1_1");
    assert_int_equal(sqz_net_smallest_image(&spec), 17);
    for (int v = 0; sqz_variant_at(v); v++) {
        for (int d = 0; sqz_dialect_at(d); d++) {
            spec = make_spec(sqz_variant_at(v)->name, sqz_dialect_at(d)->name, 10, 1, 300);
            int smallest = sqz_net_smallest_image(&spec);
            char wanted[64];
            snprintf(wanted, sizeof wanted, "%d x %d.", smallest, smallest);
            for (int swap = 0; swap < 2; swap++) {
                spec.image_h = swap ? 300 : smallest - 1;
                spec.image_w = swap ? smallest - 1 : 300;
                struct sqz_net *net = NULL;
                struct sqz_error err = {0};
                assert_int_equal(sqz_net_new(&spec, &net, &err), SQZ_E_USAGE);
                assert_null(net);
                assert_non_null(strstr(err.text, wanted));
                assert_non_null(strstr(err.text, spec.variant->name));
            }
            spec.image_h = spec.image_w = smallest;
            sqz_net_free(make_net(&spec));
        }
    }
}

static void test_impossible_specs(void **state)
{
    (void)state;
    struct sqz_net_spec good = make_spec("squeezenet1_1", "mindcv", 10, 64, 64);
    struct sqz_net_spec bad[10];
    for (int i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].classes = 0;
    bad[1].classes = 1 << 30;
    bad[2].channels = 2;
    bad[3].channels = 0;
    bad[4].image_h = 0;
    bad[5].image_w = -5;
    bad[6].image_w = 1 << 30;
    bad[7].drop_rate = 1;
    bad[8].drop_rate = -0.1;
    bad[9].drop_rate = NAN;
    for (int i = 0; i < 10; i++) {
        struct sqz_net *net = NULL;
        struct sqz_error err = {0};
        assert_int_equal(sqz_net_new(&bad[i], &net, &err), SQZ_E_USAGE);
        assert_int_equal(err.status, SQZ_E_USAGE);
        assert_int_equal(err.text[strlen(err.text) - 1], '.');
    }
}

static void test_find(void **state)
{
    (void)state;
    int variants = 0, dialects = 0;
    for (; sqz_variant_at(variants); variants++)
        assert_ptr_equal(sqz_variant_find(sqz_variant_at(variants)->name),
                         sqz_variant_at(variants));
    for (; sqz_dialect_at(dialects); dialects++)
        assert_ptr_equal(sqz_dialect_find(sqz_dialect_at(dialects)->name),
                         sqz_dialect_at(dialects));
    assert_int_equal(variants, 6);
    assert_int_equal(dialects, 3);
    assert_null(sqz_variant_at(-1));
    assert_null(sqz_dialect_at(-1));
    assert_null(sqz_variant_find("squeezenet"));
    assert_null(sqz_dialect_find("Caffe"));
}

static void test_dialect_conventions(void **state)
{
    (void)state;
    const struct sqz_preprocess *mindcv = &sqz_dialect_find("mindcv")->preprocess;
    const struct sqz_preprocess *torch = &sqz_dialect_find("torchvision")->preprocess;
    const struct sqz_preprocess *caffe = &sqz_dialect_find("caffe")->preprocess;
    assert_int_equal(mindcv->interpolation, SQZ_BILINEAR);
    assert_int_equal(torch->interpolation, SQZ_PIL_BILINEAR);
    static const double mean[] = {.485, .456, .406}, std[] = {.229, .224, .225};
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(mindcv->mean[c] - 255 * mean[c]) < 1e-5);
        assert_true(fabs(torch->std[c] - 255 * std[c]) < 1e-5);
    }
    assert_int_equal(torch->resize_mode, SQZ_RESIZE_SHORTER);
    assert_int_equal(torch->image_size, 224);
    assert_int_equal(caffe->resize_mode, SQZ_RESIZE_EXACT);
    assert_int_equal(caffe->image_size, 227);
    assert_true(caffe->bgr && !torch->bgr && !mindcv->bgr);
    assert_true(caffe->mean[0] == 104 && caffe->mean[2] == 123 && caffe->std[1] == 1);
    assert_false(mindcv->apply_exif || torch->apply_exif || caffe->apply_exif);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_names_in_storage_order),
        cmocka_unit_test(test_layers_are_executable_in_order),
        cmocka_unit_test(test_bypasses),
        cmocka_unit_test(test_smallest_images),
        cmocka_unit_test(test_impossible_specs),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_dialect_conventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
