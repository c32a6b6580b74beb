// Options, datasets and model brought together before a run.
#include "train/setup/setup.h"

#include "train/setup/balance.h"
#include "train/setup/memory_plan.h"
#include "train/options/recipe_tools.h"

#include <string.h>
#include <strings.h>

void sqz_setup_release(struct sqz_setup *setup)
{
    sqz_options_free(setup->options);
    sqz_free((void *)setup->config);
    sqz_free(setup->class_weights);
    sqz_free_view(setup->balanced);
    sqz_dataset_free(setup->train);
    sqz_dataset_free(setup->val);
    sqz_model_free(setup->model);
    sqz_net_free(setup->norm_net);
    sqz_text_release(&setup->notes);
    *setup = (struct sqz_setup){0};
}

static bool is_class_dirs(const char *kind)
{
    return strcmp(kind, "imagenet") == 0;
}

// Option `dataset` (in any case) as one of the constants.
static const char *kind_of(const char *dataset)
{
    static const char *const kinds[] = {"mnist", "cifar100", "cifar10"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(dataset, kinds[i]) == 0)
            return kinds[i];
    return "imagenet";
}

enum sqz_status sqz_setup_find_data(struct sqz_setup *setup, struct sqz_error *err)
{
    struct sqz_options *options = setup->options;
    struct sqz_dataset_layout layout;
    enum sqz_status status = sqz_dataset_layout(options->data_dir, &layout, err);
    if (status)
        return status;
    if (sqz_options_origin(options, "dataset") <= SQZ_FROM_BUILTIN_RECIPE)
        status =
            sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, "dataset", "%s", layout.kind);
    if (status)
        return status;
    setup->kind = kind_of(options->dataset);
    bool dirs = is_class_dirs(setup->kind);
    bool train_open = sqz_options_origin(options, "train_split") <= SQZ_FROM_BUILTIN_RECIPE;
    bool val_open = sqz_options_origin(options, "val_split") <= SQZ_FROM_BUILTIN_RECIPE;
    // A directory without splits keeps the usual names: they mark it for division below.
    const char *train = layout.has_splits ? layout.train : "train";
    const char *val = layout.has_splits ? layout.val : "val";
    if (*train && train_open)
        status =
            sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, "train_split", "%s", train);
    if (!status && *val && val_open)
        status = sqz_options_fill(options, SQZ_FROM_BUILTIN_RECIPE, err, "val_split", "%s", val);
    // Class directories directly below data_dir, and nobody asked for other directories: divide
    // them. The names are compared, not the origins, so that a restart from recipe.yaml does the
    // same.
    setup->divided = dirs && !layout.has_splits && sqz_options_usual_splits(options);
    return status;
}

static enum sqz_status open_split(const struct sqz_environment *environment,
                                  const struct sqz_setup *setup, bool val, struct sqz_dataset **out,
                                  struct sqz_error *err)
{
    const struct sqz_options *options = setup->options;
    struct sqz_dataset_request request = {.kind = setup->kind,
                                          .dir = options->data_dir,
                                          .split = val ? options->val_split : options->train_split,
                                          .divide = setup->divided,
                                          .held_out = val,
                                          .seed = (uint64_t)options->seed,
                                          .every_class = !val,
                                          .check_headers = true,
                                          .threads = sqz_pool_size(environment->pool)};
    if (setup->divided)
        request.split = "";
    return sqz_dataset_open(&request, out, err);
}

// Whether there is a split to validate on; asking for one that is not there is open_split's error.
static enum sqz_status has_val(const struct sqz_setup *setup, bool *out, struct sqz_error *err)
{
    const struct sqz_options *options = setup->options;
    bool asked =
        options->val_while_train && sqz_options_origin(options, "val_while_train") >= SQZ_FROM_YAML;
    bool named = is_class_dirs(setup->kind) && *options->val_split &&
                 sqz_options_origin(options, "val_split") == SQZ_FROM_COMMAND_LINE;
    *out = setup->divided || asked || named;
    if (!*out && is_class_dirs(setup->kind) && *options->val_split)
        return sqz_dataset_has_split(options->data_dir, options->val_split, out, err);
    if (!*out && !is_class_dirs(setup->kind))
        *out = sqz_options_validates_on_part(options);
    return SQZ_OK;
}

