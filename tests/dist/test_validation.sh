# Validation: the same text, once, and the same confusion matrix, whatever the ranks; of drawn images
# and, where they lie here, of 500 real ones with published weights.
. "$SQZ_SOURCE/tests/dist/lib.sh"
make_shapes 8 4
expect 0 train shapes $tiny --epoch_size 2 --run_dir one -q

# on_ranks NAME RANKS ARGS...: both MPIs say and write what one process does.
on_ranks() {
    local name=$1 all=$2 mpi ranks whole
    shift 2
    expect 0 validate "$@" --confusion "$name.csv"
    whole=$out
    for mpi in $found_mpis; do
        for ranks in $all; do
            expect_ranks 0 $mpi "$ranks" validate "$@" --confusion "$name-$mpi$ranks.csv"
            [ "$(cat out.txt)" = "$whole" ] || fail "$name on $ranks ranks says: $(cat out.txt)"
            same_file "$name.csv" "$name-$mpi$ranks.csv"
        done
    done
    echo "$name, on 1 and on $all ranks: $whole"
}
on_ranks drawn "2 3 7" one/best.safetensors --data_dir shapes

images=$(test_data imagenet-samples) && weights=$(test_data weights/squeezenet_v1.1.ncnn.param) &&
    [ -z "$sanitized" ] &&
    on_ranks real "2 3 7" "$weights" --data_dir "$images" --classes "$images/synset_words.txt" --json
finish
