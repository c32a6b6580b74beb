// The server: routes, the way every answer goes, signals, and the end.
#include "cli/serve/serve.h"
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_SECONDS 30.0

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

static void answer_done(void *arg)
{
    struct serve_server *server = arg;
    for (struct serve_job *job = serve_queue_done(server->queue), *next; job; job = next) {
        struct serve_call call = {server, job->request, job->route};
        next = job->next;
        if (job->is_first)
            serve_metrics_batch(&server->metrics, job->batch);
        if (job->request && serve_job_succeeded(&call, job))
            job->answer(job);
        serve_job_free(job);
    }
}

// --- Routes ---

static void reply_metrics(const struct serve_call *call)
{
    struct serve_server *server = call->server;
    struct serve_text out = {0};
    serve_metrics_print(&server->metrics, &out);
    serve_text_add(&out,
                   "# HELP squeezenet_queue_images Images that wait.\n"
                   "# TYPE squeezenet_queue_images gauge\nsqueezenet_queue_images %d\n"
                   "# HELP squeezenet_connections Open connections.\n"
                   "# TYPE squeezenet_connections gauge\nsqueezenet_connections %d\n"
                   "# HELP squeezenet_model_info The models that are served.\n"
                   "# TYPE squeezenet_model_info gauge\n",
                   serve_queue_waiting(server->queue), http_connections(server->http));
    for (int i = 0; i < serve_models_count(server->models); i++) {
        struct serve_model *model = serve_models_take_at(server->models, i);
        serve_text_add(&out,
                       "squeezenet_model_info{model=\"%s\",variant=\"%s\",classes=\"%d\"} 1\n",
                       model->name, model->info.variant, model->info.classes);
        serve_model_drop(model);
    }
    if (out.failed)
        serve_error(call, 503, "There is not enough memory for the answer.");
    else
        serve_reply(call, 200, "text/plain; version=0.0.4", out.data, out.length);
    serve_text_release(&out);
}

static void reply_health(const struct serve_call *call)
{
    if (call->server->drains)
        serve_error(call, 503, "The server is stopping.");
    else
        serve_reply(call, 200, "application/json", "{\"status\":\"ok\"}\n", 16);
}

static void reply_empty(const struct serve_call *call)
{
    serve_reply(call, 200, "application/json", NULL, 0);
}

static void model_ready(const struct serve_call *call, struct serve_model *model)
{
    serve_model_drop(model);
    if (call->server->drains)
        serve_error(call, 503, "The server is stopping.");
    else
        reply_empty(call);
}

// A path; '*' stands for a model's name. Handlers of models get a reference of theirs.
static const struct route {
    const char *path;
    bool is_post, is_open, is_page;
    void (*run)(const struct serve_call *call);
    void (*run_model)(const struct serve_call *call, struct serve_model *model);
} routes[] = {
    {"/healthz", false, true, false, reply_health, NULL},
    {"/metrics", false, false, false, reply_metrics, NULL},
    {"/v1/predict", true, false, false, serve_predict, NULL},
    {"/v1/models/*:predict", true, false, false, NULL, serve_tensorflow_predict},
    {"/v1/models/*", false, false, false, NULL, serve_tensorflow_status},
    {"/v2", false, false, false, serve_oip_server, NULL},
    {"/v2/health/live", false, true, false, reply_empty, NULL},
    {"/v2/health/ready", false, true, false, reply_health, NULL},
    {"/v2/models/*", false, false, false, NULL, serve_oip_metadata},
    {"/v2/models/*/ready", false, false, false, NULL, model_ready},
    {"/v2/models/*/infer", true, false, false, NULL, serve_oip_infer},
    {"/v2/models/*/versions/1", false, false, false, NULL, serve_oip_metadata},
    {"/v2/models/*/versions/1/ready", false, false, false, NULL, model_ready},
    {"/v2/models/*/versions/1/infer", true, false, false, NULL, serve_oip_infer},
};

