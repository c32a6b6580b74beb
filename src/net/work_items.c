// Cuts the layers of one image into work items for several threads. The cuts change the time, never
// the bits.
#include "base/memory.h"
#include "kernels/winograd/winograd.h"
#include "net/fused.h"
#include "net/infer_plan.h"

#include <string.h>

// Below this an item costs more to hand out than it saves: about 5 microseconds.
#define ITEM_COST 300000
// More items than threads, so that a late thread holds up the others for less.
#define ITEMS_PER_THREAD 3
#define LEAST_GRANULES   4 // of a work item
// Weights per input element above which a convolution is bound by its weights. Between 3 (layers
// of 27 x 27) and 10 (those of 13 x 13, whose tiles are too few).
#define WEIGHT_BOUND_RATIO 5

struct cut {
    int units, granule, n; // pixels, rows or tiles, in n work items of whole granules
    int channels, channel_granule, n_channel; // the same for output channels
};

struct cutter {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const struct sqz_infer_plan *plan;
    int threads;
};

static int cut_into(int units, int granule, int64_t wanted)
{
    int granules = (units + granule - 1) / granule;
    return wanted < 1 ? 1 : wanted > granules ? granules : (int)wanted;
}

static int cut_at(int units, int granule, int n, int i)
{
    int granules = (units + granule - 1) / granule, at = granules * i / n * granule;
    return at < units ? at : units;
}

// In multiplications, those of a pooling being comparisons; Winograd's with what its transforms
// take.
static int64_t layer_cost(const struct cutter *cutter, int index)
{
    const struct sqz_layer *layer = &cutter->net->layers[index];
    const struct sqz_tensor *out = &cutter->net->tensors[layer->output];
    if (cutter->plan->taken[index] || layer->kind == SQZ_LAYER_DROPOUT)
        return 0;
    if (cutter->plan->strip[index])
        index = sqz_fused_conv(cutter->net, index);
    int64_t macs = (int64_t)sqz_layer_macs(cutter->net, index);
    const int m = cutter->plan->layout.forward_tile[index];
    if (macs == 0)
        return (int64_t)out->h * out->w * layer->channels * 9;
    return m > 0 ? macs * (m + 2) * (m + 2) / (m * m) / 6 : macs;
}

// A convolution whose weights far outweigh its input is cut by output channels first: every thread
// then reads its own share of the weights, but all of the input, and the next layer all of its
// channels. By Winograd, each such work item transforms the whole input.
static void cut_conv(const struct cutter *cutter, int index, int64_t wanted, struct cut *cut)
{
    struct sqz_conv conv = sqz_layer_conv(cutter->net, index);
    size_t weights = (size_t)conv.kernel * conv.kernel * conv.in_c * conv.out_c;
    size_t input = (size_t)conv.in_h * conv.in_w * conv.in_c;
    const int tile = cutter->plan->layout.forward_tile[index];
    if (tile > 0) {
        cut->units = sqz_winograd_tiles(&conv, tile);
        wanted = wanted < cutter->threads ? wanted : cutter->threads;
    } else {
        cut->granule = cutter->kernels->mr;
    }
    cut->channel_granule = cutter->kernels->nr;
    if (weights > WEIGHT_BOUND_RATIO * input)
        cut->n_channel = cut_into(conv.out_c, cut->channel_granule, wanted);
    wanted /= cut->n_channel;
    // A few granules would make work items too unequal.
    if (wanted > cutter->threads && cut->units / cut->granule < LEAST_GRANULES * wanted)
        wanted = cutter->threads;
    cut->n = cut_into(cut->units, cut->granule, wanted);
}

// A multiple of the threads, or 1.
static int64_t wanted_items(const struct cutter *cutter, int64_t cost, int64_t stage_cost)
{
    const int threads = cutter->threads;
    int64_t item = stage_cost / (threads * ITEMS_PER_THREAD);
    if (item < ITEM_COST)
        item = ITEM_COST;
    int64_t rounds = (cost + item * threads / 2) / (item * threads);
    return rounds > 0 ? rounds * threads : cost > ITEM_COST ? threads : 1;
}

