// Completions for bash, zsh and fish, from the tables that the help is printed from.
#include "cli/help.h"
#include <stdio.h>
#include <string.h>

// Prints the text with `\` before each of the characters in `special`; a quote of the shell ends
// the quoted text for a moment where `quote` says how.
static void print_escaped(const char *text, const char *special, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs(quote, stdout);
        else
            printf("%s%c", strchr(special, *text) ? "\\" : "", *text);
    }
}

// The words of the library's choices that may stand in a shell's list; '' is the empty text.
static void print_choices(const char *choices)
{
    const char *word, *space = "";
    size_t length;
    while ((word = cli_next_word(&choices, &length)))
        if (*word != '\'') {
            printf("%s%.*s", space, (int)length, word);
            space = " ";
        }
}

static void print_verbs(const struct cli_command *command)
{
    const char *usage = command->usage, *word, *space = "";
    size_t length;
    while ((word = cli_next_verb(&usage, &length))) {
        printf("%s%.*s", space, (int)length, word);
        space = " ";
    }
}

static bool takes_variant(const struct cli_command *command)
{
    return strstr(command->usage, "VARIANT") != NULL;
}

static void print_variants(const char *space)
{
    const char *name;
    for (int i = 0; (name = sqz_variant_name(i, NULL)); i++)
        printf("%s%s", i ? " " : space, name);
}

// --- bash ---

static void print_bash_values(const struct cli_command *command)
{
    struct cli_entry entry;
    for (int i = 0; cli_entry(command, i, &entry); i++) {
        if (!entry.value)
            continue;
        printf("    '%s --%s'", command->name, entry.name);
        if (entry.letter)
            printf(" | '%s -%c'", command->name, entry.letter);
        switch (entry.words) {
        case CLI_WORDS_FILES:
            puts(") files=-f ;;");
            break;
        case CLI_WORDS_DIRS:
            puts(") files=-d ;;");
            break;
        case CLI_WORDS_CHOICES:
            fputs(") words='", stdout);
            print_choices(entry.choices);
            puts("' ;;");
            break;
        case CLI_WORDS_NONE:
            puts(") return ;;");
        }
    }
}

static void print_bash_options(const struct cli_command *command)
{
    struct cli_entry entry;
    printf("        %s)\n            options='", command->name);
    for (int i = 0; cli_entry(command, i, &entry); i++)
        printf("%s--%s", i ? " " : "", entry.name);
    fputs("'\n            words='", stdout);
    print_verbs(command);
    if (takes_variant(command))
        print_variants("");
    puts("' ;;");
}

