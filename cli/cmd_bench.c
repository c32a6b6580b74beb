// squeezenet bench: inference, training step, loader, start-up.
#include "cli/commands.h"
#include "cli/json.h"
#include <squeezenet_ranks.h>
#include <squeezenet_tools.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const struct cli_flag cli_bench_flags[] = {
    {"task", 0, "NAME", "infer, train, load, start or allreduce [infer]"},
    {"batch", 0, "N", "images at once [infer 1, else 32]"},
    {"image_size", 0, "N", "side of the network's input [224]"},
    {"threads", 0, "N", "all threads [physical cores]"},
    {"seconds", 0, "S", "how long to measure [5]"},
    {"data_dir", 0, "DIR", "load: the dataset"},
    {"train_split", 0, "NAME", "load: which split of it [train]"},
    {"config", 'c', "FILE", "load: a recipe [the built-in one, without colour jitter]"},
    {"scale", 0, "A,B", "load: area range of the random crop [the recipe's]"},
    {"auto_augment", 0, "POLICY", "load: with a policy [the recipe's]"},
    {"image", 0, "FILE", "start: the image to classify"},
    {"images", 0, "DIR", "infer, train: a directory with images to compute on [noise]"},
    {"dialect", 0, "NAME", "of a VARIANT [torchvision, as the peers have it]"},
    {"num_classes", 0, "N", "of a VARIANT [1000]"},
    {"classes", 0, "FILE", "class names of the model"},
    {"norm", 0, "NAME", "train: none or batch, in groups of 32 [none]"},
    {"comm_dtype", 0, "TYPE", "with ranks: fp32 or bf16 [fp32]"},
    {"precision", 0, "NAME", "infer: fp32, int8 or auto [auto]"},
    {"low_memory", 0, NULL, "infer: no enlarged weights; start: predict --low_memory"},
    {NULL, 0, NULL, NULL},
};

extern char **environ;

struct report {
    const char *task, *model;
    int batch;
    struct sqz_bench_result r;
};

static enum sqz_status print_json(const struct report *b, const struct sqz_machine_info *machine)
{
    const struct sqz_bench_result *r = &b->r;
    struct cli_json json = {0};
    cli_json_begin(&json);
    cli_json_text(&json, "task", b->task);
    cli_json_text(&json, "model", b->model);
    cli_json_int(&json, "threads", machine->threads);
    cli_json_int(&json, "batch", b->batch);
    cli_json_text(&json, "cpu", machine->cpu);
    cli_json_text(&json, "simd", machine->simd);
    cli_json_int(&json, "runs", r->runs);
    cli_json_real(&json, "latency_ms_median", r->latency_ms_median);
    cli_json_real(&json, "latency_ms_min", r->latency_ms_min);
    cli_json_real(&json, "latency_ms_p99", r->latency_ms_p99);
    cli_json_real(&json, "latency_ms_first", r->latency_ms_first);
    cli_json_real(&json, "images_per_second", r->images_per_second);
    cli_json_real(&json, "rss_mb", r->rss_mb);
    if (r->gflops > 0) {
        cli_json_real(&json, "gflops", r->gflops);
        cli_json_real(&json, "peak_gflops", r->peak_gflops);
        cli_json_real(&json, "peak_fraction", r->peak_fraction);
    }
    if (r->ranks > 1) {
        cli_json_open(&json, "ranks", '{');
        cli_json_int(&json, "count", r->ranks);
        cli_json_real(&json, "bytes_per_step", r->bytes_per_run);
        cli_json_real(&json, "exposed_ms", r->exposed_ms);
        cli_json_close(&json, '}');
    }
    return cli_json_print(&json);
}

