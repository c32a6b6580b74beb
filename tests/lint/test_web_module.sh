#!/usr/bin/env bash
# Fails when web/squeezenet.wasm is not what its sources make: run web/build and commit the module.
set -eu
root=${SQZ_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
if [ -n "${SQZ_SANITIZED:-}" ] || ! command -v wasm-ld >/dev/null || [ ! -d /usr/include/wasm32-wasi ] ||
    [[ $(clang --version 2>/dev/null) != *14.0.6* ]]; then
    echo "SKIPPED, NOT TESTED: no Debian 12 clang, lld and wasi-libc, or the sanitizers are on" >&2
    exit 77
fi
built=$(mktemp)
trap 'rm -f "$built"' EXIT
"$root/web/build" "$built"
cmp "$built" "$root/web/squeezenet.wasm" || { echo "web/squeezenet.wasm is out of date: run web/build"; exit 1; }
echo "the module is what its sources make"
