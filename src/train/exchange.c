// The sum of a gradient over ranks.
//
// A rank's leaves make up a few nodes of the fixed tree (net/tree.h); their sums are what it sends.
// Every bucket of the gradient is cut into one slice a rank. Of its slice each rank receives all
// nodes of all ranks, adds them in the tree's order, and sends the result to all others: in all, a
// rank sends and receives about twice the gradient, however many ranks there are. Nothing depends
// on which message comes first.
#include "train/exchange.h"

#include "base/cpu.h"
#include "base/memory.h"
#include "train/bf16.h"

#include <string.h>

enum { TAG_REPORT = SQZ_TAG_USER, TAG_NODES, TAG_SUMS = TAG_NODES + SQZ_BUCKETS };

enum stage { STAGE_LOCAL, STAGE_NODES, STAGE_SUMS }; // what a bucket waits for

struct messages {
    struct sqz_message *list;
    size_t n, room;
};
struct flow { // one bucket on its way
    enum stage stage;
    struct messages in, out, sums_in, sums_out;
    size_t at; // of this rank's slice in a node's values
};

struct sqz_exchange {
    struct sqz_ranks *ranks;
    const struct sqz_kernels *kernels;
    struct sqz_gradient *engine;
    size_t n_weights, share; // floats; share: of all this rank's slices
    bool bf16;
    int n_buckets;
    struct sqz_bucket buckets[SQZ_BUCKETS];
    struct flow flows[SQZ_BUCKETS];
    struct messages reports;
    struct sqz_rank_report mine, *all;
    // of the batch size that came last:
    int n, leaves, n_nodes, own_first, n_own;
    struct sqz_node *nodes; // of all ranks
    int *owners;            // of the nodes
    float *values;          // n_nodes x share: what was received, own nodes' places unused
    uint16_t *wire_in;      // the same as it comes, with bf16
    uint16_t *wire_out;     // n_own x n_weights, with bf16
    uint16_t *wire_sums;    // n_weights
    struct sqz_reduce *reduce;
    // of this step:
    float *gradient;
    bool computes;
    struct sqz_exchange_cost cost;
};

// --- Memory ---

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

