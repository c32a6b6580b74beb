// squeezenet convert: between weight formats.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_tools.h>
#include <stdio.h>

const struct cli_flag cli_convert_flags[] = {
    {"classes", 0, "FILE", "class names to store, one a line in index order"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe, instead of the format's usual one"},
    {"image_size", 0, "N", "side of the network's input, instead of the usual one"},
    {"pretrained_dir", 0, "DIR",
     "of an address: a directory or mirror that holds the file instead"},
    {"force", 'f', NULL, "replace OUT if it is there"},
    {NULL, 0, NULL, NULL},
};

// The file that IN means: an address is fetched first. *path: free with sqz_text_free.
static enum sqz_status fetch(struct cli *cli, char **path)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_fetch_weights(context, cli->positional[0], cli_value(cli, "pretrained_dir"), path,
                          &err))
        status = cli_fail(&err);
    cli_events_end();
    sqz_context_free(context);
    return status;
}

enum sqz_status cli_convert(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    struct sqz_model_options how = {.struct_size = sizeof how,
                                    .classes_file = cli_value(cli, "classes"),
                                    .dialect = cli_value(cli, "dialect")};
    const char *out = cli->positional[1];
    char *fetched = NULL;
    enum sqz_status status = cli_integer(cli, "image_size", 0, 1, 16384, &how.image_size);
    if (!status && sqz_is_url(cli->positional[0]))
        status = fetch(cli, &fetched);
    if (status)
        return status;
    if (sqz_model_open(fetched ? fetched : cli->positional[0], &how, &model, &err) ||
        sqz_model_describe(model, &info, &err) ||
        sqz_model_save(model, out, cli_has(cli, "force"), &err)) {
        status = cli_fail(&err);
    } else if (cli->json) {
        struct cli_json json = {0};
        cli_json_begin(&json);
        cli_json_text(&json, "file", out);
        cli_json_text(&json, "variant", info.variant);
        cli_json_text(&json, "dialect", info.dialect);
        cli_json_int(&json, "classes", info.classes);
        cli_json_int(&json, "parameters", (int64_t)info.parameters);
        status = cli_json_print(&json);
    } else {
        printf("%s: %s, %s dialect, %d classes, %llu parameters\n", cli_clean(out), info.variant,
               info.dialect, info.classes, (unsigned long long)info.parameters);
        if (!info.has_class_names && !cli->quiet)
            fprintf(stderr, "It has no class names; --classes FILE adds them.\n");
        cli_next(cli, "squeezenet predict %s IMAGE...", out);
    }
    sqz_model_free(model);
    sqz_text_free(fetched);
    return status;
}
