#!/usr/bin/env python3
"""Side-by-side speed of this program and its peers: the same weights, logits that agree, one
process per engine, interleaved rounds, medians. Prints one Markdown report."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata

import report
from contestants import HERE, Ours, Peer, run_json, start_ours, start_peer
from engines import TABLES
from machine import Machine
from start import ENGINES as START_ENGINES

TASKS = ("infer", "batch", "train", "load", "start")
QUICK = {"only": "infer", "rounds": 3, "seconds": 0.7, "without": "PyTorch,PyTorch compile"}
LOGIT_BOUND = 1e-3
CAPS = {"avx2": {"SQUEEZENET_CPU": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
                 "ATEN_CPU_CAPABILITY": "avx2"}}
FIGURES = ("latency_ms_median", "latency_ms_min", "latency_ms_p99", "latency_ms_first",
           "images_per_second", "rss_mb", "peak_gflops", "gflops")


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squeezenet", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--data", default="../shared/data",
                        help="published weights and photos (docs/data.md); made up where absent")
    parser.add_argument("--only", default=",".join(TASKS), help="some of %(default)s")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--variants", default="squeezenet1_0,squeezenet1_1")
    parser.add_argument("--batch", type=int, default=32, help="of batch, train and load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine in a round")
    parser.add_argument("--without", default="", help="engines to leave out, by name")
    parser.add_argument("--cpu", choices=CAPS, help="our path for this SIMD level; caps those "
                        "peers that can be (PyTorch and OpenVINO, not ONNX Runtime and ncnn)")
    parser.add_argument("--quick", action="store_true",
                        help="one image only, without the slowest engines; below 3 minutes")
    parser.add_argument("--json", metavar="FILE", help="also writes all figures there")
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(**QUICK)
        args = parser.parse_args()
    for name in ("only", "variants", "without"):
        setattr(args, name, [word for word in getattr(args, name).split(",") if word])
    args.threads = [int(n) for n in args.threads.split(",")]
    args.env = dict(os.environ, **CAPS.get(args.cpu, {}))
    args.machine = Machine(args.squeezenet, args.env)
    return args


def summary(samples):
    """The median over the rounds of every figure that all samples have."""
    figures = {key: statistics.median(s[key] for s in samples) for key in FIGURES
               if all(key in s for s in samples)}
    figures["disturbed"] = sum("disturbed" in s for s in samples)
    return figures


def interleaved(contestants, args):
    """name -> summary. Another contestant begins each round; one that fails drops out."""
    samples = {c.name: [] for c in contestants}
    for turn in range(args.rounds):
        for c in contestants[turn % len(contestants):] + contestants[:turn % len(contestants)]:
            sample = None if c.failed else args.machine.sample(c, args.seconds)
            if sample:
                samples[c.name].append(sample)
            elif c.failed:
                say(f"  {c.name} drops out: {c.failed}")
    return {name: summary(s) for name, s in samples.items() if len(s) == args.rounds}


def check_idle(contestants, seconds):
    """An engine that spins while another one is timed would bend the other's figure."""
    for c in contestants:
        if getattr(c, "idle_seconds", 0) > 0.01 * seconds:
            say(f"  warning: {c.name} used {c.idle_seconds:.2f} s of CPU time in others' turns")


def measure(task, variant, batch, contestants, args, folder):
    """One record: all contestants on the same work; None when nothing ran."""
    threads = contestants[0].threads
    say(f"{task} {variant} batch {batch}, {threads} threads")
    errors = {}
    for c in contestants:
        error = c.load(folder, variant, batch)
        if c.failed:
            say(f"  {c.name} cannot: {c.failed}")
        elif error is not None:
            errors[c.name] = error
    wrong = {name: error for name, error in errors.items() if not error <= LOGIT_BOUND}
    if wrong:
        sys.exit(f"compare.py: logits differ from double precision by more than {LOGIT_BOUND}: "
                 f"{wrong}. Nothing is timed that does not compute the same.")
    begin = time.perf_counter()
    figures = interleaved(contestants, args)
    check_idle(contestants, time.perf_counter() - begin)
    for c in contestants:
        c.close()
    ours = figures["squeezenet"]
    record = {"task": task, "variant": variant, "batch": batch, "threads": threads,
              "errors": errors, "figures": figures}
    if "gflops" in ours:  # of the direct convolution, whatever an engine computes
        record["gflop_batch"] = ours["gflops"] * ours["latency_ms_median"] * 1e-3
        record["peak_gflops"] = ours["peak_gflops"]
    for name, f in figures.items():
        say(f"  {name:26} {f['latency_ms_median']:9.2f} ms {f['images_per_second']:8.1f} img/s"
            f"{', disturbed' * bool(f['disturbed'])}")
    return record


