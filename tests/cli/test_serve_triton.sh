# serve with NVIDIA's client, tritonclient[http] from PyPI, as it is.
. "$(dirname "$0")/lib.sh"
if ! python3 -m venv venv >venv.txt 2>&1 ||
    ! timeout 120 venv/bin/pip -q install 'tritonclient[http]' >venv.txt 2>&1; then
    skip "tritonclient cannot be installed: $(tail -1 venv.txt)"
    exit 77
fi
make_shapes 4 2
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
cp run/best.safetensors tiny.safetensors
cp "$(find shapes/val -name '*.png' | sort | head -1)" image.png
run predict tiny.safetensors image.png --json -k 1
echo "$out" >expected.json
"$SQUEEZENET" serve tiny.safetensors --port 0 >url.txt 2>server.txt &
server=$!
cleanup_commands=("kill -9 $server 2>/dev/null")
for _ in $(seq 100); do
    [ ! -s url.txt ] || break
    sleep 0.1
done
cat >client.py <<'PYTHON'
import json
import sys
import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1])
wanted = json.load(open("expected.json"))["results"][0]["classes"][0]
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
assert client.is_model_ready("tiny", "1") and not client.is_model_ready("other")
assert client.get_server_metadata()["name"] == "squeezenet"
metadata = client.get_model_metadata("tiny")
classes = metadata["outputs"][0]["shape"][1]
data = numpy.array([open("image.png", "rb").read()] * 3, dtype=object)
for binary in (True, False):
    for shape in ([3], [3, 1]):
        image = triton.InferInput("image", shape, "BYTES")
        image.set_data_from_numpy(data.reshape(shape))
        outputs = [triton.InferRequestedOutput(n, binary_data=binary)
                   for n in ("probabilities", "logits", "features", "cam")]
        result = client.infer("tiny", [image], outputs=outputs, request_id="seven")
        assert result.get_response()["id"] == "seven"
        p = result.as_numpy("probabilities")
        assert p.shape == (3, classes) and p.dtype == numpy.float32
        assert p[0].argmax() == wanted["index"], (p[0], wanted)
        assert abs(p[0].max() - wanted["probability"]) < 1e-6
        assert (p[0] == p[2]).all() and result.as_numpy("features").shape == (3, 512)
        assert result.as_numpy("cam").ndim == 3
    pixels = triton.InferInput("pixels", [2, 30, 40, 3], "UINT8")
    pixels.set_data_from_numpy(numpy.full([2, 30, 40, 3], 90, numpy.uint8), binary_data=binary)
    top = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
    best = client.infer("tiny", [pixels], outputs=[top]).as_numpy("probabilities")
    assert best.shape == (2, 2), best
assert client.infer("tiny", [image]).as_numpy("probabilities").shape == (3, classes)
try:
    client.infer("other", [image])
    raise SystemExit("a model that is not there answers")
except InferenceServerException as e:
    assert "other" in str(e), e
PYTHON
venv/bin/python client.py "$(sed -n 's|http://\(.*\)/|\1|p' url.txt)" || fail "the client: $(cat server.txt)"
kill -TERM $server
wait $server || fail "exit status $?"
finish
