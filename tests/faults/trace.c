// Runs a program and interferes with its system calls; see usage(). Linux on x86-64: ptrace stops
// the program at the calls that a seccomp filter selects, so that what glibc, libpng or stdio do is
// seen, too. Calls are counted from the moment on that shim.c reports the program's start.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTED     0x53515a46
#define MAX_THREADS 256
#define MAX_WRITE   ((size_t)256 << 20)

enum { READS, CHANGES, OTHER };

// The calls that are watched. `kind` CHANGES: it may change the disk.
static const struct call {
    const char *name;
    int number, kind;
} calls[] = {
    {"open", SYS_openat, OTHER},
    {"open", SYS_open, OTHER},
    {"read", SYS_read, READS},
    {"read", SYS_pread64, READS},
    {"read", SYS_readv, READS},
    {"list", SYS_getdents64, READS},
    {"close", SYS_close, OTHER},
    {"mmap", SYS_mmap, OTHER},
    {"stat", SYS_newfstatat, OTHER},
    {"stat", SYS_fstat, OTHER},
    {"stat", SYS_stat, OTHER},
    {"stat", SYS_lstat, OTHER},
    {"write", SYS_write, CHANGES},
    {"write", SYS_pwrite64, CHANGES},
    {"write", SYS_writev, CHANGES},
    {"sync", SYS_fsync, CHANGES},
    {"sync", SYS_fdatasync, CHANGES},
    {"rename", SYS_rename, CHANGES},
    {"rename", SYS_renameat, CHANGES},
    {"rename", SYS_renameat2, CHANGES},
    {"link", SYS_link, CHANGES},
    {"link", SYS_linkat, CHANGES},
    {"link", SYS_symlink, CHANGES},
    {"unlink", SYS_unlink, CHANGES},
    {"unlink", SYS_unlinkat, CHANGES},
    {"unlink", SYS_rmdir, CHANGES},
    {"mkdir", SYS_mkdir, CHANGES},
    {"mkdir", SYS_mkdirat, CHANGES},
    {"truncate", SYS_ftruncate, CHANGES},
    {"truncate", SYS_truncate, CHANGES},
    {"chmod", SYS_fchmod, CHANGES},
    {"lock", SYS_flock, OTHER},
};
enum { N_CALLS = sizeof calls / sizeof calls[0] };
// What is counted and can fail: an open that creates is "create", a write to no file is "print".
static const char *const counted[] = {"open",   "create", "read",     "list",  "close",  "mmap",
                                      "stat",   "write",  "print",    "sync",  "rename", "link",
                                      "unlink", "mkdir",  "truncate", "chmod", "lock"};
enum { N_COUNTED = sizeof counted / sizeof counted[0] };

static struct {
    const char *count_path, *usage_path;
    const char *fail_name; // the call that fails
    long fail_at, kill_at;
    int error; // -1: half of the count instead
    bool lasting, half;
} plan;

static struct thread {
    pid_t id;
    bool at_exit; // the call's end is wanted
    struct user_regs_struct begin;
    char path[2][PATH_MAX];
    long long offset;
} threads[MAX_THREADS];

static long counts[N_COUNTED], n_changes;
static bool started, killing;
static FILE *log_file, *log_data;

static void give_up(const char *what)
{
    perror(what);
    exit(98);
}

static void usage(void)
{
    fputs("usage: trace [--count FILE] [--fail CALL N ERRNO|short [lasting]] [--kill N [half]]\n"
          "             [--log PREFIX] [--usage FILE] -- PROGRAM ARGUMENTS\n"
          "  --count  writes how often each call was made, and all that change the disk "
          "(\"change\")\n"
          "  --fail   the N-th CALL fails, or moves half of its bytes; lasting: so do all later "
          "ones\n"
          "  --kill   SIGKILL before the N-th call that changes the disk; half: after half of that "
          "write\n"
          "  --log    writes PREFIX.log and PREFIX.data: what changed the disk\n"
          "  --usage  writes the seconds of processor time and the most memory in bytes\n",
          stderr);
    exit(2);
}

static struct thread *find_thread(pid_t id)
{
    struct thread *empty = NULL;
    for (int i = 0; i < MAX_THREADS; i++) {
        if (threads[i].id == id)
            return &threads[i];
        if (!threads[i].id && !empty)
            empty = &threads[i];
    }
    if (!empty)
        give_up("too many threads");
    empty->id = id;
    empty->at_exit = false;
    return empty;
}

