// squeezenet train: trains, fine-tunes, resumes.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_ranks.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_flag cli_train_flags[] = {
    {"config", 'c', "FILE", "recipe (YAML)"},
    {"overwrite", 'f', NULL, "as --force: overwrite files that are there"},
    {NULL, 0, NULL, NULL},
};

static struct sqz_context *running;

// The first signal asks for a stop after this step; the handler then falls back to the default, so
// that a second one ends the program at once.
static void on_signal(int signal)
{
    (void)signal;
    sqz_context_stop(running);
}

void cli_catch_signals(struct sqz_context *context)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    running = context;
    sigemptyset(&action.sa_mask);
    signal(SIGPIPE, SIG_IGN); // who reads the log may go; the training stays
    if (sqz_is_rank()) {      // SIGTERM is how mpirun ends a job that is lost; this one it hands on
        sigaction(SIGUSR1, &action, NULL);
        return;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) // not under nohup
        sigaction(SIGHUP, &action, NULL);
}

static enum sqz_status print_json(const struct sqz_train_result *r)
{
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "run_dir", r->run_dir);
    cli_json_int(&json, "epochs", r->epochs);
    cli_json_int(&json, "steps", r->steps);
    cli_json_real(&json, "seconds", r->seconds);
    cli_json_real(&json, "ms_per_step", r->ms_per_step);
    cli_json_real(&json, "images_per_second", r->images_per_second);
    cli_json_real(&json, "final_loss", r->final_loss);
    if (r->best_epoch) {
        cli_json_open(&json, "best", '{');
        cli_json_int(&json, "epoch", r->best_epoch);
        cli_json_real(&json, "Top_1_Accuracy", r->best_top1);
        cli_json_real(&json, "Top_5_Accuracy", r->best_top5);
        cli_json_text(&json, "checkpoint", r->best_checkpoint);
        cli_json_close(&json, '}');
    } else {
        cli_json_text(&json, "best", NULL);
    }
    if (r->ranks > 1) {
        cli_json_open(&json, "ranks", '{');
        cli_json_int(&json, "count", r->ranks);
        cli_json_real(&json, "bytes_per_step", r->bytes_per_step);
        cli_json_real(&json, "exposed_ms", r->exposed_ms);
        cli_json_real(&json, "efficiency", r->efficiency);
        cli_json_int(&json, "slowest", r->slowest_rank);
        cli_json_text(&json, "slowest_host", r->slowest_host);
        cli_json_close(&json, '}');
    }
    return cli_json_print(&json);
}

static void print_text(const struct sqz_train_result *r)
{
    printf("trained %d epoch%s (%lld steps) in %.1f s, %.1f images/s, final loss %.4f\n", r->epochs,
           r->epochs == 1 ? "" : "s", (long long)r->steps, r->seconds, r->images_per_second,
           r->final_loss);
    if (r->ranks > 1)
        printf(
            "%d ranks: efficiency %.3f, %.2f MB sent a step, %.2f ms exposed, slowest rank %d on "
            "%s\n",
            r->ranks, r->efficiency, r->bytes_per_step / 1e6, r->exposed_ms, r->slowest_rank,
            cli_clean(r->slowest_host));
    if (r->best_epoch)
        printf("best: %.2f %% top-1 after epoch %d\n", 100 * r->best_top1, r->best_epoch);
    printf("model: %s\n", cli_clean(r->best_checkpoint));
}

static bool is_on(const struct cli *cli, const char *option)
{
    char value[8] = "";
    sqz_options_get(cli->options, option, value, sizeof value);
    return strcmp(value, "true") == 0;
}

static enum sqz_status plan(struct sqz_context *context, const struct cli *cli)
{
    struct sqz_error err = {0};
    char *text = NULL;
    if (sqz_train_dry_run(context, cli->options, &text, &err))
        return cli_fail(&err);
    cli_events_end();
    cli_print_lines(text);
    sqz_text_free(text);
    cli_next(cli, is_on(cli, "find_lr") ? "the same command with that --lr, without --find_lr"
                                        : "the same command without --dry_run");
    return SQZ_OK;
}

// Starts option worker_num's ranks, each of which comes here again.
static enum sqz_status launch(struct sqz_context *context, const struct cli *cli)
{
    struct sqz_error err = {0};
    char seconds[32] = "", timeout[64], threads[32];
    const char *resume[] = {"train", "--distribute=true", threads, timeout, NULL, NULL, NULL, NULL};
    int n = 5;
    const char **words = calloc((size_t)cli->n_words + 3, sizeof *words);
    if (!words)
        return cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    words[0] = "train";
    for (int i = 0; i < cli->n_words; i++)
        words[i + 1] = cli->words[i];
    words[cli->n_words + 1] = "--distribute=true";
    snprintf(threads, sizeof threads, "--threads=%d", cli->threads);
    sqz_options_get(cli->options, "comm_timeout", seconds, sizeof seconds);
    snprintf(timeout, sizeof timeout, "--comm_timeout=%s", seconds);
    if (cli->json)
        resume[n++] = "--json";
    if (cli->quiet)
        resume[n] = "--quiet";
    enum sqz_status status =
        sqz_launch_ranks(context, cli->options, words, &resume[4], resume, &err);
    free(words);
    return status && *err.text ? cli_fail(&err) : status;
}

static bool starts_ranks(const struct cli *cli)
{
    char value[16] = "";
    sqz_options_get(cli->options, "worker_num", value, sizeof value);
    return atoi(value) > 1 && !sqz_is_rank();
}

static enum sqz_status train(struct sqz_context *context, const struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_train_result *result = calloc(1, sizeof *result);
    enum sqz_status status =
        result ? sqz_context_join(context, cli->options, &err)
               : cli_complain(SQZ_E_NOMEM, "There is not enough memory to start.");
    if (!status) {
        result->struct_size = sizeof *result;
        status = sqz_train(context, cli->options, result, &err);
    }
    cli_events_end();
    if (result && sqz_context_is_reporter(context)) {
        int ranks, rank = sqz_context_rank(context, &ranks);
        if (status) {
            cli_fail(&err);
        } else if (rank == 0) {
            if (cli->json)
                status = print_json(result);
            else
                print_text(result);
            cli_next(cli, "squeezenet predict %s --show IMAGE...", result->best_checkpoint);
        }
    }
    free(result);
    return status;
}

enum sqz_status cli_train(struct cli *cli)
{
    struct sqz_error err = {0};
    struct sqz_context *context = NULL;
    if (cli_value(cli, "config") && sqz_options_load(cli->options, cli_value(cli, "config"), &err))
        return cli_fail(&err);
    if (cli->n_positional && sqz_options_put(cli->options, "data_dir", cli->positional[0], &err))
        return cli_fail(&err);
    if (cli_has(cli, "overwrite") && sqz_options_put(cli->options, "force", "true", &err))
        return cli_fail(&err);
    enum sqz_status status = cli_context(cli, &context);
    if (status)
        return status;
    if (is_on(cli, "dry_run") || is_on(cli, "find_lr")) {
        status = plan(context, cli);
    } else {
        cli_catch_signals(context);
        status = starts_ranks(cli) ? launch(context, cli) : train(context, cli);
    }
    sqz_context_free(context);
    return status;
}
