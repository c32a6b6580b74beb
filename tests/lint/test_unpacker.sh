#!/usr/bin/env bash
# The .sqz decoder keeps what docs/sqz-format.md promises to microcontrollers: one file, nothing of
# ours but its header, no allocation, no floating point, below 4 kB of code.
set -eu
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v gcc >/dev/null && command -v size >/dev/null || { echo "SKIPPED, NOT TESTED: no gcc"; exit 77; }
[ "$(gcc -dumpmachine)" = x86_64-linux-gnu ] || { echo "SKIPPED, NOT TESTED: sizes are of x86-64"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# -mgeneral-regs-only refuses floating point.
gcc -std=c11 -Os -mgeneral-regs-only -I "$source_root/src" -c "$source_root/src/compress/unpack.c" \
    -o "$scratch/unpack.o"
code=$(size -A "$scratch/unpack.o" | awk '$1 == ".text" { print $2 }')
echo "unpack.c: $code bytes of code"
[ "$code" -lt 4000 ] || { echo "that is too much"; exit 1; }
if nm -u "$scratch/unpack.o" | grep -vE ' (mem(cpy|set|cmp)|strlen)$'; then
    echo "unpack.c needs the functions above"
    exit 1
fi
if grep -h '#include' "$source_root"/src/compress/unpack.[ch] |
    grep -vE '<(stdbool|stddef|stdint|string)\.h>|"compress/unpack\.h"'; then
    echo "unpack.c includes the headers above"
    exit 1
fi
