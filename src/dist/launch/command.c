// The command line of mpirun: made, shown, and started.
#include "dist/launch/command.h"

#include "base/cpu.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

static bool find_program(const char *name, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
        size_t length = strcspn(at, ":");
        if (snprintf(out, PATH_MAX, "%.*s/%s", (int)length, at, name) < PATH_MAX &&
            access(out, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

// Debian's names; both may be there, whichever of them is `mpirun`.
static bool find_mpirun(const char *mpi, char out[PATH_MAX])
{
    return find_program(strcmp(mpi, "openmpi") == 0 ? "mpirun.openmpi" : "mpirun.mpich", out);
}

static enum sqz_status choose(const struct sqz_launch *launch, const char **mpi,
                              struct sqz_launch_command *command, struct sqz_error *err)
{
    static const char *const known[] = {"openmpi", "mpich"};
    bool any = strcmp(launch->mpi, "auto") == 0;
    for (int i = 0; i < 2; i++)
        if ((any || strcmp(launch->mpi, known[i]) == 0) && sqz_ranks_module(known[i], NULL, 0) &&
            find_mpirun(known[i], command->mpirun)) {
            *mpi = known[i];
            return SQZ_OK;
        }
    const char *packages = any || strcmp(launch->mpi, "openmpi") == 0
                               ? "openmpi-bin and libopenmpi-dev"
                               : "mpich and libmpich-dev";
    return sqz_fail(err, SQZ_E_CONFIG,
                    "Ranks need an MPI, and none%s%s is here: install %s (Debian's names) and "
                    "build again; or leave out --worker_num.",
                    any ? "" : " called ", any ? "" : launch->mpi, packages);
}

// mpirun searches all words for its own: it begins another program after ":", and Open MPI also
// looks for -mca and the like among the arguments of the program.
static bool is_ours(const char *word)
{
    bool option = strncmp(word, "--", 2) == 0 && isalpha((unsigned char)word[2]);
    return strcmp(word, ":") != 0 && (*word != '-' || option);
}

static void add(struct sqz_launch_command *command, const char *word)
{
    if (command->n < SQZ_LAUNCH_WORDS)
        command->words[command->n++] = word;
}

// Not when ranks would have to share cores: a bound rank cannot move away.
static bool can_bind(const struct sqz_launch *launch)
{
    return launch->bind &&
           (*launch->hostfile || launch->ranks * launch->threads <= sqz_cpu_usable());
}

static void add_openmpi(const struct sqz_launch *launch, struct sqz_launch_command *command)
{
    if (geteuid() == 0)
        add(command, "--allow-run-as-root");
    add(command, "--oversubscribe");
    if (can_bind(launch)) {
        snprintf(command->cores, sizeof command->cores, "slot:PE=%d", launch->threads);
        add(command, "--map-by");
        add(command, command->cores);
        add(command, "--bind-to");
        add(command, "core");
    } else {
        add(command, "--bind-to");
        add(command, "none");
    }
    if (*launch->hostfile) {
        add(command, "--hostfile");
        add(command, command->hostfile);
    }
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "SQUEEZENET_", 11) == 0) {
            add(command, "-x"); // "NAME=value", for other machines
            add(command, *variable);
        }
}

static void add_mpich(const struct sqz_launch *launch, struct sqz_launch_command *command)
{
    if (can_bind(launch)) {
        snprintf(command->cores, sizeof command->cores, "core:%d", launch->threads);
        add(command, "-bind-to");
        add(command, command->cores);
    }
    if (*launch->hostfile) {
        add(command, "-f");
        add(command, command->hostfile);
    }
}

enum sqz_status sqz_launch_build(const struct sqz_launch *launch,
                                 struct sqz_launch_command *command, struct sqz_error *err)
{
    const char *mpi = NULL;
    enum sqz_status status = choose(launch, &mpi, command, err);
    if (status)
        return status;
    ssize_t length = readlink("/proc/self/exe", command->program, sizeof command->program - 1);
    if (length < 0)
        return sqz_fail_errno(err, SQZ_E_INTERNAL, errno, "Cannot find this program's own file");
    command->program[length] = '\0';
    bool relative = *launch->hostfile != '/'; // then neither '-' nor ':' may begin it
    snprintf(command->hostfile, sizeof command->hostfile, "%s%s", relative ? "./" : "",
             launch->hostfile);
    snprintf(command->ranks, sizeof command->ranks, "%d", launch->ranks);
    add(command, command->mpirun);
    add(command, "-n");
    add(command, command->ranks);
    if (strcmp(mpi, "openmpi") == 0)
        add_openmpi(launch, command);
    else
        add_mpich(launch, command);
    add(command, command->program);
    for (const char *const *word = launch->arguments; *word; word++) {
        if (!is_ours(*word))
            return sqz_fail(err, SQZ_E_USAGE,
                            "\"%s\" cannot be handed to ranks: mpirun might take it for its own. "
                            "Write --name=value, and ./ before a path.",
                            *word);
        add(command, *word);
    }
    if (command->n == SQZ_LAUNCH_WORDS)
        return sqz_fail(err, SQZ_E_USAGE, "The command line is too long to be handed to ranks.");
    return SQZ_OK;
}

enum sqz_status sqz_launch_describe(const struct sqz_launch *launch, struct sqz_text *out,
                                    struct sqz_error *err)
{
    struct sqz_launch_command command = {.n = 0};
    enum sqz_status status = sqz_launch_build(launch, &command, err);
    for (int i = 0; i < command.n && !status; i++)
        sqz_text_add(out, "%s%s", i ? " " : "", command.words[i]);
    if (!status && launch->bind && !can_bind(launch))
        sqz_text_add(out,
                     "\nThe ranks are not bound: %d of %d threads each are more than the %d "
                     "processors here.",
                     launch->ranks, launch->threads, sqz_cpu_usable());
    return status;
}

// In the child; quiet: what it writes is nobody's business. Its own process group, so that the
// terminal's Ctrl-C reaches the launcher alone, which asks the ranks to finish their step; mpirun
// would kill them.
static void become(const struct sqz_launch_command *command, bool quiet)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL); // ignored signals would stay so in mpirun
    signal(SIGXFSZ, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
    int sink = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (sink >= 0) {
        dup2(sink, STDOUT_FILENO);
        dup2(sink, STDERR_FILENO);
    }
    execv(command->mpirun, (char *const *)(intptr_t)command->words);
    raise(SIGKILL); // there is nothing to go back to
}

enum sqz_status sqz_launch_start(struct sqz_launch_command *command, bool quiet, pid_t *child,
                                 struct sqz_error *err)
{
    command->words[command->n] = NULL;
    *child = fork();
    if (*child == 0)
        become(command, quiet);
    if (*child > 0)
        return SQZ_OK;
    return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot start \"%s\"", command->mpirun);
}

enum sqz_status sqz_launch_probe(const struct sqz_launch *launch, const char *hostfile,
                                 pid_t *child, struct sqz_error *err)
{
    static const char *const version[] = {"--version", NULL};
    struct sqz_launch_command command = {.n = 0};
    struct sqz_launch probe = {
        .mpi = launch->mpi, .ranks = 1, .hostfile = hostfile, .arguments = version};
    enum sqz_status status = sqz_launch_build(&probe, &command, err);
    return status ? status : sqz_launch_start(&command, true, child, err);
}
