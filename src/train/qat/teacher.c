// The teacher's answers, mixed into the targets of a batch, and its maps beside them.
#include "train/qat/teacher.h"

#include "formats/formats.h"
#include "kernels/softmax.h"
#include "net/engine.h"

#include <string.h>

struct sqz_teacher {
    struct sqz_model *model;
    struct sqz_engine *engine;
    struct sqz_feature class_maps;
    float *logits, *targets; // rows x classes
    float *maps;             // rows x the maps' size; NULL: they are not wanted
    struct sqz_teaching teaching;
};

const float *sqz_teacher_weights(const struct sqz_teacher *teacher, size_t *n)
{
    *n = teacher->model->net->n_weights;
    return teacher->model->weights;
}

void sqz_teacher_close(struct sqz_teacher *teacher)
{
    if (!teacher)
        return;
    sqz_engine_free(teacher->engine);
    sqz_model_free(teacher->model);
    sqz_free(teacher->logits);
    sqz_free(teacher->targets);
    sqz_free(teacher->maps);
    sqz_free(teacher);
}

static enum sqz_status check_fit(const struct sqz_teacher *teacher, const char *path,
                                 const struct sqz_net *net, struct sqz_error *err)
{
    const struct sqz_net *own = teacher->model->net;
    const struct sqz_tensor *map = &own->tensors[sqz_net_maps(own)];
    const struct sqz_tensor *wanted = &net->tensors[sqz_net_maps(net)];
    if (own->spec.classes != net->spec.classes || own->spec.channels != net->spec.channels)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "\"%s\" cannot teach: it has %d classes and %d input channels, the "
                        "network here %d and %d.",
                        path, own->spec.classes, own->spec.channels, net->spec.classes,
                        net->spec.channels);
    if (teacher->teaching.maps > 0 && memcmp(map, wanted, sizeof *map) != 0)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "\"%s\" cannot teach its maps: they are %d x %d x %d, those of the "
                        "network here %d x %d x %d.",
                        path, map->h, map->w, map->c, wanted->h, wanted->w, wanted->c);
    return SQZ_OK;
}

static enum sqz_status take_memory(struct sqz_teacher *teacher, size_t rows, struct sqz_error *err)
{
    const struct sqz_net *net = teacher->model->net;
    const size_t n = rows * (size_t)net->spec.classes;
    size_t n_maps = 0;
    teacher->logits = sqz_new_aligned(n, sizeof(float));
    teacher->targets = sqz_new_array(n, sizeof(float));
    if (teacher->teaching.maps > 0) {
        n_maps = rows * sqz_tensor_size(net, sqz_net_maps(net));
        teacher->maps = sqz_new_aligned(n_maps, sizeof(float));
    }
    if (!teacher->logits || !teacher->targets || (n_maps && !teacher->maps))
        return sqz_fail_memory(err, "the teacher's answers", (2 * n + n_maps) * sizeof(float));
    return SQZ_OK;
}

static enum sqz_status take_network(struct sqz_teacher *teacher,
                                    const struct sqz_environment *environment,
                                    struct sqz_error *err)
{
    const struct sqz_model *model = teacher->model;
    const struct sqz_engine_config config = {.net = model->net,
                                             .weights = model->weights,
                                             .kernels = environment->kernels,
                                             .pool = environment->pool};
    enum sqz_status status =
        sqz_feature_find(model->net, SQZ_FEATURE_CLASS_MAPS, &teacher->class_maps, err);
    return status ? status : sqz_engine_new(&config, &teacher->engine, err);
}

enum sqz_status sqz_teacher_open(const struct sqz_environment *environment, const char *path,
                                 const struct sqz_net *net, int rows,
                                 const struct sqz_teaching *teaching, bool must_fit,
                                 struct sqz_teacher **out, struct sqz_error *err)
{
    struct sqz_teacher *teacher = sqz_new_array(1, sizeof *teacher);
    *out = NULL;
    if (!teacher)
        return sqz_fail_memory(err, "the teacher", sizeof *teacher);
    teacher->teaching = *teaching;
    enum sqz_status status = sqz_model_read(path, NULL, net->spec.image_h, &teacher->model, err);
    bool fits = !status && !check_fit(teacher, path, net, must_fit ? err : NULL);
    if (!status && !fits) {
        sqz_teacher_close(teacher);
        return must_fit ? SQZ_E_CONFIG : SQZ_OK;
    }
    if (!status)
        status = take_memory(teacher, (size_t)rows, err);
    if (!status)
        status = take_network(teacher, environment, err);
    if (status)
        sqz_teacher_close(teacher);
    else
        *out = teacher;
    return status;
}

enum sqz_status sqz_teacher_teach(struct sqz_teacher *teacher, struct sqz_step_batch *batch,
                                  int first, int end, struct sqz_error *err)
{
    const struct sqz_net *net = teacher->model->net;
    const int classes = net->spec.classes;
    const float share = (float)teacher->teaching.share;
    struct sqz_engine_job job = {
        .images = batch->images, .n = end - first, .logits = teacher->logits};
    if (teacher->maps) {
        job.feature = &teacher->class_maps;
        job.features = teacher->maps + (size_t)first * sqz_feature_size(&teacher->class_maps);
    }
    enum sqz_status status = sqz_engine_run(teacher->engine, &job, err);
    if (status)
        return status;
    for (int row = first; row < end; row++) {
        size_t at = (size_t)row * (size_t)classes;
        float *target = teacher->targets + at;
        sqz_softmax(teacher->logits + (size_t)(row - first) * (size_t)classes, classes, target);
        for (int c = 0; c < classes; c++) {
            float own = batch->targets ? batch->targets[at + (size_t)c] : c == batch->labels[row];
            target[c] = share * target[c] + (1 - share) * own;
        }
    }
    batch->targets = teacher->targets;
    batch->maps = teacher->maps;
    batch->map_weight = teacher->teaching.maps;
    return SQZ_OK;
}
