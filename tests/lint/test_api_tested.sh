#!/usr/bin/env bash
# Fails when a public function is named in no C test of tests/unit/api.
set -eu
export LC_ALL=C
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

# The functions that the headers of a tree declare.
public_functions() {
    sed 's,//.*,,; /^#/d' "$1"/include/*.h | tr '\n' ' ' | grep -o 'SQZ_API [^;(]*(' |
        sed 's/($//; s/.*[ *]//' | sort -u
}

# Prints the functions that no test calls; returns 1 if there are any.
check_tree() {
    local name untested=0 count=0
    while read -r name; do
        count=$((count + 1))
        # A call, outside comments and texts.
        sed 's,//.*,,; s/"[^"]*"//g' "$1"/tests/unit/api/*.c | grep -q "\<$name(" && continue
        echo "$name is called in no test of tests/unit/api"
        untested=$((untested + 1))
    done < <(public_functions "$1")
    [ "$count" -gt 0 ] || { echo "no public function was found"; return 1; }
    [ "$untested" = 0 ]
}

# The test must be able to fail.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/include" "$scratch/tests/unit/api"
printf '%s\n' 'SQZ_API const char *sqz_first(int a,' '    int b);' 'SQZ_API void sqz_second(void);' \
    >"$scratch/include/a.h"
printf '%s\n' 'sqz_first(1, 2); // sqz_second()' 'puts("sqz_second()"); sqz_second_too();' \
    >"$scratch/tests/unit/api/a.c"
if said=$(check_tree "$scratch") || [ "$said" != "sqz_second is called in no test of tests/unit/api" ]; then
    echo "the check does not see an untested function: $said"
    exit 1
fi
echo 'sqz_second();' >>"$scratch/tests/unit/api/a.c"
check_tree "$scratch" || { echo "the check refuses what is tested"; exit 1; }

check_tree "$source_root"
echo "all $(public_functions "$source_root" | wc -l) public functions have a C test"
