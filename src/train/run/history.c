// The run's curves: history.svg after every epoch, sparklines at the end.
#include "train/run/run.h"

#include "train/run/plot.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Columns of a history row, without timings.
enum { EPOCH, STEP, RATE, TRAIN_LOSS, VAL_LOSS, TOP1, TOP5, COLUMNS };

struct history {
    double *column[COLUMNS]; // NAN where the row has nothing
    size_t n;
};

static void history_release(struct history *history)
{
    for (int c = 0; c < COLUMNS; c++)
        sqz_free(history->column[c]);
}

static size_t count_rows(const char *rows)
{
    size_t n = 0;
    for (; *rows; rows++)
        n += *rows == '\n';
    return n;
}

static bool parse(const char *rows, struct history *out)
{
    *out = (struct history){.n = count_rows(rows)};
    for (int c = 0; c < COLUMNS; c++)
        if (!(out->column[c] = sqz_new_array(out->n, sizeof *out->column[c])))
            return false;
    for (size_t row = 0; row < out->n; row++) {
        for (int c = 0; c < COLUMNS; c++) {
            char *end = (char *)rows;
            // strtod would skip the line's end after an empty last field, and read the next line.
            bool empty = strchr(",\n", *rows) != NULL;
            double value = empty ? NAN : strtod(rows, &end);
            out->column[c][row] = end == rows ? NAN : value;
            rows = end;
            rows += strcspn(rows, ",\n");
            rows += *rows == ',';
        }
        rows += strcspn(rows, "\n");
        rows += *rows == '\n';
    }
    return true;
}

static struct sqz_curve curve_of(const struct history *history, const char *name, int column)
{
    return (struct sqz_curve){
        .name = name, .x = history->column[EPOCH], .y = history->column[column], .n = history->n};
}

enum sqz_status sqz_history_svg(const char *rows, const char *title, struct sqz_text *out,
                                struct sqz_error *err)
{
    struct history history;
    if (!parse(rows, &history)) {
        history_release(&history);
        return sqz_fail_memory(err, "history.svg", strlen(rows));
    }
    struct sqz_panel panels[] = {
        {.title = "loss",
         .curves = {curve_of(&history, "training", TRAIN_LOSS),
                    curve_of(&history, "validation", VAL_LOSS)},
         .n_curves = 2},
        {.title = "accuracy (share of the validation images)",
         .curves = {curve_of(&history, "top-1", TOP1), curve_of(&history, "top-5", TOP5)},
         .n_curves = 2},
        {.title = "learning rate at the epoch's end",
         .curves = {curve_of(&history, "rate", RATE)},
         .n_curves = 1,
         .from_zero = true}};
    sqz_plot_svg(title, "epoch", panels, 3, out);
    history_release(&history);
    return out->failed ? sqz_fail_memory(err, "history.svg", out->length) : SQZ_OK;
}

enum sqz_status sqz_history_plot(const struct sqz_run_dir *dir, const struct sqz_text *rows,
                                 const char *title, struct sqz_error *err)
{
    struct sqz_text svg = {0};
    if (dir->mute)
        return SQZ_OK;
    enum sqz_status status = sqz_history_svg(sqz_text_get(rows), title, &svg, err);
    if (!status)
        status = sqz_run_dir_write(dir, "history.svg", sqz_text_get(&svg), err);
    sqz_text_release(&svg);
    return status;
}

static void spark(struct sqz_run *run, const char *name, const double *values, size_t n,
                  bool from_zero, double factor, const char *unit)
{
    enum { COLUMNS_SHOWN = 48 };
    struct sqz_text line = {0};
    size_t first = 0, last = n;
    while (first < n && !isfinite(values[first]))
        first++;
    while (last > first && !isfinite(values[last - 1]))
        last--;
    if (last == first)
        return;
    sqz_sparkline(values, n, COLUMNS_SHOWN, from_zero, &line);
    sqz_run_note(run, SQZ_EVENT_NOTE, "%-10s%s  %.4g%s to %.4g%s", name, sqz_text_get(&line),
                 factor * values[first], unit, factor * values[last - 1], unit);
    sqz_text_release(&line);
}

void sqz_run_show_history(struct sqz_run *run)
{
    struct history history;
    // One epoch is no curve, and an image less is no reason to fail a finished run.
    if (parse(sqz_text_get(&run->state.history), &history) && history.n > 1) {
        spark(run, "Loss", history.column[TRAIN_LOSS], history.n, false, 1, "");
        spark(run, "Val loss", history.column[VAL_LOSS], history.n, false, 1, "");
        spark(run, "Top-1", history.column[TOP1], history.n, true, 100, " %");
        spark(run, "Rate", history.column[RATE], history.n, true, 1, "");
    }
    history_release(&history);
}