static void note_skipped(struct sqz_setup *setup, const struct sqz_dataset *set, const char *split)
{
    if (set->skipped == 0)
        return;
    sqz_text_add(
        &setup->notes, "%zu %s left out of the %s images: %s%s.\n", set->skipped,
        set->skipped == 1 ? "file is" : "files are", split,
        set->skipped == 1 || !set->skipped_example ? "" : "no images that can be read; the first: ",
        set->skipped_example ? set->skipped_example : "no images that can be read");
}

static enum sqz_status add_unlabelled(const struct sqz_environment *environment,
                                      struct sqz_setup *setup, struct sqz_error *err)
{
    const size_t labelled = setup->train->count;
    enum sqz_status status = sqz_dataset_add_unlabelled(
        setup->train, setup->options->unlabelled_dir, sqz_pool_size(environment->pool), err);
    if (!status)
        sqz_text_add(&setup->notes, "%zu of the training images have no label.\n",
                     setup->train->count - labelled);
    return status;
}

static enum sqz_status open_data(const struct sqz_environment *environment, struct sqz_setup *setup,
                                 struct sqz_error *err)
{
    bool validates = false;
    enum sqz_status status = sqz_setup_find_data(setup, err);
    if (!status)
        status = open_split(environment, setup, false, &setup->train, err);
    if (!status)
        status = has_val(setup, &validates, err);
    if (!status && validates)
        status = open_split(environment, setup, true, &setup->val, err);
    if (!status && *setup->options->unlabelled_dir)
        status = add_unlabelled(environment, setup, err);
    if (!status)
        note_skipped(setup, setup->train, "training");
    if (!status && setup->val)
        note_skipped(setup, setup->val, "validation");
    return status;
}

// Longest side of the largest of some evenly spaced images; 0 when none can be looked at.
static enum sqz_status find_typical_side(const struct sqz_dataset *set, int *largest,
                                         struct sqz_error *err)
{
    enum { LOOKS = 24 };
    *largest = 0;
    for (size_t i = 0; i < LOOKS; i++) {
        int w, h;
        enum sqz_status status = sqz_dataset_peek(set, set->count * i / LOOKS, &w, &h, err);
        if (status == SQZ_E_DATA || status == SQZ_E_NOINPUT)
            continue;
        if (status)
            return status;
        int side = w > h ? w : h;
        *largest = side > *largest ? side : *largest;
    }
    return SQZ_OK;
}

static enum sqz_status merge_builtin(struct sqz_setup *setup, struct sqz_error *err)
{
    enum { SMALL_SIDE = 64 }; // images up to this size gain nothing from the recipe for photos
    int side;
    struct sqz_options *options = setup->options;
    enum sqz_status status = find_typical_side(setup->train, &side, err);
    if (status)
        return status;
    if (!*options->ckpt_path && side > 0 && side <= SMALL_SIDE)
        setup->recipe = "small_images";
    status = sqz_options_use_builtin(options, &setup->recipe, &setup->notes, err);
    // The recipe speaks of class directories; what was found in the directory is truer.
    if (!status)
        status = sqz_setup_find_data(setup, err);
    return status;
}

// From here on batch_size means the whole batch of all ranks, also in recipe.yaml, so that a run
// may be resumed with another number of them.
static enum sqz_status fit_batch(struct sqz_options *options, int ranks, struct sqz_text *notes,
                                 struct sqz_error *err)
{
    if (options->batch_is_global && ranks > 1)
        return SQZ_OK;
    enum sqz_status status = sqz_recipe_fit_batch(options, ranks, notes, err);
    if (!status)
        status = sqz_recipe_fit_norm(options, notes, err);
    if (status || ranks == 1)
        return status;
    int64_t batch = options->batch_size * ranks;
    if (batch > 1 << 20)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "%d ranks with %lld images each make a batch of more than 1048576.", ranks,
                        (long long)options->batch_size);
    sqz_text_add(notes, "Batch     %lld images on each of %d ranks: %lld in all.\n",
                 (long long)options->batch_size, ranks, (long long)batch);
    status = sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "recipe_devices", "1");
    if (!status)
        status = sqz_options_fill(options, SQZ_FROM_COMMAND_LINE, err, "batch_size", "%lld",
                                  (long long)batch);
    return status;
}

