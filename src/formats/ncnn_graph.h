// ncnn's .param text as a graph, as far as a SqueezeNet needs it.
#ifndef SQZ_FORMATS_NCNN_GRAPH_H
#define SQZ_FORMATS_NCNN_GRAPH_H

#include "formats/formats.h"

#define SQZ_NCNN_MAGIC  "7767517"
#define SQZ_NCNN_KEYS   32
#define SQZ_NCNN_BLOBS  8
#define SQZ_NCNN_NO_INT INT64_MIN // a key whose value is no integer

struct sqz_ncnn_span {
    const char *text;
    size_t size;
};
enum sqz_ncnn_type {
    SQZ_NCNN_INPUT,
    SQZ_NCNN_CONVOLUTION,
    SQZ_NCNN_CONCAT,
    SQZ_NCNN_PASSING, // has no weights and hands its only input on: ReLU, pooling, dropout, split
    SQZ_NCNN_OTHER    // has no weights and is of no interest: softmax and the like
};
struct sqz_ncnn_layer {
    enum sqz_ncnn_type type;
    int line;
    int n_in, n_out;
    struct sqz_ncnn_span in[SQZ_NCNN_BLOBS], out[SQZ_NCNN_BLOBS];
    bool given[SQZ_NCNN_KEYS];
    int64_t keys[SQZ_NCNN_KEYS];
};
struct sqz_ncnn_graph {
    struct sqz_ncnn_layer *layers; // spans point into the text
    int n_layers;
};
enum sqz_status sqz_ncnn_parse(const char *path, const char *text, size_t size,
                               struct sqz_ncnn_graph *out, struct sqz_error *err);
int64_t sqz_ncnn_key(const struct sqz_ncnn_layer *layer, int key, int64_t fallback);
// The convolution, Concat or Input that an input of a layer comes from, through passing layers;
// -1 if there is none.
int sqz_ncnn_origin(const struct sqz_ncnn_graph *graph, int layer, int input);
// The layers that are SqueezeNet's 26 convolutions, in storage order.
enum sqz_status sqz_ncnn_map(const char *path, const struct sqz_ncnn_graph *graph, int convs[26],
                             struct sqz_error *err);

#endif
