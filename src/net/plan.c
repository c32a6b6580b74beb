// Greedy best fit: the largest block first, each into the tightest gap between the placed blocks
// that live at the same time. Blocks of one size go in the order of time or against it, whichever
// takes less.
#include "net/plan.h"

#include "base/memory.h"

#include <stdbool.h>

#define NOT_PLACED ((size_t)-1)

static size_t round_up(size_t size)
{
    return (size + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
}

static bool takes_place(const struct sqz_block *block)
{
    return block->offset != NOT_PLACED && block->size > 0;
}

static bool meet(const struct sqz_block *a, const struct sqz_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

// The largest block that is not placed yet, of equals the first or the last; -1 when all are.
static int next_block(const struct sqz_block *blocks, int n, bool last)
{
    int best = -1;
    for (int i = 0; i < n; i++) {
        if (blocks[i].offset == NOT_PLACED && (best < 0 || blocks[i].size > blocks[best].size ||
                                               (last && blocks[i].size == blocks[best].size)))
            best = i;
    }
    return best;
}

// The end of the free gap that begins at `from`: the lowest placed block above it that is in the
// way. *blocked gives the end of a block that covers `from` itself, if one does.
static size_t gap_end(const struct sqz_block *blocks, int n, const struct sqz_block *block,
                      size_t from, size_t *blocked)
{
    size_t end = (size_t)-1;
    *blocked = 0;
    for (int i = 0; i < n; i++) {
        const struct sqz_block *other = &blocks[i];
        if (!takes_place(other) || !meet(other, block))
            continue;
        size_t other_end = other->offset + round_up(other->size);
        if (other->offset <= from && other_end > from && other_end > *blocked)
            *blocked = other_end;
        if (other->offset >= from && other->offset < end)
            end = other->offset;
    }
    return end;
}

static size_t best_offset(const struct sqz_block *blocks, int n, const struct sqz_block *block)
{
    size_t best = 0, best_gap = 0, from = 0;
    bool found = false;
    for (;;) {
        size_t blocked, end = gap_end(blocks, n, block, from, &blocked);
        if (blocked) {
            from = blocked;
            continue;
        }
        size_t gap = end == (size_t)-1 ? end : end - from;
        if (gap >= round_up(block->size) && (!found || gap < best_gap)) {
            found = true;
            best = from;
            best_gap = gap;
        }
        if (end == (size_t)-1)
            return best;
        from = end;
    }
}

static void forget_places(struct sqz_block *blocks, int n)
{
    for (int i = 0; i < n; i++)
        blocks[i].offset = NOT_PLACED;
}

static size_t place_blocks(struct sqz_block *blocks, int n, bool last)
{
    size_t arena = 0;
    forget_places(blocks, n);
    for (int i = next_block(blocks, n, last); i >= 0; i = next_block(blocks, n, last)) {
        struct sqz_block *block = &blocks[i];
        block->offset = block->size ? best_offset(blocks, n, block) : 0;
        size_t end = block->offset + round_up(block->size);
        if (end > arena)
            arena = end;
    }
    return arena;
}

size_t sqz_plan_blocks(struct sqz_block *blocks, int n)
{
    size_t backwards = place_blocks(blocks, n, true), forwards = place_blocks(blocks, n, false);
    return forwards <= backwards ? forwards : place_blocks(blocks, n, true);
}

static size_t half(const struct sqz_block *block)
{
    return round_up((block->size + 1) / 2);
}

static size_t centre(const struct sqz_block *block)
{
    return block->offset + half(block);
}

// True when no block around that centre lives at the same time as this one.
static bool is_free(const struct sqz_block *blocks, int n, size_t at, const struct sqz_block *block)
{
    for (int i = 0; i < n; i++)
        if (takes_place(&blocks[i]) && centre(&blocks[i]) == at && meet(&blocks[i], block))
            return false;
    return true;
}

// The largest first: around the centre of a larger one there is room.
size_t sqz_plan_split_blocks(struct sqz_block *blocks, int n)
{
    size_t arena = 0;
    forget_places(blocks, n);
    for (int i = next_block(blocks, n, false); i >= 0; i = next_block(blocks, n, false)) {
        struct sqz_block *block = &blocks[i];
        size_t at = arena + half(block);
        for (int j = 0; j < n; j++)
            if (takes_place(&blocks[j]) && centre(&blocks[j]) < at &&
                is_free(blocks, n, centre(&blocks[j]), block))
                at = centre(&blocks[j]);
        block->offset = block->size ? at - half(block) : 0;
        if (at + half(block) > arena)
            arena = at + half(block);
    }
    return arena;
}
