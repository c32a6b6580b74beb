// squeezenet info: a model's layers and costs, or this machine.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_ranks.h>
#include <squeezenet_tools.h>
#include <stdio.h>
#include <string.h>

const struct cli_flag cli_info_flags[] = {
    {"num_classes", 0, "N", "of a VARIANT [1000]"},
    {"in_channels", 0, "N", "of a VARIANT, 1 or 3 [3]"},
    {"image_size", 0, "N", "side of the network's input [the usual one]"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {NULL, 0, NULL, NULL},
};

static bool is_variant(const char *name)
{
    const char *variant;
    for (int i = 0; (variant = sqz_variant_name(i, NULL)); i++)
        if (strcmp(variant, name) == 0)
            return true;
    return false;
}

enum sqz_status cli_open_model(const struct cli *cli, const char *name, const char *dialect,
                               int classes, int channels, int image_size, struct sqz_model **out)
{
    struct sqz_error err = {0};
    struct sqz_model_options how = {.struct_size = sizeof how,
                                    .classes_file = cli_value(cli, "classes"),
                                    .dialect = cli_value(cli, "dialect"),
                                    .image_size = image_size};
    if (is_variant(name))
        return sqz_model_new(name, dialect, classes, channels, image_size, 1, out, &err)
                   ? cli_fail(&err)
                   : SQZ_OK;
    return sqz_model_open(name, &how, out, &err) ? cli_fail(&err) : SQZ_OK;
}

// What there is to train with ranks; of ranks themselves where each of them is.
static void print_ranks(const struct sqz_context *context)
{
    int ranks;
    sqz_context_rank(context, &ranks);
    printf("ranks     %s\n", sqz_has_mpi("openmpi") && sqz_has_mpi("mpich") ? "Open MPI, MPICH"
                             : sqz_has_mpi("openmpi")                       ? "Open MPI"
                             : sqz_has_mpi("mpich")                         ? "MPICH"
                                                    : "no MPI was there when this was built");
    for (int r = 0; r < ranks && ranks > 1; r++) {
        const struct sqz_rank_info *place = sqz_context_rank_info(context, r);
        printf("  rank %-4d %s, %d thread%s on processors %s\n", r, cli_clean(place->host),
               place->threads, place->threads == 1 ? "" : "s", place->cpus);
    }
}

static enum sqz_status print_machine_json(const struct sqz_context *context,
                                          const struct sqz_machine_info *machine)
{
    struct cli_json json = {0};
    int ranks;
    sqz_context_rank(context, &ranks);
    cli_json_begin(&json);
    cli_json_text(&json, "version", sqz_version());
    cli_json_text(&json, "cpu", machine->cpu);
    cli_json_text(&json, "simd", machine->simd);
    cli_json_int(&json, "threads", machine->threads);
    cli_json_text(&json, "gemm_tile", machine->kernel);
    cli_json_open(&json, "ranks", '[');
    for (int r = 0; r < ranks && ranks > 1; r++) {
        const struct sqz_rank_info *place = sqz_context_rank_info(context, r);
        cli_json_open(&json, NULL, '{');
        cli_json_text(&json, "host", place->host);
        cli_json_int(&json, "threads", place->threads);
        cli_json_text(&json, "processors", place->cpus);
        cli_json_close(&json, '}');
    }
    cli_json_close(&json, ']');
    return cli_json_print(&json);
}

static enum sqz_status machine_info(const struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    int ranks;
    struct sqz_machine_info machine = SQZ_INIT(sqz_machine_info);
    struct sqz_published_info published = SQZ_INIT(sqz_published_info);
    const char *name, *text, *suffix;
    bool writable;
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_context_join(context, NULL, &err) || sqz_context_machine(context, &machine, &err)) {
        status = cli_fail(&err);
        sqz_context_free(context);
        return status;
    }
    if (sqz_context_rank(context, &ranks) > 0) {
        sqz_context_free(context);
        return SQZ_OK;
    }
    if (cli->json) {
        status = print_machine_json(context, &machine);
        sqz_context_free(context);
        return status;
    }
    printf("squeezenet %s\n\nmachine   %s, %d thread%s, SIMD level %s (GEMM tile %s)\n",
           sqz_version(), machine.cpu, machine.threads, machine.threads == 1 ? "" : "s",
           machine.simd, machine.kernel);
    print_ranks(context);
    printf("\nnetworks\n");
    for (int i = 0; (name = sqz_variant_name(i, &text)); i++)
        printf("  %-24s %s\n", name, text);
    printf("\ndialects ");
    for (int i = 0; (name = sqz_dialect_name(i)); i++)
        printf(" %s", name);
    printf("\n\nweight files\n");
    for (int i = 0; (name = sqz_format_name(i, &suffix, &text, &writable)); i++)
        printf("  %-12s %-14s %-12s %s\n", name, suffix, writable ? "read, write" : "read", text);
    printf("\npublished weights (--pretrained, or convert URL OUT)\n");
    for (int i = 0; sqz_published_info(i, &published); i++)
        printf("  %-14s %-12s %s\n  %-27s %s\n", published.variant, published.dialect,
               published.url, "", published.summary);
    sqz_context_free(context);
    cli_next(cli, "squeezenet info squeezenet1_1");
    return SQZ_OK;
}

