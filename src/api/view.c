// The image as the network sees it: its input turned back into pixels.
#include "api/classifier.h"

void sqz_view_from_input(const struct sqz_preprocess *preprocess, const float *input, int channels,
                         uint8_t *pixels)
{
    const size_t n = (size_t)preprocess->image_size * (size_t)preprocess->image_size;
    const size_t from_channels = (size_t)preprocess->channels;
    for (size_t p = 0; p < n; p++, input += from_channels)
        for (int c = 0; c < channels; c++) {
            const int from = from_channels == 1 ? 0 : preprocess->bgr ? 2 - c : c;
            *pixels++ =
                sqz_preprocess_pixel(input[from], preprocess->mean[from], preprocess->std[from]);
        }
}
