// The kernels as their callers meet them: small cases worked out by hand, on every level that this
// machine has. The exhaustive comparison is tests/check.
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sqz_kernels *levels[SQZ_CPU_LEVELS];
static int n_levels;

static int find_levels(void **state)
{
    (void)state;
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        const struct sqz_kernels *k = sqz_kernels_get((enum sqz_cpu_level)level);
        if (k->level == (enum sqz_cpu_level)level)
            levels[n_levels++] = k;
    }
    return 0;
}

// 1x3x3 image 1..9, 3x3 kernel that is 1 everywhere, padding 1: sums of neighbourhoods.
static const float nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const struct sqz_conv box = {.in_h = 3,
                                    .in_w = 3,
                                    .in_c = 1,
                                    .out_h = 3,
                                    .out_w = 3,
                                    .out_c = 1,
                                    .kernel = 3,
                                    .stride = 1,
                                    .pad = 1};
static const float box_sums[9] = {12, 21, 16, 27, 45, 33, 24, 39, 28};

struct buffers {
    float packed[9 * 16];
    void *scratch;
};

static void pack_ones(const struct sqz_kernels *k, struct buffers *b, bool backward)
{
    float ones[9];
    for (int i = 0; i < 9; i++)
        ones[i] = 1;
    assert_true(sqz_conv_forward_pack_size(k, &box) <= 9 * 16);
    assert_true(sqz_conv_backward_pack_size(k, &box) <= 9 * 16);
    if (backward)
        sqz_conv_pack_backward(k, &box, ones, b->packed);
    else
        sqz_conv_pack_forward(k, &box, ones, b->packed);
    size_t size = sqz_conv_scratch_size(k, &box);
    assert_int_equal(size % 64, 0);
    b->scratch = aligned_alloc(64, size);
    assert_non_null(b->scratch);
}

static void forward_sums_neighbourhoods(void **state)
{
    (void)state;
    for (int l = 0; l < n_levels; l++) {
        struct buffers b;
        pack_ones(levels[l], &b, false);
        float y[9], bias = -30;
        sqz_conv_forward(levels[l],
                         &(struct sqz_conv_task){.conv = &box,
                                                 .x = nine,
                                                 .ldx = 1,
                                                 .packed = b.packed,
                                                 .y = y,
                                                 .ldy = 1,
                                                 .pixel1 = 9,
                                                 .channel1 = 1},
                         b.scratch);
        assert_memory_equal(y, box_sums, sizeof y);
        sqz_conv_forward(levels[l],
                         &(struct sqz_conv_task){.conv = &box,
                                                 .x = nine,
                                                 .ldx = 1,
                                                 .packed = b.packed,
                                                 .bias = &bias,
                                                 .relu = true,
                                                 .y = y,
                                                 .ldy = 1,
                                                 .pixel1 = 9,
                                                 .channel1 = 1},
                         b.scratch);
        for (int i = 0; i < 9; i++)
            assert_true(y[i] == (box_sums[i] > 30 ? box_sums[i] - 30 : 0));
        free(b.scratch);
    }
}

static void backward_data_adds_or_overwrites(void **state)
{
    (void)state;
    for (int l = 0; l < n_levels; l++) {
        struct buffers b;
        pack_ones(levels[l], &b, true);
        float dx[9];
        for (int i = 0; i < 9; i++)
            dx[i] = 1000;
        sqz_conv_backward_data(levels[l],
                               &(struct sqz_conv_task){.conv = &box,
                                                       .x = nine,
                                                       .ldx = 1,
                                                       .packed = b.packed,
                                                       .accumulate = true,
                                                       .y = dx,
                                                       .ldy = 1},
                               b.scratch);
        for (int i = 0; i < 9; i++) // a box kernel is its own transpose
            assert_true(dx[i] == 1000 + box_sums[i]);
        sqz_conv_backward_data(
            levels[l],
            &(struct sqz_conv_task){
                .conv = &box, .x = nine, .ldx = 1, .packed = b.packed, .y = dx, .ldy = 1},
            b.scratch);
        assert_memory_equal(dx, box_sums, sizeof dx);
        free(b.scratch);
    }
}

