// What all ranks do together, made of messages that are waited for with a time-out.
#include "dist/private.h"

#include "base/memory.h"

#include <string.h>

enum sqz_status sqz_ranks_gather(struct sqz_ranks *ranks, const void *mine, size_t bytes, void *all,
                                 struct sqz_error *err)
{
    int size = sqz_ranks_size(ranks);
    size_t n = 2 * (size_t)(size - 1), at = 0;
    memcpy((char *)all + (size_t)sqz_ranks_rank(ranks) * bytes, mine, bytes);
    if (size == 1)
        return SQZ_OK;
    struct sqz_message *messages = sqz_new_array(n, sizeof *messages);
    if (!messages) {
        ranks->lost = true; // the others wait
        return sqz_fail_memory(err, "messages", n * sizeof *messages);
    }
    // Nearest neighbours first, so that not all ranks talk to rank 0 at once.
    for (int d = 1; d < size; d++) {
        int from = (ranks->rank + size - d) % size, to = (ranks->rank + d) % size;
        sqz_ranks_receive(ranks, from, SQZ_TAG_GATHER, (char *)all + (size_t)from * bytes, bytes,
                          &messages[at++]);
        sqz_ranks_send(ranks, to, SQZ_TAG_GATHER, mine, bytes, &messages[at++]);
    }
    enum sqz_status status = sqz_ranks_wait(ranks, messages, n, NULL, NULL, err);
    sqz_free(messages);
    return status;
}

enum sqz_status sqz_ranks_agree(struct sqz_ranks *ranks, enum sqz_status status,
                                struct sqz_error *err)
{
    struct outcome {
        int status;
        char text[512];
    } mine = {.status = (int)status};
    if (!ranks || ranks->lost)
        return status;
    size_t size = (size_t)ranks->size;
    if (status && err) {
        memcpy(mine.text, err->text, sizeof mine.text - 1);
    }
    struct outcome *all = sqz_new_array(size, sizeof *all);
    if (!all) {
        ranks->lost = true;
        return sqz_fail_memory(err, "the ranks' outcomes", size * sizeof *all);
    }
    enum sqz_status shared = sqz_ranks_gather(ranks, &mine, sizeof mine, all, err);
    for (size_t r = 0; r < size && !shared; r++)
        if (all[r].status) {
            // The user's own stop says nothing about a rank.
            bool plain = r == 0 || all[r].status == SQZ_E_STOPPED;
            shared = plain ? sqz_fail(err, (enum sqz_status)all[r].status, "%s", all[r].text)
                           : sqz_fail(err, (enum sqz_status)all[r].status, "Rank %zu on %s: %s", r,
                                      sqz_ranks_host(ranks, (int)r), all[r].text);
            ranks->agreed = true;
        }
    sqz_free(all);
    return shared;
}
