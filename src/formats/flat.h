// The flat model: an integer network as the bytes that deploy/squeezenet_rt.h runs where they lie,
// in flash or in a file. The header of that runtime defines the format.
#ifndef SQZ_FORMATS_FLAT_H
#define SQZ_FORMATS_FLAT_H

#include "base/file.h"
#include "formats/formats.h"

// How weights are packed: for processors that multiply 4 bytes at once (all but those with Arm's
// MVE), or 16.
enum sqz_flat_unit { SQZ_FLAT_UNIT_4 = 4, SQZ_FLAT_UNIT_16 = 16 };

struct sqz_flat {
    struct sqz_bytes bytes;               // sqz_bytes_release
    size_t weights, biases, arena, names; // bytes: of all weights, of biases and multipliers, ...
};
// model->integer must be there: SQZ_E_USAGE otherwise. The result has been checked by the runtime.
enum sqz_status sqz_flat_make(const struct sqz_model *model, enum sqz_flat_unit unit,
                              struct sqz_flat *out, struct sqz_error *err);

#endif
