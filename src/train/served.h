// What a network computes with while it is retrained for compression: the weights that training
// moves are rounded (straight through: the gradient ignores that), zeros stay zeros, shared weights
// move together.
#ifndef SQZ_TRAIN_SERVED_H
#define SQZ_TRAIN_SERVED_H

#include "compress/grid.h"
#include "compress/ties.h"
#include <stdbool.h>

enum sqz_serving {
    SQZ_SERVE_PLAIN, // the weights as they are
    SQZ_SERVE_GRID,  // rounded to steps
    SQZ_SERVE_SHARED // as they are; equal ones are trained as one
};
struct sqz_served {
    struct sqz_pool *pool; // borrowed
    enum sqz_serving how;
    enum sqz_serving later; // what it becomes when the quantiser goes into the loop
    bool keeps_zeros;       // weights of 0 are not trained
    struct sqz_grid grid;   // GRID
    struct sqz_ties ties;   // SHARED
    float *rounded;         // GRID: the last ones served
    unsigned char *zeros;   // which weights were 0 before the update
    size_t n;
    const float *judged; // what the run is judged by; NULL: as without retraining
};
enum sqz_status sqz_served_init(const struct sqz_net *net, struct sqz_pool *pool,
                                struct sqz_served *out, struct sqz_error *err);
void sqz_served_release(struct sqz_served *served);
// In the order of a step: before the forward pass; on its gradient; around the optimizer's update.
const float *sqz_served_weights(struct sqz_served *served, const float *weights);
void sqz_served_gradient(struct sqz_served *served, const float *weights, float *gradient);
void sqz_served_before_update(struct sqz_served *served, const float *weights, float *gradient);
void sqz_served_after_update(struct sqz_served *served, float *weights);

#endif
