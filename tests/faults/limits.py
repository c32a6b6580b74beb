"""Hostile files that claim more than they are: memory is bounded by the file's size, or the refusal is quick."""
import gzip, os, struct, subprocess, zlib

MEGABYTE = 1000000
ALLOWED, PER_BYTE, QUICK = 64 * MEGABYTE, 40, 1.0


def png(side):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def safetensors(header, data=b""):
    return struct.pack("<Q", len(header)) + header + data


def many_arrays(n):
    entry = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return safetensors(b"{" + b",".join(entry % i for i in range(n)) + b"}")


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def hostile_files(base):
    """(name, file, arguments), made one by one."""
    def at(name, data):
        return write(os.path.join(base, "limits", name), data)

    def model(name, suffix, data):
        path = at("m" + suffix, data)
        return name, path, ["info", path]

    yield model("safetensors: 200,000 arrays", ".safetensors", many_arrays(200000))
    yield model("safetensors: one long key", ".safetensors", safetensors(b'{"' + b"k" * 10 * MEGABYTE + b'":0}'))
    yield model("safetensors: nested", ".safetensors", safetensors(b"[" * 10 * MEGABYTE))
    yield model("safetensors: numbers", ".safetensors",
                safetensors(b'{"a":{"dtype":"F32","shape":[' + b"1," * 5 * MEGABYTE + b"1]}}"))
    yield model("safetensors: 100 MB nested", ".safetensors", safetensors(b"[" * 100 * MEGABYTE))
    yield model("safetensors: 100 MB of arrays", ".safetensors", many_arrays(100 * MEGABYTE // 57))
    yield model("safetensors: escapes", ".safetensors",
                safetensors(b'{"__metadata__":{"a":"' + b"\\u0001" * 2 * MEGABYTE + b'"}}'))
    yield model("safetensors: claims 2^40 bytes", ".safetensors",
                safetensors(b'{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}'))
    yield model("safetensors: small objects", ".safetensors", safetensors(b'{"a":[' + b"{}," * 3 * MEGABYTE + b"{}]}"))
    yield model(".net: claims", ".net", struct.pack("<8I", *[0x7fffffff] * 8) + b"\xff" * 4 * MEGABYTE)
    yield model(".ckpt: empty entries", ".ckpt", b"\x0a\x00" * 5 * MEGABYTE)
    yield model(".pth: opcodes", ".pth", b"\x80\x02" + b"]" * 10 * MEGABYTE + b".")
    yield model(".pth: marks", ".pth", b"\x80\x02" + b"(" * 10 * MEGABYTE + b".")
    yield model(".sqz: claims", ".sqz", b"SQZ1" + b"\xff" * 4 * MEGABYTE)
    for suffix, magic in ((".param", b"7767517\n"),):
        path = at("m" + suffix, magic + b"2000000 2000000\n" + b"Input a 0 1 b\n" * 500000)
        yield "ncnn: many layers", path, ["info", path]
    path = at("recipe.yaml", b"a: &a [x,x,x,x]\n" + b"b: [*a,*a]\n" * 300000)
    yield "recipe: aliases", path, ["train", os.path.join(base, "in/tiny"), "-c", path, "--dry_run"]
    path = at("deep.yaml", b"[" * 4 * MEGABYTE)
    yield "recipe: nested", path, ["train", os.path.join(base, "in/tiny"), "-c", path, "--dry_run"]
    path = at("classes.txt", b"a\n" * 5 * MEGABYTE)
    yield ("class file: 5 million lines", path,
           ["predict", base + "/in/m.safetensors", base + "/in/one.png", "--classes", path])
    path = at("large.png", png(12000))
    yield "PNG: 12,000 x 12,000 of zeros", path, ["predict", base + "/in/m.safetensors", path]
    path = at("x.pack", b"SQZPACK1" + b"\xff" * 4 * MEGABYTE)
    yield "pack: claims", path, ["data", "check", path]
    state = safetensors(b'{"__metadata__":{"train.epoch":"1","train.history":"' + b"1\\n" * 3 * MEGABYTE + b'"}}')
    path = at("run/last.safetensors", state)
    yield "state: 3 million rows of history", path, ["train", "--resume", os.path.dirname(path), "--dry_run"]
    at("a.tar", bytes(1024))
    path = at("devkit.tar.gz", gzip.compress(bytes(235 * MEGABYTE), 9))
    tar = os.path.join(os.path.dirname(path), "a.tar")
    yield "devkit: 235 MB of zeros in a gz", path, ["data", "imagenet", tar, tar, path, path + ".out"]
    path = at("cifar/data_batch_1.bin", b"\xff" * 3073 * 3000)
    yield "CIFAR: labels that no class has", path, ["data", "check", os.path.dirname(path)]
    images = struct.pack(">IIII", 0x803, 300000, 28, 28) + bytes(300000 * 784)
    path = at("idx/train-images-idx3-ubyte.gz", gzip.compress(images, 9))
    at("idx/train-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, 300000) + bytes(300000), 9))
    yield "idx: 235 MB of zeros in a gz", path, ["data", "check", os.path.dirname(path)]


def check(table, program, tracer, base):
    usage = os.path.join(base, "usage")
    for name, path, arguments in hostile_files(base):
        size = os.path.getsize(path)
        threads = [] if arguments[0] == "info" else ["--threads", "1"]
        # The tracer is small: what it reports is not the memory of this process before exec.
        try:
            done = subprocess.run([tracer, "--usage", usage, "--", program, *arguments, *threads, "-q"], cwd=base,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            table.add("limits: " + name, "no end", path, "no end in 60 s")
            continue
        # Processor time: other programs on the machine are not the reader's fault.
        seconds, memory = (float(word) for word in open(usage).read().split())
        how = "%.1f MB: exit %d, %.2f s, %.0f MB" % (size / 1e6, done.returncode, seconds, memory / 1e6)
        bounded = memory <= ALLOWED + PER_BYTE * size
        quick = done.returncode != 0 and seconds < QUICK
        complaint = None
        if done.returncode > 128:
            complaint = "ended by a signal"
        elif not bounded and not quick:
            complaint = "more than 64 MB + 40 bytes a byte, and no quick refusal"
        table.add("limits: " + name, how, path, complaint, done.stderr.decode(errors="replace").strip()[-150:])
        os.unlink(path)
