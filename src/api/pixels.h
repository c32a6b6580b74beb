// Callers' pixels, in the formats of cameras and image libraries, as the library's images.
#ifndef SQZ_API_PIXELS_H
#define SQZ_API_PIXELS_H

#include "data/image/image.h"

// *out views the caller's memory where its rows are contiguous RGB or gray, else `converted`, whose
// buffer is reused. SQZ_E_USAGE for pixels that cannot be.
enum sqz_status sqz_pixels_view(const struct sqz_pixels *pixels, const char *name,
                                struct sqz_image *converted, struct sqz_image *out,
                                struct sqz_error *err);

#endif
