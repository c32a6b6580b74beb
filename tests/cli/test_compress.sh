# squeezenet compress on a small model: every method, every command that takes a .sqz, patches, errors.
. "$(dirname "$0")/lib.sh"
make_shapes 8 4
# shellcheck disable=SC2086
expect 0 train shapes $tiny --max_steps 1 --run_dir run -q
cp run/best.safetensors m.safetensors

decode() { # FILE: its tensors by the second decoder, where there is one
    if command -v python3 >/dev/null; then
        python3 "$SQZ_SOURCE/tests/sqz_decode.py" "$1" "$1.bytes" || fail "sqz_decode.py refuses $1"
    else
        skip "python3 is not there: the second decoder"
    fi
}

# Lossless: back to the same safetensors file, whatever the way.
expect 0 compress m.safetensors -o lossless.sqz --method lossless
expect 0 convert lossless.sqz back.safetensors
same_file m.safetensors back.safetensors
expect 0 convert m.safetensors converted.sqz
same_file lossless.sqz converted.sqz
decode lossless.sqz
[ ! -e lossless.sqz.bytes ] || tail -c "$(stat -c %s lossless.sqz.bytes)" m.safetensors | cmp -s - lossless.sqz.bytes ||
    fail "the second decoder disagrees"

# auto: a size is kept, bytes do not depend on threads, images need no labels.
mkdir flat && cp shapes/val/*/* flat/ 2>/dev/null
counts="1 2 4"
[ -z "$sanitized" ] || counts=1
for threads in $counts; do
    expect 0 compress m.safetensors -o "auto$threads.sqz" --calibrate flat --size 300kB --threads $threads --json
    same_file auto1.sqz "auto$threads.sqz"
done
size=$(jq .bytes_without_class_names out.txt)
[ "$size" -le 300000 ] || fail "$size bytes instead of 300000"
jq -e '.kl >= 0 and (.layers | length) == 26' out.txt >/dev/null || fail "the JSON: $out"
decode auto1.sqz
expect 0 compress m.safetensors -o deep.sqz --method deep --density 0.33 --huffman
decode deep.sqz
[ -n "$sanitized" ] || expect 0 compress m.safetensors -o blind.sqz --size 400kB
[ -n "$sanitized" ] || contains "$err" 'without images' "the warning"

# A .sqz is a model.
for file in auto1.sqz deep.sqz; do
    expect 0 info $file
    expect 0 predict $file shapes/val/*/0000.png
    expect 0 validate $file --data_dir shapes --json
    expect 0 convert $file x.safetensors -f
    expect 0 convert x.safetensors x.sqz -f
    expect 0 convert x.sqz y.safetensors -f
    same_file x.safetensors y.safetensors
done
expect 0 bench auto1.sqz --seconds 0.1
expect 0 train shapes --ckpt_path auto1.sqz --image_resize 32 --batch_size 16 --max_steps 1 --run_dir tuned -q

# Side by side.
expect 0 validate m.safetensors --against lossless.sqz --data_dir shapes --json
jq -e '.kl == 0 and .agreement == 1 and .top1_difference == 0 and .standard_error == 0' out.txt >/dev/null ||
    fail "a model differs from itself: $out"
expect 0 validate auto1.sqz --against m.safetensors --data_dir shapes --require kl=100
expect 1 validate deep.sqz --against m.safetensors --data_dir shapes --require kl=-1
expect_error 2 'against' validate m.safetensors --data_dir shapes --require kl=1

# Patches.
expect 0 compress tuned/best.safetensors --update_from auto1.sqz -o tuned.sqzp
[ "$(stat -c %s tuned.sqzp)" -lt "$(stat -c %s auto1.sqz)" ] || fail "the patch is as large as the file"
expect 0 compress --apply tuned.sqzp auto1.sqz -o patched.sqz
expect 0 compress patched.sqz --update_from auto1.sqz -o again.sqzp
expect 0 compress --apply again.sqzp auto1.sqz -o again.sqz
same_file patched.sqz again.sqz
expect_error 65 'another base' compress --apply tuned.sqzp deep.sqz -o no.sqz
head -c 300 tuned.sqzp >cut.sqzp
expect_error 65 'SHA-256' compress --apply cut.sqzp auto1.sqz -o no.sqz
[ ! -e no.sqz ] || fail "a failed patch left a file"

# Errors.
expect_error 78 'needs ckpt_path' train shapes --update_budget 2kB --run_dir no
expect_error 78 'size' compress m.safetensors -o no.sqz --finetune shapes
expect_error 2 'calibrate' compress m.safetensors -o no.sqz
expect_error 2 '-o OUT' compress m.safetensors
expect_error 2 'lossless' compress m.safetensors -o no.sqz --method best
expect_error 2 '335kB' compress m.safetensors -o no.sqz --size large
expect_error 2 'smallest' compress m.safetensors -o no.sqz --size 1kB
expect_error 66 'image' compress m.safetensors -o no.sqz --calibrate run
expect_error 73 'force' compress m.safetensors -o auto1.sqz --method lossless
cp auto1.sqz damaged.sqz
printf x | dd of=damaged.sqz bs=1 seek=5000 conv=notrunc 2>/dev/null
expect_error 65 'SHA-256' predict damaged.sqz shapes/val/*/0000.png
[ -z "$sanitized" ] || finish # unit.train.qat retrains with the sanitizer

# Retraining: the file keeps its size, the table tells what it cost; a budget keeps the patch small.
small="--image_resize 32 --batch_size 16"
# shellcheck disable=SC2086
expect 0 train shapes $tiny --max_steps 2 --prune 0.5 --run_dir pruned -q
expect 0 compress m.safetensors -o retrained.sqz --finetune shapes --size 60kB --epochs 2 --run_dir retrained
contains "$out" 'images: top-1' "the comparison"
size=$(sed -n 's/^file without class names \([0-9]*\) bytes.*/\1/p' out.txt)
[ "$size" -le 60000 ] || fail "$size bytes instead of 60000"
decode retrained.sqz
# shellcheck disable=SC2086
expect 0 train shapes $small --ckpt_path retrained.sqz --update_budget 2kB --epoch_size 1 --lr 0.01 --run_dir update -q
expect 0 compress update/best.safetensors --update_from retrained.sqz -o update.sqzp --json
jq -e '.bytes <= 2000 and .moved > 0 and .replaced == 0' out.txt >/dev/null || fail "the budget: $out"
# shellcheck disable=SC2086
expect 0 train shapes $small --teacher m.safetensors --distill 1 --unlabelled_dir shapes/val --max_steps 2 --run_dir more
contains "$out$err" 'of the training images have no label' "the images that the teacher answers for"
contains "$(cat more/recipe.yaml)" "teacher: .*$PWD/m.safetensors" "recipe.yaml, read from any directory"
finish