// Whether a path is the route's; `name` gets what the star stands for.
static bool matches(const char *route, const char *path, char name[SERVE_NAME_SIZE])
{
    const char *star = strchr(route, '*');
    name[0] = 0;
    if (!star)
        return strcmp(route, path) == 0;
    size_t before = (size_t)(star - route), after = strlen(star + 1), n = strlen(path);
    if (n <= before + after || strncmp(route, path, before) != 0 ||
        strcmp(star + 1, path + n - after) != 0 || n - before - after >= SERVE_NAME_SIZE)
        return false;
    memcpy(name, path + before, n - before - after);
    name[n - before - after] = 0;
    return strpbrk(name, "/:") == NULL;
}

static void on_request(void *arg, struct http_request *request)
{
    struct serve_call call = {arg, request, "none"};
    const char *path = http_path(request);
    char name[SERVE_NAME_SIZE] = "";
    const struct route *found = NULL;
    for (size_t i = 0; path && !found && i < sizeof routes / sizeof *routes; i++)
        if (matches(routes[i].path, path, name))
            found = &routes[i];
    if (found)
        call.route = found->path;
    if (!serve_guard(&call, found && found->is_open, found && found->is_page))
        return;
    enum http_method method = http_method(request);
    if (!path)
        serve_error(&call, 400, "The request's target is not a path.");
    else if (!found)
        serve_error(&call, 404, "There is nothing at this path.");
    else if ((method == HTTP_POST) != found->is_post) {
        http_add_header(request, "Allow", found->is_post ? "POST" : "GET, HEAD");
        serve_error(&call, 405, "This path takes %s.", found->is_post ? "POST" : "GET");
    } else if (found->is_post && call.server->drains)
        serve_error(&call, 503, "The server is stopping.");
    else if (found->run)
        found->run(&call);
    else {
        struct serve_model *model = serve_models_take(call.server->models, name);
        if (model)
            found->run_model(&call, model);
        else
            serve_error(&call, 404, "There is no model \"%s\".", name);
    }
}

// --- Signals and the end ---

static void stop(void *arg)
{
    struct serve_server *server = arg;
    if (server->drains)
        _exit(SQZ_E_STOPPED); // asked a second time
    server->drains = true;
    server->drain_end = serve_now() + DRAIN_SECONDS;
    http_stop_listening(server->http);
}

static void reload(void *arg)
{
    struct serve_server *server = arg;
    serve_queue_reload(server->queue);
}

static void on_tick(void *arg)
{
    struct serve_server *server = arg;
    bool is_done = serve_queue_unanswered(server->queue) == 0 && http_busy(server->http) == 0;
    if (server->drains && (is_done || serve_now() > server->drain_end))
        http_leave(server->http);
}

static void wake(void *arg)
{
    const struct serve_server *server = arg;
    http_wake(server->http);
}

enum sqz_status serve_run(struct serve_server *server, struct sqz_error *err)
{
    struct serve_queue_options options = {.models = server->models,
                                          .max_waiting = server->settings.max_waiting,
                                          .max_age = server->settings.max_age,
                                          .wake = wake,
                                          .tell = serve_log_line,
                                          .arg = server};
    enum sqz_status status = http_new(server->settings.listener, &server->settings.limits,
                                      on_request, server, &server->http, err);
    if (status)
        return status;
    signal(SIGPIPE, SIG_IGN);
    http_on_wake(server->http, answer_done, server);
    http_on_tick(server->http, on_tick, server);
    if (!http_on_signal(server->http, SIGTERM, stop, server) ||
        !http_on_signal(server->http, SIGINT, stop, server) ||
        !http_on_signal(server->http, SIGHUP, reload, server)) {
        err->status = status = SQZ_E_NOMEM;
        snprintf(err->text, sizeof err->text, "There is not enough memory for the server.");
    }
    if (!status)
        status = serve_queue_new(&options, &server->queue, err);
    if (!status)
        http_run(server->http);
    serve_queue_free(server->queue);
    http_free(server->http);
    return status;
}
