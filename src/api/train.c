// Training, validation and what they start from: the context's threads and listeners handed to
// train/.
#include "api/context.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "formats/published.h"
#include "train/eval/calibrate.h"
#include "train/eval/validate.h"
#include "train/run/trainer.h"
#include "train/setup/setup.h"
#include <math.h>
#include <squeezenet_tools.h>

static struct sqz_environment environment_of(struct sqz_context *context)
{
    return (struct sqz_environment){.kernels = context->kernels,
                                    .pool = context->pool,
                                    .on_event = context->on_event,
                                    .event_arg = context->event_arg,
                                    .stop = &context->stop,
                                    .precision = context->precision};
}

// The same for work that ranks share; only rank 0 tells how it goes.
static struct sqz_environment environment_of_rank(struct sqz_context *context)
{
    struct sqz_environment environment = environment_of(context);
    environment.ranks = context->ranks;
    if (sqz_ranks_rank(context->ranks) > 0)
        environment.on_event = NULL;
    return environment;
}

enum sqz_status sqz_train(struct sqz_context *context, const struct sqz_options *options,
                          struct sqz_train_result *out, struct sqz_error *err)
{
    struct sqz_environment environment = environment_of_rank(context);
    struct sqz_train_result result = {0};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_train_result, out, err);
    if (!status)
        status = sqz_trainer_run(&environment, options, &result, err);
    if (!status)
        SQZ_STRUCT_OUT(sqz_train_result, out, &result);
    return sqz_context_end(context, status);
}

enum sqz_status sqz_train_dry_run(struct sqz_context *context, const struct sqz_options *options,
                                  char **text, struct sqz_error *err)
{
    struct sqz_environment environment = environment_of(context);
    struct sqz_text report = {0};
    enum sqz_status status = sqz_trainer_dry_run(&environment, options, &report, err);
    if (!status && report.failed)
        status = sqz_fail_memory(err, "the report", report.length);
    if (status)
        sqz_text_release(&report);
    else
        *text = report.data;
    return sqz_context_end(context, status);
}

enum sqz_status sqz_validate(struct sqz_context *context, const struct sqz_model *model,
                             const struct sqz_options *options, bool use_recipe,
                             struct sqz_validate_result *out, struct sqz_error *err)
{
    struct sqz_environment environment = environment_of_rank(context);
    struct sqz_validate_result result = {0};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_validate_result, out, err);
    if (!status)
        status = sqz_evaluate_model(&environment, model, options, use_recipe, &result, err);
    if (!status)
        SQZ_STRUCT_OUT(sqz_validate_result, out, &result);
    return sqz_context_end(context, status);
}

void sqz_accuracy_interval(int64_t correct, int64_t samples, double *low, double *high)
{
    const double z = 1.959963984540054; // of the normal distribution: 95 % lie within
    double n = (double)samples, share = n > 0 ? (double)correct / n : 0, square = z * z;
    if (samples <= 0) {
        *low = 0;
        *high = 1;
        return;
    }
    double middle = (share + square / (2 * n)) / (1 + square / n);
    double half = z / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n));
    *low = fmax(0, middle - half);
    *high = fmin(1, middle + half);
}

enum sqz_status sqz_compare(struct sqz_context *context, const struct sqz_model *model,
                            const struct sqz_model *against, const struct sqz_options *options,
                            struct sqz_validate_result *of_model,
                            struct sqz_validate_result *of_against, struct sqz_compare_result *out,
                            struct sqz_error *err)
{
    struct sqz_environment environment = environment_of(context);
    struct sqz_comparison result = {0};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_compare_result, out, err);
    if (!status && of_model)
        status = SQZ_STRUCT_CHECK(sqz_validate_result, of_model, err);
    if (!status && of_against)
        status = SQZ_STRUCT_CHECK(sqz_validate_result, of_against, err);
    if (!status)
        status = sqz_compare_models(&environment, model, against, options, &result, err);
    if (status)
        return sqz_context_end(context, status);
    SQZ_STRUCT_OUT(sqz_compare_result, out, &result.difference);
    if (of_model)
        SQZ_STRUCT_OUT(sqz_validate_result, of_model, &result.model);
    if (of_against)
        SQZ_STRUCT_OUT(sqz_validate_result, of_against, &result.against);
    return SQZ_OK;
}

enum sqz_status sqz_calibrate(struct sqz_context *context, const struct sqz_model *model,
                              const struct sqz_calibrate_options *options, struct sqz_model **out,
                              struct sqz_calibrate_result *result, struct sqz_error *err)
{
    struct sqz_environment environment = environment_of(context);
    struct sqz_calibrate_options how;
    struct sqz_calibrate_result made = {0};
    enum sqz_status status = SQZ_STRUCT_IN(sqz_calibrate_options, &how, options, err);
    if (!status)
        status = SQZ_STRUCT_CHECK(sqz_calibrate_result, result, err);
    if (!status)
        status = sqz_calibrate_model(&environment, model, &how, out, &made, err);
    if (!status)
        SQZ_STRUCT_OUT(sqz_calibrate_result, result, &made);
    return sqz_context_end(context, status);
}

bool sqz_published_info(int index, struct sqz_published_info *out)
{
    const struct sqz_published *published = sqz_published_at(index);
    if (!published || SQZ_STRUCT_CHECK(sqz_published_info, out, NULL))
        return false;
    struct sqz_published_info info = {.variant = published->variant,
                                      .dialect = published->dialect,
                                      .url = published->url,
                                      .summary = published->summary};
    SQZ_STRUCT_OUT(sqz_published_info, out, &info);
    return true;
}

bool sqz_is_url(const char *text)
{
    return sqz_published_is_url(text);
}

enum sqz_status sqz_fetch_weights(struct sqz_context *context, const char *url, const char *dir,
                                  char **path, struct sqz_error *err)
{
    struct sqz_environment environment = environment_of(context);
    return sqz_context_end(context, sqz_pretrained_fetch(&environment, url, dir, path, err));
}
