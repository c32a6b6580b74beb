// POST /v1/predict: one image as the body, or as a file of a form; the most probable classes.
#include "cli/serve/serve.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool serve_check_image(const struct serve_call *call, const struct serve_image *image)
{
    int width = 0, height = 0;
    if (!image->data) {
        width = image->width;
        height = image->height;
    } else if (!serve_image_size(image->data, image->size, &width, &height)) {
        serve_error(call, 400, "%s is no JPEG and no PNG.", image->name);
        return false;
    }
    if (width < 1 || height < 1 ||
        (size_t)width > call->server->settings.max_pixels / (size_t)height) {
        serve_error(call, 413, "%s has %d x %d pixels; at most %zu are taken.", image->name, width,
                    height, call->server->settings.max_pixels);
        return false;
    }
    return true;
}

// The content of the first part of a form that has a file name, or else of the first part.
static bool find_part(const char *body, size_t size, const char *type, const char **data,
                      size_t *length)
{
    char mark[80] = "--";
    const char *boundary = strcasestr(type, "boundary=");
    bool found = false;
    if (!boundary)
        return false;
    boundary += 9;
    boundary += *boundary == '"';
    size_t n = strcspn(boundary, "\"; \t"), left;
    if (n == 0 || n > 70)
        return false;
    memcpy(mark + 2, boundary, n);
    n += 2;
    const char *end = body + size, *at = memmem(body, size, mark, n);
    while (at && (left = (size_t)(end - at)) > n + 2 && memcmp(at + n, "--", 2) != 0) {
        const char *head = at + n;
        const char *content = memmem(head, (size_t)(end - head), "\r\n\r\n", 4);
        if (!content)
            break;
        const char *next = memmem(content + 2, (size_t)(end - content - 2), mark, n);
        if (!next || next - content < 6)
            break;
        bool is_file = memmem(head, (size_t)(content - head), "filename=", 9) != NULL;
        if (is_file || !found) {
            *data = content + 4;
            *length = (size_t)(next - 2 - *data);
            found = true;
        }
        if (is_file)
            break;
        at = next;
    }
    return found;
}

static void add_map(struct serve_text *json, const struct serve_job *job, int class)
{
    const struct sqz_classify_result *result = &job->images[0].result;
    size_t classes = (size_t)job->model->info.classes;
    int height = result->class_map_height, width = result->class_map_width;
    serve_text_add(
        json,
        ",\"class_map\":{\"height\":%d,\"width\":%d,\"start\":%.9g,\"step\":%.9g,\"values\":[",
        height, width, job->model->info.class_map_start, job->model->info.class_map_step);
    for (size_t i = 0; i < (size_t)height * (size_t)width; i++) {
        if (i)
            serve_text_add_bytes(json, ",", 1);
        serve_text_add_floats(json, &result->class_maps[i * classes + (size_t) class], 1);
    }
    serve_text_add(json, "]}");
}

static void answer(struct serve_job *job)
{
    struct serve_call call = {job->server, job->request, job->route};
    const struct sqz_classify_result *result = &job->images[0].result;
    struct serve_text json = {0};
    serve_text_add(&json, "{\"schema\":1,\"model\":\"%s\",\"classes\":[", job->model->name);
    for (int i = 0; i < result->best_count; i++) {
        const struct sqz_class_score *score = &result->best[i];
        serve_text_add(&json, "%s{\"index\":%d,\"name\":", i ? "," : "", score->index);
        serve_text_add_quoted(&json, score->name);
        serve_text_add(&json, ",\"probability\":%.9g", (double)score->probability);
        if (result->class_maps)
            add_map(&json, job, score->index);
        serve_text_add(&json, "}");
    }
    serve_text_add(&json, "]");
    if (job->model->info.unknown_score)
        serve_text_add(&json, ",\"unknown\":%s", result->unknown ? "true" : "false");
    if (result->view) {
        serve_text_add(&json, ",\"view\":{\"size\":%d,\"rgb\":\"", job->model->info.image_size);
        serve_text_add_base64(&json, result->view, result->view_size);
        serve_text_add(&json, "\"}");
    }
    if (result->embedding) {
        serve_text_add(&json, ",\"embedding\":[");
        serve_text_add_floats(&json, result->embedding, result->embedding_count);
        serve_text_add(&json, "]");
    }
    serve_text_add(&json, "}\n");
    serve_reply_text(&call, &json);
}

// ?NAME=N, a whole number in [low, high]; answers and returns false for anything else.
static bool read_number(const struct serve_call *call, const char *name, int low, int high,
                        int *out)
{
    char text[32], *end;
    if (!http_query(call->request, name, text, sizeof text))
        return true;
    long value = strtol(text, &end, 10);
    if (end != text && !*end && value >= low && value <= high) {
        *out = (int)value;
        return true;
    }
    serve_error(call, 400, "%s is a whole number from %d to %d.", name, low, high);
    return false;
}

static bool read_image(const struct serve_call *call, struct serve_job *job)
{
    const char *type = http_header(call->request, "Content-Type");
    struct serve_image *image = &job->images[0];
    size_t size;
    job->body = http_take_body(call->request, &size);
    if (!job->body) {
        serve_error(call, 503, "There is not enough memory for this request now.");
        return false;
    }
    const char *data = job->body;
    if (type && strncasecmp(type, "multipart/form-data", 19) == 0 &&
        !find_part(job->body, size, type, &data, &size)) {
        serve_error(call, 400, "The form has no part with an image.");
        return false;
    }
    if (size == 0) {
        serve_error(call, 400, "The body is empty; it is the image, a JPEG or PNG.");
        return false;
    }
    image->data = data;
    image->size = size;
    return serve_check_image(call, image);
}

void serve_predict(const struct serve_call *call)
{
    char name[SERVE_NAME_SIZE] = "";
    int top = 5, maps = 0, features = 0;
    if (!read_number(call, "k", 1, SERVE_TOP_MAX, &top) || !read_number(call, "cam", 0, 1, &maps) ||
        !read_number(call, "embed", 0, 1, &features))
        return;
    if (maps && top > 10) {
        serve_error(call, 400, "With cam, k is at most 10.");
        return;
    }
    http_query(call->request, "model", name, sizeof name);
    struct serve_model *model = serve_models_take(call->server->models, name);
    if (!model) {
        serve_error(call, 404, "There is no model \"%s\".", name);
        return;
    }
    struct serve_job *job = serve_job_new(model, 1);
    if (!job) {
        serve_model_drop(model);
        serve_error(call, 503, "There is not enough memory for this request now.");
        return;
    }
    job->top = top;
    job->wants = (maps ? SERVE_MAPS | SERVE_VIEW : 0u) | (features ? SERVE_FEATURES : 0u);
    job->answer = answer;
    if (read_image(call, job))
        serve_submit(call, job);
    else
        serve_job_free(job);
}
