// Draws shapes and textures that only their form tells apart: place, size, colours, turn,
// background, clutter, something in front, and noise are all left to chance.
#include "data/sets/synth.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SUBPIXELS      3 // a side
#define MOST_CLUTTER   3
#define LEAST_CONTRAST 200 // between an object and each background colour, summed over R, G, B

const char *const sqz_synth_names[SQZ_SYNTH_CLASSES] = {
    "checker", "circle", "cross",    "diagonal_stripes", "dots", "horizontal_stripes",
    "ring",    "square", "triangle", "vertical_stripes"};

struct colour {
    double r, g, b; // 0..255
};

// A rectangle or disc: centre, half sides (disc: radius w), turn; all in parts of the image's
// side.
struct item {
    double x, y, w, h, cosine, sine;
    bool disc;
    struct colour colour;
};

struct scene {
    enum sqz_synth_class what;
    struct colour back[2], front[2];
    double back_x, back_y; // direction of the background's gradient
    struct item object;    // the shape (h = w), or the patch that shows the texture
    double period, phase_x, phase_y, cosine, sine; // of the texture
    double detail;                                 // arm width of the cross, hole of the ring
    struct item clutter[MOST_CLUTTER], cover;
    int n_clutter;
    bool covered;
    double noise;
};

static double between(struct sqz_random *random, double low, double high)
{
    return sqz_random_uniform(random, low, high);
}

// 0 .. n - 1
static int draw_below(struct sqz_random *random, int n)
{
    return (int)between(random, 0, n);
}

// A turn by 2 atan(t) without sines: their last bits differ between C libraries.
static void set_turn(double t, double *cosine, double *sine)
{
    double square = t * t;
    *cosine = (1 - square) / (1 + square);
    *sine = 2 * t / (1 + square);
}

static void draw_turn(struct sqz_random *random, double *cosine, double *sine)
{
    double sign = draw_below(random, 2) ? 1 : -1;
    set_turn(between(random, -1, 1), cosine, sine);
    *cosine *= sign;
    *sine *= sign;
}

static struct colour draw_colour(struct sqz_random *random)
{
    struct colour colour;
    colour.r = draw_below(random, 256);
    colour.g = draw_below(random, 256);
    colour.b = draw_below(random, 256);
    return colour;
}

static double contrast(struct colour a, struct colour b)
{
    return fabs(a.r - b.r) + fabs(a.g - b.g) + fabs(a.b - b.b);
}

static struct colour draw_contrasting(struct sqz_random *random, const struct colour *others, int n)
{
    struct colour best = {0, 0, 0};
    double best_contrast = -1;
    for (int attempt = 0; attempt < 32; attempt++) {
        struct colour colour = draw_colour(random);
        double least = 765;
        for (int i = 0; i < n; i++)
            least = fmin(least, contrast(colour, others[i]));
        if (least >= LEAST_CONTRAST)
            return colour;
        if (least > best_contrast) {
            best_contrast = least;
            best = colour;
        }
    }
    return best;
}

static bool is_texture(enum sqz_synth_class what)
{
    return what == SQZ_SYNTH_CHECKER || what == SQZ_SYNTH_DIAGONAL || what == SQZ_SYNTH_DOTS ||
           what == SQZ_SYNTH_HORIZONTAL || what == SQZ_SYNTH_VERTICAL;
}

static void plan_object(struct scene *scene, struct sqz_random *random)
{
    struct item *object = &scene->object;
    bool texture = is_texture(scene->what);
    object->w = object->h = texture ? between(random, 0.36, 0.46) : between(random, 0.28, 0.42);
    // At most a tenth of the radius leaves the image.
    double room = 0.5 - 0.9 * object->w;
    object->x = 0.5 + between(random, -room, room);
    object->y = 0.5 + between(random, -room, room);
    object->disc = draw_below(random, 2);
    draw_turn(random, &object->cosine, &object->sine);
    scene->detail = between(random, 0, 1);
}

