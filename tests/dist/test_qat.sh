# Retraining on ranks: pruning, the quantiser in the loop, an update that has to stay small, a
# teacher; and normalisation that begins with a file's weights. The files of one process.
. "$SQZ_SOURCE/tests/dist/lib.sh"
make_shapes 22 4
common="$tiny $random --epoch_size 3 --log_interval 3"
expect 0 train shapes $common --batch_size 24 --epoch_size 4 --run_dir start -q
expect 0 compress start/best.safetensors --calibrate shapes/train --size 300kB -o start.sqz
from="--ckpt_path start/best.safetensors"
plain="$tiny --epoch_size 3 --log_interval 3 --ema true --val_while_train true"
declare -A ways=(
    [prune]="$common $from --prune 0.4 --distill 0.5"
    [grid]="$plain $from --compress true --size 120kB"
    [shared]="$plain $from --compress true --compress_method deep --prune 0.3"
    [update]="$plain --ckpt_path start.sqz --update_budget 40kB"
    [teacher]="$common --teacher start/best.safetensors --gradient_accumulation_steps 2"
    [maps]="$plain $from --distill 0.5 --distill_maps 0.5"
    [warm]="${common/--norm none/--norm batch --norm_group 8} $from"
)
[ -z "$sanitized" ] || unset 'ways[grid]' # its search for steps takes minutes there
mpi=${found_mpis%%$'\n'*}
for way in "${!ways[@]}"; do
    expect 0 train shapes ${ways[$way]} --batch_size 24 --run_dir $way -q
    expect_ranks 0 $mpi 3 train shapes ${ways[$way]} --batch_size 8 --run_dir $way-3 -q
    same_end $way $way-3
    ! cmp -s start/best.safetensors $way/best.safetensors || fail "$way changed nothing"
    # Cut in the second epoch, where all of it is at work; two ranks go on.
    expect_ranks 0 $mpi 3 train shapes ${ways[$way]} --batch_size 8 --max_steps 13 --run_dir $way-cut -q
    expect_ranks 0 $mpi 2 train --resume $way-cut --max_steps 0 -q
    same_end $way $way-cut
    echo "$way: the same on 3 ranks, and on 3 and then 2"
done

# A rank that finds another teacher under the same name is told so.
mkdir elsewhere
ln -s ../shapes elsewhere/shapes
cp start/best.safetensors teacher.safetensors
cp prune/best.safetensors elsewhere/teacher.safetensors
with_teacher="train shapes $tiny --batch_size 8 --teacher teacher.safetensors --run_dir told -q"
case $mpi in
openmpi) mpirun.openmpi --oversubscribe -n 1 "$SQUEEZENET" $with_teacher : \
    -n 1 -wdir "$PWD/elsewhere" "$SQUEEZENET" $with_teacher 2>err.txt ;;
mpich) mpirun.mpich -n 1 "$SQUEEZENET" $with_teacher : \
    -n 1 -wdir "$PWD/elsewhere" "$SQUEEZENET" $with_teacher 2>err.txt ;;
esac
status=$?
[ $status -eq 78 ] || fail "unequal teachers end with $status: $(cat err.txt)"
contains "$(cat err.txt)" 'Rank 1 on .* has another teacher' "stderr of unequal teachers"
finish
