// What a run would do, as text: configuration, network, learning-rate curve, memory, time.
#include "train/run/resume.h"
#include "train/run/run.h"
#include "train/run/trainer.h"

#include "train/options/recipe_write.h"
#include "train/setup/memory_plan.h"
#include "train/run/mosaic.h"
#include "train/run/plot.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CURVE_WIDTH = 60, CURVE_HEIGHT = 10 };

static double largest(const double *values, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

// Columns are means over equal parts of the run; eighths of a character make the steps fine.
static void draw_curve(const struct sqz_rate_table *rates, int64_t epochs, struct sqz_text *out)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double top = largest(rates->values, rates->n);
    int heights[CURVE_WIDTH];
    int width = rates->n < CURVE_WIDTH ? (int)rates->n : CURVE_WIDTH;
    for (int x = 0; x < width; x++) {
        size_t first = rates->n * (size_t)x / (size_t)width;
        size_t end = rates->n * ((size_t)x + 1) / (size_t)width;
        double sum = 0;
        for (size_t i = first; i < end; i++)
            sum += rates->values[i];
        double mean = sum / (double)(end - first);
        heights[x] = top > 0 ? (int)lround(mean / top * CURVE_HEIGHT * 8) : 0;
        if (mean > 0 && heights[x] == 0)
            heights[x] = 1;
    }
    for (int y = CURVE_HEIGHT - 1; y >= 0; y--) {
        if (y == CURVE_HEIGHT - 1)
            sqz_text_add(out, "  %9.4g |", top);
        else
            sqz_text_add(out, "  %9s |", y == 0 ? "0" : "");
        for (int x = 0; x < width; x++) {
            int part = heights[x] - 8 * y;
            sqz_text_add(out, "%s", blocks[part < 0 ? 0 : part > 8 ? 8 : part]);
        }
        sqz_text_add(out, "\n");
    }
    sqz_text_add(out, "  %9s  epoch 1", "");
    char end[32];
    int length = snprintf(end, sizeof end, "%" PRId64, epochs);
    sqz_text_add(out, "%*s%s\n", width - 7 - length > 0 ? width - 7 - length : 1, "", end);
}

static double megabytes(size_t bytes)
{
    return (double)bytes / 1e6;
}

static enum sqz_status describe_memory(const struct sqz_environment *environment,
                                       const struct sqz_setup *setup, struct sqz_text *out,
                                       struct sqz_error *err)
{
    struct sqz_memory_plan plan;
    enum sqz_status status = sqz_memory_plan(environment, setup, &plan, err);
    if (status)
        return status;
    const struct sqz_gradient_memory *engine = &plan.engine;
    sqz_text_add(out, "\nMemory\n");
    sqz_text_add(out, "  weights and optimizer  %9.1f MB\n",
                 megabytes(plan.weights + plan.optimizer));
    sqz_text_add(out, "  training step          %9.1f MB  (activations ", megabytes(plan.step));
    if (engine->shared > 0)
        sqz_text_add(out, "of a group %.1f", megabytes(engine->shared));
    else
        sqz_text_add(out, "%.1f on each of %zu threads", megabytes(engine->activations),
                     engine->workers);
    sqz_text_add(out, ", gradients %.1f, packed weights %.1f, scratch %.1f)\n",
                 megabytes(engine->gradients), megabytes(engine->packed_weights),
                 megabytes(engine->scratch));
    sqz_text_add(out, "  images read ahead    %9.1f MB\n", megabytes(plan.images));
    if (plan.validation > 0)
        sqz_text_add(out, "  validation             %9.1f MB\n", megabytes(plan.validation));
    if (plan.dataset > 0)
        sqz_text_add(out, "  dataset                %9.1f MB\n", megabytes(plan.dataset));
    sqz_text_add(out, "  in all                 %9.1f MB\n", megabytes(plan.total));
    return SQZ_OK;
}

