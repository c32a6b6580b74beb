// Finds feature maps by name and takes them out of their tensors.
#include "net/feature.h"

#include <string.h>

static const struct sqz_layer *last_conv(const struct sqz_net *net)
{
    const struct sqz_layer *layer = &net->layers[net->n_layers - 1];
    while (layer->kind != SQZ_LAYER_CONV)
        layer--;
    return layer;
}

enum sqz_status sqz_feature_find(const struct sqz_net *net, const char *name,
                                 struct sqz_feature *out, struct sqz_error *err)
{
    const struct sqz_layer *classifier = last_conv(net), *found = NULL;
    if (strcmp(name, SQZ_FEATURE_EMBEDDING) == 0) {
        *out = (struct sqz_feature){.tensor = classifier->input,
                                    .h = 1,
                                    .w = 1,
                                    .c = net->tensors[classifier->input].c,
                                    .averaged = true};
        return SQZ_OK;
    }
    if (strcmp(name, SQZ_FEATURE_CLASS_MAPS) == 0)
        found = classifier;
    for (int i = 0; !found && i < net->n_layers; i++)
        if (strcmp(name, net->layers[i].name) == 0)
            found = &net->layers[i];
    if (!found)
        return sqz_fail(err, SQZ_E_USAGE,
                        "The network has no feature \"%s\"; there are " SQZ_FEATURE_EMBEDDING
                        ", " SQZ_FEATURE_CLASS_MAPS " and the names of its layers.",
                        name);
    const struct sqz_tensor *tensor = &net->tensors[found->output];
    *out = (struct sqz_feature){.tensor = found->output,
                                .channel = found->channel,
                                .h = tensor->h,
                                .w = tensor->w,
                                .c = found->channels};
    return SQZ_OK;
}

size_t sqz_feature_size(const struct sqz_feature *feature)
{
    return (size_t)feature->h * feature->w * feature->c;
}

void sqz_feature_extract(const struct sqz_feature *feature, const struct sqz_net *net,
                         const struct sqz_kernels *kernels, const float *tensor, float *out)
{
    const struct sqz_tensor *shape = &net->tensors[feature->tensor];
    const size_t pixels = (size_t)shape->h * shape->w;
    const float *x = tensor + feature->channel;
    if (feature->averaged) {
        kernels->channel_mean(x, shape->c, shape->h * shape->w, feature->c, out);
        return;
    }
    for (size_t p = 0; p < pixels; p++)
        memcpy(out + p * (size_t)feature->c, x + p * (size_t)shape->c,
               (size_t)feature->c * sizeof *out);
}
