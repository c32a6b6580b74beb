// Rows of a batch that each rank has a share of, completed on all.
#include "base/memory.h"
#include "train/step/exchange.h"

enum { TAG_ROWS = SQZ_TAG_USER + 1 + 2 * SQZ_BUCKETS }; // after those of exchange.c

enum sqz_status sqz_exchange_rows(struct sqz_ranks *ranks, const struct sqz_net *net, int n,
                                  size_t width, float *rows, struct sqz_error *err)
{
    int rank = sqz_ranks_rank(ranks), size = sqz_ranks_size(ranks), first, end;
    size_t n_messages = 2 * (size_t)(size - 1), at = 0;
    struct sqz_message *messages = sqz_new_array(n_messages, sizeof *messages);
    if (!messages)
        return sqz_fail_memory(err, "messages", n_messages * sizeof *messages);
    for (int r = 0; r < size; r++) {
        sqz_gradient_share(net, n, r, size, &first, &end);
        if (r != rank)
            sqz_ranks_receive(ranks, r, TAG_ROWS, rows + (size_t)first * width,
                              (size_t)(end - first) * width * sizeof *rows, &messages[at++]);
    }
    sqz_gradient_share(net, n, rank, size, &first, &end);
    for (int d = 1; d < size; d++)
        sqz_ranks_send(ranks, (rank + d) % size, TAG_ROWS, rows + (size_t)first * width,
                       (size_t)(end - first) * width * sizeof *rows, &messages[at++]);
    enum sqz_status status = sqz_ranks_wait(ranks, messages, n_messages, NULL, NULL, err);
    sqz_free(messages);
    return status;
}

void sqz_even_share(int n, int rank, int ranks, int *first, int *end)
{
    *first = (int)((int64_t)n * rank / ranks);
    *end = (int)((int64_t)n * (rank + 1) / ranks);
}
