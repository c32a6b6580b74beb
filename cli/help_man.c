// Manual pages in the man(7) macros of roff, from the tables that the help is printed from.
#include "cli/help.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum sqz_status status;
    const char *meaning;
} statuses[] = {
    {SQZ_OK, "done"},
    {SQZ_BELOW_BOUND, "a result is worse than the bound that was asked for"},
    {SQZ_E_USAGE, "wrong usage"},
    {SQZ_E_DATA, "a file does not contain what it should"},
    {SQZ_E_NOINPUT, "a file or directory is missing"},
    {SQZ_E_INTERNAL, "internal error"},
    {SQZ_E_NOMEM, "out of memory"},
    {SQZ_E_CANTWRITE, "a file cannot be created or written"},
    {SQZ_E_IO, "input or output failed"},
    {SQZ_E_STOPPED, "stopped (by a signal, or since a rank was lost), and can be resumed"},
    {SQZ_E_DIVERGED, "training diverged or never started to learn"},
    {SQZ_E_CONFIG, "a bad recipe or option value"},
};

static const struct {
    const char *name, *meaning;
} variables[] = {
    {"SQUEEZENET_THREADS", "the default number of compute threads; otherwise the physical cores"},
    {"SQUEEZENET_CPU", "an upper bound of the SIMD level: ref, avx2, avxvnni, avx512, avx512vnni, "
                       "amx, neon or neondot"},
    {"NO_COLOR", "if it is not empty, the output has no colours"},
    {"XDG_CACHE_HOME", "where fetched weights are kept; otherwise ~/.cache"},
};

// Prints text so that roff shows it as it is. In code every hyphen is a minus, which can be pasted
// into a shell; in prose the hyphen between two letters stays a hyphen.
static void print_text(const char *text, size_t length, bool code)
{
    if (length && (*text == '.' || *text == '\''))
        fputs("\\&", stdout);
    for (size_t i = 0; i < length; i++) {
        bool between = i > 0 && i + 1 < length && isalnum((unsigned char)text[i - 1]) &&
                       isalnum((unsigned char)text[i + 1]);
        switch (text[i]) {
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-':
            fputs(code || !between ? "\\-" : "-", stdout);
            break;
        case '\'':
            fputs("\\(aq", stdout);
            break;
        case '`':
            fputs("\\(ga", stdout);
            break;
        case '^':
            fputs("\\(ha", stdout);
            break;
        case '~':
            fputs("\\(ti", stdout);
            break;
        default:
            putchar(text[i]);
        }
    }
}

static void print_line(const char *text, bool code)
{
    print_text(text, strlen(text), code);
    putchar('\n');
}

