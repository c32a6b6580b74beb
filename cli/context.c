// A context as the command line asks for it.
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

// --precision, of the commands that have it.
static enum sqz_status set_precision(const struct cli *cli, struct sqz_context *context)
{
    static const char *const names[] = {"auto", "fp32", "int8"};
    const char *name = cli_value(cli, "precision");
    for (int i = 0; name && i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            sqz_context_set_precision(context, (enum sqz_precision)i);
            return SQZ_OK;
        }
    return !name ? SQZ_OK
                 : cli_complain(SQZ_E_USAGE, "--precision knows auto, fp32 and int8, not \"%s\".",
                                name);
}

enum sqz_status cli_context(const struct cli *cli, struct sqz_context **out)
{
    struct sqz_error err = {0};
    char threads[24];
    int n = cli->threads;
    if (cli->options && sqz_options_get(cli->options, "threads", threads, sizeof threads))
        n = atoi(threads);
    if (sqz_context_new(n, out, &err))
        return cli_fail(&err);
    cli_show_events(cli, *out);
    if (cli_has(cli, "low_memory"))
        sqz_context_set_mode(*out, SQZ_MODE_MEMORY);
    return set_precision(cli, *out);
}
