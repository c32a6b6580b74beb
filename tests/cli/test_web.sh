# export --format web: in Node and in Chromium the module gives the bits of the reference
# level for PNGs of every kind, from models of several shapes; damaged models are refused; the page classifies by itself.
. "$(dirname "$0")/lib.sh"
web=$SQZ_SOURCE/web

if ! command -v node >/dev/null; then
    skip "the module: no Node"
    finish
fi

# --- Models and images ---
make_shapes 2 2
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
expect 0 convert run/best.safetensors a.sqz -q
expect 0 train shapes $tiny --model squeezenet1_0_complex --image_resize 48 --interpolation area --epoch_size 1 --max_steps 1 \
    --run_dir run2 -q
expect 0 compress run2/best.safetensors -o b.sqz --method deep -q
python3 - <<'END_PYTHON'
import random, struct, zlib
random.seed(1)

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

# Noise in any depth and colour type, each row with a filter of its own; the filtered bytes themselves are noise.
def write(name, width, height, depth, color, samples, more=b""):
    row = (width * samples * depth + 7) // 8
    raw = b"".join(bytes([y % 5]) + bytes(random.randrange(256) for _ in range(row)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = zlib.compress(raw)
    with open(name + ".png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", body[:100]) +
                   chunk(b"IDAT", body[100:]) + chunk(b"IEND", b""))

def palette(n):
    return chunk(b"PLTE", bytes(random.randrange(256) for _ in range(3 * n)))

write("rgb", 61, 47, 8, 2, 3)
write("rgb16", 40, 90, 16, 2, 3)
write("gamma", 50, 50, 8, 2, 3, chunk(b"gAMA", struct.pack(">I", 100000))) # no colour management on either side
write("gray", 61, 47, 8, 0, 1)
write("gray1", 61, 47, 1, 0, 1)
write("gray2", 300, 20, 2, 0, 1)
write("gray4", 5, 7, 4, 0, 1)
write("gray16", 33, 33, 16, 0, 1)
write("palette", 61, 47, 8, 3, 1, palette(256))
write("palette2", 61, 47, 2, 3, 1, palette(4))
write("rgba", 61, 47, 8, 6, 4) # its colours count, not its alpha
write("graya", 61, 47, 8, 4, 2)
END_PYTHON
images=$(ls ./*.png)

# compare WHAT MODEL LINES: lines of "image hex" are the reference's logits.
compare() {
    # shellcheck disable=SC2086
    SQUEEZENET_CPU=ref "$SQUEEZENET" predict "$2" $images --precision fp32 --jsonl --logits >reference.txt 2>err.txt ||
        fail "predict: $(cat err.txt)"
    python3 - "$1" reference.txt "$3" <<'END_PYTHON' || fail "$1: other bits than the reference"
import json, struct, sys
wanted = {}
for line in open(sys.argv[2]):
    record = json.loads(line)
    if "logits" in record:
        wanted[record["file"]] = struct.pack("<%df" % len(record["logits"]), *record["logits"])
got = {name: bytes.fromhex(hexed) for name, hexed in (line.split() for line in open(sys.argv[3]))}
bad = [name for name in wanted if got.get(name) != wanted[name]]
print(f"{sys.argv[1]}: {len(wanted) - len(bad)} of {len(wanted)} images have the reference's bits", *bad)
sys.exit(bool(bad) or len(wanted) < 5)
END_PYTHON
}
# shellcheck disable=SC2086
for model in a.sqz b.sqz; do
    node "$web/example.mjs" --logits $model $images >node.txt || fail "Node with $model"
    compare "Node, $model" $model node.txt
done

# --- What is no model ---
head -c 3000 a.sqz >cut.sqz
{ head -c 5000 a.sqz; printf 'x'; tail -c +5002 a.sqz; } >damaged.sqz
for file in cut.sqz damaged.sqz rgb.png; do
    ! node "$web/example.mjs" $file rgb.png >node.txt 2>&1 || fail "$file was taken for a model"
    contains "$(cat node.txt)" 'Error: The model is damaged' "$file"
done

# --- The page ---
expect 0 export run/best.safetensors --format web -o page.html
contains "$out" "^page.html: a page of $(stat -c %s page.html) bytes" "what export says"
expect_error 73 force export run/best.safetensors --format web -o page.html
expect_error 2 'goes with --format c' export a.sqz --format web -o no.html --image rgb.png
! grep -qE '(src|href)="?https?:|\{(NONCE|HEAD|DATA|BACKEND)\}' page.html || fail "the page loads something, or is unfinished"
if ! command -v chromium >/dev/null || [ -n "$sanitized" ]; then
    skip "the page: no chromium, or the sanitizers are on"
    finish
fi
# shellcheck disable=SC2086
node "$SQZ_SOURCE/tests/cli/web_browser.mjs" "$work/page.html" $images >browser.txt || fail "Chromium: $(tail -3 browser.txt)"
grep '^logits ' browser.txt | cut -d' ' -f2- >chromium.txt
compare "Chromium, from file://" a.sqz chromium.txt
finish
