// The memory of a run, and batches that fit into a given one.
#include "train/run/memory_plan.h"

#include "net/engine.h"
#include "train/run/run.h"
#include "train/run/stepper_config.h"

enum sqz_status sqz_memory_plan(const struct sqz_run *run, int n_states,
                                struct sqz_memory_plan *out, struct sqz_error *err)
{
    const struct sqz_setup *setup = &run->setup;
    const struct sqz_net *net = setup->model->net;
    int threads = sqz_pool_size(run->environment->pool);
    struct sqz_stepper_config config = sqz_run_stepper_config(run);
    struct sqz_loader_config loader = sqz_setup_loader_config(setup, threads);
    *out = (struct sqz_memory_plan){.weights = net->n_weights * sizeof(float)};
    enum sqz_status status = sqz_stepper_memory(&config, &out->engine, &out->step, err);
    if (!status && setup->val) {
        struct sqz_engine_memory infer;
        const struct sqz_engine_config engine = {.net = net, .kernels = run->environment->kernels};
        struct sqz_loader_config val = sqz_setup_val_loader_config(
            setup->options, setup->val, &setup->model->preprocess, run->environment);
        status = sqz_engine_memory(&engine, threads, &infer, err);
        if (!status)
            out->validation = infer.total + sqz_loader_memory(&val);
    }
    if (status)
        return status;
    out->optimizer = config.net->n_weights * sizeof(float) * (size_t)n_states;
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
static int64_t smaller_batch(const struct sqz_options *options, int64_t whole, int64_t batch)
{
    bool even = options->mixup > 0 || options->cutmix > 0;
    int64_t group = sqz_choice_norm(options) == SQZ_NORM_BATCH ? options->norm_group : 1;
    for (int64_t b = batch - 1; b > 0; b--)
        if (whole % b == 0 && (!even || b % 2 == 0) && b % group == 0)
            return b;
    return 0;
}

enum sqz_status sqz_memory_fit(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_options *options = run->setup.options;
    const struct sqz_optimizer_rule *rule = sqz_optimizer_rule_find(options->opt);
    int64_t whole = options->batch_size, group = options->gradient_accumulation_steps;
    struct sqz_memory_plan plan;
    size_t limit;
    enum sqz_status status;
    if (!*options->memory)
        return SQZ_OK;
    if (!sqz_parse_size(options->memory, &limit))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option memory is \"%.40s\", but it must be a size like 2GiB or 500MB.",
                        options->memory);
    while (!(status = sqz_memory_plan(run, rule ? rule->n_states : 0, &plan, err)) &&
           plan.total > limit) {
        int64_t next = smaller_batch(options, whole, options->batch_size);
        if (next == 0)
            return sqz_fail(err, SQZ_E_CONFIG,
                            "Option memory is %s, but with the smallest batch, of %lld, this run "
                            "still takes %.0f MB; a smaller image_resize or fewer threads need "
                            "less.",
                            options->memory, (long long)options->batch_size,
                            (double)plan.total / 1e6);
        options->batch_size = next;
        options->gradient_accumulation_steps = group * (whole / next);
    }
    if (!status && options->batch_size != whole)
        sqz_text_add(&run->setup.notes,
                     "To fit into %s, the batch of %lld is computed as %lld of %lld.\n",
                     options->memory, (long long)whole, (long long)(whole / options->batch_size),
                     (long long)options->batch_size);
    return status;
}
