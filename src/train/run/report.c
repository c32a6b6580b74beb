// What a run tells its user: notes at the start, progress, one line an epoch, rows of CSV.
#include "train/run/run_ranks.h"
#include "train/setup/memory_plan.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// 1234567 as "1,234,567".
static const char *grouped(int64_t number, char out[32])
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRId64, number), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void introduce_data(struct sqz_run *run)
{
    const struct sqz_setup *setup = &run->setup;
    const struct sqz_train_config *config = setup->config;
    char train[32], val[32];
    grouped((int64_t)setup->train->count, train);
    if (setup->val)
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Data      %s: %s images in %d classes; %s to validate on%s", config->data_dir,
                     train, setup->train->n_classes, grouped((int64_t)setup->val->count, val),
                     setup->divided ? " (one in five of each class, see split.csv)" : "");
    else
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Data      %s: %s images in %d classes; none to validate on", config->data_dir,
                     train, setup->train->n_classes);
}

static void introduce_training(struct sqz_run *run)
{
    const struct sqz_train_config *config = run->setup.config;
    char warmup[64] = "", clip[64] = "", group[64] = "";
    if (config->warmup_epochs > 0)
        snprintf(warmup, sizeof warmup, " after %" PRId64 " of warm-up", config->warmup_epochs);
    if (config->clip_grad)
        snprintf(clip, sizeof clip, ", clipped at %g", config->clip_value);
    if (config->gradient_accumulation_steps > 1)
        snprintf(group, sizeof group, ", an update every %" PRId64 " steps",
                 config->gradient_accumulation_steps);
    sqz_run_note(run, SQZ_EVENT_NOTE,
                 "Training  %" PRId64 " epochs of %" PRId64 " steps, %" PRId64 " images each%s%s%s",
                 config->epoch_size, run->steps_per_epoch, config->batch_size, group,
                 run->setup.recipe ? "; built-in recipe " : "",
                 run->setup.recipe ? run->setup.recipe : "");
    sqz_run_note(run, SQZ_EVENT_NOTE,
                 "Optimizer %s, learning rate %g, %s%s, weight decay %g%s, label smoothing %g",
                 config->opt_word, config->lr, config->scheduler_word, warmup, config->weight_decay,
                 clip, config->label_smoothing);
}

