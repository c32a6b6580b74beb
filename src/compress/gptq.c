// GPTQ on rows of weights. Per row (or, for dense rows, once per layer) the covariance H of the
// inputs is factored as H = R R' with R upper triangular; column j's error, divided by U[j][j] of
// U = R^-1, times row j of U is what the later columns take over.
#include "compress/gptq.h"

#include "base/memory.h"
#include "compress/unpack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING    0.02 // of the mean variance, on the diagonal: inputs are never quite known
#define OWN_FACTOR 0.8  // rows with fewer weights than this share of all get a factor of their own

struct work {
    const struct sqz_gptq_job *job;
    double damping;
    float *shared;      // the factor of all columns
    double *distortion; // [row][candidate]: summed in order at the end
    double *matrices;   // one part a worker: columns^2, twice
    float *own, *rows;  // one part a worker: a packed factor; a row in the making
    int *columns;       // one part a worker: which columns a row has
    size_t packed;      // floats of a factor
};

// Row j of a packed upper triangle begins here.
static size_t triangle_row(size_t n, size_t j)
{
    return j * n - j * (j - 1) / 2;
}

// a (n x n, upper part valid) becomes R with a = R R', from the last column to the first; r gets
// R^-1, which is upper triangular, too.
static void factor(double *a, double *r, size_t n, float *packed)
{
    double *column = r;
    for (size_t j = n; j-- > 0;) {
        double pivot = sqrt(a[j * n + j]);
        a[j * n + j] = pivot;
        for (size_t i = 0; i < j; i++)
            column[i] = a[i * n + j] /= pivot;
        for (size_t i = 0; i < j; i++) {
            double f = column[i], *row = a + i * n;
            for (size_t k = i; k < j; k++)
                row[k] -= f * column[k];
        }
    }
    memset(r, 0, n * n * sizeof *r);
    for (size_t i = n; i-- > 0;) {
        double *row = r + i * n;
        row[i] = 1;
        for (size_t k = i + 1; k < n; k++) {
            double f = a[i * n + k];
            const double *below = r + k * n;
            for (size_t j = k; j < n; j++)
                row[j] -= f * below[j];
        }
        for (size_t j = i; j < n; j++)
            row[j] /= a[i * n + i];
        for (size_t j = i; j < n; j++)
            packed[triangle_row(n, i) + j - i] = (float)row[j];
    }
}

// The factor of the covariance of the listed columns.
static void factor_columns(const struct work *work, const int *columns, size_t n, double *matrices,
                           float *packed)
{
    const struct sqz_input_statistics *m = work->job->statistics;
    double *a = matrices;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            a[i * n + j] =
                m->covariance[(size_t)columns[i] * (size_t)m->columns + (size_t)columns[j]];
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += work->damping;
    factor(a, matrices + (size_t)m->columns * (size_t)m->columns, n, packed);
}

static int nearest_code(float value, float step, int most)
{
    float code = rintf(value / step);
    return code > (float)most ? most : code < -(float)most ? -most : (int)code;
}

// What a unit of squared error costs at the average column.
static double average_cost(size_t n, const float *u)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++, u += n - j + 1)
        sum += 1 / ((double)u[0] * (double)u[0]);
    return n ? sum / (double)n : 0;
}

// What a code of +-1 saves of the squared error, w^2 - (|w| - step)^2, in squares of the step.
static double gain_of_one(float value, float step)
{
    return 2 * fabs((double)value) / (double)step - 1;
}

// Rounds the listed columns of one row; `row` holds their weights and is used up. Columns that have
// to stay 0 are forced. `threshold`: zero_threshold at a unit of cost.
static double round_row(const struct sqz_gptq_job *job, const float *weights, const int *columns,
                        size_t n, const float *u, float *row, float step, double threshold,
                        int16_t *codes)
{
    const int most = job->max_code ? job->max_code : SQZ_MAX_CODE;
    double distortion = 0;
    for (size_t j = 0; j < n; j++, u += n - j + 1) {
        bool forced = job->keep_zeros && weights[columns[j]] == 0;
        int code = forced ? 0 : nearest_code(row[j], step, most);
        if (threshold > 0 && abs(code) == 1 &&
            gain_of_one(row[j], step) < threshold * (double)u[0] * (double)u[0])
            code = 0;
        float error = (row[j] - (float)code * step) / u[0];
        codes[columns[j]] = (int16_t)code;
        distortion += (double)error * (double)error;
        for (size_t k = 1; k < n - j; k++)
            row[j + k] -= error * u[k];
    }
    return distortion;
}

