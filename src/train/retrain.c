// The course of a retraining. The density falls along a cubic curve: over half of the run, or, with
// the quantiser, over its first quarter. The quantiser goes into the loop at first or, after
// pruning, after three eighths of the run; its steps grow over some epochs, each time fitted anew,
// until the file is small enough.
#include "train/retrain.h"

#include "compress/deep.h"
#include "compress/prune.h"
#include "train/memory_plan.h"
#include "train/trainer_run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PRUNINGS      40  // of a run, at most
#define USUAL_DISTILL 0.5 // share of the teacher where the options leave it open
#define ROOM          2.0 // the quantiser begins with so many times the bytes asked for

void sqz_retrain_free(struct sqz_retrain *retrain)
{
    if (!retrain)
        return;
    sqz_served_release(&retrain->served);
    sqz_contents_release(&retrain->base);
    sqz_teacher_close(retrain->teacher);
    sqz_free(retrain->judged);
    sqz_free(retrain);
}

static size_t size_option(const char *text)
{
    size_t bytes = 0;
    if (*text)
        sqz_parse_size(text, &bytes); // was checked with the other options
    return bytes;
}

// Rounding alone gets a file small only at a high price: below three bits a weight fewer weights,
// with finer steps, lose less. Measured on fine-tuned models at 0.6 bits, where 0.15 to 0.25 of the
// weights did equally well.
static double usual_density(size_t weights, size_t size)
{
    static const double side = 4000; // bytes of biases, directory and texts
    double bits = 8 * fmax((double)size - side, 0) / (double)weights;
    return fmin(fmax(bits / 3, 0.01), 1);
}

static void plan(struct sqz_run *run, struct sqz_retrain *retrain)
{
    const struct sqz_options *options = run->setup.options;
    bool prunes = sqz_options_prunes(options);
    retrain->size = size_option(options->size);
    retrain->budget = size_option(options->update_budget);
    retrain->density = prunes ? options->prune : 1;
    if (!prunes && retrain->size)
        retrain->density = usual_density(run->setup.model->net->n_weights, retrain->size);
    prunes = retrain->density < 1;
    retrain->served.later =
        strcmp(options->compress_method, "deep") == 0 ? SQZ_SERVE_SHARED : SQZ_SERVE_GRID;
    retrain->served.keeps_zeros = prunes || options->compress;
    int64_t steps = options->epoch_size * run->steps_per_epoch;
    retrain->quantize_epoch = -1;
    retrain->prune_steps = prunes ? steps / 2 : 0;
    if (options->compress) {
        retrain->quantize_epoch = prunes ? (options->epoch_size * 3 + 2) / 8 : 0;
        retrain->prune_steps = retrain->quantize_epoch * run->steps_per_epoch * 3 / 4;
        if (retrain->served.later == SQZ_SERVE_GRID)
            retrain->coarsen_epochs = (options->epoch_size - retrain->quantize_epoch) / 4;
    }
    retrain->prune_interval = retrain->prune_steps > PRUNINGS ? retrain->prune_steps / PRUNINGS : 1;
}

// Without option teacher the starting point teaches, where its classes are those of the data.
static enum sqz_status find_teacher(struct sqz_run *run, struct sqz_retrain *retrain,
                                    struct sqz_error *err)
{
    const struct sqz_options *options = run->setup.options;
    bool named = *options->teacher, given = options->distill == options->distill;
    double share = given ? options->distill : named || !retrain->budget ? USUAL_DISTILL : 0;
    const struct sqz_teaching teaching = {share, options->distill_maps};
    const char *path = named ? options->teacher : options->ckpt_path;
    given = given || teaching.maps > 0;
    if ((share == 0 && teaching.maps == 0) || !*path)
        return SQZ_OK;
    enum sqz_status status = sqz_teacher_open(run->environment, path, run->setup.model->net,
                                              run->stepper.config.max_batch, &teaching,
                                              named || given, &retrain->teacher, err);
    if (!status && retrain->teacher)
        sqz_text_add(&run->setup.notes, "\"%s\" teaches: %g of every target is its answer%s.\n",
                     sqz_path_name(path), share,
                     teaching.maps > 0 ? ", and its maps are followed" : "");
    return status;
}

enum sqz_status sqz_retrain_new(struct sqz_run *run, struct sqz_error *err)
{
    const struct sqz_options *options = run->setup.options;
    const struct sqz_net *net = run->setup.model->net;
    if (!sqz_options_retrains(options) && !sqz_options_teaches(options))
        return SQZ_OK;
    struct sqz_retrain *retrain = run->retrain = sqz_new_array(1, sizeof *retrain);
    if (!retrain)
        return sqz_fail_memory(err, "retraining", sizeof *retrain);
    enum sqz_status status = sqz_served_init(net, run->environment->pool, &retrain->served, err);
    if (!status && !(retrain->judged = sqz_new_aligned(net->n_weights, sizeof(float))))
        status = sqz_fail_memory(err, "retraining", net->n_weights * sizeof(float));
    if (status)
        return status;
    plan(run, retrain);
    run->stepper.served = &retrain->served;
    if (retrain->density < 1)
        sqz_text_add(&run->setup.notes,
                     "Pruning to %.3g %% of the weights until step %" PRId64 ".\n",
                     100 * retrain->density, retrain->prune_steps);
    if (retrain->quantize_epoch >= 0)
        sqz_text_add(&run->setup.notes, "The quantiser is in the loop from epoch %" PRId64 " on.\n",
                     retrain->quantize_epoch + 1);
    if (retrain->budget)
        status = sqz_retrain_read_base(run, err);
    return status ? status : find_teacher(run, retrain, err);
}