// Seconds of the arithmetic for one image, from a few steps on random ones at learning rate 0.
static enum sqz_status time_one_image(struct sqz_run *run, double *seconds, struct sqz_error *err)
{
    enum { LARGEST = 32, REPEATS = 3 };
    const struct sqz_net_spec *spec = &run->setup.model->net->spec;
    int n = run->setup.config->batch_size < LARGEST ? (int)run->setup.config->batch_size : LARGEST;
    if (run->setup.loss.kind == SQZ_LOSS_JSD)
        n = n / SQZ_JSD_SPLITS * SQZ_JSD_SPLITS + (n < SQZ_JSD_SPLITS ? SQZ_JSD_SPLITS : 0);
    size_t floats =
        (size_t)n * (size_t)spec->image_h * (size_t)spec->image_w * (size_t)spec->channels;
    float *images = sqz_new_aligned(floats, sizeof *images);
    int *labels = sqz_new_array((size_t)n, sizeof *labels);
    enum sqz_status status = SQZ_OK;
    if (!images || !labels) {
        status = sqz_fail_memory(err, "images to measure with", floats * sizeof *images);
        goto done;
    }
    struct sqz_random random;
    sqz_random_init(&random, 1, 0, 0, SQZ_RANDOM_TEST);
    for (size_t i = 0; i < floats; i++)
        images[i] = (float)sqz_random_uniform(&random, -2, 2);
    for (int i = 0; i < n; i++)
        labels[i] = i % spec->classes;
    *seconds = INFINITY;
    struct sqz_step_batch batch = {.images = images, .labels = labels, .n = n};
    for (int i = 0; i <= REPEATS; i++) { // the first one warms caches and page tables
        struct sqz_step_result result;
        double start = sqz_clock_seconds();
        sqz_stepper_run(&run->stepper, &batch, 0, &result);
        double took = (sqz_clock_seconds() - start) / n;
        if (i > 0 && took < *seconds)
            *seconds = took;
    }
done:
    sqz_free(images);
    sqz_free(labels);
    return status;
}

