// Unlabelled images of a directory, however deep they lie, as network inputs.
#ifndef SQZ_DATA_IMAGE_DIR_H
#define SQZ_DATA_IMAGE_DIR_H

#include "base/preprocess.h"
#include "base/threads.h"
#include "data/image/image.h"

struct sqz_image_dir;
// At most `most` JPEG and PNG files below `dir`, spread over all of them; hidden names are passed
// over, other files ignored, and a directory that links lead to again is listed once. Which ones,
// and their order, follows from the names alone.
// SQZ_E_NOINPUT when there are none.
enum sqz_status sqz_image_dir_open(struct sqz_pool *pool, const char *dir,
                                   const struct sqz_preprocess *preprocess, int most,
                                   struct sqz_image_dir **out, struct sqz_error *err);
void sqz_image_dir_free(struct sqz_image_dir *images);
// From now on an image that does not decode is no error: the next one that does takes its place.
enum sqz_status sqz_image_dir_skip_bad(struct sqz_image_dir *images, struct sqz_error *err);
// How many of those that were read did not decode, and the first of them.
int sqz_image_dir_bad(const struct sqz_image_dir *images, const char **first);
int sqz_image_dir_count(const struct sqz_image_dir *images);
// The inputs of images [first, first + n); `arg` is a struct sqz_image_dir.
enum sqz_status sqz_image_dir_read(void *arg, int first, int n, float *out, struct sqz_error *err);

#endif
