// Mixup and CutMix on whole batches.
#include "data/augment/mix.h"

#include <math.h>

bool sqz_mix_is_on(const struct sqz_mix *mix, int batch)
{
    return mix->mixup + mix->cutmix > 0 && batch > 1;
}

static int clip(int value, int high)
{
    return value < 0 ? 0 : value > high ? high : value;
}

void sqz_mix_box(double lambda, int centre_y, int centre_x, int h, int w, struct sqz_mix_draw *out)
{
    double side = sqrt(1 - lambda);
    int half_h = (int)(h * side) / 2, half_w = (int)(w * side) / 2;
    out->cut = true;
    out->top = clip(centre_y - half_h, h);
    out->bottom = clip(centre_y + half_h, h);
    out->left = clip(centre_x - half_w, w);
    out->right = clip(centre_x + half_w, w);
    double area = (double)(out->bottom - out->top) * (out->right - out->left);
    out->share = 1 - area / ((double)h * w);
}

void sqz_mix_draw(const struct sqz_mix *mix, int h, int w, struct sqz_random *random,
                  struct sqz_mix_draw *out)
{
    *out = (struct sqz_mix_draw){.share = 1};
    bool at_all = sqz_random_uniform(random, 0, 1) < mix->probability;
    bool cut = sqz_random_uniform(random, 0, 1) < mix->switch_probability;
    int y = (int)sqz_random_int(random, 0, h), x = (int)sqz_random_int(random, 0, w);
    if (!(mix->mixup > 0))
        cut = true;
    else if (!(mix->cutmix > 0))
        cut = false;
    double alpha = cut ? mix->cutmix : mix->mixup;
    if (!at_all || !(alpha > 0))
        return;
    double lambda = sqz_random_beta(random, alpha, alpha);
    if (cut)
        sqz_mix_box(lambda, y, x, h, w, out);
    else
        out->share = lambda;
}

static void blend(float share, size_t n, float *restrict a, float *restrict b)
{
    float rest = 1.0f - share;
    for (size_t i = 0; i < n; i++) {
        float own = a[i], other = b[i];
        a[i] = share * own + rest * other;
        b[i] = share * other + rest * own;
    }
}

static void exchange(size_t n, float *restrict a, float *restrict b)
{
    for (size_t i = 0; i < n; i++) {
        float own = a[i];
        a[i] = b[i];
        b[i] = own;
    }
}

void sqz_mix_run(const struct sqz_mix_draw *draw, int n, int h, int w, int channels, float *images)
{
    size_t row = (size_t)w * (size_t)channels, size = (size_t)h * row;
    if (draw->share == 1)
        return;
    // With an odd number the image in the middle is its own partner.
    for (int i = 0; i < n / 2; i++) {
        float *a = images + (size_t)i * size, *b = images + (size_t)(n - 1 - i) * size;
        if (!draw->cut) {
            blend((float)draw->share, size, a, b);
            continue;
        }
        for (int y = draw->top; y < draw->bottom; y++) {
            size_t at = (size_t)y * row + (size_t)draw->left * (size_t)channels;
            exchange((size_t)(draw->right - draw->left) * (size_t)channels, a + at, b + at);
        }
    }
}
