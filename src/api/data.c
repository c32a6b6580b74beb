// Checking, packing and drawing datasets.
#include "api/context.h"
#include "api/struct_size.h"
#include "base/memory.h"
#include "data/sets/dataset.h"
#include "data/sets/imagenet.h"
#include <squeezenet_tools.h>
#include <stdio.h>

static void report_problem(void *arg, const char *path, const char *problem)
{
    struct sqz_text text = {0};
    sqz_text_add(&text, "%s: %s", path, problem);
    sqz_context_say(arg, SQZ_EVENT_WARNING, sqz_text_get(&text));
    sqz_text_release(&text);
}

enum sqz_status sqz_check_data(struct sqz_context *context, const char *dir,
                               struct sqz_check_result *out, struct sqz_error *err)
{
    struct sqz_data_check_result report = {0};
    struct sqz_check_result result = {0};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_check_result, out, err);
    if (!status)
        status = sqz_data_check(dir, sqz_pool_size(context->pool), report_problem, context, &report,
                                err);
    if (status)
        goto done;
    result = (struct sqz_check_result){.images = report.images,
                                       .corrupt = report.corrupt,
                                       .not_images = report.not_images,
                                       .tiny = report.tiny,
                                       .empty_classes = report.empty_classes};
    result.classes = sqz_new_array((size_t)report.n_classes, sizeof *result.classes);
    if (!result.classes) {
        status = sqz_fail_memory(err, "the class histogram", 0);
        goto done;
    }
    for (; result.n_classes < report.n_classes; result.n_classes++) {
        struct sqz_check_class *class = &result.classes[result.n_classes];
        class->images = report.histogram[result.n_classes];
        class->name = sqz_copy_string(report.classes[result.n_classes]);
        if (!class->name) {
            status = sqz_fail_memory(err, "the class histogram", 0);
            goto done;
        }
    }
    SQZ_STRUCT_OUT(sqz_check_result, out, &result);
done:
    if (status)
        sqz_check_result_release(&result);
    sqz_data_check_result_release(&report);
    return status;
}

void sqz_check_result_release(struct sqz_check_result *result)
{
    for (int i = 0; i < result->n_classes; i++)
        sqz_free(result->classes[i].name);
    sqz_free(result->classes);
    result->classes = NULL;
    result->n_classes = 0;
}

enum sqz_status sqz_pack_data(struct sqz_context *context, const char *dir, const char *path,
                              const struct sqz_pack_options *options, struct sqz_pack_result *out,
                              struct sqz_error *err)
{
    struct sqz_data_pack_result report = {0};
    struct sqz_pack_options how;
    enum sqz_status status = SQZ_STRUCT_IN(sqz_pack_options, &how, options, err);
    if (!status)
        status = SQZ_STRUCT_CHECK(sqz_pack_result, out, err);
    if (status)
        return status;
    if (how.shorter < 0 || how.quality < 0 || how.quality > 100)
        return sqz_fail(err, SQZ_E_USAGE,
                        "A shorter side of %d pixels or a quality of %d cannot be.", how.shorter,
                        how.quality);
    struct sqz_data_pack_options packing = {.shorter = how.shorter,
                                            .quality = how.quality,
                                            .raw = how.raw,
                                            .skip_bad = how.skip_bad,
                                            .overwrite = how.force ? SQZ_REPLACE_EXISTING
                                                                   : SQZ_KEEP_EXISTING,
                                            .stop = &context->stop};
    status = sqz_data_pack(dir, path, &packing, sqz_pool_size(context->pool), report_problem,
                           context, &report, err);
    struct sqz_pack_result result = {.images = report.images,
                                     .shrunk = report.shrunk,
                                     .skipped = report.skipped,
                                     .bytes = report.bytes};
    if (!status)
        SQZ_STRUCT_OUT(sqz_pack_result, out, &result);
    return sqz_context_end(context, status);
}

static void report_note(void *arg, const char *text)
{
    sqz_context_say(arg, SQZ_EVENT_NOTE, text);
}

enum sqz_status sqz_lay_out_imagenet(struct sqz_context *context, const char *train_tar,
                                     const char *val_tar, const char *devkit_tar_gz,
                                     const char *out_dir, struct sqz_imagenet_result *out,
                                     struct sqz_error *err)
{
    struct sqz_imagenet_report report = {0};
    struct sqz_imagenet_archives archives = {train_tar,      val_tar,     devkit_tar_gz,
                                             &context->stop, report_note, context};
    enum sqz_status status = SQZ_STRUCT_CHECK(sqz_imagenet_result, out, err);
    if (!status)
        status = sqz_imagenet_lay_out(&archives, out_dir, &report, err);
    struct sqz_imagenet_result result = {
        .train = report.train, .val = report.val, .classes = report.classes};
    if (!status)
        SQZ_STRUCT_OUT(sqz_imagenet_result, out, &result);
    return sqz_context_end(context, status);
}

enum sqz_status sqz_synthesize_data(const char *dir, int train_per_class, int val_per_class,
                                    int image_size, uint64_t seed, struct sqz_error *err)
{
    struct sqz_synth_options how = {.per_class_train = train_per_class,
                                    .per_class_val = val_per_class,
                                    .size = image_size,
                                    .seed = seed};
    return sqz_data_synth(dir, &how, err);
}
