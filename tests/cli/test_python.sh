#!/usr/bin/env bash
# The Python module: its structs are those of the headers, its tests pass, pip installs it.
set -eu
: "${SQZ_BUILD:?run me through ctest}"
cc=${CC:-cc}
python=/usr/bin/python3 # Debian's, which sees Debian's NumPy
[ -x $python ] || python=python3
command -v "$python" >/dev/null || { echo "SKIPPED, NOT TESTED: no Python"; exit 77; }
sanitize=$(sed -n 's/^SQZ_SANITIZE:[A-Z]*=//p' "$SQZ_BUILD/CMakeCache.txt")
[ -z "$sanitize" ] || { echo "SKIPPED, NOT TESTED: Python does not load a sanitized library"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "FAILED: $*"
    exit 1
}
SQUEEZENET_LIBRARY=$(find "$SQZ_BUILD" -name 'libsqueezenet.so' | head -1)
export SQUEEZENET_LIBRARY SQUEEZENET_TEST_DIR=$scratch PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=$SQZ_SOURCE/python

# Every struct of the module against the header: size, and name and place of each member.
"$python" - >"$scratch/layout.c" <<'PY'
from squeezenet._library import STRUCTS
print("#include <squeezenet.h>\n#include <stdio.h>\nint main(void)\n{")
for name, struct in STRUCTS.items():
    print(f'printf("{name} %zu\\n", sizeof(struct {name}));')
    for member, _ in struct._fields_:
        print(f'printf("{name}.{member} %zu\\n", offsetof(struct {name}, {member}));')
print("return 0;\n}")
PY
"$cc" -I "$SQZ_SOURCE/include" "$scratch/layout.c" -o "$scratch/layout"
"$scratch/layout" >"$scratch/of_header"
"$python" - >"$scratch/of_module" <<'PY'
import ctypes
from squeezenet._library import STRUCTS
for name, struct in STRUCTS.items():
    print(name, ctypes.sizeof(struct))
    for member, _ in struct._fields_:
        print(f"{name}.{member}", getattr(struct, member).offset)
PY
diff "$scratch/of_header" "$scratch/of_module" || fail "header (<) and module (>) differ"

"$SQUEEZENET" data synth "$scratch/data" --train_per_class 4 --val_per_class 2 >/dev/null 2>&1
"$SQUEEZENET" train "$scratch/data" --model squeezenet1_1 --epoch_size 1 --batch_size 20 \
    --image_resize 32 --run_dir "$scratch/run" >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
cp "$scratch/run/best.safetensors" "$scratch/model.safetensors"
cp "$(find "$scratch/data/val" -name '*.png' | sort | head -1)" "$scratch/image.png"
"$python" "$SQZ_SOURCE/python/tests/test_squeezenet.py" >"$scratch/log" 2>&1 ||
    fail "$(cat "$scratch/log")"
grep 'NOT TESTED' "$scratch/log" || true
"$python" -c 'import numpy, PIL' 2>/dev/null || echo "NOT TESTED: arrays, for NumPy or Pillow is missing"

# A library that is missing or no such library is a sentence.
said=$(SQUEEZENET_LIBRARY=$scratch/nowhere.so "$python" -c 'import squeezenet' 2>&1 || true)
grep -q 'ImportError: .*nowhere.so cannot be used' <<<"$said" || fail "without a library: $said"

# pip, without a network: setuptools is Debian's.
cp -r "$SQZ_SOURCE/python" "$scratch/source"
if "$python" -c 'import venv, setuptools, wheel, ensurepip' 2>/dev/null; then
    "$python" -m venv --system-site-packages "$scratch/venv"
    "$scratch/venv/bin/pip" install -q --no-index --no-build-isolation "$scratch/source" \
        >"$scratch/log" 2>&1 || fail "pip: $(cat "$scratch/log")"
    unset PYTHONPATH
    said=$(cd / && "$scratch/venv/bin/python" -c \
        'import squeezenet; print(squeezenet.__file__, squeezenet.version())')
    case $said in
    "$scratch/venv/"*) ;;
    *) fail "pip installed nothing: $said" ;;
    esac
    echo "pip installs the module"
else
    echo "NOT TESTED: pip install, for python3-venv or python3-wheel is missing"
fi
echo "the Python module agrees with the headers and passes its tests"