static enum sqz_status print_report(struct cli *cli, struct sqz_context *context,
                                    const struct report *b)
{
    struct sqz_machine_info machine = SQZ_INIT(sqz_machine_info);
    const struct sqz_bench_result *r = &b->r;
    struct sqz_error err;
    if (sqz_context_machine(context, &machine, &err))
        return cli_fail(&err);
    if (cli->json)
        return print_json(b, &machine);
    if (r->ranks > 1)
        printf("%d ranks, each with:\n", r->ranks);
    printf("%s%s%s, batch %d, %d thread%s, %s (%s)\n", b->task, b->model ? " " : "",
           b->model ? cli_clean(b->model) : "", b->batch, machine.threads,
           machine.threads == 1 ? "" : "s", machine.cpu, machine.simd);
    printf("  median %.3f ms, least %.3f, 99 %% below %.3f (%lld runs), the very first %.3f\n",
           r->latency_ms_median, r->latency_ms_min, r->latency_ms_p99, (long long)r->runs,
           r->latency_ms_first);
    printf("  %.1f images/s", r->images_per_second);
    if (r->gflops > 0)
        printf(", %.1f GFLOP/s = %.0f %% of this machine's FMA peak (%.0f)", r->gflops,
               100 * r->peak_fraction, r->peak_gflops);
    printf(", %.0f MB at most\n", r->rss_mb);
    if (r->ranks > 1)
        printf("  all ranks together; each sends %.2f MB a step and waits %.2f ms for others\n",
               r->bytes_per_run / 1e6, r->exposed_ms);
    return SQZ_OK;
}

// One `squeezenet predict MODEL IMAGE` from exec to its end.
static enum sqz_status start_once(const struct cli *cli, double *ms, double *rss_mb)
{
    const char *const argv[] = {"squeezenet",
                                "predict",
                                cli->positional[0],
                                cli_value(cli, "image"),
                                "-q",
                                cli_has(cli, "low_memory") ? "--low_memory" : NULL,
                                NULL};
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    int wait_status = 0;
    pid_t child;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    double begin = cli_seconds();
    int failed = posix_spawn(&child, "/proc/self/exe", &actions, NULL,
                             (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || wait4(child, &wait_status, 0, &usage) != child)
        return cli_complain(SQZ_E_INTERNAL, "squeezenet could not start itself.");
    *ms = 1e3 * (cli_seconds() - begin);
    *rss_mb = (double)usage.ru_maxrss * 1024e-6;
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status))
        return WIFEXITED(wait_status) ? (enum sqz_status)WEXITSTATUS(wait_status) : SQZ_E_INTERNAL;
    return SQZ_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum sqz_status bench_start(struct cli *cli, double seconds, struct sqz_bench_result *r)
{
    enum { MOST = 1000 };
    double times[MOST], rss = 0, begin = cli_seconds();
    int n = 0;
    if (!cli->n_positional || !cli_has(cli, "image"))
        return cli_complain(SQZ_E_USAGE, "--task start needs a MODEL file and --image FILE.");
    enum sqz_status status = start_once(cli, &r->latency_ms_first, &rss); // warms the cache
    while (!status && n < MOST && (n < 5 || cli_seconds() - begin < seconds)) {
        status = start_once(cli, &times[n++], &rss);
        r->rss_mb = fmax(r->rss_mb, rss);
    }
    if (status)
        return status;
    qsort(times, (size_t)n, sizeof *times, compare_doubles);
    r->runs = n;
    r->latency_ms_median = times[n / 2];
    r->latency_ms_min = times[0];
    r->latency_ms_p99 = times[(size_t)((n - 1) * 0.99)];
    r->images_per_second = 1e3 / r->latency_ms_median;
    return SQZ_OK;
}

static enum sqz_status loader_options(const struct cli *cli, int batch, int image_size,
                                      struct sqz_options **out)
{
    static const char *const passed_on[] = {"data_dir", "train_split", "scale", "auto_augment"};
    struct sqz_error err = {0};
    char size[16], images[16];
    const char *recipe = cli_value(cli, "config");
    if (!cli_value(cli, "data_dir"))
        return cli_complain(SQZ_E_USAGE, "--task load needs --data_dir DIR.");
    snprintf(size, sizeof size, "%d", image_size ? image_size : 224);
    snprintf(images, sizeof images, "%d", batch);
    if (sqz_options_new(out, &err) || sqz_options_put(*out, "batch_size", images, &err) ||
        (recipe && sqz_options_load(*out, recipe, &err)) ||
        sqz_options_put(*out, "image_resize", size, &err) ||
        (!recipe && sqz_options_put(*out, "color_jitter", "none", &err)))
        return cli_fail(&err);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        const char *value = cli_value(cli, passed_on[i]);
        if (value && sqz_options_put(*out, passed_on[i], value, &err))
            return cli_fail(&err);
    }
    return SQZ_OK;
}

