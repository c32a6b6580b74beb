#!/usr/bin/env python3
"""Injects faults into the program and judges what comes of them; docs/faults.md explains it.

    driver.py [--sample] [PART ...]     PART: memory io kill power world limits [all]

Needs SQUEEZENET (the program), FAULT_SHIM and FAULT_TRACE (built from shim.c and trace.c)."""
import argparse, collections, concurrent.futures, errno, hashlib, os, random, re, shutil, subprocess
import sys, tempfile, threading, time

import limits
import power

PROGRAM, SHIM, TRACE = (os.path.abspath(os.environ[name])
                        for name in ("SQUEEZENET", "FAULT_SHIM", "FAULT_TRACE"))
TIMEOUT = 60
# Temporary files live in memory where that is possible: thousands of runs write and synchronize.
BASE = tempfile.mkdtemp(prefix="sqz-faults-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
TRAIN = ["train", "{in}/tiny", "--run_dir", "run", "--epoch_size", "1", "--batch_size", "4",
         "--image_resize", "32", "--threads", "1", "--num_parallel_workers", "1", "--save_steps", "1", "-q"]


class Scenario:
    """A command, the files it makes, and whether its stdout is the same in every run."""

    def __init__(self, name, args, outputs=(), stdout=True, run=False, rows=False):
        self.name, self.args, self.outputs, self.stdout = name, args, outputs, stdout
        self.run = run  # a training: its run directory is looked at and resumed
        self.rows = rows  # what cannot be read has its place in the table, with the error


SCENARIOS = [
    Scenario("predict", ["predict", "{in}/m.safetensors", "{in}/one.png", "--threads", "1"]),
    Scenario("predict --json", ["predict", "{in}/m.safetensors", "{in}/one.png", "--json", "--threads", "1"]),
    Scenario("predict, a table", ["predict", "{in}/m.safetensors", "{in}/tiny/val", "--csv", "o.csv", "--force",
                                  "--threads", "1", "-q"], ["o.csv"], rows=True),
    Scenario("info", ["info", "{in}/m.safetensors"]),
    Scenario("info --json", ["info", "{in}/m.safetensors", "--json"]),
    Scenario("convert to .ckpt", ["convert", "{in}/m.safetensors", "o.ckpt", "--force", "-q"], ["o.ckpt"]),
    Scenario("convert from .ckpt", ["convert", "{in}/m.ckpt", "o.safetensors", "--force", "-q"], ["o.safetensors"]),
    Scenario("compress", ["compress", "{in}/m.safetensors", "-o", "o.sqz", "--method", "lossless", "--force", "-q",
                          "--threads", "1"], ["o.sqz"]),
    Scenario("data pack", ["data", "pack", "{in}/tiny", "o.pack", "--force", "-q", "--threads", "1"], ["o.pack"]),
    Scenario("data check", ["data", "check", "{in}/tiny", "--threads", "1"]),
    Scenario("validate", ["validate", "{in}/m.safetensors", "--data_dir", "{in}/tiny", "--threads", "1", "-q"]),
    Scenario("train", TRAIN, stdout=False, run=True),
]
# What a training leaves, and has to be the same after any fault and resumption.
RUN_FILES = ["best.safetensors", "last.safetensors", "steps.csv"]

ERRORS = {
    "open": ["EACCES", "EIO", "EMFILE"], "create": ["EACCES", "EIO", "EMFILE", "ENOSPC"],
    "read": ["EIO", "EINTR", "short"], "list": ["EIO"], "write": ["ENOSPC", "EIO", "EINTR", "short"],
    "print": ["EIO", "short"], "sync": ["EIO", "ENOSPC", "EINTR"], "rename": ["EIO", "EACCES", "ENOSPC", "EINTR"],
    "close": ["EIO", "EINTR"], "mmap": ["ENOMEM"], "stat": ["EIO", "EACCES"], "mkdir": ["EACCES", "ENOSPC"],
    "chmod": ["EIO"], "link": ["EIO"], "unlink": ["EIO", "EACCES"], "lock": ["EINTR", "ENOLCK"],
    "truncate": ["EIO", "ENOSPC"],
}
# An error that comes once is followed by one that stays. Permissions do not come and go between two calls.
ONCE_ONLY, ALWAYS_ONLY = {"EINTR", "EMFILE"}, {("stat", "EACCES")}


def expected_statuses(call, error):
    """The exit statuses that tell the truth about a fault; 0 is judged by the result."""
    if error == "ENOMEM":
        return {71}
    if error in ("short", "EINTR"):
        return set()  # to be tried again
    if call in ("open", "read", "list", "print", "stat"):
        return {74} if error == "EIO" else {66, 73, 74}
    return {73, 74}


class Place:
    """A directory in which one worker runs commands."""

    def __init__(self, number):
        self.path = os.path.join(BASE, "worker%d" % number)
        os.makedirs(self.path)

    def file(self, name):
        return os.path.join(self.path, name)

    def clear(self):
        for name in os.listdir(self.path):
            path = self.file(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def run(self, args, env=None, prefix=(), setup=None, stdin=subprocess.DEVNULL):
        full = dict(os.environ, XDG_CACHE_HOME=self.file("cache"), LC_ALL="C.UTF-8")
        full.update(env or {})
        words = [*prefix, PROGRAM, *(word.replace("{in}", BASE + "/in") for word in args)]
        try:
            done = subprocess.run(words, env=full, cwd=self.path, stdin=stdin, capture_output=True,
                                  timeout=TIMEOUT, preexec_fn=setup)
        except subprocess.TimeoutExpired:
            return Result("no end in %d s" % TIMEOUT, b"", "")
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def traced(self, args, *options, preload=True, **more):
        env = {"FAULT_PRELOAD": SHIM}
        return self.run(args, env, prefix=[TRACE, *map(str, options), "--"], **more)

    def digest(self, names):
        return tuple(digest(self.file(name)) for name in names)

    def leftovers(self):
        return [name for name in os.listdir(self.path) if name.startswith(".sqz-") or name.endswith(".part")]


Result = collections.namedtuple("Result", "status stdout stderr")


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except FileNotFoundError:
        return None


def last_line(text):
    lines = [line for line in text.strip().split("\n") if line.startswith("squeezenet: ")] or [""]
    return re.sub(r"\d+(\.\d+)?", "N", lines[-1])[:150]


class Table:
    """What happened, by kind; printed at the end."""

    def __init__(self):
        self.rows, self.bad, self.lock = collections.OrderedDict(), collections.OrderedDict(), threading.Lock()

    def add(self, row, how, fault="", complaint=None, detail=""):
        with self.lock:
            counts = self.rows.setdefault(row, collections.Counter())
            counts[how] += 1
            if complaint:
                counts["WRONG"] += 1
                first = self.bad.setdefault((row, complaint, detail), [0, fault])
                first[0] += 1

    def show(self):
        for row, counts in self.rows.items():
            parts = ", ".join("%d %s" % (n, how) for how, n in sorted(counts.items(), key=str))
            print("%-44s %6d   %s" % (row, sum(n for how, n in counts.items() if how != "WRONG"), parts))
        for (row, complaint, detail), (n, fault) in self.bad.items():
            print("WRONG %s: %s, %d times, first with %s\n      %s" % (row, complaint, n, fault, detail))
        return not self.bad


def finish_training(place):
    """Goes on after a fault as a user would: resumes, or starts where nothing can be resumed yet."""
    saved = os.path.exists(place.file("run/last.safetensors"))
    again = place.run(["train", "--resume", "run", "--threads", "1", "-q"])
    if again.status and not saved:
        again = place.run(TRAIN)
    return again


class Judge:
    def __init__(self, scenario, place):
        self.scenario = scenario
        place.clear()
        done = place.run(scenario.args)
        if done.status:
            sys.exit("%s fails without a fault: %s" % (scenario.name, done.stderr))
        self.stdout = self.steady(done.stdout)
        self.new = place.digest(self.files())
        if scenario.rows:
            self.rows = open(place.file(scenario.outputs[0])).read().splitlines()

    def steady(self, stdout):
        text = stdout.decode(errors="replace")
        return re.sub(r"[\d.,]+ (s|ms|images/s|MB)\b", "N", text) if self.scenario.stdout else None

    def files(self):
        return ["run/" + name for name in RUN_FILES] if self.scenario.run else list(self.scenario.outputs)

    def prepare(self, place):
        place.clear()
        for name in self.scenario.outputs:
            with open(place.file(name), "w") as file:
                file.write("old")

    def has_only_rows(self, path):
        """Whether a table is the old one, or has rows as they are without a fault, or rows with an error."""
        lines = open(path).read().splitlines()
        return lines == ["old"] or all(line in self.rows or line.split(",")[1] for line in lines)

    def look(self, place, done, statuses, may_be_new=False, speaks=True):
        """Returns (what happened in short, complaint or None)."""
        scenario, how = self.scenario, "exit %s" % done.status
        files = place.digest(self.files())
        if done.status == 0:
            if files != self.new:
                return how, "exit 0, but another result"
            if self.steady(done.stdout) != self.stdout:
                return how, "exit 0, but another output"
        elif done.status not in statuses:
            return how, "wrong exit status %s" % done.status
        elif scenario.rows:
            if not self.has_only_rows(place.file(scenario.outputs[0])):
                return how, "a file was damaged"
        elif not scenario.run:
            old = hashlib.sha256(b"old").hexdigest()[:16]
            if any(f != old and not (may_be_new and f == n) for f, n in zip(files, self.new)):
                return how, "a file was damaged"
        left = place.leftovers()
        if left:
            return how, "left a temporary file"
        if done.status and speaks and not last_line(done.stderr):
            return how, "no sentence on stderr"
        if scenario.run and done.status:
            again = finish_training(place)
            if again.status:
                return how, "cannot go on: " + last_line(again.stderr)
            if place.digest(self.files()) != self.new:
                return how, "goes on to another result"
        return how, None


def in_parallel(tasks, work):
    """work(place, task) for all, in as many places as there are processors."""
    places = [Place(100 + i) for i in range(max(2, min(4, os.cpu_count() or 2)))]
    free = list(places)

    def one(task):
        place = free.pop()
        try:
            work(place, task)
        finally:
            free.append(place)

    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        for future in [pool.submit(one, task) for task in tasks]:
            future.result()
    for place in places:
        shutil.rmtree(place.path)


def spread(items, share):
    """About share of the items, evenly spread; all if share is 1."""
    items = list(items)
    if share >= 1:
        return items
    wanted = max(1, round(len(items) * share))
    return [items[int((i + 0.5) * len(items) / wanted)] for i in range(wanted)]


def memory(table, options):
    """Every allocation fails, alone and with all later ones."""
    place = Place(1)
    for scenario in options.chosen:
        judge = Judge(scenario, place)
        judge.prepare(place)
        count = place.file("count")
        place.run(scenario.args, {"LD_PRELOAD": SHIM, "FAULT_COUNT": count})
        total = int(open(count).read())
        points = spread(range(1, total + 1), options.share(total, 16))
        tasks = [(n, lasting) for lasting in (0, 1) for n in points]

        def one(here, task):
            n, lasting = task
            judge.prepare(here)
            done = here.run(scenario.args, {"LD_PRELOAD": SHIM, "FAULT_MEMORY": str(n),
                                            "FAULT_LASTING": str(lasting)})
            how, complaint = judge.look(here, done, {71})
            table.add("memory: %s%s" % (scenario.name, ", lasting" if lasting else ""), how,
                      "FAULT_MEMORY=%d FAULT_LASTING=%d" % (n, lasting), complaint, last_line(done.stderr))

        in_parallel(tasks, one)


def counts_of(place, args):
    path = place.file("counts")
    done = place.traced(args, "--count", path)
    if done.status:
        sys.exit("the tracer fails: " + done.stderr)
    return {name: int(n) for name, n in (line.split() for line in open(path))}


def io(table, options):
    """Every system call on files fails, or does half."""
    place = Place(2)
    for scenario in options.chosen:
        judge = Judge(scenario, place)
        judge.prepare(place)
        counts = counts_of(place, scenario.args)
        tasks = [(call, error, n, lasting) for call, errors in ERRORS.items() for error in errors
                 for n in range(1, counts.get(call, 0) + 1)
                 for lasting in (False, True)
                 # Nothing interrupts stdio in a program without signal handlers.
                 if not (scenario.rows and (call, error) == ("write", "EINTR"))
                 if error not in ONCE_ONLY or not lasting if (call, error) not in ALWAYS_ONLY or lasting]
        tasks = spread(tasks, options.share(len(tasks), 25))

        def one(here, task):
            call, error, n, lasting = task
            judge.prepare(here)
            number = "short" if error == "short" else getattr(errno, error)
            done = here.traced(scenario.args, "--fail", call, n, number, *(["lasting"] if lasting else []))
            how, complaint = judge.look(here, done, expected_statuses(call, error),
                                        may_be_new=call in ("sync", "print"), speaks=call != "print")
            table.add("i/o: " + scenario.name, how, "--fail %s %d %s%s" % (call, n, error, " lasting" * lasting),
                      complaint and "%s (%s %s)" % (complaint, call, error), last_line(done.stderr))

        in_parallel(tasks, one)


def kill(table, options):
    """SIGKILL before each call that changes the disk, and in the middle of each write."""
    scenario = SCENARIOS[-1]
    place = Place(3)
    judge = Judge(scenario, place)
    judge.prepare(place)
    changes = counts_of(place, scenario.args)["change"]
    tasks = spread([(n, half) for n in range(1, changes + 1) for half in (False, True)],
                   options.share(2 * changes, 20))

    def one(here, task):
        n, half = task
        judge.prepare(here)
        here.traced(scenario.args, "--kill", n, *(["half"] if half else []))
        again = finish_training(here)
        complaint = None
        if again.status:
            complaint = "cannot go on"
        elif here.digest(judge.files()) != judge.new:
            complaint = "goes on to another result"
        table.add("kill: train", "resumed, equal" if not complaint else complaint, "--kill %d" % n + " half" * half,
                  complaint, last_line(again.stderr))

    in_parallel(tasks, one)


def power_cut(table, options):
    """What a power cut may leave: writes and names that were not synchronized, lost or reordered."""
    scenario = SCENARIOS[-1]
    place = Place(4)
    judge = Judge(scenario, place)
    judge.prepare(place)
    prefix = place.file("ops")
    place.traced(scenario.args, "--log", prefix)
    states = power.states(prefix, place.file("run"), random.Random(1), options.sample)
    states = spread(states, options.share(len(states), 15))

    def one(here, state):
        here.clear()
        power.write_state(state, here.file("run"))
        again = finish_training(here)
        complaint = None
        if again.status:
            complaint = "cannot go on"
        elif here.digest(judge.files()) != judge.new:
            complaint = "goes on to another result"
        table.add("power cut: train", "resumed, equal" if not complaint else complaint, state.name, complaint,
                  last_line(again.stderr))

    in_parallel(states, one)


def few_descriptors():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))


