// Steps for all layers at once. A layer's menu tells bytes and damage (mean squared error of its
// output) of every way to round it; the meter tells what a unit of damage in that layer does to the
// answers. Then one price of a byte decides for all layers, and the price is searched until the
// bound is met.
#include "compress/auto.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define METER_IMAGES 160
#define SEARCHES     12 // readings to find the price for a bound on the loss
#define WEIGHINGS    12 // of whole files to meet a size

struct state {
    const struct sqz_auto_job *job;
    struct sqz_moments *moments;
    struct sqz_menu *menus;
    int n;
    double *sensitivity; // KL a unit of damage
    int *choice;
    struct sqz_meter *meter;
    float *changed; // a network's weights in the making
};

static enum sqz_status tell(const struct state *s, const char *phase, int step, int steps,
                            struct sqz_error *err)
{
    return s->job->progress(s->job->progress_arg, phase, step, steps, err);
}

static enum sqz_status find_moments(struct state *s, struct sqz_error *err)
{
    const struct sqz_auto_job *job = s->job;
    if (!job->images)
        return sqz_moments_plain(job->net, &s->moments, &s->n, err);
    return sqz_moments_new(job->net, job->weights, job->kernels, job->pool, job->images,
                           job->images_arg, job->n_images, job->progress, job->progress_arg,
                           &s->moments, &s->n, err);
}

static enum sqz_status make_menus(struct state *s, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    s->menus = sqz_new_array((size_t)s->n, sizeof *s->menus);
    s->sensitivity = sqz_new_array((size_t)s->n, sizeof *s->sensitivity);
    s->choice = sqz_new_array((size_t)s->n, sizeof *s->choice);
    s->changed = sqz_new_array(s->job->net->n_weights, sizeof *s->changed);
    if (!s->menus || !s->sensitivity || !s->choice || !s->changed)
        return sqz_fail_memory(err, "compression", s->job->net->n_weights * sizeof(float));
    for (int i = 0; i < s->n && !status; i++) {
        status = tell(s, "round", i, s->n, err);
        if (!status)
            status = sqz_menu_new(s->job->net, s->job->weights, s->job->grid, &s->moments[i],
                                  s->job->pool, &s->menus[i], err);
    }
    return status;
}

// The network with all choices served; negative: that layer as it was.
static void serve(const struct state *s, const int *choice, bool round_biases)
{
    memcpy(s->changed, s->job->weights, s->job->net->n_weights * sizeof *s->changed);
    for (int i = 0; i < s->n; i++)
        if (choice[i] >= 0)
            sqz_menu_serve(&s->menus[i], choice[i],
                           round_biases ? sqz_menu_bias_step(&s->menus[i], choice[i]) : 0,
                           s->changed);
}

// Without images: the noise of a layer relative to its output, all layers alike.
static void guess_sensitivities(struct state *s)
{
    for (int i = 0; i < s->n; i++) {
        const struct sqz_menu *menu = &s->menus[i];
        double power = 0;
        for (size_t k = 0; k < (size_t)menu->rows * (size_t)menu->columns; k++)
            power += (double)menu->oihw[k] * (double)menu->oihw[k];
        s->sensitivity[i] = power > 0 ? 1 / power : 0;
    }
}

static enum sqz_status measure_sensitivities(struct state *s, struct sqz_error *err)
{
    struct sqz_reading reading;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < s->n && !status; i++) {
        for (int k = 0; k < s->n; k++)
            s->choice[k] = k == i ? s->menus[i].probe : -1;
        serve(s, s->choice, false);
        status = tell(s, "weigh", i, s->n, err);
        if (!status)
            status = sqz_meter_read(s->meter, s->changed, &reading, err);
        double damage = s->menus[i].loss[s->menus[i].probe];
        s->sensitivity[i] = !status && damage > 0 ? fmax(reading.soft_kl, 0) / damage : 0;
    }
    return status;
}

// --- The price of a byte ---

static double damage_of(const struct state *s, int layer, int choice)
{
    return s->sensitivity[layer] * s->menus[layer].loss[choice];
}

static size_t choose(struct state *s, double price)
{
    size_t bytes = 0;
    for (int i = 0; i < s->n; i++) {
        const struct sqz_menu *menu = &s->menus[i];
        double best = INFINITY;
        for (int c = 0; c < SQZ_MENU; c++) {
            double cost = damage_of(s, i, c) + price * (double)menu->bytes[c];
            if (cost < best) {
                best = cost;
                s->choice[i] = c;
            }
        }
        bytes += menu->bytes[s->choice[i]];
    }
    return bytes;
}

