// The float engine for the least memory: the weights of some output channels at a time come from a
// source and leave again, and the maps share one small arena. One thread, one image, several times
// slower than infer.h; the logits are those of its plan without enlarged weights, bit for bit.
// Callers reach it through engine.h.
#ifndef SQZ_NET_STREAM_H
#define SQZ_NET_STREAM_H

#include "net/feature.h"
#include "net/weight_source.h"

struct sqz_stream;
// Borrows net and source. Memory is all taken here.
enum sqz_status sqz_stream_new(const struct sqz_net *net, const struct sqz_kernels *kernels,
                               const struct sqz_weight_source *source, struct sqz_stream **out,
                               struct sqz_error *err);
void sqz_stream_free(struct sqz_stream *stream);
// image: H x W x C; logits: classes. Fails as the source does.
enum sqz_status sqz_stream_run(struct sqz_stream *stream, const float *image, float *logits,
                               struct sqz_error *err);
// The same logits, and a feature (sqz_feature_size floats). Fails without memory for its tensor,
// too.
enum sqz_status sqz_stream_run_feature(struct sqz_stream *stream, const float *image, float *logits,
                                       const struct sqz_feature *feature, float *out,
                                       struct sqz_error *err);
// Bytes that sqz_stream_new takes: the tensors, and what a strip of weights needs.
enum sqz_status sqz_stream_memory(const struct sqz_net *net, const struct sqz_kernels *kernels,
                                  size_t *activations, size_t *scratch, struct sqz_error *err);

#endif
