// Counters and histograms of the server.
#include "cli/serve/metrics.h"

static const int codes[METRICS_CODES - 1] = {200, 204, 400, 401, 403, 404, 405, 409,
                                             411, 413, 415, 429, 500, 503, 507};
static const double latencies[METRICS_LATENCIES] = {.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10};
static const int batches[METRICS_BATCHES] = {1, 2, 4, 8, 16, 32, 64};

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

void serve_metrics_print(const struct serve_metrics *metrics, struct serve_text *out)
{
    uint64_t n = 0;
    print_head(out, "requests_total", "counter", "Requests that were answered, by status code.");
    for (int i = 0; i < METRICS_CODES; i++)
        if (metrics->codes[i] && i < METRICS_CODES - 1)
            serve_text_add(out, "squeezenet_requests_total{code=\"%d\"} %llu\n", codes[i],
                           (unsigned long long)metrics->codes[i]);
    print_count(out, "rejected_total", "Answers with 429 or 503.", metrics->rejected);
    print_count(out, "gone_total", "Requests whose client went before the answer.", metrics->gone);
    print_count(out, "images_total", "Images that went through a network.", metrics->images);
    print_head(out, "request_seconds", "histogram", "From a request's first byte to its answer.");
    for (int i = 0; i <= METRICS_LATENCIES; i++) {
        n += metrics->latencies[i];
        if (i < METRICS_LATENCIES)
            serve_text_add(out, "squeezenet_request_seconds_bucket{le=\"%g\"} %llu\n", latencies[i],
                           (unsigned long long)n);
    }
    serve_text_add(out,
                   "squeezenet_request_seconds_bucket{le=\"+Inf\"} %llu\n"
                   "squeezenet_request_seconds_sum %.6f\nsqueezenet_request_seconds_count %llu\n",
                   (unsigned long long)n, metrics->latency_sum, (unsigned long long)n);
    print_head(out, "batch_images", "histogram", "Images that ran together.");
    n = 0;
    for (int i = 0; i <= METRICS_BATCHES; i++) {
        n += metrics->batches[i];
        if (i < METRICS_BATCHES)
            serve_text_add(out, "squeezenet_batch_images_bucket{le=\"%d\"} %llu\n", batches[i],
                           (unsigned long long)n);
    }
    serve_text_add(out,
                   "squeezenet_batch_images_bucket{le=\"+Inf\"} %llu\n"
                   "squeezenet_batch_images_sum %.0f\nsqueezenet_batch_images_count %llu\n",
                   (unsigned long long)n, metrics->batch_sum, (unsigned long long)n);
}
