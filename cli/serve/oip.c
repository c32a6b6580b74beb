// The Open Inference Protocol (KServe's version 2): who answers, what a model takes, and requests.
#include "cli/serve/oip.h"
#include <stdlib.h>
#include <string.h>

void serve_oip_server(const struct serve_call *call)
{
    struct serve_text json = {0};
    serve_text_add(&json,
                   "{\"name\":\"squeezenet\",\"version\":\"%s\","
                   "\"extensions\":[\"binary_tensor_data\",\"classification\"]}\n",
                   sqz_version());
    serve_reply_text(call, &json);
}

void serve_oip_metadata(const struct serve_call *call, struct serve_model *model)
{
    const struct sqz_model_info *info = &model->info;
    struct serve_text json = {0};
    serve_text_add(&json,
                   "{\"name\":\"%s\",\"versions\":[\"1\"],\"platform\":\"squeezenet\",\"inputs\":["
                   "{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[-1]},"
                   "{\"name\":\"pixels\",\"datatype\":\"UINT8\",\"shape\":[-1,-1,-1,3]}],"
                   "\"outputs\":["
                   "{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,%d]},"
                   "{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[-1,%d]},"
                   "{\"name\":\"features\",\"datatype\":\"FP32\",\"shape\":[-1,%d]},"
                   "{\"name\":\"cam\",\"datatype\":\"FP32\",\"shape\":[-1,%d,%d]}]}\n",
                   model->name, info->classes, info->classes, info->embedding_size,
                   info->class_map_height, info->class_map_width);
    serve_model_drop(model);
    serve_reply_text(call, &json);
}

static bool read_output(const struct serve_call *call, const json_t *entry, bool is_binary,
                        int classes, struct oip_output *out)
{
    const json_t *name = serve_json.get(entry, "name");
    const json_t *parameters = serve_json.get(entry, "parameters");
    const json_t *top = serve_json.get(parameters, "classification");
    const json_t *binary = serve_json.get(parameters, "binary_data");
    int kind = 0;
    while (kind < OIP_KINDS &&
           (!name || !json_is_string(name) || strcmp(serve_json.text(name), oip_names[kind]) != 0))
        kind++;
    if (kind == OIP_KINDS) {
        serve_error(call, 400, "Outputs are probabilities, logits, features and cam.");
        return false;
    }
    *out = (struct oip_output){(enum oip_kind)kind, is_binary, 0};
    if (binary && !json_is_boolean(binary)) {
        serve_error(call, 400, "binary_data of output %s is not true or false.", oip_names[kind]);
        return false;
    }
    if (binary)
        out->is_binary = json_is_true(binary);
    if (!top)
        return true;
    json_int_t k = json_is_integer(top) ? serve_json.integer(top) : 0;
    if (k < 1 || k > SERVE_TOP_MAX || kind > OIP_LOGITS) {
        serve_error(call, 400, "classification is 1 to %d, of probabilities or logits.",
                    SERVE_TOP_MAX);
        return false;
    }
    out->top = k < classes ? (int)k : classes;
    return true;
}

static bool read_outputs(const struct serve_call *call, const json_t *root, int classes,
                         struct oip_details *out)
{
    const json_t *outputs = serve_json.get(root, "outputs");
    const json_t *binary = serve_json.get(serve_json.get(root, "parameters"), "binary_data_output");
    size_t n = json_is_array(outputs) ? serve_json.count(outputs) : 0;
    if (n > OIP_OUTPUTS_MAX || (outputs && !json_is_array(outputs))) {
        serve_error(call, 400, "outputs is a list of at most %d.", OIP_OUTPUTS_MAX);
        return false;
    }
    bool is_binary = json_is_true(binary);
    out->n = n ? (int)n : 1;
    out->outputs[0] = (struct oip_output){OIP_PROBABILITIES, is_binary, 0};
    for (size_t i = 0; i < n; i++)
        if (!read_output(call, serve_json.at(outputs, i), is_binary, classes, &out->outputs[i]))
            return false;
    return true;
}

static bool read_id(const struct serve_call *call, const json_t *root, struct oip_details *out)
{
    const json_t *id = serve_json.get(root, "id");
    if (!id)
        return true;
    if (!json_is_string(id) || serve_json.length(id) > OIP_ID_MAX) {
        serve_error(call, 400, "id is a text of at most %d bytes.", OIP_ID_MAX);
        return false;
    }
    memcpy(out->id, serve_json.text(id), serve_json.length(id) + 1);
    return true;
}

// The length of the JSON that the body begins with; the rest is tensors.
static bool read_split(const struct serve_call *call, size_t size, size_t *head)
{
    const char *text = http_header(call->request, "Inference-Header-Content-Length");
    char *end;
    *head = size;
    if (!text)
        return true;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || value > size) {
        serve_error(call, 400, "Inference-Header-Content-Length is not a length within the body.");
        return false;
    }
    *head = (size_t)value;
    return true;
}

static void add_wants(struct serve_job *job, const struct oip_details *details)
{
    static const unsigned wants[OIP_KINDS] = {SERVE_PROBABILITIES, SERVE_LOGITS, SERVE_FEATURES,
                                              SERVE_MAPS};
    job->wants = 0;
    for (int i = 0; i < details->n; i++) {
        const struct oip_output *output = &details->outputs[i];
        job->wants |= wants[output->kind];
        if (output->kind == OIP_CAM && job->top < 1)
            job->top = 1;
        if (output->top > job->top)
            job->top = output->top;
    }
}

static struct serve_job *read_request(const struct serve_call *call, const char *body, size_t size,
                                      struct serve_model *model)
{
    size_t head;
    struct serve_job *job = NULL;
    if (!read_split(call, size, &head))
        return NULL;
    json_t *root = serve_json_parse(body, head);
    struct oip_details *details = calloc(1, sizeof *details);
    if (!root)
        serve_error(call, 400, "The request is no JSON object, or has too many values.");
    else if (!details)
        serve_error(call, 503, "There is not enough memory for this request now.");
    else if (read_id(call, root, details) &&
             read_outputs(call, root, model->info.classes, details) &&
             oip_read_inputs(call, root, body + head, size - head, model, &job)) {
        add_wants(job, details);
        job->details = (char *)details;
        job->answer = oip_answer;
        details = NULL;
    }
    free(details);
    if (root)
        serve_json.release(root);
    return job;
}

void serve_oip_infer(const struct serve_call *call, struct serve_model *model)
{
    size_t size;
    char *body = http_take_body(call->request, &size);
    struct serve_job *job = NULL;
    if (body)
        job = read_request(call, body, size, model);
    else
        serve_error(call, 503, "There is not enough memory for this request now.");
    if (!job) {
        free(body);
        serve_model_drop(model);
        return;
    }
    job->body = body;
    serve_submit(call, job);
}
