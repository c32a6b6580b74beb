// What only the real codec can tell: bytes. Here the steps are chosen and adjusted to them.
#include "compress/auto.h"
#include "compress/deep.h"
#include "train/qat/qat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    IMAGES = 256, // that the steps are chosen by
    ROUNDS = 12   // of the search for a dead zone
};

// --- Bytes ---

static enum sqz_status measure_size(void *arg, const float *weights, size_t *bytes,
                                    struct sqz_error *err)
{
    const struct sqz_qat *qat = arg;
    struct sqz_model model = *qat->host.setup->model; // a borrowed view
    model.weights = (float *)weights;
    return sqz_model_packed_size(&model, bytes, err);
}

static enum sqz_status measure_patch(const struct sqz_qat *qat, const float *weights, size_t *bytes,
                                     struct sqz_error *err)
{
    struct sqz_model model = *qat->host.setup->model;
    struct sqz_archive archive = {0};
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report;
    model.weights = (float *)weights;
    enum sqz_status status = sqz_model_to_archive(&model, &archive, err);
    if (!status)
        status = sqz_patch_make(&qat->base, &archive, &patch, &report, err);
    *bytes = patch.size;
    sqz_bytes_release(&patch);
    sqz_archive_release(&archive);
    return status;
}

// One try: what is nearer to its base (without one: to 0) than this many steps stays there.
static enum sqz_status try_dead_zone(struct sqz_qat *qat, const float *weights, double dead_zone,
                                     size_t *bytes, struct sqz_error *err)
{
    qat->fake_quant.grid.dead_zone = (float)dead_zone;
    sqz_uniform_quantizer_round(&qat->fake_quant.grid, qat->host.environment->pool, weights,
                                qat->export_weights);
    return qat->budget ? measure_patch(qat, qat->export_weights, bytes, err)
                       : measure_size(qat, qat->export_weights, bytes, err);
}

// The steps stay: scaled by a hundredth each, the layers of a network change its answers manifold.
static enum sqz_status search(struct sqz_qat *qat, const float *weights, size_t bound,
                              struct sqz_error *err)
{
    size_t bytes = 0;
    double low = -1, high = 16; // log2: half a step is rounding; beyond that lie no codes
    enum sqz_status status = try_dead_zone(qat, weights, exp2(high), &bytes, err);
    if (!status && bytes > bound)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "The %s cannot have %zu bytes: with hardly any code left it has %zu.",
                        qat->budget ? "patch" : "file", bound, bytes);
    if (!status)
        status = try_dead_zone(qat, weights, exp2(low), &bytes, err);
    if (status || bytes <= bound)
        return status;
    for (int i = 0; i < ROUNDS && !status; i++) {
        double middle = (low + high) / 2;
        status = try_dead_zone(qat, weights, exp2(middle), &bytes, err);
        if (bytes > bound)
            low = middle;
        else
            high = middle;
    }
    return status ? status : try_dead_zone(qat, weights, exp2(high), &bytes, err);
}

enum sqz_status sqz_qat_fit(struct sqz_qat *qat, const float *weights, size_t bytes, bool keep,
                            struct sqz_error *err)
{
    float *dead_zone = &qat->fake_quant.grid.dead_zone, before = *dead_zone;
    enum sqz_status status = search(qat, weights, bytes, err);
    if (!keep || status)
        *dead_zone = before;
    return status;
}

// --- The quantizer goes into the loop ---

struct images {
    float *values;
    size_t each; // floats
};

static enum sqz_status give(void *arg, int first, int n, float *out, struct sqz_error *err)
{
    const struct images *images = arg;
    (void)err;
    memcpy(out, images->values + (size_t)first * images->each,
           (size_t)n * images->each * sizeof *out);
    return SQZ_OK;
}

// Augmented training images of an epoch that the run does not have: those that the network was
// trained on as they are it is too sure of. Each of several ranks reads them all.
static enum sqz_status collect(struct sqz_qat *qat, struct images *images, int *n,
                               struct sqz_error *err)
{
    struct sqz_loader_config config =
        sqz_setup_loader_config(qat->host.setup, sqz_pool_size(qat->host.environment->pool));
    struct sqz_loader *loader = NULL;
    config.share = (struct sqz_share){0};
    images->each = sqz_tensor_size(qat->host.setup->model->net, 0);
    images->values = sqz_new_array(IMAGES * images->each, sizeof(float));
    *n = 0;
    if (!images->values)
        return sqz_fail_memory(err, "images", IMAGES * images->each * sizeof(float));
    enum sqz_status status = sqz_loader_new(&config, &loader, err);
    if (!status)
        status = sqz_loader_start(loader, (int)qat->host.setup->config->epoch_size, 0, err);
    while (!status && *n < IMAGES) {
        struct sqz_batch batch;
        status = sqz_loader_next(loader, &batch, err);
        if (status || batch.n == 0)
            break;
        int taken = batch.n < IMAGES - *n ? batch.n : IMAGES - *n;
        memcpy(images->values + (size_t)*n * images->each, batch.images,
               (size_t)taken * images->each * sizeof(float));
        *n += taken;
    }
    sqz_loader_free(loader);
    return status;
}

