// Adds the leaves' gradients by a fixed binary tree while they come in, with few buffers.
//
// Whoever completes the second of two siblings, in one bucket, adds the right one's buffer to the
// left one's and goes up, so that a node lives in the buffer of its leftmost leaf. A sum of two is
// the same bits whoever adds. A node whose parent reaches beyond the range stays where it is.
//
// No deadlock: a thread that holds a leaf never waits, so waiting can last only if every buffer
// belongs to a completed node that stays or lacks its sibling. Leaves are numbered and given their
// buffers in one step, so then the leaves first .. m-1 are complete and no other has begun. In the
// whole tree they make up one node for each 1 bit of m < leaves, at most floor(log2(leaves)); in a
// range at most two a level. One more buffer is therefore enough; another one for each thread lets
// them all work.
#include "net/reduce.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct waiting { // a node, complete in one bucket, that lacks its sibling
    int buffer;  // -1: none
    double loss;
};
struct kept { // a node that stays
    int buffer;
    double loss;
};

struct sqz_reduce {
    const struct sqz_kernels *kernels;
    size_t n_weights, stride; // floats
    int n_buffers, n_buckets;
    struct sqz_bucket buckets[SQZ_BUCKETS];
    float *buffers;
    int *free_buffers;
    int *added;              // a buffer: buckets that are in its left sibling's
    struct waiting *waiting; // for each bucket: one a pair of siblings, level by level
    pthread_mutex_t lock;
    pthread_cond_t freed;
    // of the current sum:
    int leaves, first, end, next_leaf, n_free;
    float *out; // NULL: nodes are kept
    double loss;
    struct sqz_node nodes[SQZ_TREE_NODES];
    struct kept kept[SQZ_TREE_NODES];
    int n_nodes, complete[SQZ_BUCKETS]; // nodes that are
};

