// k-means, layer by layer on sorted values.
#include "compress/deep.h"

#include "base/memory.h"
#include "compress/prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      100 // of k-means, mostly far fewer
#define MOST_SHARED 255
#define BIAS_BITS   16 // of a bias's mantissa: an error of one in 131,072

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// --- Sharing ---

// Index of the first value at or above `bound`.
static size_t find(const float *sorted, size_t n, double bound)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((double)sorted[middle] < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Lloyd's rounds from centroids spread evenly between the extremes: the few large weights, which
// matter most, keep centroids of their own. sums[i] = sum of the first i values.
static void share(const float *sorted, const double *sums, size_t n, int k, double *centroids)
{
    double low = (double)sorted[0], high = (double)sorted[n - 1];
    for (int c = 0; c < k; c++)
        centroids[c] = k > 1 ? low + (high - low) * c / (k - 1) : (low + high) / 2;
    for (int round = 0; round < ROUNDS; round++) {
        bool moved = false;
        size_t begin = 0;
        for (int c = 0; c < k; c++) {
            size_t end = c + 1 < k ? find(sorted, n, (centroids[c] + centroids[c + 1]) / 2) : n;
            double mean = end > begin ? (sums[end] - sums[begin]) / (double)(end - begin)
                                      : centroids[c]; // nobody's: it stays where it is
            moved = moved || mean != centroids[c];
            centroids[c] = mean;
            begin = end;
        }
        if (!moved)
            break;
    }
}

static float nearest(const double *centroids, int k, float value)
{
    int low = 0;
    while (low + 1 < k && (double)value >= (centroids[low] + centroids[low + 1]) / 2)
        low++;
    return (float)centroids[low];
}

struct sharing {
    const struct sqz_deep_job *job;
    float *weights;
    bool failed[256];
};

static void share_layer(void *arg, int task, int worker)
{
    struct sharing *sharing = arg;
    const struct sqz_param *p = &sharing->job->net->params[task];
    float *w = sharing->weights + p->offset;
    double centroids[MOST_SHARED];
    size_t n = 0;
    (void)worker;
    if (p->kind != SQZ_PARAM_WEIGHT)
        return;
    float *sorted = sqz_new_array(p->size, sizeof *sorted);
    double *sums = sqz_new_array(p->size + 1, sizeof *sums);
    sharing->failed[task] = !sorted || !sums;
    if (!sharing->failed[task]) {
        for (size_t i = 0; i < p->size; i++)
            if (w[i] != 0)
                sorted[n++] = w[i];
        qsort(sorted, n, sizeof *sorted, compare_floats);
        for (size_t i = 0; i < n; i++)
            sums[i + 1] = sums[i] + (double)sorted[i];
        int k = (1 << sharing->job->bits) - 1;
        if (n)
            share(sorted, sums, n, k, centroids);
        for (size_t i = 0; i < p->size; i++)
            if (w[i] != 0)
                w[i] = nearest(centroids, k, w[i]);
    }
    sqz_free(sorted);
    sqz_free(sums);
}

static void round_bias(float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    bits += (uint32_t)1 << (22 - BIAS_BITS);
    bits &= ~(((uint32_t)1 << (23 - BIAS_BITS)) - 1);
    memcpy(value, &bits, sizeof bits);
}

void sqz_deep_round_biases(const struct sqz_net *net, float *weights)
{
    for (int i = 0; i < net->n_params; i++)
        for (size_t k = 0; net->params[i].kind == SQZ_PARAM_BIAS && k < net->params[i].size; k++)
            round_bias(&weights[net->params[i].offset + k]);
}

enum sqz_status sqz_deep_run(const struct sqz_deep_job *job, float *weights, struct sqz_error *err)
{
    struct sharing sharing = {.job = job, .weights = weights};
    if (job->bits < 2 || job->bits > 8)
        return sqz_fail(err, SQZ_E_USAGE, "Shared weights take 2 to 8 bits, not %d.", job->bits);
    if (!(job->density > 0 && job->density <= 1))
        return sqz_fail(err, SQZ_E_USAGE, "A density lies above 0 and at most at 1; %g does not.",
                        job->density);
    enum sqz_status status =
        job->density < 1 ? sqz_prune(job->net, job->pool, job->density, weights, err) : SQZ_OK;
    if (status)
        return status;
    sqz_pool_run(job->pool, job->net->n_params, share_layer, &sharing);
    sqz_deep_round_biases(job->net, weights);
    for (int i = 0; i < job->net->n_params; i++)
        if (sharing.failed[i])
            return sqz_fail_memory(err, job->net->params[i].name, job->net->params[i].size * 12);
    return SQZ_OK;
}
