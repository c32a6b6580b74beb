// The fixed binary tree of leaves: ranges as nodes, and the sum of nodes.
#include "net/tree.h"

#include <stdint.h>

// Leaves that come before the end of a node, in a tree that may be cut off on the right.
static int64_t node_end(int leaves, int level, int64_t index)
{
    int64_t end = (index + 1) << level;
    return end < leaves ? end : leaves;
}

int sqz_tree_nodes(int leaves, int first, int end, struct sqz_node nodes[SQZ_TREE_NODES])
{
    int n = 0;
    while (first < end) {
        int level = 0;
        int64_t index = first;
        while (index % 2 == 0 && (int64_t)1 << level < leaves &&
               node_end(leaves, level + 1, index / 2) <= end) {
            level++;
            index /= 2;
        }
        nodes[n++] = (struct sqz_node){level, (int)index};
        first = (int)node_end(leaves, level, index);
    }
    return n;
}

void sqz_tree_share(int leaves, int rank, int ranks, int *first, int *end)
{
    *first = (int)((int64_t)leaves * rank / ranks);
    *end = (int)((int64_t)leaves * (rank + 1) / ranks);
}

struct sum {
    int leaves, next; // the next node to be used
    const struct sqz_node *nodes;
    void (*add)(void *arg, int a, int b);
    void *arg;
};

// The place of the node's value. The depth is that of the tree, at most 31.
static int sum_up(struct sum *sum, int level, int64_t index)
{
    const struct sqz_node *node = &sum->nodes[sum->next];
    if (node->level == level && node->index == index)
        return sum->next++;
    int left = sum_up(sum, level - 1, 2 * index);
    if ((2 * index + 1) << (level - 1) < sum->leaves)
        sum->add(sum->arg, left, sum_up(sum, level - 1, 2 * index + 1));
    return left;
}

void sqz_tree_add(int leaves, const struct sqz_node *nodes, int n,
                  void (*add)(void *arg, int a, int b), void *arg)
{
    struct sum sum = {.leaves = leaves, .nodes = nodes, .add = add, .arg = arg};
    int root = 0;
    while ((int64_t)1 << root < leaves)
        root++;
    if (n > 0)
        sum_up(&sum, root, 0);
}
