// Arrays of an archive, one for each parameter of a network, between the file's layout and ours.
#include "train/setup/param_arrays.h"

#include <stdio.h>

static const struct sqz_array *find_prefixed(const struct sqz_archive *archive, const char *prefix,
                                             const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return sqz_archive_find(archive, full);
}

enum sqz_status sqz_param_arrays_add(struct sqz_archive *archive, const struct sqz_net *net,
                                     const char *prefix, const float *values, struct sqz_error *err)
{
    for (int i = 0; i < net->n_params; i++) {
        const struct sqz_param *param = &net->params[i];
        char name[128];
        size_t shape[4] = {(size_t)param->out, (size_t)param->in, (size_t)param->kh,
                           (size_t)param->kw};
        snprintf(name, sizeof name, "%s.%s", prefix, param->name);
        struct sqz_array *array = sqz_archive_add(
            archive, name, SQZ_F32, param->kind == SQZ_PARAM_WEIGHT ? 4 : 1, shape, NULL);
        if (!array)
            return sqz_fail_memory(err, name, param->size * sizeof(float));
        sqz_param_to_oihw(param, values, array->data);
    }
    return SQZ_OK;
}

enum sqz_status sqz_param_arrays_take(const char *path, const struct sqz_archive *archive,
                                      const struct sqz_net *net, const char *prefix, float *values,
                                      struct sqz_error *err)
{
    for (int i = 0; i < net->n_params; i++) {
        const struct sqz_param *param = &net->params[i];
        const struct sqz_array *array = find_prefixed(archive, prefix, param->name);
        if (!array || array->dtype != SQZ_F32 || array->size != param->size * sizeof(float))
            return sqz_fail(err, SQZ_E_DATA,
                            "\"%s\" holds no usable array %s.%s, which resuming needs.", path,
                            prefix, param->name);
        sqz_param_from_oihw(param, array->data, values);
    }
    return SQZ_OK;
}

bool sqz_param_arrays_has(const struct sqz_archive *archive, const struct sqz_net *net,
                          const char *prefix)
{
    return find_prefixed(archive, prefix, net->params[0].name) != NULL;
}
