// The reference level of everything but the micro-kernels: ref_tmpl.h in float.
#include "kernels/levels.h"

#define SQZ_REAL float
#define SQZ_REF(name) name##_ref
#include "kernels/ref_tmpl.h"

void sqz_ops_fill_ref(struct sqz_kernels *k)
{
    k->relu_backward = relu_backward_ref;
    k->maxpool = maxpool_ref;
    k->maxpool_backward = maxpool_backward_ref;
    k->add = add_ref;
    k->channel_mean = channel_mean_ref;
    k->channel_sum = channel_sum_ref;
    k->sum_of_squares = sum_of_squares_ref;
}
