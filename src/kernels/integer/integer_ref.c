// The portable level of the integer engine: plain loops over a panel's 16 channels.
#include "kernels/integer/integer_loops.h"
#include "kernels/requantize.h"

static void sum_window(const struct sqz_integer_line *l, const uint8_t *x, int32_t *sums)
{
    const int8_t *w = l->weights;
    for (int c = 0; c < SQZ_INTEGER_PANEL; c++)
        sums[c] = l->bias[c];
    for (int row = 0; row < l->rows; row++, x += l->row)
        for (int i = 0; i < l->groups * 4; i += 4, w += SQZ_INTEGER_PANEL * 4)
            for (int c = 0; c < SQZ_INTEGER_PANEL; c++)
                sums[c] += w[c * 4] * x[i] + w[c * 4 + 1] * x[i + 1] + w[c * 4 + 2] * x[i + 2] +
                           w[c * 4 + 3] * x[i + 3];
}

static void run_panel(const struct sqz_integer_line *l, int panels)
{
    (void)panels; // 1
    int32_t sums[SQZ_INTEGER_PANEL];
    for (int p = 0; p < l->n; p++) {
        sum_window(l, l->x + p * l->pixel, sums);
        for (int c = 0; c < SQZ_INTEGER_PANEL; c++)
            l->y[p * l->ldy + c] = sqz_requantize_float(sums[c], l->scales[c]);
    }
}

static void run_line(const struct sqz_integer_line *l, int panels)
{
    each_line(l, panels, 1, run_panel);
}

static void run_classes(const struct sqz_integer_line *l, int panels, int32_t *totals)
{
    int32_t sums[SQZ_INTEGER_PANEL];
    struct sqz_integer_line panel = *l;
    for (int i = 0; i < panels; i++, totals += SQZ_INTEGER_PANEL) {
        for (int p = 0; p < l->n; p++) {
            sum_window(&panel, l->x + p * l->pixel, sums);
            for (int c = 0; c < SQZ_INTEGER_PANEL; c++)
                totals[c] += sums[c] > 0 ? sums[c] : 0;
        }
        panel.weights += l->groups * SQZ_INTEGER_PANEL * 4;
        panel.bias += SQZ_INTEGER_PANEL;
    }
}

const struct sqz_integer_kernels sqz_integer_ref = {SQZ_CPU_REF, false,       NULL,
                                                    run_line,    run_classes, maximum};
