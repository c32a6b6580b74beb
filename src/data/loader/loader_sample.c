// From a dataset's index to the network's input, with a substitute for what does not decode.
#include "data/loader/loader_sample.h"

void sqz_sample_worker_release(struct sqz_sample_worker *worker)
{
    sqz_bytes_release(&worker->bytes);
    sqz_transform_scratch_release(&worker->scratch);
}

static enum sqz_status load(const struct sqz_sample_job *job, size_t index,
                            struct sqz_sample_worker *worker, float *out, struct sqz_error *err)
{
    const struct sqz_loader_config *config = job->config;
    struct sqz_source source;
    struct sqz_image view;
    struct sqz_random random;
    enum sqz_status status =
        sqz_dataset_read(config->dataset, index, &worker->bytes, &view, &source, err);
    if (status)
        return status;
    if (!config->augment)
        return sqz_preprocess_run(&config->preprocess, &source, out, &worker->scratch, err);
    // A substitute takes the draws of the sample that it stands for, so it is not seen twice alike.
    // A repetition counts as another sample, numbered after those of the set.
    uint64_t key = job->index + job->repetition * config->dataset->count;
    sqz_random_init(&random, config->seed, (uint64_t)job->epoch, key, SQZ_RANDOM_AUGMENT);
    return sqz_augment_run(config->augment, &config->preprocess, &source, &random, job->view_floats,
                           out, &worker->scratch, err);
}

// Trouble that stays with the file. A full memory, a failing disk, or a file that went away while
// the run goes (its whole disk may have) is nothing to gloss over.
static bool may_replace(const struct sqz_loader_config *config, size_t index,
                        enum sqz_status status)
{
    return status == SQZ_E_DATA &&
           (config->on_bad == SQZ_BAD_SKIP || config->dataset->samples[index].removed);
}

enum sqz_status sqz_sample_load(struct sqz_sample_job *job, struct sqz_sample_worker *worker,
                                float *out, struct sqz_error *err)
{
    const struct sqz_dataset *set = job->config->dataset;
    int label = set->samples[job->index].label;
    struct sqz_error error = {0};
    job->used = job->index;
    enum sqz_status status = load(job, job->index, worker, out, &error);
    size_t index = job->index;
    for (size_t step = 1; may_replace(job->config, index, status) && step < set->count; step++) {
        const size_t next = (job->index + step) % set->count;
        if (set->samples[next].label != label)
            continue;
        index = next;
        status = load(job, index, worker, out, &error);
        if (!status)
            job->used = index;
    }
    if (may_replace(job->config, index, status))
        return sqz_fail(err, SQZ_E_DATA, "No image of the class \"%s\" in \"%s\" can be decoded.",
                        set->classes[label], set->name);
    return status ? sqz_fail(err, status, "%s", error.text) : SQZ_OK;
}
