// Measuring: inference, training step and loader, beside the machine's FMA peak of the same run.
#include "api/struct_size.h"
#include "base/memory.h"
#include "api/context.h"
#include "base/random.h"
#include "data/sets/image_dir.h"
#include "data/loader/loader.h"
#include "formats/integer.h"
#include "net/gradient.h"
#include "net/bn.h"
#include "train/step/exchange.h"
#include "train/step/loss.h"
#include "train/step/optimizer.h"
#include "train/setup/setup.h"
#include <squeezenet_tools.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RUNS = 1 << 20 };

// --- The machine's peak ---

struct burst {
    const struct sqz_kernels *kernels;
    long iterations;
    double *flops; // one a thread
};

static void run_burst(void *arg, int task, int worker)
{
    struct burst *burst = arg;
    (void)worker;
    burst->flops[task] = burst->kernels->fma_burst(burst->iterations);
}

// GFLOP/s of independent FMAs on all threads at once; the best of a few tries of some milliseconds.
static double measure_peak(struct sqz_context *context)
{
    int threads = sqz_pool_size(context->pool);
    double best = 0, flops[1024] = {0};
    struct burst burst = {.kernels = context->kernels, .iterations = 200000, .flops = flops};
    for (int attempt = 0; attempt < 8; attempt++) {
        double begin = sqz_clock_seconds(), sum = 0;
        sqz_pool_run(context->pool, threads, run_burst, &burst);
        double seconds = sqz_clock_seconds() - begin;
        for (int t = 0; t < threads; t++)
            sum += flops[t];
        best = fmax(best, sum / seconds * 1e-9);
    }
    return best;
}

// --- One kind of work, run again and again ---

struct work {
    enum sqz_status (*run)(struct work *work, struct sqz_error *err);
    int batch;
    double flops; // of one run; 0: not an arithmetic task
    // whichever the task needs:
    struct sqz_engine *engine;
    struct sqz_gradient *gradient;
    struct sqz_optimizer *optimizer;
    struct sqz_pool *pool;
    struct sqz_loader *loader;
    struct sqz_setup setup;
    struct sqz_gradient_step step;
    struct sqz_exchange *exchange; // of ranks; NULL: alone
    bool last, ended;              // rank 0 says that this run is the last; all ranks know
    struct sqz_exchange_cost cost; // of all runs
    struct sqz_net *normalised;    // NULL: the model's network is trained as it is
    float *images, *logits, *weights, *gradients;
    uint8_t *pixels; // the images, for an engine that reads bytes; else NULL
    int *labels, classes, epoch;
};

static void work_release(struct work *work)
{
    sqz_engine_free(work->engine);
    sqz_exchange_free(work->exchange);
    sqz_gradient_free(work->gradient);
    sqz_optimizer_free(work->optimizer);
    sqz_loader_free(work->loader);
    sqz_setup_release(&work->setup);
    sqz_net_free(work->normalised);
    sqz_free(work->images);
    sqz_free(work->pixels);
    sqz_free(work->logits);
    sqz_free(work->weights);
    sqz_free(work->gradients);
    sqz_free(work->labels);
}

// Images of a directory, again from the first when there are too few.
static enum sqz_status read_images(struct sqz_context *context, const struct sqz_model *model,
                                   const char *dir, int batch, float *out, struct sqz_error *err)
{
    const size_t n = sqz_tensor_size(model->net, 0);
    struct sqz_image_dir *images = NULL;
    enum sqz_status status =
        sqz_image_dir_open(context->pool, dir, &model->preprocess, batch, &images, err);
    if (status)
        return status;
    const int count = sqz_image_dir_count(images);
    for (int i = 0; i < batch && !status; i++)
        status = sqz_image_dir_read(images, i % count, 1, out + (size_t)i * n, err);
    sqz_image_dir_free(images);
    return status;
}

static enum sqz_status make_images(struct work *work, struct sqz_context *context,
                                   const struct sqz_model *model, const char *dir,
                                   struct sqz_error *err)
{
    const struct sqz_net *net = model->net;
    const struct sqz_tensor *input = &net->tensors[0];
    size_t n = (size_t)work->batch * (size_t)input->h * (size_t)input->w * (size_t)input->c;
    struct sqz_random random;
    work->classes = net->spec.classes;
    work->images = sqz_new_aligned(n, sizeof(float));
    work->logits = sqz_new_array((size_t)work->batch * (size_t)work->classes, sizeof(float));
    work->labels = sqz_new_array((size_t)work->batch, sizeof(int));
    if (!work->images || !work->logits || !work->labels)
        return sqz_fail_memory(err, "the images of the benchmark", n * sizeof(float));
    for (int i = 0; i < work->batch; i++)
        work->labels[i] = i % work->classes;
    if (dir)
        return read_images(context, model, dir, work->batch, work->images, err);
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < n; i++)
        work->images[i] = (float)sqz_random_uniform(&random, -2, 2);
    return SQZ_OK;
}

