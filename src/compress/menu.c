// A layer's menu: all its ways are rounded in one go, then packed to learn their bytes.
#include "compress/menu.h"

#include "base/memory.h"
#include "compress/pack.h"

#include <math.h>
#include <string.h>

#define FINEST      0.025 // the finest step, in standard deviations of the weights that are not 0
#define RATIO       0.2   // from step to step, in octaves
#define DROP        0.25  // from one price of a zero to the next
#define USUAL_DROP  0.5   // about what the bits of a rare code are worth
#define PRUNED      0.1   // share of zeros from which on they are no accident
#define BIAS_DAMAGE 0.001 // of a bias's rounding, relative to the damage that the weights do
#define PROBED      0.9   // of its bytes a layer on a grid has where its damage is probed
enum {
    KEPT = 10,  // ways that keep a grid's step
    PROBE = 17, // of a scale: about a quarter of a deviation
};

void sqz_menu_release(struct sqz_menu *menu)
{
    sqz_free(menu->oihw);
    for (int s = 0; s < SQZ_MENU; s++)
        sqz_free(menu->codes[s]);
    memset(menu, 0, sizeof *menu);
}

struct packing {
    struct sqz_menu *menu;
    bool failed[SQZ_MENU];
};

static void pack_choice(void *arg, int task, int worker)
{
    struct packing *packing = arg;
    const struct sqz_menu *menu = packing->menu;
    const struct sqz_param *p = menu->weight;
    struct sqz_text payload = {0};
    uint32_t check;
    struct sqz_coded coded = {.rank = 4,
                              .dims = {(size_t)p->out, (size_t)p->in, (size_t)p->kh, (size_t)p->kw},
                              .rows = (size_t)menu->rows,
                              .columns = (size_t)menu->columns,
                              .coding = SQZ_CODING_STEP,
                              .codes = menu->codes[task]};
    (void)worker;
    sqz_coded_pack(&coded, &payload, &check);
    packing->menu->bytes[task] = payload.length;
    packing->failed[task] = payload.failed;
    sqz_text_release(&payload);
}

// Of the weights that are not 0, which are *used of all.
static double find_deviation(const struct sqz_menu *menu, size_t *used)
{
    double squares = 0;
    *used = 0;
    for (size_t i = 0; i < (size_t)menu->rows * (size_t)menu->columns; i++) {
        *used += menu->oihw[i] != 0;
        squares += (double)menu->oihw[i] * (double)menu->oihw[i];
    }
    return *used ? sqrt(squares / (double)*used) : 1;
}

static void offer_scale(struct sqz_menu *menu, double deviation)
{
    for (int w = 0; w < SQZ_MENU; w++)
        menu->ways[w].step = (float)(deviation * FINEST * exp2(RATIO * w));
}

// Weights on a grid lie in clumps. Another scale would meet them only where it is so fine that it
// writes every clump's place in several bits.
static void offer_coarser(struct sqz_menu *menu, float step)
{
    for (int w = 0; w < KEPT; w++)
        menu->ways[w] = (struct sqz_gptq_way){step, (float)(DROP * w)};
    for (int w = KEPT; w < SQZ_MENU; w++)
        menu->ways[w] = (struct sqz_gptq_way){(float)((double)step * exp2(RATIO * (w - KEPT + 1))),
                                              (float)USUAL_DROP};
}

// On a grid the first ways may change nothing.
static int choose_probe(const struct sqz_menu *menu)
{
    int w = 0;
    while (w < SQZ_MENU - 1 && (double)menu->bytes[w] > PROBED * (double)menu->bytes[0])
        w++;
    return w;
}

enum sqz_status sqz_menu_new(const struct sqz_net *net, const float *weights, const float *grid,
                             const struct sqz_moments *moments, struct sqz_pool *pool,
                             struct sqz_menu *out, struct sqz_error *err)
{
    const struct sqz_layer *layer = &net->layers[moments->layer];
    struct sqz_menu menu = {.layer = layer,
                            .weight = &net->params[layer->weight],
                            .bias = &net->params[layer->bias],
                            .moments = moments,
                            .rows = net->params[layer->weight].out,
                            .columns = moments->columns,
                            .bias_step = grid ? grid[layer->bias] : 0};
    const float step = grid ? grid[layer->weight] : 0;
    size_t n = (size_t)menu.rows * (size_t)menu.columns, used;
    bool ok = (menu.oihw = sqz_new_array(n, sizeof(float))) != NULL;
    for (int s = 0; s < SQZ_MENU && ok; s++)
        ok = (menu.codes[s] = sqz_new_array(n, sizeof(int16_t))) != NULL;
    enum sqz_status status =
        ok ? SQZ_OK : sqz_fail_memory(err, "a layer's codes", SQZ_MENU * n * sizeof(int16_t));
    if (!status) {
        sqz_param_to_oihw(menu.weight, weights, menu.oihw);
        double deviation = find_deviation(&menu, &used);
        menu.sparse = (double)used < (1 - PRUNED) * (double)n;
        if (step > 0)
            offer_coarser(&menu, step);
        else
            offer_scale(&menu, deviation);
        struct sqz_gptq_job job = {.weights = menu.oihw,
                                   .rows = menu.rows,
                                   .moments = moments,
                                   .keep_zeros = menu.sparse,
                                   .ways = menu.ways,
                                   .n_ways = SQZ_MENU,
                                   .codes = menu.codes,
                                   .loss = menu.loss};
        status = sqz_gptq_run(&job, pool, err);
    }
    if (!status) {
        struct packing packing = {.menu = &menu};
        sqz_pool_run(pool, SQZ_MENU, pack_choice, &packing);
        for (int s = 0; s < SQZ_MENU && !status; s++)
            if (packing.failed[s])
                status = sqz_fail_memory(err, "a layer's payload", n);
        menu.probe = step > 0 ? choose_probe(&menu) : PROBE;
    }
    if (status)
        sqz_menu_release(&menu);
    else
        *out = menu;
    return status;
}

float sqz_menu_bias_step(const struct sqz_menu *menu, int choice)
{
    double damage = menu->loss[choice] / menu->rows; // mean squared error of an output
    return fmaxf(menu->bias_step, (float)sqrt(12 * BIAS_DAMAGE * damage));
}

void sqz_menu_serve(const struct sqz_menu *menu, int choice, float bias_step, float *weights)
{
    const struct sqz_param *p = menu->weight;
    float step = menu->ways[choice].step, *to = weights + p->offset;
    float *bias = weights + menu->bias->offset;
    int taps = p->kh * p->kw;
    for (int o = 0; o < menu->rows; o++) {
        size_t at = (size_t)o * (size_t)menu->columns;
        double shift = 0; // of the output's mean
        for (int c = 0; c < menu->columns; c++) {
            float value = (float)menu->codes[choice][at + (size_t)c] * step;
            shift += ((double)value - (double)menu->oihw[at + (size_t)c]) * menu->moments->mean[c];
            to[((size_t)(c % taps) * (size_t)p->in + (size_t)(c / taps)) * (size_t)p->out +
               (size_t)o] = value;
        }
        bias[o] = (float)((double)bias[o] - shift);
        if (bias_step > 0) {
            float code = rintf(bias[o] / bias_step);
            code = fmaxf(fminf(code, SQZ_MAX_CODE), -SQZ_MAX_CODE);
            bias[o] = code != 0 ? code * bias_step : 0; // never -0.0, which is no multiple
        }
    }
}
