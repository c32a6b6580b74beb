// The global batch on fewer devices, and warnings about a recipe.
#include "train/options/recipe_tools.h"

#include "train/options/transforms.h"
#include <inttypes.h>

enum { MINDCV_DEVICES = 8 }; // of its published recipes

static enum sqz_status set_number(struct sqz_options *options, const char *name, double value,
                                  struct sqz_error *err)
{
    return sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, name, "%.17g", value);
}

static int64_t recipe_devices(const struct sqz_options *options)
{
    if (options->recipe_devices != SQZ_NONE_INT)
        return options->recipe_devices;
    return options->recipe_distributes ? MINDCV_DEVICES : 1;
}

static enum sqz_status keep_batch(struct sqz_options *options, int64_t devices, int ranks,
                                  struct sqz_text *notes, struct sqz_error *err)
{
    int64_t group = options->gradient_accumulation_steps * devices;
    if (group % ranks != 0)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option keep_global_batch: %" PRId64 " batches of %" PRId64
                        " cannot be shared out evenly among %d ranks.",
                        group, options->batch_size, ranks);
    sqz_text_add(notes,
                 "Global batch %" PRId64 " (%" PRId64 " x %" PRId64
                 " devices of the recipe) is kept: an update every %" PRId64 " batches.\n",
                 options->batch_size * group, options->batch_size, devices, group / ranks);
    return sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "gradient_accumulation_steps",
                            "%" PRId64, group / ranks);
}

static enum sqz_status scale_rate(struct sqz_options *options, int64_t devices, int ranks,
                                  struct sqz_text *notes, struct sqz_error *err)
{
    double factor = (double)ranks / (double)devices, old = options->lr;
    enum sqz_status status = set_number(options, "lr", options->lr * factor, err);
    if (!status)
        status = set_number(options, "min_lr", options->min_lr * factor, err);
    sqz_text_add(notes,
                 "Global batch %" PRId64 " instead of the recipe's %" PRId64
                 ": the learning rate is scaled from %g to %g.\n",
                 options->batch_size * options->gradient_accumulation_steps * ranks,
                 options->batch_size * options->gradient_accumulation_steps * devices, old,
                 options->lr);
    return status;
}

enum sqz_status sqz_recipe_fit_batch(struct sqz_options *options, int ranks, struct sqz_text *notes,
                                     struct sqz_error *err)
{
    int64_t devices = recipe_devices(options);
    enum sqz_status status = SQZ_OK;
    if (devices == ranks)
        return SQZ_OK;
    if (!options->keep_global_batch && !options->scale_lr) {
        int64_t batch = options->batch_size * options->gradient_accumulation_steps;
        sqz_text_add(notes,
                     "The recipe is made for %" PRId64 " devices and a global batch of %" PRId64
                     "; here it is %" PRId64
                     " with the same learning rate. --keep_global_batch accumulates gradients to "
                     "keep it, --scale_lr scales the rate.\n",
                     devices, batch * devices, batch * ranks);
        return SQZ_OK;
    }
    status = options->keep_global_batch ? keep_batch(options, devices, ranks, notes, err)
                                        : scale_rate(options, devices, ranks, notes, err);
    // What was done is in the options now; it must not be done again when they are read back.
    if (!status)
        status =
            sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "recipe_devices", "%d", ranks);
    options->keep_global_batch = false;
    options->scale_lr = false;
    return status;
}

// --- Lint ---