static enum sqz_status on_progress(void *arg, const char *phase, int step, int steps,
                                   struct sqz_error *err)
{
    (void)arg, (void)phase, (void)step, (void)steps, (void)err;
    return SQZ_OK;
}

static enum sqz_status choose_steps(struct sqz_qat *qat, size_t size, struct sqz_error *err)
{
    const struct sqz_net *net = qat->host.setup->model->net;
    struct images images = {0};
    struct sqz_auto_result result;
    struct sqz_auto_job job = {.net = net,
                               .weights = qat->host.stepper->weights,
                               .kernels = qat->host.environment->kernels,
                               .pool = qat->host.environment->pool,
                               .images = give,
                               .images_arg = &images,
                               .progress = on_progress,
                               .size = size,
                               .measure_size = measure_size,
                               .measure_arg = qat,
                               .steps = qat->fake_quant.grid.steps};
    // What is rounded already was trained through its codes: the float weights mean nothing.
    const float *effective = sqz_fake_quant_weights(&qat->fake_quant, qat->host.stepper->weights);
    if (effective != qat->host.stepper->weights) {
        memcpy(qat->host.stepper->weights, effective, net->n_weights * sizeof(float));
        job.grid = qat->fake_quant.grid.steps;
    }
    enum sqz_status status = collect(qat, &images, &job.n_images, err);
    if (!status)
        status = sqz_auto_run(&job, qat->export_weights, &result, err);
    if (!status) {
        memcpy(qat->host.stepper->weights, qat->export_weights, net->n_weights * sizeof(float));
        qat->fake_quant.grid.dead_zone = 0.5F;
        char sentence[128];
        snprintf(sentence, sizeof sentence,
                 "Rounded to fit into %zu bytes, at KL %.4f from what was trained.", size,
                 result.divergence.kl);
        qat->host.note(qat->host.note_arg, sentence);
    }
    sqz_free(images.values);
    return status;
}

enum sqz_status sqz_qat_quantize(struct sqz_qat *qat, size_t size, struct sqz_error *err)
{
    const struct sqz_train_config *config = qat->host.setup->config;
    struct sqz_deep_job job = {.net = qat->host.setup->model->net,
                               .density = 1,
                               .bits = (int)config->compress_bits,
                               .pool = qat->host.environment->pool};
    enum sqz_status status = SQZ_OK;
    if (qat->fake_quant.planned_kind == SQZ_QUANT_UNIFORM) {
        status = choose_steps(qat, size, err);
    } else {
        status = sqz_deep_run(&job, qat->host.stepper->weights, err);
        // Equal weights have to be updated equally.
        sqz_optimizer_reset(qat->host.stepper->optimizer);
    }
    if (!status)
        qat->fake_quant.kind = qat->fake_quant.planned_kind;
    return status;
}

// --- The base of an update ---

static float step_of(const struct sqz_contents *base, const char *name)
{
    for (size_t i = 0; i < base->n; i++)
        if (strcmp(base->names[i], name) == 0 && base->coded[i].coding == SQZ_CODING_STEP)
            return sqz_coded_step(&base->coded[i]);
    return 0;
}

static enum sqz_status take_base(struct sqz_qat *qat, const struct sqz_model *old,
                                 struct sqz_error *err)
{
    struct sqz_uniform_quantizer *grid = &qat->fake_quant.grid;
    const struct sqz_net *net = qat->host.setup->model->net;
    if (old->net->n_weights != net->n_weights)
        return sqz_fail(
            err, SQZ_E_CONFIG, "update_budget needs the classes of \"%s\": it has %d, the data %d.",
            qat->host.setup->config->ckpt_path, old->net->spec.classes, net->spec.classes);
    grid->base = sqz_new_array(net->n_weights, sizeof(float));
    if (!grid->base)
        return sqz_fail_memory(err, "weights", net->n_weights * sizeof(float));
    memcpy(grid->base, old->weights, net->n_weights * sizeof(float));
    // What has a codebook or floats, a few biases at most in files of our own, stays as it is.
    int stepped = 0;
    for (int i = 0; i < net->n_params; i++) {
        grid->steps[i] = step_of(&qat->base, net->params[i].name);
        stepped += grid->steps[i] > 0;
    }
    if (stepped == 0)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "update_budget needs a file of steps, as \"squeezenet compress\" makes it; "
                        "\"%s\" has none.",
                        qat->host.setup->config->ckpt_path);
    grid->dead_zone = 0.5F;
    qat->fake_quant.kind = qat->fake_quant.planned_kind = SQZ_QUANT_UNIFORM;
    return SQZ_OK;
}

enum sqz_status sqz_qat_read_base(struct sqz_qat *qat, struct sqz_error *err)
{
    const char *path = qat->host.setup->config->ckpt_path;
    struct sqz_model *old = NULL;
    enum sqz_status status = sqz_contents_open(path, &qat->base, err);
    if (!status)
        status = sqz_model_read(path, NULL, 0, &old, err);
    if (!status)
        status = take_base(qat, old, err);
    sqz_model_free(old);
    return status;
}
