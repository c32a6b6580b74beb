// Starts ranks through an installed mpirun and attends to them until they end.
#include "dist/launch/launch.h"

#include "base/cpu.h"
#include "dist/launch/command.h"
#include "dist/launch/hosts.h"
#include "dist/shared_registry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void look(const struct sqz_registry *registry, int *fds, int milliseconds,
                 struct sqz_launch_end *out)
{
    out->lost = sqz_registry_watch(registry, fds, milliseconds);
    if (out->lost < 0)
        return;
    const struct sqz_registry_entry *entry = &registry->entries[out->lost];
    snprintf(out->host, sizeof out->host, "%.*s", (int)sizeof out->host - 1, entry->host);
    snprintf(out->at, sizeof out->at, "%.*s", (int)sizeof out->at - 1, entry->at);
}

// mpirun also waits for ever for a machine that it cannot reach at the start. Ranks that have come
// end themselves when their time is over (start_timeout.c). On a hostfile without this machine none
// signs the registry, and the job may well be running: then all machines answer.
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
static void end_hanging(const struct sqz_registry *registry, const int *fds, pid_t child, bool over,
                        double *since)
{
    enum { GRACE_SECONDS = 4 };
    if (!over && !sqz_registry_all_ended(registry, fds))
        return;
    if (*since == 0)
        *since = sqz_clock_seconds();
    if (sqz_clock_seconds() - *since < GRACE_SECONDS)
        return;
    sqz_registry_kill(registry, fds);
    kill(-child, SIGKILL);
}

// Until mpirun ends; notes the first rank that goes without having left, before mpirun kills the
// others.
static enum sqz_status attend(const struct sqz_launch *launch,
                              const struct sqz_launch_command *command, pid_t child,
                              const struct sqz_registry *registry, int *fds,
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
        if (sqz_stop_asked(launch->stop) && !told)
            told = kill(child, SIGUSR1) == 0; // both MPIs hand it on to the ranks
        met = met || sqz_registry_has_met(registry);
        if (!met && sqz_clock_seconds() - begin > launch->timeout + START_GRACE_SECONDS) {
            met = true; // asked once
            end_late(launch, child, out);
        }
        end_hanging(registry, fds, child, out->lost >= 0 || out->late, &since);
        if (out->lost >= 0) {
            usleep(LOOK_MILLISECONDS * 1000);
            continue;
        }
        look(registry, fds, LOOK_MILLISECONDS, out);
    }
    if (out->lost < 0) // mpirun may have been faster than the last look
        look(registry, fds, 0, out);
    out->exit_status = WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 128 + WTERMSIG(outcome);
    snprintf(out->run, sizeof out->run, "%.*s", (int)sizeof out->run - 1, registry->run);
    return SQZ_OK;
}

enum sqz_status sqz_launch_run(const struct sqz_launch *launch, struct sqz_launch_end *out,
                               struct sqz_error *err)
{
    struct sqz_launch_command command = {.n = 0};
    struct sqz_registry *registry = NULL;
    pid_t child = 0;
    int *fds = sqz_new_array((size_t)launch->ranks + 1, sizeof *fds);
    *out = (struct sqz_launch_end){.lost = -1};
    enum sqz_status status = fds ? sqz_registry_create(launch->ranks, &registry, err)
                                 : sqz_fail_memory(err, "the ranks", sizeof *fds);
    for (int r = 0; !status && r <= launch->ranks; r++)
        fds[r] = -1;
    if (!status)
        status =
            sqz_launch_build(launch, &command, err); // after the registry, whose path it hands on
    if (!status)
        status = sqz_launch_start(&command, false, &child, err);
    if (!status)
        status = attend(launch, &command, child, registry, fds, out, err);
    for (int r = 0; registry && r <= launch->ranks; r++)
        if (fds[r] >= 0)
            close(fds[r]);
    sqz_registry_close(registry);
    sqz_free(fds);
    return status;
}
