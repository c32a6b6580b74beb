// Starts ranks through an installed mpirun.
#include "dist/launch.h"

#include "base/cpu.h"
#include "dist/hosts.h"
#include "dist/private.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST_ARGUMENTS = 512 };

struct command {
    const char *words[MOST_ARGUMENTS + 1];
    int n;
    char program[PATH_MAX], mpirun[PATH_MAX], hostfile[PATH_MAX], ranks[16], cores[32];
};

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
                              struct command *command, struct sqz_error *err)
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

static void add(struct command *command, const char *word)
{
    if (command->n < MOST_ARGUMENTS)
        command->words[command->n++] = word;
}

// Not when ranks would have to share cores: a bound rank cannot move away.
static bool can_bind(const struct sqz_launch *launch)
{
    return launch->bind &&
           (*launch->hostfile || launch->ranks * launch->threads <= sqz_cpu_usable());
}

static void add_openmpi(const struct sqz_launch *launch, struct command *command)
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

static void add_mpich(const struct sqz_launch *launch, struct command *command)
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

static enum sqz_status build(const struct sqz_launch *launch, struct command *command,
                             struct sqz_error *err)
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
    if (command->n == MOST_ARGUMENTS)
        return sqz_fail(err, SQZ_E_USAGE, "The command line is too long to be handed to ranks.");
    return SQZ_OK;
}

enum sqz_status sqz_launch_describe(const struct sqz_launch *launch, struct sqz_text *out,
                                    struct sqz_error *err)
{
    struct command command = {.n = 0};
    enum sqz_status status = build(launch, &command, err);
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
static void become(const struct command *command, bool quiet)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
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

static enum sqz_status start(struct command *command, bool quiet, pid_t *child,
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
    struct command command = {.n = 0};
    struct sqz_launch probe = {
        .mpi = launch->mpi, .ranks = 1, .hostfile = hostfile, .arguments = version};
    enum sqz_status status = build(&probe, &command, err);
    return status ? status : start(&command, true, child, err);
}

static void look(const struct sqz_roster *roster, int *fds, int milliseconds,
                 struct sqz_launch_end *out)
{
    out->lost = sqz_roster_watch(roster, fds, milliseconds);
    if (out->lost < 0)
        return;
    const struct sqz_roster_entry *entry = &roster->entries[out->lost];
    snprintf(out->host, sizeof out->host, "%.*s", (int)sizeof out->host - 1, entry->host);
    snprintf(out->at, sizeof out->at, "%.*s", (int)sizeof out->at - 1, entry->at);
}

// mpirun also waits for ever for a machine that it cannot reach at the start. Ranks that have come
// end themselves when their time is over (start_watch.c). On a hostfile without this machine none
// signs the roster, and the job may well be running: then all machines answer.
static void end_late(const struct sqz_launch *launch, pid_t child, struct sqz_launch_end *out)
{
    struct sqz_hosts hosts = {0};
    if (*launch->hostfile)
        (void)sqz_hosts_find(launch, &hosts, NULL);
    snprintf(out->silent, sizeof out->silent, "%s", sqz_text_get(&hosts.lost));
    out->late = !*launch->hostfile || *out->silent;
    if (out->late)
        kill(child, SIGTERM);
    sqz_hosts_release(&hosts);
}

// mpirun waits for ever for a machine that it cannot reach any more. When this machine's ranks are
// gone it has got a while to end by itself.
static void end_hanging(const struct sqz_roster *roster, const int *fds, pid_t child, bool over,
                        double *since)
{
    enum { GRACE_SECONDS = 4 };
    if (!over && !sqz_roster_all_ended(roster, fds))
        return;
    if (*since == 0)
        *since = sqz_clock_seconds();
    if (sqz_clock_seconds() - *since < GRACE_SECONDS)
        return;
    sqz_roster_kill(roster, fds);
    kill(-child, SIGKILL);
}

// Until mpirun ends; notes the first rank that goes without having left, before mpirun kills the
// others.
static enum sqz_status attend(const struct sqz_launch *launch, const struct command *command,
                              pid_t child, const struct sqz_roster *roster, int *fds,
                              struct sqz_launch_end *out, struct sqz_error *err)
{
    enum { LOOK_MILLISECONDS = 20, START_GRACE_SECONDS = 2 };
    bool told = false, met = false;
    double begin = sqz_clock_seconds(), since = 0; // since: there was a reason to end
    int outcome;
    for (;;) {
        pid_t ended = waitpid(child, &outcome, WNOHANG);
        if (ended == child)
            break;
        if (ended < 0 && errno != EINTR)
            return sqz_fail_errno(err, SQZ_E_IO, errno, "Cannot wait for \"%s\"", command->mpirun);
        if (launch->stop && *launch->stop && !told)
            told = kill(child, SIGUSR1) == 0; // both MPIs hand it on to the ranks
        met = met || sqz_roster_has_met(roster);
        if (!met && sqz_clock_seconds() - begin > launch->timeout + START_GRACE_SECONDS) {
            met = true; // asked once
            end_late(launch, child, out);
        }
        end_hanging(roster, fds, child, out->lost >= 0 || out->late, &since);
        if (out->lost >= 0) {
            usleep(LOOK_MILLISECONDS * 1000);
            continue;
        }
        look(roster, fds, LOOK_MILLISECONDS, out);
    }
    if (out->lost < 0) // mpirun may have been faster than the last look
        look(roster, fds, 0, out);
    out->exit_status = WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 128 + WTERMSIG(outcome);
    snprintf(out->run, sizeof out->run, "%.*s", (int)sizeof out->run - 1, roster->run);
    return SQZ_OK;
}

enum sqz_status sqz_launch_run(const struct sqz_launch *launch, struct sqz_launch_end *out,
                               struct sqz_error *err)
{
    struct command command = {.n = 0};
    struct sqz_roster *roster = NULL;
    pid_t child = 0;
    int *fds = sqz_new_array((size_t)launch->ranks + 1, sizeof *fds);
    *out = (struct sqz_launch_end){.lost = -1};
    enum sqz_status status = fds ? sqz_roster_create(launch->ranks, &roster, err)
                                 : sqz_fail_memory(err, "the ranks", sizeof *fds);
    for (int r = 0; !status && r <= launch->ranks; r++)
        fds[r] = -1;
    if (!status)
        status = build(launch, &command, err); // behind the roster, whose path it hands on
    if (!status)
        status = start(&command, false, &child, err);
    if (!status)
        status = attend(launch, &command, child, roster, fds, out, err);
    for (int r = 0; roster && r <= launch->ranks; r++)
        if (fds[r] >= 0)
            close(fds[r]);
    sqz_roster_close(roster);
    sqz_free(fds);
    return status;
}
