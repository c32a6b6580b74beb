// The loaders of a run: what they draw, how many threads decode, and which share is this rank's.
#include "train/setup/setup.h"

#include "net/gradient.h"
#include "train/step/exchange.h"

static int loader_workers(const struct sqz_train_config *config, int threads)
{
    // More than the compute threads would only take their cores away.
    int64_t workers =
        config->num_parallel_workers < threads ? config->num_parallel_workers : threads;
    return workers < 1 ? 1 : (int)workers;
}

static enum sqz_bad_image bad_image(const struct sqz_train_config *config)
{
    return config->on_bad == SQZ_ON_BAD_SKIP ? SQZ_BAD_SKIP : SQZ_BAD_STOP;
}

static void share_leaves(const struct sqz_share *share, int n, int *first, int *end)
{
    sqz_gradient_share(share->arg, n, share->rank, share->ranks, first, end);
}

static void share_evenly(const struct sqz_share *share, int n, int *first, int *end)
{
    sqz_even_share(n, share->rank, share->ranks, first, end);
}

struct sqz_loader_config sqz_setup_loader_config(const struct sqz_setup *setup, int threads)
{
    const struct sqz_train_config *config = setup->config;
    size_t samples = config->num_samples > 0 ? (size_t)config->num_samples : 0;
    // A balanced epoch is as long as an ordinary one: so many draws from the longer list.
    if (setup->balanced && samples == 0)
        samples = setup->train->count;
    struct sqz_loader_config loader = {.dataset = setup->balanced ? setup->balanced : setup->train,
                                       .preprocess = setup->model->preprocess,
                                       .augment = &setup->augment,
                                       .classes = setup->model->net->spec.classes,
                                       .batch = (int)config->batch_size,
                                       .shuffle = config->shuffle,
                                       .drop_remainder = config->drop_remainder,
                                       .num_samples = samples,
                                       .seed = (uint64_t)config->seed,
                                       .workers = loader_workers(config, threads),
                                       .on_bad = bad_image(config)};
    if (setup->ranks)
        loader.share =
            (struct sqz_share){share_leaves, setup->norm_net ? setup->norm_net : setup->model->net,
                               sqz_ranks_rank(setup->ranks), sqz_ranks_size(setup->ranks)};
    sqz_transforms_batches(config, &loader);
    return loader;
}

enum sqz_status sqz_setup_train_loader(const struct sqz_setup *setup, int threads,
                                       struct sqz_loader **out, struct sqz_error *err)
{
    struct sqz_loader_config loader = sqz_setup_loader_config(setup, threads);
    return sqz_loader_new(&loader, out, err);
}

struct sqz_loader_config sqz_setup_val_loader_config(const struct sqz_train_config *config,
                                                     const struct sqz_dataset *set,
                                                     const struct sqz_preprocess *preprocess,
                                                     const struct sqz_environment *environment)
{
    struct sqz_ranks *ranks = environment->ranks;
    int threads = sqz_pool_size(environment->pool);
    // The batch decides nothing here but memory: enough to keep the threads busy.
    enum { SMALLEST = 16, LARGEST = 64, A_THREAD = 4 };
    int batch = threads * A_THREAD;
    batch = batch < SMALLEST ? SMALLEST : batch > LARGEST ? LARGEST : batch;
    struct sqz_loader_config loader = {.dataset = set,
                                       .preprocess = *preprocess,
                                       .batch = config->batch_size < batch ? (int)config->batch_size
                                                                           : batch,
                                       .seed = (uint64_t)config->seed,
                                       .workers = loader_workers(config, threads),
                                       .on_bad = bad_image(config)};
    if (ranks) { // one batch size for all, whatever their threads
        loader.batch = SMALLEST * sqz_ranks_size(ranks);
        loader.share =
            (struct sqz_share){share_evenly, NULL, sqz_ranks_rank(ranks), sqz_ranks_size(ranks)};
    }
    return loader;
}

enum sqz_status sqz_setup_val_loader(const struct sqz_train_config *config,
                                     const struct sqz_dataset *set,
                                     const struct sqz_preprocess *preprocess,
                                     const struct sqz_environment *environment,
                                     struct sqz_loader **out, struct sqz_error *err)
{
    struct sqz_loader_config loader =
        sqz_setup_val_loader_config(config, set, preprocess, environment);
    return sqz_loader_new(&loader, out, err);
}
