// Classifies one image with the model in model.c. Written by `squeezenet export --format c`; change
// it freely: a camera's driver calls sqz_rt_rows for the rows as they arrive.
//
// Here the rows come from image.ppm (P6, or P5 for one channel, of the network's size), through
// files of the host: under an emulator by semihosting.
#include "model.h"

#include <stdio.h>

static unsigned char arena[MODEL_ARENA] __attribute__((aligned(16)));
static unsigned char row[MODEL_WIDTH * MODEL_CHANNELS];
static struct sqz_rt rt;

static int complain(const char *sentence)
{
    printf("%s\n", sentence);
    return 1;
}

// The header of image.ppm; false if it is no image of the network's size.
static int read_header(FILE *file)
{
    int w = 0, h = 0, most = 0;
    char kind = 0;
    if (fscanf(file, "P%c %d %d %d", &kind, &w, &h, &most) != 4 || fgetc(file) == EOF)
        return 0;
    return kind == (MODEL_CHANNELS == 3 ? '6' : '5') && w == MODEL_WIDTH && h == MODEL_HEIGHT &&
           most == 255;
}

int main(void)
{
    enum sqz_rt_status status = sqz_rt_begin(&rt, model, model_size, arena, sizeof arena);
    if (status != SQZ_RT_OK)
        return complain(status == SQZ_RT_OTHER_UNIT
                            ? "The model was exported for another kind of core."
                            : "This is no model for the runtime.");
    FILE *file = fopen("image.ppm", "rb");
    if (!file || !read_header(file))
        return complain("image.ppm is not there, or no image of the network's size.");
    while (fread(row, 1, sizeof row, file) == sizeof row)
        if (sqz_rt_rows(&rt, row, 1, sizeof row) == 0)
            break;
    fclose(file);
    const int best = sqz_rt_finish(&rt);
    if (best < 0)
        return complain("image.ppm is cut off.");
    const char *name = sqz_rt_class_name(&rt, best);
    printf("class %d, %s, %lu.%lu %%\n", best, name ? name : "?",
           (unsigned long)sqz_rt_softmax(&rt, best) * 100 / 65536,
           (unsigned long)sqz_rt_softmax(&rt, best) * 1000 / 65536 % 10);
    return 0;
}
