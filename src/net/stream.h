// Inference in the least memory: the weights of some output channels at a time come from a source
// and leave again, and the maps share one small arena. One thread, one image, several times slower
// than infer.h; the logits are those of its plan without enlarged weights, bit for bit.
#ifndef SQZ_NET_STREAM_H
#define SQZ_NET_STREAM_H

#include "net/net.h"

// Where weights come from. `rows` writes rows [first, first + n) of a parameter, OIHW: a weight's
// are its output channels, a bias is one row. They are asked for in ascending order, from 0 in
// every run.
struct sqz_weight_source {
    void *arg;
    enum sqz_status (*rows)(void *arg, int param, int first, int n, float *out,
                            struct sqz_error *err);
};

struct sqz_stream;
// Borrows net and source. Memory is all taken here.
enum sqz_status sqz_stream_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                               const struct sqz_weight_source *source, struct sqz_stream **out,
                               struct sqz_error *err);
void sqz_stream_free(struct sqz_stream *stream);
// image: H x W x C; logits: classes. Fails as the source does.
enum sqz_status sqz_stream_run(struct sqz_stream *stream, const float *image, float *logits,
                               struct sqz_error *err);

#endif
