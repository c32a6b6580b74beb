// squeezenet validate: accuracy and loss of a model.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_ranks.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_validate_flags[] = {
    {"config", 'c', "FILE", "recipe (YAML): its transforms and loss instead of the model's"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {"against", 0, "MODEL", "compare with this one on the same images: KL, agreement, top-1"},
    {"precision", 0, "NAME", "fp32, int8 or auto: integers where the model has them [auto]"},
    {"require", 0, "NAME=X", "exit status 1 if top1 or top5 is below X, or kl above: top1=0.58"},
    {NULL, 0, NULL, NULL},
};

// What --require can ask for. The KL is small where the others are large.
struct measured {
    const char *name;
    double value;
    bool is_there, small;
};

// "top1=0.58,top5=0.8" against what was measured; `before`: only whether it can be asked for.
static enum sqz_status check_bounds(const char *text, const struct measured *measured, bool before)
{
    enum sqz_status status = SQZ_OK;
    while (text && *text) {
        const char *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) : strlen(text);
        char *end = NULL;
        double bound = equals ? strtod(equals + 1, &end) : 0;
        const struct measured *m = measured;
        if (!equals || end == equals + 1 || (*end && *end != ','))
            return cli_complain(SQZ_E_USAGE, "--require wants NAME=NUMBER, as in top1=0.58.");
        while (m->name && (strlen(m->name) != length || strncmp(m->name, text, length) != 0))
            m++;
        if (!m->name)
            return cli_complain(SQZ_E_USAGE, "--require knows top1, top5 and kl, not \"%.*s\".",
                                (int)length, text);
        if (!m->is_there)
            return cli_complain(SQZ_E_USAGE, "--require %s needs a model to compare --against.",
                                m->name);
        if (!before && !(m->small ? m->value <= bound : m->value >= bound))
            status = cli_complain(SQZ_BELOW_BOUND, "%s is %.4f, %s the required %.4f.", m->name,
                                  m->value, m->small ? "above" : "below", bound);
        text = *end ? end + 1 : end;
    }
    return status;
}

static int64_t correct_of(const struct sqz_validate_result *r)
{
    return llround(r->top1 * (double)r->samples);
}

static void add_result(struct cli_json *json, const struct sqz_validate_result *r)
{
    cli_json_int(json, "samples", r->samples);
    cli_json_real(json, "Top_1_Accuracy", r->top1);
    cli_json_real(json, "loss", r->loss);
    if (r->classes > 5)
        cli_json_real(json, "Top_5_Accuracy", r->top5);
    if (r->substituted)
        cli_json_int(json, "substituted", r->substituted);
}

