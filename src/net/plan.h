// Memory plan: blocks with lifetimes get places in one arena, so that blocks which are never alive
// together share bytes.
#ifndef SQZ_NET_PLAN_H
#define SQZ_NET_PLAN_H

#include <stddef.h>

struct sqz_block {
    size_t size;     // bytes; 0 takes no place
    int first, last; // positions in time at which the block is alive, both included
    size_t offset;   // out; a multiple of SQZ_ALIGNMENT
};

// Fills the offsets and returns the size of the arena. n is small (one block a tensor).
size_t sqz_plan_blocks(struct sqz_block *blocks, int n);
// The same for blocks whose first half is written by one thread and whose second half by another:
// each half lies where the same thread wrote before, so that cache lines stay with their core.
// Takes a little more memory.
size_t sqz_plan_split_blocks(struct sqz_block *blocks, int n);

#endif
