// squeezenet compress: a model in a third of a megabyte.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_tools.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_compress_flags[] = {
    {"output", 'o', "FILE", "the .sqz file to write"},
    {"method", 0, "NAME",
     "auto (one-shot, measured), deep (Deep Compression), lossless, int8 [auto]"},
    {"int8", 0, NULL, "short for --method int8: a network in integers (needs --calibrate)"},
    {"calibrate", 0, "DIR", "auto, int8: some hundred images, no labels needed"},
    {"on_bad", 0, "stop|skip",
     "auto, int8: an image that does not decode: stop, or take another [stop]"},
    {"images", 0, "N", "auto, int8: images to look at, at most [500]"},
    {"size", 0, "SIZE", "auto: bound of the file without class names, as in 335kB (1 kB = 1000 B)"},
    {"max_kl", 0, "X", "auto: bound of the mean KL divergence from the original [0.05]"},
    {"max_drop", 0, "X", "auto: bound of the top-1 points lost, estimated on the images"},
    {"density", 0, "X", "deep: share of the weights that stay [all that are not zero]"},
    {"bits", 0, "N", "deep: bits of a shared weight, 2 to 8 [6]"},
    {"huffman", 0, NULL, "deep: Huffman codes, as published, instead of the range coder"},
    {"finetune", 0, "DIR", "train on this dataset with the quantiser in the loop (needs --size)"},
    {"config", 'c', "FILE", "finetune: recipe (YAML) [the built-in one for fine-tuning]"},
    {"epochs", 0, "N", "finetune: epochs [the recipe's]"},
    {"run_dir", 0, "DIR", "finetune: the run's directory [a fresh numbered one]"},
    {"update_from", 0, "OLD.sqz", "write a patch (.sqzp) that makes MODEL out of OLD.sqz"},
    {"apply", 0, "PATCH", "MODEL is the base: write what the patch makes of it"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe, instead of the format's usual one"},
    {"classes", 0, "FILE", "class names to store, one a line in index order"},
    {"threads", 0, "N", "threads [the physical cores]"},
    {"force", 'f', NULL, "replace the file if it is there"},
    {NULL, 0, NULL, NULL},
};

// "335kB", "0.4MB", "512KiB", "300000".
static enum sqz_status parse_size(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"", 1},     {"B", 1},      {"kB", 1e3},     {"KB", 1e3},
                 {"MB", 1e6}, {"KiB", 1024}, {"MiB", 1048576}};
    char *end;
    *out = 0;
    if (!text)
        return SQZ_OK;
    double number = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0 && number * units[i].bytes >= 1 &&
            number * units[i].bytes < 1e12) {
            *out = (uint64_t)(number * units[i].bytes);
            return SQZ_OK;
        }
    return cli_complain(SQZ_E_USAGE, "--size wants a size as in 335kB or 0.4MB, not \"%s\".",
                        cli_clean(text));
}

static enum sqz_status parse_method(const char *name, enum sqz_method *out)
{
    static const char *const names[] = {"auto", "deep", "lossless", "int8"};
    for (int i = 0; i < 4; i++)
        if (!name || strcmp(name, names[i]) == 0) {
            *out = (enum sqz_method)i;
            return SQZ_OK;
        }
    return cli_complain(SQZ_E_USAGE, "--method knows auto, deep, lossless and int8, not \"%s\".",
                        cli_clean(name));
}

static enum sqz_status parse(struct cli *cli, struct sqz_compress_options *out)
{
    enum sqz_status status = parse_method(cli_value(cli, "method"), &out->method);
    if (!status && cli_has(cli, "int8")) {
        if (cli_value(cli, "method") && out->method != SQZ_METHOD_INT8)
            status =
                cli_complain(SQZ_E_USAGE, "--int8 is a method of its own; leave --method out.");
        out->method = SQZ_METHOD_INT8;
    }
    if (!status)
        status = parse_size(cli_value(cli, "size"), &out->size);
    if (!status)
        status = cli_integer(cli, "images", 0, 1, 1 << 20, &out->images);
    if (!status)
        status = cli_integer(cli, "bits", 0, 2, 8, &out->bits);
    if (!status)
        status = cli_number(cli, "max_kl", 0, &out->max_kl);
    if (!status)
        status = cli_number(cli, "max_drop", 0, &out->max_drop);
    if (!status)
        status = cli_number(cli, "density", 0, &out->density);
    if (!status)
        status = cli_integer(cli, "threads", 0, 1, 1024, &cli->threads);
    out->calibrate_dir = cli_value(cli, "calibrate");
    if (!status)
        status = cli_on_bad(cli, &out->skip_bad);
    out->huffman = cli_has(cli, "huffman");
    out->force = cli_has(cli, "force");
    return status;
}

