// The predictor as a WebAssembly module (module.h).
#include "module.h"

#include "base/memory.h"
#include "compress/sha256.h"
#include "compress/unpack.h"
#include "data/augment/transform.h"
#include "kernels/levels.h"
#include "kernels/sparse.h"
#include "net/net.h"

#include <math.h>
#include <string.h>

enum { PIXELS_MOST = 1 << 26 };

static struct {
    struct sqz_error err;
    struct sqz_kernels kernels;
    struct sqz_web_config config;
    struct sqz_web_info info;
    struct sqz_preprocess preprocess;
    uint8_t *file;
    size_t room;
    struct sqz_packed packed;
    struct sqz_packed_tensor tensors[SQZ_PACKED_TENSORS];
    char (*names)[256];
    struct sqz_net *net;
    float **packed_weights, **biases; // of each layer, NULL where it has none
    float **maps;                     // of each tensor
    void *scratch;
    struct sqz_image image; // as it came; its RGBA is narrowed to RGB in place
    struct sqz_transform_scratch transform;
    uint8_t *view;
} web;

const char *sqz_web_error(void)
{
    return web.err.text;
}

struct sqz_web_config *sqz_web_config(void)
{
    return &web.config;
}

const struct sqz_web_info *sqz_web_info(void)
{
    return &web.info;
}

// --- The file ---

uint8_t *sqz_web_room(size_t bytes)
{
    sqz_free(web.file);
    web.file = bytes <= SQZ_PACKED_LIMIT ? sqz_new_array(bytes, 1) : NULL;
    web.room = web.file ? bytes : 0;
    return web.file;
}

static int fail_damaged(void)
{
    return sqz_fail(&web.err, SQZ_E_DATA, "The model is damaged, or is no .sqz file of version %d.",
                    SQZ_PACKED_MAJOR);
}

int sqz_web_open(size_t bytes)
{
    uint8_t digest[32];
    if (bytes > web.room || bytes < SQZ_PACKED_HEADER + SQZ_PACKED_TRAILER ||
        !sqz_packed_open(&web.packed, web.file, bytes))
        return fail_damaged();
    sqz_sha256_of(web.file, bytes - SQZ_PACKED_TRAILER, digest);
    if (memcmp(digest, web.file + bytes - SQZ_PACKED_TRAILER, sizeof digest) != 0)
        return fail_damaged();
    sqz_free(web.names);
    web.names = sqz_new_array(SQZ_PACKED_TENSORS, sizeof *web.names);
    if (!web.names)
        return sqz_fail_memory(&web.err, "names", SQZ_PACKED_TENSORS * sizeof *web.names);
    for (uint32_t i = 0; i < web.packed.n_tensors; i++) {
        if (!sqz_packed_next(&web.packed, &web.tensors[i]))
            return fail_damaged();
        memcpy(web.names[i], web.packed.name, sizeof *web.names);
    }
    web.info.texts = (uint32_t)(uintptr_t)web.packed.texts;
    web.info.texts_size = web.packed.text_end - web.packed.directory_end;
    return SQZ_OK;
}

// --- The network ---

static int find_tensor(const char *name)
{
    for (uint32_t i = 0; i < web.packed.n_tensors; i++)
        if (strcmp(web.names[i], name) == 0)
            return (int)i;
    return -1;
}

