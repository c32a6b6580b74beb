# The same seed gives the same files on 1, 2 and 4 threads; another seed gives others.
. "$(dirname "$0")/lib.sh"
export SQUEEZENET_OVERSUBSCRIBE=1 # four threads also where there are two processors
make_shapes 16 4
common="$tiny --epoch_size 2 --val_while_train true --hflip 0.5 --color_jitter 0.4 --re_prob 0.5 --clip_grad true"
for threads in 1 2 4; do
    expect 0 train shapes $common --threads $threads --run_dir t$threads -q
done
for threads in 2 4; do
    same_file t1/best.safetensors t$threads/best.safetensors
    same_file t1/last.safetensors t$threads/last.safetensors
    [ "$(history t1)" = "$(history t$threads)" ] || fail "history.csv of 1 and $threads threads differ"
done
expect 0 train shapes $common --threads 1 --seed 7 --run_dir other -q
! cmp -s t1/best.safetensors other/best.safetensors || fail "another seed gave the same model"
finish