static void print_table(const struct sqz_compress_result *r)
{
    printf("%-24s %10s %8s %11s %9s\n", "layer", "weights", "density", "bits/weight", "bytes");
    for (int i = 0; i < r->n_layers; i++) {
        const struct sqz_compress_layer *l = &r->layers[i];
        printf("%-24s %10llu %8.3f %11.3f %9llu\n", l->name, (unsigned long long)l->weights,
               (double)l->nonzero / (double)l->weights, 8 * (double)l->bytes / (double)l->weights,
               (unsigned long long)l->bytes);
    }
    printf("%-24s %10llu %8s %11.3f %9llu\n", "biases", (unsigned long long)r->biases, "",
           8 * (double)r->bias_bytes / (double)r->biases, (unsigned long long)r->bias_bytes);
    printf("\nfile without class names %llu bytes; with them %llu\n",
           (unsigned long long)(r->bytes - r->class_name_bytes), (unsigned long long)r->bytes);
    if (!isnan(r->kl))
        printf("on %s: KL %.4f, the same answer for %.1f %%, estimated top-1 loss %.2f points\n",
               r->unseen_images ? "images that it did not see" : "images that it was fitted to",
               r->kl, 100 * r->agreement, r->drop);
    printf("model %s\n", r->identity);
}

static enum sqz_status print_json(const char *path, const struct sqz_compress_result *r)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "file", path);
    cli_json_int(&json, "bytes", (int64_t)r->bytes);
    cli_json_int(&json, "bytes_without_class_names", (int64_t)(r->bytes - r->class_name_bytes));
    cli_json_int(&json, "bias_bytes", (int64_t)r->bias_bytes);
    cli_json_text(&json, "identity", r->identity);
    cli_json_int(&json, "images", r->images);
    cli_json_open(&json, "layers", '[');
    for (int i = 0; i < r->n_layers; i++) {
        cli_json_open(&json, NULL, '{');
        cli_json_text(&json, "name", r->layers[i].name);
        cli_json_int(&json, "weights", (int64_t)r->layers[i].weights);
        cli_json_int(&json, "nonzero", (int64_t)r->layers[i].nonzero);
        cli_json_int(&json, "bytes", (int64_t)r->layers[i].bytes);
        cli_json_close(&json, '}');
    }
    cli_json_close(&json, ']');
    if (!isnan(r->kl)) {
        cli_json_real(&json, "kl", r->kl);
        cli_json_real(&json, "agreement", r->agreement);
        cli_json_real(&json, "estimated_drop", r->drop / 100);
        cli_json_int(&json, "unseen_images", r->unseen_images);
    }
    return cli_json_print(&json);
}

static enum sqz_status print_update_json(const char *out, const struct sqz_update_result *r)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "file", out);
    cli_json_int(&json, "bytes", (int64_t)r->bytes);
    cli_json_int(&json, "codes", (int64_t)r->codes);
    cli_json_int(&json, "moved", (int64_t)r->moved);
    cli_json_int(&json, "same", r->same);
    cli_json_int(&json, "step", r->step);
    cli_json_int(&json, "changed", r->changed);
    cli_json_int(&json, "replaced", r->replaced);
    cli_json_real(&json, "deviation", r->deviation);
    return cli_json_print(&json);
}

static enum sqz_status make_update(const struct cli *cli, const char *in, const char *out)
{
    struct sqz_error err = {0};
    struct sqz_update_result r = SQZ_INIT(sqz_update_result);
    const char *base = cli_value(cli, "update_from");
    if (sqz_update_make(base, in, out, cli_has(cli, "force"), &r, &err))
        return cli_fail(&err);
    if (cli->json)
        return print_update_json(out, &r);
    printf("%s: %llu bytes; %llu of %llu codes move; tensors: %d same, %d with a new step, %d "
           "changed, %d replaced\n",
           cli_clean(out), (unsigned long long)r.bytes, (unsigned long long)r.moved,
           (unsigned long long)r.codes, r.same, r.step, r.changed, r.replaced);
    if (r.deviation > 0.01)
        printf("values were rounded to the base's codes, by %.2f steps at most\n", r.deviation);
    cli_next(cli, "squeezenet compress --apply %s %s -o NEW.sqz", out, base);
    return SQZ_OK;
}

