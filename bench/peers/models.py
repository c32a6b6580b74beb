"""Exports the same weights for every engine into one folder.

    models.py FOLDER SQUEEZENET VARIANT,... BATCH,... [DATA]

Published weights from DATA/weights where they are, else torchvision's fresh ones. Images are
256 x 256 PNG files, so that preprocessing is a centre crop without any resizing and all engines get
the same numbers. The folder then holds, for each VARIANT, .safetensors, -BATCH.onnx, .ncnn.param
and .ncnn.bin, -reference.npy and .json (logits in double precision); and for all input.npy,
images/ (the same as files), and photos/ (JPEG files for loader and start-up)."""
import json
import os
import subprocess
import sys

import numpy
import PIL.Image
import torch
import torchvision
from safetensors.torch import load_file, save_file

PUBLISHED = {"squeezenet1_0": "compressed_SqueezeNet.net",
             "squeezenet1_1": "squeezenet_v1.1.ncnn.param"}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def network(variant, folder, squeezenet, data):
    """torchvision's network with the weights of folder/VARIANT.safetensors, made first."""
    path = os.path.join(folder, f"{variant}.safetensors")
    published = os.path.join(data or "", "weights", PUBLISHED[variant])
    model = getattr(torchvision.models, variant)().eval()
    if os.path.exists(published):
        subprocess.run([squeezenet, "convert", published, path, "--dialect", "torchvision", "-q"],
                       check=True, stdout=sys.stderr)
        model.load_state_dict(load_file(path))
    else:
        save_file(model.state_dict(), path)
    return model


def drawn_photo(random, width, height):
    """Smooth noise: a JPEG of it costs about what a photo's does."""
    small = random.integers(0, 256, (height // 8, width // 8, 3), dtype=numpy.uint8)
    return PIL.Image.fromarray(small).resize((width, height), PIL.Image.Resampling.BICUBIC)


def photos(folder, data, count=64):
    """Paths of JPEG files: the samples in DATA, or drawn ones."""
    samples = os.path.join(data or "", "imagenet-samples", "val")
    here = os.path.join(folder, "photos", "val")
    if os.path.isdir(samples):
        os.mkdir(os.path.dirname(here))
        os.symlink(samples, here)
    else:
        random = numpy.random.default_rng(1)
        os.makedirs(os.path.join(here, "drawn"))
        for i in range(count):
            drawn_photo(random, 500, 375).save(os.path.join(here, "drawn", f"{i:03}.jpg"),
                                               quality=90)
    return sorted(os.path.join(where, name)
                  for where, _, names in os.walk(here, followlinks=True) for name in names)


def images(folder, files, count):
    """`count` PNG files and the float tensor that preprocessing makes of them."""
    os.mkdir(os.path.join(folder, "images"))
    tensor = numpy.empty((count, 3, 224, 224), numpy.float32)
    for i in range(count):
        image = PIL.Image.open(files[i * len(files) // count]).convert("RGB").resize((256, 256))
        image.save(os.path.join(folder, "images", f"{i:03}.png"))
        crop = numpy.asarray(image, numpy.float32)[16:240, 16:240]
        tensor[i] = ((crop - MEAN) / STD).transpose(2, 0, 1)
    numpy.save(os.path.join(folder, "input.npy"), tensor)
    return torch.from_numpy(tensor)


def export(model, variant, folder, batches, x):
    import pnnx
    base = os.path.join(folder, variant)
    for batch in batches:
        torch.onnx.export(model, x[:batch], f"{base}-{batch}.onnx", dynamo=False, opset_version=17,
                          input_names=["x"], output_names=["logits"])
    os.chdir(folder)  # pnnx litters
    pnnx.export(model, f"{base}.pt", x[:1].clone(), fp16=False)
    with torch.inference_mode():
        reference = model.double()(x.double()).numpy()
    numpy.save(f"{base}-reference.npy", reference)
    with open(f"{base}-reference.json", "w") as file:
        json.dump(reference.tolist(), file)


def main():
    folder, squeezenet, variants, batches, *data = sys.argv[1:]
    folder, squeezenet = os.path.abspath(folder), os.path.abspath(squeezenet)
    data = os.path.abspath(data[0]) if data else None
    torch.manual_seed(1)
    batches = [int(batch) for batch in batches.split(",")]
    x = images(folder, photos(folder, data), max(batches))
    for variant in variants.split(","):
        export(network(variant, folder, squeezenet, data), variant, folder, batches, x)


if __name__ == "__main__":
    main()
