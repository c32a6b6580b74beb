// Chooses the steps of all layers together. A layer's rate-distortion curve gives bytes and
// distortion (mean squared error of its output) of every candidate; the divergence probe measures
// what a unit of distortion in that layer does to the predictions (its sensitivity). One Lagrange
// multiplier lambda, the distortion that a byte is worth, then decides for all layers: each takes
// the candidate with the smallest distortion + lambda * bytes. lambda is searched until the bound
// is met.
#include "compress/auto.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define PROBE_IMAGES 160
#define SEARCHES     12 // measurements to find lambda for a bound on the divergence
#define ENCODINGS    12 // of whole files to meet a size

struct state {
    const struct sqz_auto_job *job;
    struct sqz_input_statistics *statistics;
    struct sqz_rate_distortion *curves;
    int n;
    double *sensitivity; // KL for a unit of distortion
    int *choice;
    struct sqz_divergence_probe *probe;
    float *changed; // a changed network's weights
};

static enum sqz_status report(const struct state *s, const char *phase, int step, int steps,
                              struct sqz_error *err)
{
    return s->job->progress(s->job->progress_arg, phase, step, steps, err);
}

static enum sqz_status find_statistics(struct state *s, struct sqz_error *err)
{
    const struct sqz_auto_job *job = s->job;
    if (!job->images)
        return sqz_input_statistics_white(job->net, &s->statistics, &s->n, err);
    return sqz_input_statistics_new(job->net, job->weights, job->kernels, job->pool, job->images,
                                    job->images_arg, job->n_images, job->progress,
                                    job->progress_arg, &s->statistics, &s->n, err);
}

static enum sqz_status make_curves(struct state *s, struct sqz_error *err)
{
    enum sqz_status status = SQZ_OK;
    s->curves = sqz_new_array((size_t)s->n, sizeof *s->curves);
    s->sensitivity = sqz_new_array((size_t)s->n, sizeof *s->sensitivity);
    s->choice = sqz_new_array((size_t)s->n, sizeof *s->choice);
    s->changed = sqz_new_array(s->job->net->n_weights, sizeof *s->changed);
    if (!s->curves || !s->sensitivity || !s->choice || !s->changed)
        return sqz_fail_memory(err, "compression", s->job->net->n_weights * sizeof(float));
    for (int i = 0; i < s->n && !status; i++) {
        status = report(s, "round", i, s->n, err);
        if (!status)
            status = sqz_rate_distortion_new(s->job->net, s->job->weights, s->job->grid,
                                             &s->statistics[i], s->job->pool, &s->curves[i], err);
    }
    return status;
}

// The network with every layer's choice applied; a negative choice leaves the layer as it was.
static void apply_choices(const struct state *s, const int *choice, bool round_biases)
{
    memcpy(s->changed, s->job->weights, s->job->net->n_weights * sizeof *s->changed);
    for (int i = 0; i < s->n; i++)
        if (choice[i] >= 0)
            sqz_rate_distortion_apply(
                &s->curves[i], choice[i],
                round_biases ? sqz_rate_distortion_bias_step(&s->curves[i], choice[i]) : 0,
                s->changed);
}

// Without images: a layer's error relative to its weights' power, the same for all layers.
static void guess_sensitivities(struct state *s)
{
    for (int i = 0; i < s->n; i++) {
        const struct sqz_rate_distortion *curve = &s->curves[i];
        double power = 0;
        for (size_t k = 0; k < (size_t)curve->rows * (size_t)curve->columns; k++)
            power += (double)curve->oihw[k] * (double)curve->oihw[k];
        s->sensitivity[i] = power > 0 ? 1 / power : 0;
    }
}

static enum sqz_status measure_sensitivities(struct state *s, struct sqz_error *err)
{
    struct sqz_divergence divergence;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < s->n && !status; i++) {
        for (int k = 0; k < s->n; k++)
            s->choice[k] = k == i ? s->curves[i].reference : -1;
        apply_choices(s, s->choice, false);
        status = report(s, "weigh", i, s->n, err);
        if (!status)
            status = sqz_divergence_probe_measure(s->probe, s->changed, &divergence, err);
        double distortion = s->curves[i].distortion[s->curves[i].reference];
        s->sensitivity[i] =
            !status && distortion > 0 ? fmax(divergence.soft_kl, 0) / distortion : 0;
    }
    return status;
}

// --- The Lagrange multiplier ---

static double distortion_of(const struct state *s, int layer, int choice)
{
    return s->sensitivity[layer] * s->curves[layer].distortion[choice];
}

