// Models whose weights stay in their file: for inference in the least memory (net/engine.h).
#ifndef SQZ_FORMATS_STREAMED_H
#define SQZ_FORMATS_STREAMED_H

#include "formats/formats.h"
#include "net/weight_source.h"

struct sqz_streamed;
// The model of any file as sqz_model_read gives it, but with weights NULL. They stay where they
// are: in a .safetensors on the disk, which is kept open; in a .sqz as codes, in memory; else in
// memory, once. All are read once here, so damage is known from the beginning. Both results are
// the caller's.
enum sqz_status sqz_streamed_open(const char *path, const char *dialect, int image_size,
                                  struct sqz_model **model, struct sqz_streamed **out,
                                  struct sqz_error *err);
void sqz_streamed_free(struct sqz_streamed *streamed);
// Valid as long as `streamed`. Only files on the disk can fail: SQZ_E_IO.
const struct sqz_weight_source *sqz_streamed_source(const struct sqz_streamed *streamed);

#endif