// Slice of a rank: whole vectors, but for the last one.
static void slice_of(const struct sqz_exchange *exchange, int bucket, int rank, size_t *first,
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
        slice_of(exchange, b, sqz_ranks_rank(ranks), &first, &end);
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

static struct sqz_message *next_message(struct messages *messages)
{
    return &messages->list[messages->n++];
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

// Which nodes there are for a batch of n rows, and whose.
static enum sqz_status lay_out(struct sqz_exchange *exchange, int n, struct sqz_error *err)
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

// --- One step ---

static void receive_floats(struct sqz_exchange *exchange, int from, int tag, float *values,
                           uint16_t *wire, size_t n, struct messages *messages)
{
    void *data = exchange->bf16 ? (void *)wire : (void *)values;
    sqz_ranks_receive(exchange->ranks, from, tag, data, n * (exchange->bf16 ? 2 : 4),
                      next_message(messages));
}

// `wire` holds the same already, with bf16.
static void send_floats(struct sqz_exchange *exchange, int to, int tag, const float *values,
                        const uint16_t *wire, size_t n, struct messages *messages)
{
    size_t bytes = n * (exchange->bf16 ? 2 : 4);
    const void *data = exchange->bf16 ? (const void *)wire : (const void *)values;
    sqz_ranks_send(exchange->ranks, to, tag, data, bytes, next_message(messages));
    exchange->cost.bytes += bytes;
}

static void await_bucket(struct sqz_exchange *exchange, int bucket)
{
    struct flow *flow = &exchange->flows[bucket];
    int rank = sqz_ranks_rank(exchange->ranks), ranks = sqz_ranks_size(exchange->ranks);
    size_t first, end;
    flow->stage = STAGE_LOCAL;
    flow->in.n = flow->out.n = flow->sums_in.n = flow->sums_out.n = 0;
    slice_of(exchange, bucket, rank, &first, &end);
    for (int i = 0; i < exchange->n_nodes; i++) {
        size_t at = (size_t)i * exchange->share + flow->at;
        if (exchange->owners[i] != rank)
            receive_floats(exchange, exchange->owners[i], TAG_NODES + bucket, exchange->values + at,
                           exchange->wire_in + at, end - first, &flow->in);
    }
    for (int r = 0; r < ranks; r++) {
        slice_of(exchange, bucket, r, &first, &end);
        if (r != rank)
            receive_floats(exchange, r, TAG_SUMS + bucket, exchange->gradient + first,
                           exchange->wire_sums + first, end - first, &flow->sums_in);
    }
}

enum sqz_status sqz_exchange_begin(struct sqz_exchange *exchange, int n, float *gradient,
                                   bool computes, struct sqz_error *err)
{
    enum sqz_status status = lay_out(exchange, n, err);
    if (status)
        return status;
    exchange->gradient = gradient;
    exchange->computes = computes;
    exchange->cost.bytes = 0;
    exchange->reports.n = 0;
    for (int r = 0; r < sqz_ranks_size(exchange->ranks); r++)
        if (r != sqz_ranks_rank(exchange->ranks))
            sqz_ranks_receive(exchange->ranks, r, TAG_REPORT, &exchange->all[r],
                              sizeof exchange->all[r], next_message(&exchange->reports));
    for (int b = 0; b < exchange->n_buckets; b++)
        await_bucket(exchange, b);
    return SQZ_OK;
}

// Own node `node`; when nothing was computed any numbers will do, for the step is given up.
static float *own_node(const struct sqz_exchange *exchange, int node, double *loss)
{
    *loss = 0;
    return exchange->computes ? sqz_reduce_node(exchange->reduce, node, loss) : exchange->gradient;
}

static void send_nodes(struct sqz_exchange *exchange, int bucket)
{
    struct flow *flow = &exchange->flows[bucket];
    const struct sqz_bucket *part = &exchange->buckets[bucket];
    int rank = sqz_ranks_rank(exchange->ranks), ranks = sqz_ranks_size(exchange->ranks);
    for (int i = 0; i < exchange->n_own; i++) {
        double loss;
        const float *values = own_node(exchange, i, &loss);
        uint16_t *wire = NULL;
        if (exchange->bf16) {
            wire = exchange->wire_out + (size_t)i * exchange->n_weights;
            sqz_bf16_from_floats(values + part->first, wire + part->first, part->end - part->first);
        }
        // Each begins with its neighbour, so that not all send to rank 0 at once.
        for (int d = 1; d < ranks; d++) {
            size_t first, end;
            slice_of(exchange, bucket, (rank + d) % ranks, &first, &end);
            send_floats(exchange, (rank + d) % ranks, TAG_NODES + bucket, values + first,
                        exchange->bf16 ? wire + first : NULL, end - first, &flow->out);
        }
    }
}

struct sum { // of one slice, over all nodes
    struct sqz_exchange *exchange;
    int bucket;
    size_t first, size;
};

static float *value_of(const struct sum *sum, int node)
{
    const struct sqz_exchange *exchange = sum->exchange;
    double loss;
    if (exchange->owners[node] == sqz_ranks_rank(exchange->ranks))
        return own_node(exchange, node - exchange->own_first, &loss) + sum->first;
    return exchange->values + (size_t)node * exchange->share + exchange->flows[sum->bucket].at;
}

static void add_nodes(void *arg, int a, int b)
{
    const struct sum *sum = arg;
    float *into = value_of(sum, a);
    sum->exchange->kernels->add(into, value_of(sum, b), into, sum->size);
}

static void add_up(struct sqz_exchange *exchange, int bucket)
{
    struct flow *flow = &exchange->flows[bucket];
    int rank = sqz_ranks_rank(exchange->ranks), ranks = sqz_ranks_size(exchange->ranks);
    struct sum sum = {.exchange = exchange, .bucket = bucket};
    size_t end;
    slice_of(exchange, bucket, rank, &sum.first, &end);
    sum.size = end - sum.first;
    for (int i = 0; exchange->bf16 && i < exchange->n_nodes; i++)
        if (exchange->owners[i] != rank) {
            size_t at = (size_t)i * exchange->share + flow->at;
            sqz_bf16_to_floats(exchange->wire_in + at, exchange->values + at, sum.size);
        }
    sqz_tree_add(exchange->leaves, exchange->nodes, exchange->n_nodes, add_nodes, &sum);
    float *own = exchange->gradient + sum.first;
    memmove(own, value_of(&sum, 0), sum.size * sizeof *own);
    if (exchange->bf16) { // this rank, too, goes on with what the others get
        sqz_bf16_from_floats(own, exchange->wire_sums + sum.first, sum.size);
        sqz_bf16_to_floats(exchange->wire_sums + sum.first, own, sum.size);
    }
    for (int d = 1; d < ranks; d++)
        send_floats(exchange, (rank + d) % ranks, TAG_SUMS + bucket, own,
                    exchange->bf16 ? exchange->wire_sums + sum.first : NULL, sum.size,
                    &flow->sums_out);
}

static bool all_done(struct sqz_exchange *exchange, struct messages *messages)
{
    bool all = true;
    for (size_t i = 0; i < messages->n; i++)
        all = sqz_ranks_done(exchange->ranks, &messages->list[i]) && all;
    return all;
}

// Moves every bucket on as far as it goes. True if one moved.
static bool advance(void *arg)
{
    struct sqz_exchange *exchange = arg;
    bool moved = false;
    for (int b = 0; b < exchange->n_buckets; b++) {
        struct flow *flow = &exchange->flows[b];
        if (flow->stage == STAGE_LOCAL &&
            (!exchange->computes || sqz_reduce_ready(exchange->reduce, b))) {
            send_nodes(exchange, b);
            flow->stage = STAGE_NODES;
            moved = true;
        }
        if (flow->stage == STAGE_NODES && all_done(exchange, &flow->in)) {
            add_up(exchange, b);
            flow->stage = STAGE_SUMS;
            moved = true;
        }
    }
    return moved;
}

void sqz_exchange_poll(void *exchange)
{
    advance(exchange);
}

static enum sqz_status wait_for(struct sqz_exchange *exchange, struct messages *messages,
                                struct sqz_error *err)
{
    return sqz_ranks_wait(exchange->ranks, messages->list, messages->n, advance, exchange, err);
}

static enum sqz_status finish_bucket(struct sqz_exchange *exchange, int bucket,
                                     struct sqz_error *err)
{
    struct flow *flow = &exchange->flows[bucket];
    const struct sqz_bucket *part = &exchange->buckets[bucket];
    enum sqz_status status = SQZ_OK;
    size_t first, end;
    while (flow->stage != STAGE_SUMS && !status) {
        advance(exchange);
        status = wait_for(exchange, &flow->in, err);
    }
    if (!status)
        status = wait_for(exchange, &flow->out, err);
    if (!status)
        status = wait_for(exchange, &flow->sums_in, err);
    if (!status)
        status = wait_for(exchange, &flow->sums_out, err);
    if (status || !exchange->bf16)
        return status;
    slice_of(exchange, bucket, sqz_ranks_rank(exchange->ranks), &first, &end);
    sqz_bf16_to_floats(exchange->wire_sums + part->first, exchange->gradient + part->first,
                       first - part->first);
    sqz_bf16_to_floats(exchange->wire_sums + end, exchange->gradient + end, part->end - end);
    return SQZ_OK;
}

static void add_losses(void *arg, int a, int b)
{
    double *losses = arg;
    losses[a] += losses[b];
}

static enum sqz_status sum_losses(const struct sqz_exchange *exchange, double *loss,
                                  struct sqz_error *err)
{
    size_t n = (size_t)exchange->n_nodes;
    double *losses = sqz_new_array(n, sizeof *losses);
    if (!losses)
        return sqz_fail_memory(err, "the losses", n * sizeof *losses);
    for (int i = 0, own = 0; i < exchange->n_nodes; i++) {
        own = i > 0 && exchange->owners[i] == exchange->owners[i - 1] ? own + 1 : 0;
        losses[i] = exchange->all[exchange->owners[i]].losses[own];
    }
    sqz_tree_add(exchange->leaves, exchange->nodes, exchange->n_nodes, add_losses, losses);
    *loss = losses[0];
    sqz_free(losses);
    return SQZ_OK;
}

enum sqz_status sqz_exchange_finish(struct sqz_exchange *exchange,
                                    const struct sqz_rank_report *mine,
                                    const struct sqz_rank_report **all, double *loss,
                                    struct sqz_error *err)
{
    double begin = sqz_clock_seconds();
    int rank = sqz_ranks_rank(exchange->ranks), ranks = sqz_ranks_size(exchange->ranks);
    exchange->mine = *mine;
    for (int i = 0; i < exchange->n_own; i++)
        own_node(exchange, i, &exchange->mine.losses[i]);
    exchange->all[rank] = exchange->mine;
    for (int d = 1; d < ranks; d++) {
        sqz_ranks_send(exchange->ranks, (rank + d) % ranks, TAG_REPORT, &exchange->mine,
                       sizeof exchange->mine, next_message(&exchange->reports));
        exchange->cost.bytes += sizeof exchange->mine;
    }
    // Every pass of the waiting moves all buckets on; only the last stage is left to wait for.
    enum sqz_status status = SQZ_OK;
    for (int b = 0; b < exchange->n_buckets && !status; b++)
        status = finish_bucket(exchange, b, err);
    if (!status)
        status = wait_for(exchange, &exchange->reports, err);
    *all = exchange->all;
    if (!status)
        status = sum_losses(exchange, loss, err);
    exchange->cost.seconds = sqz_clock_seconds() - begin;
    return status;
}

struct sqz_exchange_cost sqz_exchange_cost(const struct sqz_exchange *exchange)
{
    return exchange->cost;
}