static void add_reliability(struct cli_json *json, const struct sqz_validate_result *r)
{
    double low, high;
    sqz_accuracy_interval(correct_of(r), r->samples, &low, &high);
    cli_json_open(json, "Top_1_interval", '[');
    cli_json_real(json, NULL, low);
    cli_json_real(json, NULL, high);
    cli_json_close(json, ']');
    cli_json_real(json, "ece", r->ece);
    cli_json_real(json, "nll", r->nll);
    cli_json_real(json, "brier", r->brier);
    cli_json_open(json, "reliability", '[');
    for (int b = 0; b < SQZ_RELIABILITY_BINS; b++) {
        cli_json_open(json, NULL, '{');
        cli_json_int(json, "samples", r->reliability[b].samples);
        cli_json_real(json, "confidence", r->reliability[b].confidence);
        cli_json_real(json, "accuracy", r->reliability[b].accuracy);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static enum sqz_status print_json(const struct sqz_validate_result *r,
                                  const struct sqz_validate_result *other,
                                  const struct sqz_compare_result *c)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    add_result(&json, r);
    if (!c)
        add_reliability(&json, r);
    if (c) {
        cli_json_open(&json, "against", '{');
        add_result(&json, other);
        cli_json_close(&json, '}');
        cli_json_real(&json, "kl", c->kl);
        cli_json_real(&json, "agreement", c->agreement);
        cli_json_real(&json, "top1_difference", c->top1_difference);
        cli_json_real(&json, "standard_error", c->standard_error);
    }
    return cli_json_print(&json);
}

#define FAIRLY_SURE 0.01 // of an accuracy: half an interval that is not worth telling

static void print_result(const struct sqz_validate_result *r, const char *name)
{
    double low, high;
    printf("%s%s%lld images: top-1 %.2f %%", cli_clean(name), *name ? ": " : "",
           (long long)r->samples, 100 * r->top1);
    sqz_accuracy_interval(correct_of(r), r->samples, &low, &high);
    if (high - low > 2 * FAIRLY_SURE) // few images
        printf(" (%lld of %lld, 95 %% interval %.0f to %.0f)", (long long)correct_of(r),
               (long long)r->samples, 100 * low, 100 * high);
    if (r->classes > 5)
        printf(", top-5 %.2f %%", 100 * r->top5);
    printf(", loss %.4f\n", r->loss);
    if (r->substituted)
        printf("%lld images did not decode; substitutes took their places\n",
               (long long)r->substituted);
}

// How the probabilities agree with what came true.
static void print_reliability(const struct sqz_validate_result *r)
{
    printf("calibration: ECE %.2f points, NLL %.4f, Brier %.4f\n", 100 * r->ece, r->nll, r->brier);
    printf("  probability    images   mean %%   right %%\n");
    for (int b = 0; b < SQZ_RELIABILITY_BINS; b++) {
        const struct sqz_reliability_bin *bin = &r->reliability[b];
        if (bin->samples)
            printf("  %4.0f to %3.0f %%  %7lld   %6.1f   %7.1f\n", 100.0 * b / SQZ_RELIABILITY_BINS,
                   100.0 * (b + 1) / SQZ_RELIABILITY_BINS, (long long)bin->samples,
                   100 * bin->confidence, 100 * bin->accuracy);
    }
}

// `c` NULL: nothing to compare with.
static enum sqz_status print_all(const struct cli *cli, const char *name,
                                 const struct sqz_validate_result *r,
                                 const struct sqz_validate_result *other,
                                 const struct sqz_compare_result *c)
{
    if (cli->json)
        return print_json(r, other, c);
    print_result(r, c ? name : "");
    if (!c) {
        print_reliability(r);
        return SQZ_OK;
    }
    print_result(other, cli_value(cli, "against"));
    printf("top-1 difference %+.2f points, standard error %.2f; KL %.5f; the same answer for "
           "%.2f %%\n",
           100 * c->top1_difference, 100 * c->standard_error, c->kl, 100 * c->agreement);
    return SQZ_OK;
}

enum sqz_status cli_validate(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_model *model = NULL, *other = NULL;
    struct sqz_compare_result c = SQZ_INIT(sqz_compare_result);
    struct sqz_validate_result r = SQZ_INIT(sqz_validate_result);
    struct sqz_validate_result of_other = SQZ_INIT(sqz_validate_result);
    int ranks;
    char dialect[32] = "", path[4200] = "";
    const char *name = cli->n_positional ? cli->positional[0] : path;
    const char *recipe = cli_value(cli, "config"), *against = cli_value(cli, "against");
    if (recipe && against)
        return cli_complain(SQZ_E_USAGE,
                            "--against compares models as they are, without a recipe.");
    if (recipe && sqz_options_load(cli->options, recipe, &err))
        return cli_fail(&err);
    if (!cli->n_positional) { // MindCV's way to name the model
        sqz_options_get(cli->options, "ckpt_path", path, sizeof path);
        if (!*path || strcmp(path, "none") == 0)
            return cli_complain(SQZ_E_USAGE, "Something is missing. Usage: squeezenet validate %s",
                                cli->command->usage);
    }
    if (cli->n_positional > 1 &&
        sqz_options_put(cli->options, "data_dir", cli->positional[1], &err))
        return cli_fail(&err);
    sqz_options_get(cli->options, "dialect", dialect, sizeof dialect);
    struct sqz_model_options how = {.struct_size = sizeof how,
                                    .classes_file = cli_value(cli, "classes"),
                                    .dialect = strcmp(dialect, "none") ? dialect : NULL};
    struct measured measured[] = {{"top1", 0, true, false},
                                  {"top5", 0, true, false},
                                  {"kl", 0, against != NULL, true},
                                  {NULL, 0, false, false}};
    enum sqz_status status = check_bounds(cli_value(cli, "require"), measured, true);
    if (!status)
        status = cli_context(cli, &context);
    if (status)
        return status;
    if ((!against && sqz_context_join(context, cli->options, &err)) ||
        sqz_model_open(name, &how, &model, &err) ||
        (against && sqz_model_open(against, &how, &other, &err)) ||
        (against ? sqz_compare(context, model, other, cli->options, &r, &of_other, &c, &err)
                 : sqz_validate(context, model, cli->options, recipe != NULL, &r, &err))) {
        status = sqz_context_is_reporter(context) ? cli_fail(&err) : err.status;
    } else if (sqz_context_rank(context, &ranks) == 0) {
        measured[0].value = r.top1;
        measured[1].value = r.top5;
        measured[2].value = c.kl;
        cli_events_end();
        status = print_all(cli, name, &r, &of_other, against ? &c : NULL);
        if (!status)
            status = check_bounds(cli_value(cli, "require"), measured, false);
        cli_next(cli, "squeezenet predict %s --show IMAGE...", name);
    }
    sqz_model_free(other);
    sqz_model_free(model);
    sqz_context_free(context);
    return status;
}
