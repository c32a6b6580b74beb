// The recipes that are used when no file is given; a test keeps them equal to configs/<name>.yaml.
#include "train/options.h"

#include <string.h>

static const char photos[] =
    "# Training from scratch on a folder of photos, with one sub-folder a class.\n"
    "# This is what \"squeezenet train DIR\" does when no recipe is given.\n"
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
    "# Fine-tuning given weights on a folder of photos.\n"
    "# This is what \"squeezenet train DIR --ckpt_path FILE\" does when no recipe is given.\n"
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

static const char small_images[] =
    "# A starting point for small images (CIFAR-10, Fashion-MNIST): 12 epochs at 64 pixels.\n"
    "# The normalisation is CIFAR-10's; grey images want in_channels 1 and one mean and std.\n"
    "\n"
    "# System\n"
    "val_while_train: true\n"
    "log_interval: 50\n"
    "\n"
    "# Data set\n"
    "dataset: imagenet\n"
    "train_split: train\n"
    "val_split: test\n"
    "batch_size: 128\n"
    "\n"
    "# Augmentation: no resized crop, but a shift by up to 4 of the image's own pixels.\n"
    "image_resize: 64\n"
    "pad_crop: 4\n"
    "hflip: 0.5\n"
    "color_jitter: null\n"
    "interpolation: bilinear\n"
    "crop_pct: 1.0\n"
    "mean: [125.3, 123.0, 113.9]\n"
    "std: [51.6, 50.8, 51.2]\n"
    "\n"
    "# Model\n"
    "model: squeezenet1_1\n"
    "epoch_size: 12\n"
    "clip_grad: true\n"
    "clip_value: 5.0\n"
    "\n"
    "# Loss\n"
    "loss: CE\n"
    "label_smoothing: 0.0\n"
    "\n"
    "# Optimizer\n"
    "opt: momentum\n"
    "momentum: 0.9\n"
    "weight_decay: 0.0005\n"
    "\n"
    "# Schedule\n"
    "scheduler: cosine_decay\n"
    "lr: 0.05\n"
    "min_lr: 0.0\n"
    "warmup_epochs: 1\n"
    "decay_epochs: 11\n";

const char *sqz_builtin_recipe(const char *name)
{
    if (strcmp(name, "photos") == 0)
        return photos;
    if (strcmp(name, "finetune") == 0)
        return finetune;
    if (strcmp(name, "small_images") == 0)
        return small_images;
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
    int64_t longest;

    if (!*name)
        *name = *options->ckpt_path ? "finetune" : "photos";
    text = sqz_builtin_recipe(*name);
    if (!text)
        return sqz_fail(err, SQZ_E_INTERNAL, "There is no built-in recipe %.80s.", *name);
    status = sqz_options_parse_yaml(options, text, strlen(text), *name, SQZ_FROM_BUILTIN_RECIPE,
                                    err);
    if (status != SQZ_OK)
        return status;
    // A shorter or longer run keeps the curve's shape: the decay ends with the run. One epoch of
    // warm-up stays where it can: without it a network may die in its first steps.
    longest = options->epoch_size < 2 ? 0 : options->epoch_size < 8 ? 1 : options->epoch_size / 4;
    if (is_ours(options, "warmup_epochs") && options->warmup_epochs > longest)
        options->warmup_epochs = longest;
    if (is_ours(options, "decay_epochs") && options->epoch_size > options->warmup_epochs)
        options->decay_epochs = options->epoch_size - options->warmup_epochs;
    return SQZ_OK;
}
