#!/usr/bin/env bash
# Installs into an empty prefix and uses the library as a stranger would: headers, pkg-config, CMake
# package, shared and static library, a program that is static altogether.
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

cmake --install "$SQZ_BUILD" --prefix "$prefix" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
pc=$(find "$prefix" -name squeezenet.pc)
[ -n "$pc" ] || fail "no squeezenet.pc was installed"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(dirname "$PKG_CONFIG_PATH")
# Headers of include/ are the public ones: all of them, and nothing else.
diff <(ls "$SQZ_SOURCE/include") <(ls "$prefix/include") ||
    fail "the repository's include/ (<) and the installed one (>) differ"
doc=$prefix/share/doc/squeezenet
[ -s "$doc/LICENSE" ] || fail "the licence is missing"
for page in README.md docs/README.md docs/architecture.md; do
    cmp "$SQZ_SOURCE/$page" "$doc/$page" || fail "$page is not installed as it is"
done
[ -s "$prefix/share/man/man1/squeezenet-train.1" ] || fail "no manual pages were installed"
[ -s "$prefix/share/bash-completion/completions/squeezenet" ] || fail "no completion was installed"

# ./quickstart builds the target "installable": its commands have to make every file that the above
# took from the build tree (squeezenet.pc and its like are made when CMake configures).
if [ -f "$SQZ_BUILD/build.ninja" ]; then
    ninja -C "$SQZ_BUILD" -t commands installable >"$scratch/commands"
    grep -ho "\"$SQZ_BUILD/[^\"]*\"" "$SQZ_BUILD"/{,src/,cli/}cmake_install.cmake | tr -d '"' |
        sed "s|^$SQZ_BUILD/||" | grep -vE '\.(cmake|pc|txt)$|^CMakeFiles/|MANIFEST|^cli/help/' | sort -u >"$scratch/wanted"
    grep -qx cli/squeezenet "$scratch/wanted" || fail "cmake_install.cmake is not understood"
    grep -q help_files.cmake "$scratch/commands" || fail "\"installable\" does not make the manual pages"
    while read -r file; do
        grep -qE "[ /]$file( |\$)" "$scratch/commands" || fail "\"installable\" does not build $file"
    done <"$scratch/wanted"
fi

# A program that is linked with sanitized code needs the sanitizers' run time.
sanitize=$(sed -n 's/^SQZ_SANITIZE:[A-Z]*=//p' "$SQZ_BUILD/CMakeCache.txt")
extra=()
[ -z "$sanitize" ] || extra=("-fsanitize=$sanitize")

cat >"$scratch/tiny.c" <<'C'
#include <squeezenet.h>
#include <stdio.h>
int main(void)
{
    return puts(sqz_version()) < 0;
}
C
read -ra cflags < <(pkg-config --cflags squeezenet)
read -ra shared < <(pkg-config --libs squeezenet)
read -ra static < <(pkg-config --static --libs squeezenet)
version=$(pkg-config --modversion squeezenet)

"$cc" -std=c11 -Wall -Wextra -Werror "${extra[@]}" "${cflags[@]}" "$scratch/tiny.c" \
    -o "$scratch/with-shared" "${shared[@]}"
readelf -d "$scratch/with-shared" | grep -q 'NEEDED.*libsqueezenet\.so\.[0-9]' ||
    fail "the program does not ask for a versioned libsqueezenet.so"
said=$(LD_LIBRARY_PATH=$libdir "$scratch/with-shared")
[ "$said" = "$version" ] || fail "the shared library says version $said, pkg-config $version"

"$cc" -std=c11 -Wall -Wextra -Werror "${extra[@]}" "${cflags[@]}" "$scratch/tiny.c" \
    -o "$scratch/with-static" "${static[@]/#-lsqueezenet/-l:libsqueezenet.a}"
if readelf -d "$scratch/with-static" | grep -q 'NEEDED.*libsqueezenet'; then
    fail "the statically linked program still wants the shared library"
fi
said=$("$scratch/with-static")
[ "$said" = "$version" ] || fail "the static library says version $said, pkg-config $version"

# Debian has every library that -static asks for; libzip, which it has not, is only opened at run time.
if [ -z "$sanitize" ]; then
    "$cc" -std=c11 -static "${cflags[@]}" "$scratch/tiny.c" -o "$scratch/all-static" "${static[@]}" \
        2>"$scratch/log" || fail "no static program:" "$(cat "$scratch/log")"
    ! readelf -d "$scratch/all-static" | grep NEEDED || fail "the static program needs the above"
    said=$("$scratch/all-static")
    [ "$said" = "$version" ] || fail "the static program says version $said, pkg-config $version"
fi

# The CMake package, both of its targets.
mkdir "$scratch/project"
cp "$scratch/tiny.c" "$scratch/project"
cat >"$scratch/project/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.16)
project(tiny C)
find_package(squeezenet $version REQUIRED)
add_executable(shared tiny.c)
target_link_libraries(shared squeezenet::squeezenet)
add_executable(static tiny.c)
target_link_libraries(static squeezenet::static)
CMAKE
cmake -S "$scratch/project" -B "$scratch/project/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="${extra[*]}" >"$scratch/log" 2>&1 &&
    cmake --build "$scratch/project/build" >>"$scratch/log" 2>&1 ||
    fail "find_package(squeezenet):" "$(cat "$scratch/log")"
for kind in shared static; do
    said=$("$scratch/project/build/$kind")
    [ "$said" = "$version" ] || fail "CMake's $kind program says version $said, not $version"
done
sed -i "s/squeezenet $version/squeezenet 99.0/" "$scratch/project/CMakeLists.txt"
! cmake -S "$scratch/project" -B "$scratch/project/build" >/dev/null 2>&1 ||
    fail "find_package accepts version 99.0"

# The shared library exports what the headers promise, no more and no less.
cat "$prefix"/include/*.h | sed 's,//.*,,; /^#/d' | tr '\n' ' ' | grep -o 'SQZ_API [^;(]*(' |
    sed 's/($//; s/.*[ *]//' | sort >"$scratch/promised"
nm -D --defined-only "$libdir/libsqueezenet.so" | awk '{ print $NF }' | sed 's/@.*//' |
    grep -v '^__\(asan\|odr_asan\|ubsan\|tsan\|start_\|stop_\|sanitizer\)' | sort >"$scratch/exported"
[ -s "$scratch/promised" ] || fail "no function was found in the headers"
diff "$scratch/promised" "$scratch/exported" >"$scratch/difference" ||
    fail "promised by the headers (<) and exported (>) differ:" "$(cat "$scratch/difference")"

said=$("$prefix/bin/squeezenet" --version)
case $said in
*"$version"*) ;;
*) fail "the installed program says \"$said\", not version $version" ;;
esac
echo "installed: program, $(wc -l <"$scratch/exported") functions, shared and static library $version"
