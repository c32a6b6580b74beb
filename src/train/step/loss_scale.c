// Fixed and dynamic loss scales, step for step as MindSpore's manager.
#include "train/step/loss_scale.h"

#include <math.h>

enum { WINDOW = 2000 }; // steps without overflow before the scale is doubled

struct sqz_loss_scale sqz_loss_scale_of(const struct sqz_train_config *config)
{
    if (config->loss_scale_type == SQZ_SCALE_TYPE_AUTO) {
        // MindSpore: no scale, but for O2, which begins at 2^24.
        bool half = config->amp_level == SQZ_AMP_O2;
        return (struct sqz_loss_scale){
            .scale = half ? 16777216 : 1, .drops = half, .dynamic = half};
    }
    return (struct sqz_loss_scale){.scale = config->loss_scale,
                                   .drops = config->drop_overflow_update,
                                   .dynamic = config->loss_scale_type == SQZ_SCALE_TYPE_DYNAMIC};
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
