// Looking after data sets.
#include "api/context.h"
#include "base/memory.h"
#include "data/dataset.h"
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
    struct sqz_data_report report = {0};
    struct sqz_check_result result = {0};
    enum sqz_status status =
        sqz_data_check(dir, sqz_pool_size(context->pool), report_problem, context, &report, err);
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
    *out = result;
done:
    if (status)
        sqz_check_result_release(&result);
    sqz_data_report_release(&report);
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

enum sqz_status sqz_synthesize_data(const char *dir, int train_per_class, int val_per_class,
                                    int image_size, uint64_t seed, struct sqz_error *err)
{
    struct sqz_synth how = {.per_class_train = train_per_class,
                            .per_class_val = val_per_class,
                            .size = image_size,
                            .seed = seed};
    return sqz_data_synth(dir, &how, err);
}
