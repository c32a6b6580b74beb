// The inputs of a request: encoded images or pixels, as JSON or as the bytes that follow it. Every
// size is compared with what there is before it is used.
#include "cli/serve/oip.h"
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 65500 };

struct input {
    const char *name;
    bool is_image, is_float;
    int n, height, width;
    const json_t *data; // NULL: in `bytes`
    const uint8_t *bytes;
    size_t size;
};

static bool read_shape(const struct serve_call *call, const json_t *entry, struct input *input)
{
    const json_t *shape = serve_json.get(entry, "shape");
    size_t n = json_is_array(shape) ? serve_json.count(shape) : 0;
    json_int_t sides[4] = {0};
    bool is_right = input->is_image ? n == 1 || n == 2 : n == 4;
    for (size_t i = 0; is_right && i < n; i++) {
        const json_t *side = serve_json.at(shape, i);
        sides[i] = json_is_integer(side) ? serve_json.integer(side) : 0;
        is_right = sides[i] >= 1 && sides[i] <= (i ? SIDE_MAX : SERVE_BATCH_MAX);
    }
    is_right = is_right && (!input->is_image || n == 1 || sides[1] == 1) &&
               (input->is_image || sides[3] == 3);
    if (!is_right) {
        serve_error(call, 400, "The shape of input %s is not %s with at most %d images.",
                    input->name, input->is_image ? "[n] or [n, 1]" : "[n, height, width, 3]",
                    SERVE_BATCH_MAX);
        return false;
    }
    input->n = (int)sides[0];
    input->height = (int)sides[1];
    input->width = (int)sides[2];
    return true;
}

static bool read_datatype(const struct serve_call *call, const json_t *entry, struct input *input)
{
    const json_t *name = serve_json.get(entry, "name"), *type = serve_json.get(entry, "datatype");
    const char *text = json_is_string(name) ? serve_json.text(name) : "";
    const char *kind = json_is_string(type) ? serve_json.text(type) : "";
    input->is_image = strcmp(text, "image") == 0;
    input->is_float = strcmp(kind, "FP32") == 0;
    input->name = input->is_image ? "image" : "pixels";
    if (!input->is_image && strcmp(text, "pixels") != 0)
        serve_error(call, 400, "The input is image or pixels.");
    else if (input->is_image ? strcmp(kind, "BYTES") != 0
                             : !input->is_float && strcmp(kind, "UINT8") != 0)
        serve_error(call, 400, "The datatype of input %s is %s.", input->name,
                    input->is_image ? "BYTES" : "UINT8 or FP32");
    else
        return true;
    return false;
}

static bool read_data(const struct serve_call *call, const json_t *entry, const char *binary,
                      size_t size, struct input *input)
{
    const json_t *length = serve_json.get(serve_json.get(entry, "parameters"), "binary_data_size");
    input->data = serve_json.get(entry, "data");
    if (length && !input->data) {
        json_int_t n = json_is_integer(length) ? serve_json.integer(length) : -1;
        if (n >= 0 && (unsigned long long)n == size) {
            input->bytes = (const uint8_t *)binary;
            input->size = size;
            return true;
        }
        serve_error(call, 400, "binary_data_size of input %s is not the %zu bytes that follow.",
                    input->name, size);
        return false;
    }
    if (!length && json_is_array(input->data) && size == 0)
        return true;
    serve_error(call, 400, "Input %s has either a list as data, or a binary_data_size.",
                input->name);
    return false;
}

// Elements of BYTES: four bytes of length, little-endian, then the bytes.
static bool split_bytes(const struct input *input, struct serve_job *job)
{
    const uint8_t *at = input->bytes;
    size_t left = input->size;
    for (int i = 0; i < job->n; i++) {
        if (left < 4)
            return false;
        size_t n = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        if (n == 0 || n > left - 4)
            return false;
        job->images[i].data = at + 4;
        job->images[i].size = n;
        at += 4 + n;
        left -= 4 + n;
    }
    return left == 0;
}

