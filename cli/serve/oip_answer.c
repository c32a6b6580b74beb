// The answer of the Open Inference Protocol: JSON, and bytes of tensors after it.
#include "cli/serve/oip.h"
#include <stdio.h>
#include <string.h>

const char *const oip_names[OIP_KINDS] = {"probabilities", "logits", "features", "cam"};

static const float *tensor_of(const struct serve_job *job, int image, enum oip_kind kind)
{
    const struct sqz_classify_result *result = &job->images[image].result;
    return kind == OIP_PROBABILITIES ? result->probabilities
           : kind == OIP_LOGITS      ? result->logits
                                     : result->embedding;
}

// "value:index:label" of the best classes.
static void add_classes(const struct serve_job *job, int image, const struct oip_output *output,
                        struct serve_text *out, bool is_binary)
{
    const struct sqz_classify_result *result = &job->images[image].result;
    for (int i = 0; i < output->top && i < result->best_count; i++) {
        const struct sqz_class_score *score = &result->best[i];
        struct serve_text line = {0};
        serve_text_add(&line, "%.9g:%d:%s",
                       (double)tensor_of(job, image, output->kind)[score->index], score->index,
                       score->name);
        const uint32_t n = (uint32_t)line.length;
        const uint8_t length[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
                                   (uint8_t)(n >> 24)};
        out->failed = out->failed || line.failed;
        if (is_binary) {
            serve_text_add_bytes(out, length, 4);
            serve_text_add_bytes(out, line.data, line.length);
        } else {
            serve_text_add(out, image || i ? "," : "");
            serve_text_add_quoted(out, line.failed ? "" : line.data);
        }
        serve_text_release(&line);
    }
}

// The map of the image's best class, or a row of a tensor.
static void add_values(const struct serve_job *job, int image, enum oip_kind kind,
                       struct serve_text *out, bool is_binary)
{
    const struct sqz_model_info *info = &job->model->info;
    const struct sqz_classify_result *result = &job->images[image].result;
    size_t classes = (size_t)info->classes, stride = 1;
    size_t n = kind == OIP_FEATURES ? (size_t)info->embedding_size : classes;
    const float *values = NULL;
    if (kind == OIP_CAM) {
        n = (size_t)info->class_map_height * (size_t)info->class_map_width;
        values = result->class_maps + result->best[0].index;
        stride = classes;
    } else {
        values = tensor_of(job, image, kind);
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_binary && (image || i))
            serve_text_add_bytes(out, ",", 1);
        if (is_binary)
            serve_text_add_bytes(out, &values[i * stride], sizeof *values);
        else
            serve_text_add_floats(out, &values[i * stride], 1);
    }
}

static void add_shape(const struct serve_job *job, const struct oip_output *output,
                      struct serve_text *json)
{
    const struct sqz_model_info *info = &job->model->info;
    if (output->kind == OIP_CAM)
        serve_text_add(json, "[%d,%d,%d]", job->n, info->class_map_height, info->class_map_width);
    else
        serve_text_add(json, "[%d,%d]", job->n,
                       output->top                    ? output->top
                       : output->kind == OIP_FEATURES ? info->embedding_size
                                                      : info->classes);
}

static void add_output(const struct serve_job *job, const struct oip_output *output,
                       struct serve_text *json, struct serve_text *binary)
{
    size_t before = binary->length;
    serve_text_add(json, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":", oip_names[output->kind],
                   output->top ? "BYTES" : "FP32");
    add_shape(job, output, json);
    if (!output->is_binary)
        serve_text_add(json, ",\"data\":[");
    for (int i = 0; i < job->n; i++) {
        struct serve_text *out = output->is_binary ? binary : json;
        if (output->top)
            add_classes(job, i, output, out, output->is_binary);
        else
            add_values(job, i, output->kind, out, output->is_binary);
    }
    if (output->is_binary)
        serve_text_add(json, ",\"parameters\":{\"binary_data_size\":%zu}}",
                       binary->length - before);
    else
        serve_text_add(json, "]}");
}

void oip_answer(struct serve_job *job)
{
    struct serve_call call = {job->server, job->request, job->route};
    const struct oip_details *details = (const void *)job->details;
    struct serve_text json = {0}, binary = {0};
    char length[24];
    serve_text_add(&json, "{\"model_name\":\"%s\",\"model_version\":\"1\",", job->model->name);
    if (details->id[0]) {
        serve_text_add(&json, "\"id\":");
        serve_text_add_quoted(&json, details->id);
        serve_text_add(&json, ",");
    }
    serve_text_add(&json, "\"outputs\":[");
    for (int i = 0; i < details->n; i++) {
        serve_text_add(&json, i ? "," : "");
        add_output(job, &details->outputs[i], &json, &binary);
    }
    serve_text_add(&json, "]}");
    json.failed = json.failed || binary.failed;
    if (binary.length && !json.failed) {
        snprintf(length, sizeof length, "%zu", json.length);
        http_add_header(call.request, "Inference-Header-Content-Length", length);
        serve_text_add_bytes(&json, binary.data, binary.length);
    }
    if (binary.length && !json.failed)
        serve_reply(&call, 200, "application/octet-stream", json.data, json.length);
    else
        serve_reply_text(&call, &json);
    serve_text_release(&json);
    serve_text_release(&binary);
}
