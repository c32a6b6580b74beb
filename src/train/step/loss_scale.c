// Fixed and dynamic loss scales, step for step as MindSpore's manager.
#include "train/step/loss_scale.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 2000 }; // steps without overflow before the scale is doubled

struct sqz_loss_scale sqz_loss_scale_of(const struct sqz_options *options)
{
    if (strcmp(options->loss_scale_type, "auto") == 0) {
        // MindSpore: no scale, but for O2, which begins at 2^24.
        bool half = strcmp(options->amp_level, "O2") == 0;
        return (struct sqz_loss_scale){
            .scale = half ? 16777216 : 1, .drops = half, .dynamic = half};
    }
    return (struct sqz_loss_scale){.scale = options->loss_scale,
                                   .drops = options->drop_overflow_update,
                                   .dynamic = strcmp(options->loss_scale_type, "dynamic") == 0};
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
