// Learning-rate tables, in double; the names and formulas are MindCV's.
#include "train/step/schedule.h"

#include <math.h>

struct schedule {
    const struct sqz_train_config *config;
    double steps;       // an epoch
    double warmup;      // epochs
    double main_epochs; // after the warm-up
    size_t main_steps;
};

static const double pi = 3.14159265358979323846;

static double cosine(double start, double stop, double at)
{
    return stop + (start - stop) / 2 * (1 + cos(pi * at));
}

static double whole_epoch(const struct schedule *schedule, size_t i)
{
    return floor((double)i / schedule->steps);
}

static double epoch_of(const struct schedule *schedule, size_t i)
{
    return schedule->config->lr_epoch_stair ? whole_epoch(schedule, i)
                                            : (double)i / schedule->steps;
}

static double warmup_rate(const struct schedule *schedule, size_t i)
{
    double factor = schedule->config->warmup_factor;

    return schedule->config->lr *
           (factor + (1 - factor) * epoch_of(schedule, i) / schedule->warmup);
}

static double constant_rate(const struct schedule *schedule, size_t i)
{
    (void)i;
    return schedule->config->lr;
}

static double cosine_rate(const struct schedule *schedule, size_t i)
{
    const struct sqz_train_config *config = schedule->config;
    double length = schedule->steps * (double)config->decay_epochs;
    double cycle = floor((double)i / length);
    double peak = config->lr * pow(config->cycle_decay, cycle);

    if (cycle >= (double)config->num_cycles)
        return config->min_lr;
    return cosine(peak, config->min_lr,
                  epoch_of(schedule, i - (size_t)(cycle * length)) / (double)config->decay_epochs);
}

static double exponential_rate(const struct schedule *schedule, size_t i)
{
    return schedule->config->lr * pow(schedule->config->decay_rate, epoch_of(schedule, i));
}

static double polynomial_rate(const struct schedule *schedule, size_t i)
{
    double e = fmin(epoch_of(schedule, i), schedule->main_epochs);

    return schedule->config->lr * pow(1 - e / schedule->main_epochs, schedule->config->decay_rate);
}

static double step_rate(const struct schedule *schedule, size_t i)
{
    double drops = floor(whole_epoch(schedule, i) / (double)schedule->config->decay_epochs);

    return schedule->config->lr * pow(schedule->config->decay_rate, drops);
}

static double multi_step_rate(const struct schedule *schedule, size_t i)
{
    const struct sqz_list *milestones = &schedule->config->multi_step_decay_milestones;
    double drops = 0;

    for (int k = 0; k < milestones->n; k++)
        drops += milestones->v[k] <= whole_epoch(schedule, i);
    return schedule->config->lr * pow(schedule->config->decay_rate, drops);
}

static double one_cycle_rate(const struct schedule *schedule, size_t i)
{
    const struct sqz_train_config *config = schedule->config;
    double up = 0.3 * (double)schedule->main_steps - 1, end = (double)schedule->main_steps - 1;
    double at = (double)i;

    if (at <= up)
        return cosine(config->lr / 25, config->lr, at / up);
    return cosine(config->lr, config->min_lr, (at - up) / (end - up));
}

// Steps of half a cycle, which the source cuts to a whole number.
static double half_cycle(const struct schedule *schedule)
{
    return floor((double)schedule->main_steps / (double)schedule->config->num_cycles / 2);
}

static double cyclic_rate(const struct schedule *schedule, size_t i)
{
    const struct sqz_train_config *config = schedule->config;
    double cycles = (double)i / (2 * half_cycle(schedule));
    double x = cycles - floor(cycles);

    return config->min_lr + (config->lr - config->min_lr) * (x <= 0.5 ? x / 0.5 : (1 - x) / 0.5);
}

static const struct rule {
    double (*rate)(const struct schedule *schedule,
                   size_t i); // i counts from the end of the warm-up
    bool needs_decay_epochs;
    bool whole_run; // neither warm-up nor stair
} rules[] = {
    [SQZ_SCHEDULE_CONSTANT] = {constant_rate, false, false},
    [SQZ_SCHEDULE_COSINE] = {cosine_rate, true, false},
    [SQZ_SCHEDULE_WARMUP_COSINE] = {cosine_rate, true, false},
    [SQZ_SCHEDULE_EXPONENTIAL] = {exponential_rate, false, false},
    [SQZ_SCHEDULE_POLYNOMIAL] = {polynomial_rate, false, false},
    [SQZ_SCHEDULE_STEP] = {step_rate, true, false},
    [SQZ_SCHEDULE_MULTI_STEP] = {multi_step_rate, false, false},
    [SQZ_SCHEDULE_ONE_CYCLE] = {one_cycle_rate, false, true},
    [SQZ_SCHEDULE_CYCLIC] = {cyclic_rate, false, true},
};

