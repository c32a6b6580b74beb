// The way of every answer: log, metrics, headers, sentences; and jobs on their way to the queue.
#include "cli/serve/serve.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void serve_log_line(const char *sentence)
{
    char clean[2048];
    sqz_text_escape(SQZ_TEXT_LINE, sentence, clean, sizeof clean);
    fprintf(stderr, "squeezenet: %s\n", clean);
}

// No address, no header and no part of a path: what is logged is ours.
static void log_access(const struct serve_call *call, int code, double seconds, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS"};
    const char *method = methods[http_method(call->request)];
    struct timespec now;
    struct tm utc;
    char time[40];
    if (call->server->settings.log == SERVE_LOG_NONE)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr,
            call->server->settings.log == SERVE_LOG_JSON
                ? "{\"time\":\"%s.%03ldZ\",\"method\":\"%s\",\"route\":\"%s\",\"code\":%d,"
                  "\"ms\":%.2f,\"bytes\":%zu}\n"
                : "%s.%03ldZ %s %s %d %.2f ms %zu bytes\n",
            time, now.tv_nsec / 1000000, method, call->route, code, 1e3 * seconds, size);
}

void serve_reply(const struct serve_call *call, int code, const char *type, const void *data,
                 size_t size)
{
    double seconds = serve_now() - http_started(call->request);
    serve_metrics_reply(&call->server->metrics, code, seconds);
    log_access(call, code, seconds, size);
    http_add_header(call->request, "X-Content-Type-Options", "nosniff");
    http_add_header(call->request, "Cache-Control", "no-store");
    if (code == 429 || code == 503)
        http_add_header(call->request, "Retry-After", "1");
    if (call->server->drains)
        http_add_header(call->request, "Connection", "close");
    http_reply(call->request, code, type, data, size);
}

void serve_error(const struct serve_call *call, int code, const char *format, ...)
{
    char sentence[1100];
    struct serve_text json = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    serve_text_add(&json, "{\"error\":");
    serve_text_add_quoted(&json, sentence);
    serve_text_add(&json, "}\n");
    serve_reply(call, code, "application/json", json.failed ? "" : json.data,
                json.failed ? 0 : json.length);
    serve_text_release(&json);
}

void serve_reply_text(const struct serve_call *call, struct serve_text *json)
{
    if (json->failed)
        serve_error(call, 503, "There is not enough memory for the answer.");
    else
        serve_reply(call, 200, "application/json", json->data, json->length);
    serve_text_release(json);
}

// --- Jobs ---

static void forget_request(void *arg)
{
    struct serve_job *job = arg;
    job->server->metrics.gone++;
    job->request = NULL;
    __atomic_store_n(&job->is_gone, true, __ATOMIC_RELEASE);
}

void serve_submit(const struct serve_call *call, struct serve_job *job)
{
    job->server = call->server;
    job->request = call->request;
    job->route = call->route;
    if (!serve_queue_add(call->server->queue, job)) {
        serve_error(call, 429, "Too many images wait already; try again.");
        serve_job_free(job);
        return;
    }
    http_on_gone(call->request, forget_request, job);
}

bool serve_job_succeeded(const struct serve_call *call, const struct serve_job *job)
{
    if (job->is_expired) {
        serve_error(call, 503, "The server has more to do than it can; try again.");
        return false;
    }
    for (int i = 0; i < job->n; i++) {
        const struct serve_image *image = &job->images[i];
        enum sqz_status status = image->result.status;
        if (!status)
            continue;
        if (status == SQZ_E_DATA || status == SQZ_E_USAGE)
            serve_error(call, 400, "%s", image->error.text);
        else if (status == SQZ_E_NOMEM)
            serve_error(call, 503, "There is not enough memory for this request now.");
        else
            serve_error(call, 500, "%s could not be classified.", image->name);
        return false;
    }
    return true;
}
