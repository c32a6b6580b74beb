// The memory of an exchange, and which node and which slice is whose.
#include "train/step/exchange_layout.h"

#include "base/memory.h"

static void release_layout(struct sqz_exchange *exchange)
{
    sqz_free(exchange->nodes);
    sqz_free(exchange->owners);
    sqz_free(exchange->values);
    sqz_free(exchange->wire_in);
    sqz_free(exchange->wire_out);
    exchange->nodes = NULL;
    exchange->owners = NULL;
    exchange->values = NULL;
    exchange->wire_in = exchange->wire_out = NULL;
    exchange->n = 0;
}

void sqz_exchange_free(struct sqz_exchange *exchange)
{
    if (!exchange)
        return;
    release_layout(exchange);
    for (int b = 0; b < SQZ_BUCKETS; b++) {
        sqz_free(exchange->flows[b].in.list);
        sqz_free(exchange->flows[b].out.list);
        sqz_free(exchange->flows[b].sums_in.list);
        sqz_free(exchange->flows[b].sums_out.list);
    }
    sqz_free(exchange->reports.list);
    sqz_free(exchange->wire_sums);
    sqz_free(exchange->all);
    sqz_free(exchange);
}

void sqz_exchange_slice(const struct sqz_exchange *exchange, int bucket, int rank, size_t *first,
                        size_t *end)
{
    enum { VECTOR = 16 };
    const struct sqz_bucket *part = &exchange->buckets[bucket];
    size_t size = part->end - part->first, ranks = (size_t)sqz_ranks_size(exchange->ranks);
    *first = part->first + size * (size_t)rank / ranks / VECTOR * VECTOR;
    *end = (size_t)rank + 1 == ranks
               ? part->end
               : part->first + size * ((size_t)rank + 1) / ranks / VECTOR * VECTOR;
}

enum sqz_status sqz_exchange_new(struct sqz_ranks *ranks, const struct sqz_net *net,
                                 const struct sqz_kernels *kernels, struct sqz_gradient *engine,
                                 bool bf16, struct sqz_exchange **out, struct sqz_error *err)
{
    struct sqz_exchange *exchange = sqz_new_array(1, sizeof *exchange);
    if (!exchange)
        return sqz_fail_memory(err, "the exchange of gradients", sizeof *exchange);
    exchange->ranks = ranks;
    exchange->kernels = kernels;
    exchange->engine = engine;
    exchange->n_weights = net->n_weights;
    exchange->bf16 = bf16;
    exchange->n_buckets = sqz_net_buckets(net, exchange->buckets);
    for (int b = 0; b < exchange->n_buckets; b++) {
        size_t first, end;
        sqz_exchange_slice(exchange, b, sqz_ranks_rank(ranks), &first, &end);
        exchange->flows[b].at = exchange->share;
        exchange->share += end - first;
    }
    exchange->all = sqz_new_array((size_t)sqz_ranks_size(ranks), sizeof *exchange->all);
    if (bf16)
        exchange->wire_sums = sqz_new_array(net->n_weights, sizeof *exchange->wire_sums);
    if (!exchange->all || (bf16 && !exchange->wire_sums)) {
        sqz_exchange_free(exchange);
        return sqz_fail_memory(err, "the exchange of gradients", net->n_weights);
    }
    *out = exchange;
    return SQZ_OK;
}

static bool make_room(struct messages *messages, size_t room)
{
    messages->n = 0;
    if (room <= messages->room)
        return true;
    sqz_free(messages->list);
    messages->list = sqz_new_array(room, sizeof *messages->list);
    messages->room = messages->list ? room : 0;
    return messages->list;
}

static bool take_memory(struct sqz_exchange *exchange)
{
    size_t ranks = (size_t)sqz_ranks_size(exchange->ranks), others = ranks - 1;
    size_t nodes = (size_t)exchange->n_nodes, own = (size_t)exchange->n_own;
    bool whole = (exchange->values = sqz_new_aligned(nodes, exchange->share * sizeof(float)));
    if (whole && exchange->bf16)
        whole = (exchange->wire_in = sqz_new_aligned(nodes, exchange->share * 2)) &&
                (exchange->wire_out = sqz_new_aligned(own, exchange->n_weights * 2));
    for (int b = 0; whole && b < exchange->n_buckets; b++) {
        struct flow *flow = &exchange->flows[b];
        whole = make_room(&flow->in, nodes) && make_room(&flow->out, own * others) &&
                make_room(&flow->sums_in, others) && make_room(&flow->sums_out, others);
    }
    return whole && make_room(&exchange->reports, 2 * others);
}

enum sqz_status sqz_exchange_lay_out(struct sqz_exchange *exchange, int n, struct sqz_error *err)
{
    int ranks = sqz_ranks_size(exchange->ranks);
    if (n == exchange->n)
        return SQZ_OK;
    release_layout(exchange);
    exchange->reduce = sqz_gradient_reduce(exchange->engine, n, &exchange->leaves);
    size_t most = (size_t)ranks * SQZ_TREE_NODES;
    exchange->nodes = sqz_new_array(most, sizeof *exchange->nodes);
    exchange->owners = sqz_new_array(most, sizeof *exchange->owners);
    if (!exchange->nodes || !exchange->owners)
        return sqz_fail_memory(err, "the exchange of gradients", most * sizeof *exchange->nodes);
    exchange->n_nodes = 0;
    for (int rank = 0; rank < ranks; rank++) {
        int first, end;
        sqz_tree_share(exchange->leaves, rank, ranks, &first, &end);
        int count =
            sqz_tree_nodes(exchange->leaves, first, end, exchange->nodes + exchange->n_nodes);
        if (rank == sqz_ranks_rank(exchange->ranks)) {
            exchange->own_first = exchange->n_nodes;
            exchange->n_own = count;
        }
        for (int i = 0; i < count; i++)
            exchange->owners[exchange->n_nodes++] = rank;
    }
    if (!take_memory(exchange))
        return sqz_fail_memory(err, "the exchange of gradients",
                               (size_t)exchange->n_nodes * exchange->share * sizeof(float));
    exchange->n = n;
    return SQZ_OK;
}