static void print_kernel(const struct sqz_layer_info *l, char *text, size_t size)
{
    text[0] = 0;
    if (l->kernel && l->pad)
        snprintf(text, size, "%dx%d /%d pad %d", l->kernel, l->kernel, l->stride, l->pad);
    else if (l->kernel)
        snprintf(text, size, "%dx%d /%d", l->kernel, l->kernel, l->stride);
}

static void print_table(const struct sqz_model *model, const struct sqz_model_info *info)
{
    struct sqz_layer_info l = SQZ_INIT(sqz_layer_info);
    char kernel[40], shape[40];
    printf("%s: %s dialect, stem %s, %d classes, input %dx%dx%d\n\n", info->variant, info->dialect,
           info->stem, info->classes, info->image_size, info->image_size, info->channels);
    printf("%-26s %-8s %-15s %14s %12s %12s\n", "layer", "kind", "kernel", "output", "parameters",
           "MACs");
    for (int i = 0; sqz_model_layer(model, i, &l); i++) {
        print_kernel(&l, kernel, sizeof kernel);
        snprintf(shape, sizeof shape, "%dx%dx%d", l.h, l.w, l.c);
        printf("%-26s %-8s %-15s %14s %12llu %12llu\n", l.name, l.kind, kernel, shape,
               (unsigned long long)l.parameters, (unsigned long long)l.macs);
    }
    printf("\nparameters   %llu (%.2f MB as float32)\n", (unsigned long long)info->parameters,
           (double)info->weight_bytes * 1e-6);
    printf("compute      %.1f million multiply-adds an image\n", (double)info->macs * 1e-6);
    printf("activations  %.2f MB for one image\n", (double)info->activation_bytes * 1e-6);
    printf("preprocess   %s\n", info->preprocess);
    if (info->has_integers)
        printf("precision    8-bit integers; --precision fp32 takes floating point\n");
    if (info->temperature > 0)
        printf("calibrated   temperature %.4g, in the weights\n", info->temperature);
    if (info->unknown_score)
        printf("unknown      below %.6g (%s)\n", info->unknown_threshold, info->unknown_score);
    printf("class names  %s\n", info->has_class_names ? "in the file" : "none");
    if (info->made_by)
        printf("made by      %s\n", cli_clean(info->made_by));
}

static void add_layer(struct cli_json *json, const struct sqz_layer_info *l)
{
    cli_json_open(json, NULL, '{');
    cli_json_text(json, "name", l->name);
    cli_json_text(json, "kind", l->kind);
    cli_json_open(json, "output", '[');
    cli_json_int(json, NULL, l->h);
    cli_json_int(json, NULL, l->w);
    cli_json_int(json, NULL, l->c);
    cli_json_close(json, ']');
    cli_json_int(json, "kernel", l->kernel);
    cli_json_int(json, "stride", l->stride);
    cli_json_int(json, "pad", l->pad);
    cli_json_int(json, "parameters", (int64_t)l->parameters);
    cli_json_int(json, "macs", (int64_t)l->macs);
    cli_json_close(json, '}');
}

static enum sqz_status print_json(const struct sqz_model *model, const struct sqz_model_info *info)
{
    struct sqz_layer_info l = SQZ_INIT(sqz_layer_info);
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "variant", info->variant);
    cli_json_text(&json, "dialect", info->dialect);
    cli_json_text(&json, "stem", info->stem);
    cli_json_int(&json, "classes", info->classes);
    cli_json_int(&json, "channels", info->channels);
    cli_json_int(&json, "image_size", info->image_size);
    cli_json_int(&json, "parameters", (int64_t)info->parameters);
    cli_json_int(&json, "macs", (int64_t)info->macs);
    cli_json_int(&json, "weight_bytes", (int64_t)info->weight_bytes);
    cli_json_int(&json, "activation_bytes", (int64_t)info->activation_bytes);
    cli_json_text(&json, "preprocess", info->preprocess);
    if (info->temperature > 0)
        cli_json_real(&json, "temperature", info->temperature);
    if (info->unknown_score) {
        cli_json_text(&json, "unknown_score", info->unknown_score);
        cli_json_real(&json, "unknown_threshold", info->unknown_threshold);
    }
    cli_json_open(&json, "layers", '[');
    for (int i = 0; sqz_model_layer(model, i, &l); i++)
        add_layer(&json, &l);
    cli_json_close(&json, ']');
    return cli_json_print(&json);
}

enum sqz_status cli_info(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    int classes, channels, image_size;
    if (!cli->n_positional)
        return machine_info(cli);
    enum sqz_status status = cli_integer(cli, "num_classes", 1000, 1, 1 << 20, &classes);
    if (!status)
        status = cli_integer(cli, "in_channels", 3, 1, 3, &channels);
    if (!status)
        status = cli_integer(cli, "image_size", 0, 1, 16384, &image_size);
    if (!status)
        status = cli_open_model(cli, cli->positional[0], cli_value(cli, "dialect"), classes,
                                channels, image_size, &model);
    if (status)
        return status;
    if (sqz_model_describe(model, &info, &err)) {
        status = cli_fail(&err);
    } else if (cli->json) {
        status = print_json(model, &info);
    } else {
        print_table(model, &info);
        if (is_variant(cli->positional[0]))
            cli_next(cli, "squeezenet train DIR --model %s", info.variant);
        else
            cli_next(cli, "squeezenet predict %s IMAGE...", cli->positional[0]);
    }
    sqz_model_free(model);
    return status;
}
