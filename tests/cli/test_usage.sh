# Help, version, and what a mistyped word gets.
. "$(dirname "$0")/lib.sh"

expect 0 help
overview=$out
for command in train validate calibrate predict compress convert info data bench serve; do
    contains "$overview" "^  $command" "the help"
    expect 0 help $command
    contains "$out" "squeezenet $command" "the examples of $command"
    expect 0 $command --help
done
for missing in tune; do
    run help
    ! grep -q "^  $missing" out.txt || fail "the help lists $missing, which does not exist yet"
    expect_error 2 'There is no command' $missing
done
expect 0 --version
contains "$out" '^squeezenet [0-9]+\.[0-9]+\.[0-9]+$' "the version"
expect 2
expect 0 help options
diff -u "$SQZ_SOURCE/docs/options.md" out.txt ||
    fail "docs/options.md is not what \"squeezenet help options\" prints; write it again"
expect_error 2 'did you mean "train"' trian
expect_error 2 'did you mean --batch_size' train --batch_sise 3 .
expect_error 2 'did you mean --model\?' train --modle squeezenet1_0 .
while read -r command typed meant; do # what other programs call it, in each command's own words
    expect_error 2 "no option --$typed; did you mean --$meant\?" $command --$typed 3 m
done <<'end'
train epochs epoch_size
train num_epochs epoch_size
train imgsz image_resize
train learning_rate lr
train lr0 lr
train batch batch_size
train pictures data_dir
train weights ckpt_path
validate batch batch_size
compress epoch_size epochs
compress num_epochs epochs
compress data_dir calibrate
compress pictures images
compress out output
predict topk top
predict source data_dir
predict workers threads
bench batch_size batch
bench imgsz image_size
bench pictures images
end
printf 'epochs: 3\n' >other.yaml
expect_error 78 'did you mean epoch_size' train . -c other.yaml
expect_error 2 'did you mean --classes' predict m --clases x y
expect_error 2 'no option -z' predict -z
expect_error 2 'needs a value' train --lr
expect_error 2 'takes no value' info --json=3
expect_error 2 'batch_size' train --batch_size many .
expect_error 2 'Something is missing' convert one
expect_error 2 'one word too many' train a b
expect_error 2 'from 1 to' predict m i -k 0

expect 0 info
contains "$out" 'squeezenet1_0_complex' "info"
expect 0 info --json
contains "$out" '"simd":"(ref|avx2|avxvnni|avx512|avx512vnni|amx|neon|neondot)"' "info --json"
expect 0 info squeezenet1_0
contains "$out" '1248424' "info squeezenet1_0"
expect 0 info squeezenet1_1 --num_classes 10 --json
contains "$out" '"parameters":727626' "info squeezenet1_1 of 10 classes"
expect_error 2 'smallest|at least' info squeezenet1_1 --image_size 5
finish
