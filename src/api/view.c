// The image as the network sees it: its input turned back into pixels.
#include "api/classifier.h"
#include <math.h>

void sqz_view_from_input(const struct sqz_preprocess *preprocess, const float *input, uint8_t *rgb)
{
    size_t pixels = (size_t)preprocess->image_size * (size_t)preprocess->image_size;
    int channels = preprocess->channels;
    for (size_t p = 0; p < pixels; p++)
        for (int c = 0; c < 3; c++) {
            int from = channels == 1 ? 0 : preprocess->bgr ? 2 - c : c;
            float value = input[p * (size_t)channels + (size_t)from] * preprocess->std[from] +
                          preprocess->mean[from];
            rgb[p * 3 + (size_t)c] = (uint8_t)(value < 0     ? 0
                                               : value > 255 ? 255
                                                             : (int)lroundf(value));
        }
}
