// The teacher's answers, mixed into the targets of a batch.
#include "train/teacher.h"

#include "formats/formats.h"
#include "net/infer.h"

struct sqz_teacher {
    struct sqz_model *model;
    struct sqz_infer *infer;
    float *logits, *targets; // rows x classes
    float share;
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
    sqz_infer_free(teacher->infer);
    sqz_model_free(teacher->model);
    sqz_free(teacher->logits);
    sqz_free(teacher->targets);
    sqz_free(teacher);
}

static enum sqz_status check_fit(const struct sqz_teacher *teacher, const char *path,
                                 const struct sqz_net *net, struct sqz_error *err)
{
    const struct sqz_net_spec *spec = &teacher->model->net->spec;
    if (spec->classes == net->spec.classes && spec->channels == net->spec.channels)
        return SQZ_OK;
    return sqz_fail(err, SQZ_E_CONFIG,
                    "\"%s\" cannot teach: it has %d classes and %d input channels, the network "
                    "here %d and %d.",
                    path, spec->classes, spec->channels, net->spec.classes, net->spec.channels);
}

enum sqz_status sqz_teacher_open(const struct sqz_environment *environment, const char *path,
                                 const struct sqz_net *net, int rows, double share, bool must_fit,
                                 struct sqz_teacher **out, struct sqz_error *err)
{
    size_t n = (size_t)rows * (size_t)net->spec.classes;
    struct sqz_teacher *teacher = sqz_new_array(1, sizeof *teacher);
    *out = NULL;
    if (!teacher)
        return sqz_fail_memory(err, "the teacher", sizeof *teacher);
    teacher->share = (float)share;
    enum sqz_status status = sqz_model_read(path, NULL, net->spec.image_h, &teacher->model, err);
    bool fits = !status && !check_fit(teacher, path, net, must_fit ? err : NULL);
    if (!status && !fits) {
        sqz_teacher_close(teacher);
        return must_fit ? SQZ_E_CONFIG : SQZ_OK;
    }
    if (!status)
        status = sqz_infer_new(teacher->model->net, teacher->model->weights, environment->kernels,
                               environment->pool, false, &teacher->infer, err);
    if (!status && (!(teacher->logits = sqz_new_aligned(n, sizeof(float))) ||
                    !(teacher->targets = sqz_new_array(n, sizeof(float)))))
        status = sqz_fail_memory(err, "the teacher's answers", n * sizeof(float));
    if (status)
        sqz_teacher_close(teacher);
    else
        *out = teacher;
    return status;
}

void sqz_teacher_teach(struct sqz_teacher *teacher, struct sqz_step_batch *batch, int first,
                       int end)
{
    int classes = teacher->model->net->spec.classes;
    sqz_infer_run(teacher->infer, batch->images, end - first, teacher->logits);
    for (int row = first; row < end; row++) {
        size_t at = (size_t)row * (size_t)classes;
        float *target = teacher->targets + at;
        sqz_softmax(teacher->logits + (size_t)(row - first) * (size_t)classes, classes, target);
        for (int c = 0; c < classes; c++) {
            float own = batch->targets ? batch->targets[at + (size_t)c] : c == batch->labels[row];
            target[c] = teacher->share * target[c] + (1 - teacher->share) * own;
        }
    }
    batch->targets = teacher->targets;
}
