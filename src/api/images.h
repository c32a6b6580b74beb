// Unlabelled images of a directory, however deep they lie, as network inputs.
#ifndef SQZ_API_IMAGES_H
#define SQZ_API_IMAGES_H

#include "api/context.h"

struct sqz_images;
// At most `most` JPEG and PNG files below `dir`, spread over all of them; hidden names are passed
// over, other files ignored. Which ones, and their order, follows from the names alone.
// SQZ_E_NOINPUT when there are none.
enum sqz_status sqz_images_open(struct sqz_context *context, const char *dir,
                                const struct sqz_preprocess *preprocess, int most,
                                struct sqz_images **out, struct sqz_error *err);
void sqz_images_free(struct sqz_images *images);
int sqz_images_count(const struct sqz_images *images);
// The inputs of images [first, first + n); `arg` is a struct sqz_images.
enum sqz_status sqz_images_read(void *arg, int first, int n, float *out, struct sqz_error *err);

#endif
