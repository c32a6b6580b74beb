// Unlabelled pictures of a folder, however deep they lie, as network inputs.
#ifndef SQZ_API_PICTURES_H
#define SQZ_API_PICTURES_H

#include "api/context.h"

struct sqz_pictures;
// At most `most` JPEG and PNG files below `dir`, spread over all of them; hidden names are passed
// over, other files ignored. Which ones, and their order, follows from the names alone.
// SQZ_E_NOINPUT when there are none.
enum sqz_status sqz_pictures_open(struct sqz_context *context, const char *dir,
                                  const struct sqz_preprocess *preprocess, int most,
                                  struct sqz_pictures **out, struct sqz_error *err);
void sqz_pictures_free(struct sqz_pictures *pictures);
int sqz_pictures_count(const struct sqz_pictures *pictures);
// The inputs of pictures [first, first + n); `arg` is a struct sqz_pictures.
enum sqz_status sqz_pictures_read(void *arg, int first, int n, float *out, struct sqz_error *err);

#endif