static enum sqz_status run_infer(struct work *work, struct sqz_error *err)
{
    const struct sqz_engine_job job = {
        .images = work->images, .pixels = work->pixels, .n = work->batch, .logits = work->logits};
    return sqz_engine_run(work->engine, &job, err);
}

// The images in bytes, for an engine that reads them.
static enum sqz_status make_pixels(struct work *work, const struct sqz_model *model,
                                   struct sqz_error *err)
{
    const struct sqz_preprocess *p = &model->preprocess;
    const size_t n = (size_t)work->batch * sqz_tensor_size(model->net, 0);
    work->pixels = sqz_new_array(n, 1);
    if (!work->pixels)
        return sqz_fail_memory(err, "the images of the benchmark", n);
    for (size_t i = 0; i < n; i++) {
        const size_t c = i % (size_t)p->channels;
        work->pixels[i] = sqz_preprocess_pixel(work->images[i], p->mean[c], p->std[c]);
    }
    return SQZ_OK;
}

static enum sqz_status prepare_infer(struct work *work, struct sqz_context *context,
                                     const struct sqz_model *model, const char *images,
                                     struct sqz_error *err)
{
    enum sqz_status status = make_images(work, context, model, images, err);
    const struct sqz_integer_net *integer = NULL;
    if (!status)
        status = sqz_model_integers(model, context->precision, &integer, err);
    const struct sqz_engine_config config = {.net = model->net,
                                             .weights = model->weights,
                                             .preprocess = &model->preprocess,
                                             .integer = integer,
                                             .kernels = context->kernels,
                                             .pool = context->pool,
                                             .low_memory = context->mode != SQZ_MODE_SPEED};
    if (!status)
        status = sqz_engine_new(&config, &work->engine, err);
    if (!status && sqz_engine_reads_pixels(work->engine))
        status = make_pixels(work, model, err);
    for (int i = 0; i < model->net->n_layers; i++)
        work->flops += 2.0 * (double)sqz_layer_macs(model->net, i) * work->batch;
    work->run = run_infer;
    return status;
}

static double smoothed_loss(void *arg, int first, int n, const float *logits, float *dlogits)
{
    const struct work *work = arg;
    return sqz_loss_cross_entropy(logits, work->labels + first, n, work->classes, work->batch, 0.1,
                                  1.0, dlogits);
}

// The gradient's way through all ranks; computes: not only for show.
static enum sqz_status run_exchange(struct work *work, bool computes, struct sqz_error *err)
{
    struct sqz_rank_report mine = {.stop = work->last};
    const struct sqz_rank_report *all;
    double loss;
    enum sqz_status status =
        sqz_exchange_begin(work->exchange, work->batch, work->gradients, computes, err);
    if (!status && computes)
        sqz_gradient_run(work->gradient, &work->step);
    if (!status)
        status = sqz_exchange_finish(work->exchange, &mine, &all, &loss, err);
    if (status)
        return status;
    struct sqz_exchange_cost cost = sqz_exchange_cost(work->exchange);
    work->cost.bytes += cost.bytes;
    work->cost.seconds += cost.seconds;
    work->ended = all[0].stop;
    return SQZ_OK;
}

static enum sqz_status run_allreduce(struct work *work, struct sqz_error *err)
{
    return run_exchange(work, false, err);
}

static enum sqz_status run_train(struct work *work, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    if (work->exchange)
        status = run_exchange(work, true, err);
    else
        sqz_gradient_run(work->gradient, &work->step);
    if (status)
        return status;
    work->step.micro_step++;
    sqz_optimizer_update(work->optimizer, work->pool, 1e-4, work->weights, work->gradients);
    return SQZ_OK;
}

// The model's weights, for the network with BN if there is one.
static enum sqz_status make_weights(struct work *work, const struct sqz_model *model,
                                    const struct sqz_net *net, struct sqz_error *err)
{
    work->weights = sqz_new_aligned(net->n_weights, sizeof(float));
    work->gradients = sqz_new_aligned(net->n_weights, sizeof(float));
    if (!work->weights || !work->gradients)
        return sqz_fail_memory(err, "weights and gradients", net->n_weights * sizeof(float));
    if (work->normalised)
        sqz_bn_insert(model->net, model->weights, net, work->weights);
    else
        memcpy(work->weights, model->weights, net->n_weights * sizeof(float));
    return SQZ_OK;
}

