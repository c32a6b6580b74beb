# data pack and data imagenet: what they write is read like the directories that it came from.
. "$(dirname "$0")/lib.sh"
make_shapes 24 4

# A pack is a dataset everywhere: the same images (small files are kept as they are), the same
# training.
expect 0 data pack shapes shapes.pack
contains "$(cat out.txt)" '280 images, 0 of them shrunk' "data pack"
expect 73 data pack shapes shapes.pack
contains "$(cat err.txt)" 'force' "data pack over a file"
expect 0 data pack shapes shapes.pack --force
expect 0 train shapes $tiny --epoch_size 1 --val_while_train true --run_dir by-dir -q
expect 0 train shapes.pack $tiny --epoch_size 1 --val_while_train true --run_dir by-pack -q
same_file by-dir/best.safetensors by-pack/best.safetensors
expect 0 validate by-dir/best.safetensors --data_dir shapes --json
cp out.txt dir.json
expect 0 validate by-dir/best.safetensors --data_dir shapes.pack --json
same_file dir.json out.txt
expect 0 predict by-dir/best.safetensors --data_dir shapes.pack --samples 2
expect 0 data pack shapes raw.pack --raw --shorter 12
contains "$(cat out.txt)" '280 of them shrunk' "data pack --raw"
expect 0 train raw.pack $tiny --epoch_size 1 --run_dir run-raw -q
expect 0 data check shapes.pack
contains "$(cat out.txt)" '280 images in 10 classes; 0 corrupt' "data check of a pack"

# Without splits the pack is divided by the same names as the directory.
expect 0 data pack shapes/train train.pack
expect 0 train shapes/train $tiny --epoch_size 1 --run_dir divided-dir -q
expect 0 train train.pack $tiny --epoch_size 1 --run_dir divided-pack -q
same_file divided-dir/best.safetensors divided-pack/best.safetensors

# Damage.
size=$(stat -c %s shapes.pack)
head -c $((size - 9)) shapes.pack >cut.pack
expect 65 train cut.pack $tiny -q
contains "$(cat err.txt)" 'damaged packed dataset' "a cut pack"
cp shapes.pack flipped.pack
printf 'X' | dd of=flipped.pack bs=1 seek=5000 conv=notrunc 2>/dev/null
expect 65 data check flipped.pack
contains "$(cat err.txt)" 'checksum' "a pack with a wrong byte"

# A damaged image stops the packing, or is left out.
cp -r shapes damaged
victim=$(find damaged/train -type f | sort | head -1)
head -c 200 "$victim" >x && mv x "$victim"
expect_error 65 'damaged PNG' data pack damaged damaged.pack
[ ! -e damaged.pack ] || fail "a pack of a damaged image"
expect 0 data pack damaged damaged.pack --on_bad skip
contains "$out" '279 images' "data pack --on_bad skip"
contains "$err" "$victim" "data pack --on_bad skip"
expect 0 data check damaged.pack
contains "$out" '279 images in 10 classes; 0 corrupt' "what it packed"
expect_error 2 'stop or skip' data pack damaged other.pack --on_bad maybe
expect_error 65 'damaged PNG' compress by-dir/best.safetensors -o c.sqz --int8 --calibrate damaged/train/"$(basename "$(dirname "$victim")")"
expect 0 compress by-dir/best.safetensors -o c.sqz --int8 --on_bad skip \
    --calibrate damaged/train/"$(basename "$(dirname "$victim")")"
contains "$err" '1 of the images could not be decoded' "compress --on_bad skip"

# ImageNet's three archives in small.
fixtures=$SQZ_SOURCE/tests/fixtures
mkdir -p t v
i=0
for wnid in n01440764 n02100735 n02119789; do
    mkdir $wnid
    for k in 1 2 3; do
        i=$((i + 1))
        cp "$fixtures/images/420.jpg" $wnid/${wnid}_$k.JPEG
    done
    tar -cf t/$wnid.tar -C $wnid ${wnid}_1.JPEG ${wnid}_2.JPEG ${wnid}_3.JPEG
    rm -r $wnid
done
for k in 1 2 3 4 5; do
    cp "$fixtures/images/422.jpg" v/ILSVRC2012_val_0000000$k.JPEG
done
tar -cf train.tar -C t n01440764.tar n02100735.tar n02119789.tar
tar -cf val.tar -C v .
expect 0 data imagenet train.tar val.tar "$fixtures/devkit.tar.gz" imagenet
contains "$(cat out.txt)" '3 classes, 9 images to train on and 5 to validate' "data imagenet"
[ "$(find imagenet -type f | wc -l)" = 15 ] || fail "imagenet/ does not hold 15 files"
# The labels: 3, 1, 2, 2, 1 by ILSVRC2012_ID.
for pair in 1:n02100735 2:n02119789 3:n01440764 4:n01440764 5:n02119789; do
    [ -f imagenet/val/${pair#*:}/ILSVRC2012_val_0000000${pair%:*}.JPEG ] ||
        fail "validation image ${pair%:*} is not in ${pair#*:}"
done
same_file imagenet/train/n02100735/n02100735_2.JPEG "$fixtures/images/420.jpg"
[ "$(head -1 imagenet/synset_words.txt)" = 'n01440764 tench, Tinca tinca' ] ||
    fail "synset_words.txt begins with $(head -1 imagenet/synset_words.txt)"
rm imagenet/train/n01440764/n01440764_1.JPEG
expect 0 data imagenet train.tar val.tar "$fixtures/devkit.tar.gz" imagenet # goes on
[ -f imagenet/train/n01440764/n01440764_1.JPEG ] || fail "a missing image was not written again"
expect 0 data check imagenet
head -c 3000 train.tar >cut.tar
expect 65 data imagenet cut.tar val.tar "$fixtures/devkit.tar.gz" imagenet2
contains "$(cat err.txt)" 'cut.tar is cut off' "a cut archive"
expect 65 data imagenet train.tar val.tar train.tar imagenet3
expect 66 data imagenet none.tar val.tar "$fixtures/devkit.tar.gz" imagenet4
expect 2 data imagenet train.tar val.tar
expect 2 data frobnicate shapes
finish
