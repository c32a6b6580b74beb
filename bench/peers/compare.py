#!/usr/bin/env python3
"""Side-by-side speed of this program and its peers: same network, same input size, interleaved
rounds, medians. Prints one Markdown table a task; the ratio is ours against the best peer."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ARGS = None


def ours(task, *words):
    """One `squeezenet bench` as milliseconds a batch and its fraction of the FMA peak."""
    out = subprocess.run(
        [ARGS.squeezenet, "bench", *words, "--task", task, "--seconds", str(ARGS.seconds), "--json"],
        check=True, capture_output=True, text=True)
    result = json.loads(out.stdout)
    return result["latency_ms_median"], result.get("peak_fraction"), result


def timed(run):
    """Median milliseconds of run() over ARGS.seconds, after a warm-up."""
    for _ in range(3):
        run()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < ARGS.seconds:
        t = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - t))
    return statistics.median(times)


def table(title, unit, contestants, batch, rounds):
    """contestants: name -> function that gives milliseconds. Runs them in turn, `rounds` times."""
    figures = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            figures[name].append(run())
    medians = {name: statistics.median(f) for name, f in figures.items()}
    peers = {n: m for n, m in medians.items() if n != "squeezenet"}
    best = min(peers, key=peers.get) if peers else None
    cells = []
    for name, ms in medians.items():
        value = f"{ms:.2f} ms" if unit == "ms" else f"{1e3 * batch / ms:.1f} img/s"
        cells.append((name, value))
    ratio = peers[best] / medians["squeezenet"] if best else float("nan")
    print(f"| {title} | " + " | ".join(f"{n} {v}" for n, v in cells) +
          f" | {ratio:.2f}x {best} |", flush=True)
    return medians


class Models:
    """Fresh torchvision networks and their ONNX files."""

    def __init__(self, threads):
        import torch
        import torchvision
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.torch, self.threads = torch, threads
        self.models = {"squeezenet1_0": torchvision.models.squeezenet1_0(),
                       "squeezenet1_1": torchvision.models.squeezenet1_1()}
        self.folder = tempfile.mkdtemp(prefix="peers-")
        self.onnx = {}

    def onnx_file(self, name, batch):
        key = (name, batch)
        if key not in self.onnx:
            path = os.path.join(self.folder, f"{name}-{batch}.onnx")
            model = self.models[name].eval()
            self.torch.onnx.export(model, self.torch.randn(batch, 3, 224, 224), path, dynamo=False,
                                   opset_version=13)
            self.onnx[key] = path
        return self.onnx[key]


def peers_infer(models, name, batch):
    import numpy
    torch, threads = models.torch, models.threads
    x = torch.randn(batch, 3, 224, 224)
    contestants = {}

    def torch_run(model, data):
        def run():
            with torch.inference_mode():
                model(data)
        return lambda: timed(run)

    last = models.models[name].eval().to(memory_format=torch.channels_last)
    contestants["PyTorch"] = torch_run(last, x.contiguous(memory_format=torch.channels_last))
    try:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(models.onnx_file(name, batch), options,
                                               providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x.numpy()}
        contestants["ONNX Runtime"] = lambda: timed(lambda: session.run(None, feed))
    except ImportError:
        pass
    try:
        import openvino
        core = openvino.Core()
        compiled = core.compile_model(models.onnx_file(name, batch), "CPU", {
            "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()
        data = numpy.ascontiguousarray(x.numpy())
        contestants["OpenVINO"] = lambda: timed(lambda: request.infer({0: data}))
    except ImportError:
        pass
    try:
        ncnn_run = peer_ncnn(models, name, batch, x)
        if ncnn_run:
            contestants["ncnn"] = lambda: timed(ncnn_run)
    except ImportError:
        pass
    return contestants


def peer_ncnn(models, name, batch, x):
    """ncnn takes one picture at a time: a batch is a loop."""
    import ncnn
    import pnnx
    path = os.path.join(models.folder, f"{name}.pt")
    param = path.replace(".pt", ".ncnn.param")
    if not os.path.exists(param):
        cwd = os.getcwd()
        os.chdir(models.folder)
        try:
            pnnx.export(models.models[name].eval().to(memory_format=models.torch.contiguous_format),
                        path, models.torch.randn(1, 3, 224, 224), fp16=False)
        finally:
            os.chdir(cwd)
    net = ncnn.Net()
    net.opt.num_threads = models.threads
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(param)
    net.load_model(param.replace(".param", ".bin"))
    pictures = [ncnn.Mat(x[i].numpy().copy()) for i in range(batch)]

    def run():
        for picture in pictures:
            extractor = net.create_extractor()
            extractor.input("in0", picture)
            extractor.extract("out0")
    return run


def peers_train(models, name, batch):
    torch = models.torch
    x = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 1000, (batch,))
    model = models.models[name].train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1)

    def run():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return {"PyTorch channels_last": lambda: timed(run)}


def main():
    global ARGS
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--squeezenet", required=True)
    parser.add_argument("--threads", default="2,1", help="thread counts")
    parser.add_argument("--only", default="infer,batch,train", help="infer, batch, train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    ARGS = parser.parse_args()
    machine = json.loads(subprocess.run([ARGS.squeezenet, "info", "--json"], check=True,
                                        capture_output=True, text=True).stdout)
    print(f"{machine['cpu']}, SIMD level {machine['simd']}; {ARGS.rounds} interleaved rounds of "
          f"{ARGS.seconds} s, medians; the last column is ours against the best peer (above 1: faster)\n")
    only = ARGS.only.split(",")
    for threads in map(int, ARGS.threads.split(",")):
        models = Models(threads)
        for name in ("squeezenet1_0", "squeezenet1_1"):
            for task, batch in (("infer", 1), ("batch", 32)):
                if task not in only:
                    continue
                contestants = {"squeezenet": lambda: ours(
                    "infer", name, "--batch", str(batch), "--threads", str(threads))[0]}
                contestants.update(peers_infer(models, name, batch))
                table(f"{name} infer batch {batch}, {threads} threads",
                      "ms" if batch == 1 else "img/s", contestants, batch, ARGS.rounds)
            if "train" in only:
                contestants = {"squeezenet": lambda: ours(
                    "train", name, "--batch", "32", "--threads", str(threads))[0]}
                contestants.update(peers_train(models, name, 32))
                table(f"{name} train batch 32, {threads} threads", "img/s", contestants, 32,
                      ARGS.rounds)


if __name__ == "__main__":
    sys.exit(main())
