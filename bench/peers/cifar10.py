#!/usr/bin/env python3
"""Training on CIFAR-10 as our built-in recipe does it, beside PyTorch doing the same: 1.1 with batch
normalisation at 64 pixels, batch 64, JPEG files, padded crop and flip, AdamW, clipped gradients.

    build/peers/bin/python bench/peers/cifar10.py DATA [--steps 200] [--rounds 2] [--threads 2]

DATA holds train/CLASS/*.jpg and test/CLASS/*.jpg; bench/peers/run makes the environment. In turn, a
process each; prints images a second of training (no validation, start-up left out) and the
ratio of the times."""
import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 64


# --- PyTorch: channels_last, its own loader with as many workers as threads ---

def make_network(torch):
    nn = torch.nn

    def conv(inputs, outputs, kernel, **how):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, bias=False, **how),
                             nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    class Fire(nn.Module):
        def __init__(self, inputs, squeeze, expand):
            super().__init__()
            self.squeeze = conv(inputs, squeeze, 1)
            self.one = conv(squeeze, expand, 1)
            self.three = conv(squeeze, expand, 3, padding=1)

        def forward(self, x):
            x = self.squeeze(x)
            return torch.cat([self.one(x), self.three(x)], 1)

    pool = nn.MaxPool2d(3, 2)
    return nn.Sequential(
        conv(3, 64, 3, stride=2, padding=1), pool, Fire(64, 16, 64), Fire(128, 16, 64), pool,
        Fire(128, 32, 128), Fire(256, 32, 128), pool, Fire(256, 48, 192), Fire(384, 48, 192),
        Fire(384, 64, 256), Fire(512, 64, 256), nn.Dropout(0.2), nn.Conv2d(512, 10, 1),
        nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def make_loader(torch, folder, workers):
    import torchvision
    from torchvision.transforms import v2
    transform = v2.Compose([
        v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.Resize(64, antialias=False),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))])
    files = torchvision.datasets.ImageFolder(f"{folder}/train", transform=transform,
                                             loader=torchvision.io.decode_image)
    return torch.utils.data.DataLoader(files, BATCH, shuffle=True, num_workers=workers,
                                       drop_last=True)


def run_torch(folder, steps, threads):
    import torch
    torch.set_num_threads(threads)
    model = make_network(torch).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.002, weight_decay=0.05)
    loss, warm_up = torch.nn.CrossEntropyLoss(), 10
    for step, (x, y) in enumerate(make_loader(torch, folder, threads)):
        if step == warm_up:
            begin = time.monotonic()
        if step == warm_up + steps:
            break
        optimizer.zero_grad()
        value = loss(model(x.contiguous(memory_format=torch.channels_last)), y)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
    print(json.dumps({"rate": steps * BATCH / (time.monotonic() - begin), "loss": value.item()}))


def ask_torch(how):
    answer = subprocess.run([sys.executable, __file__, how.data, "--steps", str(how.steps),
                             "--threads", str(how.threads), "--torch"],
                            check=True, capture_output=True, text=True).stdout
    return json.loads(answer)["rate"]


# --- Ours: the program's own log of the run ---

def ask_ours(how):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([how.squeezenet, "train", how.data, "--val_split", "test", "-q",
                        "--threads", str(how.threads), "--num_samples", str(how.steps * BATCH),
                        "--epoch_size", "1", "--warmup_epochs", "0", "--decay_epochs", "1",
                        "--val_while_train", "false", "--run_dir", f"{folder}/run"],
                       check=True, capture_output=True)
        with open(f"{folder}/run/history.csv") as history:
            return float(next(csv.DictReader(history))["images_per_second"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--squeezenet", default="build/release/cli/squeezenet")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    how = parser.parse_args()
    if how.torch:
        run_torch(how.data, how.steps, how.threads)
        return
    rates = {"squeezenet": [], "PyTorch channels_last": []}
    for _ in range(how.rounds):
        rates["squeezenet"].append(ask_ours(how))
        rates["PyTorch channels_last"].append(ask_torch(how))
    for name, each in rates.items():
        print(f"{name:24} {statistics.median(each):7.1f} images/s",
              "(" + ", ".join(f"{rate:.1f}" for rate in each) + ")")
    ours, theirs = (max(each) for each in rates.values())
    print(f"our time / theirs        {theirs / ours:7.2f}, best rounds")


if __name__ == "__main__":
    main()