static enum sqz_status check(const struct schedule *schedule, const struct rule *rule,
                             struct sqz_error *err)
{
    const struct sqz_train_config *config = schedule->config;

    if (rule->needs_decay_epochs && config->decay_epochs < 1)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option decay_epochs is %lld, but scheduler %s needs at "
                        "least 1.",
                        (long long)config->decay_epochs, config->scheduler_word);
    if (rule->whole_run && (config->warmup_epochs > 0 || config->lr_epoch_stair))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Scheduler %s shapes the whole run; set warmup_epochs to 0 "
                        "and lr_epoch_stair to false.",
                        config->scheduler_word);
    if (rule->rate == cyclic_rate && half_cycle(schedule) < 1)
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Option num_cycles is %lld, but %zu steps hold at most %zu "
                        "cycles.",
                        (long long)config->num_cycles, schedule->main_steps,
                        schedule->main_steps / 2);
    return SQZ_OK;
}

static void add_notes(const struct sqz_train_config *config, const struct rule *rule,
                      struct sqz_text *notes)
{
    // MindCV warns whatever the scheduler.
    if (config->warmup_epochs + config->decay_epochs > config->epoch_size)
        sqz_text_add(
            notes, "warmup_epochs (%lld) + decay_epochs (%lld) exceed epoch_size (%lld): %s.\n",
            (long long)config->warmup_epochs, (long long)config->decay_epochs,
            (long long)config->epoch_size,
            rule->needs_decay_epochs ? "the run ends before the learning rate's curve does"
                                     : "harmless, for this scheduler makes no use of decay_epochs");
    if (config->warmup_epochs > 0 && config->lr_epoch_stair && config->warmup_factor == 0)
        sqz_text_add(notes,
                     "The first epoch trains at a learning rate of 0, because lr_epoch_stair "
                     "is on and warmup_factor is 0; 0.01 would be better.\n");
}

enum sqz_status sqz_schedule_new(const struct sqz_train_config *config, size_t steps_per_epoch,
                                 double **rates, size_t *count, struct sqz_text *notes,
                                 struct sqz_error *err)
{
    struct schedule schedule = {.config = config, .steps = (double)steps_per_epoch};
    const struct rule *rule = NULL;
    size_t total, warmup_steps;
    enum sqz_status status;
    double *table;

    if ((size_t)config->scheduler < sizeof rules / sizeof rules[0])
        rule = &rules[config->scheduler];
    if (!rule)
        return sqz_fail(err, SQZ_E_CONFIG, "There is no scheduler \"%.80s\".",
                        config->scheduler_word);
    if (steps_per_epoch == 0 || config->epoch_size < 1 ||
        !sqz_size_mul(steps_per_epoch, (size_t)config->epoch_size, &total))
        return sqz_fail(err, SQZ_E_CONFIG, "A run of %lld epochs with %zu steps each cannot be.",
                        (long long)config->epoch_size, steps_per_epoch);
    schedule.warmup = (double)config->warmup_epochs;
    warmup_steps = config->warmup_epochs >= config->epoch_size
                       ? total
                       : (size_t)config->warmup_epochs * steps_per_epoch;
    schedule.main_steps = total - warmup_steps;
    schedule.main_epochs = (double)config->epoch_size - schedule.warmup;
    status = check(&schedule, rule, err);
    if (status != SQZ_OK)
        return status;
    table = sqz_new_array(total, sizeof *table);
    if (!table)
        return sqz_fail_memory(err, "the learning-rate table", total * sizeof *table);
    for (size_t i = 0; i < total; i++)
        table[i] =
            i < warmup_steps ? warmup_rate(&schedule, i) : rule->rate(&schedule, i - warmup_steps);
    if (notes)
        add_notes(config, rule, notes);
    *rates = table;
    *count = total;
    return SQZ_OK;
}
