# Train, validate, predict, convert, inspect: the whole way on drawn images.
. "$(dirname "$0")/lib.sh"
make_shapes 40 8
epochs=3
[ -z "$sanitized" ] || epochs=1
expect 0 train shapes $tiny --epoch_size $epochs --val_while_train true --run_dir run --json
contains "$out" '"schema":1' "train --json"
contains "$out" '"best":\{"epoch":' "train --json"
for file in recipe.yaml history.csv steps.csv train.log last.safetensors best.safetensors; do
    [ -s run/$file ] || fail "run/$file is missing"
done
[ "$(head -1 run/history.csv)" = "epoch,step,lr,train_loss,val_loss,val_top1,val_top5,seconds,images_per_second" ] ||
    fail "history.csv begins with $(head -1 run/history.csv)"
[ "$(wc -l <run/history.csv)" -eq $((epochs + 1)) ] || fail "history.csv has not one row an epoch"

expect 0 validate run/best.safetensors --data_dir shapes --json
contains "$out" '^\{"schema":1,"samples":80,"Top_1_Accuracy":[0-9.]+' "validate --json"
expect 0 validate run/best.safetensors --data_dir shapes --require top1=0
expect 1 validate run/best.safetensors --data_dir shapes --require top1=1.01

image=$(ls shapes/val/*/*.png | head -1)
expect 0 predict run/best.safetensors "$image" -k 3
[ "$(grep -c '%' out.txt)" -eq 3 ] || fail "not three classes: $out"
expect 0 infer run/best.safetensors "$image" --json -k 2 --logits
contains "$out" '"logits":\[' "predict --logits"
expect 0 predict run/best.safetensors "$image" --low_memory
expect 0 predict run/best.safetensors --show "$image"
expect 0 predict run/best.safetensors --data_dir shapes --samples 4 --show
[ "$(grep -c '^sample\|val/' out.txt)" -ge 4 ] || fail "not four samples: $out"

# Conversions keep the bits: the same logits from both native formats.
"$SQUEEZENET" predict run/best.safetensors "$image" --json --logits >a.json
expect 0 convert run/best.safetensors m.ckpt
expect 0 convert m.ckpt m.safetensors
"$SQUEEZENET" predict m.safetensors "$image" --json --logits >b.json
"$SQUEEZENET" predict m.ckpt "$image" --json --logits >c.json
same_file a.json b.json
same_file a.json c.json
expect 0 info m.safetensors
contains "$out" 'class names  in the file' "info of the converted model"

# Fine-tuning replaces the classifier and says so.
cp -r shapes two && ls two/train | tail -n +3 | while read -r class; do rm -r "two/train/$class" "two/val/$class"; done
expect 0 train two $tiny --epoch_size 1 --ckpt_path run/best.safetensors --run_dir fine
contains "$err" 'classifier' "the note on the classifier"
expect 0 info fine/best.safetensors --json
contains "$out" '"classes":2' "the fine-tuned model"

# A stem for small images: every file of the run tells it, and so does what is made of them.
for stem in small small_nopool; do
    expect 0 train shapes $tiny --epoch_size 1 --max_steps 2 --stem $stem --run_dir $stem -q
    grep -q "^stem: $stem" $stem/recipe.yaml || fail "recipe.yaml does not say $stem"
    expect 0 train --resume $stem --max_steps 3 -q
    expect 0 convert $stem/best.safetensors $stem.ckpt
    expect 0 info $stem.ckpt
    contains "$out" "stem $stem,.*" "info of $stem.ckpt"
    contains "$out" 'features.0 +conv +3x3 /1 pad 1 +32x32x64' "conv1 of $stem"
    expect 0 validate $stem.ckpt --data_dir shapes
    expect 0 predict $stem.ckpt "$image"
    expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --ckpt_path $stem.ckpt --run_dir $stem-on -q
    grep -q "^stem: $stem" $stem-on/recipe.yaml || fail "fine-tuning forgets $stem"
done

# A directory of class directories is divided, and the division is written down.
expect 0 train shapes/train $tiny --epoch_size 1 --max_steps 1 --run_dir divided
[ -s divided/split.csv ] || fail "divided/split.csv is missing"
expect 0 train shapes --dry_run $tiny
contains "$out" 'batch_size' "dry_run"
expect 0 data check shapes
contains "$out" '480 images in 10 classes' "data check"
expect 0 bench squeezenet1_1 --image_size 64 --seconds 0.1 --json
contains "$out" '"peak_fraction":' "bench --json"
expect 0 bench squeezenet1_1 --task train --image_size 64 --batch 4 --seconds 0.1 --json
expect 0 bench squeezenet1_1 --task train --norm batch --image_size 64 --batch 4 --seconds 0.1 --json
contains "$out" '"images_per_second":' "bench --norm batch"
expect 0 bench --task load --data_dir shapes --image_size 32 --batch 8 --seconds 0.1 --json
expect 0 bench m.safetensors --task start --image "$image" --seconds 0.1 --json
contains "$out" '"latency_ms_median":' "bench --task start"
finish
