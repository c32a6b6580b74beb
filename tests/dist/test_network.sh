# Ranks on hosts of their own, with a real network between them: the same bits at any speed; a cable
# that is cut and a killed rank end the job.
. "$SQZ_SOURCE/tests/dist/lib.sh"
. "$SQZ_SOURCE/tests/dist/network.sh"
if ! can_make_hosts; then
    echo "SKIPPED, NOT TESTED: ranks across network namespaces; this needs root and ip netns"
    exit 77
fi
if [ -n "$sanitized" ]; then
    echo "SKIPPED, NOT TESTED: ranks across network namespaces, sanitized; the release build does it"
    exit 77
fi
case $found_mpis in
openmpi*) ;;
*) echo "SKIPPED, NOT TESTED: ranks across network namespaces; this needs Open MPI"; exit 77 ;;
esac
cleanup_commands+=(drop_hosts)
make_shapes 16 2
make_hosts 3
common="$tiny $random --epoch_size 2"
expect 0 train shapes $common --batch_size 24 --run_dir one -q
for link in 1gbit 10gbit; do
    shape $link $([ $link = 1gbit ] && echo 256kb || echo 6mb)
    case $found_mpis in
    *mpich*)
        over=mpich on_hosts 3 train shapes $common --batch_size 8 --run_dir mpich$link -q 2>err.txt ||
            fail "3 hosts at $link, MPICH: $(cat err.txt)"
        same_end one mpich$link
        ;;
    esac
    for n in 2 3; do
        on_hosts $n train shapes $common --batch_size $((24 / n)) --run_dir $link$n -q 2>err.txt ||
            fail "$n hosts at $link: $(cat err.txt)"
        same_end one $link$n
    done
    echo "links of $link by tbf: 2 and 3 hosts"
done
for us in 100 1000; do
    delay $us || fail "no delay of $us us"
    on_hosts 2 train shapes $common --batch_size 12 --run_dir slow$us -q 2>err.txt ||
        fail "with $us us: $(cat err.txt)"
    same_end one slow$us
    echo "links of $us us each way by $delayed_by: 2 hosts"
    undelay
done
shape 1gbit

# left [all]: processes of the program on the hosts; all: of mpirun and its daemons, too.
left() {
    local i pid
    for i in 1 2 3; do
        for pid in $(ip netns pids $net-$i); do
            [ "$(readlink /proc/"$pid"/exe)" = "$(readlink -f "$SQUEEZENET")" ] || [ "${1:-}" = all ] &&
                grep -q '^State:[[:space:]]*[^Z]' /proc/"$pid"/status 2>/dev/null && echo "$pid"
        done
    done
}

# $SQZ_LOSSES: how often each, at moments from a fixed sequence; $SQZ_HOWS: only these.
losses=${SQZ_LOSSES:-1}
timeout=4 draw=12345
long="$tiny --epoch_size 60 --save_steps 2 --comm_timeout $timeout"
expect 0 train shapes $long --batch_size 16 --max_steps 400 --run_dir reference -q

# lose HOW MPI ARGS...: loses host 2, or its rank, in the middle of a run; sets $status, $waited.
lose() {
    local how=$1 mpi=$2 run=lost begin launcher pid
    shift 2
    rm -rf $run
    launch_on_hosts $mpi 2 train shapes $long --batch_size 8 --run_dir $run -q "$@" 2>err.txt >out.txt &
    launcher=$!
    for _ in $(seq 600); do
        [ -e $run/last.safetensors ] && break
        sleep 0.05
    done
    draw=$(((draw * 1103515245 + 12345) % 2147483648))
    [ "$losses" = 1 ] || sleep "0.$(printf '%03d' $((draw / 65536 % 1000)))"
    begin=$SECONDS
    case $how in
    cable) cut_cable 2 ;;
    kill) for pid in $(left); do
        [ "$(ip netns identify "$pid")" = $net-2 ] && kill -KILL "$pid"
    done ;;
    esac
    wait $launcher
    status=$?
    while [ -n "$(left all)" ] && [ $((SECONDS - begin)) -lt 30 ]; do sleep 0.2; done
    waited=$((SECONDS - begin))
    [ -z "$(left all)" ] || kill -KILL $(left all)
    mend_cable 2
}

for mpi in $found_mpis; do
    for how in ${SQZ_HOWS:-cable kill}; do
        for _ in $(seq "$losses"); do
            lose $how $mpi
            [ $status -eq 75 ] || fail "$how, $mpi: exit status $status instead of 75: $(cat err.txt)"
            [ $waited -le $((timeout + 10)) ] || fail "$how, $mpi: the end took $waited s"
            [ $how = kill ] || contains "$(cat err.txt)" \
                'step [0-9]+ of epoch [0-9]+, rank 0 on h1 (has waited|cannot reach) .*rank 1 on h2' \
                "$how, $mpi: what stderr says"
            expect 0 train --resume lost --max_steps 400 -q
            same_file reference/last.safetensors lost/last.safetensors
            echo "$how, $mpi: all processes gone after $waited s"
        done
    done
    # Host 2 is gone for good: what is left of the run goes on without it.
    lose cable $mpi --max_restarts 1 --max_steps 400
    [ $status -eq 0 ] || fail "without host 2 the restart ends with $status: $(cat err.txt)"
    contains "$(cat err.txt)" 'No answer from 10.77.0.2: .* with 1 instead of 2 ranks' "$mpi: the restart"
    same_file reference/last.safetensors lost/last.safetensors
    echo "$mpi: restarted without host 2"

    # It does not answer at the start: mpirun itself would wait for ever.
    cut_cable 2
    begin=$SECONDS
    launch_on_hosts $mpi 2 train shapes $long --batch_size 8 --run_dir late -q 2>err.txt >out.txt
    status=$?
    waited=$((SECONDS - begin))
    [ $status -eq 75 ] || fail "$mpi, a start without host 2: status $status: $(cat err.txt)"
    [ $waited -le $((timeout + 25)) ] || fail "$mpi, a start without host 2: the end took $waited s"
    contains "$(cat err.txt)" 'not all started after 4 s: no answer from 10.77.0.2' \
        "$mpi: what stderr says of a start without host 2"
    mend_cable 2
    echo "$mpi: a start without host 2 ended after $waited s"
done
finish