static enum sqz_status apply_update(const struct cli *cli, const char *in, const char *out)
{
    struct sqz_error err = {0};
    if (sqz_update_apply(cli_value(cli, "apply"), in, out, cli_has(cli, "force"), &err))
        return cli_fail(&err);
    if (cli->json) {
        struct cli_json json = {0};
        cli_json_begin(&json);
        cli_json_text(&json, "file", out);
        return cli_json_print(&json);
    }
    printf("%s: verified\n", cli_clean(out));
    cli_next(cli, "squeezenet predict %s IMAGE...", out);
    return SQZ_OK;
}

// The new file beside the original on the images that validation uses.
static enum sqz_status compare(struct sqz_context *context, const struct sqz_model *original,
                               const char *out, const char *data)
{
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct sqz_model *file = NULL;
    struct sqz_compare_result r = SQZ_INIT(sqz_compare_result);
    struct sqz_validate_result now = SQZ_INIT(sqz_validate_result);
    struct sqz_validate_result before = SQZ_INIT(sqz_validate_result);
    enum sqz_status status = SQZ_OK;
    if (sqz_options_new(&options, &err) || sqz_options_put(options, "data_dir", data, &err) ||
        sqz_model_open(out, NULL, &file, &err) ||
        sqz_compare(context, file, original, options, &now, &before, &r, &err))
        status = cli_fail(&err);
    else
        printf("%lld images: top-1 %.2f %% instead of %.2f %%: %+.2f points, standard error "
               "%.2f; KL %.4f\n",
               (long long)now.samples, 100 * now.top1, 100 * before.top1, 100 * r.top1_difference,
               100 * r.standard_error, r.kl);
    sqz_model_free(file);
    sqz_options_free(options);
    return status;
}

// Table or JSON of a file that was written, and with a dataset how well it does.
static enum sqz_status report(const struct cli *cli, struct sqz_context *context,
                              const struct sqz_model *original, const char *out,
                              const struct sqz_compress_result *result)
{
    const char *in = cli->positional[0], *data = cli_value(cli, "finetune");
    cli_events_end();
    if (cli->json)
        return print_json(out, result);
    print_table(result);
    if (data)
        return compare(context, original, out, data);
    cli_next(cli, "squeezenet validate %s --against %s --data_dir DIR", out, in);
    return SQZ_OK;
}

enum sqz_status cli_compress(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_model *original = NULL, *tuned = NULL;
    struct sqz_compress_options how = SQZ_INIT(sqz_compress_options);
    struct sqz_compress_result result = SQZ_INIT(sqz_compress_result);
    struct sqz_model_options open = {.struct_size = sizeof open,
                                     .classes_file = cli_value(cli, "classes"),
                                     .dialect = cli_value(cli, "dialect")};
    const char *in = cli->positional[0], *out = cli_value(cli, "output");
    char *checkpoint = NULL;
    enum sqz_status status = parse(cli, &how);
    if (!status && !out)
        status = cli_complain(SQZ_E_USAGE, "Name the file to write: -o OUT.sqz.");
    if (!status && cli_has(cli, "update_from"))
        return make_update(cli, in, out);
    if (!status && cli_has(cli, "apply"))
        return apply_update(cli, in, out);
    if (!status)
        status = cli_context(cli, &context);
    if (!status && cli_has(cli, "finetune")) {
        status = cli_finetune(cli, context, &checkpoint);
        how.method = SQZ_METHOD_LOSSLESS; // the training chose the steps
    }
    if (!status && (sqz_model_open(in, &open, &original, &err) ||
                    (checkpoint && sqz_model_open(checkpoint, &open, &tuned, &err)) ||
                    sqz_compress(context, tuned ? tuned : original, out, &how, &result, &err)))
        status = cli_fail(&err);
    else if (!status)
        status = report(cli, context, original, out, &result);
    sqz_compress_result_release(&result);
    sqz_model_free(original);
    sqz_model_free(tuned);
    sqz_context_free(context);
    free(checkpoint);
    return status;
}
