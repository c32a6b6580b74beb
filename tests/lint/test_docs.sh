#!/usr/bin/env bash
# Fails on links to files or headings that do not exist, on references to documents and places that
# are not in the repository, on pages that are too long, and on pages that docs/README.md does not list.
set -eu
export LC_ALL=C.UTF-8
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
most_lines=250

# The words that name a document which the repository does not have.
absent='\bspec(ification)?( section)? [0-9]|\(spec (section|formats)|\bsection [0-9]+(\.[0-9]+)* of the spec|\bspec formats\b'
absent+='|(^|[^-a-z])(formats|cli)\.md\b|\barchitecture\.md [0-9]'

# The sources, or the pages, of ROOT, NUL-separated; build directories and the like are not ours.
files_of() {
    local root=$1
    shift
    find "$root" \( -name .git -o -name 'build*' -path "$root/build*" \) -prune -o -type f \( "$@" \) -print0
}

# GitHub's anchor of a heading: lower case, punctuation dropped, blanks to hyphens.
anchors_of() {
    sed -n '/^```/,/^```/!s/^##* *//p' "$1" | tr '[:upper:]' '[:lower:]' |
        sed 's/[^[:alnum:] _-]//g; s/ /-/g'
}

check_links() {
    local root=$1 bad=0 page target path anchor
    while IFS= read -r -d '' page; do
        while IFS= read -r target; do
            case $target in http://* | https://* | mailto:*) continue ;; esac
            path=${target%%#*} anchor=
            [[ $target != *'#'* ]] || anchor=${target#*#}
            path=${path:+$(dirname "$page")/$path}
            path=${path:-$page}
            if [ ! -e "$path" ]; then
                echo "${page#"$root"/}: $target does not exist"
                bad=1
            elif [ -n "$anchor" ] && ! anchors_of "$path" | grep -qxF -e "$anchor"; then
                echo "${page#"$root"/}: $target: no such heading"
                bad=1
            fi
        done < <(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^) ]+\)|<img src="[^"]+"' |
            sed -E 's/^\]\(//; s/^<img src="//; s/[)"]$//')
    done < <(files_of "$root" -name '*.md')
    return $bad
}

# Comments and help say docs/NAME.md; the page has to be there.
check_citations() {
    local root=$1 bad=0 where name
    while IFS= read -r where; do
        name=${where##*:}
        [ -e "$root/$name" ] || { echo "${where#"$root"/} does not exist"; bad=1; }
    done < <(files_of "$root" -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' -o -name '*.yaml' \
        -o -name '*.md' -o -name 'CMakeLists.txt' | grep -zv '/lint/test_docs\.sh$' |
        xargs -0 -r grep -oHnE '\bdocs/[A-Za-z0-9_/-]+\.(md|csv|svg|png)' -- || true)
    return $bad
}

check_absent() {
    local root=$1 found
    found=$(files_of "$root" -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' -o -name '*.py' \
        -o -name '*.yaml' -o -name '*.md' -o -name '*.txt' -o -name '*.cmake' |
        grep -zv '/lint/test_docs\.sh$' | xargs -0 -r grep -nHiE -e "$absent" -- | sed "s|^$root/||") || true
    [ -n "$found" ] || return 0
    printf '%s\nthese name documents that are not in the repository\n' "$found"
    return 1
}

check_pages() {
    local root=$1 bad=0 page lines
    while IFS= read -r -d '' page; do
        lines=$(wc -l <"$page")
        ! grep -nH -F '../shared' "$page" || { echo "tests alone know that place: say \$DATA"; bad=1; }
        [ "$lines" -le $most_lines ] ||
            { echo "${page#"$root"/}: $lines lines, more than $most_lines"; bad=1; }
        [ ! -e "$root/docs/README.md" ] || [[ $page != "$root"/docs/* || $page == */docs/README.md ]] ||
            grep -qF "](${page#"$root"/docs/})" "$root/docs/README.md" ||
            { echo "${page#"$root"/}: docs/README.md does not list it"; bad=1; }
    done < <(files_of "$root" -name '*.md')
    return $bad
}

check_tree() {
    local bad=0
    check_links "$1" || bad=1
    check_citations "$1" || bad=1
    check_absent "$1" || bad=1
    check_pages "$1" || bad=1
    return $bad
}

# The test must be able to fail: each of these alone has to be found.
prove() {
    local tree=$1 line
    local bad=('See [it](other.md).' 'See [it](a.md#nowhere).' 'See docs/other.md.' 'As spec 9.5 says.'
        'As in formats.md 2.2.' 'Look at cli.md.' 'architecture.md 4' 'Data: ../shared/data')
    for line in "${bad[@]}"; do
        rm -rf "$tree" && mkdir -p "$tree/docs"
        printf '# A page\n\n%s\n' "$line" >"$tree/docs/a.md"
        ! check_tree "$tree" >/dev/null || { echo "the check does not see: $line"; return 1; }
    done
    for line in '// spec 9.5' '// see (spec formats.md 3)' '// docs/other.md'; do
        rm -rf "$tree" && mkdir -p "$tree/src"
        echo "$line" >"$tree/src/a.c"
        ! check_tree "$tree" >/dev/null || { echo "the check does not see: $line"; return 1; }
    done
    rm -rf "$tree" && mkdir -p "$tree/docs"
    yes | head -n $((most_lines + 1)) >"$tree/docs/a.md"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a long page"; return 1; }
    printf '# A page\n' >"$tree/docs/a.md"
    printf '# Index\n' >"$tree/docs/README.md"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see an unlisted page"; return 1; }
    printf '# Index\n\n[a](a.md) [b](b.md)\n' >"$tree/docs/README.md"
    printf '# A page\n\nSee [it](b.md#how-it-works), docs/b.md and [them](https://example.org/x.md).\n' \
        >"$tree/docs/a.md"
    printf '# B\n\n## How it works\n' >"$tree/docs/b.md"
    check_tree "$tree" || { echo "the check refuses what is allowed"; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prove "$scratch/tree"
check_tree "$source_root"
echo "every link and citation leads somewhere"
