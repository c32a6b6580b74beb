// The images of the synthetic dataset; private to src/data.
#ifndef SQZ_DATA_SYNTH_H
#define SQZ_DATA_SYNTH_H

#include "base/random.h"
#include <stdint.h>

enum sqz_synth_class { // in the order of their names' bytes
    SQZ_SYNTH_CHECKER,
    SQZ_SYNTH_CIRCLE,
    SQZ_SYNTH_CROSS,
    SQZ_SYNTH_DIAGONAL,
    SQZ_SYNTH_DOTS,
    SQZ_SYNTH_HORIZONTAL,
    SQZ_SYNTH_RING,
    SQZ_SYNTH_SQUARE,
    SQZ_SYNTH_TRIANGLE,
    SQZ_SYNTH_VERTICAL,
    SQZ_SYNTH_CLASSES
};
extern const char *const sqz_synth_names[SQZ_SYNTH_CLASSES];

// Draws one image of size x size RGB pixels; the same bytes on every machine, since it uses only
// IEEE additions, multiplications, divisions and floor.
void sqz_synth_draw(enum sqz_synth_class what, int size, struct sqz_random *random, uint8_t *rgb);

#endif
