// Which options decide a run's result, and which only say where and how it runs.
#include "train/options/option_value.h"

#include <stdio.h>
#include <string.h>

enum sqz_option_role sqz_option_role(const char *name)
{
    static const char *const machine[] = {"threads",
                                          "data_dir",
                                          "unlabelled_dir",
                                          "num_parallel_workers",
                                          "ckpt_save_dir",
                                          "run_dir",
                                          "max_steps",
                                          "save_steps",
                                          "stop_dead_start",
                                          "on_bad",
                                          "keep_checkpoint_max",
                                          "distribute",
                                          "ckpt_path",
                                          "ckpt_format",
                                          "strict_recipe",
                                          "recipe_devices",
                                          "tensorboard",
                                          "pretrained_dir",
                                          "worker_num",
                                          "bind_core",
                                          "hostfile",
                                          "mpi",
                                          "comm_timeout",
                                          "max_restarts",
                                          "teacher"};
    static const char *const order[] = {"resume",  "force",  "dry_run",   "max_seconds",
                                        "find_lr", "memory", "confusion", "per_class"};
    for (size_t i = 0; i < sizeof machine / sizeof *machine; i++)
        if (strcmp(name, machine[i]) == 0)
            return SQZ_ROLE_MACHINE;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (strcmp(name, order[i]) == 0)
            return SQZ_ROLE_ORDER;
    return SQZ_ROLE_RECIPE;
}

static bool only_command_line(const char *name)
{
    return sqz_option_role(name) == SQZ_ROLE_ORDER || strcmp(name, "worker_num") == 0 ||
           strcmp(name, "hostfile") == 0 || strcmp(name, "mpi") == 0;
}

static void list_ignored(struct sqz_options *options, const char *name)
{
    size_t used = strlen(options->ignored);
    snprintf(options->ignored + used, sizeof options->ignored - used, "%s%s", used ? ", " : "",
             name);
}

enum sqz_status sqz_options_drop_orders(struct sqz_options *options, struct sqz_error *err)
{
    for (int i = 0; i < sqz_option_count(); i++) {
        const struct sqz_option *option = sqz_option_at(i);
        struct sqz_text value = {0}, why = {0};
        if (options->origins[i] != SQZ_FROM_YAML || !only_command_line(option->name))
            continue;
        // recipe.yaml of a run lists every option: a default in it asks for nothing.
        sqz_option_value_text(options, i, &value);
        if (strcmp(sqz_text_get(&value), option->fallback) != 0)
            list_ignored(options, option->name);
        enum sqz_status status =
            sqz_option_parse(option, option->fallback, (char *)options + option->offset, &why);
        options->origins[i] = SQZ_FROM_DEFAULT;
        bool failed = status || value.failed;
        sqz_text_release(&value);
        sqz_text_release(&why);
        if (failed)
            return sqz_fail_memory(err, option->name, sizeof *option);
    }
    return SQZ_OK;
}
