// squeezenet help: the list of the commands, and what each of them takes.
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

static void print_flags(const struct cli_flag *flags)
{
    for (const struct cli_flag *f = flags; f->name; f++) {
        char left[64];
        if (f->letter)
            snprintf(left, sizeof left, "-%c, --%s%s%s", f->letter, f->name, f->value ? " " : "",
                     f->value ? f->value : "");
        else
            snprintf(left, sizeof left, "    --%s%s%s", f->name, f->value ? " " : "",
                     f->value ? f->value : "");
        printf("  %-30s %s\n", left, f->help);
    }
}

void cli_help(void)
{
    printf("squeezenet %s: train, use and look after SqueezeNet image classifiers\n\n"
           "usage: squeezenet COMMAND ...\n\n",
           sqz_version());
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char names[40];
        snprintf(names, sizeof names, "%s%s%s", c->name, c->alias ? ", " : "",
                 c->alias ? c->alias : "");
        printf("  %-18s %s\n", names, c->summary);
    }
    printf("\n\"squeezenet help COMMAND\" explains one, with examples; \"squeezenet help options\" "
           "lists the\noptions of training as a Markdown page.\n");
}

void cli_command_help(const struct cli_command *command)
{
    printf("squeezenet %s %s\n\n%s\n\n", command->name, command->usage, command->details);
    print_flags(command->flags);
    print_flags(cli_common_flags);
    if (!command->library_options)
        return;
    printf("\nOptions of training and validation (also keys of a recipe):\n");
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    const char *group = "";
    for (int i = 0; sqz_option_info(i, &info); i++) {
        if (strcmp(group, info.group) != 0)
            printf("\n%s\n", info.group);
        group = info.group;
        printf("  --%-28s %s [%s]\n", info.name, info.help, info.fallback);
    }
}
