#!/usr/bin/env bash
# Compiles each public header alone, as C11 and as C++, and the example in the first comment of
# squeezenet.h in both languages.
set -eu
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
header=$source_root/include/squeezenet.h
export LC_ALL=C
cc=${CC:-cc}

# gcc-12 -> g++-12, clang -> clang++, cc -> c++, wherever they lie.
name=$(basename "$cc")
case $name in
*clang*) name=${name/clang/clang++} ;;
*gcc*) name=${name/gcc/g++} ;;
*cc*) name=${name/cc/c++} ;;
esac
case $cc in
*/*) cxx=$(dirname "$cc")/$name ;;
*) cxx=$name ;;
esac
command -v "$cxx" >/dev/null || cxx=c++
command -v "$cxx" >/dev/null || { echo "SKIPPED, NOT TESTED: no C++ compiler"; exit 77; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
strict=(-Wall -Wextra -Werror -pedantic -I "$source_root/include" -c -o "$scratch/out.o")
compile_c() { "$cc" -std=c11 "${strict[@]}" "$1"; }
compile_cxx() { "$cxx" -x c++ -std=c++11 "${strict[@]}" "$1"; }

# Twice: a header must guard itself.
for each in "$source_root"/include/*.h; do
    name=$(basename "$each")
    printf '#include <%s>\n#include <%s>\ntypedef enum sqz_status not_empty;\n' "$name" "$name" \
        >"$scratch/alone.c"
    compile_c "$scratch/alone.c"
    compile_cxx "$scratch/alone.c"
    echo "$name compiles alone with $cc and $cxx"
done

# compile_example FILE: statements that end with `status` known.
compile_example() {
    {
        printf '#include <squeezenet.h>\n#include <stdio.h>\nint main(void)\n{\n'
        cat "$1"
        printf 'return status;\n}\n'
    } >"$1.c"
    grep -q sqz_classifier_open "$1" || { echo "the example $1 was not found"; exit 1; }
    compile_c "$1.c"
    compile_cxx "$1.c"
}
# The first indented lines of the first comment are the header's example; README has one as well.
awk '!/^\/\//{exit} /^\/\/     /{seen = 1; sub("^//     ", ""); print; next} seen {exit}' "$header" \
    >"$scratch/example"
sed -n '/^```c$/,/^```$/{/^```/!p}' "$source_root/README.md" >"$scratch/readme"
compile_example "$scratch/example"
compile_example "$scratch/readme"
echo "the examples compile as C and as C++"

# The test must be able to fail.
sed 's/sqz_classifier_open(/sqz_classifier_open(1, /' "$scratch/example.c" >"$scratch/wrong.c"
if compile_c "$scratch/wrong.c" 2>/dev/null || compile_cxx "$scratch/wrong.c" 2>/dev/null; then
    echo "a wrong example compiles, too"
    exit 1
fi

# How structs are initialised, in both languages.
printf '%s\n' '#include <squeezenet_ranks.h>' '#include <squeezenet_tools.h>' \
    'struct sqz_error plain = {0};' 'size_t use(void);' \
    'size_t use(void)' '{' 'struct sqz_pixels pixels = SQZ_INIT(sqz_pixels);' \
    'struct sqz_train_result result = SQZ_INIT(sqz_train_result);' \
    'return pixels.struct_size + result.struct_size;' '}' >"$scratch/init.c"
compile_c "$scratch/init.c"
{
    sed 's/plain = {0}/plain = {}/' "$scratch/init.c"
    printf '%s\n' '#pragma GCC diagnostic ignored "-Wmissing-field-initializers"' \
        'struct sqz_error from_c = {0};'
} >"$scratch/init.cc"
compile_cxx "$scratch/init.cc"
echo "structs are initialised alike in C and in C++"
