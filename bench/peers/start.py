"""A fresh process from exec to the first top-5 of a JPEG: start.py ENGINE FOLDER VARIANT IMAGE

Prints the five classes on one line, then its peak memory in kB on another."""
import sys


def preprocess(path):
    """Shorter side to 256, centre crop, normalised, NCHW; Pillow and NumPy only."""
    import numpy
    from PIL import Image
    image = Image.open(path)
    image.draft("RGB", (256, 256))  # lets the decoder halve the image, as ours does
    image = image.convert("RGB")
    scale = 256 / min(image.size)
    width, height = (max(256, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - 224) // 2, (height - 224) // 2
    crop = numpy.asarray(image.crop((left, top, left + 224, top + 224)), numpy.float32)
    mean, std = numpy.float32([123.675, 116.28, 103.53]), numpy.float32([58.395, 57.12, 57.375])
    return numpy.ascontiguousarray(((crop - mean) / std).transpose(2, 0, 1)[None])


def onnxruntime(folder, variant, x):
    import onnxruntime
    session = onnxruntime.InferenceSession(f"{folder}/{variant}-1.onnx",
                                           providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0][0]


def openvino(folder, variant, x):
    import openvino
    model = openvino.Core().compile_model(f"{folder}/{variant}-1.onnx", "CPU",
                                          {"INFERENCE_PRECISION_HINT": "f32"})
    return model(x)[0][0]


def ncnn(folder, variant, x):
    import ncnn
    import numpy
    net = ncnn.Net()
    net.load_param(f"{folder}/{variant}.ncnn.param")
    net.load_model(f"{folder}/{variant}.ncnn.bin")
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0]).clone())
    return numpy.array(extractor.extract("out0")[1])


def torch(folder, variant, x):
    import torch
    import torchvision
    from safetensors.torch import load_file
    model = getattr(torchvision.models, variant)()
    model.load_state_dict(load_file(f"{folder}/{variant}.safetensors"))
    with torch.inference_mode():
        return model.eval()(torch.from_numpy(x)).numpy()[0]


ENGINES = {"ONNX Runtime": onnxruntime, "OpenVINO": openvino, "ncnn": ncnn, "PyTorch": torch}


def main():
    engine, folder, variant, image = sys.argv[1:]
    logits = ENGINES[engine](folder, variant, preprocess(image))
    print(*logits.argsort()[::-1][:5], flush=True)
    with open("/proc/self/status") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")), flush=True)


if __name__ == "__main__":
    main()
