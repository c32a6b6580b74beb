// Which options decide a run's result, and which only say where and how it runs.
#include "train/options/options.h"

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

void sqz_recipe_portable(const struct sqz_options *options, struct sqz_text *out)
{
    struct sqz_text whole = {0};
    sqz_options_write_yaml(options, false, &whole);
    out->failed = out->failed || whole.failed;
    for (const char *line = sqz_text_get(&whole); *line;) {
        size_t length = strcspn(line, "\n"), name_length = strcspn(line, ":\n");
        char name[64] = "";
        if (line[0] != '#' && line[name_length] == ':' && name_length < sizeof name)
            memcpy(name, line, name_length);
        if (sqz_option_find(name) >= 0 && sqz_option_role(name) == SQZ_ROLE_RECIPE) {
            sqz_text_add_bytes(out, line, length);
            sqz_text_add(out, "\n");
        }
        line += length + (line[length] == '\n');
    }
    sqz_text_release(&whole);
}
