// Classifies one camera frame, of 640 x 480 BGR pixels as OpenCV has them.
#include <cstdio>
#include <squeezenet.h>
#include <vector>

int main(int, char **argv)
{
    std::vector<unsigned char> frame(640 * 480 * 3, 127); // from your camera
    sqz_error err;
    sqz_context *context = nullptr;
    sqz_classifier *classifier = nullptr;
    sqz_class_score best[5];
    int n = 5;
    sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    pixels.format = SQZ_PIXELS_BGR;
    pixels.width = 640;
    pixels.height = 480;
    pixels.planes[0] = frame.data();
    sqz_status status = sqz_context_new(0, &context, &err);
    if (!status) status = sqz_classifier_open(context, argv[1], nullptr, &classifier, &err);
    if (!status) status = sqz_classify_pixels(classifier, &pixels, best, &n, &err);
    if (status) std::fprintf(stderr, "%s\n", err.text);
    else std::printf("%s %.1f %%\n", best[0].name, 100 * best[0].probability);
    sqz_classifier_free(classifier);
    sqz_context_free(context);
    return status;
}
