// What a training run does because other ranks take part in it.
#include "compress/sha256.h"
#include "train/options/recipe_write.h"
#include "train/run/run_ranks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What must be the same on all ranks before the first step.
struct passport {
    uint8_t recipe[32], weights[32], teacher[32];
    uint64_t train, val; // fingerprints of the data
    int64_t steps;       // done before
    int32_t level;       // SIMD
    char version[32], path[1024];
};

static enum sqz_status fill_passport(const struct sqz_run *run, struct passport *out,
                                     struct sqz_error *err)
{
    const struct sqz_net *net = run->setup.model->net;
    struct sqz_text recipe = {0};
    *out = (struct passport){.train = run->state.train_fingerprint,
                             .val = run->state.val_fingerprint,
                             .steps = run->state.steps,
                             .level = (int32_t)run->environment->kernels->level};
    snprintf(out->version, sizeof out->version, "%s", SQZ_VERSION);
    snprintf(out->path, sizeof out->path, "%s", run->dir.path ? run->dir.path : "");
    enum sqz_status status =
        sqz_recipe_portable(run->setup.options, run->setup.config, &recipe, err);
    sqz_sha256_of(sqz_text_get(&recipe), recipe.length, out->recipe);
    sqz_text_release(&recipe);
    if (status)
        return status;
    sqz_sha256_of(run->setup.model->weights, net->n_weights * sizeof(float), out->weights);
    if (run->qat && run->qat->teacher) {
        size_t n;
        const float *weights = sqz_teacher_weights(run->qat->teacher, &n);
        sqz_sha256_of(weights, n * sizeof *weights, out->teacher);
    }
    return SQZ_OK;
}

// What differs between two of them; NULL: nothing.
static const char *difference(const struct passport *a, const struct passport *b)
{
    if (strcmp(a->version, b->version) != 0)
        return "another version of this program";
    if (memcmp(a->recipe, b->recipe, sizeof a->recipe) != 0)
        return "another recipe (or seed)";
    if (a->train != b->train)
        return "other training images";
    if (a->val != b->val)
        return "other validation images";
    if (a->steps != b->steps)
        return "another checkpoint";
    if (memcmp(a->weights, b->weights, sizeof a->weights) != 0)
        return "other initial weights";
    if (memcmp(a->teacher, b->teacher, sizeof a->teacher) != 0)
        return "another teacher";
    return a->level != b->level ? "another SIMD level" : NULL;
}

static enum sqz_status compare_passports(struct sqz_run *run, const struct passport *all,
                                         struct sqz_error *err)
{
    struct sqz_ranks *ranks = run->environment->ranks;
    for (int r = 1; r < sqz_ranks_size(ranks); r++) {
        const char *what = difference(&all[0], &all[r]);
        if (!what)
            continue;
        sqz_ranks_mark_agreed(ranks); // everybody sees the same
        return sqz_fail(err, SQZ_E_CONFIG,
                        "Rank %d on %s has %s than rank 0 on %s; all ranks must do the same.", r,
                        sqz_ranks_host(ranks, r), what, sqz_ranks_host(ranks, 0));
    }
    run->dir.ranks = true;
    if (sqz_ranks_rank(ranks) == 0)
        return SQZ_OK;
    sqz_free(run->dir.path); // of a resumed run, as this machine sees it
    run->dir.path = sqz_copy_string(all[0].path);
    run->dir.mute = true;
    return run->dir.path ? SQZ_OK : sqz_fail_memory(err, "a path", sizeof all[0].path);
}

enum sqz_status sqz_run_agree_on_start(struct sqz_run *run, enum sqz_status status,
                                       struct sqz_error *err)
{
    struct sqz_ranks *ranks = run->environment->ranks;
    size_t size = (size_t)sqz_ranks_size(ranks);
    struct passport mine;
    if (!ranks)
        return status;
    struct passport *all = sqz_new_array(size, sizeof *all);
    run->account.compute_seconds = sqz_new_array(size, sizeof(double));
    if (!status && (!all || !run->account.compute_seconds))
        status = sqz_fail_memory(err, "the ranks", size * sizeof *all);
    if (!status)
        status = fill_passport(run, &mine, err);
    status = sqz_ranks_agree(ranks, status, err);
    if (!status)
        status = sqz_ranks_gather(ranks, &mine, sizeof mine, all, err);
    if (!status)
        status = compare_passports(run, all, err);
    if (!status && !run->dir.mute)
        sqz_ranks_publish_run_dir(ranks, run->dir.path);
    sqz_free(all);
    return status;
}