static void add_duration(struct sqz_text *out, double seconds)
{
    if (seconds < 120)
        sqz_text_add(out, "%.0f s", seconds);
    else if (seconds < 7200)
        sqz_text_add(out, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        sqz_text_add(out, "%.1f h", seconds / 3600);
    else
        sqz_text_add(out, "%.1f days", seconds / 86400);
}

static int64_t count_validations(const struct sqz_run *run)
{
    const struct sqz_train_config *config = run->setup.config;
    int64_t n = config->epoch_size, interval = config->val_interval;
    if (!run->setup.val)
        return 0;
    if (!config->val_while_train)
        return 1;
    return (n + interval - 1) / interval + ((n - 1) % interval != 0);
}

static enum sqz_status describe_time(struct sqz_run *run, struct sqz_text *out,
                                     struct sqz_error *err)
{
    const struct sqz_train_config *config = run->setup.config;
    double image = 0;
    enum sqz_status status = time_one_image(run, &image, err);
    if (status)
        return status;
    int64_t validations = count_validations(run);
    double images = (double)run->steps_per_epoch * (double)config->batch_size;
    // A forward pass is about a third of a step.
    double validation = validations ? (double)run->setup.val->count * image / 3 : 0;
    double epoch = images * image;
    double total = epoch * (double)config->epoch_size + validation * (double)validations;
    sqz_text_add(out,
                 "\nTime\n  %" PRId64 " epochs of %" PRId64 " steps of %" PRId64 " images: %" PRId64
                 " steps\n",
                 config->epoch_size, run->steps_per_epoch, config->batch_size,
                 config->epoch_size * run->steps_per_epoch);
    sqz_text_add(out,
                 "  %.1f ms a step, %.0f images a second (measured now on random images with "
                 "%d threads)\n",
                 1e3 * image * (double)config->batch_size, 1 / image,
                 sqz_pool_size(run->environment->pool));
    sqz_text_add(out, "  an epoch about ");
    add_duration(out, epoch + validation);
    sqz_text_add(out, ", the whole run about ");
    add_duration(out, total);
    sqz_text_add(out, ", if reading the images keeps up\n");
    return SQZ_OK;
}

static void describe_data(const struct sqz_setup *setup, struct sqz_text *out)
{
    sqz_text_add(out, "\nData\n  %s: %zu images in %d classes to train on, ",
                 setup->config->data_dir, setup->train->count, setup->train->n_classes);
    if (setup->val)
        sqz_text_add(out, "%zu to validate on%s\n", setup->val->count,
                     setup->divided ? " (one in five of each class, chosen by name and seed)" : "");
    else
        sqz_text_add(out, "none to validate on\n");
    const struct sqz_net_spec *spec = &setup->model->net->spec;
    uint64_t macs = 0;
    for (int i = 0; i < setup->model->net->n_layers; i++)
        macs += sqz_layer_macs(setup->model->net, i);
    sqz_text_add(
        out,
        "\nNetwork\n  %s, dialect %s, stem %s, input %d x %d x %d, %d classes, %zu parameters, "
        "%.1f M multiply-adds an image, dropout %g\n",
        spec->variant->name, spec->dialect->name, sqz_stem_name(spec->stem), spec->image_w,
        spec->image_h, spec->channels, spec->classes, setup->model->net->n_weights,
        (double)macs / 1e6, spec->drop_rate);
}

// The curve as an image, if there is a directory to put it in.
static enum sqz_status write_curve(const struct sqz_run *run, struct sqz_text *out,
                                   struct sqz_error *err)
{
    enum { POINTS = 2000 }; // more than the image's width
    const struct sqz_train_config *config = run->setup.config;
    struct sqz_text svg = {0};
    size_t stride = run->rates.n / POINTS + 1, n = 0;
    if (!*config->run_dir)
        return SQZ_OK;
    enum sqz_status status = sqz_dir_make(config->run_dir, err);
    double *epochs = sqz_new_array(run->rates.n / stride + 1, sizeof *epochs);
    double *rates = sqz_new_array(run->rates.n / stride + 1, sizeof *rates);
    char *path = sqz_path_join(config->run_dir, SQZ_DRY_RUN_CURVE);
    bool made = epochs && rates && path;
    for (size_t i = 0; made && i < run->rates.n; i += stride) {
        epochs[n] = (double)i / (double)run->steps_per_epoch;
        rates[n++] = run->rates.values[i];
    }
    struct sqz_panel panel = {.title = "learning rate",
                              .curves = {{config->scheduler_word, epochs, rates, n}},
                              .n_curves = 1,
                              .from_zero = true};
    sqz_plot_svg(config->model, "epoch", &panel, 1, &svg);
    if (!status && (!made || svg.failed))
        status = sqz_fail_memory(err, "the curve", svg.length);
    if (!status)
        status = sqz_file_write(path, sqz_text_get(&svg), svg.length, SQZ_REPLACE_EXISTING, err);
    if (!status)
        sqz_text_add(out, "  %s\n", path);
    sqz_text_release(&svg);
    sqz_free(epochs);
    sqz_free(rates);
    sqz_free(path);
    return status;
}

// The first batch as the network will get it.
static enum sqz_status write_first_batch(struct sqz_run *run, struct sqz_text *out,
                                         struct sqz_error *err)
{
    struct sqz_setup *setup = &run->setup;
    struct sqz_image mosaic = {0};
    struct sqz_batch batch;
    if (!*setup->config->run_dir)
        return SQZ_OK;
    char *path = sqz_path_join(setup->config->run_dir, SQZ_DRY_RUN_BATCH);
    enum sqz_status status =
        path ? SQZ_OK : sqz_fail_memory(err, "a path", strlen(setup->config->run_dir));
    if (!status)
        status = sqz_loader_start(run->loader, 0, 0, err);
    if (!status)
        status = sqz_loader_next(run->loader, &batch, err);
    if (!status)
        status = sqz_mosaic(&batch, &setup->model->preprocess, setup->train->classes, &mosaic, err);
    if (!status)
        status = sqz_image_write_png(path, &mosaic, err);
    if (!status)
        sqz_text_add(out, "  %s\n", path);
    sqz_image_release(&mosaic);
    sqz_free(path);
    return status;
}

static void describe_watch(const struct sqz_setup *setup, struct sqz_text *out)
{
    double chance = sqz_loss_at_zero(&setup->loss, NULL, 0);
    sqz_text_add(out,
                 "\nWatchdog\n  The run ends with status 76 when loss, gradient or weights are "
                 "not finite");
    if (!setup->config->stop_dead_start) {
        sqz_text_add(out, ".\n");
        return;
    }
    sqz_text_add(
        out,
        "; as dead: for %d steps without\n  any gradient; as a dead start: for %d steps the loss "
        "within %.0f %% of closed logits' and "
        "%.0f %% of the activations or %.1f %% of the logits zero;\n  or without progress: "
        "%.0f %% of the schedule's learning rate spent and the loss not %.0f %% below.\n",
        SQZ_WATCHDOG_STILL, SQZ_WATCHDOG_WINDOW, 100 * SQZ_WATCHDOG_LOSS_MARGIN,
        100 * SQZ_WATCHDOG_ZEROS, 100 * SQZ_WATCHDOG_ZERO_LOGITS, 100 * SQZ_WATCHDOG_RATE_SHARE,
        100 * SQZ_WATCHDOG_GAIN);
    if (isnan(chance))
        sqz_text_add(out, "  Closed logits' loss depends on the batch here.\n");
    else
        sqz_text_add(out, "  Closed logits' loss is %.4f.\n", chance);
}

static enum sqz_status describe(struct sqz_run *run, struct sqz_text *out, struct sqz_error *err)
{
    sqz_text_add(
        out, "Configuration (default < built-in recipe < model file < recipe < command line)%s%s\n",
        run->setup.recipe ? "; built-in recipe: " : "", run->setup.recipe ? run->setup.recipe : "");
    enum sqz_status status = sqz_recipe_annotated(run->setup.options, run->setup.config, out, err);
    if (status)
        return status;
    describe_data(&run->setup, out);
    sqz_text_add(out, "\nLearning rate\n");
    draw_curve(&run->rates, run->setup.config->epoch_size, out);
    status = write_curve(run, out, err);
    if (!status)
        status = write_first_batch(run, out, err);
    if (!status)
        status = describe_memory(run->environment, &run->setup, out, err);
    if (!status)
        status = describe_time(run, out, err);
    if (status)
        return status;
    describe_watch(&run->setup, out);
    if (run->setup.notes.length > 0)
        sqz_text_add(out, "\nNotes\n%s", sqz_text_get(&run->setup.notes));
    if (out->failed)
        status = sqz_fail_memory(err, "the report", out->length);
    return status;
}

enum sqz_status sqz_trainer_dry_run(const struct sqz_environment *environment,
                                    const struct sqz_options *options, struct sqz_text *out,
                                    struct sqz_error *err)
{
    struct sqz_run run = {.environment = environment};
    struct sqz_resumed old = {0};
    enum sqz_status status = SQZ_OK;
    if (*options->resume)
        status = sqz_resume_open(options, &run.dir, &old, err);
    if (!status) {
        status = sqz_setup_open(environment, old.options ? old.options : options, old.model,
                                &old.state.samples, &run.setup, err);
        old.model = NULL;
    }
    if (!status)
        status = sqz_run_prepare(&run, err);
    if (!status)
        status =
            run.setup.config->find_lr ? sqz_run_find_lr(&run, out, err) : describe(&run, out, err);
    sqz_resumed_release(&old);
    sqz_run_release(&run);
    return status;
}
