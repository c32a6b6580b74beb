"""One engine in a process of its own, so that no idle thread pool disturbs another's timing.

    engines.py infer|train|load ENGINE THREADS

One JSON request a line on stdin, one answer a line on stdout:

    {"folder": F, "variant": V, "batch": B}   makes the work ready: {"error": largest |logit - reference|}
    {"seconds": S}                            runs it again and again: {"ms": [one a run]}

A function of the tables at the end takes (folder, variant, batch, threads) and returns the work:
a function without arguments. Each engine is set up as its manual recommends for float32."""
import json
import os
import sys
import time
import traceback

WARM_UP = {"infer": 3, "train": 1, "load": 8}  # a loader has worked ahead while it waited


def read_input(folder, batch):
    import numpy
    return numpy.ascontiguousarray(numpy.load(os.path.join(folder, "input.npy"))[:batch])


# --- Inference: the work returns logits ---

def onnxruntime_infer(folder, variant, batch, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/{variant}-{batch}.onnx", options,
                                           providers=["CPUExecutionProvider"])
    feed = {"x": read_input(folder, batch)}
    return lambda: session.run(None, feed)[0]


def openvino_compile(path, threads, hint):
    import openvino
    return openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": hint})


def openvino_infer(folder, variant, batch, threads):
    request = openvino_compile(f"{folder}/{variant}-{batch}.onnx", threads,
                               "LATENCY").create_infer_request()
    x = read_input(folder, batch)
    return lambda: request.infer({0: x}, share_inputs=True, share_outputs=True)[0]


def openvino_throughput_infer(folder, variant, batch, threads):
    """Images one by one over parallel streams, as the THROUGHPUT hint is meant."""
    import numpy
    import openvino
    queue = openvino.AsyncInferQueue(
        openvino_compile(f"{folder}/{variant}-1.onnx", threads, "THROUGHPUT"))
    x = read_input(folder, batch)
    logits = numpy.empty((batch, 1000), numpy.float32)

    def keep(request, index):
        logits[index] = request.get_output_tensor(0).data[0]
    queue.set_callback(keep)

    def run():
        for i in range(batch):
            queue.start_async({0: x[i:i + 1]}, i, share_inputs=True)
        queue.wait_all()
        return logits
    return run


def ncnn_infer(folder, variant, batch, threads):
    """ncnn takes one image at a time: a batch is a loop."""
    import ncnn
    import numpy
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.load_param(f"{folder}/{variant}.ncnn.param")
    net.load_model(f"{folder}/{variant}.ncnn.bin")
    mats = [ncnn.Mat(x).clone() for x in read_input(folder, batch)]  # Mat(x) only borrows

    def run():
        logits = []
        for mat in mats:
            extractor = net.create_extractor()
            extractor.input("in0", mat)
            logits.append(extractor.extract("out0")[1])
        return numpy.array(logits)
    run.net = net  # must outlive its extractors
    return run


def torch_network(folder, variant, threads):
    import torch
    import torchvision
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    model = getattr(torchvision.models, variant)()
    model.load_state_dict(load_file(f"{folder}/{variant}.safetensors"))
    return torch, model


def torch_infer(folder, variant, batch, threads, channels_last=False, compiled=False):
    torch, model = torch_network(folder, variant, threads)
    model, x = model.eval(), torch.from_numpy(read_input(folder, batch))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if compiled:
        torch_compile_settings(torch)
        torch._inductor.config.freezing = True
        model = torch.compile(model, mode="max-autotune")

    def run():
        with torch.inference_mode():
            return model(x)
    return run


def torch_compile_settings(torch):
    import torch._inductor.config
    torch._dynamo.reset()
    torch._inductor.config.compile_threads = 1
    if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
        torch._inductor.config.cpp.simdlen = 256


def torch_last_infer(*work):
    return torch_infer(*work, channels_last=True)


def torch_compile_infer(*work):
    return torch_infer(*work, channels_last=True, compiled=True)


