#!/usr/bin/env bash
# Fails on an #include against the arrows of docs/architecture.md.
set -eu
export LC_ALL=C
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

# The arrows. Folder: what it may include in addition to itself. A row of a folder inside another
# one counts instead of the outer row's, which also covers inner folders without a row. PUBLIC stands for all headers of
# include/, which only their users may see: squeezenet.h says what a status and an error are.
arrows() {
    cat <<'TABLE'
include:      squeezenet.h squeezenet_train.h
src/base:     squeezenet.h
src/kernels:  squeezenet.h base
src/net:      squeezenet.h base kernels
src/cuda:     squeezenet.h base kernels net
src/data:     squeezenet.h base
src/data/image:   squeezenet.h base
src/data/resize:  squeezenet.h base data/image
src/data/augment: squeezenet.h base data/image data/resize
src/data/sets:    squeezenet.h base data/image data/resize data/augment
src/data/loader:  squeezenet.h base data/image data/resize data/augment data/sets
src/dist:     squeezenet.h base
src/compress: squeezenet.h base kernels net
src/formats:  squeezenet.h base kernels net compress
src/train:    squeezenet.h squeezenet_train.h base kernels net compress formats data dist
src/api:      PUBLIC base kernels net compress formats data dist train
src/serve:    PUBLIC base kernels net compress formats data dist train api
cli:          PUBLIC
examples:     PUBLIC
deploy:
TABLE
}

# The house's own folders and headers; any other name between <> belongs to the system.
own='^(base|kernels|net|cuda|data|dist|compress|formats|train|api|serve|cli|deploy|tests)/|^squeezenet[a-z_]*\.h$'
public='squeezenet.h squeezenet_train.h squeezenet_tools.h squeezenet_ranks.h'

# may_include FOLDER ALLOWED NAME FORM: FORM is " or <.
may_include() {
    local folder=$1 allowed=" $2 " name=$3 form=$4 place
    case $name in *../*) return 1 ;; esac
    if [[ $name =~ $own ]]; then
        # The name's folder, then the one around it, ...: a file of include/ has only its name.
        place=$name
        while [[ $place == */* ]]; do
            place=${place%/*}
            [[ $place == "${folder#src/}" || $allowed == *" $place "* ]] && return 0
        done
        [[ $name != */* && $allowed == *" $name "* ]]
    else
        # A quoted name without a folder is a file beside the including one.
        [[ $form == '<' || $name != */* ]]
    fi
}

# row_of FILE: sets `row` to the innermost folder of the table that holds it.
rows=$(arrows | sed 's/:.*//')
row_of() {
    local place=$1
    while [[ $place == */* ]]; do
        place=${place%/*}
        [[ $'\n'$rows$'\n' == *$'\n'"$place"$'\n'* ]] && { row=$place; return; }
    done
}

# Prints one line a forbidden include below ROOT; returns 1 if there is any.
check_tree() {
    local root=$1 bad=0 folder allowed file number text name form
    for folder in "$root"/src/*/; do
        [ -d "$folder" ] || continue
        folder=src/$(basename "$folder")
        arrows | grep -q "^$folder:" || { echo "$folder is not in the table of $0"; bad=1; }
    done
    while IFS=: read -r folder allowed; do
        [ -d "$root/$folder" ] || continue
        allowed=${allowed#"${allowed%%[! ]*}"}
        allowed=${allowed/PUBLIC/$public}
        while IFS=: read -r file number text; do
            row_of "${file#"$root"/}"
            [ "$row" = "$folder" ] || continue
            [[ $text =~ ^[[:space:]]*\#[[:space:]]*include[[:space:]]*([\"\<])([^\"\>]+) ]] || continue
            form=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
            may_include "$folder" "$allowed" "$name" "$form" && continue
            echo "${file#"$root"/}:$number: $folder must not include $name (may: ${allowed:-nothing of ours})"
            bad=1
        done < <(grep -rnHE '^[[:space:]]*#[[:space:]]*include' "$root/$folder" \
                     --include='*.c' --include='*.h' --include='*.def' --include='*.cu' || true)
    done < <(arrows)
    return $bad
}

# The test must be able to fail: each of these lines alone has to be found, the good ones must pass.
prove() {
    local tree=$1 folder line
    local bad=(
        'src/base|#include "net/net.h"' 'src/base|#include <squeezenet_train.h>'
        'src/train|#include <squeezenet_tools.h>' 'include|#include <squeezenet_ranks.h>'
        'src/kernels|#include "net/net.h"'
        'src/net|#include "formats/formats.h"' 'src/net|#include <cuda/backend.h>'
        'src/data/image|#include "data/resize/resize.h"' 'src/data/resize|#include "data/augment/mix.h"'
        'src/data/augment|#include "data/sets/dataset.h"' 'src/data/image|#include "kernels/kernels.h"'
        'src/data/sets|#include "data/loader/loader.h"' 'src/data/sets|#include "dist/ranks.h"'
        'src/data|#include "kernels/kernels.h"' 'src/dist|  #  include "net/net.h"'
        'src/compress|#include "train/run/trainer.h"' 'src/formats|#include "data/image/image.h"'
        'src/train|#include "api/context.h"' 'src/api|#include "cli/cli.h"'
        'src/train|#include "cuda/backend.h"' 'src/base|#include "../net/net.h"'
        'cli|#include "base/file.h"' 'cli|#include "api/context.h"'
        'deploy|#include <squeezenet.h>' 'deploy|#include "base/file.h"'
        'examples|#include "base/file.h"' 'include|#include "base/error.h"'
        'src/base|#include "tests/testdata.h"' 'src/net|#include "other/thing.h"'
    )
    local good=(
        'src/base|#include "base/error.h"' 'src/base|#include <squeezenet.h>'
        'src/net|#include "kernels/kernels.h"' 'src/cuda|#include "net/backend.h"'
        'src/formats|#include "checkpoint.pb-c.h"' 'src/train|#include "dist/ranks.h"'
        'cli|#include "cli/cli.h"' 'cli|#include <squeezenet.h>' 'cli|#include <squeezenet_ranks.h>'
        'src/api|#include <squeezenet_tools.h>' 'src/train|#include <squeezenet_train.h>'
        'src/serve|#include "api/context.h"'
        'src/data/loader|#include "data/sets/dataset.h"' 'src/train|#include "data/sets/dataset.h"'
        'src/data/image|#include "data/image/codec.h"' 'src/net/inner|#include "net/net.h"'
        'src/base|#include <sys/stat.h>' 'deploy|#include "runtime.h"' 'src/api|#include "data/image/image.h"'
    )
    for line in "${bad[@]}"; do
        folder=${line%%|*}
        rm -rf "$tree" && mkdir -p "$tree/$folder"
        echo "${line#*|}" >"$tree/$folder/a.c"
        if check_tree "$tree" >/dev/null; then
            echo "the check does not see: $line"
            return 1
        fi
    done
    rm -rf "$tree"
    for line in "${good[@]}"; do
        folder=${line%%|*}
        mkdir -p "$tree/$folder"
        echo "${line#*|}" >>"$tree/$folder/a.c"
    done
    check_tree "$tree" || { echo "the check refuses what is allowed"; return 1; }
    mkdir "$tree/src/surprise"
    ! check_tree "$tree" >/dev/null || { echo "the check does not see a folder without arrows"; return 1; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prove "$scratch/tree"
check_tree "$source_root"
echo "every #include follows the arrows"
