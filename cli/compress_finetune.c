// squeezenet compress --finetune: the training run in front of the file.
#include "cli/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What was asked of compress, as options of a training run.
static enum sqz_status put_all(const struct cli *cli, struct sqz_options *options,
                               struct sqz_error *err)
{
    static const char *const names[][2] = {{"finetune", "data_dir"}, {"size", "size"},
                                           {"density", "prune"},     {"bits", "compress_bits"},
                                           {"epochs", "epoch_size"}, {"run_dir", "run_dir"}};
    enum sqz_status status = SQZ_OK;
    if (cli_value(cli, "config"))
        status = sqz_options_load(options, cli_value(cli, "config"), err);
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++)
        if (cli_value(cli, names[i][0]))
            status = sqz_options_put(options, names[i][1], cli_value(cli, names[i][0]), err);
    if (!status)
        status = sqz_options_put(options, "ckpt_path", cli->positional[0], err);
    if (!status)
        status = sqz_options_put(options, "compress", "true", err);
    const char *method = cli_value(cli, "method");
    if (!status && method)
        status = sqz_options_put(options, "compress_method", method, err);
    return status;
}

enum sqz_status cli_finetune(struct cli *cli, struct sqz_context *context, char **model)
{
    struct sqz_error err = {0};
    struct sqz_options *options = NULL;
    struct sqz_train_result *result = calloc(1, sizeof *result);
    *model = NULL;
    if (!result)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    enum sqz_status status = sqz_options_new(&options, &err);
    if (!status)
        status = put_all(cli, options, &err);
    if (!status) {
        cli_catch_signals(context);
        result->struct_size = sizeof *result;
        status = sqz_train(context, options, result, &err);
    }
    cli_events_end();
    if (status)
        cli_fail(&err);
    else if (!(*model = strdup(result->best_checkpoint)))
        status = cli_complain(SQZ_E_NOMEM, "There is not enough memory for a path.");
    sqz_options_free(options);
    free(result);
    return status;
}
