// Fixed and dynamic loss scales, step for step as MindSpore's manager.
#include "train/step/loss_scale.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 2000 }; // steps without overflow before the scale is doubled

// MindCV's own training step, instead of MindSpore's; "auto" does not know it.
static bool is_custom_path(const struct sqz_options *options)
{
    return options->ema || options->clip_grad || options->gradient_accumulation_steps > 1 ||
           *options->amp_cast_list;
}

enum sqz_status sqz_loss_scale_init(const struct sqz_options *options, struct sqz_loss_scale *out,
                                    struct sqz_error *err)
{
    *out = (struct sqz_loss_scale){.scale = options->loss_scale,
                                   .drops = options->drop_overflow_update};
    if (strcmp(options->loss_scale_type, "dynamic") == 0) {
        if (!options->drop_overflow_update)
            return sqz_fail(err, SQZ_E_CONFIG,
                            "Option loss_scale_type is dynamic, but a dynamic scale has to skip "
                            "overflowing updates; add \"--drop_overflow_update true\".");
        out->dynamic = true;
    } else if (strcmp(options->loss_scale_type, "auto") == 0) {
        if (is_custom_path(options))
            return sqz_fail(err, SQZ_E_CONFIG,
                            "Option loss_scale_type auto cannot be combined with ema, clip_grad, "
                            "gradient_accumulation_steps or amp_cast_list; use fixed or dynamic.");
        // MindSpore: no scale, but for O2, which begins at 2^24.
        bool half = strcmp(options->amp_level, "O2") == 0;
        *out =
            (struct sqz_loss_scale){.scale = half ? 16777216 : 1, .drops = half, .dynamic = half};
    }
    return SQZ_OK;
}

void sqz_loss_scale_step(struct sqz_loss_scale *scale, bool overflow)
{
    if (!scale->dynamic)
        return;
    scale->steps++;
    bool due = scale->steps - scale->mark >= WINDOW;
    if (overflow)
        scale->scale = fmax(scale->scale / 2, 1);
    else if (due)
        scale->scale *= 2;
    if (overflow || due)
        scale->mark = scale->steps;
}
