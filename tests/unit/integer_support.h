// Integer networks with random numbers, for tests. Included after cmocka's headers.
#ifndef SQZ_TESTS_INTEGER_SUPPORT_H
#define SQZ_TESTS_INTEGER_SUPPORT_H

#include "base/random.h"
#include "kernels/requantize.h"
#include "net/integer.h"

#include <string.h>

static inline struct sqz_net *new_net(const char *variant, const char *dialect, int classes,
                                      int channels, int side)
{
    struct sqz_net_spec spec = {.variant = sqz_variant_find(variant),
                                .dialect = sqz_dialect_find(dialect),
                                .classes = classes,
                                .channels = channels,
                                .image_h = side,
                                .image_w = side};
    struct sqz_net *net = NULL;
    assert_int_equal(sqz_net_new(&spec, &net, NULL), SQZ_OK);
    return net;
}

// Random numbers of the size that calibration gives.
static inline struct sqz_integer_net *new_integers(const struct sqz_net *net,
                                                   struct sqz_random *random)
{
    struct sqz_integer_net *integer = NULL;
    assert_int_equal(sqz_integer_net_new(net, &integer, NULL), SQZ_OK);
    for (int i = 0; i < integer->n_convs; i++) {
        struct sqz_integer_conv *conv = &integer->convs[i];
        bool last = i == integer->n_convs - 1;
        int columns = sqz_integer_columns(net, conv->layer);
        conv->shift = last ? 27 : 29;
        for (int o = 0; o < net->layers[conv->layer].channels; o++) {
            conv->steps[o] = 0.001f * (float)(1 + o % 7);
            conv->units[o] = 0.03f * conv->steps[o];
            conv->bias[o] = (int32_t)(sqz_random_u64(random) % 20001) - (last ? 0 : 10000);
            conv->multipliers[o] =
                last ? (1 << 23) + 1 + 2 * o : (int32_t)(sqz_random_u64(random) % (1 << 22)) | 1;
            for (int k = 0; k < columns; k++)
                conv->weights[o * columns + k] = (int8_t)((int)(sqz_random_u64(random) % 101) - 50);
        }
    }
    for (int i = 0; i < integer->n_adds; i++) {
        integer->adds[i].input_multiplier = 10000 + i;
        integer->adds[i].addend_multiplier = 9000 - i;
    }
    memcpy(integer->pad_pixel, (uint8_t[]){124, 116, 104}, 3);
    return integer;
}

#endif
