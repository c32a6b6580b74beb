# What train and validate offer around a run: plan, search for a rate, lint, tables.
. "$(dirname "$0")/lib.sh"

expect 0 data synth shapes --train_per_class 12 --val_per_class 6 --seed 3
small="--image_resize 32 --batch_size 16 --epoch_size 3"

# --dry_run writes into a given --run_dir and nowhere else.
expect 0 train shapes $small --dry_run
[ ! -e ckpt ] || fail "--dry_run made a run directory"
contains "$out" '# from the command line' "the origins"
contains "$out" '# from the built-in recipe' "the origins"
expect 0 train shapes $small --dry_run --run_dir plan
[ "$(ls plan | tr '\n' ' ')" = "first_batch.png learning_rate.svg " ] || fail "--dry_run wrote $(ls plan)"
contains "$(cat plan/learning_rate.svg)" '</svg>' "the curve"
# What a dry run says next: the same command without it, with the same --run_dir.
expect 0 train shapes $small --run_dir plan --max_steps 1 -q

# A split that somebody names has to be there: a slip of the pen is no wish to train without one.
expect_error 66 'name the split with --val_split val' train shapes $small --val_split validation --run_dir no-val -q

# --find_lr says a rate and writes nothing.
expect 0 train shapes $small --find_lr --max_steps 30
contains "$out" 'Rate  1e-06 to .* in [0-9]* steps of adamw' "the search"
[ ! -e ckpt ] || fail "--find_lr made a run directory"

# The published recipe on one device: said, kept, scaled.
recipe=$SQZ_SOURCE/configs/squeezenet_1.1_gpu.yaml
plan="train -c $recipe --data_dir shapes --num_classes 10 --batch_size 16 --image_resize 32 --dry_run"
expect 0 $plan --distribute false
contains "$out" 'made for 8 devices and a global batch of 128; here it is 16' "the global batch"
expect 0 $plan --keep_global_batch
contains "$out" 'gradient_accumulation_steps: 8 ' "the kept batch"
expect 0 $plan --scale_lr --recipe_devices 4
contains "$out" 'scaled from 0.01 to 0.0025' "the scaled rate"
expect_error 78 'exclude each other' $plan --scale_lr --keep_global_batch
expect_error 78 'mode, dataset_sink_mode' $plan --strict_recipe --mode 1 --dataset_sink_mode false

# MindCV's four recipes as they are, on class directories; a step each. Sanitized, one has to do.
recipes="1.0_ascend 1.0_gpu 1.1_ascend 1.1_gpu"
[ -z "$sanitized" ] || recipes=1.1_ascend
for name in $recipes; do
    expect 0 train -c "$SQZ_SOURCE/configs/squeezenet_$name.yaml" --data_dir shapes --max_steps 1 \
        --run_dir "recipe-$name" --json
    contains "$out" '"steps":1,' "a step of $name"
    contains "$(cat "recipe-$name/recipe.yaml")" '^num_classes: 1000$' "the recipe of $name"
done

# A whole run with curves, then the tables of validate.
expect 0 train shapes $small --run_dir run
shares=$(grep -c ' img/s  \([0-9]\|[1-9][0-9]\|100\)\.[0-9] % waiting for images' run/train.log)
[ "$shares" = 3 ] || fail "$shares of 3 epochs say their share of waiting"
contains "$err" '^Loss      ' "the curves at the end"
contains "$(cat run/history.svg)" '</svg>' "history.svg"
expect 0 validate run/best.safetensors --data_dir shapes --json --confusion c.csv --per_class p.csv
top1=$(sed -n 's/.*"Top_1_Accuracy": *\([0-9.]*\).*/\1/p' <<<"$out")
awk -F, -v top1="$top1" '
    NR == 1 { if (NF != 11) exit 1; next }
    { for (i = 2; i <= NF; i++) all += $i; good += $NR }
    END { if (NR != 11 || all != 60 || (good / all - top1) ^ 2 > 1e-9) exit 1 }' c.csv ||
    fail "c.csv does not add up to 60 images and $top1"
awk -F, 'NR > 1 { n += $2; predicted += $3; if ($2 != 6 || ($5 - $4 / $2) ^ 2 > 1e-9) exit 1 }
    END { if (NR != 11 || n != 60 || predicted != 60) exit 1 }' p.csv || fail "p.csv: $(cat p.csv)"
expect_error 73 'c.csv.* exists' validate run/best.safetensors --data_dir shapes --confusion c.csv
expect 0 validate run/best.safetensors --data_dir shapes --confusion c.csv --force

finish
