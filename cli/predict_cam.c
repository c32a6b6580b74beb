// Class maps: which class, its cells as JSON, and what is kept of each image for the drawing.
#include "cli/predict.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum sqz_status no_memory(void)
{
    return cli_complain(SQZ_E_NOMEM, "There is not enough memory for the class maps.");
}

// "ant" finds "ant, emmet, pismire": the whole name or one of the words between its commas.
static bool is_named(const char *class, const char *wanted)
{
    size_t n = strlen(wanted);
    if (strcasecmp(class, wanted) == 0)
        return true;
    for (; *class; class += strcspn(class, ","), class += strspn(class, ", "))
        if (strncasecmp(class, wanted, n) == 0 && (class[n] == ',' || class[n] == '\0'))
            return true;
    return false;
}

// By its name, else by its index.
static enum sqz_status find_class(const struct predict *p, const char *wanted, int *out)
{
    struct cli_nearest nearest = {.word = wanted};
    char *end = NULL;
    for (int c = 0; c < p->info.classes; c++) {
        const char *name = sqz_classifier_class_name(p->classifier, c);
        cli_nearest_try(&nearest, name);
        *out = c;
        if (is_named(name, wanted))
            return SQZ_OK;
    }
    long index = strtol(wanted, &end, 10);
    *out = (int)index;
    if (*wanted && !*end && index >= 0 && index < p->info.classes)
        return SQZ_OK;
    return cli_complain(SQZ_E_USAGE, "The model has no class \"%s\"%s%s%s.", cli_clean(wanted),
                        nearest.best ? "; did you mean \"" : "",
                        nearest.best ? cli_clean(nearest.best) : "", nearest.best ? "\"?" : "");
}

enum sqz_status predict_cam_open(struct predict *p)
{
    struct predict_cam *cam = &p->cam;
    const char *class = cli_value(p->cli, "cam_class");
    *cam = (struct predict_cam){.path = cli_value(p->cli, "cam"),
                                .smooth = !cli_has(p->cli, "cam_nearest"),
                                .class = -1,
                                .side = p->info.image_size,
                                .h = p->info.class_map_height,
                                .w = p->info.class_map_width,
                                .border = p->info.class_map_border,
                                .step = p->info.class_map_step};
    cam->start = p->info.class_map_start + cam->border * cam->step;
    if (!cam->path && (class || !cam->smooth))
        return cli_complain(SQZ_E_USAGE, "--cam_class and --cam_nearest go with --cam FILE.");
    return class ? find_class(p, class, &cam->class) : SQZ_OK;
}

static int class_of(const struct predict *p, int i)
{
    return p->cam.class >= 0 ? p->cam.class : p->results[i].best[0].index;
}

static float cell_of(const struct predict *p, int i, int y, int x)
{
    size_t at = (size_t)(y * p->cam.w + x) * (size_t)p->info.classes;
    return p->results[i].class_maps[at + (size_t)class_of(p, i)];
}

void predict_cam_json(const struct predict *p, int i, struct cli_json *json)
{
    const struct predict_cam *cam = &p->cam;
    int class = class_of(p, i);
    cli_json_open(json, "cam", '{');
    cli_json_int(json, "index", class);
    cli_json_text(json, "name", sqz_classifier_class_name(p->classifier, class));
    cli_json_real(json, "logit", (double)p->results[i].logits[class]);
    cli_json_int(json, "border", cam->border);
    cli_json_real(json, "start", p->info.class_map_start);
    cli_json_real(json, "step", cam->step);
    cli_json_open(json, "cells", '[');
    for (int y = 0; y < cam->h; y++) {
        cli_json_open(json, NULL, '[');
        for (int x = 0; x < cam->w; x++)
            cli_json_real(json, NULL, (double)cell_of(p, i, y, x));
        cli_json_close(json, ']');
    }
    cli_json_close(json, ']');
    cli_json_close(json, '}');
}

enum sqz_status predict_cam_add(struct predict *p, int i)
{
    struct predict_cam *cam = &p->cam;
    int class = class_of(p, i), border = cam->border;
    int h = cam->h - 2 * border, w = cam->w - 2 * border;
    if (cam->n == PREDICT_CAM_MOST) {
        cam->left_out++;
        return SQZ_OK;
    }
    struct predict_cam_image *image = &cam->images[cam->n++];
    image->class = sqz_classifier_class_name(p->classifier, class);
    image->logit = (double)p->results[i].logits[class];
    image->probability = (double)p->results[i].probabilities[class];
    image->title = strdup(predict_title(&p->images[i]));
    image->view = malloc(p->results[i].view_size);
    image->cells = malloc((size_t)h * (size_t)w * sizeof *image->cells);
    if (!image->title || !image->view || !image->cells)
        return no_memory();
    memcpy(image->view, p->results[i].view, p->results[i].view_size);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            image->cells[y * w + x] = cell_of(p, i, y + border, x + border);
    return SQZ_OK;
}

enum sqz_status predict_cam_close(struct predict *p, bool draw)
{
    struct predict_cam *cam = &p->cam;
    enum sqz_status status = SQZ_OK;
    if (draw && cam->n > 0)
        status = predict_cam_draw(cam, cli_has(p->cli, "force"));
    if (!status && draw && cam->left_out && !p->cli->quiet)
        fprintf(stderr, "%s shows the first %d images; %d more are left out.\n",
                cli_clean(cam->path), PREDICT_CAM_MOST, cam->left_out);
    if (!status && draw && cam->n && cam->border && !p->cli->quiet)
        fprintf(stderr, "This network pads its last convolution: the outer ring of cells is its "
                        "bias alone, and is not drawn.\n");
    for (int i = 0; i < cam->n; i++) {
        free(cam->images[i].title);
        free(cam->images[i].view);
        free(cam->images[i].cells);
    }
    return status;
}
