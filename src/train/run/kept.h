// The list of MindCV-style checkpoints that a run keeps: what option keep_checkpoint_max counts.
// It is part of the training state, as text with a line "name<TAB>top1" each, oldest first.
#ifndef SQZ_TRAIN_RUN_KEPT_H
#define SQZ_TRAIN_RUN_KEPT_H

#include "base/memory.h"
#include <stdbool.h>
#include <stdint.h>

enum { SQZ_KEPT_NAME = 128 };
struct sqz_kept {
    char name[SQZ_KEPT_NAME];
    double top1;
};

// MODEL-EPOCH_STEPS.ckpt, the name of the file that is written after `epoch`.
void sqz_kept_name(char name[SQZ_KEPT_NAME], const char *model, int64_t epoch,
                   int64_t steps_per_epoch);
// Entries of the list, or -1 if a line is none that this program writes. The names are files that
// will be removed, and the list comes from a file: no other name may stand in it.
int sqz_kept_count(const char *text);
// All entries of a list that sqz_kept_count accepts.
void sqz_kept_read(const char *text, struct sqz_kept *out);
// The list without entry `gone` (-1: none goes) and with `name` as its newest.
void sqz_kept_write(const struct sqz_kept *kept, int n, int gone, const char *name, double top1,
                    struct sqz_text *out);
// The entry that makes room: the oldest, or with `by_top1` the worst. -1: nothing has to go; -2:
// the new one is not good enough.
int sqz_kept_victim(const struct sqz_kept *kept, int n, int64_t limit, bool by_top1, double top1);

#endif
