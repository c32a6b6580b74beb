# serve: answers, protocols, who may ask, hostile clients, reload and the end.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
cp run/best.safetensors tiny.safetensors
image=$(find shapes/val -name '*.png' | sort | head -1)
cp "$image" image.png
run predict tiny.safetensors image.png --json
echo "$out" >expected.json

# start ARGS...: a server; its port in $port, its process in $server. The address sanitizer keeps freed memory in
# quarantine, 256 MB unless told, which would count as the server's growth.
start() {
    ASAN_OPTIONS="${ASAN_OPTIONS-}:quarantine_size_mb=8" "$SQUEEZENET" serve "$@" --port 0 >url.txt 2>server.txt &
    server=$!
    cleanup_commands=("kill -9 $server 2>/dev/null")
    for _ in $(seq 100); do
        port=$(sed -n 's|.*:\([0-9]*\)/$|\1|p' url.txt)
        [ -z "$port" ] || return 0
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    fail "no server: $(cat server.txt)"
    finish
}

# stop STATUS: asks it to end.
stop() {
    kill -TERM $server
    wait $server
    status=$?
    [ "$status" = "$1" ] || fail "exit status $status instead of $1: $(tail -3 server.txt)"
    ! grep -q 'Sanitizer\|runtime error:' server.txt || fail "a sanitizer: $(cat server.txt)"
}
code() { curl -s -o answer.txt -w '%{http_code}' "$@"; }

start tiny.safetensors --allow_host named.example --timeout 2 --max_body 1 --max_pixels 1 \
    --max_queue 8 --max_connections 8 --log json
python3 "$SQZ_SOURCE/tests/cli/serve_client.py" "$port" $server image.png expected.json ||
    fail "the client"
grep '^{' server.txt | jq -es 'length > 100 and all(.code and .route and .ms >= 0)' >/dev/null ||
    fail "the access log: $(head -3 server.txt)"
! grep -qE 'evil|127\.0\.0\.1:[0-9]+"|etc.passwd' server.txt || fail "the log holds what clients sent"
ls -A >after.txt
! grep -vE '^(after|answer|err|expected|image|out|run|server|shapes|tiny|url|cache)' after.txt ||
    fail "a request made a file: $(cat after.txt)"

# A reload while requests come: all are answered, then the new model is there.
"$SQUEEZENET" train shapes $tiny --epoch_size 1 --max_steps 2 --seed 9 --run_dir run2 -q
code --data-binary @image.png "http://127.0.0.1:$port/v1/predict" >/dev/null
cp answer.txt old.txt
for _ in $(seq 30); do code --data-binary @image.png "http://127.0.0.1:$port/v1/predict"; echo; done >codes.txt &
cp run2/best.safetensors new.safetensors
mv new.safetensors tiny.safetensors
kill -HUP $server
wait $!
[ "$(sort -u codes.txt)" = 200 ] || fail "codes while it reloads: $(sort -u codes.txt)"
sleep 0.5
code --data-binary @image.png "http://127.0.0.1:$port/v1/predict" >/dev/null
! cmp -s answer.txt old.txt || fail "the model was not read again"
cp answer.txt old.txt
echo "no model" >tiny.safetensors
kill -HUP $server
sleep 0.5
[ "$(code --data-binary @image.png "http://127.0.0.1:$port/v1/predict")" = 200 ] ||
    fail "after a reload that fails"
same_file answer.txt old.txt
contains "$(cat server.txt)" '^squeezenet: .*tiny.safetensors' "what a failed reload says"
stop 0

# What waits is answered before the end.
cp run/best.safetensors tiny.safetensors
start a=tiny.safetensors b=run2/best.safetensors
for i in 1 2 3 4 5 6; do
    curl -s -o "drain$i.txt" -w '%{http_code}\n' --data-binary @image.png \
        "http://127.0.0.1:$port/v1/predict?model=b" >>drained.txt &
    clients[i]=$!
done
sleep 0.2
stop 0
wait "${clients[@]}"
[ "$(sort -u drained.txt)" = 200 ] || fail "at the end: $(cat drained.txt)"

# A model with a threshold: "unknown" as predict has it.
expect 0 calibrate run/best.safetensors shapes/val -o known.safetensors --target_coverage 0.5 -q
start known.safetensors
for file in shapes/val/*/*.png; do
    run predict known.safetensors "$file" --json
    wanted=$(jq '.results[0].unknown' <<<"$out")
    code --data-binary @"$file" "http://127.0.0.1:$port/v1/predict" >/dev/null
    [ "$(jq .unknown answer.txt)" = "$wanted" ] || fail "$file: unknown is not $wanted: $(cat answer.txt)"
    echo "$wanted"
done >unknown.txt
[ "$(sort -u unknown.txt | tr '\n' ' ')" = "false true " ] || fail "unknown: $(sort unknown.txt | uniq -c)"
stop 0

# Keys.
echo "a key of more than sixteen" >key.txt
start tiny.safetensors --api_key_file key.txt --host 0.0.0.0 --allow_origin https://page.example
url=http://127.0.0.1:$port
[ "$(code $url/healthz)" = 200 ] || fail "health needs no key"
for key in "" "a key of more than sixteem" "a key of more than sixtee" "a key of more than sixteen1" x; do
    [ "$(code -H "Authorization: Bearer $key" $url/v2)" = 401 ] || fail "key \"$key\""
    [ "$(code -H "X-API-Key: $key" $url/metrics)" = 401 ] || fail "key \"$key\""
done
[ "$(code -H "Authorization: Bearer a key of more than sixteen" $url/v2)" = 200 ] || fail "the key"
[ "$(code -H "X-API-Key: a key of more than sixteen" $url/metrics)" = 200 ] || fail "the key"
[ "$(code -X OPTIONS -D head.txt -H 'Origin: https://page.example' $url/v1/predict)" = 204 ] || fail "preflight"
contains "$(cat head.txt)" 'Access-Control-Allow-Origin: https://page.example' "CORS for a named origin"
stop 0

expect_error 2 'other machines' serve tiny.safetensors --host 0.0.0.0 --port 0
expect_error 2 'other machines' serve tiny.safetensors --host :: --port 0
expect_error 2 'takes an address' serve tiny.safetensors --host nowhere.example --port 0
echo short >short.txt
expect_error 65 '16 to 512' serve tiny.safetensors --api_key_file short.txt --port 0
expect_error 66 'Cannot read a key' serve tiny.safetensors --api_key_file nowhere --port 0
expect_error 66 'nowhere' serve nowhere.safetensors --port 0
expect_error 2 'the name "tiny"' serve tiny.safetensors run/../tiny.safetensors --port 0
expect_error 2 'knows none, text and json' serve tiny.safetensors --log xml --port 0
finish
