// Requests wait here for the one compute thread, which takes what waits for one model as one batch,
// and never waits for more. Answers go back to the loop thread.
#ifndef CLI_SERVE_QUEUE_H
#define CLI_SERVE_QUEUE_H

#include "cli/serve/models.h"

enum { SERVE_BATCH_MAX = 64 }; // images of a request, and of a run of the network

enum serve_wants { // what a request wants of each image
    SERVE_PROBABILITIES = 1,
    SERVE_LOGITS = 2,
    SERVE_FEATURES = 4,
    SERVE_MAPS = 8,
    SERVE_VIEW = 16 // the image as the network sees it
};

struct serve_image {
    char name[32];         // what errors call it
    const void *data;      // encoded, or NULL for
    const uint8_t *pixels; // RGB
    size_t size;
    int width, height;
    struct sqz_error error;
    struct sqz_classify_result result; // out; its buffers are the job's
};

struct http_request;
struct serve_server;
struct serve_job {
    struct serve_job *next;
    struct http_request *request; // the loop thread's; NULL once the client has gone
    bool is_gone;                 // atomic: nobody waits for it
    struct serve_model *model;
    unsigned wants;
    int n, top; // top: how many best classes
    struct serve_image *images;
    double queued;                         // monotonic seconds
    int batch;                             // out: images that ran together
    bool is_first;                         // out: the first job of its batch
    bool is_expired;                       // out: it waited too long
    void *results;                         // owned: the buffers
    void (*answer)(struct serve_job *job); // formats and replies; request is not NULL
    struct serve_server *server;
    const char *route; // for log and metrics
    // What the answer needs, and the memory that images point into; all owned.
    char *body;
    void **decoded; // n, or NULL
    char *details;  // of the protocol
};
struct serve_job *serve_job_new(struct serve_model *model, int n); // takes the reference on success
void serve_job_free(struct serve_job *job);

struct serve_queue;
struct serve_queue_options {
    struct serve_models *models;
    int max_waiting;         // images
    double max_age;          // seconds that a job may wait
    void (*wake)(void *arg); // called by the compute thread when there are answers
    void (*tell)(const char *sentence);
    void *arg;
};
enum sqz_status serve_queue_new(const struct serve_queue_options *options, struct serve_queue **out,
                                struct sqz_error *err);
void serve_queue_free(struct serve_queue *queue); // ends the thread; what waits is dropped
bool serve_queue_add(struct serve_queue *queue, struct serve_job *job); // false: full
void serve_queue_reload(struct serve_queue *queue);                     // between two batches
struct serve_job *serve_queue_done(struct serve_queue *queue);          // a list, in order
int serve_queue_waiting(struct serve_queue *queue);                     // images
int serve_queue_unanswered(struct serve_queue *queue); // jobs that are not yet given back

#endif
