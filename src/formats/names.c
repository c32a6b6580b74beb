// The one map between the layer names of MindCV, Caffe and Deep Compression.
#include "formats/common.h"

#include <stdio.h>

void sqz_conv_name(enum sqz_naming naming, int version, int conv, char *out)
{
    static const char *const first[] = {"features.0", "conv1", "conv1"};
    static const char *const last[] = {"classifier.1", "conv10", "conv_final"};
    static const char *const parts[][3] = {
        {"squeeze", "expand1x1", "expand3x3"},
        {"squeeze1x1", "expand1x1", "expand3x3"},
        {"conv1x1_1", "conv1x1_2", "conv3x3_2"},
    };
    static const int features[][8] = {{3, 4, 5, 7, 8, 9, 10, 12}, {3, 4, 6, 7, 9, 10, 11, 12}};
    int fire = (conv - 1) / 3;
    if (conv == 0)
        snprintf(out, 48, "%s", first[naming]);
    else if (conv == SQZ_N_CONVS - 1)
        snprintf(out, 48, "%s", last[naming]);
    else if (naming == SQZ_NAMING_MINDCV)
        snprintf(out, 48, "features.%d.%s", features[version][fire], parts[naming][(conv - 1) % 3]);
    else
        snprintf(out, 48, "fire%d/%s", fire + 2, parts[naming][(conv - 1) % 3]);
}
