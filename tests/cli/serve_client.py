# What test_serve.sh asks of a running server: answers, protocols, and every rule for hostile clients.
# Usage: serve_client.py PORT PID IMAGE EXPECTED_JSON. The server runs with --timeout 2 --max_body 1
# --max_pixels 1 --max_queue 8 --max_connections 8. Only the standard library.
import base64
import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

PORT, PID = int(sys.argv[1]), int(sys.argv[2])
IMAGE = open(sys.argv[3], "rb").read()
EXPECTED = json.load(open(sys.argv[4]))["results"][0]["classes"]
MODEL = "tiny"
B64 = base64.b64encode(IMAGE).decode()
failures = 0


def check(what, holds, shown=""):
    global failures
    if not holds:
        failures += 1
        print("FAILED:", what, str(shown)[:300])


def ask(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), data


def expect(code, method, path, body=None, headers=None, says=None):
    status, head, data = ask(method, path, body, headers)
    check(f"{method} {path} is {code}", status == code, (status, data))
    if code >= 400:
        text = json.loads(data)["error"]
        check(f"{path}: the sentence shows no internals", "/" not in text.replace("../../x", ""),
              text)
    if says:
        check(f"{path} says {says}", says in data.decode(errors="replace"), data)
    return head, data


def raw(data, pause=0, wait=10):
    """Sends bytes as they are and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=wait) as s:
        try:
            for piece in data if isinstance(data, list) else [data]:
                s.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        got = b""
        try:
            while piece := s.recv(65536):
                got += piece
        except OSError:
            pass
        return got


def infer(request, binary=b"", code=200, headers=None):
    head = json.dumps(request).encode()
    headers = dict(headers or {})
    if binary:
        headers["Inference-Header-Content-Length"] = str(len(head))
    return expect(code, "POST", f"/v2/models/{MODEL}/infer", head + binary, headers)


def png(width, height):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * (3 * width) for _ in range(height))) \
        if width * height < 1 << 20 else zlib.compress(b"\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def rss():
    for line in open(f"/proc/{PID}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def close_to(a, b):
    return abs(a - b) < 1e-6


def test_predict():
    _, data = expect(200, "POST", "/v1/predict?k=3", IMAGE)
    classes = json.loads(data)["classes"]
    check("three classes", len(classes) == 3, classes)
    for got, wanted in zip(classes, EXPECTED):
        check("the class of predict", got["index"] == wanted["index"]
              and close_to(got["probability"], wanted["probability"]), (got, wanted))
    form = (b'--AB\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n--AB\r\n'
            b'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            + IMAGE + b"\r\n--AB--\r\n")
    kind = {"Content-Type": "multipart/form-data; boundary=AB"}
    _, same = expect(200, "POST", "/v1/predict?k=3", form, kind)
    check("a form gives the same", same == data, same)
    _, more = expect(200, "POST", "/v1/predict?k=2&cam=1&embed=1", IMAGE)
    more = json.loads(more)
    check("an embedding", len(more["embedding"]) == 512)
    map_ = more["classes"][1]["class_map"]
    check("a class map", len(map_["values"]) == map_["height"] * map_["width"] > 0)
    for bad in (b"", b"no image", IMAGE[:40]):
        expect(400, "POST", "/v1/predict", bad)
    for form in (b"", b"--AB", b"--AB\r\n\r\n", b"--AB--", b"--AB\r\n\r\n\r\n--AB"):
        expect(400, "POST", "/v1/predict", form or b"-", kind)
    for query in ("k=0", "k=-1", "k=99999999999999999999", "k=x", "k=1e3", "cam=2", "k=11&cam=1"):
        expect(400, "POST", "/v1/predict?" + query, IMAGE)


def test_tensorflow():
    path = f"/v1/models/{MODEL}:predict"
    _, data = expect(200, "POST", path, json.dumps({"instances": [{"b64": B64}] * 3}))
    rows = json.loads(data)["predictions"]
    check("three rows", len(rows) == 3 and rows[0] == rows[1] and close_to(sum(rows[0]), 1), rows)
    check("the most probable", close_to(max(rows[0]), EXPECTED[0]["probability"]), rows[0])
    for bad in ("", "[]", "{}", '{"instances":{}}', '{"instances":[]}', '{"instances":[1]}',
                '{"instances":[{"b64":1}]}', '{"instances":[{"b64":"%%%%"}]}', '{"instances":"x"}',
                '{"instances":[{"b64":"AAAA"}]}', '{"a":1,"a":2}', "[" * 100000,
                '{"instances":[' + ",".join(['{"b64":"AAAA"}'] * 65) + "]}"):
        expect(400, "POST", path, bad or " ")
    _, data = expect(200, "GET", f"/v1/models/{MODEL}")
    check("available", json.loads(data)["model_version_status"][0]["state"] == "AVAILABLE")


def test_open_inference():
    _, data = expect(200, "GET", "/v2")
    check("extensions", "binary_tensor_data" in json.loads(data)["extensions"], data)
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready",
                 f"/v2/models/{MODEL}/versions/1", f"/v2/models/{MODEL}/versions/1/ready"):
        expect(200, "GET", path)
    one = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [B64]}
    _, data = infer({"id": 'a"\n', "inputs": [one]})
    answer = json.loads(data)
    check("the id", answer["id"] == 'a"\n', answer)
    best = max(answer["outputs"][0]["data"])
    check("probabilities", close_to(best, EXPECTED[0]["probability"]), best)

    element = struct.pack("<I", len(IMAGE)) + IMAGE
    two = {"name": "image", "shape": [2, 1], "datatype": "BYTES",
           "parameters": {"binary_data_size": 2 * len(element)}}
    head, data = infer({"inputs": [two], "parameters": {"binary_data_output": True},
                        "outputs": [{"name": "logits"}, {"name": "features"}, {"name": "cam"},
                                    {"name": "probabilities",
                                     "parameters": {"classification": 2}}]}, 2 * element)
    at = int(head["Inference-Header-Content-Length"])
    outputs = json.loads(data[:at])["outputs"]
    sizes = [o["parameters"]["binary_data_size"] for o in outputs]
    check("the sizes", at + sum(sizes) == len(data) and outputs[1]["shape"] == [2, 512], outputs)
    check("equal images, equal features", data[at + sizes[0]:][:2048] ==
          data[at + sizes[0] + 2048:][:2048])
    text = data[at + sum(sizes[:3]):]
    label = text[4:4 + struct.unpack("<I", text[:4])[0]].decode()
    check("value:index:label", label.split(":")[1:] ==
          [str(EXPECTED[0]["index"]), EXPECTED[0]["name"]], label)

    gray = bytes([128]) * (40 * 30 * 3)
    pixels = {"name": "pixels", "shape": [1, 30, 40, 3], "datatype": "UINT8"}
    _, a = infer({"inputs": [dict(pixels, parameters={"binary_data_size": len(gray)})]}, gray)
    _, b = infer({"inputs": [dict(pixels, data=list(gray))]})
    nested = [[[[128] * 3] * 40] * 30]
    _, c = infer({"inputs": [dict(pixels, datatype="FP32", data=nested)]})
    _, d = expect(200, "POST", f"/v1/models/{MODEL}:predict", json.dumps(
        {"instances": [{"b64": base64.b64encode(png(40, 30)).decode()}]}))
    check("pixels are the same in every form", a == b == c, (a, b, c))
    check("and as PNG", json.loads(a)["outputs"][0]["data"] == json.loads(d)["predictions"][0])
    test_wrong_inference(one, pixels, gray, element)


def test_wrong_inference(one, pixels, gray, element):
    size = {"binary_data_size": len(gray)}
    for wrong in ("x", -1, 0, 1.5, [], {}, None, True, 2**63, 2**64, "9" * 30, 1 << 31, 65):
        infer({"inputs": [dict(one, shape=wrong)]}, code=400)
        infer({"inputs": [dict(one, shape=[wrong])]}, code=400)
        infer({"inputs": [dict(pixels, shape=[1, wrong, 40, 3], parameters=size)]}, gray, 400)
        infer({"inputs": [dict(pixels, parameters={"binary_data_size": wrong})]}, gray, 400)
        infer({"inputs": [one], "outputs": [{"name": "logits",
                                             "parameters": {"classification": wrong}}]},
              code=200 if wrong == 65
              else 400)
        if not isinstance(wrong, str):
            infer({"id": wrong, "inputs": [one]}, code=400)
    huge = dict(pixels, shape=[64, 65500, 65500, 3], parameters=size)
    infer({"inputs": [huge]}, gray, 413)
    for change in ({"name": "x"}, {"datatype": "INT8"}, {"data": "x"}, {"data": []}, {"data": [1]},
                   {"data": ["@@@@"]}, {"data": [B64, B64]}):
        infer({"inputs": [dict(one, **change)]}, code=400)
    for inputs in (None, 1, {}, [], [1], [one, one], [{}] * 30000):
        infer({"inputs": inputs}, code=400)
    for outputs in (1, {}, [1], [{}], [{"name": 1}], [{"name": "x"}], [{"name": "logits"}] * 9,
                    [{"name": "cam", "parameters": {"classification": 1}}],
                    [{"name": "logits", "parameters": {"binary_data": 1}}]):
        infer({"inputs": [one], "outputs": outputs}, code=400)
    for bad in (element[:-1], element + b"x", struct.pack("<I", 0xffffffff) + IMAGE, b"abc"):
        infer({"inputs": [dict(one, data=None) | {"data": None}]}, bad, 400)
        entry = {k: v for k, v in one.items() if k != "data"}
        infer({"inputs": [dict(entry, parameters={"binary_data_size": len(bad)})]}, bad, 400)
    for length in ("-1", "x", "99999999", "+3", str(2**64), ""):
        expect(400, "POST", f"/v2/models/{MODEL}/infer", b"{}",
               {"Inference-Header-Content-Length": length})
    for value in (-1, 256, 1e300, "1"):
        data = list(gray)
        data[7] = value
        infer({"inputs": [dict(pixels, datatype="FP32", data=data)]}, code=400)
    nan = struct.pack("<f", float("nan")) * len(gray)
    infer({"inputs": [dict(pixels, datatype="FP32",
                           parameters={"binary_data_size": len(nan)})]}, nan, 400)


def test_who_may_ask():
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "localhost:x", "",
                 "10.0.0.1:8080"):
        expect(403, "GET", "/v2", headers={"Host": host})
    for host in ("localhost", f"127.0.0.1:{PORT}", f"[::1]:{PORT}", "named.example"):
        expect(200, "GET", "/v2", headers={"Host": host})
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{PORT}.evil", "file://"):
        expect(403, "POST", "/v1/predict", IMAGE, {"Origin": origin})
    own = {"Origin": f"http://127.0.0.1:{PORT}", "Sec-Fetch-Site": "same-origin"}
    head, _ = expect(200, "POST", "/v1/predict", IMAGE, own)
    check("no CORS", "Access-Control-Allow-Origin" not in head, head)
    for site in ("cross-site", "same-site"):
        expect(403, "GET", "/v2", headers={"Sec-Fetch-Site": site})
    status, head, _ = ask("OPTIONS", "/v1/predict", headers={"Origin": "http://evil.example"})
    check("no CORS for a preflight", status == 403 and
          "Access-Control-Allow-Origin" not in head, (status, head))


def test_what_is_not_there():
    for path in ("/v2/repository/index", "/v2/systemsharedmemory/status", "/debug/vars", "/load",
                 "/v2/models/../../etc/passwd", "/v1/models/%2e%2e%2fetc%2fpasswd", "/v2/models/x",
                 f"/v2/models/{MODEL}/versions/2", f"/v2/models/{MODEL}/load"):
        expect(404, "GET", path)
    expect(404, "POST", f"/v2/repository/models/{MODEL}/unload", b"{}")
    expect(404, "POST", "/v1/predict?model=../../x", IMAGE)
    expect(405, "GET", "/v1/predict")
    expect(405, "POST", "/metrics", b"")
    expect(404, "GET", "/v2/models/" + "x" * 3000)


def test_page():
    head, data = expect(200, "GET", "/", headers={"Sec-Fetch-Site": "cross-site"})
    policy, text = head["Content-Security-Policy"], data.decode()
    nonce = policy.split("'nonce-")[1].split("'")[0]
    check("the nonce", text.count(f'nonce="{nonce}"') == 2 and "{NONCE}" not in text, policy)
    check("nothing else may run", policy.startswith("default-src 'none'") and
          "unsafe" not in policy and "frame-ancestors 'none'" in policy, policy)
    check("no address of others", not re.search(r"https?:|\bsrc=|href=|url\(|@import", text), text)
    check("a new nonce", expect(200, "GET", "/")[0]["Content-Security-Policy"] != policy)
    check("whole", text.rstrip().endswith("</html>"), text[-50:])
    _, data = expect(200, "POST", "/v1/predict?cam=1&k=1", IMAGE)
    view = json.loads(data)["view"]
    check("the view", len(base64.b64decode(view["rgb"])) == 3 * view["size"] ** 2, view["size"])


def test_bounds():
    status, _, _ = ask("POST", "/v1/predict", headers={"Content-Length": str(1 << 30)})
    check("413 before a large body", status == 413, status)
    for length in ("-1", "99999999999999999999999", "1x", "0x10", str(2**63), str(2**32)):
        got = raw(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                  + length.encode() + b"\r\n\r\n", wait=4)
        check(f"Content-Length {length} is refused", not got.startswith(b"HTTP/1.1 200"), got)
    expect(413, "POST", "/v1/predict", png(30000, 30000))
    expect(413, "POST", "/v1/predict", png(2**31 - 1, 2**31 - 1))
    for kind in ("gzip", "deflate", "br"):
        expect(415, "POST", "/v1/predict", IMAGE, {"Content-Encoding": kind})
    for head in (b"A: " + b"x" * 20000, b"\r\n".join(b"A%d: 1" % i for i in range(3000))):
        got = raw(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
        check("large headers are refused", not got.startswith(b"HTTP/1.1 200"), got)
    # The server has closed its end after the refusal: the client reads that, or is told when it sends. (Its
    # kernel may let it wait before it sends more, which costs the server nothing.)
    blocked = socket.create_connection(("127.0.0.1", PORT), timeout=3)
    try:
        blocked.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
                        b"Content-Length: 900000000\r\n\r\n" + bytes(100 << 20))
        check("a body that is refused is not taken", False)
    except OSError:
        pass
    try:
        answer = b""
        while part := blocked.recv(4096):
            answer += part
        check("the refusal of a body that still comes", answer.startswith(b"HTTP/1.1 413"), answer)
    except ConnectionError:
        pass
    except TimeoutError:
        check("a client that goes on sending is cut off", False)
    blocked.close()
    smuggled = (b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = raw(smuggled, wait=4)
    check("two lengths are refused", b" 200 " not in got.split(b"\r\n")[0], got)
    for text in (b"GET http://evil.example/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
                 b"GET /v2 HTTP/1.1\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n",
                 b"DELETE /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        got = raw(text, wait=4)
        check(f"refused: {text}", b" 200 " not in got[:20], got)


def test_chunks():
    head = (b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    body = b"".join(b"1\r\n%c\r\n" % c for c in IMAGE) + b"0\r\n\r\n"
    got = raw(head + body)
    check("chunks of one byte", got.startswith(b"HTTP/1.1 200"), got[:200])
    before = rss()
    got = raw([head] + [b"1\r\nx\r\n" * 100000] * 10 + [b"0\r\n\r\n"], wait=20)
    check("a million chunks end in a refusal", b" 200 " not in got[:20], got[:100])
    check("and cost little", rss() - before < 60, (before, rss()))


def test_slow():
    start = time.time()
    got = raw([bytes([c]) for c in b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nA: bbbbbbbbb"], 0.1)
    check("a slow request is cut off", got == b"" and time.time() - start < 8,
          (time.time() - start, got))
    idle = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(12)]
    start = time.time()
    expect(200, "GET", "/healthz")
    check("idle connections do not keep others out", time.time() - start < 8, time.time() - start)
    for s in idle:
        s.close()
    # A client that stops in the middle of its answers.
    stopped = subprocess.Popen([sys.executable, "-c", f"""
