// The public view of the options table.
#include "api/struct_size.h"
#include "train/options/options.h"
#include <stdio.h>

enum sqz_status sqz_options_put(struct sqz_options *options, const char *name, const char *value,
                                struct sqz_error *err)
{
    return sqz_options_set(options, name, value, SQZ_FROM_COMMAND_LINE, err);
}

enum sqz_status sqz_options_load(struct sqz_options *options, const char *yaml_path,
                                 struct sqz_error *err)
{
    enum sqz_status status = sqz_options_read_yaml(options, yaml_path, SQZ_FROM_YAML, err);
    return status ? status : sqz_options_drop_orders(options, err);
}

bool sqz_option_info(int index, struct sqz_option_info *out)
{
    static const char *const types[] = {[SQZ_OPTION_BOOL] = "bool",
                                        [SQZ_OPTION_INT] = "int",
                                        [SQZ_OPTION_FLOAT] = "float",
                                        [SQZ_OPTION_TEXT] = "text",
                                        [SQZ_OPTION_LIST] = "list"};
    if (index < 0 || index >= sqz_option_count() || SQZ_STRUCT_CHECK(sqz_option_info, out, NULL))
        return false;
    const struct sqz_option *option = sqz_option_at(index);
    struct sqz_option_info info = {.name = option->name,
                                   .type = types[option->type],
                                   .fallback = option->fallback,
                                   .group = option->group,
                                   .help = option->help,
                                   .choices = option->choices};
    SQZ_STRUCT_OUT(sqz_option_info, out, &info);
    return true;
}

bool sqz_options_get(const struct sqz_options *options, const char *name, char *value, size_t size)
{
    int index = sqz_option_find(name);
    struct sqz_text text = {0};
    if (index < 0)
        return false;
    sqz_option_value_text(options, index, &text);
    snprintf(value, size, "%s", sqz_text_get(&text));
    sqz_text_release(&text);
    return true;
}