def world(table, options):
    """The clock jumps; /tmp is read-only or full; there is no HOME; 16 descriptors are all."""
    place = Place(5)
    for scenario in options.chosen:
        judge = Judge(scenario, place)
        full, read_only = place.file("no/such/directory"), "/proc"
        for name, env, setup in [
                ("clock, a day back", {"LD_PRELOAD": SHIM, "FAULT_CLOCK": "-86400"}, None),
                ("clock, a year on", {"LD_PRELOAD": SHIM, "FAULT_CLOCK": "31536000"}, None),
                ("TMPDIR cannot be written", {"TMPDIR": read_only}, None),
                ("TMPDIR is not there", {"TMPDIR": full}, None),
                ("HOME absent", {"HOME": None, "XDG_CACHE_HOME": None}, None),
                ("HOME cannot be written", {"HOME": "/proc", "XDG_CACHE_HOME": None}, None),
                ("cache cannot be written", {"XDG_CACHE_HOME": "/proc"}, None),
                ("16 descriptors", {}, few_descriptors)]:
            judge.prepare(place)
            unset = [key for key, value in env.items() if value is None]
            prefix = ["env", *("-u" + key for key in unset)]
            done = place.run(scenario.args, {k: v for k, v in env.items() if v is not None}, prefix, setup)
            how, complaint = judge.look(place, done, set())
            table.add("world: " + name, how, scenario.name, complaint, last_line(done.stderr))


