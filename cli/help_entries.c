// One list of a command's options, from its own table, the common flags and the library's options.
#include "cli/help.h"
#include <ctype.h>
#include <string.h>

static enum cli_words words_of_flag(const struct cli_flag *flag)
{
    if (!flag->value)
        return CLI_WORDS_NONE;
    if (strcmp(flag->value, "DIR") == 0)
        return CLI_WORDS_DIRS;
    if (strcmp(flag->value, "FILE") == 0 || strcmp(flag->value, "MODEL") == 0)
        return CLI_WORDS_FILES;
    return CLI_WORDS_NONE;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void fill_from_option(const struct sqz_option_info *info, struct cli_entry *out)
{
    bool is_bool = strcmp(info->type, "bool") == 0;
    *out = (struct cli_entry){.name = info->name,
                              .value = info->type,
                              .help = info->help,
                              .choices = is_bool ? "true false" : info->choices,
                              .initial = info->fallback,
                              .group = info->group};
    if (out->choices && *out->choices)
        out->words = CLI_WORDS_CHOICES;
    else if (ends_with(info->name, "_dir"))
        out->words = CLI_WORDS_DIRS;
    else if (strcmp(info->type, "text") == 0)
        out->words = CLI_WORDS_FILES;
}

bool cli_entry(const struct cli_command *command, int index, struct cli_entry *out)
{
    enum { TABLES = 2 };
    const struct cli_flag *tables[TABLES] = {command->flags, cli_common_flags};
    for (int t = 0; t < TABLES; t++)
        for (const struct cli_flag *flag = tables[t]; flag->name; flag++)
            if (index-- == 0) {
                *out = (struct cli_entry){.name = flag->name,
                                          .letter = flag->letter,
                                          .value = flag->value,
                                          .help = flag->help,
                                          .words = words_of_flag(flag)};
                return true;
            }
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    if (!command->library_options || !sqz_option_info(index, &info))
        return false;
    fill_from_option(&info, out);
    return true;
}

const char *cli_next_word(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, " ");
    *length = strcspn(word, " ");
    *at = word + *length;
    return *length ? word : NULL;
}

const char *cli_next_verb(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, " |");
    if (!islower((unsigned char)*word))
        return NULL;
    *length = strcspn(word, " |");
    *at = word + strcspn(word, "|");
    return word;
}
