// Hands Ethernet frames from one network device to another after a while, both ways: a long cable,
// for kernels without netem. relay DEVICE DEVICE MICROSECONDS
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LARGEST = 66000, WAITING = 4096 };

struct frame {
    double due;
    ssize_t size;
    char data[LARGEST]; // follows a header with what the kernel leaves to network cards
};
struct direction {
    int from, to;
    struct frame *frames;
    size_t first, n; // of a ring
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int open_device(const char *name)
{
    int one = 1, socket_fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    if (socket_fd < 0 || setsockopt(socket_fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) ||
        bind(socket_fd, (struct sockaddr *)&address, sizeof address)) {
        perror(name);
        exit(1);
    }
    return socket_fd;
}

static void take(struct direction *way, double delay)
{
    struct frame *frame = &way->frames[(way->first + way->n) % WAITING];
    struct sockaddr_ll sender;
    socklen_t length = sizeof sender;
    if (way->n == WAITING) // a full cable loses frames, as a switch does
        way->first = (way->first + 1) % WAITING, way->n--;
    frame->size = recvfrom(way->from, frame->data, LARGEST, MSG_DONTWAIT,
                           (struct sockaddr *)&sender, &length);
    frame->due = now() + delay;
    way->n += frame->size > 0 && sender.sll_pkttype != PACKET_OUTGOING;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    double delay = atof(argv[3]) * 1e-6;
    int a = open_device(argv[1]), b = open_device(argv[2]);
    struct direction ways[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    for (int i = 0; i < 2; i++)
        if (!(ways[i].frames = calloc(WAITING, sizeof *ways[i].frames)))
            return 1;
    for (;;) {
        struct pollfd polled[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        struct timespec wait = {.tv_nsec = ways[0].n + ways[1].n ? 50000 : 100000000};
        ppoll(polled, 2, &wait, NULL);
        for (int i = 0; i < 2; i++) {
            struct direction *way = &ways[i];
            if (polled[i].revents)
                take(way, delay);
            while (way->n && way->frames[way->first].due <= now()) {
                struct frame *frame = &way->frames[way->first];
                ssize_t sent = send(way->to, frame->data, (size_t)frame->size, 0);
                (void)sent; // where the other side is full or away, the frame is lost
                way->first = (way->first + 1) % WAITING;
                way->n--;
            }
        }
    }
}
