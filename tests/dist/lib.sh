# Helpers of the tests with ranks.
. "$SQZ_SOURCE/tests/cli/lib.sh"

# The machine of a test may have fewer cores than ranks; every rank has one thread unless it says so.
export SQUEEZENET_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# mpis: those of openmpi and mpich that were built and can be started; says what is left out.
mpis() {
    local mpi
    for mpi in openmpi mpich; do
        if [ ! -e "$(dirname "$SQUEEZENET")/squeezenet_$mpi.so" ]; then
            skip "$mpi: this build has no module for it" 2>&3
        elif ! command -v mpirun.$mpi >/dev/null; then
            skip "$mpi: there is no mpirun.$mpi" 2>&3
        else
            echo $mpi
        fi
    done
}
exec 3>&2
found_mpis=$(mpis)
[ -n "$found_mpis" ] || { echo "SKIPPED, NOT TESTED: ranks, for want of an MPI"; exit 77; }
# Address and leak sanitizers find what MPI itself leaves allocated; ours are still looked for.
[ -z "$sanitized" ] || export ASAN_OPTIONS=detect_leaks=0

# mpirun_of MPI RANKS ARGS...: the program as this many ranks, started by hand.
mpirun_of() {
    local mpi=$1 ranks=$2
    shift 2
    case $mpi in
    openmpi) mpirun.openmpi -n "$ranks" --oversubscribe --bind-to none "$SQUEEZENET" "$@" ;;
    mpich) mpirun.mpich -n "$ranks" "$SQUEEZENET" "$@" ;;
    esac
}

# expect_ranks STATUS MPI RANKS ARGS...
expect_ranks() {
    local wanted=$1 mpi=$2 ranks=$3
    shift 3
    mpirun_of "$mpi" "$ranks" "$@" >out.txt 2>err.txt </dev/null
    status=$?
    if [ $status -ne "$wanted" ]; then
        fail "exit status $status instead of $wanted: $ranks ranks of $mpi: $*"
        sed 's/^/    /' err.txt >&2
    fi
    grep -q 'Sanitizer\|runtime error:' err.txt && fail "a sanitizer complained: $(cat err.txt)"
}

# same_end A B: the files of two runs are the same bits.
same_end() {
    same_file "$1/best.safetensors" "$2/best.safetensors"
    same_file "$1/last.safetensors" "$2/last.safetensors"
    [ "$(history "$1")" = "$(history "$2")" ] || fail "history.csv of $1 and $2 differ"
}

# Everything random on. A batch of 24 is divided by 1, 2, 3, 4 and 8 ranks; the leaves (8 of 3
# samples, and in the last, short batch others) are not.
# Without normalisation, whose groups follow from what one rank has unless they are given; and at a
# rate at which such a network lives: in a dead one most gradients are 0, and 0 is easily the same.
tiny="$tiny --norm none --lr 0.001"
random="--ema true --mixup 0.2 --cutmix 1 --drop_rate 0.3 --auto_augment randaug-m7-mstd0.5-inc1
    --re_prob 0.25 --re_value random --aug_repeats 2 --clip_grad true --clip_value 2
    --drop_remainder false --val_while_train true"
