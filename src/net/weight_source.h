// Where an engine gets weights from that it does not keep: a file, codes in memory.
#ifndef SQZ_NET_WEIGHT_SOURCE_H
#define SQZ_NET_WEIGHT_SOURCE_H

#include "base/error.h"

// `rows` writes rows [first, first + n) of a parameter, OIHW: a weight's are its output channels, a
// bias is one row. They are asked for in ascending order, from 0 in every run.
struct sqz_weight_source {
    void *arg;
    enum sqz_status (*rows)(void *arg, int param, int first, int n, float *out,
                            struct sqz_error *err);
};

#endif
