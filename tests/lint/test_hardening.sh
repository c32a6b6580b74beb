#!/usr/bin/env bash
# The built program and the shared library are hardened: PIE, full RELRO, no executable stack, stack
# protector, FORTIFY, no text relocations; on x86 with CET's landing pads.
set -eu
export LC_ALL=C
: "${SQUEEZENET:?run me through ctest}" "${SQZ_BUILD:?run me through ctest}"
cached() { sed -n "s/^$1:[A-Z]*=//p" "$SQZ_BUILD/CMakeCache.txt"; }
command -v readelf >/dev/null || { echo "SKIPPED, NOT TESTED: no readelf"; exit 77; }
[ "$(cached SQZ_HARDENING)" = ON ] || { echo "SKIPPED, NOT TESTED: built with SQZ_HARDENING=OFF"; exit 77; }

# complaints FILE fortified|plain: a line for each thing that is missing.
complaints() {
    local file=$1 kind=$2 header dynamic symbols
    header=$(readelf -hW "$file") dynamic=$(readelf -dW "$file") segments=$(readelf -lW "$file")
    symbols=$(readelf --dyn-syms -W "$file")
    grep -q 'Type: *DYN' <<<"$header" || echo "not position-independent"
    grep -q GNU_RELRO <<<"$segments" || echo "no RELRO"
    grep -qE 'BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" || echo "lazy binding: RELRO is partial"
    grep -qE 'GNU_STACK.* RW ' <<<"$segments" || echo "executable stack"
    ! grep -q TEXTREL <<<"$dynamic" || echo "text relocations"
    grep -q '__stack_chk_fail' <<<"$symbols" || echo "no stack protector"
    [ "$kind" != fortified ] || grep -qE '__[a-z]+_chk@' <<<"$symbols" || echo "no FORTIFY"
    case $header in
    *X86-64*) objdump -d --no-show-raw-insn "$file" | grep -q endbr64 || echo "no CET landing pads" ;;
    esac
}

kind=fortified
[ -z "$(cached SQZ_SANITIZE)" ] && [ "$(cached CMAKE_BUILD_TYPE)" != Debug ] || kind=plain
bad=0
for file in "$SQUEEZENET" "$SQZ_BUILD"/src/libsqueezenet.so; do
    [ -e "$file" ] || { echo "$file was not built"; exit 1; }
    found=$(complaints "$file" "$kind")
    [ -z "$found" ] || { echo "$file: $found"; bad=1; }
done

# The test must be able to fail: a program without any of it.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'int main(int argc, char **argv) { return argv[0][argc]; }' >"$scratch/bare.c"
"${CC:-cc}" -no-pie -fno-stack-protector -fcf-protection=none -z norelro -z lazy -z execstack \
    "$scratch/bare.c" -o "$scratch/bare"
for wanted in "not position-independent" "no RELRO" "lazy binding" "executable stack" \
    "no stack protector" "no FORTIFY"; do
    complaints "$scratch/bare" fortified | grep -q "$wanted" || { echo "the check does not see: $wanted"; bad=1; }
done
[ $bad = 1 ] || echo "hardened ($kind): program and shared library"
exit $bad
