// The runtime for microcontrollers against the reference engine, row by row, in an arena of exactly
// the size that it asks for; and on damaged models. Included after SQZ_RT_PLAIN is defined.
#include "base/memory.h"
#include "formats/common.h"
#include "formats/flat.h"

#include <squeezenet_rt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "unit/integer_support.h"

struct sample {
    struct sqz_model model;
    struct sqz_flat flat;
    uint8_t *pixels;
};

static struct sample make_sample(const struct sqz_net_spec *spec, uint64_t seed)
{
    struct sample s = {0};
    struct sqz_error err = {0};
    struct sqz_random random;
    sqz_random_init(&random, seed, 0, 0, SQZ_RANDOM_TEST);
    assert_int_equal(sqz_net_new(spec, &s.model.net, NULL), SQZ_OK);
    s.model.integer = new_integers(s.model.net, &random);
    assert_int_equal(sqz_integer_net_check(s.model.integer, "a test", &err), SQZ_OK);
    if (sqz_flat_make(&s.model, (enum sqz_flat_unit)SQZ_RT_UNIT, &s.flat, &err))
        fail_msg("%s", err.text);
    const size_t n = sqz_tensor_size(s.model.net, 0);
    s.pixels = sqz_new_array(n, 1);
    for (size_t i = 0; i < n; i++)
        s.pixels[i] = (uint8_t)sqz_random_u64(&random);
    return s;
}

static void free_sample(struct sample *s)
{
    sqz_free(s->pixels);
    sqz_bytes_release(&s->flat.bytes);
    sqz_integer_net_free(s->model.integer);
    sqz_net_free(s->model.net);
}

static struct sqz_net_spec spec_of(const char *variant, const char *dialect, enum sqz_stem stem,
                                   int classes, int channels, int h, int w)
{
    return (struct sqz_net_spec){.variant = sqz_variant_find(variant),
                                 .dialect = sqz_dialect_find(dialect),
                                 .stem = stem,
                                 .classes = classes,
                                 .channels = channels,
                                 .image_h = h,
                                 .image_w = w};
}

// Feeds the image `rows` rows at a time and compares everything that comes out.
static void check_image(struct sqz_rt *rt, const struct sample *s, int rows)
{
    const struct sqz_tensor *image = &s->model.net->tensors[0];
    const int classes = s->model.net->spec.classes;
    const size_t stride = (size_t)(image->w * image->c);
    int32_t *logits = sqz_new_array((size_t)classes, sizeof *logits);
    int32_t *sums = sqz_new_array((size_t)classes, sizeof *sums);
    uint32_t *probabilities = sqz_new_array((size_t)classes, sizeof *probabilities);
    void *scratch = sqz_new_array(sqz_integer_scratch(s->model.net), 1);
    sqz_integer_run(s->model.integer, s->pixels, scratch, logits, sums);
    sqz_integer_softmax(logits, classes, probabilities);
    for (int y = 0; y < image->h; y += rows) {
        const int n = image->h - y < rows ? image->h - y : rows;
        assert_int_equal(sqz_rt_finish(rt), -1);
        assert_int_equal(sqz_rt_rows(rt, s->pixels + (size_t)y * stride, n, stride),
                         image->h - y - n);
    }
    assert_int_equal(sqz_rt_rows(rt, s->pixels, 1, stride), 0); // one too many
    int best = 0;
    for (int c = 0; c < classes; c++) {
        assert_int_equal(sqz_rt_sum(rt, c), sums[c]);
        assert_int_equal(sqz_rt_logit(rt, c), logits[c]);
        best = logits[c] > logits[best] ? c : best;
    }
    assert_int_equal(sqz_rt_finish(rt), best);
    assert_int_equal(sqz_rt_softmax(rt, best), probabilities[best]);
    assert_int_equal(sqz_rt_softmax(rt, classes - 1), probabilities[classes - 1]);
    sqz_free(logits);
    sqz_free(sums);
    sqz_free(probabilities);
    sqz_free(scratch);
}