# --- Training: one step with label smoothing and SGD momentum on a fixed batch ---

def torch_train(folder, variant, batch, threads, channels_last=False, compiled=False):
    torch, model = torch_network(folder, variant, threads)
    x, y = torch.randn(batch, 3, 224, 224), torch.arange(batch)
    model = model.train()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    if compiled:
        torch_compile_settings(torch)
        model = torch.compile(model)

    def run():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return run


def torch_last_train(*work):
    return torch_train(*work, channels_last=True)


def torch_compile_train(*work):
    return torch_train(*work, channels_last=True, compiled=True)


# --- Loading: JPEG file to RandomResizedCrop, flip, normalised floats; the work is one batch ---

class Photos:
    """A dataset of JPEG files; `decode` makes of a path what the transforms take."""

    def __init__(self, folder, decode, to_float):
        from torchvision.transforms import v2
        import torch
        self.files = sorted(f"{where}/{name}" for where, _, names
                            in os.walk(f"{folder}/photos", followlinks=True) for name in names)
        self.decode = decode
        self.transform = v2.Compose([
            v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), *to_float,
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return self.transform(self.decode(self.files[index]))


def decode_torchvision(path):
    from torchvision.io import decode_image, read_file
    return decode_image(read_file(path), mode="RGB")


def decode_pillow(path):
    import PIL.Image
    return PIL.Image.open(path).convert("RGB")


def batches(photos, batch, threads):
    """One thread decodes in this process; more are DataLoader's worker processes."""
    import torch
    torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(photos, batch_size=batch, shuffle=True, drop_last=True,
                                         num_workers=threads if threads > 1 else 0,
                                         persistent_workers=threads > 1)

    def endless():
        while True:
            yield from loader
    return endless().__next__


def torchvision_load(folder, variant, batch, threads):
    return batches(Photos(folder, decode_torchvision, []), batch, threads)


def pillow_load(folder, variant, batch, threads):
    from torchvision.transforms import v2
    return batches(Photos(folder, decode_pillow, [v2.ToImage()]), batch, threads)


TABLES = {
    "infer": {
        "ONNX Runtime": onnxruntime_infer,
        "OpenVINO": openvino_infer,
        "OpenVINO throughput": openvino_throughput_infer,
        "ncnn": ncnn_infer,
        "PyTorch": torch_infer,
        "PyTorch channels_last": torch_last_infer,
        "PyTorch compile": torch_compile_infer,
    },
    "train": {
        "PyTorch": torch_train,
        "PyTorch channels_last": torch_last_train,
        "PyTorch compile": torch_compile_train,
    },
    "load": {
        "torchvision decode_image": torchvision_load,
        "Pillow + torchvision": pillow_load,
    },
}


# --- The process ---

class Process:
    def __init__(self, task, engine, threads):
        self.task, self.make, self.threads = task, TABLES[task][engine], threads
        self.work = None

    def load(self, folder, variant, batch):
        self.work = None
        self.work = self.make(folder, variant, batch, self.threads)
        if self.task != "infer":
            return {}
        import numpy
        reference = numpy.load(f"{folder}/{variant}-reference.npy")[:batch]
        return {"error": float(numpy.abs(numpy.asarray(self.work()) - reference).max())}

    def time(self, seconds):
        for _ in range(WARM_UP[self.task]):
            self.work()
        times, begin = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            t = time.perf_counter()
            self.work()
            times.append(1e3 * (time.perf_counter() - t))
        time.sleep(0.1)  # until spinning threads have gone to sleep
        return {"ms": times}


def main():
    task, engine, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    process = Process(task, engine, int(threads))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = (process.time(request["seconds"]) if "seconds" in request
                      else process.load(**request))
        except Exception as problem:  # an engine that fails is a dash in the table
            traceback.print_exc()
            answer = {"failed": f"{type(problem).__name__}: {problem}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
