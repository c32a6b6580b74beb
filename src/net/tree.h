// The fixed binary tree by which leaves are added, and the parts of it that a range of leaves makes
// up. Level 0 holds the leaves; node i of level l + 1 is node 2i plus node 2i + 1 of level l, or
// node 2i alone where that is the last of its level.
#ifndef SQZ_NET_TREE_H
#define SQZ_NET_TREE_H

struct sqz_node {
    int level, index;
};
enum { SQZ_TREE_NODES = 64 }; // more than any range has: two a level

// The leaves first .. end-1 of a tree of `leaves`, as the fewest whole nodes, from left to right.
// Returns how many; an empty range has none.
int sqz_tree_nodes(int leaves, int first, int end, struct sqz_node nodes[SQZ_TREE_NODES]);

// Adds up the whole tree of `leaves`. `nodes` cover it from left to right, each at its place in
// `values`; add(arg, a, b) puts the sum of the values a and b into a. The root is then value 0.
void sqz_tree_add(int leaves, const struct sqz_node *nodes, int n,
                  void (*add)(void *arg, int a, int b), void *arg);

// The share of rank `rank` of `ranks`: leaves *first .. *end-1, the same to one leaf for all.
// Normalisation whose statistics span several samples has to keep its groups inside a leaf, or
// shares have to be rounded here.
void sqz_tree_share(int leaves, int rank, int ranks, int *first, int *end);

#endif
