// Which network's weights an archive holds, from names and shapes alone.
#include "formats/common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct sqz_array *find_part(const struct sqz_archive *archive, const char *layer,
                                         const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return sqz_archive_find(archive, name);
}

const struct sqz_array *sqz_find_parameter(const struct sqz_archive *archive,
                                           const struct sqz_param *param, enum sqz_naming naming,
                                           int version)
{
    const char *part = param->kind == SQZ_PARAM_WEIGHT ? "weight" : "bias";
    size_t length = strlen(param->name) - strlen(part) - 1;
    for (int conv = 0; naming != SQZ_NAMING_MINDCV && conv < SQZ_N_CONVS; conv++) {
        char own[48], foreign[48];
        sqz_conv_name(SQZ_NAMING_MINDCV, version, conv, own);
        if (strlen(own) != length || memcmp(own, param->name, length) != 0)
            continue;
        sqz_conv_name(naming, version, conv, foreign);
        return find_part(archive, foreign, part);
    }
    return sqz_archive_find(archive, param->name);
}

bool sqz_array_fits(const struct sqz_array *array, const struct sqz_param *param)
{
    if (param->kind == SQZ_PARAM_BIAS)
        return array->rank == 1 && array->shape[0] == (size_t)param->out;
    return array->rank == 4 && array->shape[0] == (size_t)param->out &&
           array->shape[1] == (size_t)param->in && array->shape[2] == (size_t)param->kh &&
           array->shape[3] == (size_t)param->kw;
}

// Whether name is "<prefix>.<of_layer><own>".
static bool is_prefixed(const char *name, const char *of_layer, size_t n, const char *own)
{
    size_t length = strlen(name), tail = n + strlen(own);
    const char *at = name + length - tail;
    return length > tail + 1 && at[-1] == '.' && strncmp(at, of_layer, n) == 0 &&
           strcmp(at + n, own) == 0;
}

// The same of a parameter, or of what normalises its layer in training (net.c).
static bool is_copy(const char *name, const char *param)
{
    static const char *const of_norm[] = {"beta", "gamma", "moving_mean", "moving_variance"};
    size_t layer = (size_t)(strrchr(param, '.') + 1 - param);
    bool copy = is_prefixed(name, param, layer, param + layer);
    for (size_t i = 0; i < sizeof of_norm / sizeof of_norm[0] && !copy; i++)
        copy = is_prefixed(name, param, layer, of_norm[i]);
    return copy;
}

// Training state that stands beside the weights: MindSpore's scalars by name,
// and whatever is "<prefix>.<a parameter's name>": moments, EMA copies, accumulators.
static bool is_training_state(const char *name, const struct sqz_net *net)
{
    static const char *const scalars[] = {"momentum",
                                          "learning_rate",
                                          "global_step",
                                          "beta1_power",
                                          "beta2_power",
                                          "mu_schedule",
                                          "retrain_grid",
                                          "scale_sense",
                                          "train_samples",
                                          "updates",
                                          "accumulation_step",
                                          "current_iterator_step",
                                          "last_overflow_iterator_step",
                                          "epoch_num",
                                          "step_num"};
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++)
        if (strcmp(name, scalars[i]) == 0)
            return true;
    if (strncmp(name, "learning_rate", 13) == 0) // .learning_rate, _group_0 ...
        return true;
    for (int i = 0; i < net->n_params; i++)
        if (is_copy(name, net->params[i].name))
            return true;
    return false;
}

const struct sqz_array *sqz_find_surplus(const struct sqz_archive *archive,
                                         const struct sqz_net *net, enum sqz_naming naming,
                                         int version)
{
    for (size_t i = 0; i < archive->n_arrays; i++) {
        const struct sqz_array *array = &archive->arrays[i];
        bool used = is_training_state(array->name, net) || strstr(array->name, ".int8.");
        for (int k = 0; k < net->n_params && !used; k++)
            used = sqz_find_parameter(archive, &net->params[k], naming, version) == array;
        if (!used)
            return array;
    }
    return NULL;
}

// What is wrong with an archive as a net's weights, worst first.
struct misfit {
    int count;
    const struct sqz_param *missing, *misshapen;
    const struct sqz_array *shape, *surplus;
};

static struct misfit compare(const struct sqz_archive *archive, const struct sqz_net *net,
                             enum sqz_naming naming, int version)
{
    struct misfit misfit = {0};
    for (int i = net->n_params - 1; i >= 0; i--) {
        const struct sqz_array *array =
            sqz_find_parameter(archive, &net->params[i], naming, version);
        if (!array) {
            misfit.missing = &net->params[i];
            misfit.count++;
        } else if (!sqz_array_fits(array, &net->params[i])) {
            misfit.misshapen = &net->params[i];
            misfit.shape = array;
            misfit.count++;
        }
    }
    misfit.surplus = sqz_find_surplus(archive, net, naming, version);
    misfit.count += misfit.surplus != NULL;
    return misfit;
}

static void add_shape(struct sqz_text *text, const struct sqz_array *array)
{
    for (int i = 0; i < array->rank; i++)
        sqz_text_add(text, "%s%zu", i ? " x " : "", array->shape[i]);
}

