// The command line: flags of the command, options of the library, help made from the same tables.
#include "cli/cli.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const struct cli_flag cli_common_flags[] = {
    {"json", 0, NULL, "print one JSON object instead of text"},
    {"quiet", 'q', NULL, "only results and errors"},
    {"verbose", 'v', NULL, "say more"},
    {"no-color", 0, NULL, "no colours (also: NO_COLOR in the environment)"},
    {"help", 'h', NULL, "this text"},
    {NULL, 0, NULL, NULL},
};
enum { COMMON_JSON, COMMON_QUIET, COMMON_VERBOSE, COMMON_NO_COLOR, COMMON_HELP, COMMON_COUNT };

void cli_nearest_try(struct cli_nearest *nearest, const char *candidate)
{
    int distance = sqz_edit_distance(nearest->word, candidate);
    size_t length = strlen(nearest->word);
    // The one of the same length wins among equally near ones: modle is model, not mode.
    bool same_length = strlen(candidate) == length && distance == nearest->distance;
    if (distance <= 1 + (int)length / 4 &&
        (!nearest->best || distance < nearest->distance || same_length)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}

static int find_flag(const struct cli_flag *flags, const char *name, size_t length)
{
    for (int i = 0; flags[i].name; i++)
        if ((strlen(flags[i].name) == length && strncmp(flags[i].name, name, length) == 0))
            return i;
    return -1;
}

static int find_letter(const struct cli_flag *flags, char letter)
{
    for (int i = 0; flags[i].name; i++)
        if (flags[i].letter == letter)
            return i;
    return -1;
}

static bool find_option(const char *name, size_t length, struct sqz_option_info *out)
{
    for (int i = 0; sqz_option_info(i, out); i++)
        if (strlen(out->name) == length && strncmp(out->name, name, length) == 0)
            return true;
    return false;
}

// The command's name for what other programs call `word`, NULL if it has none.
static const char *find_synonym(const struct cli_command *command, const char *word)
{
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    const char *name;
    for (int i = 0; (name = sqz_option_synonym(word, i)); i++)
        if (find_flag(command->flags, name, strlen(name)) >= 0 ||
            (command->library_options && find_option(name, strlen(name), &info)))
            return name;
    return NULL;
}

static enum sqz_status unknown_option(const struct cli *cli, const char *typed, size_t length)
{
    char name[64];
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    struct cli_nearest nearest = {.word = name};
    snprintf(name, sizeof name, "%.*s", (int)length, typed);
    const char *synonym = find_synonym(cli->command, name);
    for (const struct cli_flag *f = cli->command->flags; f->name; f++)
        cli_nearest_try(&nearest, f->name);
    for (const struct cli_flag *f = cli_common_flags; f->name; f++)
        cli_nearest_try(&nearest, f->name);
    for (int i = 0; cli->command->library_options && sqz_option_info(i, &info); i++)
        cli_nearest_try(&nearest, info.name);
    if (synonym || nearest.best)
        return cli_complain(SQZ_E_USAGE, "There is no option --%s; did you mean --%s?",
                            cli_clean(name), synonym ? synonym : nearest.best);
    return cli_complain(SQZ_E_USAGE,
                        "There is no option --%s; \"squeezenet %s --help\" lists them.",
                        cli_clean(name), cli->command->name);
}

static bool is_boolean_word(const char *word)
{
    static const char *const words[] = {"true", "false", "yes", "no", "1", "0"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(word, words[i]) == 0)
            return true;
    return false;
}

// Appends to cli->words, which has room for every word of the command line.
static enum sqz_status add_word(struct cli *cli, const char *before, const char *word,
                                const char *equals, const char *value)
{
    size_t size = strlen(before) + strlen(word) + strlen(equals) + strlen(value) + 1;
    char *copy = malloc(size);
    if (!copy)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    snprintf(copy, size, "%s%s%s%s", before, word, equals, value);
    cli->words[cli->n_words++] = copy;
    return SQZ_OK;
}

static enum sqz_status add_positional(struct cli *cli, const char *word)
{
    cli->positional[cli->n_positional++] = word;
    return add_word(cli, word[0] == '-' || word[0] == ':' ? "./" : "", word, "", "");
}

static void set_common(struct cli *cli, int flag, bool *help)
{
    switch (flag) {
    case COMMON_JSON:
        cli->json = true;
        break;
    case COMMON_QUIET:
        cli->quiet = true;
        break;
    case COMMON_VERBOSE:
        cli->verbose = true;
        break;
    case COMMON_NO_COLOR:
        cli->color = false;
        break;
    case COMMON_HELP:
        *help = true;
        break;
    }
}

// Sets a flag of the command (`flag` >= 0) or a common one; `value` is what stood after it in the
// same word (NULL: nothing), `typed` how it was written. *at moves on when the value is the next
// word.
static enum sqz_status set_flag(struct cli *cli, int flag, int common, const char *typed,
                                const char *value, int argc, char **argv, int *at, bool *help)
{
    const struct cli_flag *found =
        flag >= 0 ? &cli->command->flags[flag] : &cli_common_flags[common];
    if (!found->value && value)
        return cli_complain(SQZ_E_USAGE, "%s takes no value.", typed);
    if (found->value && !value) {
        if (*at + 1 >= argc)
            return cli_complain(SQZ_E_USAGE, "%s needs a value (%s).", typed, found->value);
        value = argv[++*at];
    }
    if (flag >= 0)
        cli->values[flag] = value ? value : "";
    else
        set_common(cli, common, help);
    return add_word(cli, "--", found->name, value ? "=" : "", value ? value : "");
}

// A word that begins with "--": a flag, or an option of the library.
static enum sqz_status parse_long(struct cli *cli, int argc, char **argv, int *at, bool *help)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const char *value = equals ? equals + 1 : NULL;
    char typed[64];
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    int flag = find_flag(cli->command->flags, name, length);
    int common = find_flag(cli_common_flags, name, length);
    snprintf(typed, sizeof typed, "--%.*s", (int)(length < 48 ? length : 48), name);
    if (flag >= 0 || common >= 0)
        return set_flag(cli, flag, common, typed, value, argc, argv, at, help);
    if (!cli->command->library_options || !find_option(name, length, &info))
        return unknown_option(cli, name, length);
    if (!value && strcmp(info.type, "bool") == 0)
        value = *at + 1 < argc && is_boolean_word(argv[*at + 1]) ? argv[++*at] : "true";
    if (!value) {
        if (*at + 1 >= argc)
            return cli_complain(SQZ_E_USAGE, "%s needs a value (%s).", typed, info.type);
        value = argv[++*at];
    }
    struct sqz_error err = {0};
    if (sqz_options_put(cli->options, info.name, value, &err))
        return cli_fail(&err);
    return add_word(cli, "--", info.name, "=", value);
}

