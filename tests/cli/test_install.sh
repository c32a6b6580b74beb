#!/usr/bin/env bash
# Installs into an empty prefix and uses the library as a stranger would: header, pkg-config, shared
# and static library, program.
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

# The shared library exports what the header promises, no more and no less.
sed 's,//.*,,; /^#/d' "$prefix"/include/*.h | tr '\n' ' ' | grep -o 'SQZ_API [^;(]*(' |
    sed 's/($//; s/.*[ *]//' | sort >"$scratch/promised"
nm -D --defined-only "$libdir/libsqueezenet.so" | awk '{ print $NF }' | sed 's/@.*//' |
    grep -v '^__\(asan\|odr_asan\|ubsan\|tsan\|start_\|stop_\|sanitizer\)' | sort >"$scratch/exported"
[ -s "$scratch/promised" ] || fail "no function was found in the header"
diff "$scratch/promised" "$scratch/exported" >"$scratch/difference" ||
    fail "promised by the header (<) and exported (>) differ:" "$(cat "$scratch/difference")"

said=$("$prefix/bin/squeezenet" --version)
case $said in
*"$version"*) ;;
*) fail "the installed program says \"$said\", not version $version" ;;
esac
echo "installed: program, $(wc -l <"$scratch/exported") functions, shared and static library $version"
