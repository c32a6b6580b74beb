// The loops of colour and geometry for every processor, and the choice among the levels.
#include "data/augment/operation_ops_tmpl.h"

const struct sqz_operation_ops sqz_operation_ops_ref = {
    brighten, mix_one,    mix_gray, mix,      sum_gray,  invert_from,
    mask,     smooth_row, blur_row, warp_row, shift_row, extremes,
};

const struct sqz_operation_ops *sqz_operation_ops(void)
{
#ifdef __x86_64__
    if (sqz_pixels_by_avx2())
        return &sqz_operation_ops_avx2;
#endif
    return &sqz_operation_ops_ref;
}