static void check_network(const struct sqz_net_spec *spec, uint64_t seed)
{
    struct sample s = make_sample(spec, seed);
    struct sqz_rt rt;
    const size_t arena_size = sqz_rt_arena(s.flat.bytes.data, s.flat.bytes.size);
    if (SQZ_RT_N == 4) // which the writer tells
        assert_int_equal(arena_size, s.flat.arena);
    uint8_t *arena = malloc(arena_size); // the sanitizer watches both ends
    assert_int_equal(sqz_rt_begin(&rt, s.flat.bytes.data, s.flat.bytes.size, arena, arena_size - 1),
                     SQZ_RT_ARENA);
    assert_int_equal(sqz_rt_begin(&rt, s.flat.bytes.data, s.flat.bytes.size, arena, arena_size),
                     SQZ_RT_OK);
    for (int rows = 1; rows <= 3; rows += 2) {
        sqz_rt_restart(&rt);
        check_image(&rt, &s, rows);
    }
    // An image that is left before its end leaves nothing.
    sqz_rt_restart(&rt);
    sqz_rt_rows(&rt, s.pixels, 20, 7);
    sqz_rt_restart(&rt);
    check_image(&rt, &s, spec->image_h);
    free(arena);
    free_sample(&s);
}

static void every_network(void **state)
{
    (void)state;
    static const char *const variants[] = {"squeezenet1_0", "squeezenet1_1", "squeezenet1_0_bypass",
                                           "squeezenet1_1_bypass"};
    static const char *const dialects[] = {"mindcv", "torchvision", "caffe"};
    for (size_t v = 0; v < 4; v++)
        for (size_t d = 0; d < 3; d++) {
            // Sides of either parity at every pooling.
            const int h = 43 + (int)(v + 2 * d), w = 52 - (int)(2 * v + d);
            struct sqz_net_spec spec =
                spec_of(variants[v], dialects[d], SQZ_STEM_IMAGENET, 3 + (int)v, 3, h, w);
            check_network(&spec, 1 + v);
        }
}

static void stems_and_channels(void **state)
{
    (void)state;
    struct sqz_net_spec small = spec_of("squeezenet1_1", "mindcv", SQZ_STEM_SMALL, 10, 1, 28, 28);
    struct sqz_net_spec maps =
        spec_of("squeezenet1_1_bypass", "torchvision", SQZ_STEM_SMALL_NOPOOL, 2, 3, 17, 20);
    check_network(&small, 3);
    check_network(&maps, 4);
}

static void a_thousand_classes(void **state)
{
    (void)state;
    struct sqz_net_spec spec =
        spec_of("squeezenet1_1", "torchvision", SQZ_STEM_IMAGENET, 1000, 3, 35, 35);
    check_network(&spec, 5);
}

// What a damaged model does is of no interest, as long as it stays in its arena: the sanitizer
// tells.
static void run_damaged(const uint8_t *data, size_t size)
{
    struct sqz_rt rt;
    const size_t arena_size = sqz_rt_arena(data, size);
    if (arena_size == 0 || arena_size > 4 << 20)
        return;
    uint8_t *arena = malloc(arena_size), *row = calloc(1, 3 * SQZ_RT_SIDE);
    assert_int_equal(sqz_rt_begin(&rt, data, size, arena, arena_size), SQZ_RT_OK);
    for (int i = 0; i < 40; i++)
        sqz_rt_rows(&rt, row, 1, 0);
    sqz_rt_finish(&rt);
    sqz_rt_class_name(&rt, 1);
    sqz_rt_class_name(&rt, 70000);
    free(arena);
    free(row);
}

static void damaged_models(void **state)
{
    (void)state;
    struct sqz_net_spec spec =
        spec_of("squeezenet1_1_bypass", "mindcv", SQZ_STEM_IMAGENET, 2, 3, 36, 36);
    struct sample s = make_sample(&spec, 6);
    const size_t size = s.flat.bytes.size, tables = 64 + 16 * 13 + 24 * 26;
    struct sqz_random random;
    sqz_random_init(&random, 9, 0, 0, SQZ_RANDOM_TEST);
    uint8_t *copy = malloc(size);
    // A bit somewhere, without a new check-sum.
    for (int i = 0; i < 50; i++) {
        memcpy(copy, s.flat.bytes.data, size);
        copy[12 + sqz_random_u64(&random) % (size - 12)] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(sqz_rt_arena(copy, size), 0);
    }
    // Bytes of the tables, with one.
    const int n = getenv("SQZ_SANITIZED") ? 600 : 2000;
    for (int i = 0; i < n; i++) {
        memcpy(copy, s.flat.bytes.data, size);
        for (int k = 0; k <= i % 3; k++) {
            static const uint8_t values[] = {0, 1, 2, 3, 4, 7, 16, 127, 128, 255};
            const size_t at = 20 + sqz_random_u64(&random) % (tables - 20);
            copy[at] = i % 2 ? values[sqz_random_u64(&random) % sizeof values]
                             : (uint8_t)(copy[at] + (i % 4 ? 1 : -1));
        }
        sqz_put_le(copy + 16, sqz_crc32(copy + 20, size - 20), 4);
        run_damaged(copy, size);
    }
    // Shorter ones.
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        uint8_t *shorter = malloc(cut + 1);
        memcpy(shorter, s.flat.bytes.data, cut);
        run_damaged(shorter, cut);
        if (cut > 64) {
            sqz_put_le(shorter + 12, cut, 4);
            sqz_put_le(shorter + 16, sqz_crc32(shorter + 20, cut - 20), 4);
            run_damaged(shorter, cut);
        }
        free(shorter);
    }
    free(copy);
    free_sample(&s);
}

