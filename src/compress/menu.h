// What a layer could become: for every way to round it its codes, their bytes and their damage.
#ifndef SQZ_COMPRESS_MENU_H
#define SQZ_COMPRESS_MENU_H

#include "compress/gptq.h"

#define SQZ_MENU 38 // ways to round a layer

struct sqz_menu {
    const struct sqz_layer *layer;
    const struct sqz_param *weight, *bias;
    const struct sqz_moments *moments;
    int rows, columns;
    bool sparse;     // its zeros are kept
    float *oihw;     // the original weights, rows x columns
    float bias_step; // that the biases are multiples of already; 0: none
    struct sqz_gptq_way ways[SQZ_MENU];
    int probe; // the way that tells what the layer's damage does to the answers
    int16_t *codes[SQZ_MENU];
    double loss[SQZ_MENU];  // as in gptq.h
    size_t bytes[SQZ_MENU]; // of the weight's payload
};
// grid: NULL, or a step a parameter that its weights are multiples of already (0: they are not).
// Such a layer can keep its step and lose codes, or take a coarser one. Without, the menu is a
// scale of steps, ascending.
enum sqz_status sqz_menu_new(const struct sqz_net *net, const float *weights, const float *grid,
                             const struct sqz_moments *moments, struct sqz_pool *pool,
                             struct sqz_menu *out, struct sqz_error *err);
void sqz_menu_release(struct sqz_menu *menu);
// Puts the layer as way `choice` has it into a network's weights. The bias takes over the mean of
// the outputs' error and is rounded to multiples of *bias_step (0: not rounded).
void sqz_menu_serve(const struct sqz_menu *menu, int choice, float bias_step, float *weights);
// A step of the biases whose rounding error is small beside that of the weights, and that is no
// finer than the one that they are on.
float sqz_menu_bias_step(const struct sqz_menu *menu, int choice);

#endif
