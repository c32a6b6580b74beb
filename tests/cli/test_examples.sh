#!/usr/bin/env bash
# Builds every program of examples/ against an installed copy, as docs/embedding.md says, and runs it.
set -eu
: "${SQZ_BUILD:?run me through ctest}"
cc=${CC:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
fail() {
    echo "FAILED: $*"
    exit 1
}
command -v c++ >/dev/null || { echo "SKIPPED, NOT TESTED: no C++ compiler"; exit 77; }

# The page shows the files as they are.
for file in main.cpp CMakeLists.txt; do
    python3 - "$SQZ_SOURCE/docs/embedding.md" "$SQZ_SOURCE/examples/cmake_project/$file" <<'PY' ||
import sys
page, code = (open(name).read() for name in sys.argv[1:])
sys.exit(code.rstrip() + "\n```" not in page)
PY
        fail "docs/embedding.md does not show examples/cmake_project/$file as it is"
done

cmake --install "$SQZ_BUILD" --prefix "$prefix" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
pc=$(find "$prefix" -name squeezenet.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
sanitize=$(sed -n 's/^SQZ_SANITIZE:[A-Z]*=//p' "$SQZ_BUILD/CMakeCache.txt")
extra=()
[ -z "$sanitize" ] || extra=("-fsanitize=$sanitize")
strict=(-Wall -Wextra -Werror "${extra[@]}")

# Weights and images to work with.
"$SQUEEZENET" data synth "$scratch/data" --train_per_class 4 --val_per_class 2 >/dev/null ||
    fail "no dataset"
"$SQUEEZENET" train "$scratch/data" --model squeezenet1_1 --epoch_size 1 --batch_size 20 \
    --image_resize 32 --run_dir "$scratch/run" >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
model=$scratch/run/best.safetensors
mapfile -t images < <(find "$scratch/data/val" -name '*.png' | sort | head -3)

# pkg-config and make.
cp -r "$SQZ_SOURCE/examples" "$scratch/examples"
make -C "$scratch/examples/pkgconfig" CC="$cc" CFLAGS="-O1 ${strict[*]}" >"$scratch/log" 2>&1 ||
    fail "$(cat "$scratch/log")"
bin=$scratch/examples/pkgconfig

"$bin/classify" "$model" "${images[@]}" >"$scratch/said"
[ "$(grep -c '^  *[0-9.]* %' "$scratch/said")" = 9 ] || fail "classify says $(cat "$scratch/said")"
# The same first class as the program's.
said=$("$SQUEEZENET" predict "$model" "${images[0]}" -k 1 --json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["classes"][0]["name"])')
sed -n 2p "$scratch/said" | grep -q " $said\$" || fail "classify and predict differ: $said"
status=0
"$bin/classify" "$model" "$scratch/nowhere.png" "${images[0]}" >"$scratch/said" 2>"$scratch/log" ||
    status=$?
[ $status = 66 ] && grep -q nowhere "$scratch/log" && grep -q '%' "$scratch/said" ||
    fail "classify with a missing image: status $status"

"$bin/camera_frames" "$model" 5 >"$scratch/said" || fail "camera_frames"
for frame in 0 1 2 3 4; do
    grep "frame $frame:" "$scratch/said" | sed 's/^camera [01], //' | sort | uniq -c |
        grep -q '^ *2 ' || fail "two cameras see different things: $(cat "$scratch/said")"
done

"$bin/finetune" "$model" "$scratch/data" "$scratch/tuned" epoch_size 1 batch_size 20 image_resize 32 \
    >"$scratch/said" 2>"$scratch/log" || fail "finetune: $(cat "$scratch/log")"
grep -q 'best.safetensors: .* % of 20 images' "$scratch/said" || fail "finetune: $(cat "$scratch/said")"

# C++.
read -ra flags < <(pkg-config --cflags --libs squeezenet)
c++ -std=c++11 -pedantic "${strict[@]}" "$SQZ_SOURCE/examples/batch.cpp" -o "$scratch/batch" "${flags[@]}"
status=0
"$scratch/batch" "$model" "${images[@]}" "$scratch/nowhere.png" >"$scratch/said" 2>&1 || status=$?
[ $status = 66 ] && [ "$(grep -c ' %$' "$scratch/said")" = 3 ] || fail "batch: $(cat "$scratch/said")"

# find_package.
cmake -S "$SQZ_SOURCE/examples/cmake_project" -B "$scratch/camera" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_FLAGS="${extra[*]}" >"$scratch/log" 2>&1 &&
    cmake --build "$scratch/camera" >>"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
"$scratch/camera/camera" "$model" >"$scratch/said" || fail "the CMake project"
grep -q ' %$' "$scratch/said" || fail "the CMake project says $(cat "$scratch/said")"
echo "examples: classify, camera_frames, finetune, batch and the CMake project build and run"
