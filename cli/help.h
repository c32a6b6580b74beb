// What the help, the manual pages and the completions of the shells are made from: one list of the
// options of a command, whichever table they come from.
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

// Where the words that may follow an option come from.
enum cli_words { CLI_WORDS_NONE, CLI_WORDS_FILES, CLI_WORDS_DIRS, CLI_WORDS_CHOICES };

struct cli_entry {
    const char *name;
    char letter;         // 0: none
    const char *value;   // "FILE", "int"; NULL for a switch
    const char *help;    // one line
    const char *choices; // "a b c", or NULL
    const char *initial; // default of an option of the library, else NULL
    const char *group;   // heading of an option of the library, else NULL
    enum cli_words words;
};
// The option at `index`: the command's flags, then the common ones, then the library's options;
// false past the end.
bool cli_entry(const struct cli_command *command, int index, struct cli_entry *out);

// The first word of the text that `*at` stands in, and its length; moves *at after it. NULL at the
// end. Words are separated by blanks.
const char *cli_next_word(const char **at, size_t *length);

// The subcommands of a command ("check", "pack" of data), one after another from its usage.
const char *cli_next_verb(const char **at, size_t *length);

// --- help_man.c ---

// Prints the manual page of a command, or squeezenet(1) for NULL.
void cli_man_page(const struct cli_command *command);

// --- help_completion.c ---

// Prints the completion of "bash", "zsh" or "fish"; SQZ_E_USAGE for another shell.
enum sqz_status cli_completion(const char *shell);

#endif
