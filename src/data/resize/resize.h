// Resizing 8-bit images as OpenCV and Pillow do, also restricted to the part of the result that is
// wanted.
#ifndef SQZ_DATA_RESIZE_H
#define SQZ_DATA_RESIZE_H

#include "base/preprocess.h"
#include "data/resize/scratch.h"

// Resizes to w x h with one of the interpolations of base/preprocess.h, on 8 bits. `crop` (w = 0 or
// NULL: whole image) is the source region, whose edges count as the image's. `out` must not be
// `in`. Equal bit for bit to OpenCV 4 without IPP (INTER_CUBIC: ties may round the other way, one
// value in a million) and to Pillow up to 11 (from 12 on, first for images 100 times as tall as
// wide, Pillow sometimes takes the rows before the columns: a few values then differ by 1).
enum sqz_status sqz_image_resize(const struct sqz_image *in, const struct sqz_rect *crop, int w,
                                 int h, enum sqz_interpolation interpolation, struct sqz_image *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err);

// One direction of a resize.
struct sqz_resize_axis {
    int in, out;      // whole lengths
    int first, count; // the results that are wanted
    int held;         // index of the first source pixel that is in memory
};
struct sqz_resize {
    enum sqz_interpolation interpolation;
    struct sqz_resize_axis x, y;
};
// A part of the source, in memory: at least what sqz_resize_needs says.
struct sqz_resize_source {
    const uint8_t *pixels; // of column x.held, row y.held
    size_t stride;         // bytes
    int c;
};

// The source pixels that the wanted results are made from.
void sqz_resize_needs(const struct sqz_resize *resize, struct sqz_rect *out);
// out gets x.count x y.count pixels. `in` must not be out's buffer.
enum sqz_status sqz_resize_run(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                               struct sqz_image *out, struct sqz_transform_scratch *scratch,
                               struct sqz_error *err);

// The methods. *_span: source pixels low..high-1 that result d is made from, clamped to the
// image.
typedef void (*sqz_resize_span_fn)(const struct sqz_resize_axis *axis, int d, int *low, int *high);
typedef enum sqz_status (*sqz_resize_method_fn)(const struct sqz_resize *resize,
                                                const struct sqz_resize_source *in, uint8_t *out,
                                                struct sqz_transform_scratch *scratch,
                                                struct sqz_error *err);
void sqz_resize_linear_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
enum sqz_status sqz_resize_linear(const struct sqz_resize *resize,
                                  const struct sqz_resize_source *in, uint8_t *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err);
void sqz_resize_cubic_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
enum sqz_status sqz_resize_cubic(const struct sqz_resize *resize,
                                 const struct sqz_resize_source *in, uint8_t *out,
                                 struct sqz_transform_scratch *scratch, struct sqz_error *err);
// OpenCV's area method enlarges by a linear method with coordinates of its own (is_shrinking
// false).
static inline bool sqz_resize_is_shrinking(const struct sqz_resize *resize)
{
    return resize->x.out <= resize->x.in && resize->y.out <= resize->y.in;
}
void sqz_resize_enlarge_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
enum sqz_status sqz_resize_enlarge(const struct sqz_resize *resize,
                                   const struct sqz_resize_source *in, uint8_t *out,
                                   struct sqz_transform_scratch *scratch, struct sqz_error *err);
void sqz_resize_area_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
enum sqz_status sqz_resize_area(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                                uint8_t *out, struct sqz_transform_scratch *scratch,
                                struct sqz_error *err);
void sqz_resize_pillow_linear_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
void sqz_resize_pillow_cubic_span(const struct sqz_resize_axis *axis, int d, int *low, int *high);
enum sqz_status sqz_resize_pillow(const struct sqz_resize *resize,
                                  const struct sqz_resize_source *in, uint8_t *out,
                                  struct sqz_transform_scratch *scratch, struct sqz_error *err);

#endif
