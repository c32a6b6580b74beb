# Hosts as network namespaces on a switch, with shaped links; for the tests and for bench/scaling.
# Sourced after lib.sh. Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN).
net=sqz$$

can_make_hosts() {
    ip netns add $net-try 2>/dev/null && ip netns del $net-try && unshare -u true 2>/dev/null
}

# make_hosts N: namespaces $net-1 .. $net-N with addresses 10.77.0.1 .. N, all on one switch.
make_hosts() {
    local i
    hosts=$1
    ip netns add $net-sw
    ip netns exec $net-sw ip link add sw type bridge
    ip netns exec $net-sw ip link set sw up
    for i in $(seq "$1"); do
        ip netns add $net-$i
        ip netns exec $net-sw ip link add p$i type veth peer name eth0 netns $net-$i
        ip netns exec $net-sw ip link set p$i master sw up
        ip netns exec $net-$i ip addr add 10.77.0.$i/24 dev eth0
        ip netns exec $net-$i ip link set eth0 up
        ip netns exec $net-$i ip link set lo up
    done
    # How mpirun gets to another host: "agent HOST COMMAND...", as with ssh.
    cat >agent <<AGENT
#!/bin/sh
while [ "\${1#-}" != "\$1" ]; do shift; done
host=\$1
shift
exec ip netns exec $net-\${host##*.} unshare -u sh -c "hostname h\${host##*.}; exec \"\\\$@\"" sh sh -c "\$*"
AGENT
    chmod +x agent
    for i in $(seq "$1"); do echo "10.77.0.$i slots=1"; done >hosts.openmpi
}

# Both directions of every link; tbf's bucket has to hold what a timer tick lets through.
shape() {
    local i burst=${2:-256kb}
    for i in $(seq "$hosts"); do
        ip netns exec $net-$i tc qdisc replace dev eth0 root tbf rate "$1" burst "$burst" latency 50ms
        ip netns exec $net-sw tc qdisc replace dev p$i root tbf rate "$1" burst "$burst" latency 50ms
    done
}

# delay MICROSECONDS: each way between hosts 1 and 2, instead of a shape; sets $delayed_by. By netem
# or, where the kernel has none, by a process that relays between their cables.
delay() {
    local i
    delayed_by=netem
    for i in 1 2; do
        ip netns exec $net-sw tc qdisc del dev p$i root 2>/dev/null
        ip netns exec $net-$i tc qdisc replace dev eth0 root netem delay "$1us" 2>/dev/null ||
            delayed_by=relay
    done
    [ $delayed_by = relay ] || return 0
    "${CC:-cc}" -O2 -o relay "$SQZ_SOURCE/tests/dist/relay.c" || return 1
    for i in 1 2; do
        ip netns exec $net-$i tc qdisc del dev eth0 root 2>/dev/null
        ip netns exec $net-sw ip link set p$i nomaster
    done
    ip netns exec $net-sw ./relay p1 p2 "$1" &
    relay=$!
}

undelay() {
    local i
    if [ $delayed_by = relay ]; then
        kill $relay
        wait $relay 2>/dev/null
        for i in 1 2; do ip netns exec $net-sw ip link set p$i master sw; done
    fi
}

cut_cable() { # HOST
    ip netns exec $net-sw ip link set p"$1" down
}

# Plugs it in again, and waits until the first host is reached: until then MPICH's daemon finds no
# route, ends, and its mpirun waits for it for ever. A refused connection has arrived.
mend_cable() { # HOST
    ip netns exec $net-sw ip link set p"$1" up
    for _ in $(seq 100); do
        ip netns exec $net-"$1" timeout 2 bash -c ': </dev/tcp/10.77.0.1/9' 2>&1 | grep -q refused && return
        sleep 0.1
    done
    echo "host $1 does not reach host 1 again" >&2
}

drop_hosts() {
    local i pid
    for i in $(seq "$hosts") sw; do
        for pid in $(ip netns pids $net-$i 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
        ip netns del $net-$i 2>/dev/null
    done
}

# on_hosts N ARGS...: the program as one rank on each of the first N hosts, over TCP; by Open MPI, or
# by MPICH where $over says so.
on_hosts() {
    local n=$1
    shift
    if [ "${over:-openmpi}" = mpich ]; then
        ip netns exec $net-1 unshare -u sh -c 'hostname h1; exec "$@"' sh \
            mpirun.mpich -n "$n" -ppn 1 -hosts "$(seq -s, -f 10.77.0.%g "$n")" -launcher ssh \
            -launcher-exec "$PWD/agent" -iface eth0 -localhost 10.77.0.1 -genv UCX_TLS tcp,self \
            -genv UCX_NET_DEVICES eth0 "$SQUEEZENET" "$@"
        return
    fi
    head -n "$n" hosts.openmpi >hosts.now
    ip netns exec $net-1 unshare -u sh -c 'hostname h1; exec "$@"' sh \
        mpirun.openmpi -n "$n" --hostfile hosts.now --map-by node --bind-to none \
        --mca plm_rsh_agent "$PWD/agent" --mca plm_rsh_no_tree_spawn 1 --mca oob_tcp_if_include 10.77.0.0/24 \
        --mca btl tcp,self --mca pml ob1 --mca btl_tcp_if_include 10.77.0.0/24 \
        -x SQUEEZENET_THREADS "$SQUEEZENET" "$@"
}

# launch_on_hosts MPI N ARGS...: the same, started by --worker_num on host 1.
launch_on_hosts() {
    local mpi=$1 n=$2
    shift 2
    if [ "$mpi" = mpich ]; then
        seq -f '10.77.0.%g:1' "$n" >hosts.launch
    else
        head -n "$n" hosts.openmpi >hosts.launch
    fi
    HYDRA_LAUNCHER=ssh HYDRA_LAUNCHER_EXEC=$PWD/agent HYDRA_IFACE=eth0 UCX_TLS=tcp,self \
        UCX_NET_DEVICES=eth0 OMPI_MCA_plm_rsh_agent=$PWD/agent OMPI_MCA_plm_rsh_no_tree_spawn=1 \
        OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 OMPI_MCA_btl=tcp,self OMPI_MCA_pml=ob1 \
        OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 \
        ip netns exec $net-1 unshare -u sh -c 'hostname h1; exec "$@"' sh \
        "$SQUEEZENET" "$@" --worker_num "$n" --hostfile "$PWD/hosts.launch" --mpi "$mpi"
}
