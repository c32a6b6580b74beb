# predict on many images: directories, paths from stdin, tables, embeddings, sorted copies.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
model=run/best.safetensors
py() { python3 -c "$1" || fail "$2"; }

# A directory with what people keep in one: deeper ones, other files, hidden ones, a circle.
mkdir -p set/deep/er set/.hidden
n=0
for image in shapes/val/*/*.png; do
    n=$((n + 1))
    cp "$image" "set/deep/er/$(basename "$(dirname "$image")")-$n.png"
done
cp "$(ls shapes/val/*/*.png | head -1)" set/first.png
cp set/first.png set/.hidden/hidden.png
echo "notes" >set/notes.txt
ln -s ../.. set/deep/er/circle
head -c 60 set/first.png >set/zz-cut.png

expect 65 predict $model set --csv all.csv --embed all.npy --copy_to sorted
[ -z "$out" ] || fail "predict --csv prints: $out"
contains "$err" "^$((n + 2)) images, 1 of them not readable; $((n + 1)) are in sorted.$" "the summary"
contains "$err" '1 files are no images' "what was passed over"
py "
import csv, struct
rows = list(csv.reader(open('all.csv', newline='')))
assert len(rows) == $n + 3 and all(len(r) == 15 for r in rows), rows
assert rows[0][:5] == ['file', 'error', 'predicted', 'probability', 'unknown'], rows[0]
assert [r[0] for r in rows[1:]] == sorted(r[0] for r in rows[1:])
for r in rows[1:-1]:
    p = [float(v) for v in r[5:]]
    assert r[1] == '' and abs(sum(p) - 1) < 1e-5 and max(p) == float(r[3])
    assert rows[0][5 + p.index(max(p))] == r[2]
assert rows[-1][0].endswith('zz-cut.png') and rows[-1][1] and not any(rows[-1][2:]), rows[-1]
data = open('all.npy', 'rb').read()
assert data[:8] == b'\x93NUMPY\1\0'
head = eval(data[10:128])
assert head == {'descr': '<f4', 'fortran_order': False, 'shape': ($n + 2, 512)}, head
values = struct.unpack('<%df' % (512 * ($n + 2)), data[128:])
assert all(v == v for v in values[:-512]) and all(v != v for v in values[-512:])
" "all.csv or all.npy"
[ "$(find sorted -type f | wc -l)" = $((n + 1)) ] || fail "sorted: $(find sorted)"
class=$(awk -F, '$1 ~ /first.png/ { print $3 }' all.csv)
same_file set/first.png "sorted/$class/first.png"