static void print_bash(void)
{
    fputs("# bash completion of squeezenet; written by \"squeezenet help completion bash\"\n"
          "_squeezenet()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command=${COMP_WORDS[1]-} words='' files='' options=''\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W 'help --help --version",
          stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf(" %s", c->name);
    fputs("' -- \"$current\")\n        return\n    fi\n    case $command in\n", stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (c->alias)
            printf("    %s) command=%s ;;\n", c->alias, c->name);
    fputs("    esac\n    case \"$command $previous\" in\n", stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        print_bash_values(c);
    fputs(
        "    *)\n        files=-f\n        case $command in\n        help)\n            files=''\n"
        "            words='",
        stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("%s%s", c == cli_commands ? "" : " ", c->name);
    puts("' ;;");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        print_bash_options(c);
    fputs("        esac\n"
          "        if [[ $current == -* ]]; then\n"
          "            words=$options files=''\n"
          "        fi\n"
          "        ;;\n"
          "    esac\n"
          "    [ -z \"$files\" ] || mapfile -t COMPREPLY < <(compgen \"$files\" -- \"$current\")\n"
          "    [ -z \"$words\" ] ||\n"
          "        mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"$words\" -- "
          "\"$current\")\n"
          "}\n"
          "complete -o filenames -F _squeezenet squeezenet\n",
          stdout);
}

// --- zsh ---

static void print_zsh_entry(const struct cli_entry *entry)
{
    fputs(" \\\n            ", stdout);
    if (entry->letter)
        printf("'(-%c --%s)'{-%c,--%s}", entry->letter, entry->name, entry->letter, entry->name);
    else
        printf("--%s", entry->name);
    fputs("'[", stdout);
    print_escaped(entry->help, "[]:\\", "'\\''");
    putchar(']');
    if (entry->value)
        printf(":%s:", entry->value);
    if (entry->words == CLI_WORDS_FILES)
        fputs("_files", stdout);
    if (entry->words == CLI_WORDS_DIRS)
        fputs("_files -/", stdout);
    if (entry->words == CLI_WORDS_CHOICES) {
        putchar('(');
        print_choices(entry->choices);
        putchar(')');
    }
    putchar('\'');
}

static void print_zsh(void)
{
    fputs("#compdef squeezenet\n"
          "# zsh completion of squeezenet; written by \"squeezenet help completion zsh\"\n"
          "_squeezenet() {\n    local -a commands\n    commands=(\n",
          stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        printf("        '%s:", c->name);
        print_escaped(c->summary, ":\\", "'\\''");
        puts("'");
    }
    fputs("        'help:explain a command'\n    )\n"
          "    if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then\n"
          "        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
          "    case $command in\n",
          stdout);
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        struct cli_entry entry;
        printf("    %s%s%s)\n        _arguments", c->name, c->alias ? "|" : "",
               c->alias ? c->alias : "");
        for (int i = 0; cli_entry(c, i, &entry); i++)
            print_zsh_entry(&entry);
        const char *usage = c->usage;
        size_t length;
        if (cli_next_verb(&usage, &length)) {
            fputs(" \\\n            '1:action:(", stdout);
            print_verbs(c);
            fputs(")'", stdout);
        }
        if (takes_variant(c)) {
            fputs(" \\\n            '1:model or variant:{ compadd ", stdout);
            print_variants("");
            fputs("; _files }'", stdout);
        }
        fputs(" \\\n            '*:file:_files'\n        ;;\n", stdout);
    }
    fputs("    esac\n}\n_squeezenet \"$@\"\n", stdout);
}

// --- fish ---

static void print_fish_entry(const struct cli_command *command, const struct cli_entry *entry)
{
    printf("complete -c squeezenet -n '__fish_seen_subcommand_from %s%s%s' -l %s", command->name,
           command->alias ? " " : "", command->alias ? command->alias : "", entry->name);
    if (entry->letter)
        printf(" -s %c", entry->letter);
    if (entry->words == CLI_WORDS_CHOICES) {
        fputs(" -x -a '", stdout);
        print_choices(entry->choices);
        putchar('\'');
    } else if (entry->words == CLI_WORDS_DIRS) {
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
    } else if (entry->words == CLI_WORDS_FILES) {
        fputs(" -r -F", stdout);
    } else if (entry->value) {
        fputs(" -x", stdout);
    }
    fputs(" -d '", stdout);
    print_escaped(entry->help, "\\", "\\'");
    puts("'");
}

static void print_fish(void)
{
    puts("# fish completion of squeezenet; written by \"squeezenet help completion fish\"");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        printf("complete -c squeezenet -n __fish_use_subcommand -f -a %s -d '", c->name);
        print_escaped(c->summary, "\\", "\\'");
        printf("'\ncomplete -c squeezenet -n '__fish_seen_subcommand_from help' -f -a %s\n",
               c->name);
    }
    puts("complete -c squeezenet -n __fish_use_subcommand -f -a help -d 'explain a command'\n"
         "complete -c squeezenet -n __fish_use_subcommand -l version -d 'print the version'");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        struct cli_entry entry;
        for (int i = 0; cli_entry(c, i, &entry); i++)
            print_fish_entry(c, &entry);
        const char *usage = c->usage;
        size_t length;
        if (cli_next_verb(&usage, &length) || takes_variant(c)) {
            printf("complete -c squeezenet -n '__fish_seen_subcommand_from %s' -a '", c->name);
            print_verbs(c);
            if (takes_variant(c))
                print_variants("");
            puts("'");
        }
    }
}

enum sqz_status cli_completion(const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print();
            return SQZ_OK;
        }
    return cli_complain(SQZ_E_USAGE,
                        "There are completions for bash, zsh and fish, not for \"%s\".",
                        cli_clean(shell));
}
