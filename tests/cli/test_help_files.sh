#!/usr/bin/env bash
# The manual pages and completions that the build made: every option of the help is in each of them,
# the tools of their kind take them without a warning, and bash completes with them.
. "$(dirname "$0")/lib.sh"
: "${SQZ_BUILD:?is set by CTest}"
made=$SQZ_BUILD/cli/help

# The long options that the help of a command lists.
options_of() {
    "$SQUEEZENET" help "$1" | sed -nE 's/^  (-[a-zA-Z], |    )?--([a-z0-9_-]+).*/\2/p' | sort -u
}
# The same, as the files say them.
options_in_man() {
    sed -nE 's/^(\\fB\\-[a-zA-Z]\\fR, )?\\fB(\\-\\-[^ ]*)\\fR.*/\2/p' "$1" | sed 's/\\-/-/g; s/^--//' | sort -u
}
options_in_bash() {
    grep -A1 "^        $1)" "$made/completion/squeezenet" | tr -s " '" '\n' | sed -n 's/^--//p' | sort -u
}
options_in_zsh() {
    sed -n "/^    $1[|)]/,/;;/p" "$made/completion/_squeezenet" |
        sed -nE "s/^ +('[^']*'\{-.,)?--([a-z0-9_-]+).*/\2/p" | sort -u
}
options_in_fish() {
    sed -nE "s/.*seen_subcommand_from $1[ '].* -l ([a-z0-9_-]+).*/\1/p" "$made/completion/squeezenet.fish" | sort -u
}

"$SQUEEZENET" help commands >list
[ "$(wc -l <list)" -ge 8 ] || fail "help commands lists $(wc -l <list) commands"
while read -r command; do
    options_of "$command" >wanted
    [ "$(wc -l <wanted)" -ge 5 ] || fail "no options were found in the help of $command"
    options_in_man "$made/man1/squeezenet-$command.1" >in-man
    for kind in bash zsh fish; do "options_in_$kind" "$command" >"in-$kind"; done
    for kind in man bash zsh fish; do
        diff wanted "in-$kind" >difference ||
            fail "help of $command (<) and $kind (>) differ: $(grep '^[<>]' difference | head -5)"
    done
    grep -q "squeezenet\\\\-$command" "$made/man1/squeezenet.1" || fail "squeezenet.1 does not name $command"
done <list

# Pages.
for page in "$made"/man1/*.1; do
    if command -v groff >/dev/null; then
        groff -man -Tutf8 -ww -z "$page" >warnings 2>&1
        [ ! -s warnings ] || fail "groff about ${page##*/}: $(head -3 warnings)"
    else
        skip "no groff"
    fi
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W warning "$page" >warnings 2>&1
        [ ! -s warnings ] || fail "mandoc about ${page##*/}: $(head -3 warnings)"
    else
        skip "no mandoc"
    fi
done
sed 's/^\.TH.*/.NOSUCH thing/' "$made/man1/squeezenet.1" >broken.1
! command -v groff >/dev/null || [ -n "$(groff -man -ww -z broken.1 2>&1)" ] || fail "groff takes a broken page"

# Completions.
# shellcheck source=/dev/null
complete_words() {
    (
        . "$made/completion/squeezenet"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _squeezenet
        printf '%s\n' "${COMPREPLY[@]}"
    )
}
expect_words() { # WORDS WANTED...
    local wanted=$1 got
    shift
    got=$(complete_words "$@" | sort | tr '\n' ' ')
    [ "$got" = "$wanted " ] || fail "completion of \"$*\": \"$got\", not \"$wanted\""
}
mkdir files && touch files/one.jpg files/two.jpg
expect_words "train" squeezenet tr
expect_words "--low_memory" squeezenet infer --low
expect_words "files/one.jpg files/two.jpg" squeezenet predict files/
expect_words "files" squeezenet train --data_dir "fi"
expect_words "check" squeezenet data ch
expect_words "cosine_decay" squeezenet train --scheduler cosine_d
expect_words "validate" squeezenet help va
command -v zsh >/dev/null && { zsh -n "$made/completion/_squeezenet" || fail "zsh does not take its completion"; }
command -v fish >/dev/null && { fish --no-execute "$made/completion/squeezenet.fish" || fail "fish does not take its completion"; }
expect_error 2 'for bash, zsh and fish' help completion tcsh
finish
