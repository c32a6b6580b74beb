// The memory of a run, and batches that fit into a given one.
#include "train/setup/memory_plan.h"

#include "net/engine.h"
#include "train/setup/stepper_config.h"

enum sqz_status sqz_memory_plan(const struct sqz_environment *environment,
                                const struct sqz_setup *setup, struct sqz_memory_plan *out,
                                struct sqz_error *err)
{
    const struct sqz_optimizer_rule *rule = sqz_optimizer_rule_at((int)setup->config->opt);
    const struct sqz_net *net = setup->model->net;
    int threads = sqz_pool_size(environment->pool);
    struct sqz_stepper_config config = sqz_setup_stepper_config(environment, setup);
    struct sqz_loader_config loader = sqz_setup_loader_config(setup, threads);
    *out = (struct sqz_memory_plan){.weights = net->n_weights * sizeof(float)};
    enum sqz_status status = sqz_stepper_memory(&config, &out->engine, &out->step, err);
    if (!status && setup->val) {
        struct sqz_engine_memory infer;
        const struct sqz_engine_config engine = {.net = net, .kernels = environment->kernels};
        struct sqz_loader_config val = sqz_setup_val_loader_config(
            setup->config, setup->val, &setup->model->preprocess, environment);
        status = sqz_engine_memory(&engine, threads, &infer, err);
        if (!status)
            out->validation = infer.total + sqz_loader_memory(&val);
    }
    if (status)
        return status;
    out->optimizer = config.net->n_weights * sizeof(float) * (size_t)(rule ? rule->n_states : 0);
    out->images = sqz_loader_memory(&loader);
    if (setup->train->pixels)
        out->dataset = setup->train->count * (size_t)setup->train->w * (size_t)setup->train->h *
                       (size_t)setup->train->c;
    out->total =
        out->weights + out->optimizer + out->step + out->images + out->validation + out->dataset;
    return SQZ_OK;
}

// The next smaller batch that divides this one; mixup and cutmix need an even one, normalisation
// whole groups. 0: none.
static int64_t smaller_batch(const struct sqz_train_config *config, int64_t whole, int64_t batch)
{
    bool even = config->mixup > 0 || config->cutmix > 0;
    int64_t group = config->norm == SQZ_NORM_BATCH ? config->norm_group : 1;
    for (int64_t b = batch - 1; b > 0; b--)
        if (whole % b == 0 && (!even || b % 2 == 0) && b % group == 0)
            return b;
    return 0;
}

enum sqz_status sqz_memory_fit(const struct sqz_environment *environment, struct sqz_setup *setup,
                               struct sqz_train_config *config, struct sqz_error *err)
{
    int64_t whole = config->batch_size, group = config->gradient_accumulation_steps;
    struct sqz_memory_plan plan;
    enum sqz_status status;
    if (config->memory_bytes == 0)
        return SQZ_OK;
    while (!(status = sqz_memory_plan(environment, setup, &plan, err)) &&
           plan.total > config->memory_bytes) {
        int64_t next = smaller_batch(config, whole, config->batch_size);
        if (next == 0)
            return sqz_fail(err, SQZ_E_CONFIG,
                            "Option memory is %s, but with the smallest batch, of %lld, this run "
                            "still takes %.0f MB; a smaller image_resize or fewer threads need "
                            "less.",
                            config->memory, (long long)config->batch_size,
                            (double)plan.total / 1e6);
        config->batch_size = next;
        config->gradient_accumulation_steps = group * (whole / next);
    }
    if (!status && config->batch_size != whole)
        sqz_text_add(&setup->notes,
                     "To fit into %s, the batch of %lld is computed as %lld of %lld.\n",
                     config->memory, (long long)whole, (long long)(whole / config->batch_size),
                     (long long)config->batch_size);
    return status;
}
