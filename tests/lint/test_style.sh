#!/usr/bin/env bash
# Fails on what the eye should not have to look for in our sources.
set -eu
export LC_ALL=C.UTF-8
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
columns=100

# find_lines MESSAGE PATTERN FILE...: prints every matching line; returns 1 if there is any.
find_lines() {
    local message=$1 pattern=$2
    shift 2
    if grep -nHP -e "$pattern" -- "$@" | sed "s|^$root/||; s|\$|   <- $message|"; then
        return 1
    fi
}

check_tree() {
    root=$1
    local bad=0 sources narrow outside library file
    mapfile -t sources < <(cd "$root" && find include src cli tests bench fuzz examples deploy web \
        -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.cu' \) 2>/dev/null |
        sort | sed "s|^|$root/|")
    [ ${#sources[@]} -gt 0 ] || { echo "no sources below $root"; return 1; }
    set -o pipefail
    find_lines "tab" '\t' "${sources[@]}" || bad=1
    find_lines "trailing blank" '[ \r]$' "${sources[@]}" || bad=1
    # The table of options is wide on purpose: a row a line.
    mapfile -t narrow < <(printf '%s\n' "${sources[@]}" | grep -v '\.def$')
    find_lines "more than $columns columns" "^.{$((columns + 1)),}\$" "${narrow[@]}" || bad=1
    find_lines "dead code" '^\s*#\s*if\s+[01]\b' "${sources[@]}" || bad=1
    find_lines "finish it or leave it out" '\b(TODO|FIXME|XXX|HACK)\b' "${sources[@]}" || bad=1
    find_lines "invisible or non-breaking character" '[\x{00a0}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{feff}]' \
        "${sources[@]}" || bad=1
    find_lines "structs have no typedef" '^\s*typedef\s+(struct|union)\b(?!.*\(\*)' "${sources[@]}" || bad=1
    mapfile -t outside < <(printf '%s\n' "${sources[@]}" |
        grep -E "^$root/(src|cli)/" | grep -v "^$root/src/train/options/")
    [ ${#outside[@]} -eq 0 ] || find_lines "compare the configuration's enum" \
        '^(?!\s*//).*\bstrn?(case)?(cmp|str)\s*\([^;]*\b(options|config)(->|\.)\w+, *"' "${outside[@]}" || bad=1
    mapfile -t library < <(printf '%s\n' "${sources[@]}" | grep "^$root/src/")
    if [ ${#library[@]} -gt 0 ]; then
        find_lines "the library never prints and never exits" \
            '^(?!\s*//).*(?<![\w.>"])(printf|puts|putchar|perror|exit|_exit|abort|assert)\s*\(' \
            "${library[@]}" || bad=1
        find_lines "the library never prints" '^(?!\s*//).*\b(stdout|stderr)\b' "${library[@]}" || bad=1
        find_lines "unbounded or hidden-state function" \
            '^(?!\s*//).*(?<![\w.>"])(strcpy|strcat|sprintf|vsprintf|gets|strtok|rand|srand|alloca|setlocale)\s*\(' \
            "${library[@]}" || bad=1
    fi
    # Pages and scripts, too: git leaves such lines where a rebase met a conflict.
    if grep -rnIE --exclude-dir=.git --exclude-dir=build -e '^(<{7}|>{7})( |$)' "$root"; then
        echo "conflict marker"
        bad=1
    fi
    for file in "${sources[@]}"; do
        [ -z "$(tail -c1 "$file")" ] || { echo "${file#"$root"/}: no newline at the end"; bad=1; }
        case $(head -c2 "$file") in
        //) ;;
        *) echo "${file#"$root"/}: does not begin with a comment that says what it is for"; bad=1 ;;
        esac
    done
    return $bad
}

# The test must be able to fail: each of these alone has to be found.
prove() {
    local tree=$1 line long
    printf -v long '%0101d' 0
    local bad=($'\tint a;' 'int a; ' "// $long" '#if 0' '// TODO: later' $'// a\u00a0b' $'int a;\r'
        'typedef struct x x;' 'void f(void) { printf("x"); }' '    exit(1);' '    fputs(s, stderr);'
        '    strcpy(a, b);' '    abort();' '    if (strcmp(run->setup.options->opt, "sgd") == 0)'
        '    return strstr(run->config->scheduler_word, "cosine") != NULL;')
    for line in "${bad[@]}"; do
        rm -rf "$tree" && mkdir -p "$tree/src/base"
        printf '// A file.\n%s\n' "$line" >"$tree/src/base/a.c"
        if check_tree "$tree" >/dev/null; then
            echo "the check does not see: $line"
            return 1
        fi
    done
    printf '// A file.\nint a;' >"$tree/src/base/a.c"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a missing newline"; return 1; }
    printf '// A file.\n' >"$tree/src/base/a.c"
    printf 'before\n<<<<<<< HEAD\nafter\n' >"$tree/page.md"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a conflict marker"; return 1; }
    rm "$tree/page.md"
    printf 'int a;\n' >"$tree/src/base/a.c"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a missing comment"; return 1; }
    printf '// A file.\n// printf(1) is a program\nint a = snprintf(b, 1, "exit(1)");\n' \
        >"$tree/src/base/a.c"
    check_tree "$tree" || { echo "the check refuses what is allowed"; return 1; }
    mkdir -p "$tree/src/train/options"
    printf '// A file.\nbool a = strcmp(options->opt, "sgd") == 0;\n' >"$tree/src/train/options/a.c"
    check_tree "$tree" || { echo "the check refuses what the options may do"; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prove "$scratch/tree"
check_tree "$source_root"
echo "style is clean"
