// A small HTTP/1.1 server for tests, on a thread of its own and a free port of 127.0.0.1. It sends
// one file, as well or as badly as the path asks:
//   /good/NAME      with ranges            /norange/NAME  ignores ranges
//   /cut/NAME       the connection breaks after a third of the file, each time
//   /once/NAME      breaks once, and has no ranges
//   /changed/NAME   breaks once; what follows belongs to another file, until asked from the start
//   /shifted/NAME   breaks once; then answers with another range than the one asked for
//   /moved/NAME     redirects to /good/NAME /loop/NAME  redirects to itself
//   /busy/NAME      503                    anything else: 404
#ifndef SQZ_TESTS_HTTP_SERVER_H
#define SQZ_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_server {
    const uint8_t *data; // what is sent
    size_t size;
    int listener, port;
    pthread_t thread;
    int requests; // so far; read it while nothing is under way
    size_t sent;  // bytes of content so far
};

static void http_send(int to, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = send(to, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

static void http_status(int to, const char *line, const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
             line, more);
    http_send(to, text, strlen(text));
}

// Sends [first, first + count) of `size` announced bytes, then closes.
static void http_content(struct http_server *server, int to, size_t first, size_t said,
                         size_t count, bool ranged)
{
    char head[256], range[128] = "";
    if (ranged)
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", said,
                 server->size - 1, server->size);
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
             ranged ? "206 Partial Content" : "200 OK", range, server->size - said);
    http_send(to, head, strlen(head));
    http_send(to, server->data + first, count);
    server->sent += count;
}

static void http_answer(struct http_server *server, int to, const char *how, const char *name,
                        size_t first, bool ranged)
{
    size_t left = server->size - first, third = server->size / 3;
    bool begins = server->requests == 1;
    char where[300];
    if (strcmp(how, "good") == 0) {
        http_content(server, to, first, first, left, ranged);
    } else if (strcmp(how, "norange") == 0) {
        http_content(server, to, 0, 0, server->size, false);
    } else if (strcmp(how, "cut") == 0) {
        http_content(server, to, first, first, left < third ? left : third, ranged);
    } else if (strcmp(how, "once") == 0) {
        http_content(server, to, 0, 0, begins ? third : server->size, false);
    } else if (strcmp(how, "changed") == 0) {
        // The rest comes from a place one byte further on, and the last byte twice.
        http_content(server, to, first ? first - 1 : 0, first, begins ? third : left, ranged);
    } else if (strcmp(how, "shifted") == 0) {
        size_t from = ranged ? first / 2 : 0;
        http_content(server, to, from, from, begins ? third : server->size - from, ranged);
    } else if (strcmp(how, "moved") == 0 || strcmp(how, "loop") == 0) {
        snprintf(where, sizeof where, "Location: /%s/%s\r\n", *how == 'm' ? "good" : "loop", name);
        http_status(to, "302 Found", where);
    } else if (strcmp(how, "busy") == 0) {
        http_status(to, "503 Service Unavailable", "");
    } else {
        http_status(to, "404 Not Found", "");
    }
}

static void http_serve(struct http_server *server, int to)
{
    char request[4096] = "", how[32] = "", name[200] = "";
    size_t got = 0, first = 0;
    while (got < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t n = recv(to, request + got, sizeof request - 1 - got, 0);
        if (n <= 0)
            return;
        got += (size_t)n;
        request[got] = 0;
    }
    server->requests++;
    const char *range = strstr(request, "Range: bytes=");
    bool ranged = range && sscanf(range, "Range: bytes=%zu-", &first) == 1;
    if (sscanf(request, "GET /%31[^/ ]/%199[^ ]", how, name) != 2)
        http_status(to, "400 Bad Request", "");
    else if (first >= server->size && ranged)
        http_status(to, "416 Range Not Satisfiable", "");
    else
        http_answer(server, to, how, name, first, ranged);
}

static void *http_loop(void *arg)
{
    struct http_server *server = arg;
    int to;
    while ((to = accept(server->listener, NULL, NULL)) >= 0) {
        http_serve(server, to);
        shutdown(to, SHUT_WR);
        close(to);
    }
    return NULL;
}

static inline bool http_start(struct http_server *server, const void *data, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *server = (struct http_server){.data = data, .size = size};
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, length) ||
        listen(server->listener, 16) ||
        getsockname(server->listener, (struct sockaddr *)&address, &length))
        return false;
    server->port = ntohs(address.sin_port);
    return pthread_create(&server->thread, NULL, http_loop, server) == 0;
}

static inline void http_stop(struct http_server *server)
{
    shutdown(server->listener, SHUT_RDWR); // wakes accept
    pthread_join(server->thread, NULL);
    close(server->listener);
}

#endif
