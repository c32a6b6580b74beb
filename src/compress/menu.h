// What a layer could become: for every step of a scale its codes, their bytes and their damage.
#ifndef SQZ_COMPRESS_MENU_H
#define SQZ_COMPRESS_MENU_H

#include "compress/gptq.h"

#define SQZ_MENU 38 // steps of a scale

struct sqz_menu {
    const struct sqz_layer *layer;
    const struct sqz_param *weight, *bias;
    const struct sqz_moments *moments;
    int rows, columns;
    bool sparse;           // its zeros are kept
    float *oihw;           // the original weights, rows x columns
    float steps[SQZ_MENU]; // ascending
    int16_t *codes[SQZ_MENU];
    double loss[SQZ_MENU];  // as in gptq.h
    size_t bytes[SQZ_MENU]; // of the weight's payload
};
// `share_kept` zero weights: a layer with more zeros than that counts as pruned.
enum sqz_status sqz_menu_new(const struct sqz_net *net, const float *weights,
                             const struct sqz_moments *moments, struct sqz_pool *pool,
                             struct sqz_menu *out, struct sqz_error *err);
void sqz_menu_release(struct sqz_menu *menu);
// Puts the layer as step `choice` has it into a network's weights. The bias takes over the mean of
// the outputs' error and is rounded to multiples of *bias_step (0: not rounded).
void sqz_menu_serve(const struct sqz_menu *menu, int choice, float bias_step, float *weights);
// A step of the biases whose rounding error is small beside that of the weights.
float sqz_menu_bias_step(const struct sqz_menu *menu, int choice);

#endif