void sqz_run_report_start(struct sqz_run *run)
{
    const struct sqz_net_spec *spec = &run->setup.model->net->spec;
    struct sqz_memory_plan plan;
    char parameters[32];
    introduce_data(run);
    sqz_run_note(run, SQZ_EVENT_NOTE,
                 "Model     %s (%s%s%s), %s parameters, input %d x %d x %d, dropout %g",
                 spec->variant->name, spec->dialect->name, spec->stem ? ", stem " : "",
                 spec->stem ? sqz_stem_name(spec->stem) : "",
                 grouped((int64_t)run->setup.model->net->n_weights, parameters), spec->image_w,
                 spec->image_h, spec->channels, spec->drop_rate);
    introduce_training(run);
    if (!sqz_memory_plan(run->environment, &run->setup, &plan, NULL))
        sqz_run_note(run, SQZ_EVENT_NOTE,
                     "Memory    %.0f MB planned: %.0f for the step, %.0f for images, %.0f to "
                     "validate",
                     (double)plan.total / 1e6, (double)plan.step / 1e6, (double)plan.images / 1e6,
                     (double)plan.validation / 1e6);
    sqz_run_report_ranks(run);
    sqz_run_note(run, SQZ_EVENT_NOTE, "Run       %s", run->dir.path);
    const char *line = sqz_text_get(&run->setup.notes);
    while (*line) {
        size_t length = strcspn(line, "\n");
        if (length > 0)
            sqz_run_note(run, SQZ_EVENT_NOTE, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

// Steps that this run still has to do, as far as it is known.
static int64_t steps_left(const struct sqz_run *run)
{
    int64_t total = run->steps_per_epoch * run->setup.config->epoch_size;
    if (run->limit.max_steps > 0 && run->limit.max_steps < total)
        total = run->limit.max_steps;
    return total - run->state.steps;
}

void sqz_run_progress(struct sqz_run *run, double rate)
{
    const struct sqz_train_config *config = run->setup.config;
    const struct sqz_train_state *state = &run->state;
    double now = sqz_clock_seconds();
    if (!run->environment->on_event || now - run->clocks.told < 0.1)
        return;
    run->clocks.told = now;
    double per_step = run->clocks.train_seconds / (double)run->clocks.steps;
    double left = per_step * (double)steps_left(run);
    if (config->max_seconds > 0 && !run->limit.planned)
        left = config->max_seconds - (now - run->clocks.started);
    struct sqz_event event = {.kind = SQZ_EVENT_PROGRESS,
                              .text = "train",
                              .epoch = (int)state->epoch + 1,
                              .epochs = (int)config->epoch_size,
                              .step = state->batch,
                              .steps = run->steps_per_epoch,
                              .loss = state->loss_sum / (double)state->loss_samples,
                              .lr = rate,
                              .items_per_second =
                                  (double)run->clocks.images / run->clocks.train_seconds,
                              .seconds_left = left};
    run->environment->on_event(run->environment->event_arg, &event);
}

void sqz_epoch_row(const struct sqz_epoch_summary *summary, struct sqz_text *row)
{
    const struct sqz_evaluation *validated = summary->validated;
    sqz_text_add(row, "%" PRId64 ",%" PRId64 ",%.9g,%.9g", summary->epoch, summary->steps,
                 summary->rate, summary->loss);
    if (!validated) {
        sqz_text_add(row, ",,,");
        return;
    }
    double samples = (double)validated->samples;
    sqz_text_add(row, ",%.9g,%.9g,%.9g", validated->loss_sum / samples,
                 (double)validated->correct1 / samples, (double)validated->correct5 / samples);
}

// The share of the epoch's steps that waited for images, if there were any.
static void add_waiting(struct sqz_run_clocks *clocks, const struct sqz_loader *loader,
                        struct sqz_text *line)
{
    double all = sqz_loader_wait_seconds(loader), waited = all - clocks->waited;
    clocks->waited = all;
    if (clocks->epoch_seconds > 0)
        sqz_text_add(line, "  %.1f %% waiting for images", 100 * waited / clocks->epoch_seconds);
}

void sqz_run_epoch_line(struct sqz_run *run, const struct sqz_epoch_summary *summary)
{
    const int64_t epochs = run->setup.config->epoch_size;
    const struct sqz_evaluation *validated = summary->validated;
    struct sqz_run_clocks *clocks = &run->clocks;
    struct sqz_text line = {0};
    double speed =
        clocks->epoch_seconds > 0 ? (double)clocks->epoch_images / clocks->epoch_seconds : NAN;
    sqz_text_add(&line, "epoch %*" PRId64 "/%" PRId64 "  loss %.4f", epochs > 99 ? 3 : 2,
                 summary->epoch, epochs, summary->loss);
    if (validated) {
        double samples = (double)validated->samples;
        sqz_text_add(&line, "  val loss %.4f  top-1 %.2f %%", validated->loss_sum / samples,
                     100 * (double)validated->correct1 / samples);
        if (run->setup.model->net->spec.classes > 5)
            sqz_text_add(&line, "  top-5 %.2f %%", 100 * (double)validated->correct5 / samples);
    }
    sqz_text_add(&line, "  lr %.3g  %.1f s  %.0f img/s", summary->rate, clocks->epoch_seconds,
                 speed);
    add_waiting(clocks, run->loader, &line);
    sqz_text_add(&line, "%s", summary->is_best ? "  best" : "");
    sqz_run_dir_log(&run->dir, "%s", sqz_text_get(&line));
    struct sqz_event event = {.kind = SQZ_EVENT_EPOCH,
                              .text = sqz_text_get(&line),
                              .epoch = (int)summary->epoch,
                              .epochs = (int)epochs,
                              .step = run->steps_per_epoch,
                              .steps = run->steps_per_epoch,
                              .loss = summary->loss,
                              .lr = summary->rate,
                              .items_per_second = speed,
                              .seconds_left = NAN};
    if (run->environment->on_event)
        run->environment->on_event(run->environment->event_arg, &event);
    sqz_text_release(&line);
}