static void lint_rate(const struct sqz_train_config *config, struct sqz_text *notes)
{
    enum sqz_rate_kind kind = sqz_opt_rate_kind(config->opt);
    int64_t batch = config->batch_size * config->gradient_accumulation_steps;
    double at_256 = config->lr * 256 / (double)batch;
    if (kind == SQZ_RATE_OF_GRADIENT && (at_256 > 0.4 || at_256 < 0.0005))
        sqz_text_add(notes,
                     "Learning rate %g with a global batch of %" PRId64
                     " is out of proportion for %s: SqueezeNet's recipes use 0.01 to 0.1 with 256, "
                     "which is %.2g to %.2g here.\n",
                     config->lr, batch, config->opt_word, 0.01 * (double)batch / 256,
                     0.1 * (double)batch / 256);
    if (kind == SQZ_RATE_IS_STEP && config->lr > 0.005)
        sqz_text_add(notes,
                     "Learning rate %g is high for %s, which moves every weight by about that much "
                     "a step; 0.0005 is usual.\n",
                     config->lr, config->opt_word);
    if (config->warmup_epochs == 0 && kind == SQZ_RATE_OF_GRADIENT && at_256 > 0.05 &&
        at_256 <= 0.4 && !*config->ckpt_path)
        sqz_text_add(
            notes,
            "There is no warm-up before learning rate %g: SqueezeNet without normalisation "
            "may die in its first steps; --warmup_epochs 1 helps.\n",
            config->lr);
}

static void lint_schedule(const struct sqz_train_config *config, struct sqz_text *notes)
{
    bool cosine =
        config->scheduler == SQZ_SCHEDULE_COSINE || config->scheduler == SQZ_SCHEDULE_WARMUP_COSINE;
    int64_t covered = config->warmup_epochs + config->decay_epochs * config->num_cycles;
    if (cosine && covered < config->epoch_size)
        sqz_text_add(notes,
                     "warmup_epochs (%" PRId64 ") + decay_epochs (%" PRId64 ")%s end before "
                     "epoch_size (%" PRId64 "): the last %" PRId64
                     " epochs train at min_lr (%g).\n",
                     config->warmup_epochs, config->decay_epochs * config->num_cycles,
                     config->num_cycles > 1 ? " of all cycles" : "", config->epoch_size,
                     config->epoch_size - covered, config->min_lr);
    if (config->warmup_epochs >= config->epoch_size)
        sqz_text_add(notes,
                     "The whole run is warm-up: warmup_epochs is %" PRId64 " of %" PRId64 ".\n",
                     config->warmup_epochs, config->epoch_size);
}

void sqz_recipe_lint(const struct sqz_train_config *config, const struct sqz_recipe_facts *facts,
                     struct sqz_text *notes)
{
    int64_t used = facts->steps_per_epoch * config->batch_size;
    lint_rate(config, notes);
    lint_schedule(config, notes);
    if (config->drop_remainder && config->num_samples <= 0 &&
        (facts->train_images - used) * 10 > facts->train_images)
        sqz_text_add(notes,
                     "drop_remainder leaves out %" PRId64 " of %" PRId64
                     " images each epoch; --drop_remainder false or a smaller batch_size uses "
                     "them.\n",
                     facts->train_images - used, facts->train_images);
    if (config->label_smoothing > 0 && !sqz_loss_has(config->loss, SQZ_LOSS_SMOOTHS))
        sqz_text_add(notes, "label_smoothing has no effect on %s, as in MindCV.\n",
                     config->loss_word);
    if (config->ckpt_save_policy == SQZ_SAVE_TOP_K && config->ckpt_format != SQZ_CKPT_MINDCV)
        sqz_text_add(notes, "ckpt_save_policy top_k chooses among files that are written only with "
                            "--ckpt_format ckpt.\n");
}

enum sqz_status sqz_recipe_fit_norm(struct sqz_options *options, struct sqz_text *notes,
                                    struct sqz_error *err)
{
    enum { FEWEST = 8 }; // statistics of fewer images are noise, if there could be more
    int64_t batch = options->batch_size, group = options->norm_group;
    bool open = sqz_options_origin(options, "norm_group") <= SQZ_FROM_BUILTIN_RECIPE;
    if (sqz_choice_norm(options) != SQZ_NORM_BATCH)
        return SQZ_OK;
    if (!open || batch % group == 0)
        return SQZ_OK;
    while (batch % group != 0)
        group--;
    if (group < FEWEST && group < batch)
        return SQZ_OK; // sqz_options_check refuses it
    sqz_text_add(
        notes, "norm_group is %" PRId64 ": a batch of %" PRId64 " has no groups of %" PRId64 ".\n",
        group, batch, options->norm_group);
    return sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, "norm_group", "%" PRId64, group);
}
