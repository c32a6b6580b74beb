// What single values cannot tell: combinations that cannot be, and what is not supported yet.
#include "net/net.h"
#include "train/options/option_value.h"
#include "train/options/transforms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum sqz_status check_support(const struct sqz_options *options, struct sqz_error *err)
{
    if (options->drop_path_rate > 0 || options->drop_path_rate < 0) // none, and 0, ask for nothing
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option drop_path_rate is given, but SqueezeNet has no paths "
                        "to drop; leave it out (drop_rate is its dropout).");
    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        if (sqz_option_is_later(option, (const char *)options + option->offset)) {
            struct sqz_text value = {0};
            sqz_option_value_text(options, i, &value);
            sqz_fail(err, SQZ_E_CONFIG, "Option %s: %.80s is not supported yet; leave it at %s.",
                     option->name, sqz_text_get(&value), option->fallback);
            sqz_text_release(&value);
            return SQZ_E_CONFIG;
        }
    }
    return SQZ_OK;
}

static enum sqz_status check_range(const char *name, const struct sqz_list *range,
                                   struct sqz_error *err)
{
    if (range->n != 2 || range->v[0] > range->v[1])
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option %s is %g,%g, but its first number must not be larger "
                        "than the second.",
                        name, range->v[0], range->v[1]);
    return SQZ_OK;
}

static enum sqz_status check_data(const struct sqz_options *options, struct sqz_error *err)
{
    enum sqz_status status = check_range("scale", &options->scale, err);

    if (status == SQZ_OK)
        status = check_range("ratio", &options->ratio, err);
    if (status == SQZ_OK)
        status = check_range("re_scale", &options->re_scale, err);
    if (status == SQZ_OK)
        status = check_range("re_ratio", &options->re_ratio, err);
    if (status != SQZ_OK)
        return status;
    if (options->color_jitter.n == 4 && options->color_jitter.v[3] > 0.5)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option color_jitter asks for a hue of %g, but its fourth "
                        "number can be at most 0.5.",
                        options->color_jitter.v[3]);
    if (options->mean.n != options->std.n)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options mean and std have %d and %d numbers, but they need "
                        "equally many.",
                        options->mean.n, options->std.n);
    if (!*options->data_dir)
        return sqz_fail(err, SQZ_E_CONFIG, "Option data_dir is empty; it must name a directory.");
    if (!*options->ckpt_save_dir)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option ckpt_save_dir is empty; it must name a directory.");
    return SQZ_OK;
}

static enum sqz_status check_model(const struct sqz_options *options, struct sqz_error *err)
{
    if (!sqz_variant_find(options->model)) {
        struct sqz_text names = {0};
        for (int i = 0; sqz_variant_at(i); i++)
            sqz_text_add(&names, "%s%s", i ? ", " : "", sqz_variant_at(i)->name);
        sqz_fail(err, SQZ_E_CONFIG,
                 "Option model is \"%.80s\", but this program knows only %.400s.", options->model,
                 sqz_text_get(&names));
        sqz_text_release(&names);
        return SQZ_E_CONFIG;
    }
    if (*options->dialect && !sqz_dialect_find(options->dialect)) {
        struct sqz_text names = {0};
        for (int i = 0; sqz_dialect_at(i); i++)
            sqz_text_add(&names, "%s%s", i ? ", " : "", sqz_dialect_at(i)->name);
        sqz_fail(err, SQZ_E_CONFIG, "Option dialect is \"%.80s\", but it must be one of %.400s.",
                 options->dialect, sqz_text_get(&names));
        sqz_text_release(&names);
        return SQZ_E_CONFIG;
    }
    if (options->in_channels == 2)
        return sqz_fail(err, SQZ_E_CONFIG, "Option in_channels is 2, but it must be 1 or 3.");
    return SQZ_OK;
}

// A group of images that share their statistics never crosses a rank.
static enum sqz_status check_norm(const struct sqz_options *options, bool final,
                                  struct sqz_error *err)
{
    int64_t batch = options->batch_size, group = options->norm_group;
    bool given = options->origins[sqz_option_find("norm_group")] >= SQZ_FROM_YAML;
    if (sqz_choice_norm(options) != SQZ_NORM_BATCH)
        return SQZ_OK;
    if (batch % group == 0 || (!final && !given)) // sqz_recipe_fit_norm comes between
        return SQZ_OK;
    if (batch < group)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option batch_size is %lld, less than norm_group %lld: use batch_size "
                        "%lld, or norm_group %lld.",
                        (long long)batch, (long long)group, (long long)group, (long long)batch);
    return sqz_fail(err, SQZ_E_CONFIG,
                    "Option batch_size is %lld, which is no multiple of norm_group %lld: the "
                    "nearest that are, are %lld and %lld.",
                    (long long)batch, (long long)group, (long long)(batch / group * group),
                    (long long)((batch / group + 1) * group));
}

