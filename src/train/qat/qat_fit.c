// What only the real codec can tell: bytes. Here the steps are chosen and adjusted to them.
#include "compress/auto.h"
#include "compress/deep.h"
#include "train/qat/qat.h"
#include "train/run/run.h"

#include <math.h>
#include <string.h>

enum {
    IMAGES = 256, // that the steps are chosen by
    ROUNDS = 12   // of the search for a dead zone
};

// --- Bytes ---

static enum sqz_status measure_size(void *arg, const float *weights, size_t *bytes,
                                    struct sqz_error *err)
{
    const struct sqz_run *run = arg;
    struct sqz_model model = *run->setup.model; // a borrowed view
    model.weights = (float *)weights;
    return sqz_model_packed_size(&model, bytes, err);
}

static enum sqz_status measure_patch(const struct sqz_run *run, const float *weights, size_t *bytes,
                                     struct sqz_error *err)
{
    struct sqz_model model = *run->setup.model;
    struct sqz_archive archive = {0};
    struct sqz_bytes patch = {0};
    struct sqz_patch_report report;
    model.weights = (float *)weights;
    enum sqz_status status = sqz_model_to_archive(&model, &archive, err);
    if (!status)
        status = sqz_patch_make(&run->qat->base, &archive, &patch, &report, err);
    *bytes = patch.size;
    sqz_bytes_release(&patch);
    sqz_archive_release(&archive);
    return status;
}

// One try: what is nearer to its base (without one: to 0) than so many steps stays there.
static enum sqz_status try_dead_zone(struct sqz_run *run, const float *weights, double dead_zone,
                                     size_t *bytes, struct sqz_error *err)
{
    struct sqz_qat *qat = run->qat;
    qat->fake_quant.grid.dead_zone = (float)dead_zone;
    sqz_uniform_quantizer_round(&qat->fake_quant.grid, run->environment->pool, weights,
                                qat->export_weights);
    return qat->budget ? measure_patch(run, qat->export_weights, bytes, err)
                       : measure_size(run, qat->export_weights, bytes, err);
}

// The steps stay: scaled by a hundredth each, the layers of a network change its answers manifold.
static enum sqz_status search(struct sqz_run *run, const float *weights, size_t bound,
                              struct sqz_error *err)
{
    size_t bytes = 0;
    double low = -1, high = 16; // log2: half a step is rounding; beyond that lie no codes
    enum sqz_status status = try_dead_zone(run, weights, exp2(high), &bytes, err);
    if (!status && bytes > bound)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "The %s cannot have %zu bytes: with hardly any code left it has %zu.",
                        run->qat->budget ? "patch" : "file", bound, bytes);
    if (!status)
        status = try_dead_zone(run, weights, exp2(low), &bytes, err);
    if (status || bytes <= bound)
        return status;
    for (int i = 0; i < ROUNDS && !status; i++) {
        double middle = (low + high) / 2;
        status = try_dead_zone(run, weights, exp2(middle), &bytes, err);
        if (bytes > bound)
            low = middle;
        else
            high = middle;
    }
    return status ? status : try_dead_zone(run, weights, exp2(high), &bytes, err);
}

