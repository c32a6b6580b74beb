// Cuts the layers of one image into pieces for several threads. How finely has no influence on the
// bits, only on the time.
#include "base/memory.h"
#include "net/infer_plan.h"

#include <string.h>

// Below this a piece costs more to hand out than it saves.
#define PIECE_MACS 300000
// More pieces than threads, so that a late thread holds up the others for less.
#define PIECES_PER_THREAD 3

struct cut {
    int step, n;                 // pixels or rows of a piece, and how many pieces
    int channel_step, n_channel; // the same for output channels
};

struct cutter {
    const struct sqz_net *net;
    const struct sqz_kernels *kernels;
    const struct sqz_infer_plan *plan;
    int most; // pieces of a stage
};

static void even_cut(int units, int granule, int wanted, int *step, int *n)
{
    int granules = (units + granule - 1) / granule;
    int pieces = wanted < 1 ? 1 : wanted > granules ? granules : wanted;
    *step = (granules + pieces - 1) / pieces * granule;
    *n = (units + *step - 1) / *step;
}

// A convolution whose weights outweigh its input is cut by output channels first: every thread then
// reads its own share of the weights.
static void cut_conv(const struct cutter *cutter, int index, int wanted, struct cut *cut)
{
    struct sqz_conv conv = sqz_layer_conv(cutter->net, index);
    size_t weights = (size_t)conv.kernel * conv.kernel * conv.in_c * conv.out_c;
    size_t input = (size_t)conv.in_h * conv.in_w * conv.in_c;
    if (weights > input)
        even_cut(conv.out_c, cutter->kernels->nr, wanted, &cut->channel_step, &cut->n_channel);
    const int tile = cutter->plan->packing.forward_tile[index];
    const int granule = tile > 0 ? tile * conv.out_w : cutter->kernels->mr; // whole rows of tiles
    even_cut(conv.out_h * conv.out_w, granule, wanted / cut->n_channel, &cut->step, &cut->n);
}

static struct cut cut_layer(const struct cutter *cutter, int index, uint64_t stage_macs)
{
    const struct sqz_layer *layer = &cutter->net->layers[index];
    struct sqz_piece whole = sqz_piece_whole(cutter->net, index);
    struct cut cut = {whole.end, 1, layer->channels, 1};
    if (layer->kind == SQZ_LAYER_CONV) {
        uint64_t piece = stage_macs / (uint64_t)cutter->most;
        if (piece < PIECE_MACS)
            piece = PIECE_MACS;
        cut_conv(cutter, index, (int)(sqz_layer_macs(cutter->net, index) / piece), &cut);
    } else if (layer->kind == SQZ_LAYER_MAXPOOL || layer->kind == SQZ_LAYER_ADD) {
        even_cut(whole.end, 1, cutter->most, &cut.step, &cut.n);
    }
    return cut;
}

static void fill_pieces(struct sqz_piece *piece, const struct sqz_piece *whole, struct cut cut)
{
    for (int c = 0; c < cut.n_channel; c++) {
        for (int p = 0; p < cut.n; p++, piece++) {
            *piece = *whole;
            piece->begin = p * cut.step;
            if (p + 1 < cut.n)
                piece->end = piece->begin + cut.step;
            piece->channel0 = c * cut.channel_step;
            if (c + 1 < cut.n_channel)
                piece->channel1 = piece->channel0 + cut.channel_step;
        }
    }
}

// Walks the layers and counts the pieces; writes them if `pieces` is there.
static int cut_layers(const struct cutter *cutter, int *first_piece, struct sqz_piece *pieces)
{
    const struct sqz_net *net = cutter->net;
    const int *stage = cutter->plan->stage;
    int n = 0;
    for (int first = 0, end; first < net->n_layers; first = end) {
        uint64_t macs = 0;
        for (end = first; end < net->n_layers && stage[end] == stage[first]; end++)
            macs += sqz_layer_macs(net, end);
        first_piece[stage[first]] = n;
        for (int i = first; i < end; i++) {
            if (net->layers[i].kind == SQZ_LAYER_DROPOUT)
                continue;
            struct sqz_piece whole = sqz_piece_whole(net, i);
            struct cut cut = cut_layer(cutter, i, macs);
            if (pieces)
                fill_pieces(pieces + n, &whole, cut);
            n += cut.n * cut.n_channel;
        }
    }
    first_piece[cutter->plan->n_stages] = n;
    return n;
}

enum sqz_status sqz_pieces_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                               const struct sqz_infer_plan *plan, int threads,
                               struct sqz_pieces *out, struct sqz_error *err)
{
    struct cutter cutter = {net, kernels, plan, threads * PIECES_PER_THREAD};
    struct sqz_pieces pieces = {0};
    size_t n = 0;
    pieces.first = sqz_new_array((size_t)plan->n_stages + 1, sizeof *pieces.first);
    if (pieces.first) {
        n = (size_t)cut_layers(&cutter, pieces.first, NULL);
        pieces.pieces = sqz_new_array(n, sizeof *pieces.pieces);
    }
    if (!pieces.pieces) {
        sqz_pieces_release(&pieces);
        return sqz_fail_memory(err, "the pieces of inference", n * sizeof *pieces.pieces);
    }
    cut_layers(&cutter, pieces.first, pieces.pieces);
    *out = pieces;
    return SQZ_OK;
}

void sqz_pieces_release(struct sqz_pieces *pieces)
{
    sqz_free(pieces->pieces);
    sqz_free(pieces->first);
    memset(pieces, 0, sizeof *pieces);
}
