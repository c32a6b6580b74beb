// OpenCV's INTER_AREA on 8 bits when shrinking: the mean of the covered source pixels, whole ones
// fully and those at the rim in part. Integer factors sum in integers, others in float32.
#include "data/resize/resize.h"

#include <float.h>
#include <math.h>

struct cover {
    int first, count; // source pixels
};

// The weights of the pixels that result d covers, at most ceil(step) + 1 of them.
static struct cover cover_of(const struct sqz_resize_axis *axis, int d, float *weights)
{
    const double rim = 1e-3; // thinner slices are left out
    double step = 1.0 / ((double)axis->out / axis->in);
    double from = d * step, to = from + step;
    double width = step < axis->in - from ? step : axis->in - from;
    int begin = (int)ceil(from), end = (int)floor(to), n = 0;
    end = end < axis->in - 1 ? end : axis->in - 1;
    begin = begin < end ? begin : end;
    struct cover cover = {begin, 0};
    if (begin - from > rim) {
        cover.first--;
        weights[n++] = (float)((begin - from) / width);
    }
    for (int i = begin; i < end; i++)
        weights[n++] = (float)(1.0 / width);
    if (to - end > rim) {
        double part = to - end < 1.0 ? to - end : 1.0;
        weights[n++] = (float)((part < width ? part : width) / width);
    }
    cover.count = n;
    return cover;
}

static size_t cover_limit(const struct sqz_resize_axis *axis)
{
    return (size_t)(axis->in / axis->out) + 3;
}

// A little generous: the exact cover depends on which slices are too thin.
void sqz_resize_area_span(const struct sqz_resize_axis *axis, int d, int *low, int *high)
{
    double step = 1.0 / ((double)axis->out / axis->in);
    int first = (int)floor(d * step) - 1, end = (int)ceil((d + 1) * step) + 1;
    *low = first < 0 ? 0 : first;
    *high = end < axis->in ? end : axis->in;
}

// 0 when the factor is not whole, also when only rounding makes it so: OpenCV asks the same way.
static int whole_factor(const struct sqz_resize_axis *axis)
{
    double step = 1.0 / ((double)axis->out / axis->in);
    return fabs(step - rint(step)) < DBL_EPSILON ? (int)rint(step) : 0;
}

static void shrink_by_whole(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                            int factor_x, int factor_y, uint8_t *out)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    int area = factor_x * factor_y;
    float scale = 1.0f / (float)area;
    for (int j = 0; j < y->count; j++)
        for (int i = 0; i < x->count; i++)
            for (int c = 0; c < in->c; c++) {
                size_t column = (size_t)((x->first + i) * factor_x - x->held);
                size_t row = (size_t)((y->first + j) * factor_y - y->held);
                const uint8_t *p = in->pixels + row * in->stride + column * (size_t)in->c + c;
                int64_t sum = 0;
                for (int v = 0; v < factor_y; v++, p += in->stride)
                    for (int u = 0; u < factor_x; u++)
                        sum += p[u * in->c];
                *out++ = factor_x == 2 && factor_y == 2 ? (uint8_t)((sum + 2) >> 2)
                                                        : (uint8_t)lrintf((float)sum * scale);
            }
}

static void add_row(const struct sqz_resize_axis *x, const struct cover *covers,
                    const float *weights, size_t limit, const uint8_t *row, int channels,
                    float beta, float *sums)
{
    for (int i = 0; i < x->count; i++) {
        const uint8_t *p = row + (size_t)(covers[i].first - x->held) * (size_t)channels;
        for (int c = 0; c < channels; c++) {
            float sum = 0;
            for (int k = 0; k < covers[i].count; k++)
                sum += p[k * channels + c] * weights[(size_t)i * limit + (size_t)k];
            sums[i * channels + c] += beta * sum;
        }
    }
}

static void take_sums(float *sums, int n, uint8_t *out)
{
    for (int i = 0; i < n; i++) {
        float sum = sums[i] < 255 ? sums[i] : 255;
        out[i] = (uint8_t)lrintf(sum);
        sums[i] = 0;
    }
}

enum sqz_status sqz_resize_area(const struct sqz_resize *resize, const struct sqz_resize_source *in,
                                uint8_t *out, struct sqz_transform_scratch *scratch,
                                struct sqz_error *err)
{
    const struct sqz_resize_axis *x = &resize->x, *y = &resize->y;
    int factor_x = whole_factor(x), factor_y = whole_factor(y);
    if (factor_x && factor_y) {
        shrink_by_whole(resize, in, factor_x, factor_y, out);
        return SQZ_OK;
    }
    size_t n = (size_t)x->count, c = (size_t)in->c;
    size_t limit_x = cover_limit(x), limit_y = cover_limit(y);
    size_t sizes[] = {n * sizeof(struct cover), n * limit_x * sizeof(float),
                      limit_y * sizeof(float), n * c * sizeof(float)};
    void *parts[4];
    enum sqz_status status = sqz_scratch_cut(scratch, sizes, 4, parts, err);
    if (status)
        return status;
    struct cover *covers = parts[0];
    float *weights = parts[1], *betas = parts[2], *sums = parts[3];
    for (int i = 0; i < x->count; i++)
        covers[i] = cover_of(x, x->first + i, weights + (size_t)i * limit_x);
    for (size_t i = 0; i < n * c; i++)
        sums[i] = 0;
    for (int j = 0; j < y->count; j++, out += n * c) {
        struct cover cover = cover_of(y, y->first + j, betas);
        for (int k = 0; k < cover.count; k++)
            add_row(x, covers, weights, limit_x,
                    in->pixels + (size_t)(cover.first + k - y->held) * in->stride, in->c, betas[k],
                    sums);
        take_sums(sums, x->count * in->c, out);
    }
    return SQZ_OK;
}
