// The pixel loops for every processor, and the choice among the levels.
#include "data/transform_pixels_tmpl.h"

#include "base/cpu.h"

const struct sqz_pixel_ops sqz_pixel_ops_ref = {
    linear_row, linear_blend, filter_row,  filter_blend, brighten,   mix_one,  mix_gray, mix,
    sum_gray,   normalize,    invert_from, mask,         smooth_row, blur_row, warp_row,
};

const struct sqz_pixel_ops *sqz_pixel_ops(void)
{
#ifdef __x86_64__
    enum sqz_cpu_level level = sqz_cpu_level(NULL);
    if (level == SQZ_CPU_AVX2 || level == SQZ_CPU_AVX512)
        return &sqz_pixel_ops_avx2;
#endif
    return &sqz_pixel_ops_ref;
}
