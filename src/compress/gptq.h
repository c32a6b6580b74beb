// Second-order rounding: every weight's rounding error is passed on to the weights that are not
// rounded yet, in the measure of what the layer's output will show (GPTQ, arXiv 2210.17323; with
// zeros kept: the same on the remaining weights only).
#ifndef SQZ_COMPRESS_GPTQ_H
#define SQZ_COMPRESS_GPTQ_H

#include "base/threads.h"
#include "compress/moments.h"

// One way to round a layer.
struct sqz_gptq_way {
    float step;
    // A code of +-1 becomes 0 where that adds less than this to the error, in squares of the step
    // at an average weight of the row. 0: never; from 2 on no average weight is worth its step.
    float zero_price;
};
struct sqz_gptq_job {
    const float *weights; // rows x moments->columns, OIHW
    int rows;
    const struct sqz_moments *moments;
    bool keep_zeros; // weights that are 0 stay 0
    const struct sqz_gptq_way *ways;
    int n_ways;
    // Out, per way: codes[w] has rows x columns; loss[w] is the sum over the rows of the mean
    // squared error of the output that a bias cannot mend. Both owned by the caller.
    int16_t *const *codes;
    double *loss;
};
// Rows are independent of each other: any number of threads gives the same codes.
enum sqz_status sqz_gptq_run(const struct sqz_gptq_job *job, struct sqz_pool *pool,
                             struct sqz_error *err);

#endif
