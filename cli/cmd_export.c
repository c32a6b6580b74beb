// squeezenet export: models for microcontrollers and for browsers.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_tools.h>
#include <stdio.h>
#include <string.h>

const struct cli_flag cli_export_flags[] = {
    {"output", 'o', "OUT", "where to write: a directory for c, else a file"},
    {"format", 0, "NAME", "c (default), flat or web; --list says what they are for"},
    {"unit", 0, "N", "weights packed by 4 bytes (default), or by 16 for cores with Arm's MVE"},
    {"image", 0, "FILE", "for c: this image as OUT/image.ppm, which the example classifies"},
    {"list", 0, NULL, "list the formats"},
    {"force", 'f', NULL, "replace what is at OUT"},
    {NULL, 0, NULL, NULL},
};

static enum sqz_status list(void)
{
    for (int i = 0; sqz_export_format_name(i); i++)
        printf("%-6s %s\n", sqz_export_format_name(i), sqz_export_format_summary(i));
    return SQZ_OK;
}

static bool is_format(const struct sqz_export_options *how, const char *name)
{
    return strcmp(how->format ? how->format : "c", name) == 0;
}

static enum sqz_status print_page(const struct cli *cli, const char *out, uint64_t bytes)
{
    enum { LARGE = 1000000 };
    printf("%s: a page of %llu bytes, which needs nothing else; open it in a browser.\n",
           cli_clean(out), (unsigned long long)bytes);
    if (bytes > LARGE)
        cli_next(cli, "compress %s -o small.sqz --calibrate DIR   (a much smaller page)",
                 cli->positional[0]);
    return SQZ_OK;
}

static enum sqz_status print_result(const struct cli *cli, const char *out,
                                    const struct sqz_export_options *how,
                                    const struct sqz_export_result *r)
{
    if (cli->json) {
        struct cli_json json = {0};
        cli_json_begin(&json);
        cli_json_text(&json, "file", out);
        cli_json_int(&json, "bytes", (int64_t)r->bytes);
        cli_json_int(&json, "weight_bytes", (int64_t)r->weight_bytes);
        cli_json_int(&json, "bias_bytes", (int64_t)r->bias_bytes);
        cli_json_int(&json, "name_bytes", (int64_t)r->name_bytes);
        cli_json_int(&json, "arena_bytes", (int64_t)r->arena_bytes);
        return cli_json_print(&json);
    }
    if (is_format(how, "web"))
        return print_page(cli, out, r->bytes);
    printf("%s: %llu bytes of flash (weights %llu, biases and multipliers %llu, names %llu), %llu "
           "bytes of memory\n",
           cli_clean(out), (unsigned long long)r->bytes, (unsigned long long)r->weight_bytes,
           (unsigned long long)r->bias_bytes, (unsigned long long)r->name_bytes,
           (unsigned long long)r->arena_bytes);
    if (is_format(how, "c"))
        cli_next(cli, "make -C %s", out);
    return SQZ_OK;
}

static enum sqz_status write_image(const struct cli *cli, const struct sqz_model *model,
                                   const char *dir, bool force)
{
    char path[4096];
    struct sqz_error err = {0};
    if ((size_t)snprintf(path, sizeof path, "%s/image.ppm", dir) >= sizeof path)
        return cli_complain(SQZ_E_CANTWRITE, "%s: the path is too long.", cli_clean(dir));
    if (sqz_export_image(model, cli_value(cli, "image"), path, force, &err))
        return cli_fail(&err);
    return SQZ_OK;
}

enum sqz_status cli_export(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_export_result result = SQZ_INIT(sqz_export_result);
    struct sqz_export_options how = {.struct_size = sizeof how,
                                     .format = cli_value(cli, "format"),
                                     .force = cli_has(cli, "force")};
    const char *out = cli_value(cli, "output");
    if (cli_has(cli, "list"))
        return list();
    if (cli->n_positional != 1 || !out)
        return cli_complain(SQZ_E_USAGE, "A MODEL and -o OUT are needed (or --list).");
    if (cli_value(cli, "image") && !is_format(&how, "c"))
        return cli_complain(SQZ_E_USAGE, "--image goes with --format c.");
    enum sqz_status status = cli_integer(cli, "unit", 4, 4, 16, &how.unit);
    if (status)
        return status;
    if (sqz_model_open(cli->positional[0], NULL, &model, &err) ||
        sqz_export_model(model, out, &how, &result, &err))
        status = cli_fail(&err);
    if (!status && cli_value(cli, "image"))
        status = write_image(cli, model, out, how.force);
    if (!status)
        status = print_result(cli, out, &how, &result);
    sqz_model_free(model);
    return status;
}
