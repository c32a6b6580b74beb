// The sum of a gradient over ranks.
//
// A rank's leaves make up a few nodes of the fixed tree (net/tree.h); their sums are what it sends.
// Every bucket of the gradient is cut into one slice a rank. Each rank receives all nodes of its
// slice from all ranks, adds them in the tree's order, and sends the result to all others: in all,
// a rank sends and receives about twice the gradient, however many ranks there are. Nothing depends
// on which message comes first.
#include "train/step/exchange_layout.h"

#include "base/cpu.h"
#include "base/memory.h"
#include "train/step/bf16.h"

#include <string.h>

enum { TAG_REPORT = SQZ_TAG_USER, TAG_NODES, TAG_SUMS = TAG_NODES + SQZ_BUCKETS };

static struct sqz_message *next_message(struct messages *messages)
{
    return &messages->list[messages->n++];
}

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
    sqz_exchange_slice(exchange, bucket, rank, &first, &end);
    for (int i = 0; i < exchange->n_nodes; i++) {
        size_t at = (size_t)i * exchange->share + flow->at;
        if (exchange->owners[i] != rank)
            receive_floats(exchange, exchange->owners[i], TAG_NODES + bucket, exchange->values + at,
                           exchange->wire_in + at, end - first, &flow->in);
    }
    for (int r = 0; r < ranks; r++) {
        sqz_exchange_slice(exchange, bucket, r, &first, &end);
        if (r != rank)
            receive_floats(exchange, r, TAG_SUMS + bucket, exchange->gradient + first,
                           exchange->wire_sums + first, end - first, &flow->sums_in);
    }
}

enum sqz_status sqz_exchange_begin(struct sqz_exchange *exchange, int n, float *gradient,
                                   bool computes, struct sqz_error *err)
{
    enum sqz_status status = sqz_exchange_lay_out(exchange, n, err);
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
            sqz_exchange_slice(exchange, bucket, (rank + d) % ranks, &first, &end);
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
    sqz_exchange_slice(exchange, bucket, rank, &sum.first, &end);
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
    sqz_exchange_slice(exchange, bucket, sqz_ranks_rank(exchange->ranks), &first, &end);
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
