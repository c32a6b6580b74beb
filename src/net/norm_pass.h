// What a worker does with one part of a group in one stage: the tasks of norm_group.c.
#ifndef SQZ_NET_NORM_PASS_H
#define SQZ_NET_NORM_PASS_H

#include "net/norm_group.h"

int sqz_norm_parts(const struct sqz_norm_group *group); // of the current group

// Tasks of sqz_pool_run; `group` is a struct sqz_norm_group, its `stage` the one to do.
void sqz_norm_forward_part(void *group, int part, int worker);
void sqz_norm_backward_part(void *group, int part, int worker);

#endif
