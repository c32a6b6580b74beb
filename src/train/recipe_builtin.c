// The recipes that are used when no file is given; a test keeps them equal to configs/<name>.yaml.
#include "train/options.h"

#include <string.h>

static const char photos[] =
    "# Training from scratch on a folder of photos: one sub-folder a class. What \"squeezenet train DIR\" does\n"
    "# when no recipe is given.\n"
    "\n"
    "# System\n"
    "val_while_train: true\n"
    "log_interval: 20\n"
    "\n"
    "# Data set\n"
    "dataset: imagenet\n"
    "batch_size: 32\n"
    "drop_remainder: false\n"
    "\n"
    "# Augmentation: photos are turned as their EXIF data says, and shrunk with antialiasing.\n"
    "image_resize: 224\n"
    "scale: [0.25, 1.0]\n"
    "ratio: [0.75, 1.333]\n"
    "hflip: 0.5\n"
    "color_jitter: 0.2\n"
    "interpolation: antialias\n"
    "apply_exif: true\n"
    "scaled_decode: true\n"
    "crop_pct: 0.875\n"
    "\n"
    "# Model\n"
    "model: squeezenet1_1\n"
    "epoch_size: 60\n"
    "clip_grad: true\n"
    "clip_value: 5.0\n"
    "\n"
    "# Loss\n"
    "loss: CE\n"
    "label_smoothing: 0.1\n"
    "\n"
    "# Optimizer\n"
    "opt: adamw\n"
    "weight_decay: 0.01\n"
    "weight_decay_filter: norm_and_bias\n"
    "\n"
    "# Schedule: with another epoch_size on the command line, warm-up and decay are fitted to it.\n"
    "scheduler: cosine_decay\n"
    "lr: 0.0005\n"
    "min_lr: 0.0\n"
    "warmup_epochs: 3\n"
    "warmup_factor: 0.01\n"
    "decay_epochs: 57\n";

static const char finetune[] =
    "# Fine-tuning given weights on a folder of photos. What \"squeezenet train DIR --ckpt_path FILE\" does when\n"
    "# no recipe is given.\n"
    "\n"
    "# System\n"
    "val_while_train: true\n"
    "log_interval: 20\n"
    "\n"
    "# Data set\n"
    "dataset: imagenet\n"
    "batch_size: 16\n"
    "drop_remainder: false\n"
    "\n"
    "# Augmentation: photos are turned as their EXIF data says, and shrunk with antialiasing.\n"
    "image_resize: 224\n"
    "scale: [0.25, 1.0]\n"
    "ratio: [0.75, 1.333]\n"
    "hflip: 0.5\n"
    "color_jitter: 0.1\n"
    "interpolation: antialias\n"
    "apply_exif: true\n"
    "scaled_decode: true\n"
    "crop_pct: 0.875\n"
    "\n"
    "# Model\n"
    "model: squeezenet1_1\n"
    "epoch_size: 15\n"
    "clip_grad: true\n"
    "clip_value: 5.0\n"
    "\n"
    "# Loss\n"
    "loss: CE\n"
    "label_smoothing: 0.1\n"
    "\n"
    "# Optimizer\n"
    "opt: adamw\n"
    "weight_decay: 0.01\n"
    "weight_decay_filter: norm_and_bias\n"
    "\n"
    "# Schedule: with another epoch_size on the command line, warm-up and decay are fitted to it.\n"
    "scheduler: cosine_decay\n"
    "lr: 0.0003\n"
    "min_lr: 0.0\n"
    "warmup_epochs: 1\n"
    "warmup_factor: 0.1\n"
    "decay_epochs: 14\n";

const char *sqz_builtin_recipe(const char *name)
{
    if (strcmp(name, "photos") == 0)
        return photos;
    if (strcmp(name, "finetune") == 0)
        return finetune;
    return NULL;
}

static bool is_ours(const struct sqz_options *options, const char *name)
{
    return options->origins[sqz_option_find(name)] <= SQZ_FROM_BUILTIN_RECIPE;
}

enum sqz_status sqz_options_use_builtin(struct sqz_options *options, const char **name,
                                        struct sqz_error *err)
{
    enum sqz_status status;
    const char *text;

    *name = *options->ckpt_path ? "finetune" : "photos";
    text = sqz_builtin_recipe(*name);
    status = sqz_options_parse_yaml(options, text, strlen(text), *name, SQZ_FROM_BUILTIN_RECIPE, err);
    if (status != SQZ_OK)
        return status;
    // A shorter or longer run keeps the curve's shape: the decay ends with the run.
    if (is_ours(options, "warmup_epochs") && options->warmup_epochs > options->epoch_size / 4)
        options->warmup_epochs = options->epoch_size / 4;
    if (is_ours(options, "decay_epochs") && options->epoch_size > options->warmup_epochs)
        options->decay_epochs = options->epoch_size - options->warmup_epochs;
    return SQZ_OK;
}