static enum sqz_status make_trained(struct sqz_setup *setup, struct sqz_error *err)
{
    struct sqz_net_spec spec = setup->model->net->spec;
    if (sqz_choice_norm(setup->options) != SQZ_NORM_BATCH)
        return SQZ_OK;
    spec.norm_group = (int)setup->options->norm_group;
    return sqz_net_new(&spec, &setup->norm_net, err);
}

// What cannot be is said before a large directory is read. Without a recipe file a built-in recipe
// will fill in what the user left open, and which one is known only from the images: what one of
// them makes possible is not refused yet.
static enum sqz_status check_early(const struct sqz_options *options, struct sqz_error *err)
{
    static const char *const candidates[] = {NULL, "small_images"}; // NULL: photos or finetune
    enum sqz_status first = SQZ_OK;
    if (options->has_recipe)
        return sqz_options_check(options, NULL, err);
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        struct sqz_options *merged = NULL;
        struct sqz_error *why = i == 0 ? err : NULL;
        const char *name = candidates[i];
        enum sqz_status status = sqz_options_copy(options, &merged, why);
        if (!status)
            status = sqz_options_use_builtin(merged, &name, NULL, why);
        if (!status)
            status = sqz_options_check(merged, NULL, why);
        sqz_options_free(merged);
        if (status != SQZ_E_CONFIG || *options->ckpt_path)
            return status;
        first = i == 0 ? status : first;
    }
    return first;
}

// The batch follows from the memory that everything else takes.
static enum sqz_status make_config(const struct sqz_environment *environment,
                                   struct sqz_setup *setup, struct sqz_error *err)
{
    struct sqz_train_config *config = sqz_new_array(1, sizeof *config);
    if (!config)
        return sqz_fail_memory(err, "the configuration", sizeof *config);
    setup->config = config;
    *config = sqz_train_config_of(setup->options);
    setup->loss = sqz_loss_of(config, setup->model->net->spec.classes);
    enum sqz_status status =
        sqz_class_weights(config, setup->train, setup->loss.classes, &setup->class_weights, err);
    setup->loss.class_weights = setup->class_weights;
    return status ? status : sqz_memory_fit(environment, setup, config, err);
}

enum sqz_status sqz_setup_open(const struct sqz_environment *environment,
                               const struct sqz_options *given, struct sqz_model *resumed,
                               struct sqz_setup *out, struct sqz_error *err)
{
    *out = (struct sqz_setup){.model = resumed, .ranks = environment->ranks};
    enum sqz_status status = sqz_options_copy(given, &out->options, err);
    if (!status)
        status = check_early(out->options, err);
    if (!status && !resumed)
        status = sqz_setup_pretrained(environment, out->options, err);
    if (!status)
        status = open_data(environment, out, err);
    if (!status && !given->has_recipe)
        status = merge_builtin(out, err);
    if (!status)
        status = fit_batch(out->options, sqz_ranks_size(environment->ranks), &out->notes, err);
    if (!status && !out->val)
        status = sqz_options_fill(out->options, SQZ_FROM_MODEL, err, "val_while_train", "false");
    if (!status)
        status = sqz_transforms_preset(out->options, out->kind, err);
    if (!status)
        status = sqz_setup_model(out, err);
    if (!status)
        status = sqz_options_check(out->options, &out->notes, err);
    if (!status)
        status = make_trained(out, err);
    // After the model, which may renumber the labels.
    if (!status && out->options->balanced_sampling)
        status = sqz_balanced_view(out->train, &out->balanced, err);
    if (!status)
        status = make_config(environment, out, err);
    if (!status && out->notes.failed)
        status = sqz_fail_memory(err, "messages", out->notes.length);
    if (status)
        sqz_setup_release(out);
    return status;
}
