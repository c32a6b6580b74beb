// Option pretrained: the published weights of the model.
#include "formats/published.h"
#include "train/setup/setup.h"

#include <math.h>
#include <string.h>

static bool show(void *arg, uint64_t got, uint64_t all)
{
    const struct sqz_environment *environment = arg;
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "fetch kB",
                              .step = (int64_t)(got / 1000),
                              .steps = (int64_t)(all / 1000),
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = NAN,
                              .seconds_left = NAN};
    if (environment->on_event && all > 0)
        environment->on_event(environment->event_arg, &event);
    return !sqz_stop_asked(environment->stop);
}

enum sqz_status sqz_pretrained_fetch(const struct sqz_environment *environment, const char *url,
                                     const char *dir, char **path, struct sqz_error *err)
{
    struct sqz_published_request request = {url, dir, show, (void *)environment};
    return sqz_published_get(&request, path, err);
}

enum sqz_status sqz_setup_pretrained(const struct sqz_environment *environment,
                                     const struct sqz_options *options, char **path,
                                     struct sqz_error *err)
{
    const char *dialect = *options->dialect ? options->dialect : "mindcv";
    const struct sqz_published *published = sqz_published_find(options->model, dialect);
    *path = NULL;
    if (!options->pretrained)
        return SQZ_OK;
    if (!published)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Nobody published weights of %s in the %s dialect; \"squeezenet info\" "
                        "lists what there is.",
                        options->model, dialect);
    // A run directory's recipe.yaml names both: the option and the file that it led to.
    if (*options->ckpt_path &&
        strcmp(sqz_path_name(options->ckpt_path), sqz_path_name(published->url)) != 0)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Options pretrained and ckpt_path exclude each other: both say which "
                        "weights to start from.");
    return sqz_pretrained_fetch(environment, published->url, options->pretrained_dir, path, err);
}
