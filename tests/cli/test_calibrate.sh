# calibrate: a temperature in the weights, a threshold for "unknown" that every command honours.
. "$(dirname "$0")/lib.sh"
samples=$(test_data imagenet-samples) && weights=$(test_data weights) || exit 77
py() { python3 -c "import json; a = json.load(open('a.json')); $1" || fail "$2: $(cat a.json)"; }

# 125 classes of one image, sanitized 42; drawings are of none of the thousand classes.
mkdir -p few/val
every=4
[ -z "$sanitized" ] || every=12
for class in $(ls "$samples/val" | sed -n "1~${every}p"); do
    ln -s "$samples/val/$class" few/val/
done
n=$(find -L few -type f | wc -l)
"$SQUEEZENET" data synth drawings --train_per_class 2 --val_per_class 1 -q
expect 0 convert "$weights/squeezenet_v1.1.ncnn.param" v11.safetensors --classes "$samples/synset_words.txt" -q
model=v11.safetensors

expect 0 calibrate $model few -o m.safetensors --target_coverage 0.5 --unknown_dir drawings --json
cp out.txt a.json
py "
assert a['schema'] == 1 and a['fitted'] + a['held'] == $n and abs(a['fitted'] - a['held']) <= 1
assert a['top1_changed'] == 0 and a['after']['Top_1_Accuracy'] == a['before']['Top_1_Accuracy']
assert abs(a['temperature'] - 1) > 0.02 and a['after']['nll'] != a['before']['nll']
best = max(a['auroc_softmax'], a['auroc_logit'], a['auroc_energy'])
assert a['unknown'] == 30 and a['auroc_' + a['score']] == best > 0.5
assert 0.3 < a['coverage'] < 0.7 and a['precision'] > a['after']['Top_1_Accuracy']
assert a['unknown_refused'] > 0.5
t = a['trade_off']
assert len(t) == 8 and all(x['threshold'] <= y['threshold'] and x['coverage'] >= y['coverage'] for x, y in zip(t, t[1:]))
" "calibrate --unknown_dir"
expect 0 info m.safetensors
contains "$out" "calibrated +temperature" "info of a calibrated model"
contains "$out" "unknown +below" "info of a model with a threshold"

# What is calibrated already has the temperature 1.
expect 0 calibrate m.safetensors few -o again.safetensors --json
cp out.txt a.json
py "assert abs(a['temperature'] - 1) < 1e-3 and a['score'] is None" "a calibrated model"

# The threshold travels through formats, and predict honours it.
expect 0 convert m.safetensors m.ckpt -q
expect 0 compress m.safetensors -o m.sqz --method lossless -q
expect 0 predict m.safetensors few --csv m.csv
# Names are quoted; the columns before them hold no comma but in the name of the class.
unknowns() { python3 -c "
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline='')))[1:]
print(*[r[0] for r in rows if r[4] == '1'], sep='\n')" "$1"; }
unknown=$(unknowns m.csv | wc -l)
[ "$unknown" -gt $((n / 3)) ] && [ "$unknown" -lt $((2 * n / 3)) ] ||
    fail "$unknown of $n are unknown at a coverage of 0.5"
for file in m.ckpt m.sqz; do
    expect 0 predict $file few --csv $file.csv
    same_file m.csv $file.csv
done
image=$(unknowns m.csv | head -1)
expect 0 predict m.safetensors "$image" --json --low_memory
contains "$out" '"unknown":true' "predict --json"
expect 0 predict m.safetensors "$image" --copy_to sorted
[ "$(find sorted/unknown -type f | wc -l)" = 1 ] || fail "--copy_to: $(find sorted)"
expect 0 predict m.safetensors "$image"
contains "$out" "unknown, below" "predict"
expect 0 predict $model "$image" --json
[[ $out != *'"unknown"'* ]] || fail "a model without threshold: $out"

expect_error 2 'o FILE is missing' calibrate $model few
expect_error 2 'not both' calibrate $model few -o x.safetensors --target_coverage 0.5 --target_precision 0.5
expect_error 73 'force' calibrate $model few -o m.safetensors
[ ! -e x.safetensors ] || fail "x.safetensors is there"
[ -z "$sanitized" ] || finish # a search of minutes, which cli.compress sanitizes

# A .sqz file whose weights are multiples of a step keeps its codes: it grows by its texts alone.
expect 0 compress $model -o s.sqz --calibrate few --size 450kB --images 40 -q
expect 0 calibrate s.sqz few -o t.sqz --json
cp out.txt a.json
py "assert a['top1_changed'] == 0" "a .sqz"
grown=$(($(stat -c %s t.sqz) - $(stat -c %s s.sqz)))
[ "$grown" -lt 200 ] || fail "the calibrated .sqz grew by $grown bytes"

# What is trained further has no threshold.
expect 0 train few --val_split val --train_split val --ckpt_path m.safetensors --max_steps 1 --batch_size 4 \
    --val_while_train false --run_dir on -q
expect 0 info on/last.safetensors --json
[[ $out != *unknown_threshold* ]] || fail "a threshold after training: $out"

finish
