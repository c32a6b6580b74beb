// The one file that calls MPI. Built once for each MPI that is installed; opened by ranks.c.
#include "dist/module.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request fits its handle");

static void put(uint64_t *handle, MPI_Request request)
{
    *handle = 0;
    memcpy(handle, &request, sizeof request);
}

static MPI_Request get(const uint64_t *handle)
{
    MPI_Request request;
    memcpy(&request, handle, sizeof request);
    return request;
}

static bool start(int *rank, int *size, char *error, size_t error_size)
{
    int provided, initialized = 0;
    // Copies out of another process's memory need ptrace rights, which containers lack (Open MPI
    // then warns and falls back), and UCX, under MPICH, crashes when that process dies meanwhile.
    // Ranks exchange a few megabytes, so copies through shared memory do.
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("UCX_RNDV_THRESH", "inf", 0);
    // Over TCP its way to put long messages waits for acknowledgements, which queue up after what
    // goes in the other direction: an exchange at 1 Gbit/s takes 79 ms that way and 41 by sending.
    setenv("OMPI_MCA_btl_tcp_flags", "1", 0);
    // What is longer than its limit of 64 kB it asks for first, which takes a look of both sides,
    // and ranks that compute look seldom. Up to this size messages go without asking: a slice of
    // the classifier's bucket has 1.03 MB on two ranks, less on more. None of the three may be
    // above the next.
    static const char most[] = "1310720";
    setenv("OMPI_MCA_btl_tcp_eager_limit", most, 0);
    setenv("OMPI_MCA_btl_tcp_rndv_eager_limit", most, 0);
    setenv("OMPI_MCA_btl_tcp_max_send_size", most, 0);
    MPI_Initialized(&initialized);
    int code =
        initialized ? MPI_SUCCESS : MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (code != MPI_SUCCESS) {
        snprintf(error, error_size, "MPI_Init_thread returned %d", code);
        return false;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    return MPI_Comm_rank(MPI_COMM_WORLD, rank) == MPI_SUCCESS &&
           MPI_Comm_size(MPI_COMM_WORLD, size) == MPI_SUCCESS;
}

// "Open MPI v4.1.4" of "Open MPI v4.1.4, package: ...", "MPICH Version: 4.0.2" of many lines.
static void library(char *out, size_t size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "MPI";
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    size_t to = 0;
    for (size_t i = 0; text[i] && to + 1 < size; i++)
        if (text[i] != '\t' && text[i] != ':')
            out[to++] = text[i];
        else if (to > 0 && out[to - 1] != ' ')
            out[to++] = ' ';
    out[to] = '\0';
}

static bool send(const void *data, size_t bytes, int to, int tag, uint64_t *request)
{
    MPI_Request own;
    bool good = bytes <= INT32_MAX &&
                MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag, MPI_COMM_WORLD, &own) == MPI_SUCCESS;
    if (good)
        put(request, own);
    return good;
}

static bool receive(void *data, size_t bytes, int from, int tag, uint64_t *request)
{
    MPI_Request own;
    bool good = bytes <= INT32_MAX && MPI_Irecv(data, (int)bytes, MPI_BYTE, from, tag,
                                                MPI_COMM_WORLD, &own) == MPI_SUCCESS;
    if (good)
        put(request, own);
    return good;
}

static int test(uint64_t *request)
{
    MPI_Request own = get(request);
    int done = 0;
    if (MPI_Test(&own, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return -1;
    put(request, own);
    return done;
}

// MPICH 4.0 over UCX hangs in MPI_Finalize in every second run over TCP: one rank waits for another
// to complete what UCX does on its own behalf, while that one sleeps in the launcher's barrier
// already. All ranks have parted when they come here, so the one thing left to do is to tell the
// launcher that this end is meant: it kills the other ranks of one that is gone without a word. Its
// protocol (PMI-1) is lines of text over the socket PMI_FD; other launchers get MPI_Finalize.
static bool told_launcher(void)
{
#ifdef MPICH_VERSION
    static const char leaving[] = "cmd=finalize\n";
    const char *socket = getenv("PMI_FD");
    if (!socket)
        return false;
    int fd = (int)strtol(socket, NULL, 10);
    if (write(fd, leaving, sizeof leaving - 1) == (ssize_t)sizeof leaving - 1)
        for (char answer = 0; answer != '\n' && read(fd, &answer, 1) == 1;)
            ;
    return true;
#else
    return false;
#endif
}

static void finish(void)
{
    if (!told_launcher())
        MPI_Finalize();
}

static void end_job(int status)
{
    MPI_Abort(MPI_COMM_WORLD, status);
}

extern const struct sqz_transport sqz_transport;
__attribute__((visibility("default"))) const struct sqz_transport sqz_transport = {
    .version = SQZ_TRANSPORT_VERSION,
    .start = start,
    .library = library,
    .send = send,
    .receive = receive,
    .test = test,
    .finish = finish,
    .abort = end_job,
};
