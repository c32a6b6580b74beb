// What a person sees of an image: its classes as bars, beside the image itself for --show.
#include "cli/predict.h"
#include <math.h>
#include <string.h>

enum { IMAGE_COLUMNS = 28, IMAGE_ROWS = 14 };

static void print_score(const struct sqz_class_score *score, const char *mark)
{
    enum { WIDTH = 20 };
    int filled = (int)lroundf(score->probability * WIDTH);
    printf("%6.1f %% ", 100 * (double)score->probability);
    for (int i = 0; i < WIDTH; i++)
        fputs(i < filled ? "█" : "░", stdout);
    printf(" %s%s", cli_clean(score->name), mark);
}

// false: the image is not to be drawn, or cannot be.
static bool read_thumbnail(const struct predict *p, const struct predict_image *image, int *w,
                           int *h, uint8_t *rgb, size_t size)
{
    if (!cli_has(p->cli, "show") || (!p->sources.samples && !image->path))
        return false;
    return !(p->sources.samples
                 ? sqz_thumbnail_sample(p->sources.samples, image->sample, w, h, rgb, size, NULL)
                 : sqz_thumbnail_file(image->path, w, h, rgb, size, NULL));
}

void predict_print(struct predict *p, int i)
{
    uint8_t rgb[IMAGE_COLUMNS * IMAGE_ROWS * 2 * 3];
    int w = IMAGE_COLUMNS, h = IMAGE_ROWS * 2, n = p->results[i].best_count;
    const struct sqz_class_score *best = p->results[i].best;
    const struct predict_image *image = &p->images[i];
    bool drawn = read_thumbnail(p, image, &w, &h, rgb, sizeof rgb);
    int rows = drawn ? (h + 1) / 2 : 0, lines = n > rows ? n : rows;
    int first = rows > n ? (rows - n) / 2 : 0; // centred beside the image
    printf("%s%s", p->shown++ ? "\n" : "", cli_clean(predict_title(image)));
    if (image->truth)
        printf(" (%s)", cli_clean(image->truth));
    if (p->results[i].unknown)
        printf(": unknown, below the model's threshold");
    putchar('\n');
    for (int line = 0; line < lines; line++) {
        if (drawn) {
            fputs("  ", stdout);
            cli_draw_row(p->cli, rgb, w, h, line);
            fputs("  ", stdout);
        }
        if (line >= first && line - first < n) {
            const struct sqz_class_score *score = &best[line - first];
            bool right = image->truth && strcmp(score->name, image->truth) == 0;
            print_score(score, right ? "  <- right" : "");
        }
        putchar('\n');
    }
}
