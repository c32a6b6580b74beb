// The rows of a variant: what zoo.c tabulates and net.c expands.
#ifndef SQZ_NET_ZOO_H
#define SQZ_NET_ZOO_H

#include "net/net.h"

enum sqz_row_kind { SQZ_ROW_CONV, SQZ_ROW_POOL, SQZ_ROW_FIRE };

struct sqz_row {
    enum sqz_row_kind kind;
    int index;                         // the number in "features.<index>"
    int channels;                      // CONV: outputs
    int kernel, stride;                // CONV and POOL
    int squeeze, expand1x1, expand3x3; // FIRE
};
struct sqz_family {
    const struct sqz_row *rows;
    int n_rows;
    bool v11; // which of the dialect's two paddings applies
};

// Row `index` as the network has it; false when its stem leaves this one out.
bool sqz_spec_row(const struct sqz_net_spec *spec, int index, struct sqz_row *out);
int sqz_spec_conv1_pad(const struct sqz_net_spec *spec);
int sqz_dialect_conv10_pad(const struct sqz_dialect *dialect, const struct sqz_family *family);

#endif
