# A rank that is killed, stopped or leaves ends the whole job in time, with the rank named and status
# 75, and the run resumes to the same bits. Unequal ranks do not begin. Bad images and a full disk
# on one rank end all alike.
. "$SQZ_SOURCE/tests/dist/lib.sh"
make_shapes 16 2
common="$tiny --epoch_size 3 --log_interval 4 --save_steps 2 --val_while_train true"
expect 0 train shapes $common --batch_size 16 --run_dir whole -q
mpi=${found_mpis%%$'\n'*}

# Something to make a rank leave with: SIGUSR2 becomes exit(1).
cat >leave.c <<'C'
#include <signal.h>
#include <unistd.h>
static void leave(int signal) { (void)signal; _exit(1); }
__attribute__((constructor)) static void begin(void) { signal(SIGUSR2, leave); }
C
"${CC:-cc}" -shared -fPIC -o leave.so leave.c || fail "the test's library does not build"

# ranks_of RUN: the processes that train into it, without launchers.
ranks_of() {
    local pid
    for pid in $(pgrep -f -- "--run_dir[ =]$1( |\$)"); do
        [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$SQUEEZENET")" ] &&
            grep -qzE '^(OMPI_COMM_WORLD_RANK|PMI_RANK)=' "/proc/$pid/environ" 2>/dev/null && echo "$pid"
    done
}

# rank_pid RUN RANK
rank_pid() {
    local pid
    for pid in $(ranks_of "$1"); do
        grep -qzE "^(OMPI_COMM_WORLD_RANK|PMI_RANK)=$2$" "/proc/$pid/environ" && echo "$pid"
    done
}

# $SQZ_LOSSES: how often each, at moments from a fixed sequence; $SQZ_HOWS: only these. Sanitized,
# everything is slow.
losses=${SQZ_LOSSES:-1}
timeout=4 hows=${SQZ_HOWS:-KILL STOP USR2}
[ -z "$sanitized" ] || { timeout=20 hows=KILL; }
draw=12345

# A longer run, so that the signal comes in its middle.
long="$tiny --epoch_size 10 --batch_size 8 --save_steps 2 --comm_timeout $timeout"
# lose HOW MPI
lose() {
    local how=$1 run=lost-$1-$2 begin pid launcher waited victim
    rm -rf "$run"
    LD_PRELOAD=$([ "$how" = USR2 ] && echo "$PWD/leave.so") \
        "$SQUEEZENET" train shapes $long --worker_num 2 --mpi "$2" --run_dir "$run" -q 2>err.txt >out.txt &
    launcher=$!
    for _ in $(seq 600); do
        [ -e "$run/last.safetensors" ] && break
        sleep 0.05
    done
    draw=$(((draw * 1103515245 + 12345) % 2147483648))
    [ "$losses" = 1 ] || sleep "0.$(printf '%03d' $((draw / 65536 % 1000)))"
    victim=$((1 - draw / 1048576 % 2)) # rank 0, too, which writes the files
    pid=$(rank_pid "$run" $victim)
    [ -n "$pid" ] || { fail "$how: there is no rank $victim to lose"; kill $launcher; return; }
    begin=$SECONDS
    kill "-$how" $pid
    wait $launcher
    status=$?
    waited=$((SECONDS - begin))
    [ $status -eq 75 ] || fail "$how, $2: exit status $status instead of 75: $(cat err.txt)"
    [ $waited -le $((timeout + 10)) ] || fail "$how, $2: the end took $waited s"
    sleep 0.2
    [ -z "$(ranks_of "$run")" ] || fail "$how, $2: ranks are still there: $(ranks_of "$run")"
    case $how in
    STOP) wanted='In step [0-9]+ of epoch [0-9]+, rank '$((1 - victim))' on [^ ]+ has waited .* rank '$victim' on ' ;;
    *) wanted='Rank '$victim' on [^ ]+ was lost in step [0-9]+ of epoch [0-9]+; .*--resume' ;;
    esac
    contains "$(cat err.txt)" "$wanted" "$how, $2: what stderr says"
    # Where it stood, one process goes on, to the same bits as one that was alone from the start.
    expect 0 train --resume "$run" -q
    same_file reference/last.safetensors "$run/last.safetensors"
    echo "$how of rank $victim of $2: ended after $waited s"
}
expect 0 train shapes $long --batch_size 16 --run_dir reference -q
for which in $found_mpis; do
    for how in $hows; do
        for _ in $(seq "$losses"); do
            lose $how "$which"
        done
    done
