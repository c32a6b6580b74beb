// From options to the values that a run uses.
#include "train/options/train_config.h"

#include <math.h>

static size_t bytes_of(const char *text)
{
    size_t bytes = 0;
    if (*text)
        sqz_parse_size(text, &bytes); // was checked with the other options
    return bytes;
}

struct sqz_train_config sqz_train_config_of(const struct sqz_options *options)
{
    struct sqz_train_config config = {
#define SQZ_BOOL(name, ...)   .name = options->name,
#define SQZ_INT(name, ...)    .name = options->name,
#define SQZ_FLOAT(name, ...)  .name = options->name,
#define SQZ_TEXT(name, ...)   .name = options->name,
#define SQZ_CHOICE(name, ...) .name = sqz_choice_##name(options), .name##_word = options->name,
#define SQZ_LIST(name, ...)   .name = options->name,
#include "train/options/options.def"
        .memory_bytes = bytes_of(options->memory),
        .size_bytes = bytes_of(options->size),
        .update_budget_bytes = bytes_of(options->update_budget),
        .prunes = sqz_options_prunes(options),
        .compresses = sqz_options_compresses(options),
        .teaches = sqz_options_teaches(options),
        .balances_loss = sqz_options_balances_loss(options)};
    if (isnan(config.drop_rate))
        config.drop_rate = 0.5;
    sqz_options_erase_value(options, config.erase_value, &config.erases_randomly, NULL);
    return config;
}