static enum sqz_status check_training(const struct sqz_options *options, struct sqz_error *err)
{
    if (sqz_choice_ckpt_save_policy(options) == SQZ_SAVE_TOP_K && !options->val_while_train)
        return sqz_fail(
            err, SQZ_E_CONFIG,
            "Option ckpt_save_policy is top_k, but without "
            "val_while_train there is no accuracy to choose by; add \"--val_while_train true\".");
    if (sqz_choice_loss(options) == SQZ_LOSS_JSD && options->aug_splits != 3)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option loss is jsd, which compares three views of every image; add "
                        "\"--aug_splits 3\" with an auto_augment.");
    if (!sqz_loss_has(sqz_choice_loss(options), SQZ_LOSS_MIXES) &&
        (options->mixup > 0 || options->cutmix > 0))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option loss is %s, which knows one true class, but mixup "
                        "or cutmix gives images two.",
                        options->loss);
    if (options->early_stopping > 0 && !options->val_while_train)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option early_stopping waits for better validations, but there are none; "
                        "add \"--val_while_train true\".");
    if (options->balanced_sampling && (!options->shuffle || options->aug_repeats > 0))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option balanced_sampling draws at random, so it needs shuffle, and it "
                        "cannot be combined with aug_repeats.");
    if (options->keep_global_batch && options->scale_lr)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options keep_global_batch and scale_lr exclude each other: with the same "
                        "global batch the learning rate already fits.");
    if (*options->class_weights && !sqz_loss_has(sqz_choice_loss(options), SQZ_LOSS_WEIGHS))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option class_weights works with the losses CE and BCE, "
                        "not with %s.",
                        options->loss);
    if (sqz_choice_opt(options) == SQZ_OPT_SGD && options->use_nesterov && options->momentum == 0)
        return sqz_fail(err, SQZ_E_CONFIG, "Option use_nesterov needs a momentum above 0.");
    if (*options->resume && *options->ckpt_path &&
        options->origins[sqz_option_find("ckpt_path")] == SQZ_FROM_COMMAND_LINE)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options resume and ckpt_path exclude each other: resume "
                        "continues a run, ckpt_path starts a new one from weights.");
    return SQZ_OK;
}

// MindCV's own training step, instead of MindSpore's; loss_scale_type "auto" does not know it.
static bool is_custom_path(const struct sqz_options *options)
{
    return options->ema || options->clip_grad || options->gradient_accumulation_steps > 1 ||
           *options->amp_cast_list;
}

static enum sqz_status check_loss_scale(const struct sqz_options *options, struct sqz_error *err)
{
    if (sqz_choice_loss_scale_type(options) == SQZ_SCALE_TYPE_DYNAMIC &&
        !options->drop_overflow_update)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option loss_scale_type is dynamic, but a dynamic scale has to skip "
                        "overflowing updates; add \"--drop_overflow_update true\".");
    if (sqz_choice_loss_scale_type(options) == SQZ_SCALE_TYPE_AUTO && is_custom_path(options))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option loss_scale_type auto cannot be combined with ema, clip_grad, "
                        "gradient_accumulation_steps or amp_cast_list; use fixed or dynamic.");
    return SQZ_OK;
}

static enum sqz_status check_bytes(const char *name, const char *value, const char *example,
                                   struct sqz_error *err)
{
    size_t bytes;
    if (!*value || sqz_parse_size(value, &bytes))
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_CONFIG, "Option %s is \"%.40s\", but it must be a size like %s.",
                    name, value, example);
}

static enum sqz_status check_teaching(const struct sqz_options *options, struct sqz_error *err)
{
    const bool more = *options->unlabelled_dir;
    if (more && (options->distill != 1 || (!*options->teacher && !*options->ckpt_path)))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option unlabelled_dir adds images whose answers only a teacher knows; "
                        "add \"--distill 1\" and a teacher or ckpt_path.");
    if (more && (options->balanced_sampling || *options->class_weights))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options balanced_sampling and class_weights count labels, which the "
                        "images of unlabelled_dir have none of.");
    if (options->distill_maps > 0 && !*options->teacher && !*options->ckpt_path)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option distill_maps needs a teacher; add teacher or ckpt_path.");
    if (options->distill_maps > 0 && sqz_choice_norm(options) == SQZ_NORM_BATCH)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option distill_maps is for networks without normalisation; add "
                        "\"--norm none\".");
    if (sqz_options_teaches(options) && !sqz_loss_has(sqz_choice_loss(options), SQZ_LOSS_IS_TAUGHT))
        return sqz_fail(err, SQZ_E_CONFIG, "A teacher's answers are targets of loss CE, not of %s.",
                        options->loss);
    return SQZ_OK;
}

