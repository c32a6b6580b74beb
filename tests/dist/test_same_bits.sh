# Any number of ranks, of either MPI, and of threads: the files of one process, to the bit.
. "$SQZ_SOURCE/tests/dist/lib.sh"
make_shapes 22 4
epochs=5
[ -z "$sanitized" ] || epochs=1
common="$tiny $random --gradient_accumulation_steps 2 --epoch_size $epochs --log_interval 3"

# sum_of RUN: one SHA-256 of its weights, optimizer state and metrics.
sum_of() {
    { cat "$1/best.safetensors" "$1/last.safetensors" && history "$1"; } | sha256sum | cut -c-64
}

# Ten steps an epoch, everything random on.
expect 0 train shapes $common --batch_size 24 --threads 2 --run_dir one2 -q
expect 0 train shapes $common --batch_size 24 --threads 1 --run_dir one -q
same_end one one2
[ "$(tail -1 one/steps.csv | cut -d, -f2)" = $((10 * epochs)) ] || fail "these are not $((10 * epochs)) steps"
for mpi in $found_mpis; do
    for ranks in 2 3 4 8; do
        for threads in 1 2; do
            [ -z "$sanitized" ] || [ $ranks$threads = 32 ] || continue
            # All pairs with one MPI; of the other a few are enough, for the arithmetic is the same.
            [ "$mpi" = "${found_mpis%%$'\n'*}" ] || [ -n "${SQZ_ALL_PAIRS:-}" ] ||
                [ $ranks$threads = 31 ] || [ $ranks$threads = 22 ] || continue
            SQUEEZENET_OVERSUBSCRIBE=1 expect_ranks 0 $mpi $ranks train shapes $common \
                --batch_size $((24 / ranks)) --threads $threads --run_dir $mpi$ranks$threads -q
            same_end one $mpi$ranks$threads
            echo "$mpi, $ranks ranks x $threads: $(sum_of $mpi$ranks$threads)"
        done
    done
done
echo "1 process: $(sum_of one)"
mpi=${found_mpis%%$'\n'*}

# The loss that looks at rows of several ranks at once; accumulation; class weights.
splits="$tiny --epoch_size 1 --loss jsd --aug_splits 3 --auto_augment augmix-m3"
groups="$tiny --epoch_size 2 --gradient_accumulation_steps 2 --class_weights balanced --mixup 0.4
    --balanced_sampling true --num_samples 100"
for name in splits groups; do
    expect 0 train shapes ${!name} --batch_size 24 --run_dir $name -q
    expect_ranks 0 $mpi 3 train shapes ${!name} --batch_size 8 --run_dir $name-ranks -q
    same_end $name $name-ranks
done
cmp -s one/last.safetensors groups/last.safetensors && fail "the options changed nothing"

# Normalised in groups of 8, of which each rank has one, or two.
common="$tiny $random --epoch_size 3 --log_interval 3"
norm="${common/--norm none/--norm batch --norm_group 8}"
expect 0 train shapes $norm --batch_size 24 --run_dir norm -q
expect_ranks 0 $mpi 3 train shapes $norm --batch_size 8 --run_dir norm3 -q
same_end norm norm3
[ -z "$sanitized" ] || finish # the rest is the same code again
expect 0 train shapes $norm --batch_size 32 --run_dir norm-large -q
SQUEEZENET_OVERSUBSCRIBE=1 expect_ranks 0 $mpi 2 train shapes $norm --batch_size 16 --threads 2 \
    --run_dir norm-large2 -q
same_end norm-large norm-large2

# 16-bit gradients: other bits, but the same ones again.
expect 0 train shapes $common --batch_size 24 --run_dir three -q
for run in a b; do
    expect_ranks 0 $mpi 2 train shapes $common --batch_size 12 --comm_dtype bf16 --run_dir bf16$run -q
done
same_end bf16a bf16b
cmp -s three/best.safetensors bf16a/best.safetensors && fail "bf16 changed nothing"

# Four ranks, then two, then one process.
expect_ranks 0 $mpi 4 train shapes $common --batch_size 6 --max_steps 5 --run_dir fewer -q
expect_ranks 0 $mpi 2 train --resume fewer --max_steps 11 -q
expect 0 train --resume fewer --max_steps 0 -q
same_end three fewer

finish
