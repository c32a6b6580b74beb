# The accuracy of published weights on real ImageNet images (docs/data.md).
. "$(dirname "$0")/lib.sh"
weights=$(test_data weights) || exit 77
images=$(test_data imagenet-samples) || exit 77

# bounds FIELD LOW HIGH
bounds() {
    local value
    value=$(jq ".$1" out.txt)
    awk -v v="$value" -v a="$2" -v b="$3" 'BEGIN { exit !(v >= a && v <= b) }' ||
        fail "$1 is $value, not within $2 .. $3"
}

expect 0 convert "$weights/squeezenet_v1.1.ncnn.param" v11.safetensors --classes "$images/synset_words.txt"
expect 0 convert "$weights/compressed_SqueezeNet.net" v10.safetensors --classes "$images/synset_words.txt"
expect 0 convert "$weights/squeezenet_v1.1.ncnn.bin" again.safetensors --classes "$images/synset_words.txt"
same_file v11.safetensors again.safetensors
image=$(ls "$images"/val/*/*.JPEG | head -1)
expect 0 predict v11.safetensors "$image" --json
cp out.txt resident.txt
expect 0 predict v11.safetensors "$image" --json --low_memory
same_file out.txt resident.txt
expect 0 predict v10.safetensors "$image"
[ -z "$sanitized" ] || finish
# The weights stay in the file: 10 MB of memory, all libraries included, where they alone take 5.
expect 0 bench v11.safetensors --task start --image "$image" --low_memory --seconds 1 --json
bounds rss_mb 4 10
# 500 images: one more or less is 0.002.
expect 0 validate v11.safetensors --data_dir "$images" --json
bounds samples 500 500
bounds Top_1_Accuracy 0.658 0.662
bounds Top_5_Accuracy 0.856 0.860
bounds loss 1.458 1.478
expect 0 validate v10.safetensors --data_dir "$images" --json
bounds Top_1_Accuracy 0.640 0.644
bounds Top_5_Accuracy 0.840 0.844
finish
