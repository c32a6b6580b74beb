// The pixel loops for every processor, and the choice among the levels.
#include "data/transform_pixels_tmpl.h"

#include "base/cpu.h"

const struct sqz_pixel_ops sqz_pixel_ops_ref = {
    linear_row, linear_blend, filter_row, filter_blend, mirror, normalize,
};

void sqz_filter_split(struct sqz_filter_bank *bank)
{
    int most = 1;
    for (int i = 0; i < bank->n; i++)
        most = bank->counts[i] > most ? bank->counts[i] : most;
    bank->groups = ((size_t)most + 3) / 4;
    for (int i = 0; i < bank->n; i++) {
        const int32_t *weights = bank->weights + (size_t)i * bank->taps;
        int16_t *halves = bank->halves + (size_t)i * bank->groups * SQZ_FILTER_GROUP;
        for (size_t k = 0; k < 4 * bank->groups; k++) {
            int32_t weight = k < (size_t)bank->counts[i] ? weights[k] : 0;
            int16_t *pairs = halves + k / 4 * SQZ_FILTER_GROUP + k % 4 / 2 * 8 + k % 2;
            for (int copy = 0; copy < 8; copy += 2) {
                pairs[copy] = (int16_t)(weight & ((1 << SQZ_FILTER_LOW_BITS) - 1));
                pairs[16 + copy] = (int16_t)(weight >> SQZ_FILTER_LOW_BITS);
            }
        }
    }
}

bool sqz_pixels_by_avx2(void)
{
#ifdef __x86_64__
    enum sqz_cpu_level level = sqz_cpu_level(NULL);
    return level == SQZ_CPU_AVX2 || level == SQZ_CPU_AVX512;
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
