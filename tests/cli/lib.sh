# Helpers of the command-line tests. Each test runs in a fresh directory that goes away at the end.
set -u
: "${SQUEEZENET:?is set by CTest}"
: "${SQZ_SOURCE:?is set by CTest}"
work=$(mktemp -d)
cleanup_commands=()
cleanup() {
    for command in "${cleanup_commands[@]:-}"; do eval "$command"; done
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache
failures=0
sanitized=${SQZ_SANITIZED:-}

fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

skip() {
    echo "SKIPPED, NOT TESTED: $*" >&2
}

# run ARGS...: the program; its streams in $out and $err, its status in $status.
run() {
    "$SQUEEZENET" "$@" >out.txt 2>err.txt </dev/null
    status=$?
    out=$(cat out.txt)
    err=$(cat err.txt)
    if grep -q 'Sanitizer\|runtime error:' err.txt; then
        cat err.txt >&2
        fail "a sanitizer complained about: squeezenet $*"
    fi
}

# expect STATUS ARGS...
expect() {
    local wanted=$1
    shift
    run "$@"
    if [ "$status" -ne "$wanted" ]; then
        fail "exit status $status instead of $wanted: squeezenet $*"
        sed 's/^/    /' err.txt >&2
    fi
}

# expect_error STATUS PATTERN ARGS...: one sentence on stderr that matches, nothing on stdout.
expect_error() {
    local wanted=$1 pattern=$2
    shift 2
    expect "$wanted" "$@"
    if ! grep -qE -- "$pattern" err.txt; then
        fail "stderr does not match \"$pattern\": squeezenet $*"
        sed 's/^/    /' err.txt >&2
    fi
    [ "$(grep -c '^squeezenet: ' err.txt)" -eq 1 ] || fail "not exactly one sentence: $err"
    [ -z "$out" ] || fail "stdout is not empty: $out"
}

contains() { # TEXT PATTERN WHAT
    grep -qE -- "$2" <<<"$1" || fail "$3 does not match \"$2\": $1"
}

same_file() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# Where the shared real data is; says so and fails where it is not.
test_data() {
    local path=${SQUEEZENET_TEST_DATA:-$SQZ_SOURCE/../shared/data}/$1
    if [ ! -e "$path" ]; then
        skip "$path is not there (set SQUEEZENET_TEST_DATA)"
        return 1
    fi
    echo "$path"
}

# A small synthetic dataset in ./shapes, small enough for seconds of training.
make_shapes() {
    "$SQUEEZENET" data synth shapes --train_per_class "${1:-16}" --val_per_class "${2:-4}" -q ||
        fail "data synth"
}
# At this rate some of these networks die, which is no matter for what the tests look at.
tiny="--image_resize 32 --batch_size 16 --lr 0.01 --scheduler constant --warmup_epochs 0 --num_parallel_workers 2"
tiny+=" --stop_dead_start false"

# history.csv without its timing columns (seconds, images_per_second).
history() {
    cut -d, -f1-7 "$1/history.csv"
}

finish() {
    [ "$failures" -eq 0 ] || exit 1
    echo "all right"
    exit 0
}
