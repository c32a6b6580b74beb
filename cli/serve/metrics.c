// Counters and histograms of the server.
#include "cli/serve/metrics.h"

static const int codes[METRICS_CODES - 1] = {200, 204, 400, 401, 403, 404, 405, 409,
                                             411, 413, 415, 429, 500, 503, 507};
static const double latencies[METRICS_LATENCIES] = {.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10};
static const double batches[METRICS_BATCHES] = {1, 2, 4, 8, 16, 32, 64};

void serve_metrics_reply(struct serve_metrics *metrics, int code, double seconds)
{
    int c = 0, l = 0;
    while (c < METRICS_CODES - 1 && codes[c] != code)
        c++;
    while (l < METRICS_LATENCIES && seconds > latencies[l])
        l++;
    metrics->codes[c]++;
    metrics->latencies[l]++;
    metrics->latency_sum += seconds;
    metrics->rejected += code == 429 || code == 503;
}

void serve_metrics_batch(struct serve_metrics *metrics, int images)
{
    int b = 0;
    while (b < METRICS_BATCHES && images > batches[b])
        b++;
    metrics->batches[b]++;
    metrics->batch_sum += images;
    metrics->images += (uint64_t)images;
}

static void print_head(struct serve_text *out, const char *name, const char *kind, const char *help)
{
    serve_text_add(out, "# HELP squeezenet_%s %s\n# TYPE squeezenet_%s %s\n", name, help, name,
                   kind);
}

static void print_count(struct serve_text *out, const char *name, const char *help, uint64_t value)
{
    print_head(out, name, "counter", help);
    serve_text_add(out, "squeezenet_%s %llu\n", name, (unsigned long long)value);
}

// counts[i]: up to bounds[i], the last one beyond them all.
static void print_histogram(struct serve_text *out, const char *name, const char *help,
                            const double *bounds, const uint64_t *counts, int n_bounds, double sum,
                            int decimals)
{
    uint64_t n = 0;
    print_head(out, name, "histogram", help);
    for (int i = 0; i < n_bounds; i++) {
        n += counts[i];
        serve_text_add(out, "squeezenet_%s_bucket{le=\"%g\"} %llu\n", name, bounds[i],
                       (unsigned long long)n);
    }
    n += counts[n_bounds];
    serve_text_add(out,
                   "squeezenet_%s_bucket{le=\"+Inf\"} %llu\n"
                   "squeezenet_%s_sum %.*f\nsqueezenet_%s_count %llu\n",
                   name, (unsigned long long)n, name, decimals, sum, name, (unsigned long long)n);
}

void serve_metrics_print(const struct serve_metrics *metrics, struct serve_text *out)
{
    print_head(out, "requests_total", "counter", "Requests that were answered, by status code.");
    for (int i = 0; i < METRICS_CODES - 1; i++)
        if (metrics->codes[i])
            serve_text_add(out, "squeezenet_requests_total{code=\"%d\"} %llu\n", codes[i],
                           (unsigned long long)metrics->codes[i]);
    print_count(out, "rejected_total", "Answers with 429 or 503.", metrics->rejected);
    print_count(out, "gone_total", "Requests whose client went before the answer.", metrics->gone);
    print_count(out, "images_total", "Images that went through a network.", metrics->images);
    print_histogram(out, "request_seconds", "From a request's first byte to its answer.", latencies,
                    metrics->latencies, METRICS_LATENCIES, metrics->latency_sum, 6);
    print_histogram(out, "batch_images", "Images that ran together.", batches, metrics->batches,
                    METRICS_BATCHES, metrics->batch_sum, 0);
}
