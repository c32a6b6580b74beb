// Which machines of a hostfile answer.
#include "dist/launch/hosts.h"

#include "base/cpu.h"
#include "base/file.h"
#include "dist/launch/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_SECONDS = 15, // that a machine has for its answer
    MOST_BYTES = 1 << 20,  // of a hostfile
    MOST_SLOTS = 1 << 16   // of a machine
};

struct host {
    const char *line; // of the hostfile, ended by a newline or the text's end
    size_t length, name;
    int slots;
    pid_t probe; // 0: it has ended
    bool answers;
};

// "name", "name slots=4" (Open MPI) or "name:4" (MPICH); false for a comment or an empty line.
static bool read_line(const char *line, size_t length, struct host *out)
{
    size_t blank = strspn(line, " \t\r");
    *out = (struct host){.line = line, .length = length, .slots = 1};
    out->name = strcspn(line + blank, " \t\r\n:#") + blank;
    if (out->name == blank || out->name > length)
        return false;
    const char *slots = strstr(line, "slots=");
    long long n = 1;
    if (slots && slots < line + length)
        n = strtoll(slots + sizeof "slots=" - 1, NULL, 10);
    else if (line[out->name] == ':')
        n = strtoll(line + out->name + 1, NULL, 10);
    out->slots = n < 1 ? 1 : n > MOST_SLOTS ? MOST_SLOTS : (int)n;
    return true;
}

static struct host *read_hosts(const char *text, size_t *n)
{
    size_t lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    struct host *hosts = sqz_new_array(lines, sizeof *hosts);
    *n = 0;
    for (const char *at = text; hosts && *at;) {
        size_t length = strcspn(at, "\n");
        *n += read_line(at, length, &hosts[*n]);
        at += length + (at[length] == '\n');
    }
    return hosts;
}

// A fresh file; its name in `path`.
static bool write_lines(char path[SQZ_TEMPORARY_SIZE], const struct host *hosts, size_t n)
{
    int file = sqz_temporary_open("host", path);
    FILE *stream = file < 0 ? NULL : fdopen(file, "w");
    for (size_t i = 0; stream && i < n; i++)
        if (hosts[i].answers)
            fprintf(stream, "%.*s\n", (int)hosts[i].length, hosts[i].line);
    return stream && fclose(stream) == 0;
}

static enum sqz_status ask(const struct sqz_launch *launch, struct host *host,
                           char path[SQZ_TEMPORARY_SIZE], struct sqz_error *err)
{
    host->answers = true; // so far
    if (!write_lines(path, host, 1))
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot write a hostfile in $TMPDIR or /tmp.");
    return sqz_launch_probe(launch, path, &host->probe, err);
}

static void await_answers(struct host *hosts, size_t n)
{
    double begin = sqz_clock_seconds();
    for (bool all = false; !all;) {
        bool late = sqz_clock_seconds() - begin > PATIENCE_SECONDS;
        all = true;
        for (size_t i = 0; i < n; i++) {
            int outcome = -1;
            if (hosts[i].probe <= 0)
                continue;
            if (late)
                kill(-hosts[i].probe, SIGKILL);
            if (waitpid(hosts[i].probe, &outcome, late ? 0 : WNOHANG) == hosts[i].probe) {
                hosts[i].answers = !late && WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0;
                hosts[i].probe = 0;
            } else {
                all = false;
            }
        }
        usleep(20000);
    }
}

static enum sqz_status ask_all(const struct sqz_launch *launch, struct host *hosts, size_t n,
                               struct sqz_error *err)
{
    char(*paths)[SQZ_TEMPORARY_SIZE] = sqz_new_array(n, sizeof *paths);
    enum sqz_status status = paths ? SQZ_OK : sqz_fail_memory(err, "the hosts", n * sizeof *paths);
    for (size_t i = 0; i < n && !status; i++)
        status = ask(launch, &hosts[i], paths[i], err);
    await_answers(hosts, n);
    for (size_t i = 0; paths && i < n; i++)
        if (*paths[i])
            unlink(paths[i]);
    sqz_free(paths);
    return status;
}