static void overflow_is_refused(void **state)
{
    (void)state;
    struct sqz_net_spec spec = spec_of("squeezenet1_1", "mindcv", SQZ_STEM_IMAGENET, 2, 3, 36, 36);
    struct sample s = make_sample(&spec, 7);
    struct sqz_rt rt;
    uint8_t arena[64];
    s.model.integer->convs[3].bias[1] = 1 << 24;
    struct sqz_flat flat = {0};
    assert_int_equal(sqz_flat_make(&s.model, (enum sqz_flat_unit)SQZ_RT_UNIT, &flat, NULL),
                     SQZ_E_USAGE);
    // The writer refuses it, so the number is changed in a written one.
    const uint8_t *record = s.flat.bytes.data + 64 + 16 * 13 + 24 * 3;
    const size_t biases = (size_t)sqz_get_le(record + 12, 4);
    sqz_put_le(s.flat.bytes.data + biases + 4, 1 << 24, 4);
    sqz_put_le(s.flat.bytes.data + 16, sqz_crc32(s.flat.bytes.data + 20, s.flat.bytes.size - 20),
               4);
    assert_int_equal(sqz_rt_begin(&rt, s.flat.bytes.data, s.flat.bytes.size, arena, sizeof arena),
                     SQZ_RT_OVERFLOW);
    free_sample(&s);
}

// What the networks take at their usual sizes, in bytes: a promise of docs/microcontrollers.md.
static void arenas(void **state)
{
    (void)state;
    static const struct {
        const char *variant, *dialect;
        int classes, side;
        size_t most;
    } cases[] = {{"squeezenet1_1", "torchvision", 1000, 224, 40000},
                 {"squeezenet1_0", "caffe", 1000, 227, SQZ_RT_N > 2 ? 60100 : 60000},
                 {"squeezenet1_1", "torchvision", 5, 128, 24000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqz_net_spec spec = spec_of(cases[i].variant, cases[i].dialect, SQZ_STEM_IMAGENET,
                                           cases[i].classes, 3, cases[i].side, cases[i].side);
        struct sqz_model model = {0};
        struct sqz_flat flat = {0};
        assert_int_equal(sqz_net_new(&spec, &model.net, NULL), SQZ_OK);
        assert_int_equal(sqz_integer_net_new(model.net, &model.integer, NULL), SQZ_OK);
        for (int c = 0; c < model.integer->n_convs; c++) {
            struct sqz_integer_conv *conv = &model.integer->convs[c];
            conv->shift = 30;
            for (int o = 0; o < model.net->layers[conv->layer].channels; o++)
                conv->multipliers[o] = 1;
        }
        assert_int_equal(sqz_flat_make(&model, (enum sqz_flat_unit)SQZ_RT_UNIT, &flat, NULL),
                         SQZ_OK);
        const size_t arena = sqz_rt_arena(flat.bytes.data, flat.bytes.size);
        print_message("%s, %d pixels, %d classes: arena %zu, flash %zu bytes\n", cases[i].variant,
                      cases[i].side, cases[i].classes, arena, flat.bytes.size);
        assert_true(arena <= cases[i].most);
        sqz_bytes_release(&flat.bytes);
        sqz_integer_net_free(model.integer);
        sqz_net_free(model.net);
    }
}

static int run_flat_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_network),       cmocka_unit_test(stems_and_channels),
        cmocka_unit_test(a_thousand_classes),  cmocka_unit_test(damaged_models),
        cmocka_unit_test(overflow_is_refused), cmocka_unit_test(arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