static bool fits(const struct sqz_packed_tensor *tensor, const struct sqz_param *param)
{
    const int shape[4] = {param->out, param->in, param->kh, param->kw};
    const int rank = param->kind == SQZ_PARAM_BIAS ? 1 : 4;
    if (tensor->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (tensor->dims[i] != (uint32_t)shape[i])
            return false;
    return true;
}

static uint32_t value_of(const struct sqz_packed_tensor *tensor, const uint32_t *codebook, int code)
{
    if (tensor->coding == SQZ_CODING_STEP) {
        float step, value;
        uint32_t bits;
        memcpy(&step, &tensor->parameter, sizeof step);
        value = (float)code * step;
        memcpy(&bits, &value, sizeof bits);
        return bits;
    }
    if (code == 0)
        return 0;
    return codebook[code < 0 ? -code - 1 : (int)(tensor->parameter & 0xffff) + code - 1];
}

// All values of a tensor, as bits of floats. `codes` has room for two rows.
static bool decode(const struct sqz_packed_tensor *tensor, int16_t *codes, uint32_t *out)
{
    static uint32_t codebook[SQZ_CODEBOOK];
    static struct sqz_unpacker unpacker;
    const size_t columns = tensor->columns;
    if (!sqz_unpack_begin(&unpacker, tensor, codebook))
        return false;
    for (uint32_t r = 0; r < tensor->rows; r++, out += columns) {
        int16_t *row = codes + r % 2 * columns, *above = codes + (r + 1) % 2 * columns;
        if (tensor->coding == SQZ_CODING_FLOAT) {
            if (!sqz_unpack_floats(&unpacker, out))
                return false;
            continue;
        }
        if (!sqz_unpack_codes(&unpacker, r ? above : NULL, NULL, row))
            return false;
        for (size_t c = 0; c < columns; c++)
            out[c] = value_of(tensor, codebook, row[c]);
    }
    return sqz_unpack_end(&unpacker);
}

static enum sqz_status read_param(const struct sqz_param *param, float *weights)
{
    const int at = find_tensor(param->name);
    if (at < 0 || !fits(&web.tensors[at], param))
        return sqz_fail(&web.err, SQZ_E_DATA,
                        "The model does not hold a whole %s: %s is not there.", web.config.variant,
                        param->name);
    const struct sqz_packed_tensor *tensor = &web.tensors[at];
    int16_t *codes = sqz_new_array(2 * (size_t)tensor->columns, sizeof *codes);
    uint32_t *bits = sqz_new_array(param->size, sizeof *bits);
    enum sqz_status status = SQZ_OK;
    if (!codes || !bits)
        status = sqz_fail_memory(&web.err, "weights", param->size * sizeof *bits);
    else if (!decode(tensor, codes, bits))
        status = fail_damaged();
    for (size_t i = 0; !status && i < param->size; i++)
        if ((bits[i] & 0x7f800000) == 0x7f800000)
            status =
                sqz_fail(&web.err, SQZ_E_DATA, "%s holds a value that is not finite.", param->name);
    if (!status)
        sqz_param_from_oihw(param, (const float *)bits, weights);
    sqz_free(codes);
    sqz_free(bits);
    return status;
}

static enum sqz_status read_layer(int index, float *weights, size_t *scratch)
{
    const struct sqz_layer *layer = &web.net->layers[index];
    if (layer->kind != SQZ_LAYER_CONV)
        return SQZ_OK;
    const struct sqz_conv conv = sqz_layer_conv(web.net, index);
    const struct sqz_param *weight = &web.net->params[layer->weight];
    const struct sqz_param *bias = &web.net->params[layer->bias];
    const size_t floats = sqz_conv_forward_pack_size(&web.kernels, &conv);
    const size_t need = sqz_conv_forward_scratch_size(&web.kernels, &conv);
    *scratch = need > *scratch ? need : *scratch;
    web.packed_weights[index] = sqz_new_aligned(floats, sizeof(float));
    web.biases[index] = sqz_new_aligned(bias->size, sizeof(float));
    if (!web.packed_weights[index] || !web.biases[index])
        return sqz_fail_memory(&web.err, "weights", floats * sizeof(float));
    enum sqz_status status = read_param(weight, weights);
    if (status)
        return status;
    sqz_conv_pack_forward(&web.kernels, &conv, weights + weight->offset, web.packed_weights[index]);
    status = read_param(bias, weights);
    if (!status)
        memcpy(web.biases[index], weights + bias->offset, bias->size * sizeof(float));
    return status;
}

static enum sqz_status read_weights(void)
{
    const struct sqz_net *net = web.net;
    size_t scratch = 0;
    float *weights = sqz_new_aligned(net->n_weights, sizeof *weights);
    web.packed_weights = sqz_new_array((size_t)net->n_layers, sizeof *web.packed_weights);
    web.biases = sqz_new_array((size_t)net->n_layers, sizeof *web.biases);
    enum sqz_status status = SQZ_OK;
    if (!weights || !web.packed_weights || !web.biases)
        status = sqz_fail_memory(&web.err, "weights", net->n_weights * sizeof *weights);
    for (int i = 0; !status && i < net->n_layers; i++)
        status = read_layer(i, weights, &scratch);
    sqz_free(weights);
    if (!status && !(web.scratch = sqz_new_aligned(scratch, 1)))
        status = sqz_fail_memory(&web.err, "scratch", scratch);
    return status;
}

// A place for each tensor. They are small, and the last convolution's is the class maps.
static enum sqz_status take_maps(void)
{
    const struct sqz_net *net = web.net;
    web.maps = sqz_new_array((size_t)net->n_tensors, sizeof *web.maps);
    for (int t = 0; web.maps && t < net->n_tensors; t++)
        if (!(web.maps[t] = sqz_new_aligned(sqz_tensor_size(net, t), sizeof(float))))
            return sqz_fail_memory(&web.err, "a map", sqz_tensor_size(net, t) * sizeof(float));
    return web.maps ? SQZ_OK : sqz_fail_memory(&web.err, "maps", 0);
}

static bool is_text(const char *name)
{
    return memchr(name, 0, SQZ_WEB_NAME) != NULL;
}

static bool take_config(struct sqz_net_spec *spec)
{
    const struct sqz_web_config *c = &web.config;
    const int first = find_tensor("features.0.weight"), last = find_tensor("classifier.1.bias");
    if (!is_text(c->variant) || !is_text(c->dialect) || !is_text(c->stem) || first < 0 || last < 0)
        return false;
    *spec = (struct sqz_net_spec){.variant = sqz_variant_find(c->variant),
                                  .dialect = sqz_dialect_find(c->dialect),
                                  .stem = (enum sqz_stem)sqz_stem_find(c->stem),
                                  .classes = (int)web.tensors[last].dims[0],
                                  .channels = c->channels,
                                  .image_h = c->image_size,
                                  .image_w = c->image_size};
    web.preprocess =
        (struct sqz_preprocess){.resize_mode = (enum sqz_resize_mode)c->resize_mode,
                                .resize = c->resize,
                                .image_size = c->image_size,
                                .interpolation = (enum sqz_interpolation)c->interpolation,
                                .bgr = c->bgr != 0,
                                .channels = c->channels};
    memcpy(web.preprocess.mean, c->mean, sizeof c->mean);
    memcpy(web.preprocess.std, c->std, sizeof c->std);
    return spec->variant && spec->dialect && (int)spec->stem >= 0 && c->resize >= 1 &&
           c->resize <= SQZ_WEB_SIDE && c->image_size >= 1 && c->image_size <= SQZ_WEB_SIDE &&
           c->resize_mode >= 0 && c->resize_mode <= SQZ_RESIZE_EXACT && c->interpolation >= 0 &&
           c->interpolation <= SQZ_PIL_BICUBIC;
}

static void describe(void)
{
    const struct sqz_net *net = web.net;
    const int last = sqz_net_maps(net);
    web.info.classes = net->spec.classes;
    web.info.image_size = net->spec.image_h;
    web.info.map_height = net->tensors[last].h;
    web.info.map_width = net->tensors[last].w;
    web.info.map_start = 0;
    web.info.map_step = 1;
    for (int i = 0, t = 0; i < net->n_layers; i++) { // along the first path through the network
        const struct sqz_layer *l = &net->layers[i];
        if (l->input != t || (l->kind != SQZ_LAYER_CONV && l->kind != SQZ_LAYER_MAXPOOL))
            continue;
        web.info.map_start += ((float)(l->kernel - 1) / 2 - (float)l->pad) * web.info.map_step;
        web.info.map_step *= (float)l->stride;
        t = l->output;
    }
    web.info.logits = (uint32_t)(uintptr_t)web.maps[net->n_tensors - 1];
    web.info.maps = (uint32_t)(uintptr_t)web.maps[last];
    web.info.view = (uint32_t)(uintptr_t)web.view;
}

int sqz_web_build(void)
{
    struct sqz_net_spec spec;
    if (web.net)
        return sqz_fail(&web.err, SQZ_E_USAGE, "This instance has a model already.");
    if (!take_config(&spec))
        return sqz_fail(&web.err, SQZ_E_DATA, "The model's texts are not what this program knows.");
    sqz_gemm_fill_wasm(&web.kernels);
    enum sqz_status status = sqz_net_new(&spec, &web.net, &web.err);
    if (!status)
        status = read_weights();
    if (!status)
        status = take_maps();
    const size_t pixels = (size_t)spec.image_h * (size_t)spec.image_w;
    if (!status && !(web.view = sqz_new_array(3 * pixels, 1)))
        status = sqz_fail_memory(&web.err, "the view", 3 * pixels);
    if (!status)
        describe();
    return status;
}

// --- An image ---

uint8_t *sqz_web_image(int width, int height)
{
    if (width < 1 || height < 1 || width > PIXELS_MOST / height)
        return NULL;
    const size_t bytes = 4 * (size_t)width * (size_t)height;
    if (bytes > web.image.capacity) {
        sqz_image_release(&web.image);
        web.image.pixels = sqz_new_array(bytes, 1);
        web.image.capacity = web.image.pixels ? bytes : 0;
    }
    web.image.w = width;
    web.image.h = height;
    web.image.c = 3;
    return web.image.pixels;
}

static void run_layer(int index)
{
    const struct sqz_net *net = web.net;
    const struct sqz_layer *layer = &net->layers[index];
    const struct sqz_tensor *in = &net->tensors[layer->input], *out = &net->tensors[layer->output];
    const float *x = web.maps[layer->input];
    float *y = web.maps[layer->output];
    if (layer->kind == SQZ_LAYER_CONV) {
        const struct sqz_conv conv = sqz_layer_conv(net, index);
        const struct sqz_conv_task task = {.conv = &conv,
                                           .x = x,
                                           .ldx = in->c,
                                           .packed = web.packed_weights[index],
                                           .bias = web.biases[index],
                                           .relu = layer->relu,
                                           .y = y + layer->channel,
                                           .ldy = out->c,
                                           .pixel1 = conv.out_h * conv.out_w,
                                           .channel1 = conv.out_c};
        sqz_conv_forward(&web.kernels, &task, web.scratch);
    } else if (layer->kind == SQZ_LAYER_MAXPOOL) {
        const struct sqz_pool2d pool = sqz_layer_pool(net, index);
        web.kernels.maxpool(&pool, x, in->c, y, out->c, NULL);
    } else if (layer->kind == SQZ_LAYER_ADD) {
        web.kernels.add(x, web.maps[layer->addend], y, sqz_tensor_size(net, layer->output));
    } else if (layer->kind == SQZ_LAYER_MEAN) {
        web.kernels.channel_mean(x, in->c, in->h * in->w, in->c, y);
    }
}

static void fill_view(const float *input)
{
    const struct sqz_preprocess *p = &web.preprocess;
    uint8_t *to = web.view;
    for (int i = 0; i < p->image_size * p->image_size; i++, input += p->channels)
        for (int c = 0; c < 3; c++) {
            const int from = p->channels == 1 ? 0 : p->bgr ? 2 - c : c;
            *to++ = sqz_preprocess_pixel(input[from], p->mean[from], p->std[from]);
        }
}

int sqz_web_run(void)
{
    uint8_t *pixels = web.image.pixels;
    if (!web.net || !pixels)
        return sqz_fail(&web.err, SQZ_E_USAGE, "There is no model, or no image.");
    const size_t n = (size_t)web.image.w * (size_t)web.image.h;
    for (size_t i = 0; i < n; i++)
        memmove(pixels + 3 * i, pixels + 4 * i, 3);
    const struct sqz_source source = {.image = &web.image};
    enum sqz_status status =
        sqz_preprocess_run(&web.preprocess, &source, web.maps[0], &web.transform, &web.err);
    if (status)
        return status;
    fill_view(web.maps[0]);
    for (int i = 0; i < web.net->n_layers; i++)
        run_layer(i);
    return SQZ_OK;
}