static void print_entry(const struct cli_entry *entry)
{
    fputs(".TP\n", stdout);
    if (entry->letter)
        printf("\\fB\\-%c\\fR, ", entry->letter);
    fputs("\\fB\\-\\-", stdout);
    print_text(entry->name, strlen(entry->name), true);
    fputs("\\fR", stdout);
    if (entry->value) {
        fputs(" \\fI", stdout);
        print_text(entry->value, strlen(entry->value), true);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    print_text(entry->help, strlen(entry->help), false);
    if (entry->initial) {
        fputs(" [", stdout);
        print_text(entry->initial, strlen(entry->initial), false);
        putchar(']');
    }
    putchar('\n');
    if (entry->group && entry->words == CLI_WORDS_CHOICES && strcmp(entry->value, "bool") != 0) {
        fputs("One of: ", stdout);
        print_text(entry->choices, strlen(entry->choices), true);
        fputs(".\n", stdout);
    }
}

static void print_options(const struct cli_command *command)
{
    struct cli_entry entry;
    const char *group = NULL;
    fputs(".SH OPTIONS\n", stdout);
    for (int i = 0; cli_entry(command, i, &entry); i++) {
        if (entry.group && !group)
            fputs(".SH OPTIONS OF TRAINING AND VALIDATION\n"
                  "These are keys of a recipe, too. "
                  "The default stands in brackets; a recipe overrides it,\n"
                  "and the command line overrides the recipe.\n",
                  stdout);
        if (entry.group && (!group || strcmp(group, entry.group) != 0)) {
            fputs(".SS ", stdout);
            print_line(entry.group, false);
        }
        group = entry.group;
        print_entry(&entry);
    }
}

// The lines of the details that are indented are examples, the others prose. Prints those of one
// kind; false if there are none.
static bool print_details(const char *details, bool examples)
{
    bool any = false, pause = false;
    while (*details) {
        size_t length = strcspn(details, "\n");
        bool is_example = length > 2 && details[0] == ' ' && details[1] == ' ';
        if (is_example == examples && length) {
            if (examples && !any)
                fputs(".SH EXAMPLES\n.nf\n", stdout);
            if (pause && any && !examples)
                fputs(".PP\n", stdout);
            size_t skip = examples ? 2 : 0;
            print_text(details + skip, length - skip, examples);
            putchar('\n');
            any = true;
            pause = false;
        }
        pause |= length == 0;
        details += length + (details[length] == '\n');
    }
    if (examples && any)
        fputs(".fi\n", stdout);
    return any;
}

static void print_title(const char *name)
{
    fputs(".\\\" Written by \"squeezenet help man\" from the tables of the program.\n"
          ".TH SQUEEZENET",
          stdout);
    for (const char *c = name ? name : ""; *c; c++)
        printf("%s%c", c == name ? "\\-" : "", toupper((unsigned char)*c));
    printf(" 1 %s \"squeezenet %s\" \"User Commands\"\n", SQZ_RELEASE_DATE, sqz_version());
}

static void print_common_end(void)
{
    fputs(".SH EXIT STATUS\n", stdout);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        printf(".TP\n.B %d\n%s\n", (int)statuses[i].status, statuses[i].meaning);
    fputs(".SH ENVIRONMENT\n", stdout);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        printf(".TP\n.B %s\n", variables[i].name);
        print_line(variables[i].meaning, false);
    }
}

static void print_see_also(const struct cli_command *but)
{
    const char *comma = "";
    fputs(".SH SEE ALSO\n", stdout);
    if (but) {
        fputs(".BR squeezenet (1)", stdout);
        comma = " ,\n";
    }
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (c != but) {
            printf("%s.BR squeezenet\\-%s (1)", comma, c->name);
            comma = " ,\n";
        }
    putchar('\n');
}

static void print_program_page(void)
{
    print_title(NULL);
    fputs(".SH NAME\nsqueezenet \\- train, use and look after SqueezeNet image classifiers\n"
          ".SH SYNOPSIS\n.B squeezenet\n.I command\n.RI [ arguments ]\n.br\n"
          ".B squeezenet help\n.RI [ command ]\n.br\n.B squeezenet \\-\\-version\n"
          ".SH DESCRIPTION\n"
          "Trains SqueezeNet image classifiers on directories of images, measures, compresses and\n"
          "converts them, and classifies images with them.\n"
          "Results go to standard output, progress and messages to standard error.\n"
          ".SH COMMANDS\n",
          stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        printf(".TP\n.BR squeezenet\\-%s (1)\n", c->name);
        print_text(c->summary, strlen(c->summary), false);
        if (c->alias)
            printf(" (also: %s)", c->alias);
        putchar('\n');
    }
    fputs(
        ".SH SHELL COMPLETION\n\"squeezenet help completion bash\" prints the completion of bash; "
        "zsh and fish have\none as well.\n",
        stdout);
    print_common_end();
    print_see_also(NULL);
}

void cli_man_page(const struct cli_command *command)
{
    if (!command) {
        print_program_page();
        return;
    }
    print_title(command->name);
    printf(".SH NAME\nsqueezenet\\-%s \\- ", command->name);
    print_line(command->summary, false);
    printf(".SH SYNOPSIS\n.B squeezenet %s\n", command->name);
    print_line(command->usage, true);
    if (command->alias)
        printf(".br\n.B squeezenet %s\n\\&...\n", command->alias);
    fputs(".SH DESCRIPTION\n", stdout);
    print_details(command->details, false);
    print_options(command);
    print_details(command->details, true);
    print_common_end();
    print_see_also(command);
}