static enum sqz_status check_compression(const struct sqz_options *options, struct sqz_error *err)
{
    bool another = sqz_options_prunes(options) || options->compress;
    enum sqz_status status = check_bytes("size", options->size, "60kB", err);
    if (!status)
        status = check_bytes("update_budget", options->update_budget, "60kB", err);
    if (status)
        return status;
    if (*options->size && !options->compress)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option size bounds the file that compress trains for; add \"--compress "
                        "true\".");
    if (options->compress && !*options->size &&
        sqz_choice_compress_method(options) == SQZ_COMPRESS_AUTO)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option compress needs the size that the file may have, as \"--size "
                        "60kB\".");
    if (*options->update_budget && (another || !*options->ckpt_path))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option update_budget needs ckpt_path, the .sqz file that is to be "
                        "patched, and excludes prune and compress, which make another file.");
    if (sqz_choice_norm(options) == SQZ_NORM_BATCH && sqz_options_compresses(options))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options prune, compress and update_budget work on a network's final "
                        "weights; add \"--norm none\".");
    return check_teaching(options, err);
}

// A run's recipe.yaml lists every option: a value that equals its default was not set by the user.
static bool was_wished(const struct sqz_options *options, int index)
{
    struct sqz_text value = {0};
    bool differs;

    sqz_option_value_text(options, index, &value);
    differs = strcmp(sqz_text_get(&value), sqz_option_at(index)->fallback) != 0;
    sqz_text_release(&value);
    return options->origins[index] == SQZ_FROM_COMMAND_LINE ||
           (options->origins[index] == SQZ_FROM_YAML && differs);
}

// The names of what was asked for and has no meaning here, with commas.
static void list_ignored(const struct sqz_options *options, struct sqz_text *out)
{
    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        if (strcmp(option->support, "ignored") == 0 && was_wished(options, i))
            sqz_text_add(out, "%s%s", out->length ? ", " : "", option->name);
    }
}

static enum sqz_status check_strictly(const struct sqz_options *options, struct sqz_error *err)
{
    struct sqz_text names = {0};
    enum sqz_status status = SQZ_OK;
    list_ignored(options, &names);
    if (sqz_choice_amp_level(options) != SQZ_AMP_O0)
        sqz_text_add(&names, "%samp_level", names.length ? ", " : "");
    if (names.length > 0)
        status =
            sqz_fail(err, SQZ_E_CONFIG,
                     "strict_recipe is on, and these options would have no effect here: %.700s.",
                     sqz_text_get(&names));
    sqz_text_release(&names);
    return status;
}

static void add_notes(const struct sqz_options *options, struct sqz_text *notes)
{
    struct sqz_text ignored = {0};

    if (*options->ignored)
        sqz_text_add(notes, "The recipe's %s had no effect: only the command line can give %s.\n",
                     options->ignored, strchr(options->ignored, ',') ? "these" : "this");
    list_ignored(options, &ignored);
    if (ignored.length > 0)
        sqz_text_add(notes, "Accepted, but without a meaning here: %s.\n", sqz_text_get(&ignored));
    sqz_text_release(&ignored);
    if (sqz_choice_amp_level(options) != SQZ_AMP_O0)
        sqz_text_add(notes, "amp_level %s: computed in float32, as O0.\n", options->amp_level);
    if (sqz_choice_opt(options) == SQZ_OPT_NESTEROV && !options->use_nesterov)
        sqz_text_add(notes, "opt nesterov without use_nesterov is plain momentum, as in MindCV.\n");
}

enum sqz_status sqz_options_check(const struct sqz_options *options, struct sqz_text *notes,
                                  struct sqz_error *err)
{
    float value[3];
    bool random;
    enum sqz_status status = check_support(options, err);

    if (status == SQZ_OK)
        status = check_loss_scale(options, err);
    if (status == SQZ_OK)
        status = check_data(options, err);
    if (status == SQZ_OK)
        status = sqz_options_erase_value(options, value, &random, err);
    if (status == SQZ_OK)
        status = sqz_transforms_check(options, err);
    if (status == SQZ_OK)
        status = check_model(options, err);
    if (status == SQZ_OK)
        status = check_training(options, err);
    if (status == SQZ_OK)
        status = check_norm(options, notes != NULL, err);
    if (status == SQZ_OK)
        status = check_bytes("memory", options->memory, "2GiB or 500MB", err);
    if (status == SQZ_OK)
        status = check_compression(options, err);
    if (status == SQZ_OK && options->strict_recipe)
        status = check_strictly(options, err);
    if (status == SQZ_OK && notes)
        add_notes(options, notes);
    return status;
}
