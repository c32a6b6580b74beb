// Classifies frames from memory in two threads that share one model: camera_frames MODEL [FRAMES].
// A camera is played by a function that fills NV12 buffers, as V4L2 and Android hand them out.
#include <pthread.h>
#include <squeezenet.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 640, HEIGHT = 480, THREADS = 2 };

struct camera {
    struct sqz_context *context;
    const struct sqz_model *model;
    int number, frames;
    struct sqz_error err; // of the thread that failed
    int failed;
};

// A moving gradient: a plane of Y, then one of U and V in turn.
static void take_frame(int number, uint8_t *nv12)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            nv12[y * WIDTH + x] = (uint8_t)(16 + (x + y + 8 * number) % 220);
    for (int i = 0; i < WIDTH * HEIGHT / 2; i++)
        nv12[WIDTH * HEIGHT + i] = (uint8_t)(128 + (i % 2 ? number : -number) % 64);
}

static void *run_camera(void *arg)
{
    struct camera *camera = arg;
    struct sqz_classifier *classifier = NULL; // each thread has its own; the weights are shared
    uint8_t *frame = malloc(WIDTH * HEIGHT * 3 / 2);
    struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);
    camera->failed = !frame || sqz_classifier_new(camera->context, camera->model, &classifier,
                                                  &camera->err) != SQZ_OK;
    pixels.format = SQZ_PIXELS_NV12;
    pixels.width = WIDTH;
    pixels.height = HEIGHT;
    pixels.planes[0] = frame;
    pixels.planes[1] = frame ? frame + WIDTH * HEIGHT : NULL;
    for (int i = 0; i < camera->frames && !camera->failed; i++) {
        struct sqz_class_score best;
        int n = 1;
        take_frame(i, frame);
        camera->failed = sqz_classify_pixels(classifier, &pixels, &best, &n, &camera->err) != 0;
        if (!camera->failed)
            printf("camera %d, frame %d: %s, %.1f %%\n", camera->number, i, best.name,
                   100 * best.probability);
    }
    sqz_classifier_free(classifier);
    free(frame);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sqz_error err;
    struct sqz_context *context = NULL;
    struct sqz_model *model = NULL;
    struct camera cameras[THREADS];
    pthread_t threads[THREADS];
    int failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: camera_frames MODEL [FRAMES]\n");
        return SQZ_E_USAGE;
    }
    if (sqz_context_new(0, &context, &err) || sqz_model_open(argv[1], NULL, &model, &err)) {
        fprintf(stderr, "%s\n", err.text);
        sqz_context_free(context);
        return err.status;
    }
    for (int i = 0; i < THREADS; i++) {
        cameras[i] = (struct camera){.context = context,
                                     .model = model,
                                     .number = i,
                                     .frames = argc > 2 ? atoi(argv[2]) : 10,
                                     .err = {"There is not enough memory.", SQZ_E_NOMEM}};
        if (pthread_create(&threads[i], NULL, run_camera, &cameras[i])) {
            fprintf(stderr, "A thread cannot be started.\n");
            return SQZ_E_NOMEM;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (cameras[i].failed)
            fprintf(stderr, "camera %d: %s\n", i, cameras[i].err.text);
        failed |= cameras[i].failed;
    }
    sqz_model_free(model);
    sqz_context_free(context);
    return failed;
}
