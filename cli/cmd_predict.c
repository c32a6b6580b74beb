// squeezenet predict: the most probable classes of images.
#include "cli/commands.h"
#include "cli/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_predict_flags[] = {
    {"top", 'k', "N", "how many classes to print [5]"},
    {"show", 0, NULL, "draw each image in the terminal"},
    {"logits", 0, NULL, "with --json: the raw logits, too"},
    {"classes", 0, "FILE", "class names, one a line in index order"},
    {"dialect", 0, "NAME", "mindcv, torchvision or caffe, instead of the file's"},
    {"data_dir", 0, "DIR", "classify samples of this dataset instead of files"},
    {"split", 0, "NAME", "which split of it [val, else test]"},
    {"samples", 0, "N", "how many samples, evenly spaced [5]"},
    {"threads", 0, "N", "compute threads [physical cores]"},
    {"precision", 0, "NAME", "fp32, int8 or auto: integers where the model has them [auto]"},
    {"low_memory", 0, NULL, "the least memory rather than the least time"},
    {NULL, 0, NULL, NULL},
};

enum { MAX_BEST = 1000, IMAGE_COLUMNS = 28, IMAGE_ROWS = 14 };

struct prediction {
    struct cli *cli;
    const struct sqz_samples *samples; // or NULL: files
    struct sqz_classifier *classifier;
    struct sqz_class_score best[MAX_BEST];
    int n, classes;
    float *logits;
    struct cli_json json; // --json: what is printed at the end
    int shown;
};

