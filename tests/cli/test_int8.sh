# An integer network from calibration to answers: the same on every SIMD level and number of threads,
# near its original, refused where it is not there.
. "$(dirname "$0")/lib.sh"
make_shapes 8 4
# shellcheck disable=SC2086
expect 0 train shapes $tiny --max_steps 8 --run_dir run -q
cp run/best.safetensors m.safetensors
mkdir flat && cp shapes/train/*/* flat/

expect 0 compress m.safetensors --int8 --calibrate flat -o i.sqz --json
jq -e '.kl >= 0 and .kl < 0.05 and .images > .unseen_images and .unseen_images > 0' out.txt >/dev/null ||
    fail "the JSON: $out"
expect 0 compress m.safetensors --method int8 --calibrate flat -o one.sqz --threads 1
contains "$out" 'on images that it did not see: KL' "the report"
same_file i.sqz one.sqz
expect 0 info i.sqz
contains "$out" '8-bit integers' "info"

set -- flat/*
for level in ref avx2 avxvnni avx512 avx512vnni amx; do
    for threads in 1 3; do
        SQUEEZENET_CPU=$level expect 0 predict i.sqz "$@" --logits --json --threads $threads
        cp out.txt "$level-$threads.json"
        same_file ref-1.json "$level-$threads.json"
    done
done
SQUEEZENET_CPU=ref expect 0 predict i.sqz "$1" --logits --json
jq -c '.results[0]' out.txt >alone
jq -c '.results[0]' ref-1.json >batch
same_file alone batch
expect 0 predict i.sqz "$@" --logits --json --precision fp32
! cmp -s out.txt ref-1.json || fail "--precision fp32 gives the integers' logits"
expect 0 predict i.sqz "$1" --low_memory

expect 0 validate i.sqz --against m.safetensors --data_dir shapes --json
jq -e '.kl < 0.05 and .agreement > 0.9' out.txt >/dev/null || fail "against its original: $out"
expect 0 validate i.sqz --data_dir shapes --precision int8
expect_error 2 'no integer network' predict m.safetensors "$1" --precision int8
expect_error 2 'no integer network' validate m.safetensors --data_dir shapes --precision int8
expect_error 2 'auto, fp32 and int8' predict m.safetensors "$1" --precision bf16
expect_error 2 'calibrate' compress m.safetensors --int8 -o no.sqz
expect_error 2 'method of its own' compress m.safetensors --int8 --method deep --calibrate flat -o no.sqz
[ ! -e no.sqz ] || fail "no.sqz was written"

# Another form of the same file keeps the integers; training from it starts from its weights.
expect 0 convert i.sqz i.safetensors
expect 0 predict i.safetensors "$@" --logits --json
same_file ref-1.json out.txt
# shellcheck disable=SC2086
expect 0 train shapes $tiny --ckpt_path i.sqz --max_steps 1 --run_dir more -q
expect 0 info more/best.safetensors
case $out in *'8-bit integers'*) fail "a trained model holds the integers that it began with" ;; esac
