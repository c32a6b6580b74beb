// The schedule of compression-aware training. The density falls along a cubic curve: over half of
// the run, or, with the quantizer, over its first quarter. The quantizer goes into the loop at
// first or, after pruning, after three eighths of the run; its steps grow over some epochs, each
// time fitted again, until the file is small enough.
#include "train/qat/qat.h"

#include "compress/deep.h"
#include "compress/prune.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define USUAL_DISTILL 0.5 // share of the teacher where the options leave it open
#define ROOM          2.0 // the quantizer begins with this many times the bytes asked for

void sqz_qat_free(struct sqz_qat *qat)
{
    if (!qat)
        return;
    sqz_fake_quant_release(&qat->fake_quant);
    sqz_contents_release(&qat->base);
    sqz_teacher_close(qat->teacher);
    sqz_free(qat->export_weights);
    sqz_free(qat);
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

static void plan(struct sqz_qat *qat)
{
    const struct sqz_setup *setup = qat->host.setup;
    const struct sqz_train_config *config = setup->config;
    bool prunes = config->prunes;
    qat->size = config->size_bytes;
    qat->budget = config->update_budget_bytes;
    double density = prunes ? config->prune : 1;
    if (!prunes && qat->size)
        density = usual_density(setup->model->net->n_weights, qat->size);
    prunes = density < 1;
    qat->fake_quant.planned_kind =
        config->compress_method == SQZ_COMPRESS_DEEP ? SQZ_QUANT_SHARED : SQZ_QUANT_UNIFORM;
    qat->fake_quant.keeps_zeros = prunes || config->compress;
    int64_t per_epoch = qat->host.steps_per_epoch;
    int64_t prune_steps = prunes ? config->epoch_size * per_epoch / 2 : 0;
    qat->quantize_epoch = -1;
    if (config->compress) {
        qat->quantize_epoch = prunes ? (config->epoch_size * 3 + 2) / 8 : 0;
        prune_steps = qat->quantize_epoch * per_epoch * 3 / 4;
        if (qat->fake_quant.planned_kind == SQZ_QUANT_UNIFORM)
            qat->coarsen_epochs = (config->epoch_size - qat->quantize_epoch) / 4;
    }
    qat->pruning = sqz_prune_schedule(density, prune_steps);
}

// Without option teacher the starting point teaches, where its classes are those of the data.
static enum sqz_status find_teacher(struct sqz_qat *qat, struct sqz_error *err)
{
    const struct sqz_qat_host *host = &qat->host;
    struct sqz_setup *setup = host->setup;
    const struct sqz_train_config *config = setup->config;
    bool named = *config->teacher, given = config->distill == config->distill;
    double share = given ? config->distill : named || !qat->budget ? USUAL_DISTILL : 0;
    const struct sqz_teaching teaching = {share, config->distill_maps};
    const char *path = named ? config->teacher : config->ckpt_path;
    given = given || teaching.maps > 0;
    if ((share == 0 && teaching.maps == 0) || !*path)
        return SQZ_OK;
    enum sqz_status status = sqz_teacher_open(host->environment, path, setup->model->net,
                                              host->stepper->config.max_batch, &teaching,
                                              named || given, &qat->teacher, err);
    if (!status && qat->teacher)
        sqz_text_add(&setup->notes, "\"%s\" teaches: %g of every target is its answer%s.\n",
                     sqz_path_name(path), share,
                     teaching.maps > 0 ? ", and its maps are followed" : "");
    return status;
}

static void announce(const struct sqz_qat *qat)
{
    struct sqz_text *notes = &qat->host.setup->notes;
    if (qat->pruning.density < 1)
        sqz_text_add(notes, "Pruning to %.3g %% of the weights until step %" PRId64 ".\n",
                     100 * qat->pruning.density, qat->pruning.steps);
    if (qat->quantize_epoch >= 0)
        sqz_text_add(notes, "The quantizer is in the loop from epoch %" PRId64 " on.\n",
                     qat->quantize_epoch + 1);
}

enum sqz_status sqz_qat_new(const struct sqz_qat_host *host, struct sqz_qat **out,
                            struct sqz_error *err)
{
    const struct sqz_train_config *config = host->setup->config;
    const struct sqz_net *net = host->setup->model->net;
    *out = NULL;
    if (!config->compresses && !config->teaches)
        return SQZ_OK;
    struct sqz_qat *qat = *out = sqz_new_array(1, sizeof *qat);
    if (!qat)
        return sqz_fail_memory(err, "compression-aware training", sizeof *qat);
    qat->host = *host;
    enum sqz_status status =
        sqz_fake_quant_init(net, host->environment->pool, &qat->fake_quant, err);
    if (!status && !(qat->export_weights = sqz_new_aligned(net->n_weights, sizeof(float))))
        status = sqz_fail_memory(err, "compression-aware training", net->n_weights * sizeof(float));
    if (status)
        return status;
    plan(qat);
    host->stepper->fake_quant = &qat->fake_quant;
    announce(qat);
    if (qat->budget)
        status = sqz_qat_read_base(qat, err);
    return status ? status : find_teacher(qat, err);
}

static enum sqz_status prune(struct sqz_qat *qat, double density, struct sqz_error *err)
{
    if (density >= 1)
        return SQZ_OK;
    return sqz_prune(qat->host.setup->model->net, qat->host.environment->pool, density,
                     qat->host.stepper->weights, err);
}

// --- The trainer's fixed points ---

// Bytes that the file, or the patch, may have in epoch `epoch`.
static size_t bytes_now(const struct sqz_qat *qat, int64_t epoch)
{
    if (qat->budget)
        return qat->budget;
    int64_t left = qat->quantize_epoch + qat->coarsen_epochs - epoch;
    return left <= 0 ? qat->size
                     : (size_t)((double)qat->size *
                                pow(ROOM, (double)left / (double)qat->coarsen_epochs));
}

enum sqz_status sqz_qat_epoch(struct sqz_qat *qat, int64_t epoch, struct sqz_error *err)
{
    if (!qat)
        return SQZ_OK;
    const struct sqz_stepper *stepper = qat->host.stepper;
    int64_t since = epoch - qat->quantize_epoch; // the quantizer is in the loop
    bool joins = qat->quantize_epoch >= 0 && since >= 0 && since <= qat->coarsen_epochs;
    if (!joins && qat->fake_quant.kind == SQZ_QUANT_UNIFORM)
        return sqz_qat_fit(qat, stepper->weights, bytes_now(qat, epoch), true, err);
    if (!joins)
        return SQZ_OK;
    enum sqz_status status = prune(qat, qat->pruning.density, err);
    if (!status)
        status = sqz_qat_quantize(qat, bytes_now(qat, epoch), err);
    if (!status && stepper->ema)
        memcpy(stepper->ema, stepper->weights,
               qat->host.setup->model->net->n_weights * sizeof(float));
    return status;
}

enum sqz_status sqz_qat_step(struct sqz_qat *qat, int64_t step, struct sqz_step_batch *batch,
                             struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    if (!qat)
        return SQZ_OK;
    if (sqz_prune_is_due(&qat->pruning, step))
        status = prune(qat, sqz_prune_density(&qat->pruning, step), err);
    if (status || !qat->teacher)
        return status;
    struct sqz_ranks *ranks = qat->host.environment->ranks;
    int first, end;
    sqz_gradient_share(qat->host.stepper->config.net, batch->n, sqz_ranks_rank(ranks),
                       sqz_ranks_size(ranks), &first, &end);
    return sqz_teacher_teach(qat->teacher, batch, first, end, err);
}

enum sqz_status sqz_qat_export(struct sqz_qat *qat, int64_t epoch, struct sqz_error *err)
{
    if (!qat || (!qat->fake_quant.keeps_zeros && qat->fake_quant.kind == SQZ_QUANT_NONE))
        return SQZ_OK;
    const struct sqz_stepper *stepper = qat->host.stepper;
    const struct sqz_net *net = qat->host.setup->model->net;
    const float *weights = stepper->ema ? stepper->ema : stepper->weights;
    qat->fake_quant.export_weights = qat->export_weights;
    if (qat->fake_quant.kind == SQZ_QUANT_UNIFORM)
        return sqz_qat_fit(qat, weights, bytes_now(qat, epoch), false, err);
    memcpy(qat->export_weights, weights, net->n_weights * sizeof(float));
    // A moving average forgets only slowly what its pruned weights were.
    for (int p = 0; p < net->n_params; p++)
        for (size_t i = 0; net->params[p].kind == SQZ_PARAM_WEIGHT && i < net->params[p].size; i++)
            if (stepper->weights[net->params[p].offset + i] == 0)
                qat->export_weights[net->params[p].offset + i] = 0;
    if (qat->fake_quant.kind == SQZ_QUANT_SHARED)
        sqz_deep_round_biases(net, qat->export_weights);
    return SQZ_OK;
}

bool sqz_qat_is_final(const struct sqz_qat *qat, int64_t epochs, int64_t steps)
{
    if (!qat)
        return true;
    if (qat->quantize_epoch < 0)
        return steps > qat->pruning.steps;
    return epochs > qat->quantize_epoch + qat->coarsen_epochs;
}
