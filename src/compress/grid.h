// The quantiser that training runs through: multiples of one step a parameter.
#ifndef SQZ_COMPRESS_GRID_H
#define SQZ_COMPRESS_GRID_H

#include "base/threads.h"
#include "net/net.h"

struct sqz_grid {
    const struct sqz_net *net;
    float *steps; // one a parameter; 0: its values are taken as they are (or as base). Owned
    // NULL, or the weights of an older file on the same steps. Owned. A value leaves its old code
    // (without a base: 0) only when it is at least `reach` steps away.
    float *base;
    float reach;
};
void sqz_grid_release(struct sqz_grid *grid);
// SQZ_E_NOMEM when out of memory; all steps are 0.
enum sqz_status sqz_grid_new(const struct sqz_net *net, struct sqz_grid *out,
                             struct sqz_error *err);
// `out` becomes `weights` on the grid (both n_weights floats): code * step exactly, never -0.0, so
// that sqz_coded_from_floats finds the step again.
void sqz_grid_round(const struct sqz_grid *grid, struct sqz_pool *pool, const float *weights,
                    float *out);

#endif