// One price leaves bytes unused where the next step of a large layer does not fit: they go where
// they mend most, a byte at its best.
static size_t fill_up(struct state *s, size_t used, size_t bytes)
{
    for (;;) {
        double best = 0;
        int layer = -1, choice = 0;
        for (int i = 0; i < s->n; i++) {
            const struct sqz_menu *menu = &s->menus[i];
            for (int c = 0; c < SQZ_MENU; c++) {
                double gain = damage_of(s, i, s->choice[i]) - damage_of(s, i, c);
                size_t now = menu->bytes[s->choice[i]], then = menu->bytes[c];
                double value = then > now ? gain / (double)(then - now) : 0;
                if (value > best && used - now + then <= bytes) {
                    best = value;
                    layer = i;
                    choice = c;
                }
            }
        }
        if (layer < 0)
            return used;
        used += s->menus[layer].bytes[choice] - s->menus[layer].bytes[s->choice[layer]];
        s->choice[layer] = choice;
    }
}

static size_t choose_by_bytes(struct state *s, size_t bytes)
{
    double low = -60, high = 10; // log2 of the price: too large a file, small enough
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (choose(s, exp2(middle)) <= bytes)
            high = middle;
        else
            low = middle;
    }
    size_t used = choose(s, exp2(high));
    return used <= bytes ? fill_up(s, used, bytes) : used;
}

// The weights' bytes are known; what the rest of the file takes is learned by making it.
static enum sqz_status choose_by_size(struct state *s, struct sqz_error *err)
{
    size_t asked = s->job->size, bytes = 0, room = asked;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < WEIGHINGS; i++) {
        size_t weights = choose_by_bytes(s, room);
        serve(s, s->choice, true);
        status = s->job->measure_size(s->job->measure_arg, s->changed, &bytes, err);
        if (status || (bytes <= asked && i > 0))
            return status;
        size_t rest = bytes > weights ? bytes - weights : 0;
        size_t excess = bytes > asked && i > 0 ? bytes - asked : 0;
        if (rest >= asked || excess >= room || weights > room)
            break;
        room = excess ? room - excess : asked - rest;
    }
    return sqz_fail(err, SQZ_E_USAGE,
                    "The model cannot be made as small as %zu bytes; the smallest here has %zu.",
                    asked, bytes);
}

static bool good_enough(const struct sqz_auto_job *job, double kl, double drop)
{
    return (job->max_kl <= 0 || kl <= job->max_kl) && (job->max_drop <= 0 || drop <= job->max_drop);
}

static enum sqz_status choose_by_loss(struct state *s, struct sqz_error *err)
{
    double low = -60, high = 0; // log2 of the price: good enough, too much loss
    struct sqz_reading reading;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < SEARCHES && !status; i++) {
        double middle = (low + high) / 2;
        choose(s, exp2(middle));
        serve(s, s->choice, true);
        status = tell(s, "choose", i, SEARCHES, err);
        if (!status)
            status = sqz_meter_read(s->meter, s->changed, &reading, err);
        if (good_enough(s->job, reading.kl, reading.drop))
            low = middle;
        else
            high = middle;
    }
    choose(s, exp2(low));
    return status;
}

static void tell_steps(const struct state *s)
{
    for (int i = 0; i < s->n; i++) {
        const struct sqz_menu *menu = &s->menus[i];
        s->job->steps[menu->layer->weight] = menu->ways[s->choice[i]].step;
        s->job->steps[menu->layer->bias] = sqz_menu_bias_step(menu, s->choice[i]);
    }
}

enum sqz_status sqz_auto_run(const struct sqz_auto_job *job, float *out,
                             struct sqz_auto_result *result, struct sqz_error *err)
{
    struct state s = {.job = job};
    int shown = job->n_images < METER_IMAGES ? job->n_images : METER_IMAGES;
    *result = (struct sqz_auto_result){.reading = {NAN, NAN, NAN, NAN}};
    enum sqz_status status = find_moments(&s, err);
    if (!status)
        status = make_menus(&s, err);
    if (!status && job->images)
        status = sqz_meter_new(job->net, job->weights, job->kernels, job->pool, job->images,
                               job->images_arg, shown, &s.meter, err);
    if (!status && job->images)
        status = measure_sensitivities(&s, err);
    else if (!status)
        guess_sensitivities(&s);
    if (!status)
        status = job->size ? choose_by_size(&s, err) : choose_by_loss(&s, err);
    if (!status) {
        serve(&s, s.choice, true);
        memcpy(out, s.changed, job->net->n_weights * sizeof *out);
        if (job->steps)
            tell_steps(&s);
        result->images_read = job->images ? shown : 0;
    }
    if (!status && s.meter)
        status = sqz_meter_read(s.meter, out, &result->reading, err);
    for (int i = 0; s.menus && i < s.n; i++)
        sqz_menu_release(&s.menus[i]);
    sqz_free(s.menus);
    sqz_free(s.sensitivity);
    sqz_free(s.choice);
    sqz_free(s.changed);
    sqz_meter_free(s.meter);
    sqz_moments_free(s.moments, s.n);
    return status;
}