int sqz_reduce_buffers(int threads, int leaves, bool parts)
{
    int log2 = 0;
    while (leaves >> (log2 + 1))
        log2++;
    int enough = threads + (parts ? 2 * (log2 + 1) : log2) + 1;
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

enum sqz_status sqz_reduce_new(const struct sqz_kernels *kernels, const struct sqz_bucket *buckets,
                               int n_buckets, int max_leaves, int buffers, struct sqz_reduce **out,
                               struct sqz_error *err)
{
    size_t n_weights = buckets[0].end;
    struct sqz_reduce *reduce = sqz_new_array(1, sizeof *reduce);
    if (!reduce)
        return sqz_fail_memory(err, "the gradients", sizeof *reduce);
    reduce->kernels = kernels;
    reduce->n_weights = n_weights;
    reduce->stride = buffer_floats(n_weights);
    reduce->n_buffers = buffers;
    reduce->n_buckets = n_buckets;
    memcpy(reduce->buckets, buckets, (size_t)n_buckets * sizeof *buckets);
    pthread_mutex_init(&reduce->lock, NULL);
    pthread_cond_init(&reduce->freed, NULL);
    reduce->buffers = sqz_new_aligned((size_t)buffers, sqz_reduce_buffer_size(n_weights));
    reduce->free_buffers = sqz_new_array((size_t)buffers, sizeof *reduce->free_buffers);
    reduce->added = sqz_new_array((size_t)buffers, sizeof *reduce->added);
    reduce->waiting =
        sqz_new_array((size_t)max_leaves * (size_t)reduce->n_buckets, sizeof *reduce->waiting);
    if (!reduce->buffers || !reduce->free_buffers || !reduce->added || !reduce->waiting) {
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
    sqz_free(reduce->added);
    sqz_free(reduce->waiting);
    sqz_free(reduce);
}

void sqz_reduce_begin(struct sqz_reduce *reduce, int leaves, int first, int end, float *out)
{
    reduce->leaves = leaves;
    reduce->first = reduce->next_leaf = first;
    reduce->end = end;
    reduce->out = out;
    reduce->loss = 0;
    reduce->n_nodes = sqz_tree_nodes(leaves, first, end, reduce->nodes);
    memset(reduce->complete, 0, sizeof reduce->complete);
    reduce->n_free = reduce->n_buffers;
    for (int i = 0; i < reduce->n_buffers; i++)
        reduce->free_buffers[i] = reduce->n_buffers - 1 - i; // the first is given out first
    for (int i = 0; i < leaves * reduce->n_buckets; i++)     // a tree of n leaves has n - 1 pairs
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
    reduce->added[leaf->buffer] = 0;
    pthread_mutex_unlock(&reduce->lock);
    leaf->gradient = buffer_at(reduce, leaf->buffer);
    memset(leaf->gradient, 0, reduce->n_weights * sizeof *leaf->gradient);
}

// One more bucket of the buffer is used up; with the last one it is free.
static void use_up(struct sqz_reduce *reduce, int buffer)
{
    pthread_mutex_lock(&reduce->lock);
    if (++reduce->added[buffer] == reduce->n_buckets) {
        reduce->free_buffers[reduce->n_free++] = buffer;
        pthread_cond_signal(&reduce->freed);
    }
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

static void keep(struct sqz_reduce *reduce, int level, int index, int bucket,
                 const struct waiting *node)
{
    int at = 0;
    while (reduce->nodes[at].level != level || reduce->nodes[at].index != index)
        at++;
    pthread_mutex_lock(&reduce->lock);
    reduce->kept[at].buffer = node->buffer;
    if (bucket == reduce->n_buckets - 1)
        reduce->kept[at].loss = node->loss;
    reduce->complete[bucket]++;
    pthread_mutex_unlock(&reduce->lock);
}

// Whether all leaves of the parent of node `index` of a level belong to the range.
static bool parent_is_own(const struct sqz_reduce *reduce, int level, int index)
{
    int64_t first = (int64_t)(index / 2) << (level + 1), end = first + ((int64_t)2 << level);
    if (end > reduce->leaves)
        end = reduce->leaves;
    return first >= reduce->first && end <= reduce->end;
}

void sqz_reduce_put(struct sqz_reduce *reduce, const struct sqz_leaf *leaf, int bucket, double loss)
{
    const struct sqz_bucket *part = &reduce->buckets[bucket];
    size_t size = part->end - part->first;
    struct waiting node = {leaf->buffer, loss}, sibling;
    struct waiting *pairs = reduce->waiting + (size_t)bucket * (size_t)reduce->leaves;
    int i = leaf->index, n = reduce->leaves, level = 0; // node i of the n nodes of a level
    for (; n > 1; pairs += n / 2, i /= 2, n = (n + 1) / 2, level++) {
        if (!parent_is_own(reduce, level, i)) {
            keep(reduce, level, i, bucket, &node);
            return;
        }
        if (i == n - 1 && n % 2 == 1)
            continue; // has no sibling
        if (!meet(reduce, &pairs[i / 2], &node, &sibling))
            return;
        int left = i % 2 ? sibling.buffer : node.buffer,
            right = i % 2 ? node.buffer : sibling.buffer;
        float *sum = n == 2 && reduce->out ? reduce->out : buffer_at(reduce, left);
        reduce->kernels->add(buffer_at(reduce, left) + part->first,
                             buffer_at(reduce, right) + part->first, sum + part->first, size);
        node = (struct waiting){left, node.loss + sibling.loss};
        use_up(reduce, right);
    }
    if (!reduce->out) {
        keep(reduce, level, i, bucket, &node);
        return;
    }
    if (reduce->leaves == 1)
        memcpy(reduce->out + part->first, leaf->gradient + part->first, size * sizeof(float));
    if (bucket == reduce->n_buckets - 1)
        reduce->loss = node.loss;
    use_up(reduce, node.buffer);
}

double sqz_reduce_loss(const struct sqz_reduce *reduce)
{
    return reduce->loss;
}

const struct sqz_bucket *sqz_reduce_buckets(const struct sqz_reduce *reduce, int *n)
{
    *n = reduce->n_buckets;
    return reduce->buckets;
}

bool sqz_reduce_ready(struct sqz_reduce *reduce, int bucket)
{
    pthread_mutex_lock(&reduce->lock);
    bool ready = reduce->complete[bucket] == reduce->n_nodes;
    pthread_mutex_unlock(&reduce->lock);
    return ready;
}

float *sqz_reduce_node(const struct sqz_reduce *reduce, int node, double *loss)
{
    *loss = reduce->kept[node].loss;
    return buffer_at(reduce, reduce->kept[node].buffer);
}
