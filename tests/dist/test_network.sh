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

# left: processes of the program on the hosts.
left() {
    local i pid
    for i in 1 2 3; do
        for pid in $(ip netns pids $net-$i); do
            [ "$(readlink /proc/"$pid"/exe)" = "$(readlink -f "$SQUEEZENET")" ] && echo "$pid"
        done
    done
}

long="$tiny --epoch_size 400 --batch_size 8 --save_steps 2 --comm_timeout 4"
for how in cable kill; do
    on_hosts 2 train shapes $long --run_dir $how -q 2>err.txt >out.txt &
    launcher=$!
    for _ in $(seq 600); do
        [ -e $how/last.safetensors ] && break
        sleep 0.05
    done
    begin=$SECONDS
    case $how in
    cable) cut_cable 2 ;;
    kill) for pid in $(left); do
        [ "$(ip netns identify "$pid")" = $net-2 ] && kill -KILL "$pid"
    done ;;
    esac
    while [ -n "$(left)" ] && [ $((SECONDS - begin)) -lt 20 ]; do sleep 0.2; done
    waited=$((SECONDS - begin))
    [ $waited -le 14 ] || fail "$how: after $waited s there are still ranks"
    [ $how = kill ] || contains "$(cat err.txt)" 'rank 0 on h1 .* rank 1 on h2' "$how: what stderr says"
    for pid in $(ip netns pids $net-1) $(ip netns pids $net-2); do kill -KILL "$pid" 2>/dev/null; done
    wait $launcher
    ip netns exec $net-sw ip link set p2 up
    expect 0 train --resume $how --max_steps 30 -q
    [ -e longer ] || expect 0 train shapes ${long/--batch_size 8/--batch_size 16} --max_steps 30 --run_dir longer -q
    same_file longer/last.safetensors $how/last.safetensors
    echo "$how: ranks gone after $waited s"
done
finish
