// Second-order rounding: every weight's rounding error is passed on to the weights that are not
// rounded yet, so that the error of the layer's output is smallest (GPTQ, arXiv 2210.17323; with
// zeros kept: the same on the remaining weights only).
#ifndef SQZ_COMPRESS_GPTQ_H
#define SQZ_COMPRESS_GPTQ_H

#include "base/threads.h"
#include "compress/input_statistics.h"

// A quantizer that could be applied to a layer.
struct sqz_candidate {
    float step;
    // A code of +-1 becomes 0 where that adds less than this to the error, in squares of the step
    // at an average weight of the row. 0: never; from 2 on no average weight is worth its step.
    float zero_threshold;
};
struct sqz_gptq_job {
    const float *weights; // rows x statistics->columns, OIHW
    int rows;
    const struct sqz_input_statistics *statistics;
    bool keep_zeros; // weights that are 0 stay 0
    int max_code;    // largest magnitude of a code; 0: SQZ_MAX_CODE
    const struct sqz_candidate *candidates;
    int n_candidates;
    // Out, for each candidate: codes[c] has rows x columns; distortion[c] is the sum over the rows
    // of the variance of the output's error (a bias can take its mean). Both owned by the caller.
    int16_t *const *codes;
    double *distortion;
};
// Rows are independent of each other: any number of threads gives the same codes.
enum sqz_status sqz_gptq_run(const struct sqz_gptq_job *job, struct sqz_pool *pool,
                             struct sqz_error *err);

#endif
