// Where the results of an image go: text, JSON, JSON lines, CSV, embeddings, class directories.
#include "cli/predict.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NPY_HEADER = 128 };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// --- JSON and JSON lines ---

static void add_classes(struct cli_json *json, const struct sqz_classify_result *result)
{
    cli_json_open(json, "classes", '[');
    for (int k = 0; k < result->best_count; k++) {
        cli_json_open(json, NULL, '{');
        cli_json_int(json, "index", result->best[k].index);
        cli_json_text(json, "name", result->best[k].name);
        cli_json_real(json, "probability", (double)result->best[k].probability);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static void add_reals(struct cli_json *json, const char *key, const float *values, size_t n)
{
    if (!values)
        return;
    cli_json_open(json, key, '[');
    for (size_t k = 0; k < n; k++)
        cli_json_real(json, NULL, (double)values[k]);
    cli_json_close(json, ']');
}

static void add_members(struct predict *p, int i, struct cli_json *json, bool all)
{
    const struct sqz_classify_result *result = &p->results[i];
    cli_json_text(json, "file", predict_title(&p->images[i]));
    if (result->status) {
        cli_json_text(json, "error", p->errors[i].text);
        return;
    }
    if (p->images[i].truth)
        cli_json_text(json, "class", p->images[i].truth);
    if (p->info.unknown_score)
        cli_json_bool(json, "unknown", result->unknown);
    add_classes(json, result);
    if (all)
        add_reals(json, "probabilities", result->probabilities, result->probability_count);
    if (cli_has(p->cli, "logits"))
        add_reals(json, "logits", result->logits, result->logit_count);
    if (p->cam.path)
        predict_cam_json(p, i, json);
}

static void add_json(struct predict *p, int i)
{
    cli_json_open(&p->json, NULL, '{');
    add_members(p, i, &p->json, false);
    cli_json_close(&p->json, '}');
}

static void add_line(struct predict *p, int i)
{
    cli_json_begin(&p->line);
    add_members(p, i, &p->line, true);
    cli_json_line(&p->line, stdout);
}

// --- Tables ---

static void add_csv_head(struct predict *p)
{
    fputs(p->sources.samples ? "file,class" : "file", p->csv.file);
    fputs(",error,predicted,probability,unknown", p->csv.file);
    for (int c = 0; c < p->info.classes; c++) {
        putc(',', p->csv.file);
        predict_table_cell(&p->csv, sqz_classifier_class_name(p->classifier, c));
    }
    putc('\n', p->csv.file);
}

static void add_csv(struct predict *p, int i)
{
    const struct sqz_classify_result *result = &p->results[i];
    FILE *file = p->csv.file;
    predict_table_cell(&p->csv, predict_title(&p->images[i]));
    if (p->sources.samples) {
        putc(',', file);
        predict_table_cell(&p->csv, p->images[i].truth);
    }
    putc(',', file);
    if (result->status) {
        predict_table_cell(&p->csv, p->errors[i].text);
        for (int c = 0; c < p->info.classes + 3; c++)
            putc(',', file);
    } else {
        putc(',', file);
        predict_table_cell(&p->csv, result->best[0].name);
        fprintf(file, ",%.9g,%d", (double)result->best[0].probability, result->unknown);
        for (int c = 0; c < p->info.classes; c++)
            fprintf(file, ",%.9g", (double)result->probabilities[c]);
    }
    putc('\n', file);
}

// NumPy's format 1.0: magic, version, length of the text, the text, padded to a whole 64 bytes.
static void add_npy_head(struct predict *p, int64_t rows)
{
    char text[NPY_HEADER - 10];
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %d), }",
                     (long long)rows, p->info.embedding_size);
    memset(text + n, ' ', sizeof text - (size_t)n);
    text[sizeof text - 1] = '\n';
    fwrite("\x93NUMPY\1\0", 1, 8, p->embed.file);
    putc((int)sizeof text & 255, p->embed.file);
    putc((int)sizeof text >> 8, p->embed.file);
    fwrite(text, 1, sizeof text, p->embed.file);
}