class Options:
    def __init__(self, sample, chosen):
        self.sample, self.chosen = sample, chosen

    def share(self, total, sampled):
        return min(1, sampled / max(1, total)) if self.sample else 1


def make_inputs():
    place = Place(0)
    inputs = os.path.join(BASE, "in")
    os.makedirs(inputs)

    def must(args):
        done = place.run(args)
        if done.status:
            sys.exit("%s: %s" % (args, done.stderr))

    must(["data", "synth", "{in}/all", "--train_per_class", "4", "--val_per_class", "1", "-q"])
    for part in ("train", "val"):
        for name in ("ring", "cross"):
            shutil.copytree("%s/all/%s/%s" % (inputs, part, name), "%s/tiny/%s/%s" % (inputs, part, name))
    shutil.rmtree(inputs + "/all")
    shutil.copy(inputs + "/tiny/val/ring/0000.png", inputs + "/one.png")
    must(TRAIN)
    shutil.copy(place.file("run/best.safetensors"), inputs + "/m.safetensors")
    must(["convert", "{in}/m.safetensors", "{in}/m.ckpt", "-q"])


PARTS = {"memory": memory, "io": io, "kill": kill, "power": power_cut, "world": world,
         "limits": lambda table, options: limits.check(table, PROGRAM, TRACE, BASE)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", action="store_true", help="two minutes instead of all")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    arguments = parser.parse_args()
    options = Options(arguments.sample, [s for s in SCENARIOS if arguments.only in s.name])
    table = Table()
    try:
        make_inputs()
        for part in arguments.parts:
            begun = time.time()
            PARTS[part](table, options)
            print("%s: %.0f s" % (part, time.time() - begun), flush=True)
    finally:
        shutil.rmtree(BASE, ignore_errors=True)
    right = table.show()
    print("all right" if right else "FAILED")
    sys.exit(not right)


if __name__ == "__main__":
    main()
