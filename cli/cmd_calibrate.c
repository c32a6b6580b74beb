// squeezenet calibrate: probabilities that mean something, and a threshold for "unknown".
#include "cli/commands.h"
#include "cli/json.h"
#include <math.h>
#include <squeezenet_tools.h>
#include <stdio.h>
#include <string.h>

const struct cli_flag cli_calibrate_flags[] = {
    {"output", 'o', "FILE", "the calibrated model"},
    {"target_coverage", 0, "X", "threshold for \"unknown\": this share of images gets an answer"},
    {"target_precision", 0, "X", "threshold for \"unknown\": this share of the answers is right"},
    {"unknown_dir", 0, "DIR", "images of none of the classes: the best of three scores is stored"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {NULL, 0, NULL, NULL},
};

static void add_figures(struct cli_json *json, const char *key,
                        const struct sqz_calibrate_figures *figures)
{
    cli_json_open(json, key, '{');
    cli_json_real(json, "Top_1_Accuracy", figures->top1);
    cli_json_real(json, "ece", figures->ece);
    cli_json_real(json, "nll", figures->nll);
    cli_json_real(json, "brier", figures->brier);
    cli_json_close(json, '}');
}

static enum sqz_status print_json(const struct sqz_calibrate_result *r)
{
    struct cli_json json = {0};
    bool stored = strcmp(r->score, "none") != 0;
    cli_json_begin(&json);
    cli_json_real(&json, "temperature", r->temperature);
    cli_json_int(&json, "fitted", r->fitted);
    cli_json_int(&json, "held", r->held);
    cli_json_int(&json, "top1_changed", r->top1_changed);
    add_figures(&json, "before", &r->before);
    add_figures(&json, "after", &r->after);
    cli_json_text(&json, "score", stored ? r->score : NULL);
    cli_json_real(&json, "threshold", stored ? r->threshold : NAN);
    cli_json_real(&json, "coverage", stored ? r->coverage : NAN);
    cli_json_real(&json, "precision", stored ? r->precision : NAN);
    cli_json_int(&json, "unknown", r->unknown);
    cli_json_real(&json, "unknown_refused", stored ? r->unknown_refused : NAN);
    cli_json_real(&json, "auroc_softmax", r->auroc_softmax);
    cli_json_real(&json, "auroc_logit", r->auroc_logit);
    cli_json_real(&json, "auroc_energy", r->auroc_energy);
    cli_json_open(&json, "trade_off", '[');
    for (int i = 0; i < SQZ_TRADE_OFF_ROWS; i++) {
        cli_json_open(&json, NULL, '{');
        cli_json_real(&json, "threshold", r->trade_off[i].threshold);
        cli_json_real(&json, "coverage", r->trade_off[i].coverage);
        cli_json_real(&json, "precision", r->trade_off[i].precision);
        cli_json_close(&json, '}');
    }
    cli_json_close(&json, ']');
    return cli_json_print(&json);
}

static void print_text(const struct sqz_calibrate_result *r)
{
    const struct sqz_calibrate_figures *rows[] = {&r->before, &r->after};
    printf("temperature %.4f, fitted to %lld images; %lld others report:\n", r->temperature,
           (long long)r->fitted, (long long)r->held);
    printf("           top-1 %%   ECE points      NLL    Brier\n");
    for (int i = 0; i < 2; i++)
        printf("  %s  %7.2f  %10.2f  %8.4f  %7.4f\n", i ? "after " : "before", 100 * rows[i]->top1,
               100 * rows[i]->ece, rows[i]->nll, rows[i]->brier);
    printf("most probable class changed for %lld images\n\n", (long long)r->top1_changed);
    if (r->unknown)
        printf("known against %lld unknown images, AUROC: softmax %.4f, logit %.4f, energy %.4f\n",
               (long long)r->unknown, r->auroc_softmax, r->auroc_logit, r->auroc_energy);
    printf("  answers %%   right %%   threshold\n");
    for (int i = 0; i < SQZ_TRADE_OFF_ROWS; i++)
        printf("  %9.1f  %8.1f   %9.5g\n", 100 * r->trade_off[i].coverage,
               100 * r->trade_off[i].precision, r->trade_off[i].threshold);
    if (strcmp(r->score, "none") == 0)
        return;
    printf("stored: unknown below %.5g (%s): %.1f %% answered, %.1f %% of them right", r->threshold,
           r->score, 100 * r->coverage, 100 * r->precision);
    if (r->unknown)
        printf("; %.1f %% of the unknown images refused", 100 * r->unknown_refused);
    putchar('\n');
}

static enum sqz_status read_targets(const struct cli *cli, struct sqz_calibrate_options *how)
{
    enum sqz_status status = cli_number(cli, "target_coverage", 0, &how->coverage);
    return status ? status : cli_number(cli, "target_precision", 0, &how->precision);
}

enum sqz_status cli_calibrate(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_model *model = NULL, *made = NULL;
    struct sqz_calibrate_options how = SQZ_INIT(sqz_calibrate_options);
    struct sqz_calibrate_result result = SQZ_INIT(sqz_calibrate_result);
    struct sqz_model_options options = SQZ_INIT(sqz_model_options);
    const char *path = cli_value(cli, "output");
    char dialect[32] = "", force[8] = "";
    if (!path)
        return cli_complain(SQZ_E_USAGE, "-o FILE is missing. Usage: squeezenet calibrate %s",
                            cli->command->usage);
    if (cli->n_positional > 1 &&
        sqz_options_put(cli->options, "data_dir", cli->positional[1], &err))
        return cli_fail(&err);
    sqz_options_get(cli->options, "dialect", dialect, sizeof dialect);
    sqz_options_get(cli->options, "force", force, sizeof force);
    options.classes_file = cli_value(cli, "classes");
    options.dialect = strcmp(dialect, "none") ? dialect : NULL;
    how.options = cli->options;
    how.unknown_dir = cli_value(cli, "unknown_dir");
    enum sqz_status status = read_targets(cli, &how);
    if (!status)
        status = cli_context(cli, &context);
    if (!status && (sqz_model_open(cli->positional[0], &options, &model, &err) ||
                    sqz_calibrate(context, model, &how, &made, &result, &err) ||
                    sqz_model_save(made, path, strcmp(force, "true") == 0, &err)))
        status = cli_fail(&err);
    if (!status) {
        cli_events_end();
        if (cli->json)
            status = print_json(&result);
        else
            print_text(&result);
        cli_next(cli, "squeezenet predict %s IMAGE...", path);
    }
    sqz_model_free(made);
    sqz_model_free(model);
    sqz_context_free(context);
    return status;
}
