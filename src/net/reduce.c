// Adds the leaves' gradients by a fixed binary tree while they come in, with few buffers.
//
// Level 0 of the tree holds the leaves; node i of level l + 1 is node 2i plus node 2i + 1 of level
// l, or node 2i alone where that is the last of its level. Whoever completes the second of two
// siblings adds them and goes up; a sum of two is the same bits either way round.
//
// No deadlock: a thread that holds a leaf never waits, so waiting can last only if every buffer
// belongs to a completed node that lacks its sibling. Leaves are numbered and given their buffers
// in one step, so then the leaves 0 .. m-1 are complete and no other has begun; they make up one
// node for each 1 bit of m < leaves, at most floor(log2(leaves)). One more buffer is therefore
// enough; another one for each thread lets them all work.
#include "net/reduce.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct waiting { // a completed node that lacks its sibling
    int buffer;  // -1: none
    double loss;
};

struct sqz_reduce {
    const struct sqz_kernels *kernels;
    size_t n_weights, stride; // floats
    int n_buffers;
    float *buffers;
    int *free_buffers;
    struct waiting *waiting; // one a pair of siblings, level by level
    pthread_mutex_t lock;
    pthread_cond_t freed;
    // of the current sum:
    int leaves, next_leaf, n_free;
    float *out;
    double loss;
};

int sqz_reduce_buffers(int threads, int leaves)
{
    int log2 = 0;
    while (leaves >> (log2 + 1))
        log2++;
    int enough = threads + log2 + 1;
    return enough < leaves ? enough : leaves;
}

static size_t buffer_floats(size_t n_weights)
{
    size_t step = SQZ_ALIGNMENT / sizeof(float);
    return (n_weights + step - 1) / step * step;
}

size_t sqz_reduce_buffer_size(size_t n_weights)
{
    return buffer_floats(n_weights) * sizeof(float);
}

enum sqz_status sqz_reduce_new(const struct sqz_kernels *kernels, size_t n_weights, int max_leaves,
                               int buffers, struct sqz_reduce **out, struct sqz_error *err)
{
    struct sqz_reduce *reduce = sqz_new_array(1, sizeof *reduce);
    if (!reduce)
        return sqz_fail_memory(err, "the gradients", sizeof *reduce);
    reduce->kernels = kernels;
    reduce->n_weights = n_weights;
    reduce->stride = buffer_floats(n_weights);
    reduce->n_buffers = buffers;
    pthread_mutex_init(&reduce->lock, NULL);
    pthread_cond_init(&reduce->freed, NULL);
    reduce->buffers = sqz_new_aligned((size_t)buffers, sqz_reduce_buffer_size(n_weights));
    reduce->free_buffers = sqz_new_array((size_t)buffers, sizeof *reduce->free_buffers);
    reduce->waiting = sqz_new_array((size_t)max_leaves, sizeof *reduce->waiting);
    if (!reduce->buffers || !reduce->free_buffers || !reduce->waiting) {
        sqz_reduce_free(reduce);
        return sqz_fail_memory(err, "the gradients",
                               (size_t)buffers * sqz_reduce_buffer_size(n_weights));
    }
    *out = reduce;
    return SQZ_OK;
}

void sqz_reduce_free(struct sqz_reduce *reduce)
{
    if (!reduce)
        return;
    pthread_cond_destroy(&reduce->freed);
    pthread_mutex_destroy(&reduce->lock);
    sqz_free(reduce->buffers);
    sqz_free(reduce->free_buffers);
    sqz_free(reduce->waiting);
    sqz_free(reduce);
}

void sqz_reduce_begin(struct sqz_reduce *reduce, int leaves, float *out)
{
    reduce->leaves = leaves;
    reduce->next_leaf = 0;
    reduce->out = out;
    reduce->loss = 0;
    reduce->n_free = reduce->n_buffers;
    for (int i = 0; i < reduce->n_buffers; i++)
        reduce->free_buffers[i] = reduce->n_buffers - 1 - i; // the first is given out first
    for (int i = 0; i < leaves; i++)                         // a tree of n leaves has n - 1 pairs
        reduce->waiting[i].buffer = -1;
}

static float *buffer_at(const struct sqz_reduce *reduce, int buffer)
{
    return reduce->buffers + (size_t)buffer * reduce->stride;
}

void sqz_reduce_take(struct sqz_reduce *reduce, struct sqz_leaf *leaf)
{
    pthread_mutex_lock(&reduce->lock);
    while (reduce->n_free == 0)
        pthread_cond_wait(&reduce->freed, &reduce->lock);
    leaf->index = reduce->next_leaf++;
    leaf->buffer = reduce->free_buffers[--reduce->n_free];
    pthread_mutex_unlock(&reduce->lock);
    leaf->gradient = buffer_at(reduce, leaf->buffer);
    memset(leaf->gradient, 0, reduce->n_weights * sizeof *leaf->gradient);
}

static void release(struct sqz_reduce *reduce, int buffer)
{
    pthread_mutex_lock(&reduce->lock);
    reduce->free_buffers[reduce->n_free++] = buffer;
    pthread_cond_signal(&reduce->freed);
    pthread_mutex_unlock(&reduce->lock);
}

// True if the sibling is complete: it is then in *sibling, and the caller owns both. Otherwise
// *node waits for it.
static bool meet(struct sqz_reduce *reduce, struct waiting *place, const struct waiting *node,
                 struct waiting *sibling)
{
    pthread_mutex_lock(&reduce->lock);
    bool both = place->buffer >= 0;
    if (both)
        *sibling = *place;
    else
        *place = *node;
    pthread_mutex_unlock(&reduce->lock);
    return both;
}

void sqz_reduce_put(struct sqz_reduce *reduce, const struct sqz_leaf *leaf, double loss)
{
    struct waiting node = {leaf->buffer, loss}, sibling;
    struct waiting *level = reduce->waiting;
    int i = leaf->index, n = reduce->leaves; // node i of the n nodes of a level
    for (; n > 1; level += n / 2, i /= 2, n = (n + 1) / 2) {
        if (i == n - 1 && n % 2 == 1)
            continue; // has no sibling
        if (!meet(reduce, &level[i / 2], &node, &sibling))
            return;
        float *own = buffer_at(reduce, node.buffer);
        reduce->kernels->add(own, buffer_at(reduce, sibling.buffer), n == 2 ? reduce->out : own,
                             reduce->n_weights);
        node.loss += sibling.loss;
        release(reduce, sibling.buffer);
    }
    if (reduce->leaves == 1)
        memcpy(reduce->out, leaf->gradient, reduce->n_weights * sizeof *reduce->out);
    reduce->loss = node.loss;
    release(reduce, node.buffer);
}

double sqz_reduce_loss(const struct sqz_reduce *reduce)
{
    return reduce->loss;
}
