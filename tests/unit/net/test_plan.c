// The memory planner.
#include "support.h"

#include "net/infer.h"
#include "net/infer_plan.h"
#include "net/plan.h"

static size_t round_up(size_t size)
{
    return (size + 63) / 64 * 64;
}

// No block may share a byte with one that lives at the same time; returns the least arena possible.
static size_t check_blocks(const struct sqz_block *blocks, int n, size_t arena)
{
    size_t most = 0;
    for (int i = 0; i < n; i++) {
        const struct sqz_block *a = &blocks[i];
        if (a->size == 0)
            continue;
        assert_int_equal(a->offset % 64, 0);
        assert_true(a->offset + a->size <= arena);
        size_t alive = 0;
        for (int j = 0; j < n; j++) {
            const struct sqz_block *b = &blocks[j];
            if (b->size && b->first <= a->first && a->first <= b->last)
                alive += round_up(b->size);
            bool meet = a->first <= b->last && b->first <= a->last;
            if (i != j && b->size && meet)
                assert_true(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset);
        }
        most = alive > most ? alive : most;
    }
    return most;
}

static void test_random_blocks(void **state)
{
    (void)state;
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    for (int round = 0; round < 300; round++) {
        struct sqz_block blocks[40];
        int n = (int)sqz_random_int(&random, 1, 41);
        size_t sum = 0;
        for (int i = 0; i < n; i++) {
            int first = (int)sqz_random_int(&random, 0, 20);
            blocks[i] = (struct sqz_block){.size = (size_t)sqz_random_int(&random, 0, 5000),
                                           .first = first,
                                           .last = first + (int)sqz_random_int(&random, 0, 6)};
            sum += round_up(blocks[i].size);
        }
        size_t arena = sqz_plan_blocks(blocks, n);
        size_t least = check_blocks(blocks, n, arena);
        assert_true(arena >= least && arena <= sum);
        size_t halved = sqz_plan_split_blocks(blocks, n);
        least = check_blocks(blocks, n, halved);
        assert_true(halved >= least && halved <= sum + (size_t)n * 64); // two rounded halves each
    }
}

static void test_known_cases(void **state)
{
    (void)state;
    struct sqz_block chain[] = {{100, 0, 1, 0}, {100, 1, 2, 0}, {100, 2, 3, 0}, {100, 3, 4, 0}};
    assert_int_equal(sqz_plan_blocks(chain, 4), 256); // two at a time
    struct sqz_block apart[] = {{64, 0, 0, 0}, {128, 1, 1, 0}, {0, 0, 1, 0}};
    assert_int_equal(sqz_plan_blocks(apart, 3), 128);
    assert_int_equal(sqz_plan_blocks(apart, 0), 0);
    struct sqz_block halved[] = {{256, 0, 1, 0}, {128, 1, 2, 0}, {128, 2, 3, 0}, {0, 0, 3, 0}};
    assert_int_equal(sqz_plan_split_blocks(halved, 4), 256 + 128);
    assert_int_equal(halved[1].offset, 256);
    assert_int_equal(halved[2].offset, 64); // in the middle of the first one's place
}

// Real networks: the arena is the least possible one; halved, a bypass takes up to a third more.
static void test_networks(void **state)
{
    (void)state;
    const struct sqz_kernels *kernels = sqz_kernels_get(SQZ_CPU_REF);
    for (int v = 0; sqz_variant_at(v); v++) {
        struct sqz_net_spec spec =
            make_spec(sqz_variant_at(v)->name, "torchvision", 1000, 224, 224);
        struct sqz_net *net = make_net(&spec);
        struct sqz_infer_plan plan;
        struct sqz_error err = {0};
        assert_int_equal(sqz_infer_plan_new(net, kernels, 1, false, &plan, &err), SQZ_OK);
        assert_int_equal(check_blocks(plan.blocks, net->n_tensors, plan.arena), plan.arena);
        sqz_infer_plan_release(&plan);
        assert_int_equal(sqz_infer_plan_new(net, kernels, 2, false, &plan, &err), SQZ_OK);
        const size_t least = check_blocks(plan.blocks, net->n_tensors, plan.arena);
        assert_true(plan.arena >= least && plan.arena <= least + least / 3);
        sqz_infer_plan_release(&plan);
        sqz_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_known_cases),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