static void add_embed_head(struct predict *p)
{
    if (p->embed_is_npy) {
        add_npy_head(p, 0);
        return;
    }
    fputs("file,error", p->embed.file);
    for (int k = 0; k < p->info.embedding_size; k++)
        fprintf(p->embed.file, ",f%d", k);
    putc('\n', p->embed.file);
}

// An image that cannot be read keeps its row: of NaN in a .npy file.
static void add_embedding(struct predict *p, int i)
{
    const struct sqz_classify_result *result = &p->results[i];
    FILE *file = p->embed.file;
    int n = p->info.embedding_size;
    if (p->embed_is_npy) {
        for (int k = 0; result->status && k < n; k++)
            result->embedding[k] = NAN;
        fwrite(result->embedding, sizeof *result->embedding, (size_t)n, file);
        return;
    }
    predict_table_cell(&p->embed, predict_title(&p->images[i]));
    putc(',', file);
    if (result->status)
        predict_table_cell(&p->embed, p->errors[i].text);
    for (int k = 0; k < n; k++)
        if (result->status)
            putc(',', file);
        else
            fprintf(file, ",%.9g", (double)result->embedding[k]);
    putc('\n', file);
}

// --- All of them ---

enum sqz_status predict_outputs_open(struct predict *p)
{
    struct cli *cli = p->cli;
    const char *csv = cli_value(cli, "csv"), *embed = cli_value(cli, "embed");
    bool lines = cli_has(cli, "jsonl");
    p->copy_to = cli_value(cli, "copy_to");
    if (cli->json + lines + (csv && strcmp(csv, "-") == 0) + (embed && strcmp(embed, "-") == 0) > 1)
        return cli_complain(SQZ_E_USAGE, "Only one of the outputs can go to stdout.");
    if (p->copy_to && (cli_has(cli, "stdin_image") || p->sources.samples))
        return cli_complain(SQZ_E_USAGE, "--copy_to copies files, which are given as arguments.");
    p->prints = !cli->json && !lines && !csv && !embed && !p->copy_to;
    p->embed_is_npy = embed && ends_with(embed, ".npy");
    enum sqz_status status = predict_cam_open(p);
    if (!status)
        status = predict_table_open(&p->csv, cli, csv);
    if (!status)
        status = predict_table_open(&p->embed, cli, embed);
    if (!status && p->csv.file)
        add_csv_head(p);
    if (!status && p->embed.file)
        add_embed_head(p);
    if (!status && cli->json) {
        cli_json_begin(&p->json);
        cli_json_open(&p->json, "results", '[');
    }
    return status;
}

enum sqz_status predict_outputs_add(struct predict *p, int i)
{
    enum sqz_status status = p->results[i].status;
    if (p->prints && !status)
        predict_print(p, i);
    if (p->cli->json)
        add_json(p, i);
    if (cli_has(p->cli, "jsonl"))
        add_line(p, i);
    if (p->csv.file)
        add_csv(p, i);
    if (p->embed.file)
        add_embedding(p, i);
    if (status)
        return SQZ_OK;
    if (p->cam.path)
        status = predict_cam_add(p, i);
    return p->copy_to && !status ? predict_copy(p, i) : status;
}

enum sqz_status predict_outputs_close(struct predict *p, enum sqz_status status)
{
    bool whole = p->complete;
    enum sqz_status worst = SQZ_OK, now;
    if (whole && p->cli->json) {
        cli_json_close(&p->json, ']');
        worst = cli_json_print(&p->json);
    }
    if (p->line.text.failed)
        worst = cli_complain(SQZ_E_NOMEM, "There is not enough memory for the JSON lines.");
    if (whole && p->embed.file && p->embed_is_npy && fseek(p->embed.file, 0, SEEK_SET) == 0)
        add_npy_head(p, p->done);
    now = predict_table_close(&p->embed, whole);
    worst = worst ? worst : now;
    now = predict_table_close(&p->csv, whole);
    worst = worst ? worst : now;
    now = predict_cam_close(p, whole);
    worst = worst ? worst : now;
    serve_text_release(&p->json.text);
    serve_text_release(&p->line.text);
    return status && !whole ? status : worst ? worst : status;
}
