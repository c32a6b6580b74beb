# Bad input: one sentence that names the thing, the right exit status, nothing half-written.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
image=shapes/val/$(ls shapes/val | head -1)/$(ls shapes/val/* | grep png | head -1)
run info squeezenet1_1 --json
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
model=run/best.safetensors

# the command line and the recipe
printf 'batch_sise: 3\n' >misspelt.yaml
expect_error 78 'misspelt.yaml, line 1.*batch_sise.*batch_size' train shapes -c misspelt.yaml
printf 'batch_size: [1, 2\n' >broken.yaml
expect_error 78 'broken.yaml' train shapes -c broken.yaml
printf 'lr: fast\n' >word.yaml
expect_error 78 'lr' train shapes -c word.yaml
: >empty.yaml
expect_error 78 'empty.yaml' train shapes -c empty.yaml
expect_error 66 'none.yaml' train shapes -c none.yaml
expect_error 78 'a policy begins with' train shapes --auto_augment randaugment-m9

# files that are not there, are directories, are empty or cut off
expect_error 66 'missing.safetensors' info missing.safetensors
expect_error 65 'shapes' info shapes
: >empty.safetensors
expect_error 65 'empty.safetensors' info empty.safetensors
head -c 100000 $model >cut.safetensors
expect_error 65 'cut.safetensors' info cut.safetensors
head -c 20 $model >stub.safetensors
expect_error 65 'stub.safetensors' predict stub.safetensors "$image"
printf 'hello, this is no model' >text.ckpt
expect_error 65 'text.ckpt' info text.ckpt
expect_error 66 'nowhere' train nowhere
expect_error 66 'README.md.*directory' train "$SQZ_SOURCE/README.md"
mkdir nothing
expect_error 65 'nothing' train nothing
expect_error 2 'resume|nowhere|no' info --resume nowhere

# MindCV's validate names the model by an option; a second word is the dataset
expect 0 validate $model --data_dir shapes
whole=$out
expect 0 validate $model shapes
[ "$out" = "$whole" ] || fail "validate MODEL DIR says: $out"
expect 0 validate --data_dir shapes --ckpt_path $model
[ "$out" = "$whole" ] || fail "validate --ckpt_path says: $out"
expect_error 2 'Something is missing' validate --data_dir shapes

# A run directory where a model is wanted: its best checkpoint, else its last.
expect 0 predict run "$image" --json
best=$out
expect 0 predict run/best.safetensors "$image" --json
[ "$out" = "$best" ] || fail "predict RUN_DIR says: $best"
mkdir only_last
cp run/last.safetensors only_last/
for dir in run only_last; do
    expect 0 validate $dir shapes
    expect 0 info $dir
    expect 0 predict $dir "$image" --low_memory
    expect 0 compress $dir -o $dir.sqz --method lossless
    expect 0 convert $dir $dir.onward.safetensors
    expect 0 bench $dir --seconds 0.1
done
mkdir without
expect_error 65 'neither best.safetensors nor last.safetensors' predict without "$image"
expect_error 65 'neither best.safetensors nor last.safetensors' predict without "$image" --low_memory
expect_error 65 'neither best.safetensors nor last.safetensors' info without

# images
printf 'no image' >text.jpg
expect 65 predict $model text.jpg "$image"
contains "$err" 'text.jpg' "the sentence on text.jpg"
contains "$out" '%' "the other image's classes"
expect 65 predict $model text.jpg "$image" missing.jpg --json
contains "$out" '"error":' "the JSON of text.jpg"
contains "$out" '"probability":' "the JSON of the other image"
expect_error 2 'No image' predict $model

# classes
cp -r shapes strange
first=$(ls shapes/val | head -1)
mv "strange/val/$first" strange/val/zebra_crossing
expect_error 65 'zebra_crossing' validate $model --data_dir strange
printf 'one\ntwo\n' >two.txt
expect_error 65 'two.txt' predict $model "$image" --classes two.txt

# writing
cp $model copy.safetensors
expect_error 73 'copy.safetensors.*--force' convert $model copy.safetensors
expect 0 convert $model copy.safetensors -f
expect_error 2 'safetensors' convert $model copy.xyz
expect_error 73 'run' train shapes $tiny --run_dir run --epoch_size 1
cp -r shapes broken
for file in broken/train/*/*.png; do head -c 100 "$file" >cut && mv cut "$file"; done
expect_error 65 'broken' train broken $tiny --run_dir failed --epoch_size 1 --max_steps 1
[ -e failed/recipe.yaml ] || fail "the failed run left no recipe.yaml: $(ls -A failed)"
rm -r broken
cp -r shapes broken
expect 0 train broken $tiny --run_dir failed --epoch_size 1 --max_steps 1
expect_error 73 'nowhere' convert $model nowhere/copy.safetensors
expect 0 data synth other --train_per_class 1 --val_per_class 1
expect_error 73 'other' data synth other

# a full disk and a read-only one
if mkdir small && mount -t tmpfs -o size=2m tmpfs small 2>/dev/null; then
    cleanup_commands+=("umount $work/small")
    expect_error 73 'small/m.safetensors' convert $model small/m.safetensors
    [ -z "$(ls -A small)" ] || fail "something half-written is left: $(ls -A small)"
    run train shapes $tiny --epoch_size 1 --run_dir small/run -q
    [ "$status" -eq 73 ] || fail "exit status $status instead of 73 on a full disk: $err"
    contains "$err" 'small/run' "the sentence on the full disk"
    [ -z "$(find small -name '*.safetensors*')" ] || fail "a half-written model: $(find small)"
    mount -o remount,ro small
    expect_error 73 'small' convert $model small/m.safetensors
    expect_error 73 'small' train shapes $tiny --run_dir small/other --epoch_size 1
else
    skip "full and read-only disk: no privilege to mount a tmpfs"
fi

# Ranks without an MPI: everything else works, and asking for them says what to install.
export SQUEEZENET_MODULES=$work/nowhere
expect_error 78 'install openmpi-bin and libopenmpi-dev' train shapes --worker_num 2
expect_error 78 'install mpich and libmpich-dev' train shapes --worker_num 2 --mpi mpich
OMPI_COMM_WORLD_SIZE=2 expect_error 78 'install libopenmpi-dev' train shapes $tiny
unset SQUEEZENET_MODULES
expect_error 2 'mpirun -n 2' bench --task allreduce
expect_error 2 'none and batch' bench --task train --norm layer
finish
