"""Time and accuracy of int8 SqueezeNets, side by side: ours, OpenVINO's after NNCF, ONNX Runtime's QDQ.

    int8.py SQUEEZENET MODEL.safetensors IMAGE_DIR [--threads N] [--rounds N] [--seconds S]

MODEL has torchvision's tensors. Every quantizer sees one half of the images of IMAGE_DIR, and the divergence
(KL) from its own float32 network is measured on the other half. Times are of one image of photographs'
bytes (ours) or floats (theirs), engines in turn, medians over all rounds. Needs, from PyPI: numpy, pillow, onnx,
onnxruntime, openvino, nncf."""
import argparse
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
            for name, entry in header.items()}


def to_onnx(weights, path):
    """The network of torchvision's tensors: conv1, eight Fires, conv10; pools where the variant has them."""
    first = weights["features.0.weight"].shape[0] == 96
    pools = {2, 6, 11} if first else {2, 5, 8}
    nodes, at = [], "x"

    def conv(name, source, **attributes):
        nodes.append(helper.make_node("Conv", [source, f"{name}.weight", f"{name}.bias"], [f"{name}.sum"],
                                      **attributes))
        nodes.append(helper.make_node("Relu", [f"{name}.sum"], [name]))
        return name

    at = conv("features.0", at, strides=[2, 2])
    for i in range(2, 13):
        name = f"features.{i}"
        if i in pools:
            nodes.append(helper.make_node("MaxPool", [at], [name], kernel_shape=[3, 3], strides=[2, 2],
                                          ceil_mode=1))
            at = name
        elif f"{name}.squeeze.weight" in weights:
            squeeze = conv(f"{name}.squeeze", at)
            expanded = [conv(f"{name}.expand1x1", squeeze), conv(f"{name}.expand3x3", squeeze, pads=[1, 1, 1, 1])]
            nodes.append(helper.make_node("Concat", expanded, [name], axis=1))
            at = name
    at = conv("classifier.1", at)
    nodes.append(helper.make_node("GlobalAveragePool", [at], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["logits"]))
    graph = helper.make_graph(
        nodes, "squeezenet", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def crops(folder, names):
    """224 x 224 PNG files, so that no engine resizes, and their float tensors."""
    tensors, paths = [], []
    for i, name in enumerate(names):
        image = Image.open(name).convert("RGB").resize((256, 256)).crop((16, 16, 240, 240))
        paths.append(os.path.join(folder, f"{i:04}.png"))
        image.save(paths[-1])
        pixels = numpy.asarray(image, numpy.float32)
        tensors.append(((pixels - MEAN) / STD).transpose(2, 0, 1)[None].astype(numpy.float32))
    return paths, tensors


class Reader(CalibrationDataReader):
    def __init__(self, tensors):
        self.left = iter(tensors)

    def get_next(self):
        x = next(self.left, None)
        return None if x is None else {"x": x}


def openvino_engine(model, threads):
    request = openvino.Core().compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=True)[0][0].copy()


def onnxruntime_engine(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0][0]


def divergence(wanted, got):
    """Mean KL in nats of softmaxes of logits, and the share of equal answers."""
    wanted, got = numpy.asarray(wanted, float), numpy.asarray(got, float)

    def log_softmax(z):
        z = z - z.max(1, keepdims=True)
        return z - numpy.log(numpy.exp(z).sum(1, keepdims=True))
    p, q = log_softmax(wanted), log_softmax(got)
    return float((numpy.exp(p) * (p - q)).sum(1).mean()), float((wanted.argmax(1) == got.argmax(1)).mean())


def our_logits(squeezenet, model, folder, threads):
    out = subprocess.run([squeezenet, "predict", model, folder, "--logits", "--json", "--threads", str(threads)],
                         check=True, capture_output=True, text=True).stdout
    return [row["logits"] for row in sorted(json.loads(out)["results"], key=lambda row: row["file"])]


def our_time(squeezenet, model, images, threads, seconds):
    out = subprocess.run([squeezenet, "bench", model, "--images", images, "--threads", str(threads), "--seconds",
                          str(seconds), "--json"], check=True, capture_output=True, text=True).stdout
    answer = json.loads(out)
    return answer["latency_ms_median"], answer["latency_ms_min"]


def their_time(engine, x, seconds):
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds or len(times) < 10:
        now = time.perf_counter()
        engine(x)
        times.append(1e3 * (time.perf_counter() - now))
    return float(numpy.median(times[3:])), min(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("squeezenet")
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    given = parser.parse_args()
    names = sorted(glob.glob(os.path.join(given.images, "**", "*.JPEG"), recursive=True) +
                   glob.glob(os.path.join(given.images, "**", "*.jpg"), recursive=True))
    with tempfile.TemporaryDirectory() as folder:
        for part in ("seen", "unseen"):
            os.mkdir(f"{folder}/{part}")
        _, seen = crops(f"{folder}/seen", names[::2])
        _, unseen = crops(f"{folder}/unseen", names[1::2])
        path, qdq, ours = f"{folder}/float.onnx", f"{folder}/qdq.onnx", f"{folder}/int8.sqz"
        to_onnx(read_safetensors(given.model), path)
        subprocess.run([given.squeezenet, "compress", given.model, "--int8", "--calibrate", f"{folder}/seen", "-o",
                        ours, "-q"], check=True)
        quantize_static(path, qdq, Reader(seen), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        import nncf
        quantized = nncf.quantize(openvino.Core().read_model(path), nncf.Dataset(seen), subset_size=len(seen))
        engines = {"OpenVINO, NNCF": openvino_engine(quantized, given.threads),
                   "ONNX Runtime, QDQ": onnxruntime_engine(qdq, given.threads)}
        exact = onnxruntime_engine(path, given.threads)
        wanted = [exact(x) for x in unseen]
        kl = {name: divergence(wanted, [engine(x) for x in unseen]) for name, engine in engines.items()}
        kl["ours"] = divergence(our_logits(given.squeezenet, given.model, f"{folder}/unseen", 1),
                                our_logits(given.squeezenet, ours, f"{folder}/unseen", 1))
        times = {name: [] for name in ("ours", "ours, float32", *engines)}
        for _ in range(given.rounds):
            times["ours"].append(our_time(given.squeezenet, ours, f"{folder}/unseen", given.threads, given.seconds))
            for name, engine in engines.items():
                times[name].append(their_time(engine, unseen[0], given.seconds))
            times["ours, float32"].append(
                our_time(given.squeezenet, given.model, f"{folder}/unseen", given.threads, given.seconds))
        print(f"{len(seen)} images seen, {len(unseen)} measured; {given.threads} threads; openvino "
              f"{openvino.__version__}, onnxruntime {onnxruntime.__version__}")
        print("engine              median ms   least ms         KL  equal answers")
        for name, rows in times.items():
            accuracy = "%10.4f  %12.1f %%" % (kl[name][0], 100 * kl[name][1]) if name in kl else ""
            print(f"{name:18} {numpy.median([row[0] for row in rows]):10.2f} {min(row[1] for row in rows):10.2f} "
                  f"{accuracy}")


if __name__ == "__main__":
    sys.exit(main())