done

# The same, restarted without anybody's help.
"$SQUEEZENET" train shapes $long --worker_num 2 --mpi $mpi --max_restarts 1 \
    --run_dir again -q 2>err.txt &
launcher=$!
for _ in $(seq 600); do
    [ -e again/last.safetensors ] && break
    sleep 0.05
done
kill -KILL $(rank_pid again 1)
wait $launcher
status=$?
[ $status -eq 0 ] || fail "with --max_restarts 1 the status is $status: $(cat err.txt)"
same_file reference/last.safetensors again/last.safetensors

# A signal to the launcher: the ranks finish their step and save.
"$SQUEEZENET" train shapes $long --worker_num 2 --mpi $mpi --run_dir stopped -q 2>err.txt &
launcher=$!
for _ in $(seq 600); do
    [ -e stopped/last.safetensors ] && break
    sleep 0.05
done
kill -INT $launcher
wait $launcher
status=$?
[ $status -eq 75 ] || fail "after SIGINT the status is $status: $(cat err.txt)"
contains "$(cat err.txt)" 'Stopped in epoch' "stderr after SIGINT"

# An image that does not decode, on whichever rank: one sentence, the same status.
cp -r shapes broken
victim=$(find broken/train -type f | sort | tail -1)
head -c 200 "$victim" >short && cp short "$victim"
expect_ranks 65 $mpi 2 train broken $common --batch_size 8 --run_dir broken-run -q
[ "$(grep -c '^squeezenet: ' err.txt)" -eq 1 ] || fail "not one sentence: $(cat err.txt)"
expect 0 train broken $common --batch_size 16 --on_bad skip --run_dir skip-one -q
expect_ranks 0 $mpi 2 train broken $common --batch_size 8 --on_bad skip --run_dir skip-ranks -q
same_end skip-one skip-ranks

# Ranks with unequal recipes or data refuse to begin.
# two COMMAND0 COMMAND1: one rank each.
two() {
    case $mpi in
    openmpi) mpirun.openmpi --oversubscribe -n 1 $1 : -n 1 $2 2>err.txt ;;
    mpich) mpirun.mpich -n 1 $1 : -n 1 $2 2>err.txt ;;
    esac
    status=$?
}
base="$SQUEEZENET train shapes $common --batch_size 8 -q --run_dir"
two "$base unequal" "$base unequal --seed 7"
[ $status -eq 78 ] || fail "unequal seeds end with $status: $(cat err.txt)"
contains "$(cat err.txt)" 'Rank 1 on .* has another recipe' "stderr of unequal ranks"
rm -rf unequal
two "$base unequal" "${base/shapes/broken} unequal"
[ $status -eq 78 ] || fail "unequal data ends with $status: $(cat err.txt)"
contains "$(cat err.txt)" 'Rank 1 on .* has other (training|validation) images' "stderr of unequal ranks"

# One that never comes: the other does not wait for ever in MPI_Init.
begin=$SECONDS
two "$base alone --comm_timeout $timeout" "sleep 60"
[ $status -ne 0 ] && [ $((SECONDS - begin)) -le $((timeout + 10)) ] ||
    fail "without rank 1 the status is $status after $((SECONDS - begin)) s: $(cat err.txt)"
contains "$(cat err.txt)" "At the start, rank 0 on [^ ]+ has waited $timeout s for the other ranks" \
    "stderr of a rank alone"

# A rank on a lesser SIMD level takes all down to it, and the checkpoint says so.
two "$base lesser" "env SQUEEZENET_CPU=ref $base lesser"
[ $status -eq 0 ] || fail "unequal SIMD levels end with $status: $(cat err.txt)"
SQUEEZENET_CPU=ref expect 0 train shapes $common --batch_size 16 --run_dir ref -q
same_end ref lesser

# A disk that is full, as rank 0 sees it.
if mkdir full && mount -t tmpfs -o size=6m tmpfs full 2>/dev/null; then
    cleanup_commands+=("umount $PWD/full")
    expect_ranks 73 $mpi 2 train shapes $common --batch_size 8 --run_dir full/run -q
    [ "$(grep -c '^squeezenet: ' err.txt)" -eq 1 ] || fail "not one sentence: $(cat err.txt)"
else
    skip "a full disk: no right to mount one"
fi
finish
