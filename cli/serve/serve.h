// What the parts of the server share: settings, the way every answer goes, and the handlers.
#ifndef CLI_SERVE_SERVE_H
#define CLI_SERVE_SERVE_H

#include "cli/serve/http.h"
#include "cli/serve/metrics.h"
#include "cli/serve/queue.h"

enum serve_log { SERVE_LOG_NONE, SERVE_LOG_TEXT, SERVE_LOG_JSON };
enum { SERVE_TOP_MAX = 1000 };

struct serve_settings {
    int listener;        // a listening socket
    bool is_loopback;    // it is reached from this machine only
    const char *host;    // one more name that requests may give as Host; NULL
    const char *origin;  // pages of this origin may send requests; NULL
    const char *key;     // NULL: none
    const char *collect; // a directory; NULL
    enum serve_log log;
    struct http_limits limits;
    size_t max_pixels;
    int max_waiting; // images in the queue
    double max_age;  // seconds in the queue
};
struct serve_server {
    struct serve_settings settings;
    struct http_server *http;
    struct serve_queue *queue;
    struct serve_models *models;
    struct serve_metrics metrics;
    bool drains;
    double drain_end;
    unsigned collected;
};

// One request while its handler runs.
struct serve_call {
    struct serve_server *server;
    struct http_request *request;
    const char *route; // a constant, never what the client sent
};

// --- server.c ---

// Serves until SIGTERM or SIGINT has come and what waited is answered.
enum sqz_status serve_run(struct serve_server *server, struct sqz_error *err);

// --- reply.c ---

void serve_reply(const struct serve_call *call, int code, const char *type, const void *data,
                 size_t size);
void serve_reply_text(const struct serve_call *call, struct serve_text *json); // 200, and releases
// {"error": "..."}; the sentence names what the client sent, and nothing of the server.
void serve_error(const struct serve_call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void serve_log_line(const char *sentence); // on stderr
// Gives a job that has its images to the queue, or answers that it is full. Takes the job.
void serve_submit(const struct serve_call *call, struct serve_job *job);
// Whether all images of the job succeeded; answers otherwise.
bool serve_job_succeeded(const struct serve_call *call, const struct serve_job *job);

// --- guard.c ---

// Whether the request may go on; answers otherwise. `open`: needs no key. `page`: links of other
// sites may lead to it.
bool serve_guard(const struct serve_call *call, bool open, bool page);
// Compares in a time that does not depend on where the two differ.
bool serve_same_key(const char *key, const char *given);

// --- image_size.c ---

// The size that a PNG or JPEG says it has; false when it says none.
bool serve_image_size(const void *data, size_t size, int *width, int *height);

// --- the handlers: predict.c, tensorflow.c, oip.c ---

void serve_page(const struct serve_call *call);
void serve_predict(const struct serve_call *call);
void serve_tensorflow_predict(const struct serve_call *call, struct serve_model *model);
void serve_tensorflow_status(const struct serve_call *call, struct serve_model *model);
void serve_oip_server(const struct serve_call *call);
void serve_oip_metadata(const struct serve_call *call, struct serve_model *model);
void serve_oip_infer(const struct serve_call *call, struct serve_model *model);
// Whether an image is of a kind and size that is read; answers otherwise.
bool serve_check_image(const struct serve_call *call, const struct serve_image *image);

#endif
