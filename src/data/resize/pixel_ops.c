// The pixel loops for every processor, and the choice among the levels.
#include "data/resize/pixel_ops_tmpl.h"

#include "base/cpu.h"

static void settle(void)
{
}

const struct sqz_pixel_ops sqz_pixel_ops_ref = {
    linear_row, linear_blend, filter_row, filter_blend, mirror, normalize, normalize, settle,
};

// One weight into place k of four in its group.
static void put_halves(int32_t weight, size_t k, int16_t *group)
{
    int16_t *pairs = group + k / 2 * 8 + k % 2;
    for (int copy = 0; copy < 8; copy += 2) {
        pairs[copy] = (int16_t)(weight & ((1 << SQZ_FILTER_LOW_BITS) - 1));
        pairs[16 + copy] = (int16_t)(weight >> SQZ_FILTER_LOW_BITS);
    }
}

void sqz_filter_split(struct sqz_filter_bank *bank)
{
    size_t most = 1;
    for (int i = 0; i < bank->n; i++)
        most = (size_t)bank->counts[i] > most ? (size_t)bank->counts[i] : most;
    bank->groups = most > 2 ? (most + 3) / 4 : 0;
    size_t places = most > 2 ? 4 * bank->groups : 2; // of a result
    size_t n = (size_t)bank->n, filled = most > 2 ? n : n + n % 2;
    for (size_t i = 0; i < filled; i++)
        for (size_t k = 0; k < places; k++) {
            bool counts = i < n && k < (size_t)bank->counts[i];
            int32_t weight = counts ? bank->weights[i * bank->taps + k] : 0;
            size_t at = i * places + k;
            put_halves(weight, at % 4, bank->halves + at / 4 * SQZ_FILTER_GROUP);
        }
}

bool sqz_pixels_by_avx2(void)
{
#ifdef __x86_64__
    return sqz_cpu_level_covers(sqz_cpu_level(NULL), SQZ_CPU_AVX2);
#else
    return false;
#endif
}

const struct sqz_pixel_ops *sqz_pixel_ops(void)
{
#ifdef __x86_64__
    if (sqz_pixels_by_avx2())
        return &sqz_pixel_ops_avx2;
#endif
    return &sqz_pixel_ops_ref;
}
