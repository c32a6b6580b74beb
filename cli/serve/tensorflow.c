// The REST calls of TensorFlow Serving: predict with base64 instances, and a model's status.
#include "cli/serve/json.h"
#include "cli/serve/serve.h"
#include <stdlib.h>

void serve_tensorflow_status(const struct serve_call *call, struct serve_model *model)
{
    static const char text[] =
        "{\"model_version_status\":[{\"version\":\"1\",\"state\":\"AVAILABLE\","
        "\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}]}\n";
    serve_model_drop(model);
    serve_reply(call, 200, "application/json", text, sizeof text - 1);
}

static void answer(struct serve_job *job)
{
    struct serve_call call = {job->server, job->request, job->route};
    struct serve_text json = {0};
    serve_text_add(&json, "{\"predictions\":[");
    for (int i = 0; i < job->n; i++) {
        const struct sqz_classify_result *result = &job->images[i].result;
        serve_text_add(&json, "%s[", i ? "," : "");
        serve_text_add_floats(&json, result->probabilities, result->probability_count);
        serve_text_add(&json, "]");
    }
    serve_text_add(&json, "]}\n");
    serve_reply_text(&call, &json);
}

// {"b64": "..."}, or an object whose one member is that.
static const json_t *find_base64(const json_t *instance)
{
    static const char *const names[] = {"image_bytes", "image", "bytes"};
    const json_t *found = serve_json.get(instance, "b64");
    for (int i = 0; !found && i < 3; i++)
        found = serve_json.get(serve_json.get(instance, names[i]), "b64");
    return json_is_string(found) ? found : NULL;
}

static bool read_instances(const struct serve_call *call, const json_t *instances,
                           struct serve_job *job)
{
    for (int i = 0; i < job->n; i++) {
        struct serve_image *image = &job->images[i];
        const json_t *text = find_base64(serve_json.at(instances, (size_t)i));
        if (text)
            job->decoded[i] =
                serve_base64_decode(serve_json.text(text), serve_json.length(text), &image->size);
        image->data = job->decoded[i];
        if (!image->data) {
            serve_error(call, 400, "instances[%d] is not {\"b64\": an image in base64}.", i);
            return false;
        }
        if (!serve_check_image(call, image))
            return false;
    }
    return true;
}

static struct serve_job *read_request(const struct serve_call *call, const json_t *root,
                                      struct serve_model *model)
{
    const json_t *instances = root ? serve_json.get(root, "instances") : NULL;
    size_t n = json_is_array(instances) ? serve_json.count(instances) : 0;
    if (n < 1 || n > SERVE_BATCH_MAX) {
        serve_error(call, 400, "The body is not {\"instances\": [1 to %d images]}.",
                    SERVE_BATCH_MAX);
        return NULL;
    }
    struct serve_job *job = serve_job_new(model, (int)n);
    if (!job) {
        serve_error(call, 503, "There is not enough memory for this request now.");
        return NULL;
    }
    job->answer = answer;
    job->decoded = calloc(n, sizeof *job->decoded);
    if (job->decoded && read_instances(call, instances, job))
        return job;
    if (!job->decoded)
        serve_error(call, 503, "There is not enough memory for this request now.");
    job->model = NULL; // the caller's still
    serve_job_free(job);
    return NULL;
}

void serve_tensorflow_predict(const struct serve_call *call, struct serve_model *model)
{
    size_t size;
    char *body = http_take_body(call->request, &size);
    json_t *root = body ? serve_json_parse(body, size) : NULL;
    struct serve_job *job = read_request(call, root, model);
    if (root)
        serve_json.release(root);
    free(body);
    if (job)
        serve_submit(call, job);
    else
        serve_model_drop(model);
}
