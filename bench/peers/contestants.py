"""What compare.py lets run in turn: this program, and peers in processes of their own.

A contestant has a name, load(folder, variant, batch), which returns the largest error of its logits
(None where there are none), time(seconds), which returns a sample with the keys of
`squeezenet bench --json`, and cpu_seconds(), what its processes have used."""
import glob
import json
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")


def run_json(words, env=None):
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=env)
    if done.returncode:
        sys.exit(f"compare.py: {' '.join(words)} ended with status {done.returncode}")
    return json.loads(done.stdout)


class Ours:
    """One `squeezenet bench` a sample, in a fresh process."""

    def __init__(self, program, task, threads, env, name="squeezenet"):
        self.program, self.task, self.threads, self.env = program, task, threads, env
        self.name, self.failed = name, None

    def load(self, folder, variant, batch):
        model = f"{folder}/{variant}.safetensors"
        self.words = [self.program, "bench", model, "--dialect", "torchvision",
                      "--task", self.task, "--threads", str(self.threads), "--batch", str(batch)]
        if self.task == "load":
            self.words += ["--data_dir", f"{folder}/photos", "--train_split", "val"]
        if self.task in ("infer", "train"):
            self.words += ["--images", f"{folder}/images"]
        if self.task != "infer":
            return None
        return self.logit_error(folder, model, f"{folder}/{variant}-reference.json", batch)

    def logit_error(self, folder, model, reference, batch):
        images = sorted(glob.glob(f"{folder}/images/*.png"))[:batch]
        results = run_json([self.program, "predict", model, *images, "--dialect", "torchvision",
                            "--threads", str(self.threads), "--logits", "--json"],
                           self.env)["results"]
        with open(reference) as file:
            truth = json.load(file)
        return max(abs(a - b) for result, row in zip(results, truth)
                   for a, b in zip(result["logits"], row))

    def time(self, seconds):
        return run_json([*self.words, "--seconds", str(seconds), "--json"], self.env)

    def cpu_seconds(self):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def close(self):
        pass


class Peer:
    """A process of engines.py, which waits without a running thread while others are timed. Each
    load starts a fresh one: its peak memory is that of this work, and nothing is left of the last
    (ncnn's second network in a process runs on one thread only)."""

    def __init__(self, task, name, threads, env, log):
        self.task, self.name, self.threads, self.log = task, name, threads, log
        self.env = dict(env, OMP_NUM_THREADS=str(threads))
        self.failed = self.process = None

    def ask(self, request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failed": "the process died"}
        self.failed = answer.get("failed", self.failed)
        self.last_cpu = self.cpu_seconds()
        return answer

    def load(self, folder, variant, batch):
        self.close()
        self.batch, self.failed = batch, None
        self.idle_seconds = self.last_cpu = 0.0
        self.process = subprocess.Popen(
            [sys.executable, f"{HERE}/engines.py", self.task, self.name, str(self.threads)],
            env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            start_new_session=True)
        return self.ask({"folder": folder, "variant": variant, "batch": batch}).get("error")

    def time(self, seconds):
        self.idle_seconds += self.cpu_seconds() - self.last_cpu  # what it spun since its last turn
        times = sorted(self.ask({"seconds": seconds}).get("ms", []))
        if not times:
            return None
        median = statistics.median(times)
        # A loader works ahead, so only its total tells the rate.
        typical = sum(times) / len(times) if self.task == "load" else median
        return {"latency_ms_median": median, "latency_ms_min": times[0],
                "latency_ms_p99": times[int((len(times) - 1) * 0.99)],
                "images_per_second": 1e3 * self.batch / typical, "rss_mb": self.peak_mb()}

    def cpu_seconds(self):
        """Of the whole session: a DataLoader's worker processes, too."""
        ticks = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e3

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def start_peer(engine, folder, variant, image, env, log):
    """A sample of a fresh process of start.py: milliseconds until it prints its top-5."""
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, f"{HERE}/start.py", engine, folder, variant, image],
                          env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        classes = process.stdout.readline()
        ms = 1e3 * (time.perf_counter() - begin)
        peak_kb = process.stdout.readline()
    return {"latency_ms_median": ms, "rss_mb": int(peak_kb) / 1e3} if classes else None


def start_ours(program, folder, variant, image, env):
    """`bench --task start` runs `squeezenet predict` from exec to its end."""
    return run_json([program, "bench", f"{folder}/{variant}.safetensors", "--task", "start",
                     "--image", image, "--seconds", "1", "--json"], env)
