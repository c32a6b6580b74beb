#!/usr/bin/env bash
# Fails when a figure of README or docs/ differs from docs/results.csv. A line with figures ends with
# (or holds) "<!-- figures: ID ID -->"; every ID's value has to stand in that line, and every row of
# the file has to be used. Values that are computed from others are computed again.
set -eu
export LC_ALL=C.UTF-8
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

check_tree() {
    local root=$1 pages
    mapfile -t pages < <(find "$root/README.md" "$root/docs" -name '*.md')
    awk -v root="$root/" '
        function complain(text) { print text; bad = 1 }
        # Whether `value` stands in `line` as a number of its own.
        function holds(line, value,    at, before, after, rest) {
            while ((at = index(line, value)) > 0) {
                before = at > 1 ? substr(line, at - 1, 1) : ""
                rest = substr(line, at + length(value))
                if (before !~ /[0-9.]/ && rest !~ /^[0-9]/ && rest !~ /^\.[0-9]/) return 1
                line = substr(line, at + length(value))
            }
            return 0
        }
        FNR == 1 { file = substr(FILENAME, length(root) + 1) }
        FILENAME ~ /results\.csv$/ {
            n = split($0, field, ",")
            if (n != 6) complain(file ":" FNR ": not six fields")
            if (FNR == 1) next
            if (field[1] in value) complain(file ":" FNR ": " field[1] " comes twice")
            if (field[6] !~ /^20[0-9][0-9]-[01][0-9]-[0-3][0-9]$/) complain(file ":" FNR ": no date")
            value[field[1]] = field[2]
            next
        }
        match($0, /<!-- figures: [^>]*-->/) {
            ids = substr($0, RSTART + 14, RLENGTH - 18)
            line = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
            gsub(/−/, "-", line)
            n = split(ids, id, " ")
            if (n == 0) complain(file ":" FNR ": a mark without figures")
            for (i = 1; i <= n; i++) {
                if (!(id[i] in value)) complain(file ":" FNR ": docs/results.csv has no " id[i])
                else if (!holds(line, value[id[i]]))
                    complain(file ":" FNR ": " id[i] " is " value[id[i]] " in docs/results.csv")
                used[id[i]] = 1
            }
        }
        END {
            for (name in value) if (!(name in used)) complain("docs/results.csv: nobody uses " name)
            if (("imagenet.days" in value) &&
                sprintf("%.1f", 1281167 * 200 / value["step10.rate"] / 86400) != value["imagenet.days"])
                complain("docs/results.csv: imagenet.days does not follow from step10.rate")
            exit bad
        }' "$root/docs/results.csv" "${pages[@]}"
}

# The test must be able to fail.
prove() {
    local tree=$1 line
    local bad=('Ours: 70.2. <!-- figures: a -->' 'Ours: 169.5. <!-- figures: a -->'
        'Ours: 69.51. <!-- figures: a -->' 'Ours: 69.5. <!-- figures: b -->' 'Ours: 69.5.'
        'Ours. <!-- figures: a --> 69')
    mkdir -p "$tree/docs"
    for line in "${bad[@]}"; do
        printf 'id,value,unit,command,machine,date\na,69.5,images/s,x,y,2026-11-30\n' >"$tree/docs/results.csv"
        printf '%s\n' "$line" >"$tree/README.md"
        ! check_tree "$tree" >/dev/null || { echo "the check does not see: $line"; return 1; }
    done
    printf '| Ours: 69.5 | <!-- figures: a --> |\n' >"$tree/README.md"
    check_tree "$tree" || { echo "the check refuses what is allowed"; return 1; }
    printf 'a,69.5,images/s,x,y,2026-11-30\n' >>"$tree/docs/results.csv"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a row that comes twice"; return 1; }
    printf 'id,value,unit,command,machine,date\nstep10.rate,69.5,images/s,x,y,2026-11-30\n' \
        >"$tree/docs/results.csv"
    printf 'imagenet.days,99.9,days,x,y,2026-11-30\n' >>"$tree/docs/results.csv"
    printf '69.5 and 99.9 <!-- figures: step10.rate imagenet.days -->\n' >"$tree/README.md"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a stale computed figure"; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prove "$scratch/tree"
check_tree "$source_root"
echo "every marked figure is that of docs/results.csv"