static enum sqz_status run_task(struct cli *cli, struct sqz_context *context,
                                struct sqz_bench_options *how, const char *name, int image_size,
                                struct sqz_bench_result *result)
{
    struct sqz_error err = {0};
    struct sqz_model *model = NULL;
    struct sqz_options *options = NULL;
    int classes;
    const char *dialect = cli_value(cli, "dialect");
    enum sqz_status status = cli_integer(cli, "num_classes", 1000, 1, 1 << 20, &classes);
    if (!status && how->task == SQZ_BENCH_LOAD)
        status = loader_options(cli, how->batch, image_size, &options);
    else if (!status)
        status = cli_open_model(cli, name, dialect ? dialect : "torchvision", classes, 3,
                                image_size, &model);
    how->options = options;
    if (!status && sqz_bench_run(context, model, how, result, &err))
        status = cli_fail(&err);
    sqz_model_free(model);
    sqz_options_free(options);
    return status;
}

enum sqz_status cli_bench(struct cli *cli)
{
    enum { START = 3, TASKS = 5 };
    static const char *const tasks[TASKS] = {"infer", "train", "load", "start", "allreduce"};
    const char *dtype = cli_value(cli, "comm_dtype"), *norm = cli_value(cli, "norm");
    const char *task = cli_value(cli, "task");
    struct sqz_bench_options how = SQZ_INIT(sqz_bench_options);
    struct report report = {.model = cli->n_positional ? cli->positional[0] : "squeezenet1_1",
                            .r = SQZ_INIT(sqz_bench_result)};
    struct sqz_context *context = NULL;
    struct sqz_error err = {0};
    int which = 0, image_size;
    enum sqz_status status;
    for (; task && which < TASKS && strcmp(task, tasks[which]) != 0; which++) {
    }
    if (which == TASKS)
        return cli_complain(SQZ_E_USAGE,
                            "--task knows infer, train, load, start and allreduce, not \"%s\".",
                            cli_clean(task));
    if (dtype && strcmp(dtype, "fp32") != 0 && strcmp(dtype, "bf16") != 0)
        return cli_complain(SQZ_E_USAGE, "--comm_dtype knows fp32 and bf16.");
    how.images = cli_value(cli, "images");
    if (norm && strcmp(norm, "none") != 0 && strcmp(norm, "batch") != 0)
        return cli_complain(SQZ_E_USAGE, "--norm knows none and batch.");
    how.norm = norm && strcmp(norm, "batch") == 0;
    how.bf16 = dtype && strcmp(dtype, "bf16") == 0;
    status = cli_integer(cli, "batch", which ? 32 : 1, 1, 65536, &how.batch);
    if (!status)
        status = cli_integer(cli, "image_size", 0, 1, 16384, &image_size);
    if (!status)
        status = cli_number(cli, "seconds", 5, &how.seconds);
    if (!status)
        status = cli_context(cli, &context);
    if (status)
        return status;
    report.task = tasks[which];
    report.batch = which == START ? 1 : how.batch;
    if (which == START) {
        status = bench_start(cli, how.seconds, &report.r);
    } else {
        how.task = which == START + 1 ? SQZ_BENCH_ALLREDUCE : (enum sqz_bench_task)which;
        if (sqz_context_join(context, NULL, &err))
            status = cli_fail(&err);
        else
            status = run_task(cli, context, &how, report.model, image_size, &report.r);
    }
    if (which == 2)
        report.model = NULL;
    int ranks;
    if (!status && sqz_context_rank(context, &ranks) == 0)
        status = print_report(cli, context, &report);
    sqz_context_free(context);
    return status;
}