static struct cut cut_layer(const struct cutter *cutter, int index, int64_t stage_cost)
{
    const struct sqz_layer *layer = &cutter->net->layers[index];
    struct sqz_work_item whole = sqz_work_item_whole(cutter->net, index);
    struct cut cut = {whole.end, 1, 1, whole.channel1, 1, 1};
    const int64_t wanted = wanted_items(cutter, layer_cost(cutter, index), stage_cost);
    const int64_t at_most_threads = wanted < cutter->threads ? wanted : cutter->threads;
    if (layer->kind == SQZ_LAYER_CONV)
        cut_conv(cutter, index, wanted, &cut);
    else if (layer->kind == SQZ_LAYER_MEAN && cutter->plan->strip[index]) {
        cut.channel_granule = cutter->kernels->nr; // each work item looks for the input's zeros
        cut.n_channel = cut_into(cut.channels, cut.channel_granule, at_most_threads);
    } else if (cutter->plan->strip[index]) // work items compute the rows between them twice
        cut.n = cut_into(cut.units, 1, at_most_threads);
    else if (layer->kind != SQZ_LAYER_MEAN)
        cut.n = cut_into(cut.units, 1, wanted);
    return cut;
}

static int unit_begin(const struct cutter *cutter, int index, int unit)
{
    const int tile = cutter->plan->layout.forward_tile[index];
    if (tile == 0)
        return unit;
    struct sqz_conv conv = sqz_layer_conv(cutter->net, index);
    return sqz_winograd_tile_begin(&conv, tile, unit);
}

// Rows keep their owner thread from layer to layer; the next layer reads all channels anyway.
static void fill_items(const struct cutter *cutter, int index, struct cut cut,
                       struct sqz_work_item *item)
{
    for (int c = 0; c < cut.n_channel; c++)
        for (int p = 0; p < cut.n; p++, item++)
            *item = (struct sqz_work_item){
                .layer = index,
                .begin = unit_begin(cutter, index, cut_at(cut.units, cut.granule, cut.n, p)),
                .end = unit_begin(cutter, index, cut_at(cut.units, cut.granule, cut.n, p + 1)),
                .channel0 = cut_at(cut.channels, cut.channel_granule, cut.n_channel, c),
                .channel1 = cut_at(cut.channels, cut.channel_granule, cut.n_channel, c + 1),
                .owner_thread = cut.n > 1 ? (2 * p + 1) * cutter->threads / (2 * cut.n)
                                          : (2 * c + 1) * cutter->threads / (2 * cut.n_channel)};
}

// Walks the layers and counts the work items; writes them if `items` is there. Among a stage's
// layers the costliest goes first, so that the small work items fill up the end.
static int cut_layers(const struct cutter *cutter, int *first_item, struct sqz_work_item *items)
{
    const struct sqz_net *net = cutter->net;
    const int *stage = cutter->plan->stage;
    int n = 0;
    for (int first = 0, end; first < net->n_layers; first = end) {
        int64_t cost = 0, below = INT64_MAX;
        for (end = first; end < net->n_layers && stage[end] == stage[first]; end++)
            cost += layer_cost(cutter, end);
        first_item[stage[first]] = n;
        while (below > 0) {
            int64_t next = 0; // the largest cost that was not yet its turn
            for (int i = first; i < end; i++)
                if (layer_cost(cutter, i) < below && layer_cost(cutter, i) > next)
                    next = layer_cost(cutter, i);
            for (int i = first; i < end; i++) {
                if (next == 0 || layer_cost(cutter, i) != next)
                    continue;
                struct cut cut = cut_layer(cutter, i, cost);
                if (items)
                    fill_items(cutter, i, cut, items + n);
                n += cut.n * cut.n_channel;
            }
            below = next;
        }
    }
    first_item[cutter->plan->n_stages] = n;
    return n;
}

enum sqz_status sqz_work_items_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                   const struct sqz_infer_plan *plan, int threads,
                                   struct sqz_work_items *out, struct sqz_error *err)
{
    struct cutter cutter = {net, kernels, plan, threads};
    struct sqz_work_items items = {0};
    size_t n = 0;
    items.first = sqz_new_array((size_t)plan->n_stages + 1, sizeof *items.first);
    if (items.first) {
        n = (size_t)cut_layers(&cutter, items.first, NULL);
        items.items = sqz_new_array(n, sizeof *items.items);
    }
    if (!items.items) {
        sqz_work_items_release(&items);
        return sqz_fail_memory(err, "the work items of inference", n * sizeof *items.items);
    }
    cut_layers(&cutter, items.first, items.items);
    *out = items;
    return SQZ_OK;
}

void sqz_work_items_release(struct sqz_work_items *items)
{
    sqz_free(items->items);
    sqz_free(items->first);
    memset(items, 0, sizeof *items);
}
