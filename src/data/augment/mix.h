// Mixup and CutMix: every image of a batch is mixed with its partner, the image at the
// same place from the batch's end.
#ifndef SQZ_DATA_MIX_H
#define SQZ_DATA_MIX_H

#include "base/random.h"
#include <stdbool.h>
#include <stddef.h>

struct sqz_mix {
    double mixup, cutmix;      // alpha of their Beta distributions; 0: off
    double probability;        // that a batch is mixed at all
    double switch_probability; // of cutmix where both are on
};
bool sqz_mix_is_on(const struct sqz_mix *mix, int batch); // false for batches of one image

struct sqz_mix_draw {
    double share; // of an image's own label in its target; 1: nothing is mixed
    bool cut;     // cutmix: the box comes from the partner, else the pixels are blended
    int top, left, bottom, right; // of the box, the last two not included
};
// For images of h x w pixels.
void sqz_mix_draw(const struct sqz_mix *mix, int h, int w, struct sqz_random *random,
                  struct sqz_mix_draw *out);
// The box of a cutmix with this lambda and centre, and the share that is left (always corrected to
// what the box covers).
void sqz_mix_box(double lambda, int centre_y, int centre_x, int h, int w, struct sqz_mix_draw *out);
// In place on n images of h x w x channels floats.
void sqz_mix_run(const struct sqz_mix_draw *draw, int n, int h, int w, int channels, float *images);

#endif
