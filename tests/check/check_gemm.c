// The micro-kernels alone: every number of rows and columns, short and long depths.
#include "check/check.h"

#include <math.h>
#include <string.h>

enum { MAX_TILES = 3, MAX_TAPS = 9, MAX_ROWS = 16 };

struct gemm_case {
    int rows, columns, taps, depth, width;
    bool accumulate, relu, bias;
    int tiles, larger, from;
};

// Which tile a row belongs to, and which one of its rows it is.
static void place(const struct gemm_case *t, int row, int *tile, int *row_of_tile)
{
    for (*tile = 0; row >= t->rows + (*tile < t->larger); ++*tile)
        row -= t->rows + (*tile < t->larger);
    *row_of_tile = row;
}

static void run_gemm(const struct sqz_kernels *k, void (*gemm)(const struct sqz_gemm *),
                     const struct gemm_case *t)
{
    check_begin("%s gemm %d wide: %d tiles of rows %d, %d larger, columns %d, taps %d, depth %d "
                "from %d%s%s%s",
                sqz_cpu_level_name(k->level), t->width, t->tiles, t->rows, t->larger, t->columns,
                t->taps, t->depth, t->from, t->accumulate ? ", accumulate" : "",
                t->bias ? ", bias" : "", t->relu ? ", relu" : "");
    const int all_rows = t->tiles * t->rows + t->larger;
    const float *a[MAX_TILES * MAX_TAPS * MAX_ROWS] = {NULL};
    int tile, row;
    for (int i = 0; i < all_rows; i++)
        for (int tap = 0; tap < t->taps; tap++) {
            place(t, i, &tile, &row);
            a[(tile * t->taps + tap) * k->mr + row] = random_floats((size_t)(t->from + t->depth));
        }
    float *b = random_floats((size_t)(t->taps * t->depth * t->width));
    float *bias = random_floats((size_t)t->columns);
    int ldc = t->columns + 3;
    size_t c_size = (size_t)((all_rows - 1) * ldc + t->columns);
    float *c = random_floats(c_size), *before = random_floats(c_size);
    if (!t->accumulate) // then c may hold anything
        fill_pattern(c, c_size);
    memcpy(before, c, c_size * sizeof *c);
    gemm(&(struct sqz_gemm){.a = a,
                            .from = t->from,
                            .b = b,
                            .c = c,
                            .ldc = ldc,
                            .bias = t->bias ? bias : NULL,
                            .taps = t->taps,
                            .depth = t->depth,
                            .tiles = t->tiles,
                            .rows = t->rows,
                            .larger = t->larger,
                            .columns = t->columns,
                            .accumulate = t->accumulate,
                            .relu = t->relu});
    for (size_t n = 0; n < c_size; n++) {
        const int j = (int)n % ldc;
        place(t, (int)n / ldc, &tile, &row);
        if (j >= t->columns) {
            check_true(memcmp(c + n, before + n, sizeof *c) == 0, "a write beside the tile", n);
            continue;
        }
        double want = t->bias ? (double)bias[j] : 0, terms = fabs(want);
        if (t->accumulate) {
            want += (double)before[n];
            terms += fabs((double)before[n]);
        }
        for (int tap = 0; tap < t->taps; tap++)
            for (int d = 0; d < t->depth; d++) {
                const float *x = a[(tile * t->taps + tap) * k->mr + row] + t->from;
                double term = (double)x[d] * (double)b[(tap * t->depth + d) * t->width + j];
                want += term;
                terms += fabs(term);
            }
        check_close(c[n], t->relu && want < 0 ? 0 : want, terms,
                    sum_factor((size_t)(t->taps * t->depth)), "c", n);
    }
    guarded_free_all();
}

static void run_outer(const struct sqz_kernels *k, void (*outer)(const struct sqz_outer_tile *),
                      int rows, int columns, int runs, int depth, int width)
{
    check_begin("%s outer %d wide: rows %d, columns %d, runs %d, depth %d",
                sqz_cpu_level_name(k->level), width, rows, columns, runs, depth);
    const float *a[MAX_TAPS], *b[MAX_TAPS];
    const int lda = rows + random_below(5), ldb = width + 16 * random_below(2), ldc = columns + 2;
    for (int r = 0; r < runs; r++) {
        a[r] = random_floats((size_t)((depth - 1) * lda + rows));
        b[r] = random_floats((size_t)((depth - 1) * ldb + width));
    }
    size_t c_size = (size_t)((rows - 1) * ldc + columns);
    float *c = random_floats(c_size), *before = random_floats(c_size);
    memcpy(before, c, c_size * sizeof *c);
    struct sqz_outer_tile tile = {.a = a,
                                  .b = b,
                                  .lda = lda,
                                  .ldb = ldb,
                                  .c = c,
                                  .ldc = ldc,
                                  .runs = runs,
                                  .depth = depth,
                                  .rows = rows,
                                  .columns = columns};
    outer(&tile);
    for (size_t n = 0; n < c_size; n++) {
        int i = (int)n / ldc, j = (int)n % ldc;
        if (j >= columns) {
            check_true(memcmp(c + n, before + n, sizeof *c) == 0, "a write beside the tile", n);
            continue;
        }
        double want = (double)before[n], terms = fabs(want);
        for (int r = 0; r < runs; r++)
            for (int d = 0; d < depth; d++) {
                double term = (double)a[r][d * lda + i] * (double)b[r][d * ldb + j];
                want += term;
                terms += fabs(term);
            }
        check_close(c[n], want, terms, sum_factor((size_t)(runs * depth)), "c", n);
    }
    guarded_free_all();
}

static void check_width(const struct sqz_kernels *k, int width)
{
    void (*gemm)(const struct sqz_gemm *) = width == k->nr ? k->gemm : k->gemm_half;
    void (*outer)(const struct sqz_outer_tile *) = width == k->nr ? k->outer : k->outer_half;
    for (int rows = 1; rows <= k->mr; rows++)
        for (int columns = 1; columns <= width; columns++) {
            int kind = (rows + columns) % 4;
            const int tiles = 1 + (rows + columns / 2) % MAX_TILES;
            struct gemm_case t = {.rows = rows,
                                  .columns = columns,
                                  .taps = 1 + columns % 3,
                                  .depth = 1 + (rows * 7 + columns) % 11,
                                  .width = width,
                                  .accumulate = kind >= 2,
                                  .relu = columns % 2 == 0,
                                  .bias = kind == 1 || kind == 2,
                                  .tiles = tiles,
                                  .larger = rows < k->mr ? columns % tiles : 0,
                                  .from = columns % 5};
            run_gemm(k, gemm, &t);
            run_outer(k, outer, rows, columns, t.taps, t.depth, width);
        }
    static const int real_depths[] = {48, 64, 96, 128, 256, 512};
    for (int d = 1; d <= 46; d++) {
        int depth = d <= 40 ? d : real_depths[d - 41];
        struct gemm_case t = {.rows = k->mr,
                              .columns = width,
                              .taps = depth % 2 ? 1 : 3,
                              .depth = depth,
                              .width = width,
                              .relu = true,
                              .bias = true,
                              .tiles = 1};
        run_gemm(k, gemm, &t);
        run_outer(k, outer, k->mr, width, t.taps, depth, width);
    }
}

void check_gemm(const struct sqz_kernels *k, const struct sqz_kernels *below)
{
    if (below && below->gemm == k->gemm && below->outer == k->outer)
        return;
    random_seed(1);
    check_width(k, k->nr);
    if (k->gemm_half)
        check_width(k, 16);
}