static void plan_texture(struct scene *scene, struct sqz_random *random)
{
    static const double diagonal = 0.41421356237309503; // tan(45 degrees / 2)
    double t = between(random, -0.09, 0.09);            // about +-10 degrees
    double sign = draw_below(random, 2) ? 1 : -1;
    if (scene->what == SQZ_SYNTH_DIAGONAL)
        t = sign * (diagonal + t);
    set_turn(t, &scene->cosine, &scene->sine);
    bool grid = scene->what == SQZ_SYNTH_CHECKER || scene->what == SQZ_SYNTH_DOTS;
    scene->period = grid ? between(random, 0.26, 0.36) : between(random, 0.20, 0.30);
    scene->phase_x = between(random, 0, 1);
    scene->phase_y = between(random, 0, 1);
}

static void plan_clutter(struct scene *scene, struct sqz_random *random)
{
    scene->n_clutter = draw_below(random, MOST_CLUTTER + 1);
    for (int i = 0; i < scene->n_clutter; i++) {
        struct item *item = &scene->clutter[i];
        item->x = between(random, 0, 1);
        item->y = between(random, 0, 1);
        item->disc = draw_below(random, 3) == 0;
        item->w = between(random, 0.03, item->disc ? 0.07 : 0.18);
        item->h = between(random, 0.02, 0.05);
        draw_turn(random, &item->cosine, &item->sine);
        item->colour = draw_colour(random);
    }
    struct item *cover = &scene->cover;
    scene->covered = draw_below(random, 3) == 0;
    cover->x = scene->object.x + between(random, -0.8, 0.8) * scene->object.w;
    cover->y = scene->object.y + between(random, -0.8, 0.8) * scene->object.w;
    cover->disc = false;
    cover->w = between(random, 0.08, 0.20);
    cover->h = between(random, 0.03, 0.06);
    draw_turn(random, &cover->cosine, &cover->sine);
    cover->colour = draw_colour(random);
}

static void plan(struct scene *scene, enum sqz_synth_class what, struct sqz_random *random)
{
    memset(scene, 0, sizeof *scene);
    scene->what = what;
    scene->back[0] = draw_colour(random);
    struct colour far = draw_colour(random);
    double mix = between(random, 0, 0.5);
    scene->back[1].r = scene->back[0].r + mix * (far.r - scene->back[0].r);
    scene->back[1].g = scene->back[0].g + mix * (far.g - scene->back[0].g);
    scene->back[1].b = scene->back[0].b + mix * (far.b - scene->back[0].b);
    draw_turn(random, &scene->back_x, &scene->back_y);
    scene->front[0] = draw_contrasting(random, scene->back, 2);
    // A shape may shade from one colour into a near one; a texture needs two that can be told
    // apart.
    if (is_texture(what))
        scene->front[1] = draw_contrasting(random, scene->front, 1);
    else
        scene->front[1] = scene->front[0];
    plan_object(scene, random);
    plan_texture(scene, random);
    plan_clutter(scene, random);
    scene->noise = between(random, 2, 10);
}

static void to_item(const struct item *item, double x, double y, double *u, double *v)
{
    double dx = x - item->x, dy = y - item->y;
    *u = (item->cosine * dx + item->sine * dy) / item->w;
    *v = (item->cosine * dy - item->sine * dx) / item->h;
}

static bool item_covers(const struct item *item, double x, double y)
{
    double dx = x - item->x, dy = y - item->y, u, v;
    if (item->disc)
        return dx * dx + dy * dy < item->w * item->w;
    to_item(item, x, y, &u, &v);
    return fabs(u) < 1 && fabs(v) < 1;
}

