// An integer network prepared for one set of kernels: where its tensors lie in an arena, and its
// packed weights. It does not change once made, so engines in any number of threads may hold it; it
// is freed with the last holder.
#ifndef SQZ_NET_INTEGER_PLAN_H
#define SQZ_NET_INTEGER_PLAN_H

#include "kernels/integer/integer.h"
#include "net/integer.h"

#include <stdatomic.h>
#include <stddef.h>

struct sqz_integer_place { // of a tensor in the arena
    size_t offset;
    int frame;            // pixels on each side
    ptrdiff_t pixel, row; // bytes
};
struct sqz_integer_packed { // a convolution
    size_t weights;         // offset in plan->weights, bytes
    size_t channels;        // offset in plan->bias and plan->scales, which are filled up to panels
    bool winograd;
};
struct sqz_integer_plan {
    const struct sqz_integer_net *integer; // borrowed
    enum sqz_cpu_level most;               // that was asked for
    const struct sqz_integer_kernels *kernels;
    atomic_int holders;
    size_t arena, work;               // bytes of a worker's tensors; of the room where a task works
    struct sqz_integer_place *places; // one a tensor
    struct sqz_integer_packed *convs;
    size_t weight_bytes, channels; // of all convolutions, channels filled up to panels
    int8_t *weights;               // NULL before sqz_integer_plan_pack
    int32_t *bias;
    float *scales;
};

// Everything but the packed weights; held once. Levels that need the pair rule
// (kernels/integer/integer.h) are passed over where a layer breaks it.
enum sqz_status sqz_integer_plan_new(const struct sqz_integer_net *integer, enum sqz_cpu_level most,
                                     struct sqz_integer_plan **out, struct sqz_error *err);
enum sqz_status sqz_integer_plan_pack(struct sqz_integer_plan *plan, struct sqz_error *err);
size_t sqz_integer_plan_weight_bytes(const struct sqz_integer_plan *plan); // packed
struct sqz_integer_plan *sqz_integer_plan_hold(struct sqz_integer_plan *plan);
void sqz_integer_plan_release(struct sqz_integer_plan *plan); // may be NULL

#endif