static size_t choose(struct state *s, double lambda)
{
    size_t bytes = 0;
    for (int i = 0; i < s->n; i++) {
        const struct sqz_rate_distortion *curve = &s->curves[i];
        double best = INFINITY;
        for (int c = 0; c < SQZ_CANDIDATES; c++) {
            double cost = distortion_of(s, i, c) + lambda * (double)curve->bytes[c];
            if (cost < best) {
                best = cost;
                s->choice[i] = c;
            }
        }
        bytes += curve->bytes[s->choice[i]];
    }
    return bytes;
}

// One lambda leaves bytes unused where the next candidate of a large layer does not fit. They go
// where a byte lowers the distortion most.
static size_t fill_up(struct state *s, size_t used, size_t bytes)
{
    for (;;) {
        double best = 0;
        int layer = -1, choice = 0;
        for (int i = 0; i < s->n; i++) {
            const struct sqz_rate_distortion *curve = &s->curves[i];
            for (int c = 0; c < SQZ_CANDIDATES; c++) {
                double gain = distortion_of(s, i, s->choice[i]) - distortion_of(s, i, c);
                size_t now = curve->bytes[s->choice[i]], then = curve->bytes[c];
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
        used += s->curves[layer].bytes[choice] - s->curves[layer].bytes[s->choice[layer]];
        s->choice[layer] = choice;
    }
}

static size_t choose_by_bytes(struct state *s, size_t bytes)
{
    double low = -60, high = 10; // log2 of lambda: too large a file, small enough
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

// The curves know the weights' bytes; the rest of the file is known by encoding it.
static enum sqz_status choose_by_size(struct state *s, struct sqz_error *err)
{
    size_t asked = s->job->size, bytes = 0, room = asked;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < ENCODINGS; i++) {
        size_t weights = choose_by_bytes(s, room);
        apply_choices(s, s->choice, true);
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

static enum sqz_status choose_by_divergence(struct state *s, struct sqz_error *err)
{
    double low = -60, high = 0; // log2 of lambda: good enough, too much divergence
    struct sqz_divergence divergence;
    enum sqz_status status = SQZ_OK;
    for (int i = 0; i < SEARCHES && !status; i++) {
        double middle = (low + high) / 2;
        choose(s, exp2(middle));
        apply_choices(s, s->choice, true);
        status = report(s, "choose", i, SEARCHES, err);
        if (!status)
            status = sqz_divergence_probe_measure(s->probe, s->changed, &divergence, err);
        if (good_enough(s->job, divergence.kl, divergence.drop))
            low = middle;
        else
            high = middle;
    }
    choose(s, exp2(low));
    return status;
}

static void export_steps(const struct state *s)
{
    for (int i = 0; i < s->n; i++) {
        const struct sqz_rate_distortion *curve = &s->curves[i];
        s->job->steps[curve->layer->weight] = curve->candidates[s->choice[i]].step;
        s->job->steps[curve->layer->bias] = sqz_rate_distortion_bias_step(curve, s->choice[i]);
    }
}

enum sqz_status sqz_auto_run(const struct sqz_auto_job *job, float *out,
                             struct sqz_auto_result *result, struct sqz_error *err)
{
    struct state s = {.job = job};
    int shown = job->n_images < PROBE_IMAGES ? job->n_images : PROBE_IMAGES;
    *result = (struct sqz_auto_result){.divergence = {NAN, NAN, NAN, NAN}};
    enum sqz_status status = find_statistics(&s, err);
    if (!status)
        status = make_curves(&s, err);
    if (!status && job->images)
        status = sqz_divergence_probe_new(job->net, job->weights, job->kernels, job->pool,
                                          job->images, job->images_arg, shown, &s.probe, err);
    if (!status && job->images)
        status = measure_sensitivities(&s, err);
    else if (!status)
        guess_sensitivities(&s);
    if (!status)
        status = job->size ? choose_by_size(&s, err) : choose_by_divergence(&s, err);
    if (!status) {
        apply_choices(&s, s.choice, true);
        memcpy(out, s.changed, job->net->n_weights * sizeof *out);
        if (job->steps)
            export_steps(&s);
        result->images_read = job->images ? shown : 0;
    }
    if (!status && s.probe)
        status = sqz_divergence_probe_measure(s.probe, out, &result->divergence, err);
    for (int i = 0; s.curves && i < s.n; i++)
        sqz_rate_distortion_release(&s.curves[i]);
    sqz_free(s.curves);
    sqz_free(s.sensitivity);
    sqz_free(s.choice);
    sqz_free(s.changed);
    sqz_divergence_probe_free(s.probe);
    sqz_input_statistics_free(s.statistics, s.n);
    return status;
}