static bool in_shape(const struct scene *scene, double u, double v)
{
    double distance = u * u + v * v, arm = 0.22 + 0.14 * scene->detail,
           hole = 0.45 + 0.2 * scene->detail;
    switch (scene->what) {
    case SQZ_SYNTH_CIRCLE:
        return distance < 0.9 * 0.9;
    case SQZ_SYNTH_RING:
        return distance < 0.95 * 0.95 && distance > hole * hole;
    case SQZ_SYNTH_SQUARE:
        return fabs(u) < 0.76 && fabs(v) < 0.76;
    case SQZ_SYNTH_CROSS:
        return (fabs(u) < arm && fabs(v) < 0.95) || (fabs(v) < arm && fabs(u) < 0.95);
    case SQZ_SYNTH_TRIANGLE:
        return v > -0.52 && 0.8660254037844386 * u + 0.5 * v < 0.52 &&
               -0.8660254037844386 * u + 0.5 * v < 0.52;
    default: // a texture's patch
        return scene->object.disc ? distance < 0.95 * 0.95 : fabs(u) < 0.85 && fabs(v) < 0.85;
    }
}

// Which of the two colours of the texture.
static bool in_pattern(const struct scene *scene, double x, double y)
{
    double u = (scene->cosine * x + scene->sine * y) / scene->period + scene->phase_x;
    double v = (scene->cosine * y - scene->sine * x) / scene->period + scene->phase_y;
    double part_u = u - floor(u), part_v = v - floor(v);
    switch (scene->what) {
    case SQZ_SYNTH_HORIZONTAL:
    case SQZ_SYNTH_DIAGONAL:
        return part_v < 0.5;
    case SQZ_SYNTH_VERTICAL:
        return part_u < 0.5;
    case SQZ_SYNTH_CHECKER:
        return (part_u < 0.5) == (part_v < 0.5);
    case SQZ_SYNTH_DOTS:
        return (part_u - 0.5) * (part_u - 0.5) + (part_v - 0.5) * (part_v - 0.5) < 0.33 * 0.33;
    default:
        return false;
    }
}

static struct colour colour_at(const struct scene *scene, double x, double y)
{
    double u, v;
    if (scene->covered && item_covers(&scene->cover, x, y))
        return scene->cover.colour;
    to_item(&scene->object, x, y, &u, &v);
    if (in_shape(scene, u, v))
        return scene->front[in_pattern(scene, x, y)];
    for (int i = scene->n_clutter; i-- > 0;)
        if (item_covers(&scene->clutter[i], x, y))
            return scene->clutter[i].colour;
    // 0..1 across the image along the gradient
    double along = 0.5 + 0.7 * (scene->back_x * (x - 0.5) + scene->back_y * (y - 0.5));
    struct colour a = scene->back[0], b = scene->back[1];
    return (struct colour){a.r + along * (b.r - a.r), a.g + along * (b.g - a.g),
                           a.b + along * (b.b - a.b)};
}

static uint8_t finish(double sum, double noise, struct sqz_random *random)
{
    // Two uniform draws make a triangular distribution, close enough to a camera's noise.
    double grain = noise * (between(random, -1, 1) + between(random, -1, 1));
    double value = floor(sum / (SUBPIXELS * SUBPIXELS) + grain + 0.5);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void sqz_synth_draw(enum sqz_synth_class what, int size, struct sqz_random *random, uint8_t *rgb)
{
    struct scene scene;
    plan(&scene, what, random);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            struct colour sum = {0, 0, 0};
            for (int sub = 0; sub < SUBPIXELS * SUBPIXELS; sub++) {
                const int column = sub % SUBPIXELS, row = sub / SUBPIXELS;
                double at_x = x + (column + 0.5) / SUBPIXELS, at_y = y + (row + 0.5) / SUBPIXELS;
                struct colour colour = colour_at(&scene, at_x / size, at_y / size);
                sum.r += colour.r;
                sum.g += colour.g;
                sum.b += colour.b;
            }
            uint8_t *pixel = rgb + 3 * ((size_t)y * (size_t)size + (size_t)x);
            pixel[0] = finish(sum.r, scene.noise, random);
            pixel[1] = finish(sum.g, scene.noise, random);
            pixel[2] = finish(sum.b, scene.noise, random);
        }
}