// --- Pruning ---

static double density_at(const struct sqz_retrain *retrain, int64_t step)
{
    if (step >= retrain->prune_steps)
        return retrain->density;
    double left = 1 - (double)step / (double)retrain->prune_steps;
    return retrain->density + (1 - retrain->density) * left * left * left;
}

static enum sqz_status prune(struct sqz_run *run, double density, struct sqz_error *err)
{
    if (density >= 1)
        return SQZ_OK;
    return sqz_prune(run->setup.model->net, run->environment->pool, density, run->stepper.weights,
                     err);
}

// --- The trainer's fixed points ---

// Bytes that the file, or the patch, may have in this epoch.
static size_t bytes_now(const struct sqz_run *run)
{
    const struct sqz_retrain *retrain = run->retrain;
    if (retrain->budget)
        return retrain->budget;
    int64_t left = retrain->quantize_epoch + retrain->coarsen_epochs - run->state.epoch;
    return left <= 0 ? retrain->size
                     : (size_t)((double)retrain->size *
                                pow(ROOM, (double)left / (double)retrain->coarsen_epochs));
}

enum sqz_status sqz_retrain_epoch(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_retrain *retrain = run->retrain;
    if (!retrain)
        return SQZ_OK;
    int64_t since = run->state.epoch - retrain->quantize_epoch; // the quantiser is in the loop
    bool joins = retrain->quantize_epoch >= 0 && since >= 0 && since <= retrain->coarsen_epochs;
    if (!joins && retrain->served.how == SQZ_SERVE_GRID)
        return sqz_retrain_fit(run, run->stepper.weights, bytes_now(run), true, err);
    if (!joins)
        return SQZ_OK;
    enum sqz_status status = prune(run, retrain->density, err);
    if (!status)
        status = sqz_retrain_quantize(run, bytes_now(run), err);
    if (!status && run->stepper.ema)
        memcpy(run->stepper.ema, run->stepper.weights,
               run->setup.model->net->n_weights * sizeof(float));
    return status;
}

enum sqz_status sqz_retrain_step(struct sqz_run *run, struct sqz_step_batch *batch,
                                 struct sqz_error *err)
{
    struct sqz_retrain *retrain = run->retrain;
    int64_t step = run->state.steps;
    enum sqz_status status = SQZ_OK;
    if (!retrain)
        return SQZ_OK;
    if (step <= retrain->prune_steps &&
        (step % retrain->prune_interval == 0 || step == retrain->prune_steps))
        status = prune(run, density_at(retrain, step), err);
    if (status || !retrain->teacher)
        return status;
    struct sqz_ranks *ranks = run->environment->ranks;
    int first, end;
    sqz_gradient_share(run->stepper.config.net, batch->n, sqz_ranks_rank(ranks),
                       sqz_ranks_size(ranks), &first, &end);
    sqz_teacher_teach(retrain->teacher, batch, first, end);
    return SQZ_OK;
}

enum sqz_status sqz_retrain_judge(struct sqz_run *run, struct sqz_error *err)
{
    struct sqz_retrain *retrain = run->retrain;
    const struct sqz_stepper *stepper = &run->stepper;
    if (!retrain || (!retrain->served.keeps_zeros && retrain->served.how == SQZ_SERVE_PLAIN))
        return SQZ_OK;
    const struct sqz_net *net = run->setup.model->net;
    const float *weights = stepper->ema ? stepper->ema : stepper->weights;
    enum sqz_status status = SQZ_OK;
    retrain->served.judged = retrain->judged;
    if (retrain->served.how == SQZ_SERVE_GRID)
        return sqz_retrain_fit(run, weights, bytes_now(run), false, err);
    memcpy(retrain->judged, weights, net->n_weights * sizeof(float));
    // A moving average forgets only slowly what its pruned weights were.
    for (int p = 0; p < net->n_params; p++)
        for (size_t i = 0; net->params[p].kind == SQZ_PARAM_WEIGHT && i < net->params[p].size; i++)
            if (stepper->weights[net->params[p].offset + i] == 0)
                retrain->judged[net->params[p].offset + i] = 0;
    if (retrain->served.how == SQZ_SERVE_SHARED)
        sqz_deep_round_biases(net, retrain->judged);
    return status;
}

bool sqz_retrain_settled(const struct sqz_run *run)
{
    const struct sqz_retrain *retrain = run->retrain;
    if (!retrain)
        return true;
    if (retrain->quantize_epoch < 0)
        return run->state.steps > retrain->prune_steps;
    return run->state.epoch > retrain->quantize_epoch + retrain->coarsen_epochs;
}