static void quantize_row(void *arg, int task, int worker)
{
    const struct work *work = arg;
    const struct sqz_gptq_job *job = work->job;
    size_t d = (size_t)job->statistics->columns, n = 0;
    const float *weights = job->weights + (size_t)task * d, *u = work->shared;
    int *columns = work->columns + (size_t)worker * d;
    float *row = work->rows + (size_t)worker * d;
    for (size_t j = 0; j < d; j++)
        if (!job->keep_zeros || weights[j] != 0)
            columns[n++] = (int)j;
    if ((double)n < OWN_FACTOR * (double)d) {
        float *own = work->own + (size_t)worker * work->packed;
        factor_columns(work, columns, n, work->matrices + (size_t)worker * 2 * d * d, own);
        u = own;
    } else {
        for (n = 0; n < d; n++)
            columns[n] = (int)n;
    }
    const double cost = average_cost(n, u);
    for (int c = 0; c < job->n_candidates; c++) {
        const struct sqz_candidate *candidate = &job->candidates[c];
        for (size_t j = 0; j < n; j++)
            row[j] = weights[columns[j]];
        work->distortion[(size_t)task * (size_t)job->n_candidates + (size_t)c] =
            round_row(job, weights, columns, n, u, row, candidate->step,
                      (double)candidate->zero_threshold * cost, job->codes[c] + (size_t)task * d);
    }
}

static double mean_variance(const struct sqz_input_statistics *m)
{
    double sum = 0;
    for (int c = 0; c < m->columns; c++)
        sum += m->covariance[(size_t)c * (size_t)(m->columns + 1)];
    return sum / m->columns;
}

static enum sqz_status take_memory(struct work *work, size_t workers, struct sqz_error *err)
{
    size_t d = (size_t)work->job->statistics->columns;
    work->packed = d * (d + 1) / 2;
    work->shared = sqz_new_array(work->packed, sizeof(float));
    work->distortion =
        sqz_new_array((size_t)work->job->rows * (size_t)work->job->n_candidates, sizeof(double));
    work->matrices = sqz_new_array(workers * 2 * d * d, sizeof(double));
    work->own = sqz_new_array(workers * work->packed, sizeof(float));
    work->rows = sqz_new_array(workers * d, sizeof(float));
    work->columns = sqz_new_array(workers * d, sizeof(int));
    if (!work->shared || !work->distortion || !work->matrices || !work->own || !work->rows ||
        !work->columns)
        return sqz_fail_memory(err, "rounding a layer", workers * 2 * d * d * sizeof(double));
    return SQZ_OK;
}

enum sqz_status sqz_gptq_run(const struct sqz_gptq_job *job, struct sqz_pool *pool,
                             struct sqz_error *err)
{
    struct work work = {.job = job, .damping = DAMPING * mean_variance(job->statistics) + 1e-12};
    size_t d = (size_t)job->statistics->columns;
    enum sqz_status status = take_memory(&work, (size_t)sqz_pool_size(pool), err);
    if (!status) {
        for (size_t j = 0; j < d; j++)
            work.columns[j] = (int)j;
        factor_columns(&work, work.columns, d, work.matrices, work.shared);
        for (int c = 0; c < job->n_candidates; c++)
            memset(job->codes[c], 0, (size_t)job->rows * d * sizeof **job->codes);
        sqz_pool_run(pool, job->rows, quantize_row, &work);
        for (int c = 0; c < job->n_candidates; c++) {
            job->distortion[c] = 0;
            for (int r = 0; r < job->rows; r++)
                job->distortion[c] +=
                    work.distortion[(size_t)r * (size_t)job->n_candidates + (size_t)c];
        }
    }
    sqz_free(work.shared);
    sqz_free(work.distortion);
    sqz_free(work.matrices);
    sqz_free(work.own);
    sqz_free(work.rows);
    sqz_free(work.columns);
    return status;
}