static enum sqz_status share_batch(struct work *work, int ranks, struct sqz_error *err)
{
    if (work->batch > INT_MAX / ranks)
        return sqz_fail(err, SQZ_E_USAGE, "A batch of %d on %d ranks is too large.", work->batch,
                        ranks);
    if (work->run == run_allreduce && ranks == 1)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The task allreduce measures what ranks send each other; start some, as "
                        "with: mpirun -n 2 squeezenet bench --task allreduce.");
    work->batch *= ranks;
    return SQZ_OK;
}

// The update of "momentum" with the usual values.
static enum sqz_status new_momentum(const struct sqz_net *net, struct sqz_optimizer **out,
                                    struct sqz_error *err)
{
    struct sqz_options *options = NULL;
    enum sqz_status status = sqz_options_new(&options, err);
    if (!status)
        status = sqz_options_set(options, "opt", "momentum", SQZ_FROM_COMMAND_LINE, err);
    if (!status) {
        const struct sqz_train_config config = sqz_train_config_of(options);
        status = sqz_optimizer_new(&config, net, out, err);
    }
    sqz_options_free(options);
    return status;
}

static enum sqz_status prepare_train(struct work *work, struct sqz_context *context,
                                     const struct sqz_model *model,
                                     const struct sqz_bench_options *how, struct sqz_error *err)
{
    struct sqz_net_spec spec = model->net->spec;
    spec.norm_group = work->batch < 32 ? work->batch : 32;
    enum sqz_status status = how->norm ? sqz_net_new(&spec, &work->normalised, err) : SQZ_OK;
    if (status)
        return status;
    const struct sqz_net *net = how->norm ? work->normalised : model->net;
    int ranks = sqz_ranks_size(context->ranks), rank = sqz_ranks_rank(context->ranks), first, end;
    status = share_batch(work, ranks, err);
    if (!status)
        status = make_images(work, context, model, how->images, err);
    if (!status)
        status = make_weights(work, model, net, err);
    if (status)
        return status;
    const struct sqz_tensor *input = &net->tensors[0];
    sqz_gradient_share(net, work->batch, rank, ranks, &first, &end);
    status = new_momentum(net, &work->optimizer, err);
    if (!status)
        status = sqz_gradient_new(net, context->kernels, context->pool, work->batch, ranks,
                                  &work->gradient, err);
    if (!status && ranks > 1)
        status = sqz_exchange_new(context->ranks, net, context->kernels, work->gradient, how->bf16,
                                  &work->exchange, err);
    // Backward costs twice the forward pass, but for the first layer's data gradient.
    for (int i = 0; i < net->n_layers; i++)
        work->flops += 2.0 * (i ? 3 : 2) * (double)sqz_layer_macs(net, i) * work->batch;
    work->pool = context->pool;
    work->step = (struct sqz_gradient_step){.weights = work->weights,
                                            .images = work->images + (size_t)first * input->h *
                                                                         input->w * input->c,
                                            .n = work->batch,
                                            .rank = rank,
                                            .ranks = ranks,
                                            .poll = work->exchange ? sqz_exchange_poll : NULL,
                                            .poll_arg = work->exchange,
                                            .loss = smoothed_loss,
                                            .loss_arg = work,
                                            .gradient = work->gradients};
    if (!work->run)
        work->run = run_train;
    return status;
}

static enum sqz_status run_load(struct work *work, struct sqz_error *err)
{
    struct sqz_batch batch;
    enum sqz_status status = sqz_loader_next(work->loader, &batch, err);
    if (!status && batch.n == 0) {
        status = sqz_loader_start(work->loader, ++work->epoch, 0, err);
        if (!status)
            status = sqz_loader_next(work->loader, &batch, err);
    }
    return status;
}

// The options' training loader; the pool's size counts the consuming thread, too.
static enum sqz_status prepare_load(struct work *work, struct sqz_context *context,
                                    const struct sqz_options *options, struct sqz_error *err)
{
    struct sqz_environment environment = {.kernels = context->kernels, .pool = context->pool};
    enum sqz_status status = sqz_setup_open(&environment, options, NULL, NULL, &work->setup, err);
    if (!status)
        status =
            sqz_setup_train_loader(&work->setup, sqz_pool_size(context->pool), &work->loader, err);
    if (!status)
        status = sqz_loader_start(work->loader, 0, 0, err);
    if (!status)
        work->batch = (int)work->setup.config->batch_size;
    work->run = run_load;
    return status;
}

