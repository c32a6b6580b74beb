// squeezenet validate: accuracy and loss of a model.
#include "cli/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_validate_flags[] = {
    {"config", 'c', "FILE", "recipe (YAML): its transforms and loss instead of the model's"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {"require", 0, "NAME=X", "exit status 1 if top1 or top5 is below X: top1=0.58,top5=0.8"},
    {NULL, 0, NULL, NULL},
};

struct bound {
    const char *name;
    double least, measured;
};

// "top1=0.58,top5=0.8" against the result.
static enum sqz_status check_bounds(const char *text, const struct sqz_validate_result *r)
{
    enum sqz_status status = SQZ_OK;
    while (text && *text) {
        const char *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) : strlen(text);
        char *end = NULL;
        double least = equals ? strtod(equals + 1, &end) : 0, measured;
        if (!equals || end == equals + 1 || (*end && *end != ','))
            return cli_complain(SQZ_E_USAGE, "--require wants NAME=NUMBER, as in top1=0.58.");
        if (length == 4 && strncmp(text, "top1", 4) == 0)
            measured = r->top1;
        else if (length == 4 && strncmp(text, "top5", 4) == 0)
            measured = r->top5;
        else
            return cli_complain(SQZ_E_USAGE, "--require knows top1 and top5, not \"%.*s\".",
                                (int)length, text);
        if (!(measured >= least))
            status = cli_complain(SQZ_BELOW_BOUND, "%.4s is %.4f, below the required %.4f.", text,
                                  measured, least);
        text = *end ? end + 1 : end;
    }
    return status;
}

static void print_result(const struct cli *cli, const struct sqz_validate_result *r)
{
    if (cli->json) {
        json_t *o = json_pack("{s:i,s:I,s:f,s:f}", "schema", 1, "samples", (json_int_t)r->samples,
                              "Top_1_Accuracy", r->top1, "loss", r->loss);
        if (r->classes >= 5)
            json_object_set_new(o, "Top_5_Accuracy", json_real(r->top5));
        if (r->substituted)
            json_object_set_new(o, "substituted", json_integer((json_int_t)r->substituted));
        cli_print_json(o);
        return;
    }
    printf("%lld pictures: top-1 %.2f %%", (long long)r->samples, 100 * r->top1);
    if (r->classes >= 5)
        printf(", top-5 %.2f %%", 100 * r->top5);
    printf(", loss %.4f\n", r->loss);
    if (r->substituted)
        printf("%lld pictures did not decode; substitutes took their places\n",
               (long long)r->substituted);
}

enum sqz_status cli_validate(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_model *model = NULL;
    struct sqz_validate_result result = {0};
    char dialect[32] = "";
    const char *recipe = cli_value(cli, "config");
    if (recipe && sqz_options_load(cli->options, recipe, &err))
        return cli_fail(&err);
    sqz_options_get(cli->options, "dialect", dialect, sizeof dialect);
    struct sqz_model_options how = {.classes_file = cli_value(cli, "classes"),
                                    .dialect = strcmp(dialect, "none") ? dialect : NULL};
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (sqz_model_open(cli->positional[0], &how, &model, &err) ||
        sqz_validate(context, model, cli->options, recipe != NULL, &result, &err)) {
        status = cli_fail(&err);
    } else {
        cli_events_end();
        print_result(cli, &result);
        status = check_bounds(cli_value(cli, "require"), &result);
        cli_next(cli, "squeezenet predict %s --show PICTURE...", cli->positional[0]);
    }
    sqz_model_free(model);
    sqz_context_free(context);
    return status;
}
