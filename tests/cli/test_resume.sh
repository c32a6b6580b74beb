# A run that was interrupted or killed ends, after --resume, with the files of one that was not.
. "$(dirname "$0")/lib.sh"
per_class=32
[ -z "$sanitized" ] || per_class=16
make_shapes $per_class 4
common="$tiny --epoch_size 3 --val_while_train true --save_steps 3 --log_interval 5 --gradient_accumulation_steps 2"
expect 0 train shapes $common --run_dir whole -q

# same_end RUN [WHOLE]
same_end() {
    same_file "${2:-whole}/best.safetensors" "$1/best.safetensors"
    same_file "${2:-whole}/last.safetensors" "$1/last.safetensors"
    [ "$(history "${2:-whole}")" = "$(history "$1")" ] ||
        fail "history.csv of ${2:-whole} and $1 differ"
}

# SIGINT as soon as the first state is on disk, in the middle of an epoch.
"$SQUEEZENET" train shapes $common --run_dir stopped -q 2>err.txt &
child=$!
for _ in $(seq 3000); do
    [ -e stopped/last.safetensors ] && break
    sleep 0.01
done
kill -INT $child
wait $child
status=$?
[ $status -eq 75 ] || fail "exit status $status instead of 75 after SIGINT: $(cat err.txt)"
contains "$(cat err.txt)" 'resume' "the sentence after SIGINT"
expect 0 train --resume stopped -q
same_end stopped

# A damaged image ends the run, but not what it has learned: going on without it is as if it had
# been passed over from the start.
cp -r shapes torn
victim=$(find torn/train -type f | sort | tail -1)
cp "$victim" whole.png
head -c $(($(stat -c %s whole.png) / 2)) whole.png >"$victim"
alone="--save_steps 0 --shuffle false -q"
expect 0 train torn $common $alone --run_dir passed --on_bad skip
expect_error 65 'saved; to continue .* --resume met --on_bad skip' train torn $common $alone --run_dir met
expect 0 train --resume met --on_bad skip -q
same_end met passed
# An image that is gone leaves a hole: all others keep their places, as when it is passed over.
for run in gone mended other; do
    expect_error 65 'saved; to continue' train torn $common $alone --run_dir $run
done
rm "$victim"
expect 0 train --resume gone --dry_run
contains "$out" 'training images that the run began with is gone' 'the plan'
expect 0 train --resume gone -q
same_file passed/best.safetensors gone/best.safetensors
# One that was mended goes on to other weights, and says so.
cp whole.png "$victim"
expect 0 train --resume mended
contains "$out$err" 'mended or removed' 'the run'
cmp -s mended/best.safetensors passed/best.safetensors && fail "a mended image changed nothing"
# One more is another dataset.
cp whole.png "$(dirname "$victim")/more.png"
expect_error 65 'not those that the run began with' train --resume other --on_bad skip -q
rm "$(dirname "$victim")/more.png"
# A damaged image to validate on costs no step either.
looked=$(find torn/val -type f | sort | tail -1)
head -c 100 whole.png >"$looked"
expect_error 65 'saved; to continue .* --resume looked' train torn $common $alone --run_dir looked
rm "$looked"
expect 0 train --resume looked -q

# Ended early by --max_steps, then resumed with other threads.
expect 0 train shapes $common --run_dir early --max_steps $((per_class * 7 / 32)) -q
expect 0 train --resume early --max_steps 0 --threads 1 -q
same_end early

# The same with everything random on, and with the splits of the jsd loss: a matter of bits, not of memory.
mixed="$common --ema true --mixup 0.2 --cutmix 1 --auto_augment randaug-m7-mstd0.5-inc1
    --aug_repeats 2 --re_prob 0.25 --re_value random --drop_rate 0.3"
splits="$common --loss jsd --aug_splits 3 --auto_augment augmix-m3 --re_prob 0.25"
names="mixed splits"
[ -z "$sanitized" ] || names=
for name in $names; do
    expect 0 train shapes ${!name} --run_dir $name -q
    expect 0 train shapes ${!name} --run_dir early-$name --max_steps 7 -q
    expect 0 train --resume early-$name --max_steps 0 --threads 1 -q
    same_end early-$name $name
done
[ -n "$sanitized" ] || ! cmp -s mixed/last.safetensors whole/last.safetensors ||
    fail "the augmentation changed nothing"

# SIGKILL at moments from a fixed sequence.
kills=8
[ -z "$sanitized" ] || kills=1
[ -z "${SQZ_KILLS:-}" ] || kills=$SQZ_KILLS
begin=$(date +%s%N)
"$SQUEEZENET" train shapes $common --run_dir timed -q
length=$((($(date +%s%N) - begin) / 1000000))
draw=12345
for kill in $(seq $kills); do
    draw=$(((draw * 1103515245 + 12345) % 2147483648))
    ms=$((draw / 65536 % length))
    rm -rf killed
    "$SQUEEZENET" train shapes $common --run_dir killed -q 2>/dev/null &
    child=$!
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    kill -KILL $child 2>/dev/null
    wait $child 2>/dev/null
    if [ ! -e killed/recipe.yaml ]; then
        echo "kill $kill after $ms ms: before the run directory had its recipe"
        continue
    fi
    expect 0 train --resume killed -q
    same_end killed
    echo "kill $kill after $ms ms: resumed to the same end"
done
finish
