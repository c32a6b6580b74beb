#!/usr/bin/env bash
# Fails on names that were replaced (the glossary of docs/architecture.md has today's), and on words
# that this project does not use in comments, messages and pages.
set -eu
export LC_ALL=C.UTF-8
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

# Old names: an extended regular expression a line, and what is written today.
old_names() {
    cat <<'TABLE'
sqz_served_|sqz_serve_|SQZ_SERVE_|\bserved\.[ch]\b       fake_quant
sqz_retrain_|\bretrain(_fit)?\.[ch]\b                    qat
\bstruct verdict\b|stepper->judged                       prediction, eval_weights
sqz_grid_|\bgrid\.[ch]\b                                 uniform_quantizer
sqz_ties|\bties\.[ch]\b                                  weight_sharing
sqz_menu|\bmenu\.[ch]\b                                  rate_distortion
sqz_meter|\bmeter\.[ch]\b|sqz_reading\b                  divergence_probe
\bmoments\.[ch]\b|\banswers\.[ch]\b                      input_statistics, predictions
sqz_chance|\bstruct sqz_place\b                          bit_model, code_context
sqz_piece|\bpieces\.[ch]\b|FAR_OUTWEIGHS                 work_items, weight_bound_ratio
sqz_observe|\bobserve\.[ch]\b                            activations
sqz_norm_(take|follow|fold|unfold|calibrate)\b           bn_*
\btogether\.[ch]\b|\broster\b|start_watch                collectives, shared_registry, start_timeout
sqz_ranks_speaks|sqz_context_(speaks|place|favor)\b      is_reporter, rank_info, set_mode
SQZ_FAVOR_|\bsqz_favor\b|outlive_daemon|\btell_run\b     SQZ_MODE_, reap_orphan_daemon, publish_run_dir
sqz_data_packing|sqz_pack_how|\bsqz_packing\b            _options and _result, weight_layout
sqz_model_refit|trainer_takeover|displaced_best          sqz_model_adapt, trainer_import_ckpt
TABLE
}

# Words for prose: the same with \b around them; case does not matter.
words() {
    cat <<'TABLE'
behind           after, past
anew             again
besides          also, apart from
pictures?        image
data sets?       dataset
TABLE
}

# Lines that may hold one all the same.
allowed='^CHANGELOG\.md:|^tests/lint/test_words\.sh:|no such option: --pictures|^src/train/options/options\.c:[0-9]*: *\{"pictures"|^tests/cli/test_usage\.sh:[0-9]*:[a-z]* pictures '

find_files() {
    local root=$1
    (cd "$root" && find . \( -path ./.git -o -path './build*' -o -path ./ckpt \) -prune -o -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' -o -name '*.py' -o -name '*.md' \
        -o -name '*.yaml' -o -name '*.cpp' -o -name CMakeLists.txt -o -name '*.cmake' -o -path './check' \
        -o -path './quickstart' -o -path './package' \) -printf '%P\0')
}

# report ROOT WHAT PATTERN GREP_OPTIONS...: prints the lines that match; returns 1 if there is any.
report() {
    local root=$1 instead=$2 pattern=$3 found
    shift 3
    found=$(cd "$root" && find_files . | xargs -0 -r grep -nHE "$@" -e "$pattern" -- |
        grep -vE -e "$allowed") || return 0
    printf '%s\n' "$found" | sed "s|\$|   <- write: $instead|" | cut -c1-200
    return 1
}

check_tree() {
    local root=$1 bad=0 line pattern
    while read -r line; do
        pattern=${line%%  *}
        report "$root" "${line##*  }" "$pattern" || bad=1
    done < <(old_names)
    while read -r line; do
        pattern=${line%%  *}
        report "$root" "${line##*  }" "\\b($pattern)\\b" -i || bad=1
    done < <(words)
    report "$root" "the subject first" '(^|// |# |[.:] )Of (the|its|a|an|what|all|every|each|these|those|them|several|few|two) ' ||
        bad=1
    return $bad
}

# The test must be able to fail: each of these alone has to be found.
prove() {
    local tree=$1 line
    local bad=('void sqz_served_round(void);' '#include "compress/menu.h"' 'sqz_context_favor(c, 1);'
        'struct sqz_place *at;' 'SQZ_FAVOR_SPEED' '// NULL behind the last' '// Made anew.'
        '// Besides, it is slow.' '"a picture is missing"' '// A data set.' '// Of its rows the first.')
    mkdir -p "$tree/src"
    for line in "${bad[@]}"; do
        printf '%s\n' "$line" >"$tree/src/a.c"
        ! check_tree "$tree" >/dev/null || { echo "the check does not see: $line"; return 1; }
    done
    printf '// An image of the dataset, after the others. One of the last is a menu.\n' >"$tree/src/a.c"
    check_tree "$tree" || { echo "the check refuses what is allowed"; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prove "$scratch/tree"
check_tree "$source_root"
echo "every word is today's"
