"""What compare.py lets run in turn: this program, and peers in processes of their own.

A contestant has a name, load(folder, variant, batch), which returns the largest error of its logits
(None where there are none), and time(seconds), which returns a sample with the keys of
`squeezenet bench --json`."""
import glob
import json
import os
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
            self.words += ["--data_dir", f"{folder}/photos"]
        if self.task != "infer":
            return None
        return self.logit_error(folder, model, f"{folder}/{variant}-reference.json", batch)

    def logit_error(self, folder, model, reference, batch):
        pictures = sorted(glob.glob(f"{folder}/pictures/*.png"))[:batch]
        results = run_json([self.program, "predict", model, *pictures, "--dialect", "torchvision",
                            "--threads", str(self.threads), "--logits", "--json"],
                           self.env)["results"]
        with open(reference) as file:
            truth = json.load(file)
        return max(abs(a - b) for result, row in zip(results, truth)
                   for a, b in zip(result["logits"], row))

    def time(self, seconds):
        return run_json([*self.words, "--seconds", str(seconds), "--json"], self.env)

    def close(self):
        pass


class Peer:
    """A process of engines.py, which waits without a running thread while others are timed."""

    def __init__(self, task, name, threads, env, log):
        self.task, self.name, self.failed, self.batch = task, name, None, 0
        self.idle_seconds = self.cpu_seconds = 0.0
        env = dict(env, OMP_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(
            [sys.executable, f"{HERE}/engines.py", task, name, str(threads)], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def ask(self, request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failed": "the process died"}
        self.failed = answer.get("failed", self.failed)
        self.cpu_seconds = self.cpu_time()
        return answer

    def load(self, folder, variant, batch):
        self.batch, self.failed = batch, None
        return self.ask({"folder": folder, "variant": variant, "batch": batch}).get("error")

    def time(self, seconds):
        self.idle_seconds += self.cpu_time() - self.cpu_seconds  # what it spun since its last turn
        times = sorted(self.ask({"seconds": seconds}).get("ms", []))
        if not times:
            return None
        median = statistics.median(times)
        # A loader works ahead, so only its total tells the rate.
        typical = sum(times) / len(times) if self.task == "load" else median
        return {"latency_ms_median": median, "latency_ms_min": times[0],
                "latency_ms_p99": times[int((len(times) - 1) * 0.99)],
                "images_per_second": 1e3 * self.batch / typical, "rss_mb": self.peak_mb()}

    def cpu_time(self):
        try:
            with open(f"/proc/{self.process.pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            return self.cpu_seconds
        return (int(fields[11]) + int(fields[12])) / TICK

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e3

    def close(self):
        self.process.stdin.close()
        self.process.wait()


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
