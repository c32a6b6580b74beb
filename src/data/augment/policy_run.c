// Carries out what a policy drew for one image.
#include "data/augment/transform.h"
#include "data/resize/resize.h"

#include <string.h>

static enum sqz_status run(const struct sqz_policy_draw *draw, int first, int end,
                           const struct sqz_operation_style *style, struct sqz_image *image,
                           struct sqz_image *spare, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    for (int i = first; i < end && !status; i++)
        status = sqz_operation_run(&draw->operations[i], style, image, spare, err);
    return status;
}

static void add(const uint8_t *restrict pixels, size_t n, float weight, float *restrict sums)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += weight * (float)pixels[i];
}

// Clipped and truncated to 8 bits, as MindCV does.
static void cut(const float *restrict sums, size_t n, uint8_t *restrict pixels)
{
    for (size_t i = 0; i < n; i++) {
        float value = sums[i];
        pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

// The chains' weighted sum as the chain image's 8 bits.
static enum sqz_status run_chains(const struct sqz_policy_draw *draw,
                                  const struct sqz_operation_style *style,
                                  const struct sqz_image *image, float *sums,
                                  struct sqz_image *chain, struct sqz_image *spare,
                                  struct sqz_error *err)
{
    size_t n = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    enum sqz_status status = SQZ_OK;
    memset(sums, 0, n * sizeof *sums);
    for (int i = 0; i < draw->chains && !status; i++) {
        status = sqz_image_resize_buffer(chain, image->w, image->h, image->c, err);
        if (status)
            return status;
        memcpy(chain->pixels, image->pixels, n);
        status = run(draw, i ? draw->ends[i - 1] : 0, draw->ends[i], style, chain, spare, err);
        if (!status)
            add(chain->pixels, n, draw->weights[i], sums);
    }
    if (!status)
        cut(sums, n, chain->pixels);
    return status;
}

// The mix of image and chains stays in floating point; as normalising is affine, the normalised
// ones are mixed.
static void mix(float share, const float *restrict mixed, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (1.0f - share) * out[i] + share * mixed[i];
}

enum sqz_status sqz_policy_run(const struct sqz_augment *augment, struct sqz_random *random,
                               const struct sqz_preprocess *preprocess, float *out,
                               struct sqz_transform_scratch *scratch, struct sqz_error *err)
{
    struct sqz_image *view = &scratch->view, *spare = &scratch->spare;
    struct sqz_policy_draw draw;
    sqz_policy_draw(&augment->policy, random, &draw);
    if (draw.chains == 0) {
        enum sqz_status status = run(&draw, 0, draw.n, &augment->style, view, spare, err);
        if (!status)
            sqz_normalize(preprocess, view->pixels, false, false, false, out);
        return status;
    }
    size_t n = (size_t)view->w * (size_t)view->h * (size_t)view->c, bytes = n * sizeof(float);
    void *sums;
    enum sqz_status status = sqz_scratch_cut(scratch, &bytes, 1, &sums, err);
    // The crop's own buffers are free by now, but for the image that later views begin with.
    struct sqz_image *chain = &scratch->padded;
    if (!status)
        status = run_chains(&draw, &augment->style, view, sums, chain, spare, err);
    if (status)
        return status;
    sqz_normalize(preprocess, view->pixels, false, false, true, out);
    sqz_normalize(preprocess, chain->pixels, false, false, true, sums);
    mix(draw.mix, sums, n, out);
    return SQZ_OK;
}