static bool is_file(pid_t id, long fd)
{
    char name[64];
    struct stat info;
    snprintf(name, sizeof name, "/proc/%d/fd/%d", id, (int)fd);
    return stat(name, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

static const struct call *find_call(long number)
{
    for (int i = 0; i < N_CALLS; i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}

static bool opens_to_write(const struct user_regs_struct *r)
{
    int flags = (int)(r->orig_rax == SYS_open ? r->rsi : r->rdx);
    return (flags & (O_CREAT | O_TRUNC)) && (flags & O_ACCMODE) != O_RDONLY;
}

// The name under which a call is counted, an index of counted[].
static int counted_as(pid_t id, const struct call *call, const struct user_regs_struct *r)
{
    const char *name = call->name;
    if (strcmp(name, "open") == 0 && opens_to_write(r))
        name = "create";
    else if (strcmp(name, "write") == 0 && !is_file(id, (long)r->rdi))
        name = "print";
    int i = 0;
    while (strcmp(counted[i], name) != 0)
        i++;
    return i;
}

static void link_of(pid_t id, long fd, char *out)
{
    char name[64];
    if ((int)fd == AT_FDCWD)
        snprintf(name, sizeof name, "/proc/%d/cwd", id);
    else
        snprintf(name, sizeof name, "/proc/%d/fd/%d", id, (int)fd);
    ssize_t n = readlink(name, out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
}

static size_t read_memory(pid_t id, unsigned long long from, void *out, size_t size)
{
    struct iovec here = {out, size}, there = {(void *)from, size};
    ssize_t n = process_vm_readv(id, &here, 1, &there, 1, 0);
    return n > 0 ? (size_t)n : 0;
}

// The absolute name of a path in the program's memory.
static void path_of(pid_t id, long dir, unsigned long long from, char *out)
{
    char text[PATH_MAX] = "", base[PATH_MAX];
    for (size_t n = 0; n + 1 < sizeof text; n++)
        if (read_memory(id, from + n, text + n, 1) != 1 || !text[n])
            break;
    text[sizeof text - 1] = '\0';
    if (text[0] == '/') {
        memcpy(out, text, sizeof text);
        return;
    }
    link_of(id, dir, base);
    if (snprintf(out, PATH_MAX, "%s/%s", base, text) >= PATH_MAX)
        give_up("a path is too long");
}

static long long position_of(pid_t id, long fd)
{
    char name[64];
    unsigned long long position = 0;
    unsigned flags = 0;
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", id, (int)fd);
    FILE *file = fopen(name, "r");
    if (!file || fscanf(file, "pos: %llu flags: %o", &position, &flags) != 2)
        give_up(name);
    fclose(file);
    struct stat info;
    snprintf(name, sizeof name, "/proc/%d/fd/%d", id, (int)fd);
    if ((flags & O_APPEND) && stat(name, &info) == 0)
        return info.st_size;
    return (long long)position;
}

static bool changes_disk(pid_t id, const struct call *call, const struct user_regs_struct *r)
{
    if (strcmp(call->name, "open") == 0)
        return opens_to_write(r);
    if (strcmp(call->name, "write") == 0 || strcmp(call->name, "sync") == 0)
        return is_file(id, (long)r->rdi);
    return call->kind == CHANGES;
}

// Remembers what the call names, before it is carried out.
static void remember(struct thread *t, const struct call *call)
{
    const struct user_regs_struct *r = &t->begin;
    long number = (long)r->orig_rax;
    t->path[0][0] = t->path[1][0] = '\0';
    t->offset = 0;
    if (number == SYS_open || number == SYS_unlink || number == SYS_rmdir || number == SYS_mkdir) {
        path_of(t->id, AT_FDCWD, r->rdi, t->path[0]);
    } else if (number == SYS_openat || number == SYS_unlinkat || number == SYS_mkdirat) {
        path_of(t->id, (long)r->rdi, r->rsi, t->path[0]);
    } else if (number == SYS_rename || number == SYS_link) {
        path_of(t->id, AT_FDCWD, r->rdi, t->path[0]);
        path_of(t->id, AT_FDCWD, r->rsi, t->path[1]);
    } else if (number == SYS_renameat || number == SYS_renameat2 || number == SYS_linkat) {
        path_of(t->id, (long)r->rdi, r->rsi, t->path[0]);
        path_of(t->id, (long)r->rdx, r->r10, t->path[1]);
    } else {
        link_of(t->id, (long)r->rdi, t->path[0]);
        if (number == SYS_write || number == SYS_writev)
            t->offset = position_of(t->id, (long)r->rdi);
        else if (number == SYS_pwrite64)
            t->offset = (long long)r->r10;
        else if (strcmp(call->name, "truncate") == 0)
            t->offset = (long long)r->rsi;
    }
}

static void copy_data(pid_t id, unsigned long long from, size_t size)
{
    static char buffer[1 << 16];
    for (size_t at = 0; at < size;) {
        size_t n = size - at < sizeof buffer ? size - at : sizeof buffer;
        if (read_memory(id, from + at, buffer, n) != n || fwrite(buffer, 1, n, log_data) != n)
            give_up("the written bytes");
        at += n;
    }
}

// Logs a call that succeeded: CALL, path, other path, offset, bytes, where they begin in
// PREFIX.data.
static void record(struct thread *t, const struct call *call, long long result)
{
    const struct user_regs_struct *r = &t->begin;
    long start = ftell(log_data), size = 0;
    const char *name = call->name;
    if (strcmp(name, "write") == 0) {
        size = (long)result;
        if (r->orig_rax == SYS_writev) {
            long left = size;
            for (unsigned long long i = 0; i < r->rdx && left > 0; i++) {
                struct iovec part;
                if (read_memory(t->id, r->rsi + i * sizeof part, &part, sizeof part) != sizeof part)
                    give_up("the written bytes");
                size_t n = part.iov_len < (size_t)left ? part.iov_len : (size_t)left;
                copy_data(t->id, (unsigned long long)(uintptr_t)part.iov_base, n);
                left -= (long)n;
            }
        } else {
            copy_data(t->id, r->rsi, (size_t)size);
        }
    } else if (strcmp(name, "open") == 0) {
        int flags = (int)(r->orig_rax == SYS_open ? r->rsi : r->rdx);
        name = flags & O_TRUNC ? "create-empty" : "create";
    }
    fprintf(log_file, "%s\t%s\t%s\t%lld\t%ld\t%ld\n", name, t->path[0], t->path[1], t->offset, size,
            start);
}

static void fail_call(struct thread *t, struct user_regs_struct *r)
{
    if (plan.error < 0) {
        if (r->orig_rax != SYS_readv && r->orig_rax != SYS_writev && r->rdx > 1)
            r->rdx /= 2;
    } else {
        r->orig_rax = (unsigned long long)-1; // no call; what rax holds is its result
        r->rax = (unsigned long long)-(long long)plan.error;
    }
    if (ptrace(PTRACE_SETREGS, t->id, NULL, r) != 0)
        give_up("PTRACE_SETREGS");
}

static void kill_all(pid_t leader)
{
    kill(leader, SIGKILL);
    killing = true;
}

// A thread stands before a watched call. Returns how it goes on.
static int enter_call(struct thread *t, pid_t leader)
{
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, t->id, NULL, &r) != 0)
        return PTRACE_CONT; // it has just been killed
    if (r.orig_rax == SYS_prctl) {
        started |= r.rdi == STARTED;
        return PTRACE_CONT;
    }
    const struct call *call = find_call((long)r.orig_rax);
    if (!started || !call)
        return PTRACE_CONT;
    int name = counted_as(t->id, call, &r);
    long n = ++counts[name];
    t->begin = r;
    if (plan.fail_name && strcmp(counted[name], plan.fail_name) == 0 &&
        (n == plan.fail_at || (plan.lasting && n > plan.fail_at))) {
        fail_call(t, &r);
        return PTRACE_CONT;
    }
    if (!changes_disk(t->id, call, &r))
        return PTRACE_CONT;
    n = ++n_changes;
    if (n == plan.kill_at && plan.half && strcmp(call->name, "write") == 0 && r.rdx > 1) {
        plan.error = -1;
        fail_call(t, &r);
        t->at_exit = true;
        return PTRACE_SYSCALL;
    }
    if (n == plan.kill_at) {
        kill_all(leader);
        return PTRACE_CONT;
    }
    if (!log_file)
        return PTRACE_CONT;
    remember(t, call);
    t->at_exit = true;
    return PTRACE_SYSCALL;
}

static void leave_call(struct thread *t, pid_t leader)
{
    struct user_regs_struct r;
    t->at_exit = false;
    if (ptrace(PTRACE_GETREGS, t->id, NULL, &r) != 0)
        return;
    if (plan.kill_at)
        kill_all(leader);
    else if ((long long)r.rax >= 0)
        record(t, find_call((long)t->begin.orig_rax), (long long)r.rax);
}

static void filter_calls(void)
{
    struct sock_filter program[2 * (N_CALLS + 1) + 2];
    int n = 0;
    program[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i <= N_CALLS; i++) {
        unsigned number = (unsigned)(i < N_CALLS ? calls[i].number : SYS_prctl);
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {(unsigned short)n, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        give_up("seccomp");
}

static pid_t start(char **command)
{
    pid_t leader = fork();
    if (leader < 0)
        give_up("fork");
    if (leader == 0) {
        if (getenv("FAULT_PRELOAD"))
            setenv("LD_PRELOAD", getenv("FAULT_PRELOAD"), 1);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            give_up("ptrace");
        raise(SIGSTOP);
        filter_calls();
        execv(command[0], command);
        give_up(command[0]);
    }
    int status;
    if (waitpid(leader, &status, 0) != leader || !WIFSTOPPED(status))
        give_up("waitpid");
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, leader, NULL, (void *)options) != 0 ||
        ptrace(PTRACE_CONT, leader, NULL, NULL) != 0)
        give_up("ptrace");
    return leader;
}

// Serves the program until its end; returns what waitpid said of it.
static int serve(pid_t leader)
{
    int result = 0, status;
    for (pid_t id; (id = waitpid(-1, &status, __WALL)) > 0;) {
        struct thread *t = find_thread(id);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (id == leader)
                result = status;
            t->id = 0;
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16,
            next = t->at_exit ? PTRACE_SYSCALL : PTRACE_CONT;
        int passed = 0;
        if (event == PTRACE_EVENT_SECCOMP && !killing)
            next = enter_call(t, leader);
        else if (signal == (SIGTRAP | 0x80) && t->at_exit)
            leave_call(t, leader), next = PTRACE_CONT;
        else if (!event && signal != SIGTRAP && signal != SIGSTOP && signal != (SIGTRAP | 0x80))
            passed = signal;
        ptrace(next, id, NULL, (void *)(long)passed); // fails only for a thread that was killed
    }
    return result;
}

static void write_counts(void)
{
    FILE *file = fopen(plan.count_path, "w");
    if (!file)
        give_up(plan.count_path);
    for (int i = 0; i < N_COUNTED; i++)
        fprintf(file, "%s %ld\n", counted[i], counts[i]);
    fprintf(file, "change %ld\n", n_changes);
    if (fclose(file) != 0)
        give_up(plan.count_path);
}

// Writes what the program and all that it started took: seconds of processor time, most memory in
// bytes.
static void write_usage(void)
{
    struct rusage usage;
    FILE *file = fopen(plan.usage_path, "w");
    if (!file || getrusage(RUSAGE_CHILDREN, &usage) != 0)
        give_up(plan.usage_path);
    fprintf(file, "%.3f %ld\n",
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
            usage.ru_maxrss * 1024);
    if (fclose(file) != 0)
        give_up(plan.usage_path);
}

static FILE *open_log(const char *prefix, const char *suffix)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", prefix, suffix);
    FILE *file = fopen(path, "we");
    if (!file)
        give_up(path);
    return file;
}

static char **parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int left = argc - i - 1;
        if (strcmp(argv[i], "--") == 0 && left > 0)
            return argv + i + 1;
        if (strcmp(argv[i], "--count") == 0 && left > 0) {
            plan.count_path = argv[++i];
        } else if (strcmp(argv[i], "--usage") == 0 && left > 0) {
            plan.usage_path = argv[++i];
        } else if (strcmp(argv[i], "--log") == 0 && left > 0) {
            log_file = open_log(argv[++i], ".log");
            log_data = open_log(argv[i], ".data");
        } else if (strcmp(argv[i], "--kill") == 0 && left > 0) {
            plan.kill_at = atol(argv[++i]);
        } else if (strcmp(argv[i], "half") == 0) {
            plan.half = true;
        } else if (strcmp(argv[i], "lasting") == 0) {
            plan.lasting = true;
        } else if (strcmp(argv[i], "--fail") == 0 && left > 2) {
            plan.fail_name = argv[++i];
            plan.fail_at = atol(argv[++i]);
            plan.error = strcmp(argv[++i], "short") == 0 ? -1 : atoi(argv[i]);
        } else {
            usage();
        }
    }
    usage();
    return NULL;
}

int main(int argc, char **argv)
{
    char **command = parse(argc, argv);
    int status = serve(start(command));
    if (plan.count_path)
        write_counts();
    if (plan.usage_path)
        write_usage();
    if (log_file && (fclose(log_file) != 0 || fclose(log_data) != 0))
        give_up("the log");
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "trace: ended by signal %d\n", WTERMSIG(status));
        return 128 + WTERMSIG(status);
    }
    return WEXITSTATUS(status);
}
