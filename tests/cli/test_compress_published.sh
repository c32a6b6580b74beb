# The sizes of the published weights (docs/compression.md), and one short one-shot run.
. "$(dirname "$0")/lib.sh"
weights=$(test_data weights) || exit 77
images=$(test_data imagenet-samples) || exit 77
[ -z "$sanitized" ] || { skip "too slow with a sanitizer"; exit 77; }

at_most() { # BYTES
    local size
    size=$(jq .bytes_without_class_names out.txt)
    [ "$size" -le "$1" ] || fail "$size bytes instead of $1"
}
net=$weights/compressed_SqueezeNet.net
expect 0 compress "$net" -o lossless.sqz --method lossless --json
at_most 535000
expect 0 convert "$net" a.safetensors
expect 0 convert lossless.sqz b.safetensors
same_file a.safetensors b.safetensors
expect 0 compress "$net" -o h.sqz --method deep --huffman --json
at_most 376000
expect 0 compress "$net" -o r.sqz --method deep --json
at_most 350000

expect 0 convert "$weights/squeezenet_v1.1.ncnn.param" v11.safetensors --classes "$images/synset_words.txt"
expect 0 compress v11.safetensors -o v11.sqz --calibrate "$images/val" --images 40 --size 450kB --json
at_most 450000
expect 0 validate v11.sqz --against v11.safetensors --data_dir "$images" --require kl=0.08,top1=0.61
finish