import socket, time
s = socket.create_connection(("127.0.0.1", {PORT}))
s.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" * 3000)
time.sleep(60)"""])
    time.sleep(1)
    os.kill(stopped.pid, signal.SIGSTOP)
    expect(200, "POST", "/v1/predict", IMAGE)
    os.kill(stopped.pid, signal.SIGKILL)
    stopped.wait()
    # Clients that go before the answer.
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", PORT)) as s:
            s.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                      % len(IMAGE) + IMAGE)
    expect(200, "POST", "/v1/predict", IMAGE)


def test_overload():
    body = json.dumps({"instances": [{"b64": B64}] * 6})

    def one(_):
        try:
            status, head, _ = ask("POST", f"/v1/models/{MODEL}:predict", body)
            return status, head.get("Retry-After")
        except OSError:
            return "broken", None

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(one, range(300)))
    codes = [a[0] for a in answers]
    check("overload is answered with 200, 429 or 503", set(codes) <= {200, 429, 503}, set(codes))
    check("some succeed", codes.count(200) > 10, codes.count(200))
    check("some are refused", 429 in codes, set(codes))
    check("and told when to come again", all(a[1] for a in answers if a[0] != 200))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        same = {a[2] for a in pool.map(lambda _: ask("POST", "/v1/predict", IMAGE), range(60))}
    check("answers do not depend on their batch", len(same) == 1, len(same))


def test_metrics():
    _, data = expect(200, "GET", "/metrics")
    lines = dict(line.rsplit(" ", 1) for line in data.decode().splitlines() if line[0] != "#")
    check("images", int(lines["squeezenet_images_total"]) > 100, lines)
    check("rejected", int(lines["squeezenet_rejected_total"]) > 0)
    check("gone", "squeezenet_gone_total" in lines)
    check("batches", int(lines['squeezenet_batch_images_bucket{le="+Inf"}']) > 0)
    check("connections", int(lines["squeezenet_connections"]) <= 8, lines)


for test in (test_predict, test_tensorflow, test_open_inference, test_who_may_ask,
             test_what_is_not_there, test_page, test_bounds, test_chunks, test_slow, test_overload,
             test_metrics):
    started = time.time()
    try:
        test()
    except Exception as problem:  # the server may have gone: say in which test
        check(test.__name__, False, repr(problem))
    print(f"{test.__name__}: {time.time() - started:.1f} s")
sys.exit(failures != 0)
