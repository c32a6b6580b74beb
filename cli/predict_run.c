// All images of `predict`, a batch at a time: through the network, then to the outputs in their
// order.
#include "cli/predict.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

// What decides how often the progress is shown, in seconds.
#define PROGRESS_INTERVAL 0.1

struct progress {
    bool shown;
    int64_t total; // 0: not known
    double start, told;
};

static void tell(struct progress *progress, const struct predict *p)
{
    double time = cli_seconds(), seconds = time - progress->start;
    if (!progress->shown || time - progress->told < PROGRESS_INTERVAL)
        return;
    progress->told = time;
    double rate = (double)p->done / seconds;
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "predict",
                              .step = p->done,
                              .steps = progress->total,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = rate,
                              .seconds_left = progress->total > p->done
                                                  ? (double)(progress->total - p->done) / rate
                                                  : NAN};
    cli_progress(&event);
}

static void set_input(struct predict *p, int i)
{
    const struct predict_image *image = &p->images[i];
    struct sqz_input input = SQZ_INIT(sqz_input);
    if (p->sources.samples) {
        input.samples = p->sources.samples;
        input.sample = image->sample;
    } else if (p->sources.data) {
        input.data = p->sources.data;
        input.size = p->sources.size;
        input.name = image->title;
    } else {
        input.path = image->path;
    }
    p->inputs[i] = input;
}

static size_t map_floats(const struct predict *p)
{
    return (size_t)p->info.class_map_height * (size_t)p->info.class_map_width *
           (size_t)p->info.classes;
}

static size_t view_bytes(const struct predict *p)
{
    return (size_t)p->info.image_size * (size_t)p->info.image_size * 3;
}

static void set_result(struct predict *p, int i)
{
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    size_t at = (size_t)i, classes = (size_t)p->info.classes;
    size_t features = (size_t)p->info.embedding_size;
    result.error = &p->errors[i];
    result.best = p->best + at * (size_t)p->top;
    result.best_count = p->top;
    result.logits = p->logits ? p->logits + at * classes : NULL;
    result.probabilities = p->probabilities ? p->probabilities + at * classes : NULL;
    result.logit_count = result.probability_count = classes;
    result.embedding = p->embeddings ? p->embeddings + at * features : NULL;
    result.embedding_count = features;
    result.class_map_count = map_floats(p);
    result.class_maps = p->class_maps ? p->class_maps + at * result.class_map_count : NULL;
    result.view_size = view_bytes(p);
    result.view = p->views ? p->views + at * result.view_size : NULL;
    p->results[i] = result;
}

// Takes images until the batch is full or there are no more.
static enum sqz_status fill(struct predict *p, int *n)
{
    enum sqz_status status = SQZ_OK;
    bool found = true;
    for (*n = 0; !status && found && *n < p->batch;) {
        status = predict_sources_next(&p->sources, &p->images[*n], &found);
        if (status || !found)
            break;
        set_input(p, *n);
        set_result(p, *n);
        ++*n;
    }
    return status;
}

static bool concerns_one_image(enum sqz_status status)
{
    return status == SQZ_E_DATA || status == SQZ_E_NOINPUT || status == SQZ_E_IO;
}

// Every image gets its turn; a data error of one does not stop the others.
static enum sqz_status give(struct predict *p, int n)
{
    enum sqz_status status = SQZ_OK;
    for (int i = 0; !status && i < n; i++) {
        enum sqz_status of_image = p->results[i].status;
        if (of_image)
            cli_fail(&p->errors[i]);
        if (of_image && !concerns_one_image(of_image))
            return of_image;
        p->failed += of_image != SQZ_OK;
        p->failed_io |= of_image == SQZ_E_IO;
        p->unturned += !of_image && p->results[i].exif_ignored;
        if (p->prints)
            cli_events_end();
        status = predict_outputs_add(p, i);
        p->done++;
    }
    return status;
}

static bool reserve(struct predict *p)
{
    size_t n = (size_t)p->batch, classes = (size_t)p->info.classes;
    bool all = p->csv.file || cli_has(p->cli, "jsonl") || p->cam.path;
    bool logits = p->cam.path || (cli_has(p->cli, "logits") && (p->cli->json || all));
    p->images = calloc(n, sizeof *p->images);
    p->inputs = calloc(n, sizeof *p->inputs);
    p->results = calloc(n, sizeof *p->results);
    p->errors = calloc(n, sizeof *p->errors);
    p->best = calloc(n * (size_t)p->top, sizeof *p->best);
    if (!p->images || !p->inputs || !p->results || !p->errors || !p->best)
        return false;
    if (all && !(p->probabilities = calloc(n * classes, sizeof *p->probabilities)))
        return false;
    if (logits && !(p->logits = calloc(n * classes, sizeof *p->logits)))
        return false;
    if (p->cam.path && (!(p->class_maps = calloc(n * map_floats(p), sizeof *p->class_maps)) ||
                        !(p->views = calloc(n, view_bytes(p)))))
        return false;
    return !p->embed.file || (p->embeddings = calloc(n * (size_t)p->info.embedding_size,
                                                     sizeof *p->embeddings)) != NULL;
}

static void release(struct predict *p)
{
    free(p->images);
    free(p->inputs);
    free(p->results);
    free(p->errors);
    free(p->best);
    free(p->probabilities);
    free(p->logits);
    free(p->embeddings);
    free(p->class_maps);
    free(p->views);
}

// A run whose results are no text ends by saying how many there were.
static void summarize(const struct predict *p)
{
    const struct predict_sources *sources = &p->sources;
    if (p->cli->quiet)
        return;
    if (!p->prints && !p->cli->json && p->done > 1) {
        fprintf(stderr, "%lld images", (long long)p->done);
        if (p->failed)
            fprintf(stderr, ", %lld of them not readable", (long long)p->failed);
        if (p->copy_to)
            fprintf(stderr, "; %lld are in %s", (long long)p->copied, cli_clean(p->copy_to));
        fputs(".\n", stderr);
    }
    if (sources->passed_over)
        fprintf(stderr, "%lld files are no images of a kind that is read; they were passed over.\n",
                (long long)sources->passed_over);
}

enum sqz_status predict_run(struct predict *p)
{
    struct progress progress = {.start = cli_seconds(), .told = cli_seconds()};
    enum sqz_status status = SQZ_OK;
    int n = 1;
    progress.shown = !p->cli->quiet && (!p->prints || !isatty(STDOUT_FILENO));
    if (progress.shown)
        progress.total = predict_sources_count(p->cli, p->sources.samples, p->sources.n);
    if (!reserve(p))
        status = cli_complain(SQZ_E_NOMEM, "There is not enough memory for %d images.", p->batch);
    while (!status && n > 0) {
        status = fill(p, &n);
        if (!status && n > 0) // what fails is told image by image
            sqz_classify_batch(p->classifier, p->inputs, p->results, (size_t)n, NULL, NULL);
        if (!status)
            status = give(p, n);
        for (int i = 0; i < n; i++)
            predict_image_release(&p->images[i]);
        tell(&progress, p);
    }
    cli_events_end();
    if (!status && p->done == 0 && !p->sources.failed)
        status = cli_complain(SQZ_E_NOINPUT, "There is no image to classify.");
    if (!status)
        summarize(p);
    release(p);
    if (status)
        return status;
    p->complete = true;
    // SQZ_E_DATA would say of an image on a failing disk that it is damaged.
    if (p->failed_io || p->sources.failed_io)
        return SQZ_E_IO;
    return p->failed || p->sources.failed ? SQZ_E_DATA : SQZ_OK;
}
