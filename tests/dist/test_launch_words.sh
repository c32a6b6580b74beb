# What is typed reaches the ranks as words that no mpirun takes for its own: a ":" began another
# program, which was started.
. "$SQZ_SOURCE/tests/dist/lib.sh"
make_shapes 4 2
printf '#!/bin/sh\ntouch "%s/started"\n' "$work" >prog
chmod +x prog

# Both MPIs for real.
for mpi in $found_mpis; do
    rm -rf ./: ./-np
    cp -r shapes ./:
    expect 0 train --worker_num 2 --mpi $mpi $tiny --epoch_size 1 -q --run_dir ./r-$mpi : --max_steps 2
    [ -e r-$mpi/best.safetensors ] || fail "$mpi: the directory named : was not trained on"
    mv ./: ./-np
    expect 0 train --worker_num 2 --mpi $mpi $tiny --epoch_size 1 --max_steps 2 -q --run_dir : -- -np
    [ -e :/best.safetensors ] || fail "$mpi: no run directory named :"
    run train --worker_num 2 --mpi $mpi --epoch_size 1 --run_dir : ./prog
    run train --worker_num 2 --mpi $mpi --epoch_size 1 shapes --hostfile : ./prog
    [ ! -e started ] || fail "$mpi started ./prog"
done

# Word by word, with an mpirun that notes them.
mpi=${found_mpis%%$'\n'*}
mkdir bin
printf '#!/bin/sh\nfor word; do echo "$word"; done >"%s/words"\n' "$work" >bin/mpirun.$mpi
chmod +x bin/mpirun.$mpi
PATH=$work/bin:$PATH expect 0 train --worker_num 2 --mpi $mpi -q --seed 3 --ema --run_dir : \
    --drop_remainder no -f -- --mca
sed '1,/^train$/d' words >ours
printf '%s\n' --worker_num=2 --mpi=$mpi --quiet --seed=3 --ema=true --run_dir=: \
    --drop_remainder=no --overwrite ./--mca --distribute=true | cmp -s - ours ||
    fail "mpirun was handed: $(cat ours)"
finish
