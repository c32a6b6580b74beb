// What the subcommands share: the parsed command line, the terminal, and exit statuses.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <squeezenet_train.h>
#include <stdbool.h>

// One flag of a command. `name` without dashes; a flag without `value` is a switch.
struct cli_flag {
    const char *name;
    char letter;       // 0: none
    const char *value; // "FILE", or NULL
    const char *help;
};

enum { CLI_MAX_FLAGS = 32 };

struct cli {
    const struct cli_command *command;
    const char *values[CLI_MAX_FLAGS]; // by position in the command's flags; "" for a switch
    const char **positional;
    int n_positional;
    // What was typed after the subcommand, in a form that mpirun cannot take for its own: an option
    // is one word, --name=value, and no path begins with '-' or ':'. Owned.
    char **words;
    int n_words;
    struct sqz_options *options; // commands with library_options: what was typed; else NULL
    // common flags
    bool json, quiet, verbose, color;
    int threads;
    bool stderr_is_terminal;
    const char *program; // as it was called
};

struct cli_command {
    const char *name, *alias; // alias may be NULL
    const char *summary;      // one line of `squeezenet help`
    const char *usage;        // what follows "squeezenet NAME"
    const char
        *details; // paragraphs of `squeezenet help NAME`: what it does, two or three examples
    const struct cli_flag *flags; // ended by a NULL name
    bool library_options;         // takes every option of the library's table, too
    int min_positional, max_positional;
    enum sqz_status (*run)(struct cli *cli);
};

// commands.c: the one table of subcommands, ended by a NULL name.
extern const struct cli_command cli_commands[];
// args.c: the flags that every command has.
extern const struct cli_flag cli_common_flags[];

// --- args.c ---

// Fills *cli from argv (after the subcommand). Complains on stderr and returns SQZ_E_USAGE, or the
// status of an option's bad value. *help is set when --help was typed.
enum sqz_status cli_parse(struct cli *cli, int argc, char **argv, bool *help);
void cli_release(struct cli *cli);
const char *cli_value(const struct cli *cli, const char *flag); // NULL if not given
bool cli_has(const struct cli *cli, const char *flag);
// --on_bad stop or skip; stop where it is not given.
enum sqz_status cli_on_bad(const struct cli *cli, bool *skip);
// The flag's whole number (or `fallback`), within [low, high]; SQZ_E_USAGE with a sentence
// otherwise.
enum sqz_status cli_integer(const struct cli *cli, const char *flag, int fallback, int low,
                            int high, int *out);
enum sqz_status cli_number(const struct cli *cli, const char *flag, double fallback, double *out);
// The candidate nearest to `word` when it is near enough to suggest, else NULL.
struct cli_nearest {
    const char *word, *best;
    int distance;
};
void cli_nearest_try(struct cli_nearest *nearest, const char *candidate);

// --- help_text.c, help_options.c ---

void cli_help(void);
void cli_options_page(void); // docs/options.md
void cli_command_help(const struct cli_command *command);

// --- context.c ---

// With the threads, the precision and the memory that the flags ask for. Shows its events.
enum sqz_status cli_context(const struct cli *cli, struct sqz_context **out);

// --- terminal.c ---

// Prints "squeezenet: <sentence>" on stderr and returns the status.
enum sqz_status cli_complain(enum sqz_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum sqz_status cli_fail(const struct sqz_error *err); // complains with err's text and status
void cli_next(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2,
                          3))); // the next sensible command, on stderr, unless quiet or --json
void cli_show_events(const struct cli *cli, struct sqz_context *context); // from now on
// Shows how far a command's own work is. `steps` of the event may be 0: not known.
void cli_progress(const struct sqz_event *event);
double cli_seconds(void);  // monotonic
void cli_events_end(void); // clears a progress line that is still shown
// A name from outside, made harmless for a line of a terminal. One of four static buffers.
const char *cli_clean(const char *text);
// Text of several lines, each made harmless, on stdout.
void cli_print_lines(const char *text);
// The image as half-block characters, one line of text per two rows of pixels.
void cli_draw_row(const struct cli *cli, const uint8_t *rgb, int w, int h, int row);

#endif
