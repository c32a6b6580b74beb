// The subcommands' entry points and flags, one file each.
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

#define CLI_COMMAND(name) \
    extern const struct cli_flag cli_##name##_flags[]; \
    enum sqz_status cli_##name(struct cli *cli);

CLI_COMMAND(train)
CLI_COMMAND(validate)
CLI_COMMAND(calibrate)
CLI_COMMAND(predict)
CLI_COMMAND(compress)
CLI_COMMAND(convert)
CLI_COMMAND(export)
CLI_COMMAND(info)
CLI_COMMAND(data)
CLI_COMMAND(bench)
CLI_COMMAND(serve)

// A name of the zoo (random weights; its dialect given) or a weight file, with --classes and
// --dialect.
enum sqz_status cli_open_model(const struct cli *cli, const char *name, const char *dialect,
                               int classes, int channels, int image_size, struct sqz_model **out);

// The first SIGINT, SIGTERM or SIGHUP asks for a stop after this step, a second one ends the
// program. A reader of stdout or stderr that goes does not (SIGPIPE is ignored).
void cli_catch_signals(struct sqz_context *context);
// The training run of compress --finetune; *model (free) is the checkpoint that it leaves.
enum sqz_status cli_finetune(struct cli *cli, struct sqz_context *context, char **model);

#undef CLI_COMMAND

#endif