# A second run finds its copies; a namesake with other content gets another name.
expect 0 predict $model set/first.png --copy_to sorted
[ "$(find sorted -type f | wc -l)" = $((n + 1)) ] || fail "copied twice: $(find sorted)"
cp set/deep/er/*-3.png first.png
expect 0 predict $model first.png --copy_to sorted
[ "$(find sorted -name first-2.png | wc -l)" = 1 ] ||
    [ "$(find sorted -name first.png | wc -l)" = 2 ] || fail "a namesake: $(find sorted -name 'first*')"

# As MindCV's infer is called.
expect 0 predict $model set/first.png
as_words=$out
expect 0 infer --model squeezenet1_1 --ckpt_path $model --image_path=set/first.png
[ "$out" = "$as_words" ] || fail "MindCV's options: $out"
expect_error 65 'holds a squeezenet1_1, not a' infer --model squeezenet1_0 --ckpt_path $model --image_path set/first.png
expect_error 2 'No model is given' predict
expect_error 2 'No image is given' predict --ckpt_path $model

# EXIF orientation is the model's word, or the user's; one that is ignored is told.
photo=$SQZ_SOURCE/tests/fixtures/images/exif-6.jpg
expect 0 predict $model "$photo"
contains "$err" '1 of the images ask to be turned' "a photo that lies on its side"
as_stored=$out
expect 0 predict $model "$photo" --apply_exif false
[ "$out" = "$as_stored" ] || fail "--apply_exif false changed the answer"
expect 0 predict $model "$photo" --apply_exif true
[ "$out" != "$as_stored" ] || fail "--apply_exif true changed nothing"
! grep -q 'to be turned' <<<"$err" || fail "a photo that was turned: $err"
expect_error 2 'true or false' predict $model "$photo" --apply_exif 6

# Nothing is overwritten, and nothing half-written stays.
expect_error 73 'exists; --force' predict $model set/first.png --csv all.csv
expect_error 73 'Cannot write' predict $model set/first.png --csv nowhere/x.csv
expect 0 predict $model set/first.png --csv all.csv -f
[ "$(wc -l <all.csv)" = 2 ] || fail "--force: $(cat all.csv)"
expect 0 predict $model set/first.png --csv -
contains "$out" '^set/first.png,,' "--csv -"
[ -z "$(find . -name '*.part')" ] || fail "not taken away: $(find . -name '*.part')"
expect_error 2 'Only one' predict $model set/first.png --csv - --jsonl

# JSON lines: the probabilities of the CSV, one object a line.
expect 65 predict $model set missing.png --jsonl -k 2
py "
import json
rows = [json.loads(line) for line in open('out.txt')]
assert len(rows) == $n + 3 and all(r['schema'] == 1 for r in rows)
assert 'error' in rows[-1] and 'error' in rows[-2] and 'missing.png' == rows[-1]['file']
for r in rows[:-2]:
    assert len(r['classes']) == 2 and len(r['probabilities']) == 10 and 'logits' not in r
    assert r['probabilities'][r['classes'][0]['index']] == r['classes'][0]['probability']
" "--jsonl: $(head -c 400 out.txt)"

# Embeddings as CSV: the same numbers.
expect 0 predict $model set/first.png --embed e.csv
expect 0 predict $model set/first.png --embed e.npy
py "
import csv, struct
row = list(csv.reader(open('e.csv', newline='')))[1]
values = struct.unpack('<512f', open('e.npy', 'rb').read()[128:])
assert len(row) == 514 and all(struct.pack('<f', float(a)) == struct.pack('<f', b) for a, b in zip(row[2:], values))
assert any(values)
" "e.csv and e.npy differ"

# Paths from stdin, one a line or NUL; an encoded image from stdin.
cp set/first.png $'new\nline.png'
printf 'set/first.png\n\nset/deep\n' | "$SQUEEZENET" predict $model - --csv - 2>/dev/null >lines.csv
[ "$(wc -l <lines.csv)" = $((n + 4)) ] || fail "paths from stdin: $(wc -l lines.csv)"
printf '%s\0' $'new\nline.png' set/first.png | "$SQUEEZENET" predict $model - --null --jsonl 2>/dev/null >nul.jsonl
py "
import json
rows = [json.loads(line) for line in open('nul.jsonl')]
assert [r['file'] for r in rows] == ['new\nline.png', 'set/first.png']
assert rows[0]['probabilities'] == rows[1]['probabilities']
" "paths that end with NUL: $(cat nul.jsonl)"
"$SQUEEZENET" predict $model --stdin_image --csv - <set/first.png >bytes.csv 2>/dev/null
"$SQUEEZENET" predict $model set/first.png --csv - >file.csv 2>/dev/null
[ "$(sed 1d bytes.csv | cut -d, -f2-)" = "$(sed 1d file.csv | cut -d, -f2-)" ] ||
    fail "an image from stdin: $(diff bytes.csv file.csv)"
expect_error 66 'stdin is empty' predict $model --stdin_image
expect_error 2 'stdin_image is the only' predict $model --stdin_image set/first.png
mkdir empty
expect_error 66 'no image' predict $model empty

# Every image alone gives what it gives among the others, on any number of threads.
for threads in 1 3; do
    SQUEEZENET_OVERSUBSCRIBE=1 expect 65 predict $model set --logits --jsonl --threads $threads
    cp out.txt threads-$threads
done
same_file threads-1 threads-3
finish
