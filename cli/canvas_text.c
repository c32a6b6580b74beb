// Text made of strokes, so that no font is needed.
#include "cli/canvas.h"
#include <math.h>
#include <string.h>

// Characters ' ' to '~'. A stroke is a chain of points, each two digits: x from the left, 0 to 4,
// and y from the top of the capitals (0), whose feet are at 6. Strokes are separated by blanks; one
// of two equal points is a dot.
static const char *const strokes[] = {"",
                                      "2024 2626",
                                      "1012 3032",
                                      "1016 3036 0242 0444",
                                      "413010010213334445361605 2026",
                                      "0640 0010110100 3545463635",
                                      "461211203122130405162644",
                                      "2022",
                                      "30212536",
                                      "10212516",
                                      "2125 0244 0442",
                                      "2125 0343",
                                      "2627",
                                      "1333",
                                      "2626",
                                      "0640",
                                      "103041453616050110",
                                      "112026 1636",
                                      "01103041420646",
                                      "01103041423313 334445361605",
                                      "36300444",
                                      "400002324345361605",
                                      "413010010516364544331304",
                                      "004016",
                                      "1302011030414233 130405163645443313",
                                      "051636454130100102133342",
                                      "2222 2626",
                                      "2222 2627",
                                      "410345",
                                      "0242 0444",
                                      "014305",
                                      "01103041422324 2626",
                                      "46160501103041443424223241",
                                      "062046 1434",
                                      "00063645443303 0030414233",
                                      "4130100105163645",
                                      "00062644422000",
                                      "40000646 0333",
                                      "400006 0333",
                                      "41301001051636454323",
                                      "0006 4046 0343",
                                      "1030 2026 1636",
                                      "4045361605",
                                      "0006 4004 1346",
                                      "000646",
                                      "0600234046",
                                      "06004640",
                                      "103041453616050110",
                                      "060030414233 3303",
                                      "103041453616050110 2546",
                                      "060030414233 3303 2346",
                                      "413010010213334445361605",
                                      "0040 2026",
                                      "000516364540",
                                      "002640",
                                      "0016233640",
                                      "0046 4006",
                                      "002340 2326",
                                      "00400646",
                                      "30202636",
                                      "0046",
                                      "10202616",
                                      "022042",
                                      "0747",
                                      "1021",
                                      "4246 4332120305163645",
                                      "0006 0312324345361605",
                                      "4332120305163645",
                                      "4046 4332120305163645",
                                      "04444332120305163645",
                                      "40302126 0232",
                                      "4247381807 4332120305163645",
                                      "0006 0312324346",
                                      "2226 2020",
                                      "22271807 2020",
                                      "0006 4204 2346",
                                      "2026",
                                      "0206 03122326 23324346",
                                      "0206 0312324346",
                                      "123243453616050312",
                                      "0208 0312324345361605",
                                      "4248 4332120305163645",
                                      "0206 031232",
                                      "43321203143445361605",
                                      "20253646 0242",
                                      "0205163645 4246",
                                      "022642",
                                      "0216243642",
                                      "0246 4206",
                                      "0226 42261808",
                                      "02420646",
                                      "30212213242536",
                                      "2008",
                                      "10212233242516",
                                      "04133443"};

static const char *strokes_of(char c)
{
    int index = c - ' ', n = (int)(sizeof strokes / sizeof *strokes);
    return strokes[index >= 0 && index < n ? index : '?' - ' '];
}

// From the leftmost to the rightmost point; a blank has a width, too.
static void extent(const char *glyph, int *left, int *right)
{
    *left = *glyph ? 9 : 0;
    *right = *glyph ? 0 : 1;
    for (const char *at = glyph; *at; at += *at == ' ' ? 1 : 2)
        if (*at != ' ') {
            *left = *at - '0' < *left ? *at - '0' : *left;
            *right = *at - '0' > *right ? *at - '0' : *right;
        }
}

static double advance(const char *glyph, double unit)
{
    int left, right;
    extent(glyph, &left, &right);
    return (right - left + 2.1) * unit;
}

// How far a point is from a segment.
static double distance(double x, double y, double ax, double ay, double bx, double by)
{
    double dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
    double t = square > 0 ? ((x - ax) * dx + (y - ay) * dy) / square : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return hypot(x - ax - t * dx, y - ay - t * dy);
}

static void draw_segment(struct cli_canvas *canvas, double ax, double ay, double bx, double by,
                         double radius, struct cli_color color)
{
    int left = (int)floor(fmin(ax, bx) - radius - 1), right = (int)ceil(fmax(ax, bx) + radius + 1);
    int top = (int)floor(fmin(ay, by) - radius - 1), low = (int)ceil(fmax(ay, by) + radius + 1);
    for (int y = top < 0 ? 0 : top; y <= low && y < canvas->h; y++)
        for (int x = left < 0 ? 0 : left; x <= right && x < canvas->w; x++) {
            double cover = radius + 0.5 - distance(x + 0.5, y + 0.5, ax, ay, bx, by);
            cover = cover < 0 ? 0 : cover > 1 ? 1 : cover;
            const uint8_t *p = canvas->rgb + ((size_t)y * (size_t)canvas->w + (size_t)x) * 3;
            struct cli_color mixed = {(uint8_t)lround(p[0] + cover * (color.r - p[0])),
                                      (uint8_t)lround(p[1] + cover * (color.g - p[1])),
                                      (uint8_t)lround(p[2] + cover * (color.b - p[2]))};
            cli_canvas_set(canvas, x, y, mixed);
        }
}

static void draw_glyph(struct cli_canvas *canvas, double x, double y, double unit,
                       struct cli_color color, const char *glyph)
{
    int left, right;
    extent(glyph, &left, &right);
    double radius = 0.42 * unit, from_x = 0, from_y = 0;
    bool begins = true;
    for (const char *at = glyph; *at; at += *at == ' ' ? 1 : 2) {
        if (*at == ' ') {
            begins = true;
            continue;
        }
        double to_x = x + (at[0] - '0' - left + 0.5) * unit, to_y = y + (at[1] - '0') * unit;
        if (!begins)
            draw_segment(canvas, from_x, from_y, to_x, to_y, radius, color);
        from_x = to_x;
        from_y = to_y;
        begins = false;
    }
}

// Steps over the bytes of a character that is not ASCII; it is drawn once.
static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

double cli_canvas_text_width(double size, const char *text)
{
    double width = 0;
    for (; *text; text++)
        if (!continues(*text))
            width += advance(strokes_of(*text), size / 6);
    return width;
}

void cli_canvas_text(struct cli_canvas *canvas, double x, double y, double size,
                     struct cli_color color, double room, const char *text)
{
    double unit = size / 6, dots = cli_canvas_text_width(size, "..."), end = x + room;
    bool cut = room > 0 && cli_canvas_text_width(size, text) > room;
    for (; *text; text++) {
        const char *glyph = strokes_of(*text);
        if (continues(*text))
            continue;
        if (cut && x + advance(glyph, unit) + dots > end) {
            cut = false;
            text = "...";
            glyph = strokes_of('.');
        }
        draw_glyph(canvas, x, y, unit, color, glyph);
        x += advance(glyph, unit);
    }
}
