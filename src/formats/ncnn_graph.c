// ncnn's .param: parsing, and finding SqueezeNet's convolutions by the graph,
// because the names in such files follow no order.
#include "formats/ncnn_graph.h"
#include "base/memory.h"
#include "formats/common.h"

#include <string.h>

#define MAX_LAYERS 1024

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// The next word of a line; an empty one at its end.
static struct sqz_ncnn_span next_word(struct sqz_ncnn_span *line)
{
    while (line->size && is_space(*line->text))
        line->text++, line->size--;
    struct sqz_ncnn_span word = {line->text, 0};
    while (line->size && !is_space(*line->text))
        line->text++, line->size--, word.size++;
    return word;
}

static struct sqz_ncnn_span next_line(struct sqz_ncnn_span *text)
{
    const char *end = text->size ? memchr(text->text, '\n', text->size) : NULL;
    struct sqz_ncnn_span line = {text->text, end ? (size_t)(end - text->text) : text->size};
    size_t taken = line.size + (end ? 1 : 0);
    text->text += taken;
    text->size -= taken;
    return line;
}

static bool same(struct sqz_ncnn_span a, struct sqz_ncnn_span b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static bool is_word(struct sqz_ncnn_span a, const char *word)
{
    return a.size == strlen(word) && memcmp(a.text, word, a.size) == 0;
}

// Decimal integers of at most 15 characters, ncnn's own limit.
static bool to_int(struct sqz_ncnn_span word, int64_t *out)
{
    bool negative = word.size && word.text[0] == '-';
    int64_t value = 0;
    size_t i = negative ? 1 : 0;
    if (word.size == i || word.size > 15)
        return false;
    for (; i < word.size; i++) {
        if (word.text[i] < '0' || word.text[i] > '9')
            return false;
        value = 10 * value + (word.text[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static bool find_type(struct sqz_ncnn_span word, enum sqz_ncnn_type *out)
{
    static const struct {
        const char *name;
        enum sqz_ncnn_type type;
    } types[] = {
        {"Input", SQZ_NCNN_INPUT},     {"Convolution", SQZ_NCNN_CONVOLUTION},
        {"Concat", SQZ_NCNN_CONCAT},   {"ReLU", SQZ_NCNN_PASSING},
        {"Pooling", SQZ_NCNN_PASSING}, {"Split", SQZ_NCNN_PASSING},
        {"Dropout", SQZ_NCNN_PASSING}, {"Noop", SQZ_NCNN_PASSING},
        {"Flatten", SQZ_NCNN_OTHER},   {"Reshape", SQZ_NCNN_OTHER},
        {"Softmax", SQZ_NCNN_OTHER},   {"Squeeze", SQZ_NCNN_OTHER},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_word(word, types[i].name)) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static bool take_blobs(struct sqz_ncnn_span *line, struct sqz_ncnn_span *out, int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = next_word(line);
        if (out[i].size == 0 || out[i].size > SQZ_MAX_NAME)
            return false;
    }
    return true;
}

// "key=value"; arrays and texts are none of a SqueezeNet's business.
static bool take_key(struct sqz_ncnn_span word, struct sqz_ncnn_layer *layer)
{
    const char *sign = memchr(word.text, '=', word.size);
    struct sqz_ncnn_span key = {word.text, sign ? (size_t)(sign - word.text) : 0};
    int64_t number, value;
    if (!sign || !to_int(key, &number))
        return false;
    if (number <= -23300 && number > -23300 - SQZ_NCNN_KEYS)
        return true;
    if (number < 0 || number >= SQZ_NCNN_KEYS)
        return false;
    struct sqz_ncnn_span text = {sign + 1, word.size - key.size - 1};
    layer->given[number] = true;
    layer->keys[number] = to_int(text, &value) ? value : SQZ_NCNN_NO_INT;
    return true;
}

static enum sqz_status parse_layer(const char *path, struct sqz_ncnn_span line,
                                   struct sqz_ncnn_layer *layer, struct sqz_error *err)
{
    struct sqz_ncnn_span type = next_word(&line), name = next_word(&line);
    int64_t n_in, n_out;
    if (!find_type(type, &layer->type))
        return sqz_fail(err, SQZ_E_DATA,
                        "Line %d of %s is a layer of a type that no plain SqueezeNet has.",
                        layer->line, path);
    if (name.size == 0 || !to_int(next_word(&line), &n_in) || !to_int(next_word(&line), &n_out) ||
        n_in < 0 || n_in > SQZ_NCNN_BLOBS || n_out < 0 || n_out > SQZ_NCNN_BLOBS ||
        !take_blobs(&line, layer->in, (int)n_in) || !take_blobs(&line, layer->out, (int)n_out))
        return sqz_fail(err, SQZ_E_DATA, "Line %d of %s is not a layer with its blobs.",
                        layer->line, path);
    layer->n_in = (int)n_in;
    layer->n_out = (int)n_out;
    for (struct sqz_ncnn_span word = next_word(&line); word.size; word = next_word(&line))
        if (!take_key(word, layer))
            return sqz_fail(err, SQZ_E_DATA, "Line %d of %s has a malformed parameter.",
                            layer->line, path);
    return SQZ_OK;
}

enum sqz_status sqz_ncnn_parse(const char *path, const char *text, size_t size,
                               struct sqz_ncnn_graph *out, struct sqz_error *err)
{
    struct sqz_ncnn_span rest = {text, size}, line = next_line(&rest);
    int64_t n_layers, n_blobs;
    if (!is_word(next_word(&line), SQZ_NCNN_MAGIC))
        return sqz_fail(err, SQZ_E_DATA, "%s does not begin with %s, as ncnn's .param files do.",
                        path, SQZ_NCNN_MAGIC);
    line = next_line(&rest);
    if (!to_int(next_word(&line), &n_layers) || !to_int(next_word(&line), &n_blobs) ||
        n_layers < 1 || n_layers > MAX_LAYERS || n_blobs < 1)
        return sqz_fail(err, SQZ_E_DATA, "Line 2 of %s does not give 1 to %d layers.", path,
                        MAX_LAYERS);
    out->layers = sqz_new_array((size_t)n_layers, sizeof *out->layers);
    if (!out->layers)
        return sqz_fail_memory(err, "ncnn's layers", (size_t)n_layers * sizeof *out->layers);
    for (int number = 3; rest.size; number++) {
        struct sqz_ncnn_span peek = line = next_line(&rest);
        if (next_word(&peek).size == 0)
            continue;
        if (out->n_layers == n_layers)
            return sqz_fail(err, SQZ_E_DATA, "%s has more layers than its line 2 says.", path);
        out->layers[out->n_layers].line = number;
        enum sqz_status status = parse_layer(path, line, &out->layers[out->n_layers], err);
        if (status)
            return status;
        out->n_layers++;
    }
    if (out->n_layers != n_layers)
        return sqz_fail(err, SQZ_E_DATA, "%s has fewer layers than its line 2 says: truncated?",
                        path);
    return SQZ_OK;
}

int64_t sqz_ncnn_key(const struct sqz_ncnn_layer *layer, int key, int64_t fallback)
{
    return layer->given[key] ? layer->keys[key] : fallback;
}

int sqz_ncnn_origin(const struct sqz_ncnn_graph *graph, int layer, int input)
{
    // The files are in topological order, so that looking only upwards is right and ends.
    struct sqz_ncnn_span blob = graph->layers[layer].in[input];
    for (int i = layer - 1; i >= 0; i--) {
        const struct sqz_ncnn_layer *above = &graph->layers[i];
        bool makes = false;
        for (int k = 0; k < above->n_out; k++)
            makes = makes || same(above->out[k], blob);
        if (!makes)
            continue;
        if (above->type != SQZ_NCNN_PASSING)
            return above->type == SQZ_NCNN_OTHER ? -1 : i;
        if (above->n_in != 1)
            return -1;
        blob = above->in[0];
    }
    return -1;
}

// The only convolution of that kernel size that reads what comes from layer `from`; -1 if there is
// none or several.
static int reader(const struct sqz_ncnn_graph *graph, int from, int kernel)
{
    int found = -1;
    for (int i = 0; i < graph->n_layers; i++) {
        const struct sqz_ncnn_layer *layer = &graph->layers[i];
        if (layer->type != SQZ_NCNN_CONVOLUTION || layer->n_in != 1 ||
            (kernel && sqz_ncnn_key(layer, 1, 0) != kernel) || sqz_ncnn_origin(graph, i, 0) != from)
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

// The concatenation of what comes from a and b, in this order.
static int concatenation(const struct sqz_ncnn_graph *graph, int a, int b)
{
    for (int i = 0; i < graph->n_layers; i++)
        if (graph->layers[i].type == SQZ_NCNN_CONCAT && graph->layers[i].n_in == 2 &&
            sqz_ncnn_origin(graph, i, 0) == a && sqz_ncnn_origin(graph, i, 1) == b)
            return i;
    return -1;
}

static int find_input(const struct sqz_ncnn_graph *graph)
{
    for (int i = 0; i < graph->n_layers; i++)
        if (graph->layers[i].type == SQZ_NCNN_INPUT)
            return i;
    return -1;
}

enum sqz_status sqz_ncnn_map(const char *path, const struct sqz_ncnn_graph *graph, int convs[26],
                             struct sqz_error *err)
{
    int n_convs = 0, input = find_input(graph), from;
    for (int i = 0; i < graph->n_layers; i++)
        n_convs += graph->layers[i].type == SQZ_NCNN_CONVOLUTION;
    if (n_convs != SQZ_N_CONVS || input < 0)
        return sqz_fail(err, SQZ_E_DATA, "%s has %d convolutions; a SqueezeNet has %d.", path,
                        n_convs, SQZ_N_CONVS);
    from = convs[0] = reader(graph, input, 0);
    for (int fire = 0; fire < 8 && from >= 0; fire++) {
        int *at = &convs[1 + 3 * fire];
        at[0] = reader(graph, from, 1);
        at[1] = at[0] < 0 ? -1 : reader(graph, at[0], 1);
        at[2] = at[0] < 0 ? -1 : reader(graph, at[0], 3);
        from = at[1] < 0 || at[2] < 0 ? -1 : concatenation(graph, at[1], at[2]);
        if (from < 0)
            return sqz_fail(err, SQZ_E_DATA,
                            "%s is not a SqueezeNet: its fire module %d is not a squeeze "
                            "convolution, two expand convolutions and their concatenation.",
                            path, fire + 2);
    }
    convs[SQZ_N_CONVS - 1] = from < 0 ? -1 : reader(graph, from, 1);
    if (convs[SQZ_N_CONVS - 1] < 0)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s is not a SqueezeNet: its first or last convolution was not found.",
                        path);
    return SQZ_OK;
}
