// From options, data and model to everything that a run needs in memory.
#include "train/run/run_ranks.h"

#include "train/options/recipe_tools.h"
#include "train/setup/stepper_config.h"

#include <math.h>
#include <string.h>

double sqz_run_rate(const struct sqz_run *run)
{
    return sqz_rate_at(run->setup.config, &run->rates, run->stepper.counters.counted);
}

double sqz_run_last_rate(const struct sqz_run *run)
{
    int64_t counted = run->stepper.counters.counted;
    return sqz_rate_at(run->setup.config, &run->rates, counted > 0 ? counted - 1 : 0);
}

static enum sqz_status check_network(const struct sqz_run *run, struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    if (run->setup.model->net->spec.classes < 2)
        return sqz_fail(err, SQZ_E_DATA,
                        "\"%s\" has only one class; there is nothing to tell apart.",
                        config->data_dir);
    return SQZ_OK;
}

static void describe_data(struct sqz_run *run)
{
    const struct sqz_setup *setup = &run->setup;
    struct sqz_train_state *state = &run->state;
    state->train_images = (int64_t)setup->train->count;
    state->train_fingerprint = setup->train->fingerprint;
    state->val_images = setup->val ? (int64_t)setup->val->count : 0;
    state->val_fingerprint = setup->val ? setup->val->fingerprint : 0;
    state->samples = (struct sqz_sample_keys){run->setup.sample_keys, setup->train->count};
    run->setup.sample_keys = NULL;
}

static void note(void *run, const char *sentence)
{
    sqz_run_note(run, SQZ_EVENT_NOTE, "%s", sentence);
}

enum sqz_status sqz_run_prepare(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_setup *setup = &run->setup;
    const struct sqz_train_config *config = setup->config;
    int threads = sqz_pool_size(run->environment->pool);
    struct sqz_loss_scale scale = sqz_loss_scale_of(config);
    enum sqz_status status = check_network(run, err);
    if (!status)
        status = sqz_setup_train_loader(setup, threads, &run->loader, err);
    if (status)
        return status;
    struct sqz_stepper_config step = sqz_setup_stepper_config(run->environment, setup);
    run->limit.max_steps = config->max_steps;
    run->steps_per_epoch = (int64_t)sqz_loader_steps(run->loader);
    status = sqz_rate_table_new(config, run->steps_per_epoch, &run->rates, &setup->notes, err);
    if (!status)
        status = sqz_optimizer_new(config, step.net, &run->optimizer, err);
    if (!status)
        status = sqz_stepper_init(&run->stepper, &step, &scale, run->optimizer,
                                  setup->model->weights, err);
    if (!status && setup->val)
        status = sqz_setup_val_loader(config, setup->val, &setup->model->preprocess,
                                      run->environment, &run->val_loader, err);
    if (status)
        return status;
    struct sqz_qat_host host = {.environment = run->environment,
                                .setup = setup,
                                .stepper = &run->stepper,
                                .steps_per_epoch = run->steps_per_epoch,
                                .note = note,
                                .note_arg = run};
    status = sqz_qat_new(&host, &run->qat, err);
    if (status)
        return status;
    describe_data(run);
    struct sqz_recipe_facts facts = {.train_images = (int64_t)setup->train->count,
                                     .steps_per_epoch = run->steps_per_epoch};
    sqz_recipe_lint(config, &facts, &setup->notes);
    if (config->distribute && !run->environment->ranks)
        sqz_text_add(&setup->notes, "distribute is on, but the program was not started under MPI: "
                                    "this is one rank of one.\n");
    return SQZ_OK;
}

// Steps that fit into `seconds`, with the validations between and after them. A forward pass is
// about a third of a step.
static int64_t steps_within(const struct sqz_run *run, double seconds)
{
    const struct sqz_train_config *config = run->setup.config;
    double step = run->clocks.train_seconds / (double)run->clocks.steps;
    double image = run->clocks.train_seconds / (double)run->clocks.images;
    double validation = run->val_loader ? (double)run->setup.val->count * image / 3 : 0;
    double between = config->val_while_train
                         ? validation / (double)(run->steps_per_epoch * config->val_interval)
                         : 0;
    return (int64_t)fmax((seconds - validation) / (step + between), 0);
}

enum sqz_status sqz_run_plan_time(struct sqz_run *run, struct sqz_error *err)
{
    enum { MEASURED = 8 };
    const struct sqz_train_config *config = run->setup.config;
    double elapsed = sqz_clock_seconds() - run->clocks.started;
    if (config->max_seconds == 0 || run->limit.planned)
        return SQZ_OK;
    // At least one step, so that every run gets somewhere; with a short budget no more than needed.
    bool early = run->clocks.steps == 0 ||
                 (elapsed < 0.1 * config->max_seconds &&
                  (run->clocks.steps < MEASURED || elapsed < 0.03 * config->max_seconds));
    int64_t limit =
        early ? -1 : run->state.steps + steps_within(run, config->max_seconds - elapsed);
    enum sqz_status status = sqz_ranks_share_limit(run->environment->ranks, &limit, err);
    if (status || limit < 0)
        return status;
    if (run->limit.max_steps == 0 || limit < run->limit.max_steps)
        run->limit.max_steps = limit;
    run->limit.planned = true;
    sqz_run_note(run, SQZ_EVENT_NOTE, "In %g seconds the run gets to step %lld.",
                 config->max_seconds, (long long)run->limit.max_steps);
    return sqz_ranks_agree(run->environment->ranks, sqz_run_write_recipe(run, err), err);
}
