// Finds the module for the launcher's MPI and opens it.
#include "dist/private.h"

#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

static bool has_module(const char *mpi)
{
    return sqz_ranks_module(mpi, NULL, 0);
}

const char *sqz_ranks_launcher(void)
{
    if (is_set("OMPI_COMM_WORLD_SIZE"))
        return "openmpi";
    if (is_set("HYDI_CONTROL_FD") || is_set("MPI_LOCALNRANKS"))
        return "mpich";
    // srun: --mpi=pmix is spoken by Debian's Open MPI, --mpi=pmi2 by both.
    if (is_set("PMIX_RANK"))
        return "openmpi";
    if (is_set("PMI_RANK") || is_set("PMI_FD"))
        return has_module("mpich") ? "mpich" : "openmpi";
    return NULL;
}

int sqz_ranks_local(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
                                        "SLURM_TASKS_PER_NODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_set(names[i]) && sqz_ranks_launcher()) {
            int n = atoi(getenv(names[i]));
            return n > 0 ? n : 1;
        }
    return 1;
}

bool sqz_ranks_bound(void)
{
    cpu_set_t own, parent; // of more than 1024 processors unknown: then as if not bound
    return sqz_ranks_launcher() && sched_getaffinity(0, sizeof own, &own) == 0 &&
           sched_getaffinity(getppid(), sizeof parent, &parent) == 0 && !CPU_EQUAL(&own, &parent);
}

// The directory of a path, its slash cut off.
static void dir_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%.*s", slash ? (int)(slash - path) : 0, path);
}

static bool try_dir(const char *dir, const char *below, const char *mpi, char *path, size_t size)
{
    char tried[PATH_MAX];
    if (snprintf(tried, sizeof tried, "%s%s/squeezenet_%s.so", dir, below, mpi) >=
            (int)sizeof tried ||
        access(tried, R_OK) != 0)
        return false;
    if (path)
        snprintf(path, size, "%s", tried);
    return true;
}

// Beside the program or the library (a build), or in the installed library directory's
// `squeezenet`.
bool sqz_ranks_module(const char *mpi, char *path, size_t size)
{
    char own[2][PATH_MAX] = {"", ""}, program[PATH_MAX];
    Dl_info info;
    const char *given = getenv("SQUEEZENET_MODULES");
    if (given && *given)
        return try_dir(given, "", mpi, path, size);
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = '\0';
    dir_of(program, own[0], sizeof own[0]);
    if (dladdr((void *)(intptr_t)sqz_ranks_module, &info) && info.dli_fname)
        dir_of(info.dli_fname, own[1], sizeof own[1]);
    for (int i = 0; i < 2; i++)
        if (*own[i] && (try_dir(own[i], "", mpi, path, size) ||
                        try_dir(own[i], "/squeezenet", mpi, path, size) ||
                        try_dir(own[i], "/" SQZ_MODULES_FROM_PROGRAM, mpi, path, size)))
            return true;
    return false;
}

enum sqz_status sqz_module_open(struct sqz_ranks *ranks, struct sqz_start_timeout *timeout,
                                struct sqz_error *err)
{
    char path[PATH_MAX], error[128] = "";
    const char *mpi = sqz_ranks_launcher();
    bool open_mpi = strcmp(mpi, "openmpi") == 0;
    if (!sqz_ranks_module(mpi, path, sizeof path))
        return sqz_fail(err, SQZ_E_CONFIG,
                        "This program was started by the launcher of %s, but was built without "
                        "that MPI: install %s (Debian's name) and build again.",
                        open_mpi ? "Open MPI" : "MPICH",
                        open_mpi ? "libopenmpi-dev" : "libmpich-dev");
    // Global, because MPI opens plugins of its own, which look for its symbols.
    ranks->module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!ranks->module)
        return sqz_fail(err, SQZ_E_CONFIG, "The module for ranks cannot be opened: %s.", dlerror());
    ranks->transport = dlsym(ranks->module, SQZ_TRANSPORT_SYMBOL);
    if (!ranks->transport || ranks->transport->version != SQZ_TRANSPORT_VERSION)
        return sqz_fail(err, SQZ_E_CONFIG, "\"%s\" belongs to another version of this program.",
                        path);
    sqz_start_timeout_begin(timeout);
    bool started = ranks->transport->start(&ranks->rank, &ranks->size, error, sizeof error);
    sqz_start_timeout_end(timeout);
    if (!started)
        return sqz_fail(err, SQZ_E_CONFIG, "MPI does not start: %s.", error);
    ranks->transport->library(ranks->library, sizeof ranks->library);
    return SQZ_OK;
}