static enum sqz_status parse_letter(struct cli *cli, int argc, char **argv, int *at, bool *help)
{
    const char *word = argv[*at];
    const char typed[] = {'-', word[1], 0};
    int flag = find_letter(cli->command->flags, word[1]);
    int common = find_letter(cli_common_flags, word[1]);
    if (flag < 0 && common < 0)
        return cli_complain(SQZ_E_USAGE,
                            "There is no option %s; \"squeezenet %s --help\" lists them.",
                            cli_clean(word), cli->command->name);
    return set_flag(cli, flag, common, typed, word[2] ? word + 2 : NULL, argc, argv, at, help);
}

enum sqz_status cli_parse(struct cli *cli, int argc, char **argv, bool *help)
{
    const struct cli_command *command = cli->command;
    struct sqz_error err = {0};
    bool only_positional = false;
    cli->stderr_is_terminal = isatty(STDERR_FILENO);
    cli->color = isatty(STDOUT_FILENO) && (!getenv("NO_COLOR") || !*getenv("NO_COLOR"));
    cli->positional = calloc((size_t)argc + 1, sizeof *cli->positional);
    cli->words = calloc((size_t)argc + 1, sizeof *cli->words);
    if (!cli->positional || !cli->words)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    if (command->library_options && sqz_options_new(&cli->options, &err))
        return cli_fail(&err);
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        enum sqz_status status = SQZ_OK;
        if (!only_positional && strcmp(word, "--") == 0)
            only_positional = true;
        else if (!only_positional && word[0] == '-' && word[1] == '-')
            status = parse_long(cli, argc, argv, &at, help);
        else if (!only_positional && word[0] == '-' && word[1])
            status = parse_letter(cli, argc, argv, &at, help);
        else
            status = add_positional(cli, word);
        if (status)
            return status;
    }
    if (*help)
        return SQZ_OK;
    if (cli->n_positional < command->min_positional || cli->n_positional > command->max_positional)
        return cli_complain(SQZ_E_USAGE, "%s Usage: squeezenet %s %s",
                            cli->n_positional < command->min_positional
                                ? "Something is missing."
                                : "That is one word too many.",
                            command->name, command->usage);
    return cli_integer(cli, "threads", 0, 0, 1024, &cli->threads);
}

void cli_release(struct cli *cli)
{
    for (int i = 0; i < cli->n_words; i++)
        free(cli->words[i]);
    free(cli->words);
    free(cli->positional);
    sqz_options_free(cli->options);
}

const char *cli_value(const struct cli *cli, const char *flag)
{
    int index = find_flag(cli->command->flags, flag, strlen(flag));
    return index < 0 ? NULL : cli->values[index];
}

bool cli_has(const struct cli *cli, const char *flag)
{
    return cli_value(cli, flag) != NULL;
}

enum sqz_status cli_on_bad(const struct cli *cli, bool *skip)
{
    const char *text = cli_value(cli, "on_bad");
    *skip = text && strcmp(text, "skip") == 0;
    return !text || *skip || strcmp(text, "stop") == 0
               ? SQZ_OK
               : cli_complain(SQZ_E_USAGE, "--on_bad is stop or skip, not \"%s\".",
                              cli_clean(text));
}

enum sqz_status cli_integer(const struct cli *cli, const char *flag, int fallback, int low,
                            int high, int *out)
{
    const char *text = cli_value(cli, flag);
    char *end = NULL;
    *out = fallback;
    if (!text)
        return SQZ_OK;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < low || value > high)
        return cli_complain(SQZ_E_USAGE, "--%s must be a whole number from %d to %d, not \"%s\".",
                            flag, low, high, cli_clean(text));
    *out = (int)value;
    return SQZ_OK;
}

enum sqz_status cli_number(const struct cli *cli, const char *flag, double fallback, double *out)
{
    const char *text = cli_value(cli, flag);
    char *end = NULL;
    *out = fallback;
    if (!text)
        return SQZ_OK;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return cli_complain(SQZ_E_USAGE, "--%s must be a number, not \"%s\".", flag,
                            cli_clean(text));
    return SQZ_OK;
}