def make_contestants(task, batch, threads, args, log):
    contestants = [Ours(args.squeezenet, task, threads, args.env)]
    contestants += [Peer(task, name, threads, args.env, log) for name in TABLES[task]
                    if name not in args.without and (batch > 1 or name != "OpenVINO throughput")]
    if task == "infer" and batch == 1 and threads == 2:
        contestants.append(Ours(args.squeezenet, task, 4, args.env, "squeezenet, 4 threads"))
    return contestants


def bench_records(task, batch, variants, args, folder, log):
    for variant in variants:
        for threads in args.threads:
            yield measure(task, variant, batch, make_contestants(task, batch, threads, args, log),
                          args, folder)


def start_records(args, folder, log):
    image = first_photo(folder)
    for variant in args.variants:
        say(f"start {variant}")
        runs = {"squeezenet": lambda v=variant: start_ours(args.squeezenet, folder, v, image,
                                                           args.env)}
        for name in START_ENGINES:
            if name not in args.without:
                runs[name] = lambda n=name, v=variant: start_peer(n, folder, v, image, args.env,
                                                                  log)
        for run in runs.values():
            run()  # fills the page cache
        samples = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, run in runs.items():
                samples[name].append(run())
        figures = {name: dict(summary(s), images_per_second=1e3 / summary(s)["latency_ms_median"])
                   for name, s in samples.items() if all(s)}
        yield {"task": "start", "variant": variant, "batch": 1, "threads": 0, "errors": {},
               "figures": figures}


def first_photo(folder):
    return next(os.path.join(where, sorted(names)[0]) for where, _, names
                in os.walk(f"{folder}/photos", followlinks=True) if names)


def all_records(args, folder, log):
    for task, work, batch, variants in (("infer", "infer", 1, args.variants),
                                        ("batch", "infer", args.batch, args.variants),
                                        ("train", "train", args.batch, args.variants),
                                        ("load", "load", args.batch, args.variants[-1:])):
        if task in args.only:
            yield from bench_records(work, batch, variants, args, folder, log)
    if "start" in args.only:
        yield from start_records(args, folder, log)


def describe(args):
    machine = run_json([args.squeezenet, "info", "--json"], args.env)
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model\t")), "?")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name
                         in ("onnxruntime", "openvino", "ncnn", "torch", "torchvision"))
    return (f"# Peers, {time.strftime('%Y-%m-%d')}\n\n"
            f"{machine['cpu']} (model {model}), {os.cpu_count()} processors, SIMD level "
            f"{machine['simd']}{', peers capped where they can be' if args.cpu else ''}; "
            f"squeezenet {machine['version']}, {versions}. float32, torchvision dialect, 224 x 224, "
            f"the same weights everywhere; {args.rounds} interleaved rounds of {args.seconds} s, "
            f"medians. Command: `bench/peers/run {' '.join(sys.argv[3:])}`.\n")


def main():
    args = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        log_path = os.path.join(os.environ.get("TMPDIR", "/tmp"), "squeezenet-peers.log")
        with open(log_path, "w") as log:
            batches = f"1,{args.batch}" if "batch" in args.only else "1"
            say(f"exporting; what the engines print goes to {log_path}")
            subprocess.run([sys.executable, f"{HERE}/models.py", folder, args.squeezenet,
                            ",".join(args.variants), batches, args.data],
                           check=True, stdout=log, stderr=log)
            records = list(all_records(args, folder, log))
    print(report.render(describe(args), records))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(records, file, indent=1)


if __name__ == "__main__":
    main()
