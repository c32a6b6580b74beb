// What a worker does with one task of a group in one stage: the tasks of bn_group.c.
#ifndef SQZ_NET_BN_PASS_H
#define SQZ_NET_BN_PASS_H

#include "net/bn_group.h"

int sqz_bn_tasks(const struct sqz_bn_group *group); // of the current group

// Tasks of sqz_pool_run; `group` is a struct sqz_bn_group, its `stage` the one to do.
void sqz_bn_forward_task(void *group, int task, int worker);
void sqz_bn_backward_task(void *group, int task, int worker);

#endif
