// Operations that look at a pixel's eight neighbours: smoothing (the other end of sharpness) and a
// small Gaussian.
#include "data/augment/operation.h"
#include "data/augment/operation_ops.h"

#include <math.h>
#include <string.h>

void sqz_smooth(const struct sqz_image *in, struct sqz_image *out)
{
    const struct sqz_operation_ops *ops = sqz_operation_ops();
    size_t stride = (size_t)in->w * (size_t)in->c, c = (size_t)in->c;
    for (int y = 0; y < in->h; y++) {
        const uint8_t *row = in->pixels + (size_t)y * stride;
        uint8_t *to = out->pixels + (size_t)y * stride;
        memcpy(to, row, stride);
        if (y > 0 && y < in->h - 1 && in->w > 2)
            ops->smooth_row(row - stride, row, row + stride, stride - 2 * c, c, to + c);
    }
}

// Weights of the outer and the centre tap in 1/256, rounded as OpenCV rounds them.
static void weigh(double sigma, int *outer, int *centre)
{
    double side = exp(-0.5 / (sigma * sigma));
    *outer = (int)lrint(256 * side / (1 + 2 * side));
    *centre = 256 - 2 * *outer;
}

static int mirror(int i, int n)
{
    if (n == 1)
        return 0;
    return i < 0 ? 1 : i >= n ? n - 2 : i;
}

void sqz_blur(double sigma, const struct sqz_image *in, struct sqz_image *out)
{
    const struct sqz_operation_ops *ops = sqz_operation_ops();
    int outer, centre, w = in->w;
    size_t stride = (size_t)w * (size_t)in->c, c = (size_t)in->c;
    weigh(sigma, &outer, &centre);
    for (int y = 0; y < in->h; y++) {
        const uint8_t *rows[3];
        for (int k = 0; k < 3; k++)
            rows[k] = in->pixels + (size_t)mirror(y + k - 1, in->h) * stride;
        uint8_t *to = out->pixels + (size_t)y * stride;
        if (w > 2)
            ops->blur_row(rows, stride - 2 * c, c, (uint16_t)outer, (uint16_t)centre, to + c);
        for (int x = 0; x<w; x += w> 1 ? w - 1 : 1) {
            size_t left = (size_t)mirror(x - 1, w) * c, right = (size_t)mirror(x + 1, w) * c;
            for (size_t k = 0; k < c; k++) {
                uint32_t sum = 0;
                for (int r = 0; r < 3; r++) {
                    const uint8_t *row = rows[r] + k;
                    uint32_t across = (uint32_t)(row[left] + row[right]) * (uint32_t)outer +
                                      row[(size_t)x * c] * (uint32_t)centre;
                    sum += across * (uint32_t)(r == 1 ? centre : outer);
                }
                to[(size_t)x * c + k] = (uint8_t)((sum + (1 << 15)) >> 16);
            }
        }
    }
}
