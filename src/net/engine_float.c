// The engines of float weights: packed ones (infer), and ones that stay in their file (stream).
#include "net/engine_kind.h"

#include "base/memory.h"
#include "net/infer.h"
#include "net/packed_weights.h"
#include "net/stream.h"

// --- infer ---

static bool infer_takes(const struct sqz_engine_config *config)
{
    return !config->source;
}

static enum sqz_status infer_create(const struct sqz_engine_config *config, void *shared,
                                    void **state, struct sqz_error *err)
{
    struct sqz_infer *infer = NULL;
    enum sqz_status status = shared ? sqz_infer_share(shared, config->pool, &infer, err)
                                    : sqz_infer_new(config->net, config->weights, config->kernels,
                                                    config->pool, config->low_memory, &infer, err);
    *state = infer;
    return status;
}

static void *infer_weights(void *state)
{
    return sqz_infer_weights(state);
}

static bool weights_fit(const void *weights, const struct sqz_engine_config *config)
{
    const struct sqz_packed_weights *packed = weights;
    return packed->net == config->net && packed->kernels == config->kernels &&
           packed->low_memory == config->low_memory;
}

static void hold_weights(void *weights)
{
    sqz_packed_weights_hold(weights);
}

static void release_weights(void *weights)
{
    sqz_packed_weights_release(weights);
}

static enum sqz_status infer_run(void *state, const struct sqz_engine_job *job,
                                 struct sqz_error *err)
{
    if (job->feature)
        return sqz_infer_run_feature(state, job->images, job->n, job->logits, job->feature,
                                     job->features, err);
    sqz_infer_run(state, job->images, job->n, job->logits);
    return SQZ_OK;
}

static void infer_free(void *state)
{
    sqz_infer_free(state);
}

static enum sqz_status infer_memory(const struct sqz_engine_config *config, int threads,
                                    struct sqz_engine_memory *out, struct sqz_error *err)
{
    struct sqz_infer_memory memory;
    enum sqz_status status =
        sqz_infer_memory(config->net, config->kernels, threads, config->low_memory, &memory, err);
    if (!status)
        *out = (struct sqz_engine_memory){memory.activations, memory.workers, memory.packed_weights,
                                          memory.scratch, memory.total};
    return status;
}

static const struct sqz_engine_sharing infer_sharing = {infer_weights, weights_fit, hold_weights,
                                                        release_weights};
const struct sqz_engine_kind sqz_engine_infer = {
    "infer", infer_takes, false, infer_create, &infer_sharing, infer_run, infer_free, infer_memory};

// --- stream ---

struct streaming {
    struct sqz_stream *stream;
    size_t image, classes; // floats
};

static bool stream_takes(const struct sqz_engine_config *config)
{
    return config->source != NULL;
}

static void stream_free(void *state)
{
    struct streaming *streaming = state;
    if (streaming)
        sqz_stream_free(streaming->stream);
    sqz_free(streaming);
}

static enum sqz_status stream_create(const struct sqz_engine_config *config, void *shared,
                                     void **state, struct sqz_error *err)
{
    (void)shared; // there are none
    struct streaming *streaming = *state = sqz_new_array(1, sizeof *streaming);
    if (!streaming)
        return sqz_fail_memory(err, "inference", sizeof *streaming);
    streaming->image = sqz_tensor_size(config->net, 0);
    streaming->classes = (size_t)config->net->spec.classes;
    return sqz_stream_new(config->net, config->kernels, config->source, &streaming->stream, err);
}

static enum sqz_status stream_run(void *state, const struct sqz_engine_job *job,
                                  struct sqz_error *err)
{
    const struct streaming *streaming = state;
    const size_t feature = job->feature ? sqz_feature_size(job->feature) : 0;
    enum sqz_status status = SQZ_OK;
    for (size_t i = 0; !status && i < (size_t)job->n; i++) {
        const float *image = job->images + i * streaming->image;
        float *logits = job->logits + i * streaming->classes;
        status = job->feature
                     ? sqz_stream_run_feature(streaming->stream, image, logits, job->feature,
                                              job->features + i * feature, err)
                     : sqz_stream_run(streaming->stream, image, logits, err);
    }
    return status;
}

static enum sqz_status stream_memory(const struct sqz_engine_config *config, int threads,
                                     struct sqz_engine_memory *out, struct sqz_error *err)
{
    (void)threads; // it runs on one
    *out = (struct sqz_engine_memory){.workers = 1};
    enum sqz_status status =
        sqz_stream_memory(config->net, config->kernels, &out->activations, &out->scratch, err);
    out->total = out->activations + out->scratch;
    return status;
}

const struct sqz_engine_kind sqz_engine_stream = {
    "stream", stream_takes, false, stream_create, NULL, stream_run, stream_free, stream_memory};