static enum sqz_status choose(const struct sqz_launch *launch, const struct host *hosts, size_t n,
                              struct sqz_hosts *out, struct sqz_error *err)
{
    int64_t slots = 0, left = 0;
    for (size_t i = 0; i < n; i++) {
        slots += hosts[i].slots;
        left += hosts[i].answers ? hosts[i].slots : 0;
        if (!hosts[i].answers)
            sqz_text_add(&out->lost, "%s%.*s", out->lost.length ? ", " : "", (int)hosts[i].name,
                         hosts[i].line);
    }
    if (left == slots)
        return SQZ_OK;
    if (left == 0)
        return sqz_fail(err, SQZ_E_STOPPED, "No machine of \"%s\" answers.", launch->hostfile);
    out->ranks = (int)(launch->ranks * left / slots);
    out->ranks = out->ranks < 1 ? 1 : out->ranks;
    if (!write_lines(out->hostfile, hosts, n))
        return sqz_fail(err, SQZ_E_CANTWRITE, "Cannot write a hostfile in $TMPDIR or /tmp.");
    return SQZ_OK;
}

// The hosts point into `text`; both are the caller's to free.
static enum sqz_status read_file(const char *path, struct sqz_text *text, struct host **hosts,
                                 size_t *n, struct sqz_error *err)
{
    struct sqz_bytes bytes = {0};
    *hosts = NULL;
    *n = 0;
    enum sqz_status status = sqz_file_read(path, MOST_BYTES, &bytes, err);
    if (!status)
        sqz_text_add(text, "%.*s", (int)bytes.size, (const char *)bytes.data);
    if (!status && !text->failed)
        *hosts = read_hosts(sqz_text_get(text), n);
    if (!status && !*hosts)
        status = sqz_fail_memory(err, "the hosts", bytes.size);
    sqz_bytes_release(&bytes);
    return status;
}

// mpirun hands the name to ssh, which takes a word that begins with '-' for an option; Open MPI
// first cuts off a user ("user@") and its own marks for nodes ('^', '+').
static bool is_safe_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char before = i > 0 ? name[i - 1] : '@';
        if ((unsigned char)name[i] < 0x20 || strchr("\"'\\$`;|&<>", name[i]) ||
            (name[i] == '-' && strchr("@^+", before)))
            return false;
    }
    return true;
}

enum sqz_status sqz_hosts_check(const char *hostfile, struct sqz_error *err)
{
    struct sqz_text text = {0};
    struct host *hosts = NULL;
    size_t n = 0;
    enum sqz_status status = read_file(hostfile, &text, &hosts, &n, err);
    for (size_t i = 0; i < n && !status; i++) {
        const char *name = hosts[i].line + strspn(hosts[i].line, " \t\r");
        const size_t length = hosts[i].name - (size_t)(name - hosts[i].line);
        if (!is_safe_name(name, length))
            status = sqz_fail(err, SQZ_E_DATA,
                              "%s names a machine \"%.*s\": that is no name of a machine, and ssh "
                              "might take it for an option.",
                              hostfile, (int)length, name);
    }
    sqz_free(hosts);
    sqz_text_release(&text);
    return status;
}

enum sqz_status sqz_hosts_find(const struct sqz_launch *launch, struct sqz_hosts *out,
                               struct sqz_error *err)
{
    struct sqz_text text = {0};
    struct host *hosts = NULL;
    size_t n = 0;
    *out = (struct sqz_hosts){.ranks = launch->ranks};
    enum sqz_status status = read_file(launch->hostfile, &text, &hosts, &n, err);
    if (!status)
        status = ask_all(launch, hosts, n, err);
    if (!status && n > 0)
        status = choose(launch, hosts, n, out, err);
    sqz_free(hosts);
    sqz_text_release(&text);
    return status;
}

void sqz_hosts_release(struct sqz_hosts *hosts)
{
    if (*hosts->hostfile)
        unlink(hosts->hostfile);
    sqz_text_release(&hosts->lost);
    *hosts = (struct sqz_hosts){0};
}
