// The options of training as a Markdown page: docs/options.md is this output.
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

static void print_row(const struct sqz_option_info *info)
{
    printf("| `%s` | %s | `%s` | %s", info->name, info->type, info->fallback, info->help);
    if (info->choices) {
        printf(" (");
        for (const char *word = info->choices; *word;) {
            size_t n = strcspn(word, " ");
            printf("`%.*s`", (int)n, word);
            word += n + strspn(word + n, " ");
            printf("%s", *word ? ", " : ")");
        }
    }
    printf(" |\n");
}

void cli_options_page(void)
{
    struct sqz_option_info info = SQZ_INIT(sqz_option_info);
    const char *group = "";
    printf("# Options of training and validation\n\n"
           "Written by `squeezenet help options > docs/options.md` from the table in the code "
           "(`src/train/options/options.def`);\na test compares the two. Every option is a key of "
           "a recipe and, with `--` before it, an option of `train` and\n`validate`: default < "
           "recipe (`-c FILE`) < command line. Lists are typed `0.08,1.0`; booleans take "
           "true/false/yes/no/1/0.\nNames and defaults are MindCV's where MindCV has the option "
           "(but for `model`); what differs on purpose is in\n[mindcv.md](mindcv.md).\n");
    for (int i = 0; sqz_option_info(i, &info); i++) {
        if (strcmp(group, info.group) != 0)
            printf("\n## %s\n\n| option | type | default | meaning |\n|---|---|---|---|\n",
                   info.group);
        group = info.group;
        print_row(&info);
    }
}
