// What a person sees: sentences, progress, images made of characters.
#include "cli/cli.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool quiet, verbose, is_terminal, line_shown;
    double last_plain; // when the last plain progress line was printed
} screen;

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_events_end(void)
{
    if (screen.line_shown)
        fputs("\r\033[K", stderr);
    screen.line_shown = false;
}

// Formats, makes what names have brought along harmless, and prints a line on stderr.
static void print_line(const char *before, const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    fprintf(stderr, "%s%s\n", before, text ? cli_clean(text) : format);
    free(text);
}

enum sqz_status cli_complain(enum sqz_status status, const char *format, ...)
{
    va_list args;
    cli_events_end();
    va_start(args, format);
    print_line("squeezenet: ", format, args);
    va_end(args);
    return status;
}

enum sqz_status cli_fail(const struct sqz_error *err)
{
    return cli_complain(err->status, "%s", err->text);
}

void cli_next(const struct cli *cli, const char *format, ...)
{
    static const char name[] = "squeezenet";
    char before[4200] = "\nnext: ";
    va_list args;
    if (cli->quiet || cli->json)
        return;
    fflush(stdout); // the result comes first
    if (strncmp(format, name, sizeof name - 1) ==
        0) { // as it was called: it may not be on the PATH
        format += sizeof name - 1;
        snprintf(before, sizeof before, "\nnext: %s", cli_clean(cli->program));
    }
    va_start(args, format);
    print_line(before, format, args);
    va_end(args);
}

static const char *escape(enum sqz_text_target target, const char *text)
{
    static char buffers[4][8400];
    static int turn;
    char *out = buffers[turn++ % 4];
    sqz_text_escape(target, text, out, sizeof buffers[0]);
    return out;
}

const char *cli_clean(const char *text)
{
    return escape(SQZ_TEXT_LINE, text);
}

void cli_print_lines(const char *text)
{
    char line[8200];
    while (*text) {
        size_t length = strcspn(text, "\n"), part = length < sizeof line ? length : sizeof line - 1;
        snprintf(line, sizeof line, "%.*s", (int)part, text);
        fputs(cli_clean(line), stdout);
        text += part;
        if (*text == '\n')
            putchar(*text++);
    }
}

static void print_duration(char *text, size_t size, double seconds)
{
    int s = (int)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, size, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%d:%02d", s / 60, s % 60);
}

static int screen_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

static void describe_progress(const struct sqz_event *e, char *text, size_t size)
{
    int n = 0;
    char left[32];
    text[0] = 0;
#define ADD(...) (n += snprintf(text + n, (size_t)n < size ? size - (size_t)n : 0, __VA_ARGS__))
    if (e->epochs)
        ADD("epoch %d/%d  ", e->epoch, e->epochs);
    ADD("%s %lld", e->text, (long long)e->step);
    if (e->steps)
        ADD("/%lld", (long long)e->steps);
    if (!isnan(e->loss))
        ADD("  loss %.4f", e->loss);
    if (!isnan(e->items_per_second))
        ADD("  %.*f images/s", e->items_per_second < 100 ? 1 : 0, e->items_per_second);
    if (!isnan(e->seconds_left)) {
        print_duration(left, sizeof left, e->seconds_left);
        ADD("  %s left", left);
    }
#undef ADD
}

static void draw_bar(const struct sqz_event *e)
{
    enum { WIDTH = 20 };
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    char text[256], bar[WIDTH * 4 + 1] = "";
    int filled = e->steps > 0 ? (int)(8 * WIDTH * e->step / e->steps) : 0;
    describe_progress(e, text, sizeof text);
    for (int i = 0; i < WIDTH; i++)
        strcat(bar, filled >= 8 * (i + 1) ? "█" : filled > 8 * i ? eighths[filled - 8 * i] : " ");
    int room = screen_columns() - (e->steps ? WIDTH + 5 : 2);
    if (e->steps)
        fprintf(stderr, "\r\033[K▕%s▏ %.*s", bar, room > 0 ? room : 0, text);
    else // nobody knows how many there will be
        fprintf(stderr, "\r\033[K%.*s", room, text);
    fflush(stderr);
    screen.line_shown = true;
}

static void show_event(void *arg, const struct sqz_event *event)
{
    enum { PLAIN_INTERVAL = 30 }; // seconds between progress lines where there is no terminal
    char text[256];
    (void)arg;
    if (event->kind == SQZ_EVENT_WARNING) {
        cli_events_end();
        fprintf(stderr, "warning: %s\n", escape(SQZ_TEXT_PARAGRAPH, event->text));
        return;
    }
    if (screen.quiet)
        return;
    if (event->kind != SQZ_EVENT_PROGRESS) {
        cli_events_end();
        fprintf(stderr, "%s\n", escape(SQZ_TEXT_PARAGRAPH, event->text));
    } else if (screen.is_terminal) {
        draw_bar(event);
    } else if (cli_seconds() - screen.last_plain >= PLAIN_INTERVAL) {
        describe_progress(event, text, sizeof text);
        fprintf(stderr, "%s\n", text);
        screen.last_plain = cli_seconds();
    }
}

void cli_progress(const struct sqz_event *event)
{
    show_event(NULL, event);
}

void cli_show_events(const struct cli *cli, struct sqz_context *context)
{
    screen.quiet = cli->quiet;
    screen.verbose = cli->verbose;
    screen.is_terminal = cli->stderr_is_terminal;
    screen.last_plain = cli_seconds();
    sqz_context_on_event(context, show_event, NULL);
}

void cli_draw_row(const struct cli *cli, const uint8_t *rgb, int w, int h, int row)
{
    static const char ramp[] = " .:-=+*#%@";
    for (int x = 0; x < w; x++) {
        const uint8_t *top = row * 2 < h ? rgb + ((row * 2) * w + x) * 3 : NULL;
        const uint8_t *low = row * 2 + 1 < h ? rgb + ((row * 2 + 1) * w + x) * 3 : top;
        if (!top) {
            putchar(' ');
        } else if (cli->color) {
            printf("\033[38;2;%d;%d;%dm\033[48;2;%d;%d;%dm▀", top[0], top[1], top[2], low[0],
                   low[1], low[2]);
        } else {
            int gray =
                (299 * (top[0] + low[0]) + 587 * (top[1] + low[1]) + 114 * (top[2] + low[2])) /
                2000;
            putchar(ramp[gray * 9 / 255]);
        }
    }
    if (cli->color)
        fputs("\033[0m", stdout);
}