// --- Timing ---

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum sqz_status time_runs(struct sqz_context *context, struct work *work, double seconds,
                                 struct sqz_bench_result *out, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    size_t capacity = 1024, n = 0;
    double *times = sqz_new_array(capacity, sizeof *times), begin, total = 0;
    if (!times)
        return sqz_fail_memory(err, "the timings", capacity * sizeof *times);
    for (int warm = 0; !status && warm < 2; warm++) {
        begin = sqz_clock_seconds();
        status = work->run(work, err);
        if (warm == 0)
            out->latency_ms_first = 1e3 * (sqz_clock_seconds() - begin);
    }
    begin = sqz_clock_seconds();
    work->cost = (struct sqz_exchange_cost){0};
    // Ranks end together, in the run that rank 0 calls the last.
    while (!status && n < MAX_RUNS && !work->ended) {
        const bool stopped = sqz_stop_asked(&context->stop);
        work->last = stopped || (n >= 3 && sqz_clock_seconds() - begin >= seconds);
        if (work->last && !work->exchange)
            break;
        if (n == capacity) {
            double *grown = sqz_grow_array(times, capacity, 2 * capacity, sizeof *times);
            if (!grown) {
                status = sqz_fail_memory(err, "the timings", 2 * capacity * sizeof *times);
                break;
            }
            times = grown;
            capacity *= 2;
        }
        double before = sqz_clock_seconds();
        status = work->run(work, err);
        times[n] = sqz_clock_seconds() - before;
        total += times[n++];
    }
    if (!status && !n)
        status = sqz_fail(err, SQZ_E_STOPPED, "The benchmark was stopped before its first run.");
    if (!status) {
        sqz_stop_set(&context->stop, false); // it has ended this measurement
        qsort(times, n, sizeof *times, compare_doubles);
        out->runs = (int64_t)n;
        out->bytes_per_run = (double)work->cost.bytes / (double)n;
        out->exposed_ms = 1e3 * work->cost.seconds / (double)n;
        out->latency_ms_median =
            1e3 * (n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2);
        out->latency_ms_min = 1e3 * times[0];
        out->latency_ms_p99 = 1e3 * times[(size_t)((double)(n - 1) * 0.99)];
        // A loader works ahead, so only its total tells the rate; the others are told by the
        // median.
        out->images_per_second = work->flops > 0 ? work->batch / (out->latency_ms_median * 1e-3)
                                                 : (double)n * work->batch / total;
        out->gflops = work->flops / (out->latency_ms_median * 1e-3) * 1e-9;
    }
    sqz_free(times);
    return status;
}

enum sqz_status sqz_bench_run(struct sqz_context *context, const struct sqz_model *model,
                              const struct sqz_bench_options *options,
                              struct sqz_bench_result *theirs, struct sqz_error *err)
{
    struct sqz_bench_options how;
    struct sqz_bench_result out = {0};
    enum sqz_status status = SQZ_STRUCT_IN(sqz_bench_options, &how, options, err);
    if (!status)
        status = SQZ_STRUCT_CHECK(sqz_bench_result, theirs, err);
    if (status)
        return status;
    if (how.batch < 0 || how.batch > 65536)
        return sqz_fail(err, SQZ_E_USAGE, "The batch must be between 1 and 65536, not %d.",
                        how.batch);
    if (how.task == SQZ_BENCH_LOAD ? !how.options : !model)
        return sqz_fail(err, SQZ_E_USAGE, "This task needs %s.",
                        how.task == SQZ_BENCH_LOAD ? "options that name a dataset" : "a model");
    struct work work = {.batch = how.batch ? how.batch : how.task == SQZ_BENCH_INFER ? 1 : 32};
    out.peak_gflops = measure_peak(context);
    switch (how.task) {
    case SQZ_BENCH_INFER:
        status = prepare_infer(&work, context, model, how.images, err);
        break;
    case SQZ_BENCH_TRAIN:
    case SQZ_BENCH_ALLREDUCE:
        if (how.task == SQZ_BENCH_ALLREDUCE)
            work.run = run_allreduce;
        status = prepare_train(&work, context, model, &how, err);
        work.flops = how.task == SQZ_BENCH_TRAIN ? work.flops : 0;
        break;
    case SQZ_BENCH_LOAD:
        status = prepare_load(&work, context, how.options, err);
        break;
    }
    if (!status)
        status = time_runs(context, &work, how.seconds > 0 ? how.seconds : 5, &out, err);
    out.ranks = sqz_ranks_size(context->ranks);
    out.peak_gflops = fmax(out.peak_gflops, measure_peak(context));
    out.peak_fraction = out.gflops / out.peak_gflops;
    out.rss_mb = (double)sqz_peak_resident_bytes() / 1e6;
    work_release(&work);
    if (!status)
        SQZ_STRUCT_OUT(sqz_bench_result, theirs, &out);
    return sqz_context_end(context, status);
}
