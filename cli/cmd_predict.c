// squeezenet predict: the most probable classes of images, few or very many.
#include "cli/commands.h"
#include "cli/predict.h"
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_predict_flags[] = {
    {"top", 'k', "N", "how many classes to print [5]"},
    {"ckpt_path", 0, "FILE", "the model, as MindCV's infer names it"},
    {"image_path", 0, "FILE", "an image, as MindCV's infer names it"},
    {"model", 0, "NAME", "the network that the model has to be, such as squeezenet1_1"},
    {"apply_exif", 0, "true|false",
     "turn photos as their EXIF orientation says [the model's word]"},
    {"show", 0, NULL, "draw each image in the terminal"},
    {"csv", 0, "FILE", "a row an image with all probabilities; - for stdout"},
    {"jsonl", 0, NULL, "print one JSON object a line for each image, with all probabilities"},
    {"embed", 0, "FILE", "the averaged features of each image, as CSV or .npy"},
    {"cam", 0, "FILE", "draw where each image's class is seen (PNG); with --json: the cells, too"},
    {"cam_class", 0, "NAME", "the map of this class, by name or index [the most probable one]"},
    {"cam_nearest", 0, NULL, "draw the cells as squares"},
    {"copy_to", 0, "DIR", "copy each image into the directory of its class below this one"},
    {"stdin_image", 0, NULL, "classify the encoded image that stdin holds"},
    {"null", 0, NULL, "paths from stdin end with NUL, as find -print0 writes them"},
    {"logits", 0, NULL, "with --json or --jsonl: the raw logits, too"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe, instead of the file's"},
    {"data_dir", 0, "DIR", "classify samples of this dataset instead of files"},
    {"split", 0, "NAME", "which split of it [val, else test]"},
    {"samples", 0, "N", "how many samples, evenly spaced [5]"},
    {"force", 'f', NULL, "replace files that exist"},
    {"threads", 0, "N", "compute threads [physical cores]"},
    {"precision", 0, "NAME", "fp32, int8 or auto: integers where the model has them [auto]"},
    {"low_memory", 0, NULL, "the least memory rather than the least time"},
    {NULL, 0, NULL, NULL},
};

enum { MAX_TOP = 1000, LEAST_BATCH = 32, IMAGES_PER_THREAD = 4, CAM_BATCH = 4 };

// Images that fill the context's threads; with --low_memory one; few where each brings the maps of
// all classes.
static enum sqz_status choose_batch(const struct cli *cli, const struct sqz_context *context,
                                    int *batch)
{
    struct sqz_machine_info machine = SQZ_INIT(sqz_machine_info);
    struct sqz_error err = {0};
    if (sqz_context_machine(context, &machine, &err))
        return cli_fail(&err);
    int n = machine.threads * IMAGES_PER_THREAD;
    if (cli_has(cli, "cam"))
        n = CAM_BATCH;
    else
        n = n < LEAST_BATCH ? LEAST_BATCH : n;
    *batch = cli_has(cli, "low_memory") ? 1 : n;
    return SQZ_OK;
}

// The model, and the samples if there is a dataset (`samples`: how many of them).
static enum sqz_status open_all(struct predict *p, struct sqz_context *context,
                                struct sqz_samples **set, size_t samples)
{
    struct sqz_error err = {0};
    struct cli *cli = p->cli;
    const char *dir = cli_value(cli, "data_dir");
    struct sqz_model_options how = {.struct_size = sizeof how,
                                    .classes_file = cli_value(cli, "classes"),
                                    .dialect = cli_value(cli, "dialect")};
    const char *exif = cli_value(cli, "apply_exif");
    if (exif && strcmp(exif, "true") != 0 && strcmp(exif, "false") != 0)
        return cli_complain(SQZ_E_USAGE, "--apply_exif is true or false, not \"%s\".",
                            cli_clean(exif));
    how.apply_exif = !exif ? 0 : strcmp(exif, "true") == 0 ? 1 : -1;
    p->info = (struct sqz_model_info)SQZ_INIT(sqz_model_info);
    // Enlarging the weights for speed takes longer than one image gains. Logits that are asked
    // for keep the bits that they have among other images.
    bool is_single = false;
    enum sqz_status status = dir ? SQZ_OK : predict_sources_is_single(cli, &is_single);
    if (status)
        return status;
    if (is_single && !cli_has(cli, "logits") && !cli_has(cli, "low_memory"))
        sqz_context_set_mode(context, SQZ_MODE_START);
    if (sqz_classifier_open(context, cli->positional[0], &how, &p->classifier, &err) ||
        sqz_classifier_describe(p->classifier, &p->info, &err) ||
        (dir && sqz_samples_open(dir, cli_value(cli, "split"), set, &err)))
        return cli_fail(&err);
    size_t count = dir ? sqz_samples_count(*set) : 0;
    p->top = p->top < p->info.classes ? p->top : p->info.classes;
    return predict_sources_init(&p->sources, cli, *set, samples < count ? samples : count);
}

// MindCV's infer names model and image by options; here they are words.
static void take_mindcv(struct cli *cli)
{
    const char *model = cli_value(cli, "ckpt_path"), *image = cli_value(cli, "image_path");
    if (model) { // there is room: the option took two words, or one that is longer
        memmove(cli->positional + 1, cli->positional,
                (size_t)cli->n_positional * sizeof *cli->positional);
        cli->positional[0] = model;
        cli->n_positional++;
    }
    if (image)
        cli->positional[cli->n_positional++] = image;
}

static enum sqz_status check_variant(const struct predict *p)
{
    const char *wanted = cli_value(p->cli, "model");
    if (!wanted || strcmp(wanted, p->info.variant) == 0)
        return SQZ_OK;
    return cli_complain(SQZ_E_DATA, "%s holds a %s, not a %s.", cli_clean(p->cli->positional[0]),
                        p->info.variant, cli_clean(wanted));
}

enum sqz_status cli_predict(struct cli *cli)
{
    struct sqz_context *context = NULL;
    struct sqz_samples *set = NULL;
    struct predict p = {.cli = cli};
    int samples = 5;
    take_mindcv(cli);
    if (cli->n_positional < 1)
        return cli_complain(SQZ_E_USAGE, "No model is given. Usage: squeezenet predict %s",
                            cli->command->usage);
    if (!cli_has(cli, "data_dir") && !cli_has(cli, "stdin_image") && cli->n_positional < 2)
        return cli_complain(SQZ_E_USAGE, "No image is given. Usage: squeezenet predict %s",
                            cli->command->usage);
    if (cli_has(cli, "stdin_image") && cli->n_positional > 1)
        return cli_complain(SQZ_E_USAGE, "--stdin_image is the only image; other files are given.");
    enum sqz_status status = cli_integer(cli, "top", 5, 1, MAX_TOP, &p.top);
    if (!status)
        status = cli_integer(cli, "samples", 5, 1, 1 << 20, &samples);
    if (!status)
        status = cli_context(cli, &context);
    if (!status)
        status = choose_batch(cli, context, &p.batch);
    if (!status)
        status = open_all(&p, context, &set, (size_t)samples);
    if (!status)
        status = check_variant(&p);
    if (!status) {
        status = predict_outputs_open(&p);
        if (!status)
            status = predict_run(&p);
        status = predict_outputs_close(&p, status);
        if (p.unturned > 0 && !cli->quiet && !cli->json)
            fprintf(stderr,
                    "%lld of the images ask to be turned (EXIF), which this model does not do; "
                    "--apply_exif true does.\n",
                    (long long)p.unturned);
        if (!p.info.has_class_names && !cli->quiet && !cli->json)
            fprintf(stderr, "The model has no class names; --classes FILE adds them.\n");
    }
    if (!status)
        cli_next(cli, "squeezenet validate %s --data_dir DIR", cli->positional[0]);
    predict_sources_release(&p.sources);
    sqz_classifier_free(p.classifier);
    sqz_samples_free(set);
    sqz_context_free(context);
    return status;
}
