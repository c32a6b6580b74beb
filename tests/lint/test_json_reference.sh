#!/usr/bin/env bash
# Fails when a command prints a JSON member that docs/reference/json.md does not name.
set -eu
source_root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

check_tree() {
    local key bad=0
    while read -r key; do
        grep -qF "\`$key\`" "$1/docs/reference/json.md" || {
            echo "docs/reference/json.md does not have \"$key\", which a command prints"
            bad=1
        }
    done < <(grep -rhoE 'cli_json_[a-z]+\([^,]+, "[A-Za-z0-9_]+"' "$1/cli" | grep -oE '"[^"]+"' | tr -d '"' | sort -u)
    return $bad
}

# The test must be able to fail.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/cli" "$tree/docs/reference"
echo 'cli_json_int(&json, "unheard_of", 1);' >"$tree/cli/cmd.c"
printf '%cheard_of%c\n' 96 96 >"$tree/docs/reference/json.md"
if check_tree "$tree" >/dev/null; then
    echo "the test passes over a member that is not in the page"
    exit 1
fi
check_tree "$source_root"