enum sqz_status sqz_qat_fit(struct sqz_run *run, const float *weights, size_t bytes, bool keep,
                            struct sqz_error *err)
{
    float *dead_zone = &run->qat->fake_quant.grid.dead_zone, before = *dead_zone;
    enum sqz_status status = search(run, weights, bytes, err);
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
// trained on as they are it is too sure of. Of several ranks each reads them all.
static enum sqz_status collect(struct sqz_run *run, struct images *images, int *n,
                               struct sqz_error *err)
{
    struct sqz_loader_config config =
        sqz_setup_loader_config(&run->setup, sqz_pool_size(run->environment->pool));
    struct sqz_loader *loader = NULL;
    config.share = (struct sqz_share){0};
    images->each = sqz_tensor_size(run->setup.model->net, 0);
    images->values = sqz_new_array(IMAGES * images->each, sizeof(float));
    *n = 0;
    if (!images->values)
        return sqz_fail_memory(err, "images", IMAGES * images->each * sizeof(float));
    enum sqz_status status = sqz_loader_new(&config, &loader, err);
    if (!status)
        status = sqz_loader_start(loader, (int)run->setup.options->epoch_size, 0, err);
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

static enum sqz_status choose_steps(struct sqz_run *run, size_t size, struct sqz_error *err)
{
    struct sqz_qat *qat = run->qat;
    const struct sqz_net *net = run->setup.model->net;
    struct images images = {0};
    struct sqz_auto_result result;
    struct sqz_auto_job job = {.net = net,
                               .weights = run->stepper.weights,
                               .kernels = run->environment->kernels,
                               .pool = run->environment->pool,
                               .images = give,
                               .images_arg = &images,
                               .progress = on_progress,
                               .size = size,
                               .measure_size = measure_size,
                               .measure_arg = run,
                               .steps = qat->fake_quant.grid.steps};
    // What is rounded already was trained through its codes: the weights behind them mean nothing.
    const float *effective = sqz_fake_quant_weights(&qat->fake_quant, run->stepper.weights);
    if (effective != run->stepper.weights) {
        memcpy(run->stepper.weights, effective, net->n_weights * sizeof(float));
        job.grid = qat->fake_quant.grid.steps;
    }
    enum sqz_status status = collect(run, &images, &job.n_images, err);
    if (!status)
        status = sqz_auto_run(&job, qat->export_weights, &result, err);
    if (!status) {
        memcpy(run->stepper.weights, qat->export_weights, net->n_weights * sizeof(float));
        qat->fake_quant.grid.dead_zone = 0.5F;
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Rounded to fit into %zu bytes, at KL %.4f from what was trained.", size,
                     result.divergence.kl);
    }
    sqz_free(images.values);
    return status;
}

enum sqz_status sqz_qat_quantize(struct sqz_run *run, size_t size, struct sqz_error *err)
{
    struct sqz_qat *qat = run->qat;
    const struct sqz_options *options = run->setup.options;
    struct sqz_deep_job job = {.net = run->setup.model->net,
                               .density = 1,
                               .bits = (int)options->compress_bits,
                               .pool = run->environment->pool};
    enum sqz_status status = SQZ_OK;
    if (qat->fake_quant.planned_kind == SQZ_QUANT_UNIFORM) {
        status = choose_steps(run, size, err);
    } else {
        status = sqz_deep_run(&job, run->stepper.weights, err);
        // Equal weights have to be updated equally.
        sqz_optimizer_reset(run->optimizer);
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

static enum sqz_status take_base(struct sqz_run *run, const struct sqz_model *old,
                                 struct sqz_error *err)
{
    struct sqz_uniform_quantizer *grid = &run->qat->fake_quant.grid;
    const struct sqz_net *net = run->setup.model->net;
    if (old->net->n_weights != net->n_weights)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "update_budget needs the classes of \"%s\": it has %d, the data %d.",
                        run->setup.options->ckpt_path, old->net->spec.classes, net->spec.classes);
    grid->base = sqz_new_array(net->n_weights, sizeof(float));
    if (!grid->base)
        return sqz_fail_memory(err, "weights", net->n_weights * sizeof(float));
    memcpy(grid->base, old->weights, net->n_weights * sizeof(float));
    // What has a codebook or floats, a few biases at most in files of our own, stays as it is.
    int stepped = 0;
    for (int i = 0; i < net->n_params; i++) {
        grid->steps[i] = step_of(&run->qat->base, net->params[i].name);
        stepped += grid->steps[i] > 0;
    }
    if (stepped == 0)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "update_budget needs a file of steps, as \"squeezenet compress\" makes it; "
                        "\"%s\" has none.",
                        run->setup.options->ckpt_path);
    grid->dead_zone = 0.5F;
    run->qat->fake_quant.kind = run->qat->fake_quant.planned_kind = SQZ_QUANT_UNIFORM;
    return SQZ_OK;
}

enum sqz_status sqz_qat_read_base(struct sqz_run *run, struct sqz_error *err)
{
    const char *path = run->setup.options->ckpt_path;
    struct sqz_model *old = NULL;
    enum sqz_status status = sqz_contents_open(path, &run->qat->base, err);
    if (!status)
        status = sqz_model_read(path, NULL, 0, &old, err);
    if (!status)
        status = take_base(run, old, err);
    sqz_model_free(old);
    return status;
}