void sqz_run_report_ranks(struct sqz_run *run)
{
    struct sqz_ranks *ranks = run->environment->ranks;
    char hosts[400] = "";
    size_t length = 0;
    int size = sqz_ranks_size(ranks);
    if (!ranks)
        return;
    for (int r = 0; r < size && length + 120 < sizeof hosts; r++)
        if (r == 0 || strcmp(sqz_ranks_host(ranks, r), sqz_ranks_host(ranks, r - 1)) != 0)
            length += (size_t)snprintf(hosts + length, sizeof hosts - length, "%s%s from rank %d",
                                       length ? ", " : "", sqz_ranks_host(ranks, r), r);
    sqz_run_note(run, SQZ_EVENT_NOTE,
                 "Ranks     %d, %d thread%s here, on %s; %s; gradients as %s, time-out %g s", size,
                 sqz_pool_size(run->environment->pool),
                 sqz_pool_size(run->environment->pool) == 1 ? "" : "s", hosts,
                 sqz_ranks_library(ranks), run->setup.config->comm_dtype_word,
                 run->setup.config->comm_timeout);
}

void sqz_rank_account_add(struct sqz_rank_account *account, const struct sqz_ranks *ranks,
                          const struct sqz_step_result *result)
{
    if (!result->reports)
        return;
    for (int r = 0; r < sqz_ranks_size(ranks); r++)
        account->compute_seconds[r] += result->reports[r].compute_seconds;
    account->exposed_seconds += result->cost.seconds;
    account->bytes += (double)result->cost.bytes;
}

// Rows of this rank's share of a batch.
static int rows_of(const struct sqz_setup *setup, int rank)
{
    int first, end;
    sqz_gradient_share(setup->model->net, (int)setup->config->batch_size, rank,
                       sqz_ranks_size(setup->ranks), &first, &end);
    return end - first;
}

void sqz_rank_columns(const struct sqz_setup *setup, const struct sqz_step_result *result,
                      double seconds, struct sqz_text *row, struct sqz_text *log)
{
    const struct sqz_ranks *ranks = setup->ranks;
    int size = sqz_ranks_size(ranks), slowest = 0;
    double busy = 0;
    if (!result->reports)
        return;
    for (int r = 0; r < size; r++) {
        double own = result->reports[r].compute_seconds;
        busy += own;
        if (own > result->reports[slowest].compute_seconds)
            slowest = r;
    }
    double efficiency = busy / (size * seconds);
    double slow = result->reports[slowest].compute_seconds;
    // bytes_sent, exposed_ms, efficiency, slowest_rank, slowest_host, slowest_ms and, divided by
    // blanks, every rank's images_per_second: names in run_files.c.
    sqz_text_add(row, ",%zu,%.3f,%.4f,%d,%s,%.3f,", result->cost.bytes, 1e3 * result->cost.seconds,
                 efficiency, slowest, sqz_ranks_host(ranks, slowest), 1e3 * slow);
    for (int r = 0; r < size; r++)
        sqz_text_add(row, "%s%.1f", r ? " " : "",
                     rows_of(setup, r) / (result->reports[r].compute_seconds + 1e-9));
    sqz_text_add(log,
                 "; sent %.2f MB, exposed %.2f ms, slowest rank %d on %s with %.1f ms, "
                 "efficiency %.3f",
                 (double)result->cost.bytes / 1e6, 1e3 * result->cost.seconds, slowest,
                 sqz_ranks_host(ranks, slowest), 1e3 * slow, efficiency);
}

enum sqz_status sqz_ranks_share_limit(struct sqz_ranks *ranks, int64_t *limit,
                                      struct sqz_error *err)
{
    size_t size = (size_t)sqz_ranks_size(ranks);
    int64_t *all = sqz_new_array(size, sizeof *all);
    if (!all)
        return sqz_fail_memory(err, "the ranks", size * sizeof *all);
    enum sqz_status status = sqz_ranks_gather(ranks, limit, sizeof *limit, all, err);
    *limit = all[0];
    sqz_free(all);
    return status;
}

void sqz_rank_account_fill(const struct sqz_rank_account *account, const struct sqz_ranks *ranks,
                           const struct sqz_run_clocks *clocks, struct sqz_train_result *out)
{
    int size = sqz_ranks_size(ranks), slowest = 0;
    double busy = 0;
    out->ranks = size;
    if (!account->compute_seconds || clocks->steps == 0)
        return;
    for (int r = 0; r < size; r++) {
        busy += account->compute_seconds[r];
        if (account->compute_seconds[r] > account->compute_seconds[slowest])
            slowest = r;
    }
    out->bytes_per_step = account->bytes / (double)clocks->steps;
    out->exposed_ms = 1e3 * account->exposed_seconds / (double)clocks->steps;
    out->slowest_rank = slowest;
    snprintf(out->slowest_host, sizeof out->slowest_host, "%s", sqz_ranks_host(ranks, slowest));
    out->efficiency = busy / (size * clocks->train_seconds);
}