static bool decode_texts(const struct input *input, struct serve_job *job)
{
    // [n, 1] may come as lists of one.
    if (serve_json.count(input->data) != (size_t)job->n)
        return false;
    for (int i = 0; i < job->n; i++) {
        const json_t *text = serve_json.at(input->data, (size_t)i);
        if (json_is_array(text) && serve_json.count(text) == 1)
            text = serve_json.at(text, 0);
        if (!json_is_string(text))
            return false;
        job->decoded[i] = serve_base64_decode(serve_json.text(text), serve_json.length(text),
                                              &job->images[i].size);
        job->images[i].data = job->decoded[i];
        if (!job->decoded[i])
            return false;
    }
    return true;
}

// Appends the numbers of lists in lists.
static bool flatten(const json_t *list, int depth, uint8_t *out, size_t size, size_t *n)
{
    for (size_t i = 0; i < serve_json.count(list); i++) {
        const json_t *value = serve_json.at(list, i);
        if (json_is_array(value)) {
            if (depth == 0 || !flatten(value, depth - 1, out, size, n))
                return false;
            continue;
        }
        double number = json_is_number(value) ? serve_json.number(value) : -1;
        if (!(number >= 0 && number <= 255) || *n == size)
            return false;
        out[(*n)++] = (uint8_t)(number + 0.5);
    }
    return true;
}

static bool copy_floats(const struct input *input, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, input->bytes + i * sizeof value, sizeof value);
        if (!(value >= 0 && value <= 255))
            return false;
        out[i] = (uint8_t)(value + 0.5f);
    }
    return true;
}

static bool read_pixels(const struct input *input, struct serve_job *job)
{
    // Sides are at most 65500 and there are at most 64 images: no overflow.
    size_t image = (size_t)input->height * (size_t)input->width * 3, n = image * (size_t)job->n;
    size_t done = 0;
    const uint8_t *pixels = input->bytes;
    if (input->bytes && input->size != n * (input->is_float ? 4 : 1))
        return false;
    // A list has at least two bytes a number, so that n is bounded by the body here, too.
    if (!input->bytes || input->is_float) {
        uint8_t *copy = malloc(n);
        job->decoded[0] = copy;
        if (!copy || (input->bytes ? !copy_floats(input, copy, n)
                                   : !flatten(input->data, 3, copy, n, &done) || done != n))
            return false;
        pixels = copy;
    }
    for (int i = 0; i < job->n; i++)
        job->images[i].pixels = pixels + (size_t)i * image;
    return true;
}

static bool fill_images(const struct serve_call *call, const struct input *input, size_t body,
                        struct serve_job *job)
{
    bool is_read = false;
    for (int i = 0; i < job->n; i++) {
        job->images[i].width = input->width;
        job->images[i].height = input->height;
    }
    if (input->is_image) {
        is_read = input->bytes ? split_bytes(input, job) : decode_texts(input, job);
    } else {
        if (!serve_check_image(call, &job->images[0]))
            return false;
        size_t n = (size_t)input->height * (size_t)input->width * 3 * (size_t)job->n;
        is_read = n <= body && read_pixels(input, job);
    }
    if (!is_read)
        serve_error(call, 400, "The data of input %s is not what its shape and datatype say.",
                    input->name);
    for (int i = 0; is_read && input->is_image && i < job->n; i++)
        if (!serve_check_image(call, &job->images[i]))
            return false;
    return is_read;
}

bool oip_read_inputs(const struct serve_call *call, const json_t *root, const char *binary,
                     size_t size, struct serve_model *model, struct serve_job **out)
{
    const json_t *inputs = serve_json.get(root, "inputs");
    struct input input = {0};
    if (!inputs || !json_is_array(inputs) || serve_json.count(inputs) != 1) {
        serve_error(call, 400, "inputs is a list of one: image or pixels.");
        return false;
    }
    const json_t *entry = serve_json.at(inputs, 0);
    if (!read_datatype(call, entry, &input) || !read_shape(call, entry, &input) ||
        !read_data(call, entry, binary, size, &input))
        return false;
    struct serve_job *job = serve_job_new(model, input.n);
    if (job)
        job->decoded = calloc((size_t)input.n, sizeof *job->decoded);
    if (!job || !job->decoded)
        serve_error(call, 503, "There is not enough memory for this request now.");
    else if (fill_images(call, &input, call->server->settings.limits.body, job)) {
        *out = job;
        return true;
    }
    if (job)
        job->model = NULL; // the caller's still
    serve_job_free(job);
    return false;
}
