// Fine-tunes published or own weights on a directory of class directories, then measures the best
// model: finetune WEIGHTS DATA RUN_DIR [OPTION VALUE]...
#include <signal.h>
#include <squeezenet_train.h>
#include <stdio.h>

static struct sqz_context *context;

// The first Ctrl-C stops after the present step and leaves a run that `resume` continues.
static void on_signal(int signal)
{
    (void)signal;
    sqz_context_stop(context);
}

static void on_event(void *arg, const struct sqz_event *event)
{
    (void)arg;
    if (event->kind != SQZ_EVENT_PROGRESS)
        fprintf(stderr, "%s\n", event->text);
}

static enum sqz_status finetune(struct sqz_options *options, struct sqz_error *err)
{
    static struct sqz_train_result run = SQZ_INIT(sqz_train_result);
    struct sqz_validate_result result = SQZ_INIT(sqz_validate_result);
    struct sqz_model *model = NULL;
    enum sqz_status status = sqz_train(context, options, &run, err);
    if (!status)
        status = sqz_model_open(run.best_checkpoint, NULL, &model, err);
    if (!status)
        status = sqz_validate(context, model, options, false, &result, err);
    if (!status)
        printf("%s: %.2f %% of %lld images\n", run.best_checkpoint, 100 * result.top1,
               (long long)result.samples);
    sqz_model_free(model);
    return status;
}

int main(int argc, char **argv)
{
    struct sqz_error err;
    struct sqz_options *options = NULL;
    if (argc < 4 || argc % 2) {
        fprintf(stderr, "usage: finetune WEIGHTS DATA RUN_DIR [OPTION VALUE]...\n");
        return SQZ_E_USAGE;
    }
    enum sqz_status status = sqz_context_new(0, &context, &err);
    if (!status)
        status = sqz_options_new(&options, &err);
    if (!status)
        status = sqz_options_put(options, "ckpt_path", argv[1], &err);
    if (!status)
        status = sqz_options_put(options, "data_dir", argv[2], &err);
    if (!status)
        status = sqz_options_put(options, "run_dir", argv[3], &err);
    for (int i = 4; i < argc && !status; i += 2) // every option of `squeezenet train --help`
        status = sqz_options_put(options, argv[i], argv[i + 1], &err);
    if (!status) {
        sqz_context_on_event(context, on_event, NULL);
        signal(SIGINT, on_signal);
        status = finetune(options, &err);
    }
    if (status)
        fprintf(stderr, "%s\n", err.text);
    sqz_options_free(options);
    sqz_context_free(context);
    return status;
}
