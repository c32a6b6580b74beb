// What /metrics tells, in Prometheus' text format. The loop thread's.
#ifndef CLI_SERVE_METRICS_H
#define CLI_SERVE_METRICS_H

#include "cli/serve/text.h"

enum { METRICS_LATENCIES = 11, METRICS_BATCHES = 7, METRICS_CODES = 16 };
struct serve_metrics {
    uint64_t codes[METRICS_CODES];
    uint64_t latencies[METRICS_LATENCIES + 1], batches[METRICS_BATCHES + 1];
    double latency_sum, batch_sum;
    uint64_t images, rejected, gone;
};
void serve_metrics_reply(struct serve_metrics *metrics, int code, double seconds);
void serve_metrics_batch(struct serve_metrics *metrics, int images);
void serve_metrics_print(const struct serve_metrics *metrics, struct serve_text *out);

#endif
