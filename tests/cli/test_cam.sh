# predict --cam: the cells average to the logit, through .sqz as well; the drawing and its legend.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
expect 0 train shapes $tiny --image_resize 96 --epoch_size 1 --max_steps 3 --run_dir run -q
model=run/best.safetensors
set -- shapes/val/*/0000.png
expect 0 compress $model -o lossless.sqz --method lossless -q
expect 0 compress $model -o coarse.sqz --method deep -q

cat >check.py <<'PY'
import json, sys
rows = json.load(open('out.txt'))['results']
assert len(rows) == int(sys.argv[1])
for r in rows:
    cam = r['cam']
    cells = [v for row in cam['cells'] for v in row]
    mean, logit = sum(cells) / len(cells), cam['logit']
    assert cam['cells'] and min(cells) >= 0 and abs(mean - logit) <= 1e-5 * logit, (mean, logit)
    assert logit == r['logits'][cam['index']] and cam['border'] == 0 and cam['step'] == 16
    if len(sys.argv) > 2:
        assert cam['index'] == int(sys.argv[2]), cam['index']
    else:
        assert cam['index'] == r['classes'][0]['index']
print(max(v for r in rows for row in r['cam']['cells'] for v in row))
PY
for file in $model lossless.sqz coarse.sqz; do
    expect 0 predict $file "$@" --cam maps.png -f --json --logits
    python3 check.py $# >largest || fail "cells of $file: $(cat largest)"
    cp out.txt "$(basename $file).json"
done
same_file best.safetensors.json lossless.sqz.json
expect 0 predict $model "$@" --cam maps.png -f --json --logits --cam_class 3
python3 check.py $# 3 >/dev/null || fail "--cam_class 3"
name=$(ls shapes/val | sed -n 4p)
expect 0 predict $model "$@" --cam maps.png -f --json --logits --cam_class "$name"
python3 check.py $# 3 >/dev/null || fail "--cam_class $name"

# The drawing: the legend grows lighter from left to right, the image is there in colour, and a
# second run draws the same bytes.
expect 0 predict $model "$1" --cam one.png
expect 0 predict $model "$1" --cam again.png --threads 1
same_file one.png again.png
expect 0 predict $model "$1" --cam squares.png --cam_nearest
cmp -s one.png squares.png && fail "--cam_nearest draws the same"
cat >png.py <<'PY'
import struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
at, idat = 8, b''
while at < len(data):
    n, kind = struct.unpack('>I4s', data[at:at + 8])
    if kind == b'IHDR': w, h = struct.unpack('>II', data[at + 8:at + 16])
    if kind == b'IDAT': idat += data[at + 8:at + 8 + n]
    at += n + 12
raw, rows, before = zlib.decompress(idat), [], bytearray(3 * w)
for y in range(h):
    kind, row = raw[y * (3 * w + 1)], bytearray(raw[y * (3 * w + 1) + 1:(y + 1) * (3 * w + 1)])
    for i in range(3 * w):
        a, b, c = (row[i - 3] if i > 2 else 0), before[i], (before[i - 3] if i > 2 else 0)
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        row[i] = row[i] + (0, a, b, (a + b) // 2, paeth)[kind] & 255
    rows.append(row)
    before = row
pixel = lambda x, y: tuple(rows[y][3 * x:3 * x + 3])
def oklab(p): # of a colour of the legend, whose share of 0.66 lies on a middle gray
    r, g, b = ((v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
               for v in (max(0, min(1, (c - 0.34 * 128) / 0.66 / 255)) for c in p))
    l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s)
assert (w, h) == (24 + 2 * 448 + 6 + 24, 24 + 448 + 56 + 8 + 104), (w, h)
legend = [oklab(pixel(24 + x, h - 104 + 14 + 22 + 9)) for x in range(0, 560, 43)]
assert all(b[0] > a[0] for a, b in zip(legend, legend[1:])), [v[0] for v in legend]
steps = [sum((p - q) ** 2 for p, q in zip(a, b)) ** 0.5 for a, b in zip(legend, legend[1:])]
assert max(steps) < 1.5 * min(steps), steps # even, as the eye sees it
assert pixel(2, 2) == (255, 255, 255)
assert len({pixel(24 + x, 240) for x in range(448)}) > 20
PY
python3 png.py one.png || fail "the drawing"

expect_error 73 'exists; --force' predict $model "$1" --cam one.png -k 1 --csv no.csv
expect_error 2 'no class "nothing"' predict $model "$1" --cam x.png --cam_class nothing
expect_error 2 'go with --cam' predict $model "$1" --cam_class 3
finish