static enum sqz_status fail_misfit(struct sqz_error *err, const char *path, const char *variant,
                                   const struct misfit *misfit)
{
    if (misfit->missing)
        return sqz_fail(err, SQZ_E_DATA, "%s does not hold a whole %s: %s is missing.", path,
                        variant, misfit->missing->name);
    if (!misfit->misshapen)
        return sqz_fail(err, SQZ_E_DATA, "%s holds an array that %s does not have: %s.", path,
                        variant, misfit->surplus->name);
    const struct sqz_param *param = misfit->misshapen;
    struct sqz_text shape = {0};
    add_shape(&shape, misfit->shape);
    enum sqz_status status = sqz_fail(
        err, SQZ_E_DATA, "The array %s of %s is %s; %s wants %d x %d x %d x %d.", param->name, path,
        sqz_text_get(&shape), variant, param->out, param->in, param->kh, param->kw);
    sqz_text_release(&shape);
    return status;
}

static enum sqz_status first_and_last(const struct sqz_archive *archive, const char *path,
                                      struct sqz_deduced *out, int *version, struct sqz_error *err)
{
    const struct sqz_array *first, *last = NULL;
    char layer[48];
    // The last convolution's name differs in all namings, the first one's does not.
    for (int naming = 0; naming < 3 && !last; naming++) {
        out->naming = (enum sqz_naming)naming;
        sqz_conv_name(out->naming, 0, SQZ_N_CONVS - 1, layer);
        last = find_part(archive, layer, "weight");
    }
    if (!last)
        out->naming = SQZ_NAMING_MINDCV;
    sqz_conv_name(out->naming, 0, 0, layer);
    first = find_part(archive, layer, "weight");
    if (!first)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s does not hold a SqueezeNet: there is no array %s.weight.", path, layer);
    if (first->rank != 4 || (first->shape[1] != 1 && first->shape[1] != 3))
        return sqz_fail(err, SQZ_E_DATA,
                        "%s does not hold a SqueezeNet for images of 1 or 3 channels: %s has "
                        "another shape.",
                        path, first->name);
    sqz_conv_name(out->naming, 0, SQZ_N_CONVS - 1, layer);
    // 1.0 and 1.1 differ in conv1's number of outputs whatever the stem; only the kernel of 1.0's
    // tells the stem.
    bool is_small_1_0 = first->shape[0] == 96 && first->shape[2] == 3;
    *version = first->shape[2] == 3 && !is_small_1_0;
    out->stem = is_small_1_0 ? SQZ_STEM_SMALL : SQZ_STEM_IMAGENET;
    out->channels = (int)first->shape[1];
    if (!last || last->rank < 1 || last->shape[0] < 1 || last->shape[0] > INT_MAX)
        return sqz_fail(err, SQZ_E_DATA,
                        "%s does not hold a SqueezeNet: its last convolution, %s, is missing or "
                        "empty.",
                        path, layer);
    out->classes = (int)last->shape[0];
    return SQZ_OK;
}

// One candidate; *best follows the candidate that fits best, whose net is kept in *kept.
static enum sqz_status try_variant(const struct sqz_archive *archive, int version,
                                   const struct sqz_variant *variant, struct sqz_deduced *found,
                                   struct misfit *best, struct sqz_net **kept,
                                   struct sqz_error *err)
{
    const struct sqz_dialect *dialect = sqz_dialect_at(0);
    struct sqz_net *net = NULL;
    struct sqz_net_spec spec = {.variant = variant,
                                .dialect = dialect,
                                .stem = found->stem,
                                .classes = found->classes,
                                .channels = found->channels,
                                .image_h = dialect->preprocess.image_size,
                                .image_w = dialect->preprocess.image_size};
    enum sqz_status status = sqz_net_new(&spec, &net, err);
    if (status)
        return status;
    struct misfit misfit = compare(archive, net, found->naming, version);
    if (found->variant && misfit.count >= best->count) {
        sqz_net_free(net);
        return SQZ_OK;
    }
    sqz_net_free(*kept);
    *kept = net;
    *best = misfit;
    found->variant = variant;
    return SQZ_OK;
}

// What the file says, if it does, instead of what its shapes say.
static enum sqz_status take_stem(const struct sqz_archive *archive, const char *path,
                                 struct sqz_deduced *out, struct sqz_error *err)
{
    const char *name = sqz_archive_get(archive, "stem");
    int stem = name ? sqz_stem_find(name) : (int)out->stem;
    if (stem < 0)
        return sqz_fail(err, SQZ_E_DATA, "%s holds a network whose stem is unknown here: %.100s.",
                        path, name);
    out->stem = (enum sqz_stem)stem;
    return SQZ_OK;
}

enum sqz_status sqz_deduce(const struct sqz_archive *archive, const char *path,
                           const struct sqz_variant *variant, struct sqz_deduced *out,
                           struct sqz_error *err)
{
    struct misfit best = {0};
    struct sqz_net *net = NULL; // misfits point into it
    struct sqz_error problem = {0};
    int version = 0;
    *out = (struct sqz_deduced){0};
    enum sqz_status status = first_and_last(archive, path, out, &version, err);
    if (!status)
        status = take_stem(archive, path, out, err);
    if (status)
        return status;
    if (variant)
        status = try_variant(archive, version, variant, out, &best, &net, &problem);
    for (int i = 0; !variant && !status && sqz_variant_at(i); i++)
        if (!out->variant || best.count > 0)
            status = try_variant(archive, version, sqz_variant_at(i), out, &best, &net, &problem);
    if (status == SQZ_E_USAGE) // impossible numbers, which come from the file
        status = sqz_fail(err, SQZ_E_DATA, "%s does not hold a usable SqueezeNet: %s", path,
                          problem.text);
    else if (status)
        status = sqz_fail(err, status, "%s", problem.text);
    else if (best.count)
        status = fail_misfit(err, path, out->variant->name, &best);
    sqz_net_free(net);
    return status;
}
