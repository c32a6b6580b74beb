// Class maps as colours.
#include "cli/heatmap.h"
#include <math.h>

// --- Values ---

static double cell(const struct cli_heatmap *map, int y, int x)
{
    y = y < 0 ? 0 : y >= map->h ? map->h - 1 : y;
    x = x < 0 ? 0 : x >= map->w ? map->w - 1 : x;
    return (double)map->cells[y * map->w + x];
}

// Catmull-Rom through four neighbours, kept between the smallest and the largest of them.
static double spline(const double v[4], double t)
{
    double value =
        v[1] +
        0.5 * t *
            (v[2] - v[0] +
             t * (2 * v[0] - 5 * v[1] + 4 * v[2] - v[3] + t * (3 * (v[1] - v[2]) + v[3] - v[0])));
    double low = fmin(fmin(v[0], v[1]), fmin(v[2], v[3]));
    double high = fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
    return fmax(low, fmin(high, value));
}

double cli_heatmap_at(const struct cli_heatmap *map, double x, double y, bool smooth)
{
    double column = (x - map->start) / map->step, row = (y - map->start) / map->step;
    if (!smooth)
        return cell(map, (int)floor(row + 0.5), (int)floor(column + 0.5));
    int left = (int)floor(column), top = (int)floor(row);
    double lines[4];
    for (int i = 0; i < 4; i++) {
        double values[4];
        for (int k = 0; k < 4; k++)
            values[k] = cell(map, top - 1 + i, left - 1 + k);
        lines[i] = spline(values, column - left);
    }
    return spline(lines, row - top);
}

double cli_heatmap_largest(const struct cli_heatmap *map)
{
    double largest = 0;
    for (int i = 0; i < map->h * map->w; i++)
        largest = fmax(largest, (double)map->cells[i]);
    return largest;
}

double cli_heatmap_tick(double largest, int parts)
{
    double raw = largest / parts, power = pow(10, floor(log10(raw))), first = raw / power;
    return power * (first < 1.5 ? 1 : first < 3.5 ? 2 : first < 7.5 ? 5 : 10);
}

// --- Colours ---

enum { STEPS = 256, FINE = 4096 };

struct lab {
    double l, a, b;
};

// OKLab (Björn Ottosson, 2020) to linear sRGB. false: outside of its gamut.
static bool to_linear(struct lab color, double rgb[3])
{
    double l = pow(color.l + 0.3963377774 * color.a + 0.2158037573 * color.b, 3);
    double m = pow(color.l - 0.1055613458 * color.a - 0.0638541728 * color.b, 3);
    double s = pow(color.l - 0.0894841775 * color.a - 1.2914855480 * color.b, 3);
    rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
    rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
    rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
    bool inside = true;
    for (int c = 0; c < 3; c++)
        inside = inside && rgb[c] >= 0 && rgb[c] <= 1;
    return inside;
}

// From a dark violet over red and orange to a light yellow, as colourful as a screen can show it.
static struct lab path(double t)
{
    double lightness = 0.16 + 0.80 * t, hue = (285 + 183 * t) * 3.14159265358979 / 180;
    double chroma = 0.17, rgb[3];
    struct lab color;
    do {
        color = (struct lab){lightness, chroma * cos(hue), chroma * sin(hue)};
        chroma -= 0.001;
    } while (!to_linear(color, rgb) && chroma > 0);
    return color;
}

static uint8_t to_byte(double linear)
{
    double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)lround(255 * fmax(0, fmin(1, v)));
}

static double distance(struct lab a, struct lab b)
{
    return sqrt((a.l - b.l) * (a.l - b.l) + (a.a - b.a) * (a.a - b.a) + (a.b - b.b) * (a.b - b.b));
}

// Places on the path at equal distances along it.
static void make_colors(struct cli_color *colors)
{
    double length = 0, gone = 0;
    for (int i = 0; i < FINE; i++)
        length += distance(path((double)i / FINE), path((double)(i + 1) / FINE));
    int at = 0;
    for (int i = 0; i < STEPS; i++) {
        while (at < FINE && gone < length * i / (STEPS - 1)) {
            gone += distance(path((double)at / FINE), path((double)(at + 1) / FINE));
            at++;
        }
        double rgb[3];
        to_linear(path((double)at / FINE), rgb);
        colors[i] = (struct cli_color){to_byte(rgb[0]), to_byte(rgb[1]), to_byte(rgb[2])};
    }
}

struct cli_color cli_heatmap_color(double share)
{
    static struct cli_color colors[STEPS];
    static bool made;
    if (!made)
        make_colors(colors);
    made = true;
    return colors[(int)lround(fmax(0, fmin(1, share)) * (STEPS - 1))];
}
