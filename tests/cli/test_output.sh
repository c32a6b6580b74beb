# What leaves the program: nothing that a terminal obeys, JSON that is whole, no lost result.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
image=$(ls shapes/val/*/*.png | head -1)
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
model=run/best.safetensors

# no_controls WHAT: neither stream holds ESC, C1 as UTF-8, or a line that a name has forged.
no_controls() {
    LC_ALL=C grep -qaE $'\033|\xc2[\x80-\x9f]|^forged' out.txt err.txt &&
        fail "$1 prints a control character: $(cat -v out.txt err.txt)"
}
evil=$'m\033[31m\xc2\x9b31m\nforged.safetensors'
cp $model "$evil"
cp "$image" $'p\033[31m\nforged.png'
run info "$evil" && no_controls info
expect 0 predict "$evil" $'p\033[31m\nforged.png' && no_controls predict
expect 0 validate "$evil" --data_dir shapes --against "$evil" && no_controls validate
expect 0 validate "$evil" --data_dir shapes && no_controls validate
run validate "$model" --data_dir shapes --require $'top1\033=1' && no_controls --require
expect 0 convert $model $'c\033[31m\nforged.ckpt' && no_controls convert
expect 0 compress $model -o $'c\033[31m\nforged.sqz' --method lossless && no_controls compress
run predict $'no\033[31m\nforged' "$image" && no_controls "an error"
run train $'no\033[31m\nforged' && no_controls "an error"
run $'no\033[31m\nforged' && no_controls "a command"

# File names that are no UTF-8: whole JSON, and the exact bytes beside.
json() { python3 -c 'import json, sys; o = json.load(open("out.txt", "rb")); print(eval(sys.argv[1]))' "$1" 2>&1; }
cp "$image" $'n\xff.png'
expect 0 predict $model $'n\xff.png' --json
[ "$(json 'o["results"][0]["file"], o["results"][0]["file_bytes"]')" = "('n�.png', 'n%FF.png')" ] ||
    fail "predict --json of a name that is no UTF-8: $out"
expect 65 predict $model $'missing\xff.png' "$image" --json
[ "$(json 'len(o["results"]), "error" in o["results"][0]')" = "(2, True)" ] || fail "an error in JSON: $out"
mkdir -p bytes
for class in $'a\xff' b; do
    mkdir -p "bytes/$class" && cp "$image" "bytes/$class/"
done
run data check bytes --json
[ "$(json 'o["images"], len(o["classes"])')" = "(2, 2)" ] || fail "data check --json: $out"
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir $'r\xff' --json
[ "$(json 'o["run_dir_bytes"]')" = "r%FF" ] || fail "train --json: $out"
expect 0 info $model --json
[ "$(json 'o["schema"], type(o["layers"][0]["output"])')" = "(1, <class 'list'>)" ] || fail "info --json: $out"

# A result that cannot be written is not "done".
if [ -e /dev/full ]; then
    for words in "info" "info $model" "predict $model $image" "predict $model $image --json" \
        "validate $model --data_dir shapes" "data check shapes" "train shapes $tiny --dry_run" "help" "--version"; do
        "$SQUEEZENET" $words >/dev/full 2>err.txt
        status=$?
        [ $status -eq 74 ] || fail "status $status instead of 74 when the output is lost: $words"
    done
fi

# What a terminal does when it goes: SIGHUP saves, a dead reader of the log is no reason to die.
long="--epoch_size 1000 --seed 3"
"$SQUEEZENET" train shapes $tiny $long --run_dir hup >/dev/null 2>err.txt </dev/null &
child=$!
for i in $(seq 200); do
    [ ! -e hup/last.safetensors ] || break
    sleep 0.1
done
kill -HUP $child
wait $child
[ $? -eq 75 ] || fail "SIGHUP: exit status $? instead of 75: $(cat err.txt)"
[ -e hup/last.safetensors ] || fail "SIGHUP: nothing is saved"
{ "$SQUEEZENET" train shapes $tiny --epoch_size 4 --run_dir pipe 2>&1 >/dev/null; echo $? >status; } | true
[ "$(cat status)" = 0 ] || fail "exit status $(cat status) when the reader of the log is gone"
(
    ulimit -f 100
    run train shapes $tiny --epoch_size 1 --run_dir large -q
    [ "$status" -eq 73 ] || fail "ulimit -f: exit status $status instead of 73: $err"
    exit $failures
) || failures=$((failures + 1))
finish