static void backward_weights_adds(void **state)
{
    (void)state;
    for (int l = 0; l < n_levels; l++) {
        struct buffers b;
        pack_ones(levels[l], &b, false);
        const float ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
        const float want[9] = {12, 21, 16, 27, 45, 33, 24, 39, 28}; // each tap sees a corner of x
        float dw[9], db = 5;
        for (int i = 0; i < 9; i++)
            dw[i] = 1;
        sqz_conv_backward_weights(
            levels[l],
            &(struct sqz_conv_gradient){
                .conv = &box, .x = nine, .ldx = 1, .dy = ones, .lddy = 1, .dw = dw, .db = &db},
            b.scratch);
        for (int i = 0; i < 9; i++)
            assert_true(dw[i] == 1 + want[i]);
        assert_true(db == 14);
        sqz_conv_backward_weights(
            levels[l],
            &(struct sqz_conv_gradient){
                .conv = &box, .x = nine, .ldx = 1, .dy = ones, .lddy = 1, .dw = dw},
            b.scratch);
        assert_true(dw[4] == 1 + 2 * want[4]);
        free(b.scratch);
    }
}

static void pooling_clips_and_remembers(void **state)
{
    (void)state;
    // 4x4, windows 3/2 in ceil mode: the second row and column of windows hang over the edge.
    const float x[16] = {1, 2, 3, 4, 5, 9, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7};
    const struct sqz_pool2d pool = {
        .in_h = 4, .in_w = 4, .out_h = 2, .out_w = 2, .channels = 1, .kernel = 3, .stride = 2};
    for (int l = 0; l < n_levels; l++) {
        float y[4], dx[16] = {0};
        uint8_t index[4];
        levels[l]->maxpool(&pool, x, 1, y, 1, index);
        assert_true(y[0] == 9 && y[1] == 8 && y[2] == 9 && y[3] == 7);
        // The first of equal values wins: 9 at (1, 1) before 9 at (2, 0).
        assert_true(index[0] == 4 && index[1] == 4 && index[2] == 0 && index[3] == 4);
        levels[l]->maxpool_backward(&pool, y, 1, index, dx, 1);
        assert_true(dx[5] == 9 && dx[7] == 8 && dx[8] == 9 && dx[15] == 7);
    }
}

static void nan_stays_visible(void **state)
{
    (void)state;
    float x[9];
    memcpy(x, nine, sizeof x);
    x[4] = NAN;
    const struct sqz_pool2d pool = {
        .in_h = 3, .in_w = 3, .out_h = 1, .out_w = 1, .channels = 1, .kernel = 3, .stride = 2};
    for (int l = 0; l < n_levels; l++) {
        struct buffers b;
        pack_ones(levels[l], &b, false);
        float y[9];
        sqz_conv_forward(levels[l],
                         &(struct sqz_conv_task){.conv = &box,
                                                 .x = x,
                                                 .ldx = 1,
                                                 .packed = b.packed,
                                                 .relu = true,
                                                 .y = y,
                                                 .ldy = 1,
                                                 .pixel1 = 9,
                                                 .channel1 = 1},
                         b.scratch);
        for (int i = 0; i < 9; i++)
            assert_true(isnan(y[i]));
        levels[l]->maxpool(&pool, x, 1, y, 1, NULL);
        assert_true(isnan(y[0]));
        free(b.scratch);
    }
}

static void levels_fall_back(void **state)
{
    (void)state;
    assert_int_equal(sqz_kernels_get(SQZ_CPU_REF)->level, SQZ_CPU_REF);
    enum sqz_cpu_level best = sqz_cpu_level(NULL);
    // Every level gives one that it covers and the processor has; the other family's the reference.
    for (int level = SQZ_CPU_REF; level < SQZ_CPU_LEVELS; level++) {
        const enum sqz_cpu_level asked = (enum sqz_cpu_level)level;
        const enum sqz_cpu_level got = sqz_kernels_get(asked)->level;
        assert_true(sqz_cpu_level_covers(asked, got) && sqz_cpu_level_covers(best, got));
        if ((asked >= SQZ_CPU_NEON) != (best >= SQZ_CPU_NEON))
            assert_int_equal(got, SQZ_CPU_REF);
    }
    for (int l = 0; l < n_levels; l++) {
        assert_true(levels[l]->nr == 16 || (levels[l]->nr == 32 && levels[l]->gemm_half != NULL));
        assert_true(sqz_kernels_peak_gflops(levels[l]) > 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_sums_neighbourhoods),
        cmocka_unit_test(backward_data_adds_or_overwrites),
        cmocka_unit_test(backward_weights_adds),
        cmocka_unit_test(pooling_clips_and_remembers),
        cmocka_unit_test(nan_stays_visible),
        cmocka_unit_test(levels_fall_back),
    };
    return cmocka_run_group_tests(tests, find_levels, NULL);
}
