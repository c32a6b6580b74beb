// A sentence of a run for its user: an event, and a line of train.log.
#include "train/run/run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void sqz_run_note(struct sqz_run *run, enum sqz_event_kind kind, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sqz_run_dir_log(&run->dir, "%s", text);
    if (!run->environment->on_event)
        return;
    struct sqz_event event = {.kind = kind,
                              .text = text,
                              .loss = NAN,
                              .lr = NAN,
                              .items_per_second = NAN,
                              .seconds_left = NAN};
    run->environment->on_event(run->environment->event_arg, &event);
}
