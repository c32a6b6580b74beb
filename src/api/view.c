// The image as the network sees it: its input turned back into pixels.
#include "api/classifier.h"

// Where channel c of the view is in the input.
static int input_channel(const struct sqz_preprocess *preprocess, int c)
{
    return preprocess->channels == 1 ? 0 : preprocess->bgr ? 2 - c : c;
}

void sqz_view_from_input(const struct sqz_preprocess *preprocess, const float *input, int channels,
                         uint8_t *pixels)
{
    const size_t n = (size_t)preprocess->image_size * (size_t)preprocess->image_size;
    const size_t from_channels = (size_t)preprocess->channels;
    for (size_t p = 0; p < n; p++, input += from_channels)
        for (int c = 0; c < channels; c++) {
            const int from = input_channel(preprocess, c);
            *pixels++ =
                sqz_preprocess_pixel(input[from], preprocess->mean[from], preprocess->std[from]);
        }
}

void sqz_view_from_pixels(const struct sqz_preprocess *preprocess, const uint8_t *input,
                          int channels, uint8_t *pixels)
{
    const size_t n = (size_t)preprocess->image_size * (size_t)preprocess->image_size;
    for (size_t p = 0; p < n; p++, input += preprocess->channels)
        for (int c = 0; c < channels; c++)
            *pixels++ = input[input_channel(preprocess, c)];
}