static void add_prediction(struct prediction *p, const char *file, const char *truth)
{
    struct cli_json *json = &p->json;
    cli_json_open(json, NULL, '{');
    cli_json_text(json, "file", file);
    if (truth)
        cli_json_text(json, "class", truth);
    cli_json_open(json, "classes", '[');
    for (int i = 0; i < p->n; i++) {
        cli_json_open(json, NULL, '{');
        cli_json_int(json, "index", p->best[i].index);
        cli_json_text(json, "name", p->best[i].name);
        cli_json_real(json, "probability", (double)p->best[i].probability);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
    if (p->logits) {
        cli_json_open(json, "logits", '[');
        for (int i = 0; i < p->classes; i++)
            cli_json_real(json, NULL, (double)p->logits[i]);
        cli_json_close(json, ']');
    }
    cli_json_close(json, '}');
}

static void add_error(struct prediction *p, const char *file, const char *sentence)
{
    cli_json_open(&p->json, NULL, '{');
    cli_json_text(&p->json, "file", file);
    cli_json_text(&p->json, "error", sentence);
    cli_json_close(&p->json, '}');
}

static void print_score(const struct sqz_class_score *score, const char *mark)
{
    enum { WIDTH = 20 };
    int filled = (int)lroundf(score->probability * WIDTH);
    printf("%6.1f %% ", 100 * (double)score->probability);
    for (int i = 0; i < WIDTH; i++)
        fputs(i < filled ? "█" : "░", stdout);
    printf(" %s%s", cli_clean(score->name), mark);
}

// The title, then the classes, beside the image where there is one.
static void print_prediction(const struct prediction *p, const char *title, const char *truth,
                             const uint8_t *rgb, int w, int h)
{
    int rows = rgb ? (h + 1) / 2 : 0, lines = p->n > rows ? p->n : rows;
    int first = rows > p->n ? (rows - p->n) / 2 : 0; // centred beside the image
    printf("%s%s", p->shown ? "\n" : "", cli_clean(title));
    if (truth)
        printf(" (%s)", cli_clean(truth));
    putchar('\n');
    for (int line = 0; line < lines; line++) {
        if (rgb) {
            fputs("  ", stdout);
            cli_draw_row(p->cli, rgb, w, h, line);
            fputs("  ", stdout);
        }
        if (line >= first && line - first < p->n) {
            const struct sqz_class_score *score = &p->best[line - first];
            bool right = truth && strcmp(score->name, truth) == 0;
            print_score(score, right ? "  <- right" : "");
        }
        putchar('\n');
    }
}

static enum sqz_status predict_one(struct prediction *p, const char *file, size_t sample)
{
    struct sqz_error err = {0};
    uint8_t rgb[IMAGE_COLUMNS * IMAGE_ROWS * 2 * 3];
    int w = IMAGE_COLUMNS, h = IMAGE_ROWS * 2, wanted = p->n;
    const char *truth = p->samples ? sqz_samples_class(p->samples, sample) : NULL;
    char title[64];
    snprintf(title, sizeof title, "sample %zu", sample);
    if (p->samples)
        file = sqz_samples_file(p->samples, sample);
    struct sqz_input input = SQZ_INIT(sqz_input);
    struct sqz_classify_result result = SQZ_INIT(sqz_classify_result);
    if (p->samples) {
        input.samples = p->samples;
        input.sample = sample;
    } else {
        input.path = file;
    }
    result.best = p->best;
    result.best_count = wanted;
    result.logits = p->logits;
    result.logit_count = p->logits ? (size_t)p->classes : 0;
    enum sqz_status status = sqz_classify_batch(p->classifier, &input, &result, 1, NULL, &err);
    p->n = result.best_count;
    bool image =
        !status && cli_has(p->cli, "show") &&
        !(p->samples ? sqz_thumbnail_sample(p->samples, sample, &w, &h, rgb, sizeof rgb, NULL)
                     : sqz_thumbnail_file(file, &w, &h, rgb, sizeof rgb, NULL));
    if (status) {
        cli_fail(&err);
        if (p->cli->json)
            add_error(p, file ? file : title, err.text);
    } else if (p->cli->json) {
        add_prediction(p, file, truth);
    } else {
        print_prediction(p, file ? file : title, truth, image ? rgb : NULL, w, h);
        p->shown++;
    }
    p->n = wanted;
    return status;
}

// Every image gets its turn; a data error of one does not stop the others.
static enum sqz_status predict_all(struct prediction *p, int samples)
{
    struct cli *cli = p->cli;
    enum sqz_status worst = SQZ_OK;
    size_t count = p->samples ? sqz_samples_count(p->samples) : (size_t)cli->n_positional - 1;
    size_t n = p->samples && (size_t)samples < count ? (size_t)samples : count;
    for (size_t i = 0; i < n; i++) {
        // Evenly spaced: the middle of each of n equal parts.
        size_t sample = p->samples ? (2 * i + 1) * count / (2 * n) : 0;
        enum sqz_status status = predict_one(p, p->samples ? NULL : cli->positional[1 + i], sample);
        if (status && status != SQZ_E_DATA && status != SQZ_E_NOINPUT && status != SQZ_E_IO)
            return status;
        if (status)
            worst = SQZ_E_DATA;
    }
    return worst;
}

static enum sqz_status predict_json(struct prediction *p, int samples)
{
    cli_json_begin(&p->json);
    cli_json_open(&p->json, "results", '[');
    enum sqz_status status = predict_all(p, samples);
    cli_json_close(&p->json, ']');
    enum sqz_status printed = cli_json_print(&p->json);
    return status ? status : printed;
}

enum sqz_status cli_predict(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    struct sqz_samples *samples = NULL;
    struct sqz_model_info info = SQZ_INIT(sqz_model_info);
    struct prediction *p = calloc(1, sizeof *p);
    const char *dir = cli_value(cli, "data_dir");
    int n_samples = 5;
    struct sqz_model_options how = {.struct_size = sizeof how,
                                    .classes_file = cli_value(cli, "classes"),
                                    .dialect = cli_value(cli, "dialect")};
    enum sqz_status status = SQZ_OK;
    if (!p)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    p->cli = cli;
    if (!dir && cli->n_positional < 2) {
        status = cli_complain(SQZ_E_USAGE, "No image is given. Usage: squeezenet predict %s",
                              cli->command->usage);
        goto done;
    }
    status = cli_integer(cli, "top", 5, 1, MAX_BEST, &p->n);
    if (!status)
        status = cli_integer(cli, "samples", 5, 1, 1 << 20, &n_samples);
    if (!status)
        status = cli_context(cli, &context);
    if (status)
        goto done;
    // Enlarging the weights for speed takes longer than one image gains. Logits that are asked
    // for keep the bits that they have among other images.
    if (!dir && cli->n_positional == 2 && !cli_has(cli, "logits") && !cli_has(cli, "low_memory"))
        sqz_context_set_mode(context, SQZ_MODE_START);
    if (sqz_classifier_open(context, cli->positional[0], &how, &p->classifier, &err) ||
        sqz_classifier_describe(p->classifier, &info, &err) ||
        (dir && sqz_samples_open(dir, cli_value(cli, "split"), &samples, &err))) {
        status = cli_fail(&err);
        goto done;
    }
    p->samples = samples;
    p->classes = info.classes;
    if (cli->json && cli_has(cli, "logits")) {
        p->logits = calloc((size_t)info.classes, sizeof *p->logits);
        if (!p->logits) {
            status = cli_complain(SQZ_E_NOMEM, "There is not enough memory for the logits.");
            goto done;
        }
    }
    status = cli->json ? predict_json(p, n_samples) : predict_all(p, n_samples);
    if (!info.has_class_names && !cli->quiet && !cli->json)
        fprintf(stderr, "The model has no class names; --classes FILE adds them.\n");
    if (!status)
        cli_next(cli, "squeezenet validate %s --data_dir DIR", cli->positional[0]);
done:
    sqz_classifier_free(p->classifier);
    sqz_samples_free(samples);
    sqz_context_free(context);
    free(p->logits);
    free(p);
    return status;
}
